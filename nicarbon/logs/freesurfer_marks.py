# SPDX-License-Identifier: Apache-2.0
"""Find what FreeSurfer's logs mark: headers, steps, timed commands, ends.

The grammar is that of recon-all 4 to 8 (its script in FreeSurfer's repository, and logs of each):
``#@# TITLE [lh|rh] DATE`` begins a step, ``@#@FSTIME`` is what GNU time says of a command that
ended, ``#@#%# ...-run-time-hours`` the run time. Programs print lines that look alike:
a step is only what has a date at its end.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator

import msgspec

from nicarbon.logs.dates import CLOCK, Stamp, read_date
from nicarbon.logs.lines import text
from nicarbon.logs.steps import HEMISPHERES

# A log of one subject has some hundred steps; a hostile one must not fill the memory.
MOST_MARKS = 200_000

# What begins each further run in recon-all.cmd, with its date; it has no ends.
_AGAIN = "# New invocation of recon-all "
_STARTS = tuple(
    start.encode()
    for start in (
        *("#@#", "@#@FSTIME", "FSRUNTIME@", "Started at", "Ended   at", "recon-all", "recon-surf"),
        *("subjid ", "status file for recon-all", "Log file for recon-surf", "PIDs (", "======"),
        *("build-stamp.txt:", "ProgramName:", "Linux ", "Darwin ", _AGAIN),
    )
)
_MARK = re.compile(rf"#@# +(\S.*{CLOCK}.*)$")
# mris_preproc counts its inputs so, with a date; it is no step.
_COUNTED = re.compile(r"\d+/\d+\b")
_FSTIME = re.compile(
    r"@#@FSTIME\s+(\d{4}):(\d\d):(\d\d):(\d\d):(\d\d):(\d\d)\s+(\S+)\s+N\s+\d+\s+e\s+([\d.,]+)\s+"
    r"S\s+([\d.,]+)\s+U\s+([\d.,]+)\s+P\s+\S+\s+M\s+(\d+)"
)
_RUNTIME = re.compile(r"FSRUNTIME@\s+(\S+)(?:\s+(lh|rh))?\s+([\d.,]+)\s+hours\s+(\d+)\s+threads")
_HOURS = re.compile(r"#@#%#\s+recon-(?:all|surf)-run-time-hours\s+([\d.,]+)")
_ENDED = re.compile(
    r"recon-(?:all|surf\.sh)\b.*?\b(finished without error|exited with ERRORS) at (.+)$"
)
_GMT = re.compile(r"TimeStamp:\s*(\d{4})/(\d\d)/(\d\d)-(\d\d):(\d\d):(\d\d)-GMT")
_BANNER = re.compile(r"={4,}\s+(\S.*?)\s+={4,}\s*$")
_SIDE = re.compile(r"-hemi\s+(lh|rh)\b")
_THREADS = re.compile(r"-(?:openmp|threads)\s+(\d{1,4})\b")
_SCRIPT = re.compile(
    r"\s(?:\S*/)?((?:FastSurferCNN|CerebNet|HypVINN)/\w+\.py|[\w.+-]+\.py)(?=\s|$)"
)
# What nipype puts before each line of a command's output, and its logger before that.
_STREAMED = re.compile(rb"^std(?:out|err) \d{4}-\d\d-\d\dT[\d:.]+: ?")
_YEAR_FIRST = re.compile(r"(?:西元)?\d{4}|\d\d-\d\d-\d\d")
_HOST = re.compile(r"(?:Linux|Darwin) (\S+) \d")


class Header(msgspec.Struct, frozen=True):
    """An invocation begins.

    `hemisphere` and `threads` are what its command line asks for; `whole` is true for
    recon-surf.sh, which calls recon-all.
    """

    stamp: Stamp | None
    subject: str = ""
    hemisphere: str | None = None
    threads: int | None = None
    whole: bool = False


class Mark(msgspec.Struct, frozen=True):
    """A step begins."""

    title: str
    hemisphere: str | None
    stamp: Stamp


class Banner(msgspec.Struct, frozen=True):
    """A section of recon-surf.sh begins; it has no date."""

    title: str


class Timed(msgspec.Struct, frozen=True):
    """A command ended: by GNU time with `cpu_s`, by itself with `threads` and without a start."""

    program: str
    stamp: Stamp | None
    elapsed_s: float
    cpu_s: float | None = None
    peak_memory_bytes: int | None = None
    threads: int | None = None
    hemisphere: str | None = None


class Together(msgspec.Struct, frozen=True):
    """The hemispheres' last steps ran at once, and both have ended."""


class End(msgspec.Struct, frozen=True):
    """An invocation ended; `whole` as in `Header`."""

    stamp: Stamp | None
    outcome: str
    started: Stamp | None = None
    stated_s: float | None = None
    whole: bool = False


