# SPDX-License-Identifier: Apache-2.0
"""The making of the hosts among what ran on them: by the time for which each had a host.

At each instant those that are at work there share the host equally, so that the sum is kept; what
goes by while none is at work is nobody's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from nicarbon.carbon.embodied import Share
from nicarbon.energies import SpanEnergy

# When something begins (+1) or ends (-1) to be at work, and the name of its row.
_Event = tuple[float, int, str]


def among(
    made: Sequence[Share], parts: Iterable[SpanEnergy], name_of: Callable[[SpanEnergy], str]
) -> dict[str, float]:
    """Return the grams of the making of the hosts, by row; what is missing to all is nobody's.

    Parameters
    ----------
    made : sequence of Share
        The run's share of each host.
    parts : iterable of SpanEnergy
        Executions, or parts of them.
    name_of : callable
        Name of the row that an execution belongs to.
    """
    if not made:
        return {}
    events: dict[str, list[_Event]] = defaultdict(list)
    for part in parts:
        if part.outcome == "cached":
            continue
        name = name_of(part)
        for begin_s, end_s in part.pieces or ((part.start_s, part.end_s),):
            if end_s > begin_s:
                events[part.host] += [(begin_s, 1, name), (end_s, -1, name)]
    found: dict[str, float] = defaultdict(float)
    for share in made:
        if share.reserved_s > 0:
            for name, seconds in _held_s(events[share.host]).items():
                found[name] += share.carbon_g * seconds / share.reserved_s
    return dict(found)


def _held_s(events: list[_Event]) -> dict[str, float]:
    """Return the seconds of a whole host that each name had."""
    found: dict[str, float] = defaultdict(float)
    at_work: Counter[str] = Counter()
    before_s = 0.0
    for t_s, step, name in sorted(events):
        n = at_work.total()
        if n:
            for one, of_it in at_work.items():
                found[one] += (t_s - before_s) * of_it / n
        before_s = t_s
        at_work[name] += step
        if not at_work[name]:
            del at_work[name]
    return found
