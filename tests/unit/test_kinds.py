# SPDX-License-Identifier: Apache-2.0
"""Executions are of one kind by their nodes' own names, unless they run several programs."""

from __future__ import annotations

import msgspec

from nicarbon.curves import executions
from nicarbon.kinds import kinds_of
from nicarbon.records import End, Graph, Node, NodeFile, Process, Start
from nicarbon.sightings import Stretch

S = 1_000_000_000


def test_kinds_are_own_names_whatever_the_subject():
    lines = tuple(
        line
        for i, name in enumerate(("wf.sub_01.bet", "wf.sub_02.bet.aI.a1", "wf.fit[3]", "alone"))
        for line in (Start(f"s{i}", name, 0, 0, 0.0), End(f"s{i}", S, "ran", 1.0))
    )
    graph = Graph("wf", "", (Node("wf.sub_02.bet.aI.a1", "wf.sub_02"),), ())
    ran = executions([NodeFile(Process("h", "h", 1, 1, "h-1-1"), lines)], [], [])
    one = Stretch(S, 10, {"bet": (9, 0.9, 0.0), "sh": (1, 0.1, 0.0)})
    two = msgspec.structs.replace(one, programs={"fast": (5, 0.0, 0.5), "sh": (5, 0.5, 0.0)})
    known = kinds_of(ran, [graph], {"s0": [one], "s3": [one, two]})
    assert known.of == {"s0": "bet", "s1": "bet", "s2": "fit", "s3": "alone"}
    assert known.several == {"s3"}
