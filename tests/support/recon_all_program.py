# SPDX-License-Identifier: Apache-2.0
"""A stand-in for recon-all: its steps, markers, logs, children and exit codes, from a table.

Flags as of recon-all 7: -all, -autorecon1, -autorecon2, -autorecon2-volonly, -autorecon2-perhemi,
-autorecon3, -autorecon-hemi, each step's -STEP and -noSTEP, -hemi, -parallel, -threads, -i.
"""

import contextlib
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import surfer_programs as programs

VERSION = "freesurfer-linux-ubuntu22_x86_64-7.4.1-20230614-0000000"
PARTS = {
    "-all": "1 2 2h 3 3h",
    "-autorecon-all": "1 2 2h 3 3h",
    "-autorecon1": "1",
    "-autorecon2": "2 2h",
    "-autorecon2-volonly": "2",
    "-autorecon2-perhemi": "2h",
    "-autorecon3": "3 3h",
    "-autorecon-hemi": "2h 3h",
}
TAKES = ("-s", "-subjid", "-subject", "-sd", "-i", "-openmp", "-threads", "-itkthreads")
TAKES += ("-hemi", "-autorecon-hemi")
SWITCHES = ("-parallel", "-no-isrunning", "-3T", "-mprage", "-cw256", "-hires")
# What a step reads that another part of recon-all makes.
NEEDS = {
    "talairach": "mri/orig.mgz",
    "gcareg": "mri/brainmask.mgz",
    "normalization2": "mri/aseg.presurf.mgz",
    "tessellate": "mri/filled.mgz",
    "sphere": "surf/?h.inflated",
    "cortparc": "surf/?h.sphere.reg",
    "parcstats": "mri/ribbon.mgz",
    "cortribbon": "surf/lh.pial surf/rh.pial surf/lh.white surf/rh.white",
    "apas2aseg": "mri/ribbon.mgz",
    "aparc2aseg": "label/lh.aparc.annot label/rh.aparc.annot",
    "balabels": "surf/?h.sphere.reg",
}


class RefusedError(Exception):
    """recon-all ends before its first step."""


def table():
    """Return the rows of the steps, as dictionaries."""
    path = os.path.join(os.path.dirname(os.path.realpath(__file__)), "recon_all_steps.tsv")
    with open(path) as text:
        lines = [line.rstrip("\n").split("\t") for line in text if not line.startswith("#")]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


def parse(words, rows):
    """Return the options, and the steps that are asked for."""
    flags = {row["flag"] for row in rows}
    given, asked, refused = {"-i": []}, set(), set()
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        value = words[at] if at < len(words) else ""
        if word in PARTS:
            asked |= {row["flag"] for row in rows if row["part"] in PARTS[word].split()}
            given["parts"] = PARTS[word].split()
        elif word[1:] in flags:
            asked.add(word[1:])
        elif word.startswith("-no") and word[3:] in flags:
            refused.add(word[3:])
        elif word not in TAKES and word not in SWITCHES:
            raise RefusedError(f"ERROR: Flag {word} unrecognized.\n{' '.join(words)}")
        if word in TAKES:
            at += 1
            if word == "-i":
                given["-i"].append(value)
            else:
                key = {"-subjid": "-s", "-subject": "-s", "-openmp": "-threads"}.get(word, word)
                given["-hemi" if word == "-autorecon-hemi" else key] = value
        elif word in SWITCHES:
            given[word] = True
    return given, asked - refused


