# SPDX-License-Identifier: Apache-2.0
r"""Read logs by a rule file: regular expressions that say where a step begins, and when.

A rule is TOML::

    name = "my pipeline"                    # what the steps belong to
    detect = 'my pipeline version \d'      # in one of the lines at the log's start
    time = '^(?P<time>\S+ \S+) '          # in a line that has a time
    format = "%Y-%m-%d %H:%M:%S"            # strptime's; "date" for what date(1) prints in any
                                            # locale (the default), "seconds" for a number
    step = 'Starting (?P<title>.+)'         # a step begins
    lasted = 'took (?P<seconds>[\d.]+) s'  # the step that goes on lasted so long
    done = '(?P<title>.+) took (?P<minutes>\d+) min'  # a step ended that lasted so long
    end = 'All done'                        # the run ends, and with it its last step
    failed = 'ERROR'                        # the step that goes on, or ended last, failed
    total = 'in (?P<seconds>\d+) seconds'  # what the log says of the whole
    threads = '-n (?P<threads>\d+)'        # the threads that steps may keep busy

Name, detect, and step or done are needed. Groups of step and done may also be hemisphere (lh, rh,
left, right), program and time; of lasted, done and total hours, minutes and seconds. A step begins
at the time in its own line, else at the last one before it.
"""

from __future__ import annotations

import json
import math
import os
import re
import tomllib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from nicarbon.errors import LogError
from nicarbon.logs import lines
from nicarbon.logs.dates import read_date
from nicarbon.logs.lines import text
from nicarbon.logs.steps import HEMISPHERES, Invocation, Log, Step, sentence

BUILTIN = Path(__file__).parent.parent / "data" / "logs"
# Lines are cut before expressions of the user search them: a bad one may take ages on a long line.
_LONGEST = 2000
_NEEDED = ("name", "detect")


class Rule(msgspec.Struct, frozen=True):
    """One format as a rule file says it; a `nicarbon.logs.steps.Reader`."""

    name: str
    detect: re.Pattern[str]
    step: re.Pattern[str] | None = None
    done: re.Pattern[str] | None = None
    total: re.Pattern[str] | None = None
    time: re.Pattern[str] | None = None
    format: str = "date"
    lasted: re.Pattern[str] | None = None
    end: re.Pattern[str] | None = None
    failed: re.Pattern[str] | None = None
    threads: re.Pattern[str] | None = None

    def knows(self, name: str, start: bytes) -> bool:
        """Tell whether a log's start has what the rule asks for."""
        return any(self.detect.search(line[:_LONGEST]) for line in text(start).splitlines())

    def read(self, path: Path) -> Log:
        """Read it."""
        problems: list[str] = []
        state = _State(self)
        for line in lines.lines(path, problems):
            state.line(text(line[:_LONGEST]))
        invocation = state.done()
        untimed = sum(step.elapsed_s is None for step in invocation.steps)
        problems += sentence("step", untimed, "no time can be told from the log")
        return Log(self.name, "", (invocation,), tuple(problems))


