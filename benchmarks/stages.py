# SPDX-License-Identifier: Apache-2.0
"""The stage rules against labels: nodes of real pipelines that readers gave a stage.

The nodes are in ``tests/data/stages``; how they were labelled stands beside them.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from nicarbon.records import Graph, Node
from nicarbon.stages import StageRules

DATA = Path(__file__).parent.parent / "tests" / "data" / "stages"


class Labelled(NamedTuple):
    """A node, the stages that its label accepts, the first before the others, and the rules'.

    ``readers`` are two labels of the same form by those who knew no rule; empty for most nodes.
    """

    package: str
    group: str
    name: str
    interface: str
    accepted: tuple[str, ...]
    found: str
    readers: tuple[tuple[str, ...], ...] = ()

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
    content = json.loads((DATA / "labelled.json").read_text(encoding="utf-8"))
    with (DATA / "readers.tsv").open(encoding="utf-8", newline="") as file:
        others = {
            (int(row["graph"]), int(row["node"])): tuple(
                tuple(row[reader].split("/")) for reader in ("reader_a", "reader_b")
            )
            for row in csv.DictReader(file, delimiter="\t")
        }
    rules = StageRules.load()
    for at, rows in enumerate(content["graphs"]):
        nodes = []
        for number, (name, which, *_) in enumerate(rows):
            interface, program = content["classes"][which]
            workflow = name.rpartition(".")[0]
            nodes.append(Node(f"{number}.{name}", f"{number}.{workflow}", interface, program))
        edges = [(nodes[i].name, nodes[to].name) for i, row in enumerate(rows) for to in row[2]]
        found = rules.classify(Graph("", "", tuple(nodes), tuple(edges)))
        for number, (node, (name, which, _, *label)) in enumerate(zip(nodes, rows, strict=True)):
            if label:
                package, group = content["packages"][label[0]]
                accepted = tuple(content["stages"][stage] for stage in label[1])
                interface = content["classes"][which][0]
                readers = others.get((at, number), ())
                yield Labelled(
                    package, group, name, interface, accepted, found[node.name], readers
                )


AGAINST_READERS = {
    "the rules name what one of two other readers named first": lambda row: (
        row.found in {label[0] for label in row.readers}
    ),
    "the rules name what one of them found right": lambda row: (
        row.found in {stage for label in row.readers for stage in label}
    ),
    "both named the same first": lambda row: len({label[0] for label in row.readers}) == 1,
    "the label above names what one of them named first": lambda row: (
        row.accepted[0] in {label[0] for label in row.readers}
    ),
}


def main() -> None:
    """Print the agreement of each package, and of all."""
    rows = [row for row in labelled() if row.computes]
    print(f"{'package':32} {'seen':8} {'nodes':>6} {'agree':>7} {'first label':>12} unclassified")
    every = Counter(row.package for row in rows)
    for package in sorted(every, key=str.lower):
        show(package, [row for row in rows if row.package == package])
    show("all", rows)
    read = [row for row in labelled() if {label[0] for label in row.readers} - {"engine"}]
    for what, agrees in AGAINST_READERS.items():
        print(f"{what:56} {len(read):6} {sum(map(agrees, read)) / len(read):7.1%}")


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
