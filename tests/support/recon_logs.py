# SPDX-License-Identifier: Apache-2.0
"""Logs as FreeSurfer writes them, made from a table of steps; no real log is copied here."""

from datetime import UTC, datetime, timedelta

# Title, hemisphere, program, minutes, threads that it keeps busy: the order and rough proportions
# of recon-all 7, a scan of an hour.
STEPS = (
    ("MotionCor", None, "mri_convert", 0.2, 1.0),
    ("Talairach", None, "mri_nu_correct.mni", 3.0, 1.0),
    ("Talairach Failure Detection", None, "talairach_afd", 0.05, 1.0),
    ("Nu Intensity Correction", None, "mri_nu_correct.mni", 2.5, 1.0),
    ("Skull Stripping", None, "mri_watershed", 1.5, 1.0),
    ("EM Registration", None, "mri_em_register", 2.0, 3.5),
    ("CA Reg", None, "mri_ca_register", 12.0, 3.0),
    ("SubCort Seg", None, "mri_ca_label", 8.0, 1.0),
    ("Fill", None, "mri_fill", 1.0, 1.0),
    ("QSphere", "lh", "mris_sphere", 2.0, 1.0),
    ("QSphere", "rh", "mris_sphere", 2.2, 1.0),
    ("Curv .H and .K", "lh", "mris_curvature", 0.7, 1.0),
    ("Curv .H and .K", "rh", "mris_curvature", 0.6, 1.0),
    ("Surf Reg", "lh", "mris_register", 6.0, 1.5),
    ("Surf Reg", "rh", "mris_register", 6.5, 1.5),
    ("Cortical Parc 2", "lh", "mris_ca_label", 0.4, 1.0),
    ("Cortical Parc 2", "rh", "mris_ca_label", 0.4, 1.0),
    ("Cortical ribbon mask", None, "mris_volmask", 3.0, 1.0),
    ("AParc-to-ASeg aparc.DKTatlas", None, "mri_surf2volseg", 0.8, 3.0),
    ("WMParc", None, "mri_surf2volseg", 2.0, 3.0),
    ("ASeg Stats", None, "mri_segstats", 0.7, 3.0),
)
BEGIN = datetime(2024, 3, 5, 9, 0, 0, tzinfo=UTC)
DATES = {
    "C": "%a %b %e %H:%M:%S {zone} %Y",
    "en_GB": "%a %e %b %H:%M:%S {zone} %Y",
    "en_US": "%a %d %b %Y %I:%M:%S %p {zone}",
    "es": "mar {e} mar %Y %H:%M:%S {zone}",
    "de": "Di {e}. Mär %H:%M:%S {zone} %Y",
    "fi": "ma {e}.3.%Y %H.%M.%S {zone}",
    "zh_mac": "%Y年 %m月{e}日 星期二 %H时%M分%S秒 {zone}",
    "zh": "%Y年 %m月 %d日 星期二 %H:%M:%S {zone}",
}


class Writer:
    """Writes a log line by line, with a clock that only it moves."""

    def __init__(self, begin=BEGIN, locale="C", zone="EST", comma=False):
        self.now, self.zone, self.comma = begin, zone, comma
        self._format = DATES[locale]
        self.lines = []

    def date(self, at=None):
        at = at or self.now
        pattern = self._format.format(zone=self.zone, e=at.day)
        return at.strftime(pattern)

    def put(self, *lines):
        self.lines += lines

    def number(self, value, digits=3):
        text = f"{value:.{digits}f}"
        return text.replace(".", ",") if self.comma else text

    def wait(self, seconds):
        self.now += timedelta(seconds=seconds)

    def fstime(self, program, start, elapsed_s, cpu_s):
        stamp = start.strftime("%Y:%m:%d:%H:%M:%S")
        self.put(
            f"@#@FSTIME  {stamp} {program} N 4 e {elapsed_s:.2f} S {0.1 * cpu_s:.2f} "
            f"U {0.9 * cpu_s:.2f} P {100 * cpu_s / max(elapsed_s, 0.01):.0f}% M 500000 F 0 R 100 "
            "W 0 c 1 w 2 I 0 O 8 L 1.00 1.00 1.00",
            f"@#@FSLOADPOST {stamp} {program} N 4 1.00 1.00 1.00",
        )


