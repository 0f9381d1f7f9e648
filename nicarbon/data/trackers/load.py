# SPDX-License-Identifier: Apache-2.0
"""A load and the truth about it: ``python load.py TRUTH KIND CPU_SECONDS``, ``TRUTH -- COMMAND``.

It writes to TRUTH the CPU seconds that it and all that it waited for used, by rusage.
"""

import json
import os
import random
import subprocess
import sys
import time

SPIN = "import time\nuntil = time.process_time() + {}\nwhile time.process_time() < until: pass"


def python(cpu_s):
    """Return the command of a process that uses some CPU seconds, beside its interpreter's."""
    return [sys.executable, "-I", "-S", "-c", SPIN.format(cpu_s)]


def cpu(seconds):
    """Keep one process busy."""
    subprocess.run(python(seconds), check=True)


def idle(seconds):
    """Sleep."""
    time.sleep(seconds)


def children(seconds):
    """Start one short process after another, of 5 to 50 ms."""
    chosen = random.Random(1)
    left_s = seconds
    while left_s > 0:
        each_s = min(chosen.uniform(0.005, 0.05), left_s)
        subprocess.run(python(each_s), check=True)
        left_s -= each_s


def concurrent(seconds):
    """Keep four processes busy at once."""
    together([python(seconds)] * 4)


def together(commands):
    """Run commands at once."""
    running = [subprocess.Popen(command) for command in commands]
    codes = [process.wait() for process in running]
    if any(codes):
        sys.exit(1)


def pipeline(seconds):
    """Run a nipype workflow: two nodes, three at once, one after them."""
    from tempfile import TemporaryDirectory

    from nipype import Function, Node, Workflow, logging

    logging.getLogger("nipype.workflow").setLevel("CRITICAL")
    logging.getLogger("nipype.utils").setLevel("CRITICAL")
    with TemporaryDirectory() as folder:
        workflow = Workflow("short", base_dir=folder)
        workflow.config["execution"] = {"poll_sleep_duration": "0.05", "create_report": "false"}
        nodes = []
        for k in range(6):
            interface = Function(["seconds", "after"], ["out"], function=spin)
            nodes.append(Node(interface, name=f"step{k}"))
            nodes[k].inputs.seconds = seconds / 6
            nodes[k].inputs.after = None
        for before, after in ((0, 1), (1, 2), (1, 3), (1, 4), (4, 5)):
            workflow.connect(nodes[before], "out", nodes[after], "after")
        workflow.run(plugin="MultiProc", plugin_args={"n_procs": 3})


def spin(seconds, after):
    """Use CPU time, after another node."""
    import time

    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
    return seconds


LOADS = {"cpu": cpu, "idle": idle, "children": children, "concurrent": concurrent}
LOADS["pipeline"] = pipeline


def main():
    """Run the load, then say what it used."""
    truth, kind, *rest = sys.argv[1:]
    began = time.monotonic()
    code = 0
    with open(f"{truth}.began", "w"):
        pass
    if kind == "--":
        code = subprocess.call(rest)
    elif kind == "together":
        together(json.loads(rest[0]))
    else:
        LOADS[kind](float(rest[0]))
    times = os.times()
    used = {"cpu_s": sum(times[:4]), "duration_s": time.monotonic() - began, "code": code}
    with open(f"{truth}.new", "w") as file:
        json.dump(used, file)
    os.replace(f"{truth}.new", truth)
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
