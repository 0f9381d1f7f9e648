# SPDX-License-Identifier: Apache-2.0
"""The laws of attribution, on facts drawn at random; the simulated host has its own file."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nicarbon.attribution import attribute
from nicarbon.records import (
    Domain,
    Driver,
    End,
    Host,
    Model,
    NodeFile,
    Process,
    RunFacts,
    RunInfo,
    Sample,
    SampleFile,
    Sensor,
    Start,
)

S = 1_000_000_000
HOST = "0123456789ab"
DRIVER = f"{HOST}-10-20"
RANGE = 1_000_000
UNIT_J = 0.001
MAX_POWER_W = 100.0
LONGEST_GAP_S = RANGE * UNIT_J / MAX_POWER_W
VIRTUAL = Sensor(
    "virtual", "modelled", (Domain("host", "host", model=Model((3.0, 5.0, 9.0), (2.0, 4.0, 7.0))),)
)

laws = settings(max_examples=150)


def rapl(names):
    domains = tuple(
        Domain(name, "package", unit_j=UNIT_J, range=RANGE, max_power_w=MAX_POWER_W)
        for name in names
    )
    return Sensor("rapl", "measured", domains, relative_error=0.05)


class Facts(msgspec.Struct, frozen=True):
    """Drawn facts, and what the counters really did between first and last sample."""

    facts: RunFacts
    energy_units: int
    t_s: tuple[float, ...]


@st.composite
def timelines(draw, names=("package-0", "dram-0"), steps=None, missing=True, busy_per_s=None):
    """Samples of one sampler: any spacing, counters that wrap, busy time that jitters."""
    if steps is None:
        steps = st.sampled_from([0.0, 0.001, 0.05, 0.1, 1.0, 1.0, 2.5])
    n = draw(st.integers(2, 10))
    t = draw(st.floats(0, 1e6).map(lambda x: round(x, 3)))
    busy = draw(st.floats(-10, 1e6))
    raw = {name: draw(st.integers(0, RANGE - 1)) for name in names}
    samples, used, meter = [], 0, 0.0
    for i in range(n):
        readings = {name: raw[name] % RANGE for name in names}
        if missing and 0 < i < n - 1:
            for name in names:
                if draw(st.integers(0, 4)) == 0:
                    readings[name] = None
        samples.append(Sample(round(t * S), 0, busy, readings, meter_cpu_s=meter))
        if i < n - 1:
            dt = draw(steps)
            t += dt
            most = int(dt * MAX_POWER_W / UNIT_J)
            for name in names:
                units = draw(st.integers(0, most))
                raw[name] += units
                used += units
            if busy_per_s is None:
                busy += draw(st.floats(0, 4)) * dt + draw(st.sampled_from([0.0, 0.0, -0.01]))
            else:
                busy += busy_per_s * dt
            meter += 0.001 * dt
    return samples, used


@st.composite
def spans(draw, first_s, last_s, most=6, rate=3.0, beats=True):
    """Start and end records around a timeline, some nested, failed, cached or never ended."""
    lines, seen = [], {}
    edge = st.floats(first_s - 1, last_s + 1).map(lambda x: round(x, 4))
    for i in range(draw(st.integers(0, most))):
        a, b = sorted((draw(edge), draw(edge)))
        span = f"{DRIVER}-{i}"
        parent = draw(st.none() | st.integers(0, i - 1)) if i else None
        base = draw(st.floats(0, 5)) if parent is not None else 0.0
        key = None if parent is None else f"{DRIVER}-{parent}"
        lines.append(Start(span, f"wf.n{i % 3}", round(a * S), 0, base, key))
        cpu = draw(st.floats(0, rate)) * (b - a)
        outcome = draw(st.sampled_from(["ran", "ran", "ran", "failed", "cached", None]))
        if outcome is not None:
            flag = draw(st.none() | st.just("SIGCHLD is ignored"))
            end = End(span, round(b * S), outcome, cpu, cpu_incomplete=flag)
            lines.append(end)
        if beats and draw(st.booleans()):
            seen[span] = (a, b, cpu)
    return lines, seen


def with_beats(samples, seen, driver_rate):
    beaten = []
    for sample in samples:
        t = sample.t_monotonic_ns / S
        here = {
            span: cpu * (t - a) / (b - a) ** 0.9
            for span, (a, b, cpu) in seen.items()
            if a <= t < b and b > a
        }
        driver = None if driver_rate is None else max(driver_rate * t, 0.0)
        beaten.append(msgspec.structs.replace(sample, spans=here, driver_cpu_s=driver))
    return beaten


def facts_of(lines, files, first_s, last_s, driver_cpu_s=(0.0, 0.0)):
    marks = (
        Driver("start", round(first_s * S), 0, driver_cpu_s[0]),
        Driver("end", round(last_s * S), 0, driver_cpu_s[1], "ok"),
    )
    nodes = NodeFile(Process(HOST, "h", 10, 20, DRIVER, DRIVER), (*marks, *lines))
    return RunFacts(RunInfo("r", 0), (), (nodes,), tuple(files))


def sample_file(samples, sensors, **more):
    host = Host(HOST, "h", "b", 1, 4, samples[0].t_monotonic_ns, 0, sensors, driver=DRIVER, **more)
    return SampleFile(host, tuple(samples))


@st.composite
def runs(draw, model=None, missing=True, busy_per_s=None, beats=True, rate=3.0):
    samples, used = draw(timelines(missing=missing, busy_per_s=busy_per_s))
    first_s, last_s = samples[0].t_monotonic_ns / S, samples[-1].t_monotonic_ns / S
    lines, seen = draw(spans(first_s, last_s, beats=beats, rate=rate))
    driver_rate = draw(st.none() | st.floats(0, 2))
    samples = with_beats(samples, seen, driver_rate)
    modelled = draw(st.booleans()) if model is None else model
    sensors = (VIRTUAL,) if modelled else (rapl(("package-0", "dram-0")),)
    idle_power_w = draw(st.none() | st.just(4.0))
    files = [sample_file(samples, sensors, idle_power_w=idle_power_w)]
    facts = facts_of(lines, files, first_s, last_s)
    times = tuple(sample.t_monotonic_ns / S for sample in samples)
    return Facts(facts, 0 if modelled else used, times)


def close(x, y, scale=1.0):
    return abs(x - y) <= 1e-9 * max(abs(x), abs(y), scale)


def assert_law_1(result):
    for h in result.hosts:
        parts = (h.nodes_j, h.engine_j, h.meter_j, h.other_j, h.unattributed_j)
        assert close(sum(parts) + h.residual_j, h.energy_j)
        assert abs(h.residual_j) <= 1e-9 * max(sum(map(abs, parts)), 1.0)
        mine = sum(s.energy_j or 0.0 for s in result.spans if s.host == h.host)
        assert close(mine, h.nodes_j)


@laws
@given(runs())
def test_law_1_the_parts_are_the_whole(run):
    assert_law_1(attribute(run.facts))


@laws
@given(runs(model=False))
def test_law_1_the_whole_is_what_the_counters_did(run):
    [h] = attribute(run.facts).hosts
    assert close(h.energy_j, run.energy_units * UNIT_J)
    assert h.uncovered_s == 0.0
    for part in (h.nodes_j, h.engine_j, h.meter_j, h.other_j, h.unattributed_j):
        assert part >= 0.0


@laws
@given(runs(model=False, busy_per_s=40.0), runs(model=False, busy_per_s=40.0), st.data())
def test_law_1_two_runs_on_one_timeline_add_up(run, other, data):
    # Both runs have the same samples; the second's nodes are drawn inside its timeline.
    files = run.facts.sample_files
    lines, _ = data.draw(spans(run.t_s[0], run.t_s[-1], beats=False))
    key = f"{HOST}-77-88"
    renamed = [
        msgspec.structs.replace(
            line,
            span=line.span.replace(DRIVER, key),
            **(
                {"parent": line.parent and line.parent.replace(DRIVER, key)}
                if isinstance(line, Start)
                else {}
            ),
        )
        for line in lines
    ]
    second = NodeFile(Process(HOST, "h", 77, 88, key), tuple(renamed))
    first = run.facts.node_files[0]
    info = run.facts.info
    both = attribute(RunFacts(info, (), (first, second), files)).hosts[0]
    alone = attribute(RunFacts(info, (), (first,), files)).hosts[0]
    beside = attribute(RunFacts(info, (), (second,), files)).hosts[0]
    assert close(both.nodes_j, alone.nodes_j + beside.nodes_j)
    assert close(
        both.energy_j,
        alone.nodes_j
        + beside.nodes_j
        + alone.engine_j
        + alone.meter_j
        + both.other_j
        + both.unattributed_j,
    )
    assert close(alone.other_j, beside.nodes_j + both.other_j)


@laws
@given(runs(beats=False, missing=False, busy_per_s=40.0), st.floats(0.01, 0.99))
def test_law_2_a_node_that_is_split_keeps_its_energy(run, part):
    before = attribute(run.facts)
    nodes = run.facts.node_files[0]
    lines = []
    ends = {line.span: line for line in nodes.lines if isinstance(line, End)}
    parents = {line.parent for line in nodes.lines if isinstance(line, Start)}
    for line in nodes.lines:
        end = ends.get(line.span) if isinstance(line, Start) else None
        if end is None or line.parent is not None or line.span in parents or end.outcome != "ran":
            lines.append(line)
            continue
        length_ns = end.t_monotonic_ns - line.t_monotonic_ns
        middle_ns = line.t_monotonic_ns + int(length_ns * part)
        if length_ns < 10:
            lines.append(line)
            continue
        cpu_s = end.cpu_s * (middle_ns - line.t_monotonic_ns) / length_ns
        del ends[line.span]
        lines = [x for x in lines if not (isinstance(x, End) and x.span == line.span)]
        lines += [
            msgspec.structs.replace(line, span=line.span + "a"),
            End(line.span + "a", middle_ns, "ran", cpu_s),
            msgspec.structs.replace(line, span=line.span + "b", t_monotonic_ns=middle_ns),
            End(line.span + "b", end.t_monotonic_ns, "ran", end.cpu_s - cpu_s),
        ]
    file = NodeFile(nodes.process, tuple(lines))
    after = attribute(msgspec.structs.replace(run.facts, node_files=(file,)))
    assert_law_1(after)
    assert close(before.hosts[0].nodes_j, after.hosts[0].nodes_j)
    energies = {s.span: s.energy_j for s in after.spans}
    for span in before.spans:
        if span.span not in energies:
            halves = [energies[span.span + half] or 0.0 for half in "ab"]
            assert close(sum(halves), span.energy_j or 0.0)


@laws
@given(runs(), st.functions(like=lambda node: ..., returns=st.integers(0, 3), pure=True))
def test_law_2_folding_keeps_the_sum(run, stage_of):
    result = attribute(run.facts)
    groups = {}
    for span in result.spans:
        groups.setdefault(stage_of(span.node), []).append(span.energy_j or 0.0)
    folded = sum(sum(group) for group in groups.values())
    assert close(folded, sum(h.nodes_j for h in result.hosts))


@laws
@given(runs(beats=False, missing=False, busy_per_s=40.0), st.floats(0, 1), st.floats(0, 1))
def test_law_2_a_map_node_and_its_elements_are_the_map_node(run, x, y):
    first, last = run.t_s[0], run.t_s[-1]
    a, b = sorted((first + x * (last - first), first + y * (last - first)))
    rate, whole = 2.0, (Start("m", "wf.m", round(first * S), 0, 0.0),)
    whole += (End("m", round(last * S), "ran", rate * (last - first)),)
    element = (
        Start("e", "wf.m[0]", round(a * S), 0, rate * (a - first), "m", "wf.m", 0),
        End("e", round(b * S), "ran", rate * (b - a)),
    )
    files = run.facts.sample_files
    together = attribute(facts_of(whole, files, first, last))
    apart = attribute(facts_of((*whole, *element), files, first, last))
    # Times are whole nanoseconds, energies here up to kilojoules.
    assert apart.hosts[0].nodes_j == pytest.approx(together.hosts[0].nodes_j, rel=1e-6, abs=1e-6)
    assert_law_1(apart)


@laws
@given(runs(model=False, missing=False), st.data())
def test_law_3_a_missing_reading_is_recovered_by_the_next(run, data):
    [file] = run.facts.sample_files
    n = len(file.samples)
    holed = list(file.samples)
    for i in data.draw(st.sets(st.integers(1, n - 2)) if n > 2 else st.just(set())):
        readings = dict(holed[i].readings)
        readings[data.draw(st.sampled_from(sorted(readings)))] = None
        holed[i] = msgspec.structs.replace(holed[i], readings=readings)
    facts = msgspec.structs.replace(
        run.facts, sample_files=(msgspec.structs.replace(file, samples=tuple(holed)),)
    )
    result = attribute(facts)
    assert_law_1(result)
    [h] = result.hosts
    span_s = run.t_s[-1] - run.t_s[0]
    if span_s < LONGEST_GAP_S:
        assert close(h.energy_j, run.energy_units * UNIT_J)
        assert h.uncovered_s == 0.0
    assert h.energy_j <= run.energy_units * UNIT_J * (1 + 1e-9)


@laws
@given(timelines(steps=st.sampled_from([1.0, 9.0, 11.0, 60.0]), missing=False))
def test_law_3_a_gap_that_may_hide_a_wrap_is_uncovered_and_stated(timeline):
    samples, _ = timeline
    first_s, last_s = samples[0].t_monotonic_ns / S, samples[-1].t_monotonic_ns / S
    facts = facts_of((), [sample_file(samples, (rapl(("package-0", "dram-0")),))], first_s, last_s)
    result = attribute(facts)
    assert_law_1(result)
    times = [sample.t_monotonic_ns / S for sample in samples]
    gaps = [b - a for a, b in pairwise(times)]
    too_long = sum(gap for gap in gaps if gap > LONGEST_GAP_S)
    assert result.hosts[0].uncovered_s == pytest.approx(too_long)


@laws
@given(runs(), st.data())
def test_law_4_another_sample_changes_no_total(run, data):
    [file] = run.facts.sample_files
    samples = list(file.samples)
    i = data.draw(st.integers(0, len(samples) - 2))
    a, b = samples[i], samples[i + 1]
    f = data.draw(st.floats(0, 1))
    readings = {}
    for name, past in a.readings.items():
        now = b.readings[name]
        readings[name] = None
        if past is not None and now is not None:
            readings[name] = (past + int(f * ((now - past) % RANGE))) % RANGE
    t_ns = a.t_monotonic_ns + int(f * (b.t_monotonic_ns - a.t_monotonic_ns))
    busy = data.draw(st.floats(0, 10)) + a.busy_cpu_s
    extra = Sample(t_ns, 0, busy, readings, a.meter_cpu_s)
    samples.insert(i + 1, extra)
    # By the same sampler or by another one.
    between = a.t_monotonic_ns < t_ns < b.t_monotonic_ns
    if not between or data.draw(st.booleans()):
        files = (msgspec.structs.replace(file, samples=tuple(samples)),)
    else:
        host = msgspec.structs.replace(file.host, driver=None)
        files = (file, SampleFile(host, (extra,)))
    before = attribute(run.facts)
    after = attribute(msgspec.structs.replace(run.facts, sample_files=files))
    assert_law_1(after)
    assert close(before.hosts[0].energy_j, after.hosts[0].energy_j)
    assert before.hosts[0].uncovered_s == after.hosts[0].uncovered_s


@laws
@given(runs())
def test_law_5_the_same_facts_give_the_same_bytes(run):
    once = msgspec.json.encode(attribute(run.facts))
    copy = msgspec.json.decode(msgspec.json.encode(run.facts), type=RunFacts)
    assert msgspec.json.encode(attribute(copy)) == once


@laws
@given(runs(), st.randoms(use_true_random=False))
def test_law_5_the_order_of_lines_from_several_processes_does_not_matter(run, chance):
    # Starts and ends of one process are in order; records of executions may be interleaved.
    nodes = run.facts.node_files[0]
    lines = list(nodes.lines)
    chance.shuffle(lines)
    file = NodeFile(nodes.process, tuple(lines))
    shuffled = attribute(msgspec.structs.replace(run.facts, node_files=(file,)))
    as_was = attribute(run.facts)
    assert [s.span for s in shuffled.spans] == [s.span for s in as_was.spans]
    for a, b in zip(shuffled.spans, as_was.spans, strict=True):
        assert (a.energy_j is None) == (b.energy_j is None)
        assert close(a.energy_j or 0.0, b.energy_j or 0.0)


@laws
@given(runs(), st.integers(-(10**18), 10**18))
def test_law_7_the_wall_clock_only_places_in_time(run, shift_ns):
    def shifted(line):
        if isinstance(line, End):
            return line
        return msgspec.structs.replace(line, t_unix_ns=line.t_unix_ns + shift_ns)

    nodes = run.facts.node_files[0]
    [file] = run.facts.sample_files
    facts = msgspec.structs.replace(
        run.facts,
        node_files=(NodeFile(nodes.process, tuple(shifted(line) for line in nodes.lines)),),
        sample_files=(
            msgspec.structs.replace(file, samples=tuple(shifted(s) for s in file.samples)),
        ),
    )
    moved, as_was = attribute(facts), attribute(run.facts)
    assert moved.hosts == as_was.hosts
    for a, b in zip(moved.spans, as_was.spans, strict=True):
        assert msgspec.structs.replace(a, start_unix_s=b.start_unix_s) == b


@laws
@given(runs())
def test_law_8_flags_are_kept(run):
    flags = {
        line.span: line.cpu_incomplete
        for line in run.facts.node_files[0].lines
        if isinstance(line, End)
    }
    for span in attribute(run.facts).spans:
        if span.span in flags:
            assert span.cpu_incomplete == flags[span.span]
        else:
            assert span.outcome == "killed"
            assert span.cpu_incomplete is not None


@laws
@given(runs())
def test_every_execution_is_there_once_and_makes_sense(run):
    result = attribute(run.facts)
    starts = [line.span for line in run.facts.node_files[0].lines if isinstance(line, Start)]
    assert sorted(span.span for span in result.spans) == sorted(starts)
    for span in result.spans:
        assert span.end_s >= span.start_s
        assert span.cpu_s >= 0.0
        if span.outcome == "cached":
            assert span.energy_j is None
        if span.energy_j is not None and span.energy_j >= 0.0 and span.method == "measured":
            assert span.sensor_low_j <= span.energy_j <= span.sensor_high_j
            assert span.shared_j == 0.0
            # Nobody gets what nobody lacks: kinds of nodes pay each other, or for what is no node,
            # whose watts are unknown in a way of their own.
            kinds_j = {name: j for name, j in span.doubt.kinds_j if name != "(idle)"}
            scale = sum(map(abs, kinds_j.values())) + 1.0
            others_j = kinds_j.pop("", 0.0)
            assert others_j <= 1e-9 * scale
            if others_j:
                assert sum(kinds_j.values()) >= -1e-9 * scale
            else:
                assert close(sum(kinds_j.values()), 0.0, scale=scale)