def recon_all(
    steps=STEPS,
    subject="sub-01",
    *,
    begin=BEGIN,
    locale="C",
    zone="EST",
    comma=False,
    fstime=True,
    parallel=False,
    fails_at=None,
    killed_at=None,
    args="-all -threads 4",
    noise=3,
):
    """The text of one invocation's recon-all.log, and the seconds of each step."""
    w = Writer(begin, locale, zone, comma)
    started = w.now
    w.put("", w.date(), f"cd /data/{subject}", "setenv SUBJECTS_DIR /data")
    w.put(f"/opt/freesurfer/bin/recon-all -s {subject} {args}", "", f"subjid {subject}")
    w.put("build-stamp.txt: freesurfer-linux-ubuntu22_x86_64-7.4.1-20230614-7eb8460")
    w.put("Linux scanner 5.15.0 #1 SMP x86_64 GNU/Linux", "#@#% fs-check-version match = 1")
    w.wait(7)
    truth = [("starting up", None, 7.0)]
    i = 0
    while i < len(steps):
        title, side, program, _, busy = steps[i]
        if title == killed_at:
            return "\n".join(w.lines) + "\n", truth
        pair = parallel and side == "lh" and i + 1 < len(steps) and steps[i + 1][1] == "rh"
        together = steps[i : i + 2] if pair else steps[i : i + 1]
        for t, s, *_ in together:
            w.put("#" + "-" * 44, f"#@# {t}{' ' + s if s else ''} {w.date()}")
        begun = w.now
        seconds = round(60 * max(step[3] for step in together))
        w.put(f"#@#  4  188  -1.74604 {i}", *(f"{n} iterations, dt={n}.5" for n in range(noise)))
        if pair:
            w.put("Waiting for PID 11 of (11 12) to complete...")
            w.put("Waiting for PID 12 of (11 12) to complete...")
            for _, _, p, m, _ in together:
                w.put(f"FSRUNTIME@ {p}  {w.number(m / 60, 4)} hours 4 threads")
            w.put("PIDs (11 12) completed and logs appended.")
        w.wait(seconds)
        if title == fails_at:
            w.put("ERROR: no space left", "Linux scanner 5.15.0 #1 SMP x86_64 GNU/Linux", "")
            w.put(f"recon-all -s {subject} exited with ERRORS at {w.date()}", "")
            truth += [(t, s, float(seconds)) for t, s, *_ in together]
            return "\n".join(w.lines) + "\n", truth
        if fstime and not pair:
            w.fstime(program, begun, seconds - 0.4, busy * (seconds - 0.4))
        truth += [(t, s, float(seconds)) for t, s, *_ in together]
        i += len(together)
    hours = (w.now - started).total_seconds() / 3600
    w.put("", f"Started at {w.date(started)} ", f"Ended   at {w.date()}")
    w.put(f"#@#%# recon-all-run-time-hours {w.number(hours)}")
    w.put(f"recon-all -s {subject} finished without error at {w.date()}", "done")
    return "\n".join(w.lines) + "\n", truth


def status(text):
    """What recon-all-status.log holds of the same run."""
    lines = text.splitlines()
    kept = [line for line in lines if line.startswith("#@# ") and ":" in line]
    end = [line for line in lines if line.startswith("recon-all -s")]
    return "\n".join(["status file for recon-all", lines[1], *kept, *end]) + "\n"


