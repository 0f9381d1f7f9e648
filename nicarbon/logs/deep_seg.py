# SPDX-License-Identifier: Apache-2.0
"""FastSurfer's ``deep-seg.log``: how long its networks took; it has durations, few instants."""

from __future__ import annotations

import re
from pathlib import Path

from nicarbon.logs import lines
from nicarbon.logs.clock import Clock
from nicarbon.logs.dates import Stamp, read_date
from nicarbon.logs.fastsurfer import subject_of
from nicarbon.logs.lines import text
from nicarbon.logs.steps import Invocation, Log, Step, sentence

SEGMENTATION = "FastSurfer"
_LASTED = re.compile(
    r"(?P<what>\S.*?)\s+(?:finished|tested|processed|took|completed|cleaned up)\s+(?:in\s+)?"
    r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>s|secs?|seconds|min|minutes)\b",
    re.IGNORECASE,
)
# Version 1 ends so.
_TOTAL = re.compile(r"Total processing time: (\d+(?:\.\d+)?) seconds")
_PREFIX = re.compile(r"^(?:\[(?:INFO|WARNING|DEBUG)[^\]]*\]|INFO|WARNING|DEBUG):?\s*")
_SCRIPT = re.compile(r"(?:^|[/\s])((?:[\w.+-]+/)?[\w.+-]+\.(?:py|sh))(?=\s|$)")
_PLANE = re.compile(r"\b(coronal|sagittal|axial)\b", re.IGNORECASE)
_THREADS = re.compile(r"--threads[= ](\d{1,4})\b|using up to (\d{1,4}) threads")
_UNTIMED = (
    (re.compile(r"Creating brainmask"), "brainmask"),
    (re.compile(r"Creating aseg"), "Creating aseg"),
    (re.compile(r"Running N4 bias"), "N4 bias-field correction"),
    (re.compile(r"volume-based QC"), "quick QC"),
)
# The networks, by the folder of their script; others have their script's name.
_NETWORKS = {"FastSurferCNN": "FastSurferCNN", "CerebNet": "CerebNet", "HypVINN": "HypVINN"}


class DeepSeg:
    """The reader of ``deep-seg.log``: it has durations, few instants."""

    name = "deep-seg"

    def knows(self, name: str, start: bytes) -> bool:
        """Tell whether it is one."""
        return b"log file for segmentation" in start.lower() or (
            b"fastsurfercnn" in start.lower() and b"Log file for recon-surf" not in start[:200]
        )

    def read(self, path: Path) -> Log:
        """Read it."""
        problems: list[str] = []
        state = Segmentation()
        for line in lines.lines(path, problems):
            if line:
                state.line(text(line[:4000]))
        state.close()
        untimed = sum(s.elapsed_s is None for i in state.invocations for s in i.steps)
        problems += sentence("step", untimed, "no time can be told from the log")
        if state.on_gpu:
            problems.append("it ran on a GPU, whose energy no log has")
        zones = Clock([state.zone])
        return Log(
            format=self.name,
            subject=subject_of(path),
            invocations=tuple(state.invocations),
            problems=tuple(problems),
            utc_offset_s=zones.utc_offset_s,
        )


class Segmentation:
    """What was read of a ``deep-seg.log`` so far."""

    def __init__(self) -> None:
        self.invocations: list[Invocation] = []
        self.on_gpu = False
        self.zone = ""
        self._steps: list[Step] = []
        self._start_s: float | None = None
        self._at_s: float | None = None
        self._script = ""
        self._threads: int | None = None
        self._version = ""
        self._wants_date = False
        self._stated_s: float | None = None

    def line(self, line: str) -> list[Step]:
        """Take the next line; return the steps that it tells."""
        n = len(self._steps)
        if line.startswith("Version:"):
            self.close()
            self._version = line.partition(":")[2].strip()[:200]
        elif line.startswith("Log file for"):
            if self._steps or self._start_s is not None:
                self.close()
            self._wants_date = True
        elif self._wants_date and (stamp := read_date(line.strip()[:80])) is not None:
            self._begin(stamp)
        else:
            self._content(line)
        return self._steps[n:]

    def _begin(self, stamp: Stamp) -> None:
        self._wants_date = False
        self.zone = self.zone or stamp.zone
        self._start_s = self._at_s = stamp.local_s

    def _content(self, line: str) -> None:
        threads = _THREADS.search(line)
        if threads:
            self._threads = int(threads[1] or threads[2])
        said = _PREFIX.sub("", line)
        if line.startswith(("python", "./")):
            script = _SCRIPT.search(line)
            self._script = script[1] if script else self._script
            return
        if re.search(r"[Uu]sing device:? *(?:cuda|mps)", said):
            self.on_gpu = True
        total = _TOTAL.search(said)
        lasted = _LASTED.match(said)
        if total:
            self._stated_s = float(total[1])
        elif lasted:
            factor = 60.0 if lasted["unit"].lower().startswith("min") else 1.0
            self._timed(lasted["what"], float(lasted["number"]) * factor)
        for pattern, title in _UNTIMED:
            if pattern.match(said):
                self._steps.append(Step(title, None, None, None, None, program=self._script))

    def _timed(self, what: str, elapsed_s: float) -> None:
        """Add a step of known length; such steps follow one another."""
        plane = _PLANE.search(what)
        network = self._script.partition("/")[0]
        script = self._script.rpartition("/")[2] or "segmentation"
        name = _NETWORKS.get(network, script) if script == "run_prediction.py" else script
        if re.match(r"(?:total|processing|segmentation of|whole)", what, re.IGNORECASE):
            return
        title = f"{plane[1].lower()} inference" if plane else name
        if "aggregation" in what.lower():
            title = "view aggregation"
        end_s = None if self._at_s is None else self._at_s + elapsed_s
        self._steps.append(
            Step(
                title,
                None,
                self._at_s,
                end_s,
                elapsed_s,
                program=self._script,
                threads=self._threads,
            )
        )
        self._at_s = end_s

    def close(self) -> None:
        """End an invocation; one that did nothing is none."""
        if self._steps:
            self.invocations.append(
                Invocation(
                    command=SEGMENTATION,
                    steps=tuple(self._steps),
                    start_s=self._start_s,
                    end_s=self._at_s,
                    stated_s=self._stated_s,
                    threads=self._threads,
                    version=self._version,
                )
            )
        self._steps, self._start_s, self._at_s, self._script = [], None, None, ""
        self._stated_s = None
