# SPDX-License-Identifier: Apache-2.0
"""What nodes that were found in the cache once cost, where an earlier run folder still knows it.

A node is known again by its name and the hash of its inputs, never by its name alone. Only runs
that began before are read, newest first, until all is known; a folder that cannot be read is no
error, and nothing is read where nothing was cached.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from math import fsum
from pathlib import Path

import msgspec

from nicarbon.accounts import weakest_of
from nicarbon.attribution import attribute
from nicarbon.energies import SpanEnergy
from nicarbon.errors import RunFolderError
from nicarbon.reader import read_info, read_run
from nicarbon.records import End, RunFacts, Start
from nicarbon.rows import energy_range, last_hash, outcome

# Beside a run may lie two runs of each of five hundred subjects, or anything: looking through them
# may take seconds, not more.
MAX_ENTRIES = 10_000
MAX_RUNS = 1000
MAX_BYTES = 256 << 20

Key = tuple[str, str]
"""A node's unique name and the hash of its inputs."""


class Cost(msgspec.Struct, frozen=True):
    """What something once used: joules with their range, and the weakest method among them."""

    energy_j: float | None = None
    energy_low_j: float | None = None
    energy_high_j: float | None = None
    method: str | None = None


class Saved(msgspec.Struct, frozen=True):
    """What the cache saved.

    Attributes
    ----------
    n_cached : int
        Nodes that were only found in the cache.
    n_known : int
        Those whose cost an earlier run knows.
    n_runs : int
        Earlier runs that know any.
    cost : Cost
        What those cost together.
    nodes : dict
        What each of them cost, by its name; a MapNode with those of its elements that this run
        did not even look at.
    runs : dict
        Joules of those that each earlier run knows, by its folder.
    """

    n_cached: int
    n_known: int
    n_runs: int
    cost: Cost
    nodes: dict[str, Cost]
    runs: dict[str, float] = {}


def saved(
    spans: Iterable[SpanEnergy],
    path: str | Path,
    began_unix_ns: int,
    further: Iterable[str | Path] = (),
) -> Saved | None:
    """Look up what a run's cached nodes once cost; None where nothing was cached.

    Parameters
    ----------
    spans : iterable of SpanEnergy
        The run's executions.
    path : path
        Its folder; the folders beside it are looked through.
    began_unix_ns : int
        When it began, in nanoseconds since the epoch.
    further : iterable of path
        Run folders to look through as well, or folders that hold such.

    Raises
    ------
    RunFolderError
        If one of `further` is no folder.
    """
    further = tuple(further)
    check(further)
    of_node: dict[str, list[SpanEnergy]] = {}
    for span in spans:
        of_node.setdefault(span.node, []).append(span)
    cached = {name: last_hash(of) for name, of in of_node.items() if outcome(of) == "cached"}
    if not cached:
        return None
    wanted = {(name, value): name for name, value in cached.items() if value is not None}
    costs: dict[str, list[SpanEnergy]] = {}
    runs: dict[str, float] = {}
    n_runs, before_j = 0, 0.0
    for folder, stamp in _earlier(Path(path), began_unix_ns, further) if wanted else ():
        if wanted.keys().isdisjoint(_ran(folder, stamp)):
            continue
        n_runs += _take(wanted, _past(folder, stamp), of_node, costs)
        known_j = fsum(span.energy_j or 0.0 for of in costs.values() for span in of)
        runs[folder], before_j = known_j - before_j, known_j
        if not wanted:
            break
    every = [span for of in costs.values() for span in of]
    nodes = {name: _cost(of) for name, of in costs.items()}
    return Saved(len(cached), len(nodes), n_runs, _cost(every), nodes, runs)


def check(places: Iterable[str | Path]) -> None:
    """Refuse a place to look through that is no folder.

    Raises
    ------
    RunFolderError
        If there is no such folder.
    """
    for place in places:
        if not os.path.isdir(place):
            raise RunFolderError(
                f"{place}: there is no such folder; give an earlier run folder, or one that holds "
                "such folders"
            )


class _Past(msgspec.Struct, frozen=True):
    """An earlier run: its executions that brought a result, and the elements of its MapNodes.

    Also those inside of workflows that ran as a whole, by the workflow's name and hash.
    """

    ran: dict[Key, SpanEnergy]
    elements: dict[str, dict[str, SpanEnergy]]
    workflows: dict[Key, list[SpanEnergy]]


def _take(
    wanted: dict[Key, str],
    past: _Past,
    here: Mapping[str, object],
    costs: dict[str, list[SpanEnergy]],
) -> bool:
    """Move what a run knows from `wanted` to `costs`; return whether it knows anything.

    An element that the earlier run found in its own cache is wanted in turn, of a run before.
    """
    whole = {key: name for key, name in wanted.items() if key in past.workflows}
    for key, name in whole.items():
        del wanted[key]
        costs.setdefault(name, [])
        for span in past.workflows[key]:
            if span.outcome == "ran":
                costs[name].append(span)
            elif span.inputs_hash is not None:
                wanted[span.node, span.inputs_hash] = name
    found = {key: name for key, name in wanted.items() if key in past.ran}
    for key, name in found.items():
        del wanted[key]
        costs.setdefault(name, []).append(past.ran[key])
        for element in past.elements.get(key[0], {}).values():
            if element.node in here:
                continue  # This run looked at it, so that it counts by itself.
            if element.outcome == "ran":
                costs[name].append(element)
            elif element.inputs_hash is not None:
                wanted[element.node, element.inputs_hash] = name
    return bool(found or whole)


