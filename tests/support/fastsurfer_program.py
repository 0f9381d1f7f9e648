# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for run_fastsurfer.sh and recon-surf.sh, and for apptainer where FastSurfer is in it.

Scripts of Python are run by an interpreter as the real ones are, recon-all is the stand-in for
FreeSurfer. On a GPU, which nothing here has, the networks take a tenth of the CPU time: assumed.
"""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
import surfer_programs as programs  # noqa: E402

HOME = os.path.dirname(HERE)
PYTHON = "python3.10"
VERSION = "2.4.2+stand-in"
ON_GPU = 0.1
TAKES = ("--t1", "--sid", "--sd", "--device", "--threads", "--fs_license", "--py")
SWITCHES = ("--seg_only", "--surf_only", "--parallel", "--3T", "--no_cereb", "--no_biasfield")


def table(part):
    """Return the rows of a part, as dictionaries."""
    with open(os.path.join(HERE, "fastsurfer_steps.tsv")) as text:
        lines = [line.rstrip("\n").split("\t") for line in text if not line.startswith("#")]
    rows = [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]
    return [row for row in rows if row["part"] == part]


def parse(words):
    """Return the options; None after saying which one is unknown."""
    given = {}
    at = 0
    while at < len(words):
        if words[at] in TAKES:
            given[words[at]] = words[at + 1]
            at += 2
        elif words[at] in SWITCHES:
            given[words[at]] = True
            at += 1
        else:
            programs.say(f"ERROR: Flag {words[at]} unrecognized.")
            return None
    return given


class Part:
    """One of the two scripts at work on a subject, with its log."""

    def __init__(self, given, log):
        self.given = given
        self.folder = f"{given['--sd']}/{given['--sid']}"
        os.makedirs(f"{self.folder}/scripts", exist_ok=True)
        self.log = f"{self.folder}/scripts/{log}"
        self.threads = given.get("--threads", "1")

    def put(self, *lines, log=None):
        text = "\n".join(lines) + "\n"
        with open(log or self.log, "a") as out:
            out.write(text)
        sys.stdout.write(text)
        sys.stdout.flush()

    def run(self, row, hemi="-", log=None):
        """Run the program of a row, and add what it says to the log; return its exit code."""
        words = self.words(row, hemi)
        # The log has the interpreter's usual name, whatever runs the stand-ins.
        said = [f"{PYTHON} -s" if word == sys.executable else word for word in words]
        self.put(" ".join(word for word in said if word != "-IS"), log=log)
        env = {
            **os.environ,
            "OMP_NUM_THREADS": self.threads,
            "SUBJECTS_DIR": self.given["--sd"],
            "STAND_IN_MAKES": row["makes"].strip("-").replace("?h", hemi),
        }
        if row["cpu_s"] != "-":
            env["STAND_IN_COST"] = f"{self.cpu_s(row)} {row['elapsed_s']}"
        told, _, how = os.environ.get("STAND_IN_FAIL", "").partition("=")
        if told and told in (row["section"].replace("?h", hemi), row["program"]):
            env["STAND_IN_FAILS"] = how or "yes"
        if "STAND_IN_INSTANT" in os.environ and row["program"] != "recon-all":
            made = env["STAND_IN_MAKES"].split(",")
            paths = ",".join(f"{self.folder}/{path}" for path in made if path)
            programs.make(paths, row["program"])
            return 0
        done = subprocess.Popen(
            words, env=env, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        tee = subprocess.Popen(["tee", "-a", log or self.log], stdin=done.stdout)
        done.stdout.close()
        tee.wait()
        code = done.wait()
        return 128 - code if code < 0 else code

    def cpu_s(self, row):
        network = row["program"].endswith("run_prediction.py")
        on_gpu = network and self.given.get("--device") == "cuda"
        return float(row["cpu_s"]) * (ON_GPU if on_gpu else 1.0)

    def words(self, row, hemi):
        program = row["program"]
        if program == "recon-all":
            side = [] if hemi == "-" else ["-hemi", hemi]
            steps = row["arguments"].split()
            more = ["-no-isrunning", "-threads", self.threads]
            return [program, "-subject", self.given["--sid"], *side, *steps, *more]
        if program.endswith(".py"):
            return [sys.executable, "-IS", f"{HOME}/{program}", "--sid", self.given["--sid"]]
        return ["fs_time", program, self.given["--sid"]]


def segment(given):
    """The networks: ``run_fastsurfer.sh --seg_only``."""
    part = Part(given, "deep-seg.log")
    device = given.get("--device", "cpu")
    part.put(f"Version: {VERSION}", "Log file for segmentation FastSurferCNN/run_prediction.py")
    part.put(programs.date(), "")
    if device == "cuda" and not os.environ.get("STAND_IN_GPU"):
        part.put("ValueError: Tried to use device cuda, but CUDA is not available")
        return 1
    part.put(f"{PYTHON} -s {HOME}/FastSurferCNN/run_prediction.py --threads {part.threads}")
    part.put(f"[INFO: common.py:  114]: Using device: {device}")
    for row in table("seg"):
        if f"--no_{row['section']}" in given:
            continue
        began = programs.now()
        code = part.run(row)
        if code:
            return code
        lasted = programs.now() - began
        if row["section"] in ("coronal", "sagittal", "axial"):
            plane = row["section"].title()
            said = f"{plane} inference on T1.mgz finished in {lasted:.4f} seconds"
            part.put(f"[INFO: inference.py:  466]: {said}")
        elif row["section"] == "cereb":
            said = f"Subject 1/1 with id 'T1.mgz' processed in {lasted:.2f} sec."
            part.put(f"[INFO: inference.py:  500]: {said}")
        elif row["section"] == "segstats":
            part.put(f"Calculation took {lasted:.2f} seconds using up to {part.threads} threads.")
    return 0


def surfaces(given):
    """The surfaces: ``recon-surf.sh``."""
    part = Part(given, "recon-surf.log")
    if not os.path.exists(f"{part.folder}/mri/aparc.DKTatlas+aseg.deep.mgz"):
        programs.say("ERROR: no segmentation: run FastSurfer's networks before its surfaces")
        return 1
    began = programs.now()
    part.put("Log file for recon-surf.sh", programs.date(began), "", " ".join(os.uname()), " ")
    rows = table("surf")
    at, seen = 0, ""
    while at < len(rows):
        if rows[at]["hemi"] == "?h":
            sides = [row for row in rows[at:] if row["hemi"] == "?h"]
            code = hemispheres(part, sides)
            at += len(sides)
        else:
            seen = banner(part, rows[at], seen)
            code = part.run(rows[at])
            at += 1
        if code:
            part.put(f"recon-surf.sh {given['--sid']} exited with ERRORS at {programs.date()}")
            return code
    ended = programs.now()
    part.put(" ", "================= DONE ====================", " ")
    part.put(f"Started at {programs.date(began)} ", f"Ended   at {programs.date(ended)}")
    part.put(f"#@#%# recon-surf-run-time-hours  {(ended - began) / 3600:.3f}")
    part.put(f"recon-surf.sh {given['--sid']} finished without error at {programs.date(ended)}")
    return 0


def banner(part, row, seen, hemi="-", log=None):
    """Name a section where it begins."""
    title = row["section"].replace("?h", hemi)
    if title != seen:
        part.put(" ", f"================== {title} ==================", " ", log=log)
    return title


def hemispheres(part, rows):
    """Make both surfaces, at once if asked; the log has the left one first."""
    logs = {hemi: f"{part.folder}/scripts/{hemi}.processing.log" for hemi in ("lh", "rh")}

    def side(hemi):
        seen = ""
        for row in rows:
            seen = banner(part, row, seen, hemi, logs[hemi])
            code = part.run(row, hemi, logs[hemi])
            if code:
                return code
        return 0

    codes = []
    pids = []
    for hemi in logs:
        if "--parallel" not in part.given:
            codes.append(side(hemi))
            continue
        sys.stdout.flush()
        pid = os.fork()
        if not pid:
            os._exit(side(hemi))
        pids.append(pid)
    codes += [programs.exit_code(os.waitpid(pid, 0)[1]) for pid in pids]
    for log in logs.values():
        with open(part.log, "a") as whole, open(log) as own:
            whole.write(own.read())
        os.unlink(log)
    return max(codes)


def apptainer():
    """``apptainer exec [--nv] [--no-home] [-B FOLDER] IMAGE COMMAND``: only bound files exist."""
    words = sys.argv[2:]
    bound = []
    while words[0].startswith("-"):
        if words.pop(0) == "-B":
            bound.append(words.pop(0))
    words.pop(0)
    if words[0] != "/fastsurfer/run_fastsurfer.sh":
        programs.say(f"FATAL: stat {words[0]}: no such file or directory")
        return 255
    for word in words[1:]:
        if word.startswith("/") and not any(f"{word}/".startswith(f"{b}/") for b in bound):
            programs.say(f"ERROR: {word} does not exist in the image")
            return 1
    return subprocess.call([f"{HOME}/run_fastsurfer.sh", *words[1:]])


def main():
    name = os.path.basename(sys.argv[0])
    if name in ("apptainer", "singularity"):
        return apptainer()
    if "--version" in sys.argv:
        print(VERSION)
        return 0
    given = parse(sys.argv[1:])
    if given is None or not {"--sid", "--sd"} <= set(given):
        return 1
    if name == "recon-surf.sh":
        return surfaces(given)
    if "--t1" not in given or not os.path.isfile(given["--t1"]):
        programs.say(f"ERROR: T1 image ({given.get('--t1')}) could not be found")
        return 1
    code = 0 if "--surf_only" in given else segment(given)
    if code or "--seg_only" in given:
        return code
    if not os.path.isfile(given.get("--fs_license", "")):
        programs.say("ERROR: FreeSurfer license file is not provided")
        return 1
    kept = ("--sid", "--sd", "--threads", "--fs_license")
    words = [word for key in kept if key in given for word in (key, given[key])]
    words += ["--parallel"] if "--parallel" in given else []
    return subprocess.call([f"{HOME}/recon_surf/recon-surf.sh", *words])


if __name__ == "__main__":
    sys.exit(main())
