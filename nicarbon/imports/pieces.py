# SPDX-License-Identifier: Apache-2.0
"""Cut a step of a log into what used CPU time when, and say how sure that is.

CPU time that the log counted is kept. What it did not count is assumed from wall time: a program
that is allowed n threads keeps the square root of n busy (recon-all 7 with eight threads: 2.8 over
the whole run, by its own log), at least half a CPU and at most all n.
"""

from __future__ import annotations

import math

import msgspec

from nicarbon.logs.steps import Command, Step

# A program that waits for its disk; recon-all's own commands are busy 0.9 of their time and more.
_LEAST_BUSY = 0.5
# GNU time notes the start in whole seconds: a shorter gap between two commands means nothing.
_GAP_S = 1.0


class Piece(msgspec.Struct, frozen=True):
    """A stretch of a step.

    Attributes
    ----------
    program : str
        The command that ran; empty for the step as a whole.
    start_s, end_s : float
        On the log's clock.
    cpu_s, least_s, most_s : float
        CPU seconds, and what they may be at least and at most.
    counted : bool
        Whether the log counted them; else they are assumed.
    peak_memory_bytes : int or None
        Its largest resident set.
    """

    program: str
    start_s: float
    end_s: float
    cpu_s: float
    least_s: float
    most_s: float
    counted: bool
    peak_memory_bytes: int | None = None


class Cut(msgspec.Struct, frozen=True):
    """The pieces of a step, and the CPU seconds that the time between them may hide."""

    pieces: tuple[Piece, ...]
    hidden_s: float = 0.0


def cut(step: Step) -> Cut:
    """Cut a step that has a place in time.

    Parameters
    ----------
    step : Step
        With start and end.
    """
    first_s, last_s = step.start_s, step.end_s
    if first_s is None or last_s is None:
        return Cut(())
    counted = [c for c in step.commands if c.cpu_s is not None]
    pieces = [_counted(c, first_s, last_s) for c in counted]
    told = [c for c in step.commands if c.cpu_s is None]
    at_s = first_s
    for command in told:
        until_s = min(at_s + command.elapsed_s, last_s)
        allowed = command.threads or 1
        pieces.append(_assumed(command.program, at_s, until_s, allowed))
        if not step.at_once:
            at_s = until_s
    if counted or (told and step.at_once):
        # Between commands that were timed there is shell, copying, and waiting.
        rest_s = _rest_s(pieces, first_s, last_s)
        return Cut(tuple(pieces), rest_s if rest_s > _GAP_S else 0.0)
    if not told or last_s - at_s > _GAP_S:
        pieces.append(_assumed("", at_s, last_s, step.threads or 1))
    return Cut(tuple(pieces))


def _counted(command: Command, first_s: float, last_s: float) -> Piece:
    start_s = first_s if command.start_s is None else command.start_s
    start_s = min(max(start_s, first_s), last_s)
    end_s = min(start_s + command.elapsed_s, last_s)
    cpu_s = command.cpu_s or 0.0
    return Piece(
        command.program, start_s, end_s, cpu_s, cpu_s, cpu_s, True, command.peak_memory_bytes
    )


def _assumed(program: str, first_s: float, last_s: float, threads: int) -> Piece:
    seconds = last_s - first_s
    return Piece(
        program=program,
        start_s=first_s,
        end_s=last_s,
        cpu_s=seconds * math.sqrt(threads),
        least_s=seconds * _LEAST_BUSY,
        most_s=seconds * threads,
        counted=False,
    )


def _rest_s(pieces: list[Piece], first_s: float, last_s: float) -> float:
    """Return the seconds of a step in which no piece ran."""
    left_s, reached_s = 0.0, first_s
    for piece in sorted(pieces, key=lambda p: p.start_s):
        left_s += max(piece.start_s - reached_s, 0.0)
        reached_s = max(reached_s, piece.end_s)
    return left_s + max(last_s - reached_s, 0.0)