class Seen(msgspec.Struct, frozen=True):
    """Something ended: a script inside a step, or the invocation itself."""

    stamp: Stamp


class Told(msgspec.Struct, frozen=True):
    """What a log says of itself: `version`, `host`, or the instant in GMT."""

    key: str
    value: str = ""
    gmt_s: float = 0.0


Event = Header | Mark | Banner | Timed | Together | End | Seen | Told


def number(written: str) -> float:
    """Read a number that some locales write with a comma; what is none is NaN."""
    try:
        return float(written.replace(",", "."))
    except ValueError:
        return float("nan")


def events(lines: Iterable[bytes], problems: list[str]) -> Iterator[Event]:
    """Yield what is marked in the lines of a log, in their order.

    Parameters
    ----------
    lines : iterable of bytes
        Of a ``recon-all.log``, a ``recon-all-status.log``, a ``recon-surf.log``, or of a text
        that holds one (nipype's reports).
    problems : list of str
        Gets what is wrong with them.
    """
    reader = _Reader()
    n = 0
    for line in lines:
        line = line.lstrip(b" \t") if line[:1] in b" \t" else line
        line = _STREAMED.sub(b"", line, count=1) if line.startswith(b"std") else line
        found = reader.events(text(line)) if line.startswith(_STARTS) else reader.other(line)
        for event in found:
            yield event
            n += 1
        if n > MOST_MARKS:
            problems.append(f"more than {MOST_MARKS} marks: the rest is not read")
            return


class _Reader:
    """What must be remembered between lines."""

    def __init__(self) -> None:
        # Lines that no event is in: a header is known only by its fourth line or later.
        self._before: deque[bytes] = deque(maxlen=24)
        self._pairs: deque[tuple[Stamp, Stamp]] = deque(maxlen=8)
        self._started: deque[Stamp] = deque(maxlen=8)
        self._hours: deque[tuple[float, Stamp | None, Stamp | None]] = deque(maxlen=8)
        # Headers whose date, the line after, has not come yet; true for those of recon-surf.sh.
        self._undated: deque[bool] = deque(maxlen=8)
        # The script of the last Python command that was echoed: GNU time names the interpreter.
        self._script = ""

    def other(self, line: bytes) -> tuple[Event, ...]:
        """Keep a line that may turn out to be part of a header."""
        if not line:
            return ()
        if self._undated:
            stamp = read_date(text(line[:81]).strip())
            if stamp is not None:
                return (Header(stamp, whole=self._undated.popleft()),)
        if line.startswith(b"python"):
            script = _SCRIPT.search(text(line[:2000]))
            self._script = script[1] if script else ""
        self._before.append(line[:2000])
        return ()

    def events(self, line: str) -> Iterator[Event]:
        """Return what a line marks."""
        if self._undated and line.startswith(("#@# ", "recon-", "====")):
            yield from (Header(None, whole=whole) for whole in self._undated)
            self._undated.clear()
        if line.startswith("#@#"):
            yield from self._mark(line)
        elif line.startswith("@#@FSTIME"):
            yield from _fstime(line, self._script)
        elif line.startswith("FSRUNTIME@"):
            yield from _runtime(line)
        elif line.startswith(("Started at", "Ended   at")):
            yield from self._pair(line)
        elif line.startswith("recon-"):
            yield from self._end(line)
        elif line.startswith(("subjid ", "status file", "Log file")):
            yield from self._header(line)
        elif line.startswith("PIDs ("):
            yield Together()
        elif line.startswith(_AGAIN):
            yield Header(read_date(line[len(_AGAIN) :].strip()))
        elif line.startswith("======"):
            banner = read_banner(line)
            if banner is not None:
                yield banner
        else:
            yield from _told(line)

    def _mark(self, line: str) -> Iterator[Event]:
        hours = _HOURS.match(line)
        if hours:
            self._stated(number(hours[1]) * 3600.0)
            return
        mark = read_mark(line)
        if mark is not None:
            yield mark

    def _pair(self, line: str) -> Iterator[Event]:
        stamp = read_date(line[10:].strip())
        if stamp is None:
            return
        if line.startswith("Started"):
            self._started.append(stamp)
        elif self._started:
            self._pairs.append((self._started.pop(), stamp))
            yield Seen(stamp)

    def _stated(self, stated_s: float) -> None:
        """Join a stated run time with its start and end: scripts inside print such pairs, too."""
        for pair in reversed(self._pairs):
            started, ended = pair
            if (
                abs(ended.local_s - started.local_s - stated_s) <= 5.0
                or started.zone != ended.zone
            ):
                self._pairs.remove(pair)
                self._hours.append((stated_s, started, ended))
                return
        self._hours.append((stated_s, None, None))

    def _end(self, line: str) -> Iterator[Event]:
        found = _ENDED.match(line)
        if found is None:
            self._before.append(line[:2000].encode(errors="replace"))
            return
        stamp = read_date(found[2].strip())
        # What an invocation printed before it ended is not the next one's header.
        self._before.clear()
        whole = line.startswith("recon-surf")
        if found[1] != "finished without error":
            yield End(stamp, "failed", whole=whole)
            return
        stated_s, started, ended = self._hours.popleft() if self._hours else (None, None, None)
        yield End(ended or stamp, "ran", started, stated_s, whole)

    def _header(self, line: str) -> Iterator[Event]:
        if line.startswith(("status file", "Log file")):
            self._undated.append(line.startswith("Log file"))
            return
        stamp, command = None, ""
        for i, earlier in enumerate(self._before):
            found = read_date(text(earlier[:81]).strip()) if len(earlier) < 80 else None
            if found is not None and stamp is None:
                stamp = found
                self._before[i] = b"."
            elif not command and _is_command(earlier):
                command = text(earlier)
                self._before[i] = b"."
        side, threads = _SIDE.search(command), _THREADS.search(command)
        yield Header(
            stamp,
            line.split(maxsplit=1)[1].strip() if " " in line.strip() else "",
            side[1] if side else None,
            int(threads[1]) if threads else None,
        )