class _State:
    """What was read so far."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._read_time = _time_reader(rule.format)
        self._at_s: float | None = None
        self._first_s: float | None = None
        self._steps: list[Step] = []
        self._open: tuple[str, str | None, str, float | None] | None = None
        self._lasted_s: float | None = None
        self._after_s = 0.0
        self._outcome = "ran"
        self._threads: int | None = None
        self._ended = False
        self._stated_s: float | None = None

    def line(self, line: str) -> None:
        """Take the next line."""
        rule = self._rule
        found = rule.time.search(line) if rule.time else None
        if found:
            self._reach(_group(found, "time") or found[0])
        if rule.threads and (threads := rule.threads.search(line)):
            number = _group(threads, "threads") or threads[0]
            self._threads = int(number) if number.isdecimal() and len(number) < 5 else None
        if rule.step and (begins := rule.step.search(line)):
            self._begin(begins)
            return
        if rule.done and (done := rule.done.search(line)):
            self._begin(done)
            self._lasted_s = _length_s(done)
            self._close()
        if rule.lasted and self._open and (lasted := rule.lasted.search(line)):
            self._lasted_s = _length_s(lasted)
        if rule.total and (total := rule.total.search(line)):
            self._stated_s = _length_s(total)
        if rule.failed and rule.failed.search(line):
            self._fail()
        if rule.end and rule.end.search(line):
            self._close()
            self._ended = True

    def _fail(self) -> None:
        if self._open is not None:
            self._outcome = "failed"
        elif self._steps:
            self._steps[-1] = msgspec.structs.replace(self._steps[-1], outcome="failed")

    def _reach(self, written: str) -> None:
        at_s = self._read_time(written)
        if at_s is not None:
            self._at_s = at_s
            self._first_s = at_s if self._first_s is None else self._first_s

    def _begin(self, found: re.Match[str]) -> None:
        if written := _group(found, "time"):
            self._reach(written)
        self._close()
        title = (_group(found, "title") or found[0]).strip()[:200] or "step"
        side = side_of(_group(found, "hemisphere") or "")
        program = (_group(found, "program") or "").strip()
        self._open = (title, side, program, self._at_s)
        self._ended = False

    def _close(self) -> None:
        """End the step that goes on, at the last time that was seen."""
        if self._open is None:
            return
        title, side, program, start_s = self._open
        end_s = self._at_s
        if self._lasted_s is not None:
            # Where there are no clock times, steps follow one another.
            start_s = self._after_s if start_s is None else start_s
            elapsed_s: float | None = self._lasted_s
            end_s = self._after_s = start_s + self._lasted_s
        elif start_s is None or end_s is None or end_s < start_s:
            elapsed_s, end_s = None, None
        else:
            elapsed_s = end_s - start_s
        self._steps.append(
            Step(
                title,
                side,
                start_s,
                end_s,
                elapsed_s,
                self._outcome,
                program,
                threads=self._threads,
            )
        )
        self._open, self._lasted_s, self._outcome = None, None, "ran"

    def done(self) -> Invocation:
        """End the log."""
        cut = self._rule.end is not None and not self._ended
        self._close()
        failed = any(step.outcome == "failed" for step in self._steps[-1:])
        return Invocation(
            command=self._rule.name,
            steps=tuple(self._steps),
            start_s=self._first_s,
            end_s=self._at_s,
            stated_s=self._stated_s,
            outcome="killed" if cut else "failed" if failed else "ran",
            threads=self._threads,
        )


def side_of(written: str) -> str | None:
    """Return the hemisphere that a word means.

    Examples
    --------
    >>> side_of("Left"), side_of("rh"), side_of("both")
    ('lh', 'rh', None)
    """
    side = written.lower()
    side = {"left": "lh", "right": "rh", "l": "lh", "r": "rh"}.get(side, side)
    return side if side in HEMISPHERES else None


def _group(found: re.Match[str], name: str) -> str | None:
    return found.groupdict().get(name)


def _length_s(found: re.Match[str]) -> float | None:
    """Return how long hours, minutes and seconds are together; None where they are no numbers."""
    scales = {"hours": 3600.0, "minutes": 60.0, "seconds": 1.0}
    parts = [
        scale * _number(part) for key, scale in scales.items() if (part := _group(found, key))
    ]
    return sum(parts) if parts and min(parts) >= 0 else None


def _number(written: str) -> float:
    try:
        number = float(written.replace(",", "."))
    except ValueError:
        return -1.0
    return number if math.isfinite(number) else -1.0


def _time_reader(pattern: str) -> Callable[[str], float | None]:
    """Return what turns a time as it is written into seconds."""
    if pattern == "date":

        def by_date(written: str) -> float | None:
            stamp = read_date(written.strip())
            return stamp.local_s if stamp else None

        return by_date

    if pattern == "seconds":

        def by_seconds(written: str) -> float | None:
            number = _number(written.strip())
            return number if number >= 0 else None

        return by_seconds

    def by_format(written: str) -> float | None:
        try:
            time = datetime.strptime(written.strip(), pattern)
        except ValueError:
            return None
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()

    return by_format


def read_rule(path: Path) -> Rule:
    """Read and check a rule file.

    Raises
    ------
    LogError
        If it cannot be read, or says something that has no meaning.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LogError(f"{path}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LogError(f"{path}: is not valid TOML: {error}") from None
    keys = Rule.__struct_fields__
    for key in content:
        if key not in keys:
            raise LogError(f"{path}: unknown key {key!r}; a rule has {', '.join(keys)}")
    if "step" not in content and "done" not in content:
        raise LogError(f"{path}: step or done is missing: what tells a step in the log")
    for key in _NEEDED:
        if key not in content:
            raise LogError(f"{path}: {key} is missing; a rule needs {', '.join(_NEEDED)}")
    compiled: dict[str, Any] = {}
    for key, value in content.items():
        if not isinstance(value, str) or not value:
            raise LogError(f"{path}: {key} must be text")
        compiled[key] = value if key in ("name", "format") else _compiled(value, f"{path}: {key}")
    return Rule(**compiled)


def as_text(rule: Rule) -> dict[str, str]:
    """Return a rule's keys as it was written: for the sampler, which reads no TOML."""
    found = {}
    for key in rule.__struct_fields__:
        value = getattr(rule, key)
        if value is not None:
            found[key] = value if isinstance(value, str) else value.pattern
    return found


def for_sampler(paths: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Return rule files as a sampler's option.

    Raises
    ------
    LogError
        As `read_rule`.
    """
    return ["--rules", json.dumps([as_text(read_rule(Path(path))) for path in paths])]


def _compiled(pattern: str, where: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise LogError(f"{where}: {pattern!r} is not a regular expression: {error}") from None


@cache
def builtin_rules() -> tuple[Rule, ...]:
    """Return the rules that come with nicarbon."""
    return tuple(read_rule(path) for path in sorted(BUILTIN.glob("*.toml")))
