# SPDX-License-Identifier: Apache-2.0
"""What a log says, whatever wrote it: invocations of a pipeline, their steps, their commands.

Times are seconds on the log's own clock, changes of summer time taken out; `Log.utc_offset_s`
places them in UTC where that is known. What the log does not say is None.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import fsum
from pathlib import Path
from typing import Protocol

import msgspec

HEMISPHERES = ("lh", "rh")


class Command(msgspec.Struct, frozen=True):
    """A program that a step ran, where the log timed it.

    Attributes
    ----------
    program : str
        Its name, without its folder.
    start_s : float or None
        When it began.
    elapsed_s : float
        How long it took.
    cpu_s : float or None
        CPU seconds of its whole process tree.
    threads : int or None
        The threads that it was allowed.
    peak_memory_bytes : int or None
        Its largest resident set.
    hemisphere : str or None
        Which of two that ran at once it worked on.
    """

    program: str
    start_s: float | None
    elapsed_s: float
    cpu_s: float | None = None
    threads: int | None = None
    peak_memory_bytes: int | None = None
    hemisphere: str | None = None


class Step(msgspec.Struct, frozen=True):
    """One step of a pipeline, as its log marks it.

    Attributes
    ----------
    title : str
        Its name in the log, without hemisphere and date.
    hemisphere : str or None
        ``lh``, ``rh`` or None.
    start_s, end_s : float or None
        When it began and ended.
    elapsed_s : float or None
        How long it took; None where the log gives no time, or an impossible one.
    outcome : str
        ``ran``, ``failed`` or ``killed``.
    program : str
        What it runs, where the log's format fixes that.
    commands : tuple of Command
        The programs that the log timed inside it.
    at_once : bool
        Whether the other hemisphere's step ran in the same time.
    threads : int or None
        The threads that its programs may keep busy; None where the log does not say.
    node, interface : str
        Its full name, workflows and all, and its interface, where the log is of nodes.
    """

    title: str
    hemisphere: str | None
    start_s: float | None
    end_s: float | None
    elapsed_s: float | None
    outcome: str = "ran"
    program: str = ""
    commands: tuple[Command, ...] = ()
    at_once: bool = False
    threads: int | None = None
    node: str = ""
    interface: str = ""

    @property
    def cpu_s(self) -> float | None:
        """CPU seconds of the commands that the log counted; None without any."""
        known = [c.cpu_s for c in self.commands if c.cpu_s is not None]
        return fsum(known) if known else None


class Invocation(msgspec.Struct, frozen=True):
    """One run of the pipeline's command; a log that was appended to has several.

    Attributes
    ----------
    command : str
        ``recon-all``, ``recon-surf.sh`` ...
    steps : tuple of Step
        In the order of their times.
    start_s, end_s : float or None
        When it began and ended.
    outcome : str
        ``ran``, ``failed`` or ``killed`` (the log has no end).
    stated_s : float or None
        The run time that the log itself states.
    resolution_s : float
        How finely it states it: a thousandth of an hour, for FreeSurfer.
    threads : int or None
        The threads that it was allowed.
    version : str
        What wrote the log.
    chained : bool
        Whether each step waited for the one before it, on its own hemisphere.
    """

    command: str
    steps: tuple[Step, ...]
    start_s: float | None
    end_s: float | None
    outcome: str = "ran"
    stated_s: float | None = None
    resolution_s: float = 0.0
    threads: int | None = None
    version: str = ""
    chained: bool = True

    @property
    def covered_s(self) -> float:
        """Seconds in which any step ran; steps that ran at once count once."""
        spans = [(s.start_s, s.end_s) for s in self.steps if s.elapsed_s is not None]
        timed = sorted((a, b) for a, b in spans if a is not None and b is not None)
        total_s, reached_s = 0.0, float("-inf")
        for first_s, last_s in timed:
            total_s += max(last_s - max(first_s, reached_s), 0.0)
            reached_s = max(reached_s, last_s)
        loose = [s.elapsed_s or 0.0 for s in self.steps if s.start_s is None or s.end_s is None]
        return total_s + fsum(loose)


class Log(msgspec.Struct, frozen=True):
    """One log.

    Attributes
    ----------
    format : str
        Name of the reader.
    subject : str
        The subject that the log names; empty where it names none.
    invocations : tuple of Invocation
        In the order of the text.
    problems : tuple of str
        What could not be read or believed, a sentence each.
    hostname : str
        The machine that it names.
    utc_offset_s : float or None
        Seconds that the log's clock is ahead of UTC.
    """

    format: str
    subject: str
    invocations: tuple[Invocation, ...]
    problems: tuple[str, ...] = ()
    hostname: str = ""
    utc_offset_s: float | None = None

    def steps(self) -> Iterator[Step]:
        """Yield the steps of all invocations."""
        for invocation in self.invocations:
            yield from invocation.steps

    @property
    def n_untimed(self) -> int:
        """Number of steps without a time."""
        return sum(step.elapsed_s is None for step in self.steps())


class Reader(Protocol):
    """Reads one format."""

    @property
    def name(self) -> str:
        """What the format is called."""

    def knows(self, name: str, start: bytes) -> bool:
        """Tell whether a file of this name that starts so is its format."""

    def read(self, path: Path) -> Log:
        """Read it; what is wrong with it is among its problems."""


def sentence(noun: str, n: int, what: str) -> Iterable[str]:
    """Say a problem once for all the places that have it.

    Examples
    --------
    >>> list(sentence("step", 2, "no time")), list(sentence("step", 0, "no time"))
    (['2 steps: no time'], [])
    """
    if n:
        yield f"{n} {noun}{'' if n == 1 else 's'}: {what}"
