# SPDX-License-Identifier: Apache-2.0
"""Join what the kernel told of a node's programs with what looks saw of them.

The kernel knows executables and the CPU time of each, and of a script only its interpreter, by a
name that it cuts; looks know scripts and whole names, and only some of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import fsum

import msgspec

from nicarbon.meter.procstat import COMM_LENGTH
from nicarbon.records import Interpreted, Sightings, Traced

# Shares within a stretch of time are a ratio, which fewer looks would bias.
LOOKS = 10


def named(
    found: list[tuple[int, int, Sightings]],
) -> list[tuple[int, int, Sightings]]:
    """Add what the kernel told to what looks saw; what it can't name is divided by looks."""
    told = [seen.traced for _, _, seen in found if seen.traced is not None]
    if not told:
        return found
    whole = _together(traced.unnamed for traced in told)
    long = {name for _, _, seen in found for name in seen.programs if len(name) > COMM_LENGTH}
    long.update(name for traced in told for name in traced.programs if len(name) > COMM_LENGTH)
    return [
        (
            first_ns,
            last_ns,
            seen if seen.traced is None else _with_traced(seen, seen.traced, whole, long),
        )
        for first_ns, last_ns, seen in found
    ]


def _with_traced(
    seen: Sightings, traced: Traced, whole: Mapping[str, Interpreted], long: Iterable[str]
) -> Sightings:
    """Return what was seen and what the kernel told in one.

    `whole` are the interpreters, and `long` the names that the kernel would cut, of all the node.
    """
    n = seen.n
    more = [(_uncut(name, long), (0, 0.0, cpu_s)) for name, cpu_s in traced.programs.items()]
    for comm, here in traced.unnamed.items():
        n_here = sum(n_met for n_met, _, _ in here.met.values())
        n += round(n_here * _worth(whole[comm]))
        parts = _scripts(here if n_here >= LOOKS else whole[comm])
        if not parts:  # No look met any: all that is known is the interpreter.
            more.append((comm, (0, 0.0, here.cpu_s)))
        for name in dict.fromkeys([*parts, *here.met]):
            n_met = round(here.met[name][0] * _worth(whole[comm])) if name in here.met else 0
            more.append((name, (n_met, parts.get(name, 0.0) * here.cpu_s, 0.0)))
    programs = dict(seen.programs)
    for name, (n_met, met_s, counted_s) in more:
        had = programs.get(name, (0, 0.0, 0.0))
        programs[name] = had[0] + n_met, had[1] + met_s, had[2] + counted_s
    # Where looks met processes of which the kernel did not tell, what it told is not all.
    of_each = None if any(met_s > 0 for _, met_s, _ in seen.programs.values()) else traced
    return msgspec.structs.replace(seen, n=n, programs=programs, traced=of_each)


def _uncut(name: str, long: Iterable[str]) -> str:
    """Return the whole of a name that the kernel cut, where one alone begins so."""
    if len(name) != COMM_LENGTH:
        return name
    begin_so = [other for other in long if other.startswith(name)]
    return begin_so[0] if len(begin_so) == 1 else name


def _together(found: Iterable[Mapping[str, Interpreted]]) -> dict[str, Interpreted]:
    """Add up what is known of interpreters."""
    whole: dict[str, Interpreted] = {}
    for of_time in found:
        for comm, more in of_time.items():
            had = whole.get(comm, Interpreted(0.0))
            met = dict(had.met)
            for name, (n, others_s, squares) in more.met.items():
                of_name = met.get(name, (0, 0.0, 0.0))
                met[name] = of_name[0] + n, of_name[1] + others_s, of_name[2] + squares
            whole[comm] = Interpreted(had.cpu_s + more.cpu_s, met)
    return whole


def _scripts(found: Interpreted) -> dict[str, float]:
    """Return each script's part of what the processes that no look met used."""
    whole_s = fsum(others_s for _, others_s, _ in found.met.values())
    return {name: part_s / whole_s for name, (_, part_s, _) in found.met.items() if part_s > 0}


def _worth(found: Interpreted) -> float:
    """Return how many looks of equal weight a look is worth, as theirs differ (Kish)."""
    n = sum(n_met for n_met, _, _ in found.met.values())
    squares = fsum(of_name for _, _, of_name in found.met.values())
    whole_s = fsum(others_s for _, others_s, _ in found.met.values())
    return whole_s**2 / (squares * n) if squares > 0 else 1.0
