# SPDX-License-Identifier: Apache-2.0
"""What went into executions that delivered nothing. It stays in the sum: it was used."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import fsum

import msgspec

from nicarbon.energies import SpanEnergy
from nicarbon.rows import FAILED, Priced, fold_one, outcome, unpriced

ENDED, KILLED, REPEATED = "failed", "killed", "done again"
KINDS = (ENDED, KILLED, REPEATED)


class Waste(msgspec.Struct, frozen=True):
    """What executions without a result used.

    Attributes
    ----------
    executions, energies_j : dict
        How many, and their joules, by kind: ``failed`` and ``killed`` of nodes that ended so,
        ``done again`` of those that were executed once more. Each is in one kind.
    energy_j, energy_low_j, energy_high_j : float or None
        All of it, and its range; None where no energy is known.
    carbon_g : float or None
        The same in grams, of a run that is priced.
    nodes : tuple of str
        Their nodes.
    """

    executions: dict[str, int]
    energies_j: dict[str, float]
    energy_j: float | None
    energy_low_j: float | None
    energy_high_j: float | None
    carbon_g: float | None
    nodes: tuple[str, ...]


def lost(spans: Iterable[SpanEnergy]) -> dict[str, list[SpanEnergy]]:
    """Return the executions that delivered nothing, by kind."""
    by_node: dict[str, list[SpanEnergy]] = {}
    for span in spans:
        by_node.setdefault(span.node, []).append(span)
    found: dict[str, list[SpanEnergy]] = {kind: [] for kind in KINDS}
    for of_node in by_node.values():
        ended = outcome(of_node)
        for span in of_node:
            if span.wasted:
                found[REPEATED].append(span)
            elif span.outcome in FAILED and ended in FAILED:
                found[KILLED if span.outcome == "killed" else ENDED].append(span)
    return found


def waste(spans: Sequence[SpanEnergy], priced: Priced = unpriced) -> Waste | None:
    """Sum up what executions without a result used; None where each had one.

    Parameters
    ----------
    spans : sequence of SpanEnergy
        All executions.
    priced : callable, optional
        What gives a row its grams.
    """
    found = lost(spans)
    every = [span for of_kind in found.values() for span in of_kind]
    if not every:
        return None
    row = fold_one("waste", every, {}, priced)
    return Waste(
        executions={kind: len(of_kind) for kind, of_kind in found.items() if of_kind},
        energies_j={
            kind: fsum(span.energy_j or 0.0 for span in of_kind)
            for kind, of_kind in found.items()
            if of_kind
        },
        energy_j=row.energy_j,
        energy_low_j=row.energy_low_j,
        energy_high_j=row.energy_high_j,
        carbon_g=row.carbon_g,
        nodes=tuple(sorted({span.node for span in every})),
    )