def _cost(spans: Iterable[SpanEnergy]) -> Cost:
    spans = [span for span in spans if span.energy_j is not None]
    method = weakest_of(span.method for span in spans)
    return Cost(*energy_range(spans), method)


def _earlier(
    path: Path, began_unix_ns: int, further: Iterable[str | Path]
) -> Iterator[tuple[str, int]]:
    """Give the run folders that began before, newest first, and a stamp that changes with them."""
    own = os.path.realpath(path)
    beside = _runs_in(os.path.dirname(own))
    folders: dict[str, int] = {}
    for place in map(os.path.realpath, further):
        beside += [place] if _is_run(place) else _runs_in(place)
    for folder in beside:
        began_ns = _began_unix_ns(folder, _changed_ns(folder, "run.json"))
        if folder != own and began_ns is not None and began_ns < began_unix_ns:
            folders[folder] = began_ns
    left = MAX_BYTES
    for folder in sorted(folders, key=lambda folder: (-folders[folder], folder))[:MAX_RUNS]:
        size, stamp = _size(folder, _changed_ns(folder, ""))
        if size <= left:
            left -= size
            yield folder, stamp


def _is_run(folder: str) -> bool:
    return os.path.isfile(os.path.join(folder, "run.json"))


def _changed_ns(folder: str, name: str) -> int:
    try:
        return os.stat(os.path.join(folder, name)).st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=MAX_ENTRIES)
def _began_unix_ns(folder: str, stamp: int) -> int | None:
    """Return when a run began; read once for all runs that are shown together, see `_ran`."""
    info = read_info(folder)
    return None if info is None else info.t_unix_ns


def _runs_in(place: str) -> list[str]:
    """Return the run folders in a folder; only a glance, nothing is read."""
    try:
        names = sorted(os.listdir(place))[:MAX_ENTRIES]
    except OSError:
        return []
    return [folder for name in names if _is_run(folder := os.path.join(place, name))]


@lru_cache(maxsize=MAX_RUNS)
def _size(folder: str, stamp: int) -> tuple[int, int]:
    """Return a folder's bytes, and when anything in it changed last (nanoseconds).

    Found out once for all runs that are shown together, unless files come or go.
    """
    size, changed_ns = 0, 0
    try:
        for entry in os.scandir(folder):
            status = entry.stat()
            if stat.S_ISREG(status.st_mode):
                size += status.st_size
                changed_ns = max(changed_ns, status.st_mtime_ns)
    except OSError:
        pass  # Reading it will say the same.
    return size, changed_ns


def _facts(folder: str) -> RunFacts | None:
    try:
        return read_run(folder)
    except Exception:
        # Whatever is wrong with a neighbour, it is not this run's affair.
        return None


@lru_cache(maxsize=MAX_RUNS)
def _ran(folder: str, stamp: int) -> frozenset[Key]:
    """Return what ran in a run, by name and hash: cheap, and mostly enough to pass it over.

    Many runs that are shown together have the same neighbours: `stamp` tells whether they are
    as they were.
    """
    facts = _facts(folder)
    lines = [line for file in facts.node_files for line in file.lines] if facts else []
    nodes = {line.span: line.node for line in lines if isinstance(line, Start)}
    graphs = facts.graphs if facts else ()
    whole = frozenset(pair for graph in graphs for pair in graph.workflows.items())
    return whole | frozenset(
        (nodes[line.span], line.inputs_hash)
        for line in lines
        if isinstance(line, End) and line.inputs_hash and line.outcome == "ran"
        if line.span in nodes
    )


@lru_cache(maxsize=16)
def _past(folder: str, stamp: int) -> _Past:
    """Return what an earlier run knows of its nodes; the later of two executions counts."""
    past = _Past({}, {}, {})
    facts = _facts(folder)
    try:
        spans = attribute(facts).spans if facts else ()
    except Exception:
        return past  # As above.
    for span in sorted(spans, key=lambda span: (span.outcome == "ran", span.start_unix_s)):
        if span.outcome == "ran" and span.inputs_hash and span.energy_j is not None:
            past.ran[span.node, span.inputs_hash] = span
        if span.outcome in ("ran", "cached") and span.map_node is not None:
            past.elements.setdefault(span.map_node, {})[span.node] = span
    whole = {pair for graph in (facts.graphs if facts else ()) for pair in graph.workflows.items()}
    for name, value in whole:
        inside = [s for s in spans if s.node.startswith(f"{name}/")]
        past.workflows[name, value] = [s for s in inside if s.outcome in ("ran", "cached")]
    return past
