# SPDX-License-Identifier: Apache-2.0
"""The stage rules against labels: nodes of real pipelines that one reader gave a stage.

The nodes are in ``tests/data/stages``; how they were labelled stands beside them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from nicarbon.records import Graph, Node
from nicarbon.stages import StageRules

LABELLED = Path(__file__).parent.parent / "tests" / "data" / "stages" / "labelled.json"


class Labelled(NamedTuple):
    """A node, the stages that its label accepts, the first before the others, and the rules'."""

    package: str
    group: str
    name: str
    interface: str
    accepted: tuple[str, ...]
    found: str

    @property
    def computes(self) -> bool:
        """Whether the label says that it computes something, more than names and lists."""
        return self.accepted[0] != "engine"

    @property
    def agrees(self) -> bool:
        """Whether the rules name one of the accepted stages."""
        return self.found in self.accepted


def labelled() -> Iterator[Labelled]:
    """Apply the rules to every graph; yield the nodes that have a label."""
    content = json.loads(LABELLED.read_text(encoding="utf-8"))
    rules = StageRules.load()
    for rows in content["graphs"]:
        nodes = []
        for number, (name, which, *_) in enumerate(rows):
            interface, program = content["classes"][which]
            workflow = name.rpartition(".")[0]
            nodes.append(Node(f"{number}.{name}", f"{number}.{workflow}", interface, program))
        edges = [(nodes[i].name, nodes[to].name) for i, row in enumerate(rows) for to in row[2]]
        found = rules.classify(Graph("", "", tuple(nodes), tuple(edges)))
        for node, (name, which, _, *label) in zip(nodes, rows, strict=True):
            if label:
                package, group = content["packages"][label[0]]
                accepted = tuple(content["stages"][stage] for stage in label[1])
                interface = content["classes"][which][0]
                yield Labelled(package, group, name, interface, accepted, found[node.name])


def main() -> None:
    """Print the agreement of each package, and of all."""
    rows = [row for row in labelled() if row.computes]
    print(f"{'package':32} {'seen':8} {'nodes':>6} {'agree':>7} {'first label':>12} unclassified")
    every = Counter(row.package for row in rows)
    for package in sorted(every, key=str.lower):
        show(package, [row for row in rows if row.package == package])
    show("all", rows)


def show(what: str, rows: list[Labelled]) -> None:
    """Print one line of the table."""
    n = len(rows)
    agree = sum(row.agrees for row in rows) / n
    first = sum(row.found == row.accepted[0] for row in rows) / n
    unclassified = sum(row.found == "unclassified" for row in rows)
    group = rows[0].group if what != "all" else ""
    print(f"{what:32} {group:8} {n:6} {agree:7.1%} {first:12.1%} {unclassified:12}")


if __name__ == "__main__":
    main()