def read_mark(line: str) -> Mark | None:
    """Return the step that ``#@# TITLE [lh|rh] DATE`` begins; None for what only looks so.

    Examples
    --------
    >>> mark = read_mark("#@# Cortical Parc 2 lh Tue Jul 13 16:30:58 EDT 2021")
    >>> mark.title, mark.hemisphere
    ('Cortical Parc 2', 'lh')
    >>> read_mark("#@# 1/1 sub-01 Tue Jul 13 16:30:58 EDT 2021") is None
    True
    """
    found = _MARK.match(line)
    if found is None or _COUNTED.match(found[1]):
        return None
    title, side, stamp = _split(found[1])
    return Mark(title, side, stamp) if stamp is not None and title else None


def read_banner(line: str) -> Banner | None:
    """Return the section of recon-surf.sh that a line begins."""
    found = _BANNER.match(line)
    return Banner(found[1]) if found else None


def _is_command(line: bytes) -> bool:
    """Tell a command line of recon-all; up to 6 its arguments have a line of their own."""
    return (b"recon-all" in line[:300] and b" -" in line) or line.startswith(
        (b"-s ", b"-subjid ", b"-i ", b"-all", b"-autorecon", b"-long ", b"-base ", b"-tp ")
    )


def _split(rest: str) -> tuple[str, str | None, Stamp | None]:
    """Part what follows ``#@#`` into title, hemisphere and date.

    The date is found from its end: a title may hold numbers, as ``Cortical Parc 2``.
    """
    words = rest.split()
    for i in range(min(len(words), 16) - 1, 0, -1):
        stamp = read_date(" ".join(words[i:]))
        if stamp is None:
            continue
        title = words[:i]
        if len(title) > 1 and _is_weekday(title[-1]) and not _YEAR_FIRST.match(words[i]):
            title.pop()
        side = title.pop() if len(title) > 1 and title[-1] in HEMISPHERES else None
        return " ".join(title), side, stamp
    return "", None, None


def _is_weekday(word: str) -> bool:
    """Tell what stands before day or month of a date and is no side: ``date`` prints it always."""
    return word not in HEMISPHERES and word.rstrip(".,").replace("'", "").isalpha()


def _fstime(line: str, script: str) -> Iterator[Event]:
    found = _FSTIME.match(line)
    if found is None:
        return
    year, month, day, hour, minute, second = found.group(1, 2, 3, 4, 5, 6)
    stamp = read_date(f"{year}-{month}-{day} {hour}:{minute}:{second}")
    elapsed_s, system_s, user_s = (number(found[i]) for i in (8, 9, 10))
    if elapsed_s >= 0 and system_s >= 0 and user_s >= 0:
        program = script if script and found[7].startswith("python") else found[7]
        yield Timed(program, stamp, elapsed_s, system_s + user_s, int(found[11]) * 1024)


def _runtime(line: str) -> Iterator[Event]:
    found = _RUNTIME.match(line)
    if found is not None and (hours := number(found[3])) >= 0:
        yield Timed(found[1], None, hours * 3600, threads=int(found[4]), hemisphere=found[2])


def _told(line: str) -> Iterator[Event]:
    if line.startswith("build-stamp.txt:"):
        yield Told("version", line.partition(":")[2].strip()[:200])
    elif line.startswith("ProgramName:"):
        found = _GMT.search(line)
        if found:
            year, month, day, hour, minute, second = found.groups()
            stamp = read_date(f"{year}-{month}-{day} {hour}:{minute}:{second}")
            if stamp:
                yield Told("gmt", gmt_s=stamp.local_s)
    else:
        found = _HOST.match(line)
        if found:
            yield Told("host", found[1])
