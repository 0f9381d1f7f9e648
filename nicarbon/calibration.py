# SPDX-License-Identifier: Apache-2.0
"""From what a machine drew under known loads to its power curve, with its range. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum

import msgspec

from nicarbon.errors import NicarbonError

IDLE = "idle"

# A machine of which more was busy is not idle. Below it, idle power is what was read less what
# the curve says of the CPUs that were busy: a small correction of a small thing.
IDLE_LIMIT = 0.05

# Judgements, for what is measured at the plug while the machine is idle and while all its CPUs
# work: plug meters state 1 to 2 %, and idle moves by more with temperature and what is attached;
# of the course between the ends and of other programs nothing is known, and where counters see
# both, a CPU second of one program is worth 1.3 of another's and more.
PLUG_IDLE_FACTOR = 1.1
PLUG_BUSY_FACTOR = 1.3

Range = tuple[float, float, float]


class CalibrationError(NicarbonError):
    """No curve comes out; the message says why."""


class Phase(msgspec.Struct, frozen=True):
    """What was read while one load ran.

    Attributes
    ----------
    name : str
        The load.
    duration_s : float
        How long it was read.
    busy_cpus : float
        CPUs that were busy on average, whoever kept them so.
    load_cpus : float
        CPUs that the load itself used.
    power_w : float or None
        Mean watts of the account; None where it has no counter.
    """

    name: str
    duration_s: float
    busy_cpus: float
    load_cpus: float
    power_w: float | None


def fitted(phases: Sequence[Phase], n_cpus: int, relative_error: float) -> tuple[Range, Range]:
    """Return idle watts and watts for each busy CPU, each as (low, central, high).

    The line goes through the idle phase and is the least-squares one for the others, so that it is
    closest where most power is drawn. The range of its slope is that of the slopes of the single
    phases, a compiler's and a copier's CPU second being worth what they are, and on both the
    counter's own error.

    Parameters
    ----------
    phases : sequence of Phase
        One is `IDLE`.
    n_cpus : int
        The machine's CPUs.
    relative_error : float
        Half width of the counter's range, as a fraction.

    Raises
    ------
    CalibrationError
        If there is no counter, the machine was not idle, or power did not rise with the load.
    """
    idle = next(phase for phase in phases if phase.name == IDLE)
    loads = [phase for phase in phases if phase is not idle]
    if idle.power_w is None or any(phase.power_w is None for phase in loads):
        raise CalibrationError("no counter gave the power of each load")
    if idle.busy_cpus > IDLE_LIMIT * n_cpus:
        raise CalibrationError(
            f"the machine was not idle: {idle.busy_cpus:.2g} of {n_cpus} CPUs were busy with "
            "other work; try again while nothing else runs"
        )
    more = [(p.busy_cpus - idle.busy_cpus, (p.power_w or 0.0) - idle.power_w) for p in loads]
    if not more or any(cpus <= 0 or watts <= 0 for cpus, watts in more):
        raise CalibrationError(
            "the power did not rise with the load: what was read is no power curve"
        )
    central = fsum(c * w for c, w in more) / fsum(c * c for c, _ in more)
    slopes = [watts / cpus for cpus, watts in more]
    below, above = 1 - relative_error, 1 + relative_error
    busy_w = (min(slopes) * below, central, max(slopes) * above)
    idle_w = max(idle.power_w - central * idle.busy_cpus, 0.0)
    lowest = max(idle.power_w - busy_w[2] * idle.busy_cpus, 0.0) * below
    return (lowest, idle_w, idle.power_w * above), busy_w


def given(idle_w: float, full_w: float, n_cpus: int) -> tuple[Range, Range]:
    """Return the same for watts that a meter at the plug showed, idle and with all CPUs busy.

    Raises
    ------
    CalibrationError
        If they are no watts of a machine.
    """
    if not 0 < idle_w < full_w < 1e6:
        raise CalibrationError(
            f"--idle-watts {idle_w:g} and --full-watts {full_w:g}: a machine draws more than 0 W "
            "idle, and more than that under load"
        )
    busy_w = (full_w - idle_w) / n_cpus
    return (
        (idle_w / PLUG_IDLE_FACTOR, idle_w, idle_w * PLUG_IDLE_FACTOR),
        (busy_w / PLUG_BUSY_FACTOR, busy_w, busy_w * PLUG_BUSY_FACTOR),
    )
