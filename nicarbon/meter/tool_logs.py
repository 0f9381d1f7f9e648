# SPDX-License-Identifier: Apache-2.0
"""Programs that keep a log of their own steps, where that log is, and which of its lines say so.

Of a line only what marks a step is kept: no command lines, no names of subjects.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

_LONGEST = 200
# Compiled where they are first used: each run loads this module, and few have such a log.
# A date has a time of day; programs print lines that look like marks and have none.
# As in `nicarbon.logs.dates`, which may import nothing from here, nor this from there.
CLOCK = r"\d{1,2}(?:[:.]|[時时]|시 ?)\d{2}(?:[:.]|分|분 ?)\d{2}"
_ENDED = r"(recon-(?:all|surf\.sh)) .*\b(finished without error|exited with ERRORS) at"
_RECON_ALL = (
    rb"(?m)^(#@# .*|subjid .*|PIDs \(.*|status file for recon-all.*"
    rb"|recon-all .*(?:finished without error|exited with ERRORS) at .*)\r?$"
)
_RECON_SURF = (
    rb"(?m)^(={4,} .*={4,} *|Log file for recon-surf.*|recon-surf\.sh .*"
    rb"(?:finished without error|exited with ERRORS) at .*)\r?$"
)
_HEADER = rb"(?m)^(?:subjid .*|status file for recon-all.*)$"
_SURF_HEADER = rb"(?m)^Log file for recon-surf.*$"
_DEEP_SEG = (
    rb"(?mi)^((?:python|\./).*\.(?:py|sh)\b.*"
    rb"|.*(?:finished|tested|processed|took|completed|cleaned up).*\d.*"
    rb"|.*(?:Creating brainmask|Creating aseg|Running N4 bias|volume-based QC).*"
    rb"|Log file for segmentation.*)\r?$"
)
_DEEP_SEG_HEADER = rb"(?m)^Log file for segmentation.*$"
_SCRIPT = r"(?:^|[/\s])((?:[\w.+-]+/)?[\w.+-]+\.(?:py|sh))(?=\s|$)"
_LASTED = (
    r"(?i)\b(finished|tested|processed|took|completed|cleaned up)\s+(?:in\s+)?"
    r"(\d+(?:\.\d+)?)\s*(s|secs?|seconds|min|minutes)\b"
)
_WHAT = r"(?i)\b(coronal|sagittal|axial|aggregation|total|processing|segmentation of|whole)\b"
_PARTS = ("Creating brainmask", "Creating aseg", "Running N4 bias", "volume-based QC")


class Format(NamedTuple):
    """A log's format: which lines mark something, which one begins a run, what is kept of one."""

    name: str
    pattern: bytes | re.Pattern[bytes]
    header: bytes | re.Pattern[bytes]
    kept: Callable[[bytes], str | None]


def kept(line: bytes) -> str | None:
    """Return what is written down of a line; None for one that marks nothing.

    Examples
    --------
    >>> kept(b"#@# Surf Reg lh Tue Jul 13 16:30:58 EDT 2021")
    '#@# Surf Reg lh Tue Jul 13 16:30:58 EDT 2021'
    >>> kept(b"#@# sub-01 lh 224323"), kept(b"subjid sub-01")
    (None, 'subjid ')
    >>> kept(b"recon-all -s sub-01 finished without error at Tue Jul 13 19:30:58 EDT 2021")
    'recon-all finished without error at'
    """
    text = line.decode("utf-8", "replace").rstrip("\r ")
    if text.startswith("#@# "):
        return text[:_LONGEST] if re.search(CLOCK, text) else None
    for start in ("subjid ", "PIDs (", "status file for recon-all", "Log file for recon-surf"):
        if text.startswith(start):
            return start
    ended = re.match(_ENDED, text)
    if ended:
        return f"{ended[1]} {ended[2]} at"
    return text[:_LONGEST] if text.startswith("====") else None


def kept_of_networks(line: bytes) -> str | None:
    """Return what is written down of a line of FastSurfer's ``deep-seg.log``.

    Examples
    --------
    >>> kept_of_networks(b"python3.10 -s /opt/FastSurfer/CerebNet/run_prediction.py --sid sub-01")
    'python CerebNet/run_prediction.py'
    >>> kept_of_networks(b"[INFO: inference.py: 500]: Subject 'sub-01' processed in 56.46 sec.")
    'step processed in 56.46 sec'
    """
    text = line[:2000].decode("utf-8", "replace")
    if text.startswith(("python", "./")):
        script = re.search(_SCRIPT, text)
        return f"python {script[1]}" if script else None
    if text.startswith("Log file for segmentation"):
        return "Log file for segmentation"
    lasted = re.search(_LASTED, text)
    if lasted:
        what = re.search(_WHAT, text[: lasted.start()])
        return f"{what[1] if what else 'step'} {lasted[1]} in {lasted[2]} {lasted[3]}"
    return next((part for part in _PARTS if part in text), None)


