# SPDX-License-Identifier: Apache-2.0
"""Give generic nodes the stage of what uses their result. No rule or file is known here."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

GENERIC = "downstream"
UNCLASSIFIED = "unclassified"
ENGINE = "engine"
FILES = "input and output"
REPORTING = "reporting"
CHECKS = "quality control"
# How a generic node came by its stage: see `downstream`.
HINT = "hint"
USERS = "users"
INPUTS = "inputs"

Rank = Callable[[str], tuple[int, str]]
Neighbours = Mapping[str, list[str]]


def downstream(
    found: Mapping[str, str],
    edges: Iterable[tuple[str, str]],
    hint: Callable[[str], str | None],
    rank: Rank,
) -> tuple[dict[str, str], dict[str, str]]:
    """Replace every ``downstream`` by the stage of the nodes that use the result.

    The stage that most of the users have wins; a tie goes to the first in the vocabulary. Nodes
    of ``engine`` only hand the result on: the users after them count. A result that only pictures
    use makes its node ``reporting``, one that is only checked ``quality control``. Where nothing
    uses the result, or it is only filed, the hint decides; else the users after the files; else
    what came before: a last threshold ends the operation before it.

    Parameters
    ----------
    found : mapping
        Stage, or ``downstream``, by node name.
    edges : iterable of pairs
        Dependencies; names that `found` lacks are ignored.
    hint : callable
        Stage for a generic node whose result nothing uses, or None.
    rank : callable
        Sort key of a stage: its place in the vocabulary.

    Returns
    -------
    stages : dict
        Stage by node name, in the order of `found`.
    ways : dict
        How each generic node that found a stage came by it: ``users``, ``inputs`` or ``hint``.
    """
    before: dict[str, list[str]] = defaultdict(list)
    after: dict[str, list[str]] = defaultdict(list)
    for source, target in sorted(set(edges)):
        if source in found and target in found:
            before[target].append(source)
            after[source].append(target)
    order = _order(found, before)
    stages, ways = dict(found), dict[str, str]()
    _settle(stages, ways, order[::-1], after, rank, USERS, hint)
    _settle(stages, ways, order, before, rank, INPUTS, lambda _: None)
    named = {name: UNCLASSIFIED if s == GENERIC else s for name, s in stages.items()}
    return named, ways


def _settle(
    stages: dict[str, str],
    ways: dict[str, str],
    order: Iterable[str],
    neighbours: Neighbours,
    rank: Rank,
    way: str,
    hint: Callable[[str], str | None],
) -> None:
    """Give generic nodes the stage of their neighbours, which come earlier in the order."""
    near: dict[str, str | None] = {}  # what lies behind nodes that hand on
    far: dict[str, str | None] = {}  # what lies behind those and behind files
    for name in order:
        others = neighbours.get(name, ())
        near[name] = _majority((_vote(n, stages, near, {ENGINE}) for n in others), rank)
        far[name] = _majority((_vote(n, stages, far, {ENGINE, FILES}) for n in others), rank)
        if stages[name] == GENERIC:
            suggested = None if near[name] else hint(name)
            stages[name] = suggested or far[name] or GENERIC
            if stages[name] != GENERIC:
                ways[name] = HINT if suggested else way


def _vote(
    name: str, stages: Mapping[str, str], behind: Mapping[str, str | None], passing: set[str]
) -> str | None:
    """Return the stage that a neighbour speaks for: its own, or what lies behind it."""
    stage = stages[name]
    if stage in passing or stage == GENERIC:
        return behind.get(name)
    return None if stage in (UNCLASSIFIED, ENGINE, FILES) else stage


def _majority(votes: Iterable[str | None], rank: Rank) -> str | None:
    counts = Counter(vote for vote in votes if vote is not None)
    for about in (REPORTING, CHECKS):
        if len(counts) > 1:
            del counts[about]  # a picture or a check of a result is not what the result is for
    return min(counts, key=lambda stage: (-counts[stage], rank(stage)), default=None)


def _order(names: Iterable[str], before: Neighbours) -> list[str]:
    """Return the names, sources first; as they come where the dependencies form a circle."""
    names = list(names)
    try:
        return list(
            TopologicalSorter({name: before.get(name, ()) for name in names}).static_order()
        )
    except CycleError:
        return names