class ReconAll:
    """One invocation."""

    def __init__(self, words):
        self.words = words
        self.rows = table()
        self.given, self.asked = parse(words, self.rows)
        self.subject = self.given.get("-s")
        self.hemi = self.given.get("-hemi")
        self.threads = self.given.get("-threads", "1")
        self.check()
        side = f"-{self.hemi}" if "-autorecon-hemi" in words else ""
        self.log = f"{self.folder}/scripts/recon-all{side}.log"
        self.status = f"{self.folder}/scripts/recon-all-status{side}.log"
        self.cmd = f"{self.folder}/scripts/recon-all{side}.cmd"
        self.running = f"{self.folder}/scripts/IsRunning.{self.hemi or 'lh+rh'}"

    def check(self):
        """Refuse what recon-all refuses."""
        home = os.environ.get("FREESURFER_HOME")
        if not home:
            raise RefusedError("ERROR: environment variable FREESURFER_HOME not defined")
        licence = os.environ.get("FS_LICENSE") or f"{home}/license.txt"
        if not os.path.isfile(licence):
            raise RefusedError(f"ERROR: FreeSurfer license file {licence} not found.")
        folder = self.given.get("-sd") or os.environ.get("SUBJECTS_DIR")
        if not folder or not os.path.isdir(folder):
            raise RefusedError(f"ERROR: SUBJECTS_DIR {folder} does not exist.")
        if not self.subject:
            raise RefusedError("ERROR: must specify a subject id")
        self.folder = f"{folder}/{self.subject}"
        inputs = self.given["-i"]
        if inputs and os.path.exists(f"{self.folder}/mri/orig/001.mgz"):
            raise RefusedError(
                "ERROR: You are trying to re-run an existing subject with new input data"
            )
        if not inputs and not os.path.isdir(self.folder):
            raise RefusedError(f"ERROR: cannot find subject {self.subject} in {folder}")
        for path in inputs:
            if not os.path.isfile(path):
                raise RefusedError(f"ERROR: cannot find {path}")

    def put(self, *lines, files="log"):
        """Add lines to a log, and to what is printed where it is recon-all.log."""
        text = "\n".join(lines) + "\n"
        for name in files.split():
            with open(getattr(self, name), "a") as out:
                out.write(text)
        if "log" in files.split():
            sys.stdout.write(text)
            sys.stdout.flush()

    def run(self):
        """Do it; return recon-all's exit code."""
        os.makedirs(f"{self.folder}/scripts", exist_ok=True)
        os.chdir(self.folder)
        if os.path.exists(self.running) and "-no-isrunning" not in self.given:
            raise RefusedError(
                f"ERROR: it appears that recon-all is already running for {self.subject}"
            )
        with open(self.running, "w") as running:
            running.write(f"PROCESSID {os.getpid()}\nDATE {programs.date()}\n")
        os.environ.update(OMP_NUM_THREADS=self.threads, SUBJECT=self.subject)
        self.began = programs.now()
        self.header()
        code = 0
        for together in self.steps():
            code = self.parallel(together) if len(together) > 1 else self.step(together[0])
            if code:
                break
        self.end(code)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.running)
        return code

    def header(self):
        again = os.path.exists(self.status)
        system = os.uname()
        command = " ".join([sys.argv[0], *self.words])
        if again:
            self.put("\n\n#New# invocation of recon-all \n\n", files="status cmd")
        else:
            self.put("status file for recon-all", files="status")
        self.put(programs.date(), files="status")
        self.put(f"\n\n#---------------------------------\n# New invocation of recon-all "
                 f"{programs.date()} ", files="cmd")  # fmt: skip
        home = os.environ["FREESURFER_HOME"]
        self.put("", programs.date(), f"cd {os.getcwd()}",
                 f"setenv SUBJECTS_DIR {os.path.dirname(self.folder)}", command, "",
                 f"subjid {self.subject}", f"FREESURFER_HOME {home}",
                 f"build-stamp.txt: {VERSION}", " ".join(system), "",
                 "#@#% fs-check-version match = 1")  # fmt: skip
        stamp = time.strftime("%Y/%m/%d-%H:%M:%S-GMT", time.gmtime(programs.now()))
        self.put(f"ProgramName: mri_convert  ProgramVersion: 7.4.1  TimeStamp: {stamp}")

    def steps(self):
        """Yield each step that is asked for: its rows, or those of both hemispheres at once."""
        wanted = [row for row in self.rows if self.wants(row)]
        at = 0
        while at < len(wanted):
            first = wanted[at]
            same = self.same(wanted, at)
            both = [same]
            at += len(same)
            if first["hemi"] == "lh" and "-parallel" in self.given and first["parallel"] == "p":
                other = self.same(wanted, at)
                if other and other[0]["title"] == first["title"]:
                    both.append(other)
                    at += len(other)
            yield both

    def wants(self, row):
        hemi = row["hemi"]
        inside = row["part"] in self.given.get("parts", [row["part"]])
        here = hemi == "-" or self.hemi in (None, hemi)
        first = row["title"] == "starting up"
        return row["flag"] in self.asked and inside and here and (not first or self.given["-i"])

    @staticmethod
    def same(rows, at):
        """Return the rows of one step."""
        key = ("title", "hemi")
        end = at
        while end < len(rows) and all(rows[end][k] == rows[at][k] for k in key):
            end += 1
        return rows[at:end]

    def mark(self, row):
        if row["title"] != "starting up":
            side = "" if row["hemi"] == "-" else f" {row['hemi']}"
            self.put("#--------------------------------------------", files="log cmd")
            self.put(f"#@# {row['title']}{side} {programs.date()}", files="log cmd status")

    def lacks(self, row):
        """Return a file that this step needs and nobody has made."""
        for path in NEEDS.get(row["flag"], "").replace("?h", row["hemi"]).split():
            if not os.path.exists(path):
                return path
        return None

    def settings(self, row, is_last):
        """Return what a stand-in for a program has to know."""
        cost = f"{row['cpu_s']} {row['elapsed_s']}"
        found = {"STAND_IN_COST": cost, "STAND_IN_MAKES": row["makes"].strip("-")}
        told, _, how = os.environ.get("STAND_IN_FAIL", "").partition("=")
        side = "" if row["hemi"] == "-" else f" {row['hemi']}"
        if is_last and told in (row["title"], row["title"] + side):
            found["STAND_IN_FAILS"] = how or "yes"
        return found

    def step(self, rows):
        """Run the programs of a step one after another, each through fs_time and tee."""
        self.mark(rows[0])
        missing = self.lacks(rows[0])
        if missing:
            self.put(f"ERROR: cannot find {missing}")
            return 1
        for row in rows:
            words = self.command(row)
            self.put(f" {' '.join(words)} ", files="cmd")
            self.put(f"\n {' '.join(words)} \n")
            if "STAND_IN_INSTANT" in os.environ:
                programs.make(row["makes"].strip("-"), row["program"])
                continue
            env = {**os.environ, **self.settings(row, row is rows[-1])}
            code = self.piped(["fs_time", *words], env)
            if code:
                return code
        return 0

    def command(self, row):
        if row["program"] == "cp":
            path = row["makes"].split(",")[0]
            source = "mri/aseg.auto.mgz" if "aseg" in path else path
            return ["cp", source, path]
        # mris_fix_topology ends with the hemisphere's name: so do all here.
        return [row["program"], self.subject, *([row["hemi"]] if row["hemi"] != "-" else [])]

    def piped(self, words, env):
        """Run ``words |& tee -a recon-all.log``."""
        read, write = os.pipe()
        tee = os.posix_spawnp(
            "tee", ["tee", "-a", self.log], os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, read, 0), (os.POSIX_SPAWN_CLOSE, write)],
        )  # fmt: skip
        os.close(read)
        pid = os.posix_spawnp(
            words[0], words, env,
            file_actions=[(os.POSIX_SPAWN_DUP2, write, 1), (os.POSIX_SPAWN_DUP2, write, 2)],
        )  # fmt: skip
        os.close(write)
        code = programs.exit_code(os.waitpid(pid, 0)[1])
        os.waitpid(tee, 0)
        return code

    def parallel(self, both):
        """Run a step's programs of both hemispheres at once, as -parallel does."""
        files = []
        for rows in both:
            self.mark(rows[0])
            missing = self.lacks(rows[0])
            if missing:
                self.put(f"ERROR: cannot find {missing}")
                return 1
            files.append(f"{self.folder}/scripts/{rows[0]['program']}_{rows[0]['hemi']}.cmd")
            with open(files[-1], "w") as command:
                for row in rows:
                    words = self.settings(row, row is rows[-1])
                    given = " ".join(f"{key}='{value}'" for key, value in words.items())
                    command.write(f"{given} {' '.join(self.command(row))} || exit $?\n")
            self.put(f" {' '.join(self.command(rows[0]))} ", files="log cmd")
        words = ["reconbatchjobs", self.log, *files]
        return programs.exit_code(os.waitpid(os.posix_spawnp(words[0], words, os.environ), 0)[1])

    def end(self, code):
        ended = programs.now()
        if code:
            self.put(" ".join(os.uname()), "")
            said = f"recon-all -s {self.subject} exited with ERRORS at {programs.date(ended)}"
            self.put(said, files="log status")
            self.put("", f"For more details, see the log file {self.log}")
            with open(f"{self.folder}/scripts/recon-all.error", "w") as error:
                error.write(f"SUBJECT {self.subject}\nDATE {programs.date()}\nCMD recon-all\n")
            return
        hours = (ended - self.began) / 3600
        self.put("", f"Started at {programs.date(self.began)} ")
        self.put(f"Ended   at {programs.date(ended)}")
        self.put(f"#@#%# recon-all-run-time-hours {hours:.3f}")
        said = f"recon-all -s {self.subject} finished without error at {programs.date(ended)}"
        self.put(said, files="log status")
        self.put("done")
        with open(f"{self.folder}/scripts/recon-all.done", "w") as done:
            done.write(f"------------------------------\nSUBJECT {self.subject}\n"
                       f"START_TIME {programs.date(self.began)}\nEND_TIME {programs.date(ended)}\n"
                       f"RUNTIME_HOURS {hours:.3f}\nVERSION {VERSION}\n"
                       f"CMDARGS {' '.join(self.words)}\n")  # fmt: skip


def main():
    if "-version" in sys.argv or "--version" in sys.argv:
        print(VERSION)
        return 0
    try:
        return ReconAll(sys.argv[1:]).run()
    except RefusedError as error:
        print(error)
        return 1


if __name__ == "__main__":
    sys.exit(main())
