# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from nicarbon.meter.node_lines import end_line, start_line
from nicarbon.records import End, Start

SPAN = "0123456789ab-4711-815-3"
NS = st.integers(0, 2**63 - 1)
CPU_S = st.floats(0, 1e9)
# Names of directories and exceptions may hold whatever a file system allows.
TEXT = st.text(st.characters())


def known(**fields):
    return {name: value for name, value in fields.items() if value is not None}


@given(TEXT, NS, NS, CPU_S, st.booleans(), st.none() | TEXT, st.none() | st.integers(0, 10**6))
def test_a_start_line_is_what_an_encoder_writes(node, t_ns, unix_ns, cpu_s, perf, map_node, index):
    line = start_line(SPAN, node, t_ns, unix_ns, cpu_s, perf, "p-1-2-3", "/c", map_node, index)
    assert "\n" not in line
    assert line.isascii()
    expected = {
        "kind": "start",
        "span": SPAN,
        "node": node,
        "t_monotonic_ns": t_ns,
        "t_unix_ns": unix_ns,
        "cpu_base_s": round(cpu_s, 6),
        **({} if perf else {"perf": False}),
        "parent": "p-1-2-3",
        "container": "/c",
        **({} if map_node is None else {"map_node": map_node, "index": index}),
    }
    assert json.loads(line) == expected


@given(
    NS,
    CPU_S,
    st.none() | TEXT,
    st.none() | CPU_S,
    st.none() | CPU_S,
    st.none() | st.integers(1, 2**50),
    st.none() | TEXT,
    st.none() | TEXT,
)
def test_an_end_line_is_what_an_encoder_writes(
    t_ns, cpu_s, incomplete, perf_s, container_s, peak_bytes, error, inputs_hash
):
    line = end_line(
        SPAN,
        t_ns,
        "failed",
        cpu_s,
        "rusage",
        incomplete,
        cpu_s,
        perf_s,
        container_s,
        peak_bytes,
        error,
        inputs_hash,
    )
    assert "\n" not in line
    assert line.isascii()
    clock = {} if perf_s is None else {"cpu_rusage_s": round(cpu_s, 6), "cpu_perf_s": perf_s}
    expected = known(
        kind="end",
        span=SPAN,
        t_monotonic_ns=t_ns,
        outcome="failed",
        cpu_s=round(cpu_s, 6),
        cpu_source="rusage",
        **{name: round(value, 6) for name, value in clock.items()},
        cpu_incomplete=incomplete,
        cpu_container_s=container_s,
        peak_memory_bytes=peak_bytes,
        error=error,
        inputs_hash=inputs_hash,
    )
    assert json.loads(line) == expected


def test_the_reader_knows_both_lines():
    line = start_line(SPAN, "wf.n", 1, 2, 0.25, False, None, None, "wf.m", 3)
    start = msgspec.json.decode(line, type=Start)
    assert (start.node, start.cpu_base_s, start.perf) == ("wf.n", 0.25, False)
    assert (start.map_node, start.index, start.parent) == ("wf.m", 3, None)
    end = msgspec.json.decode(end_line(SPAN, 9, "ran", 0.5, "perf", None, 0.1, 0.5), type=End)
    assert (end.outcome, end.cpu_s, end.cpu_source) == ("ran", 0.5, "perf")
    assert (end.cpu_rusage_s, end.cpu_perf_s, end.peak_memory_bytes) == (0.1, 0.5, None)