def recon_surf(*, parallel=True, fstime=False, subject="sub-01", begin=BEGIN):
    """A recon-surf.log: banners without dates, recon-all inside, the hemispheres one by one."""
    w = Writer(begin)
    started = w.now
    w.put("Log file for recon-surf.sh", w.date(), "", "Linux scanner 5.15.0 #1 SMP x86_64", " ")

    def banner(title):
        w.put(" ", f"============ {title} ==============", " ")

    def python(seconds):
        w.put("python3.10 -s /opt/FastSurfer/recon_surf/sample_parc.py --hemi lh")
        begun = w.now
        w.wait(seconds)
        if fstime:
            w.fstime("python3.10", begun, seconds - 0.5, seconds)

    def nested(*steps):
        began = w.now
        w.put("", f"subjid {subject}")
        for title, side, seconds in steps:
            w.put(f"#@# {title}{' ' + side if side else ''} {w.date()}")
            begun = w.now
            w.wait(seconds)
            if fstime:
                w.fstime("mris_sphere", begun, seconds - 0.5, 2.0 * seconds)
        w.put(f"Started at {w.date(began)} ", f"Ended   at {w.date()}")
        hours = (w.now - began).total_seconds() / 3600
        w.put(f"#@#%# recon-all-run-time-hours {hours:.3f}")
        w.put(f"recon-all -s {subject} finished without error at {w.date()}", "done")

    banner("Checking validity of inputs")
    python(10)
    banner("Creating filled from brain")
    nested(("WM Segmentation", None, 100), ("Fill", None, 50))
    fork = w.now
    ends = []
    for side, more in (("lh", 0), ("rh", 30)):
        if parallel:
            w.now = fork
        banner(f"Creating surfaces {side} - fix")
        nested(("Fix Topology", side, 300 + more))
        banner(f"Creating surfaces {side} - map input asegdkt_segfile to surf")
        python(20)
        banner(f"Creating surfaces {side} - FS sphere, surfreg")
        nested(("Sphere", side, 400 + more))
        ends.append(w.now)
    w.now = max(ends)
    banner("Creating surfaces - ribbon")
    nested(("Cortical ribbon mask", None, 200))
    banner("DONE")
    w.put(f"Started at {w.date(started)} ", f"Ended   at {w.date()}")
    hours = (w.now - started).total_seconds() / 3600
    w.put(f"#@#%# recon-surf-run-time-hours  {hours:.3f}")
    w.put(f"recon-surf.sh {subject} finished without error at {w.date()}")
    return "\n".join(w.lines) + "\n", (w.now - started).total_seconds()


def deep_seg(version=2, device="cpu"):
    """A deep-seg.log of FastSurfer 1 or 2, and what it says of each part."""
    w = Writer()
    planes = {"coronal": 270.2627, "sagittal": 264.1645, "axial": 262.9405}
    if version == 1:
        w.put("Log file for fastsurfercnn eval.py", w.date(), "python3.6 eval.py --threads 4")
        w.put(*(f"{p.title()} View Tested in {s:0.4f} seconds" for p, s in planes.items()))
        w.put("View Aggregation finished in 12.5000 seconds.")
        w.put(f"Total processing time: {sum(planes.values()) + 20:0.4f} seconds.")
        return "\n".join(w.lines) + "\n", {**planes, "view aggregation": 12.5}
    w.put("Version: 2.3.0", "Log file for segmentation FastSurferCNN/run_prediction.py", w.date())
    w.put("", "python3.10 -s /opt/FastSurfer/FastSurferCNN/run_prediction.py --threads 4")
    w.put(f"[INFO: common.py:  114]: Using device: {device}")
    for plane, seconds in planes.items():
        w.put(f"[INFO: run_prediction.py:  401]: Run {plane} prediction")
        w.put(
            f"[INFO: inference.py:  466]: {plane.title()} inference on T1.mgz finished in "
            f"{seconds:0.4f} seconds"
        )
    w.put("[INFO: run_prediction.py:  730]: Creating brainmask based on segmentation...")
    w.put("INFO: Running N4 bias-field correction")
    w.put("python3.10 -s /opt/FastSurfer/CerebNet/run_prediction.py --threads 4")
    w.put("[INFO: inference.py:  500]: Subject 1/1 with id 'T1.mgz' processed in 56.46 sec.")
    return "\n".join(w.lines) + "\n", {**planes, "CerebNet": 56.46}