DEEP_SEG = Format("deep-seg", _DEEP_SEG, _DEEP_SEG_HEADER, kept_of_networks)
RECON_ALL = Format("recon-all", _RECON_ALL, _HEADER, kept)
RECON_SURF = Format("recon-surf", _RECON_SURF, _SURF_HEADER, kept)


class Place(NamedTuple):
    """Where a log may be; `instead` is read where it can't be."""

    format: Format
    path: str
    instead: str = ""


def tool_of(words: Sequence[str]) -> tuple[str, Sequence[str]] | None:
    """Return which tool a command line runs itself, and the tool's arguments.

    None for any other, and for what only runs it somewhere else (``apptainer exec``).

    Examples
    --------
    >>> tool_of(["/bin/tcsh", "-f", "/opt/freesurfer/bin/recon-all", "-s", "bert"])
    ('recon-all', ['-s', 'bert'])
    >>> tool_of(["apptainer", "exec", "fs.sif", "recon-all", "-s", "bert"]) is None
    True
    """
    from nicarbon.meter.naming import interpreter  # Few runs have a tool, each has a sampler.

    for i, word in enumerate(words[:4]):
        name = os.path.basename(word)
        if name in TOOLS:
            return name, list(words[i + 1 :])
        if i == 0 and interpreter(name) is None:
            return None
        if i and not word.startswith("-"):
            return None
    return None


def _recon_all(words: Sequence[str], subjects_dir: str, cwd: str) -> list[Place]:
    subject, side, log = "", "", ""
    for i, word in enumerate(words):
        value = words[i + 1] if i + 1 < len(words) else ""
        if word in ("-s", "-sid", "-subjid", "-subject", "-base"):
            subject = value
        elif word == "-long" and i + 2 < len(words):
            subject = f"{value}.long.{words[i + 2]}"
        elif word == "-sd":
            subjects_dir = value
        elif word in ("-hemi", "-autorecon-hemi"):
            side = value
        elif word == "-log":
            log = value
    folders = []
    if subject and subjects_dir:
        # -s may be a path to the subject's folder.
        folders.append(os.path.join(cwd, subjects_dir, subject.rstrip("/")))
    else:
        # It works in the subject's folder, or in one of the folders there.
        folders += [cwd, os.path.dirname(cwd)]
    places = [Place(RECON_ALL, os.path.join(cwd, log))] if log else []
    for folder in folders:
        scripts = os.path.join(folder, "scripts")
        for tail in ("", f"-{side}") if side in ("lh", "rh") else ("",):
            status = os.path.join(scripts, f"recon-all-status{tail}.log")
            places.append(Place(RECON_ALL, os.path.join(scripts, f"recon-all{tail}.log"), status))
    return places


def _fastsurfer(words: Sequence[str], subjects_dir: str, cwd: str) -> list[Place]:
    given: dict[str, str] = {}
    for i, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in ("--sid", "--sd"):
            given[name] = value if equals else (words[i + 1] if i + 1 < len(words) else "")
    folder = given.get("--sd", subjects_dir)
    if not folder or not given.get("--sid"):
        return []
    scripts = os.path.join(cwd, folder, given["--sid"], "scripts")
    # The recon-alls inside write to their own logs at once; recon-surf.log gets what the
    # hemispheres print when both have ended.
    logs = [(RECON_SURF, "recon-surf.log"), (DEEP_SEG, "deep-seg.log")]
    logs += [(RECON_ALL, f"recon-all{side}.log") for side in ("", "-lh", "-rh")]
    for side in ("lh", "rh"):
        # Until both have ended, each hemisphere's output is in a log of its own.
        logs += [(RECON_SURF, f"{side}.processing{kind}.log") for kind in (".cmdf", "")]
    return [Place(kind, os.path.join(scripts, name)) for kind, name in logs]


TOOLS = {
    "recon-all": _recon_all,
    "recon-surf.sh": _fastsurfer,
    "run_fastsurfer.sh": _fastsurfer,
}
"""What finds the logs of each tool."""

SHELLS = frozenset({"tcsh", "csh", "bash", "sh", "dash"})
"""What may execute a tool whose name the kernel then does not show."""


def places(tool: str, words: Sequence[str], environ: Mapping[str, str], cwd: str) -> list[Place]:
    """Return where a tool's logs may be.

    Parameters
    ----------
    tool : str
        One of `TOOLS`.
    words : sequence of str
        Its arguments.
    environ : mapping
        Its environment.
    cwd : str
        Its working folder.
    """
    return TOOLS[tool](words, environ.get("SUBJECTS_DIR", ""), cwd)
