# SPDX-License-Identifier: Apache-2.0
"""What the stand-ins' programs are: one file that behaves as the name by which it is called.

`surfer_stand_in.install` puts it on the PATH under each name. It starts in a hundredth of a second
(no module but the interpreter's own), since a recon-all calls a hundred programs.

An environment variable each: STAND_IN_SCALE, CPU seconds that are burnt for each one of the real
program; STAND_IN_FAIL, ``TITLE[ lh|rh][=SIGNAL]``, the step whose last program fails, or dies of a
signal; STAND_IN_CLOCK, ``stretched`` to let dates and times in logs pass as they would at scale 1;
STAND_IN_INSTANT, to start no program at all, where only logs and files matter.
"""

import os
import sys
import time

SCALE = float(os.environ.get("STAND_IN_SCALE", "1e-4"))
STRETCH = 1 / SCALE if os.environ.get("STAND_IN_CLOCK") == "stretched" else 1.0
BORN = float(os.environ.get("STAND_IN_BORN", "0"))
SELF_TIMED = ("mris_sphere", "mri_em_register", "mri_ca_register", "mris_register")
RUSAGE = ("mri_watershed", "mri_ca_label", "mris_inflate")


def now():
    """Seconds of the clock that the logs show."""
    return BORN + (time.time() - BORN) * STRETCH


def date(at=None):
    return time.strftime("%a %b %e %H:%M:%S %Z %Y", time.localtime(at if at else now()))


def say(*lines):
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def burn(cpu_s):
    """Compute until this process has used so many CPU seconds in all."""
    while time.process_time() < cpu_s:
        sum(range(2000))


def work(cpu_s, elapsed_s, threads):
    """Use CPU time as the real program does: by as many at once, with the same share of waiting.

    An interpreter's threads do not run at once: each of them is a process of the same name.
    """
    busy = max(1, round(cpu_s / elapsed_s)) if elapsed_s else 1
    n = max(1, min(busy, threads, os.cpu_count() or 1))
    each_s = cpu_s * SCALE / n
    others = []
    for _ in range(n - 1):
        pid = os.fork()
        if not pid:
            burn(each_s)
            os._exit(0)
        others.append(pid)
    burn(each_s)
    for pid in others:
        os.waitpid(pid, 0)
    time.sleep(max(0.0, elapsed_s - cpu_s) * SCALE)


def make(paths, name):
    """Make the files that a program leaves, named with commas between them."""
    for path in paths.split(","):
        if path:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as made:
                made.write(f"made by a stand-in for {name}, no image\n")


def program(name):
    """Be one of FreeSurfer's programs; recon-all says in the environment what it costs."""
    cost = os.environ.get("STAND_IN_COST")
    if cost is None or "-all-info" in sys.argv:
        say(f"ProgramName: {name}  ProgramVersion: 7.2.0  a stand-in")
        return 0
    cpu_s, elapsed_s = (float(word) for word in cost.split())
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    fails = os.environ.get("STAND_IN_FAILS")
    say(
        f"{name} is a stand-in: {cpu_s:g} CPU seconds x {SCALE:g}", "#@#  4  188  -1.74604 2.05701"
    )
    began = time.time()
    work(cpu_s / 2 if fails else cpu_s, elapsed_s, threads)
    if fails:
        if fails.isdigit() and int(fails):
            os.kill(os.getpid(), int(fails))
        say(f"ERROR: {name}: told to fail")
        return 1
    make(os.environ.get("STAND_IN_MAKES", ""), name)
    if name in RUSAGE:
        say(f"{name} utimesec    {time.process_time() * STRETCH:.6f}", f"{name} stimesec    0.0")
    if name in SELF_TIMED or name == "mris_fix_topology":
        side = f" {sys.argv[-1]}" if name == "mris_fix_topology" else " "
        hours = (time.time() - began) * STRETCH / 3600
        say(f"FSRUNTIME@ {name}{side} {hours:7.4f} hours {threads} threads")
    return 0


def exit_code(status):
    """The exit code of a process that was waited for, as a shell has it."""
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def fs_time():
    """``fs_time COMMAND ...``: run it, and say what it used as GNU time does."""
    at, began = now(), time.monotonic()
    pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
    _, status, used = os.wait4(pid, 0)
    elapsed_s = (time.monotonic() - began) * STRETCH
    user_s, system_s = used.ru_utime * STRETCH, used.ru_stime * STRETCH
    stamp = time.strftime("%Y:%m:%d:%H:%M:%S", time.localtime(at))
    after = time.strftime("%Y:%m:%d:%H:%M:%S", time.localtime(now()))
    name, n = os.path.basename(sys.argv[1]), len(sys.argv) - 2
    share = 100 * (user_s + system_s) / max(elapsed_s, 0.01)
    say(
        f"@#@FSTIME  {stamp} {name} N {n} e {elapsed_s:.2f} S {system_s:.2f} U {user_s:.2f} "
        f"P {share:.0f}% M {used.ru_maxrss} F 0 R {used.ru_minflt} W 0 c {used.ru_nivcsw} "
        f"w {used.ru_nvcsw} I 0 O 0 L 1.00 1.00 1.00",
        f"@#@FSLOADPOST {after} {name} N {n} 1.00 1.00 1.00",
    )
    return exit_code(status)


def reconbatchjobs():
    """``reconbatchjobs LOG CMD ...``: run them at once, then append what each one said."""
    log, *commands = sys.argv[1:]
    pids = []
    for command in commands:
        pid = os.fork()
        if not pid:
            out = os.open(f"{command}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.dup2(out, 1)
            os.dup2(out, 2)
            os.execvp("sh", ["sh", command])
        pids.append(pid)
    listed = " ".join(str(pid) for pid in pids)
    text, worst = "", 0
    for pid in pids:
        text += f"Waiting for PID {pid} of ({listed}) to complete...\n"
    for pid in pids:
        worst = max(worst, exit_code(os.waitpid(pid, 0)[1]))
    for command in commands:
        with open(f"{command}.log") as said:
            text += "\n" + said.read()
        os.unlink(f"{command}.log")
        os.unlink(command)
    if not worst:
        text += f"PIDs ({listed}) completed and logs appended.\n"
    with open(log, "a") as whole:
        whole.write(text)
    sys.stdout.write(text)
    return worst


def stats2table():
    """``asegstats2table``, ``aparcstats2table``: a table with the subjects and no region."""
    words = sys.argv[1:]
    value = {word: words[at + 1] for at, word in enumerate(words[:-1]) if word.startswith("--")}
    at = words.index("--subjects") + 1
    last = next((n for n in range(at, len(words)) if words[n].startswith("--")), len(words))
    hemi = f"{value['--hemi']}." if "--hemi" in value else ""
    stats = f"stats/{hemi}{value.get('--parc', 'aseg')}.stats"
    for subject in words[at:last]:
        if not os.path.isfile(os.path.join(os.environ["SUBJECTS_DIR"], subject, stats)):
            say(f"ERROR: Cannot find stats file {subject}/{stats}")
            return 1
    with open(value["--tablefile"], "w") as table:
        table.write(f"{hemi}Measure:{value['--meas']}\n" + "\n".join(words[at:last]) + "\n")
    say(f"Writing the table to {value['--tablefile']}")
    return 0


def main():
    name = os.path.basename(sys.argv[0])
    if name == "nvidia-smi":
        say("GPU 0: a stand-in (UUID: GPU-00000000)")
        return 0
    if name.endswith("stats2table"):
        return stats2table()
    if name in ("fs_time", "reconbatchjobs"):
        return globals()[name]()
    return program(name)


if __name__ == "__main__":
    sys.exit(main())
