# SPDX-License-Identifier: Apache-2.0
"""All that a run's figures lack, in the order in which it is read; each sentence is made below."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nicarbon.batch_notes import batch_notes, explained
from nicarbon.carbon.price import Price
from nicarbon.carbon.pricing import Pricing
from nicarbon.energies import Attribution, SpanEnergy
from nicarbon.marked import marked
from nicarbon.notes import apart_notes, count, divided_notes, notes, taught_notes
from nicarbon.records import RunFacts


def run_notes(
    facts: RunFacts,
    attribution: Attribution,
    missing: Sequence[str],
    monoliths: Sequence[str],
    parts: Iterable[SpanEnergy] = (),
    *,
    taught: bool = False,
) -> tuple[str, ...]:
    """Say what the joules of a run lack.

    Parameters
    ----------
    facts : RunFacts
        The run.
    attribution : Attribution
        Its hosts and executions.
    missing : sequence of str
        Nodes without any record.
    monoliths : sequence of str
        Nodes that run several stages.
    parts : iterable of SpanEnergy
        The executions, those of monoliths cut by stages.
    taught : bool
        Whether energy is shared by what other runs taught.
    """
    of_jobs = explained(facts)
    rest = [name for name in missing if name not in of_jobs]
    cut = {part.node for part in parts if part.part and part.split is None}
    return (
        *notes(facts, attribution, rest, [name for name in monoliths if name not in cut]),
        *divided_notes(attribution.spans, sorted(cut)),
        *apart_notes(marked(attribution.spans)),
        *batch_notes(facts, attribution.spans),
        *(taught_notes(attribution.hosts) if taught else ()),
    )


def price_notes(
    price: Price | None, problem: str | None = None, pricing: Pricing | None = None
) -> tuple[str, ...]:
    """Say what is wrong with a run's price, and what its intensities lack.

    Parameters
    ----------
    price : Price or None
        The price.
    problem : str, optional
        Why a price in the folder is not used.
    pricing : Pricing, optional
        The price, applied to the run's executions.
    """
    said = [problem] if problem else []
    if price is not None and price.bridged_note is not None:
        said.append(price.bridged_note)
    if pricing is not None and pricing.n_uncovered:
        verb, has = ("lies", "has") if pricing.n_uncovered == 1 else ("lie", "have")
        said.append(
            f"{count(pricing.n_uncovered, 'execution')} {verb} outside the time that the run was "
            f"priced for, and {has} no grams: price it again with 'nicarbon price'"
        )
    return tuple(said)
