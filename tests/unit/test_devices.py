# SPDX-License-Identifier: Apache-2.0
"""Dividing the energy of devices: cases small enough to compute by hand."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nicarbon.attribution import attribute
from nicarbon.programs import by_program
from nicarbon.records import (
    Domain,
    Driver,
    End,
    GpuUse,
    Host,
    NodeFile,
    Process,
    RunFacts,
    RunInfo,
    Sample,
    SampleFile,
    Sensor,
    Sightings,
    Start,
)

S = 1_000_000_000
HOST = "0123456789ab"
DRIVER = f"{HOST}-10-20"
PACKAGE = Domain("package-0", "package", unit_j=1.0, range=10**9, max_power_w=100.0)


def gpu(n=0, **more):
    given = {"unit_j": 1e-3, "max_power_w": 500.0, "card": "Card", "device": f"GPU-{n}"}
    return Domain(f"gpu-{n}", "gpu", **given | more)


def sensors(*gpus):
    rapl = Sensor("rapl", "measured", (PACKAGE,), relative_error=0.05)
    return (rapl, Sensor("nvml", "measured", gpus or (gpu(),), relative_error=0.1))


def sampler(rows, has=None, pid=11, first_s=0, package=10):
    """One second a row: for each GPU its watts (None: no reading), who computed and who held."""
    total = {}
    samples = [Sample(first_s * S, 0, 0.0, {"package-0": package * first_s})]
    for n, row in enumerate(rows):
        t_s = first_s + n + 1
        readings, gpus = {"package-0": package * t_s}, {}
        for name, (watts, sm, held) in row.items():
            raw = None if watts is None else round(watts * 1000)
            total[name] = total.get(name, 0) + (raw or 0)
            readings[name] = None if raw is None else total[name]
            gpus[name] = GpuUse(t_s * S, sm, held)
        samples.append(Sample(t_s * S, 0, float(t_s), readings, gpus=gpus))
    names = rows[0] if rows else {}
    samples[0] = msgspec.structs.replace(
        samples[0], readings=samples[0].readings | dict.fromkeys(names, 0)
    )
    header = Host(HOST, "scanner", "boot", pid, 4, first_s * S, 0, has or sensors(), driver=DRIVER)
    return SampleFile(header, tuple(samples))


def run(*files, nodes=("a", "b", "c"), last_s=None):
    last_s = last_s or max(f.samples[-1].t_monotonic_ns for f in files) // S
    lines = [Driver("start", 0, 0, 0.0), Driver("end", last_s * S, 0, 0.0, "ok")]
    for name in nodes:
        lines += [Start(name, f"wf.{name}", 0, 0, 0.0), End(name, last_s * S, "ran", 0.0)]
    node_file = NodeFile(Process(HOST, "scanner", 10, 20, DRIVER, DRIVER), tuple(lines))
    result = attribute(RunFacts(RunInfo("r", 0), (), (node_file,), files))
    [host] = result.hosts
    assert_sums(host, result.spans)
    return host, {span.span: span for span in result.spans}


def assert_sums(host, spans):
    parts = [host.nodes_j, host.engine_j, host.meter_j, host.other_j, host.unattributed_j]
    assert sum(parts) + host.residual_j == pytest.approx(host.energy_j)
    assert abs(host.residual_j) <= 1e-9 * host.energy_j
    for d in host.devices:
        parts = [d.nodes_j, d.engine_j, d.other_j, d.unattributed_j]
        assert sum(parts) + d.residual_j == pytest.approx(d.energy_j)
        assert abs(d.residual_j) <= 1e-9 * max(d.energy_j, 1e-3)
        assert min(*parts, d.held_j) >= -1e-9
    mine = sum(span.gpu_j or 0.0 for span in spans)
    assert mine == pytest.approx(sum(d.nodes_j for d in host.devices))


def test_by_the_time_that_each_computed():
    host, spans = run(sampler([{"gpu-0": (100, {"a": 0.6, "b": 0.2}, {"a": 0.5, "b": 0.5})}] * 5))
    assert spans["a"].gpu_j == pytest.approx(375.0)
    assert spans["b"].gpu_j == pytest.approx(125.0)
    assert (spans["a"].gpu_s, spans["b"].gpu_s) == pytest.approx((3.0, 1.0))
    assert (spans["c"].gpu_j, spans["c"].gpu_s) == (0.0, 0.0)
    assert spans["a"].energy_j == pytest.approx(375.0)  # nobody used a CPU: that is unattributed
    assert (spans["a"].sensor_low_j, spans["a"].sensor_high_j) == pytest.approx((337.5, 412.5))
    assert spans["a"].shared_j == pytest.approx(375.0 / 4)
    assert host.energy_j == pytest.approx(550.0)
    [device] = host.devices
    assert (device.name, device.card, device.told) == ("gpu-0", "Card", "process")
    assert (device.energy_j, device.nodes_j, device.held_j) == pytest.approx((500.0, 500.0, 0.0))
    assert (device.energy_low_j, device.energy_high_j) == pytest.approx((450.0, 550.0))


def test_while_nothing_computes_by_the_memory_held_and_that_is_a_figure_of_its_own():
    rows = [{"gpu-0": (200, {"a": 1.0}, {"a": 0.5, "b": 0.5})}] * 2
    rows += [{"gpu-0": (60, {}, {"a": 0.25, "b": 0.75})}] * 3
    rows += [{"gpu-0": (50, {}, {})}] * 4
    host, spans = run(sampler(rows))
    assert spans["a"].gpu_j == pytest.approx(400 + 45)
    assert (spans["a"].gpu_held_j, spans["b"].gpu_held_j) == pytest.approx((45.0, 135.0))
    assert spans["b"].gpu_j == pytest.approx(135.0)
    [device] = host.devices
    assert (device.held_j, device.unattributed_j) == pytest.approx((180.0, 200.0))


def test_engine_and_strangers():
    row = {"gpu-0": (100, {"engine": 0.3, "other": 0.5, "a": 0.2}, {"other": 1.0})}
    idle = {"gpu-0": (100, {}, {"other": 0.5, "engine": 0.5})}
    host, spans = run(sampler([row, idle]))
    [device] = host.devices
    assert (device.engine_j, device.other_j) == pytest.approx((80.0, 100.0))
    assert (device.nodes_j, device.held_j) == pytest.approx((20.0, 0.0))
    assert (host.engine_j, host.other_j) == pytest.approx((80.0, 120.0))
    assert spans["a"].gpu_j == pytest.approx(20.0)


def test_each_device_is_divided_by_itself():
    row = {
        "gpu-0": (100, {"a": 0.5, "b": 0.5}, {}),
        "gpu-1": (300, {"c": 0.1}, {"c": 1.0}),
    }
    host, spans = run(sampler([row] * 4, sensors(gpu(0), gpu(1))))
    assert [spans[n].gpu_j for n in "abc"] == pytest.approx([200.0, 200.0, 1200.0])
    assert [d.nodes_j for d in host.devices] == pytest.approx([400.0, 1200.0])


def test_a_card_that_vanishes_leaves_its_time_uncovered_and_nothing_invented():
    row = {"gpu-0": (100, {"a": 0.5}, {"a": 1.0})}
    gone = {"gpu-0": (None, {}, {})}
    host, spans = run(sampler([row] * 3 + [gone] * 2))
    [device] = host.devices
    assert (device.energy_j, device.uncovered_s) == pytest.approx((300.0, 2.0))
    assert spans["a"].gpu_j == pytest.approx(300.0)
    # One that comes back has counted on: its gap is known.
    host, spans = run(sampler([row] * 3 + [gone] * 2 + [{"gpu-0": (250, {}, {"a": 1.0})}]))
    [device] = host.devices
    assert (device.energy_j, device.uncovered_s) == pytest.approx((550.0, 0.0))


@pytest.mark.parametrize("raw", [0, 999, 2**62])
def test_a_counter_that_is_set_back_or_nonsense_is_a_gap(raw):
    file = sampler([{"gpu-0": (100, {"a": 0.5}, {"a": 1.0})}] * 8)
    samples = list(file.samples)
    for n in range(4, 9):  # from then on it counts from somewhere else
        readings = samples[n].readings | {"gpu-0": raw + (n - 4) * 100_000}
        samples[n] = msgspec.structs.replace(samples[n], readings=readings)
    host, spans = run(msgspec.structs.replace(file, samples=tuple(samples)))
    [device] = host.devices
    assert (device.energy_j, device.uncovered_s) == pytest.approx((700.0, 1.0))
    assert spans["a"].gpu_j == pytest.approx(700.0)


def test_without_any_reading_its_energy_is_not_known():
    host, spans = run(sampler([{"gpu-0": (None, {"a": 0.5}, {"a": 1.0})}] * 3))
    assert (spans["a"].gpu_j, spans["a"].gpu_s) == (None, None)
    [device] = host.devices
    assert (device.energy_j, device.uncovered_s) == (0.0, 3.0)


def test_integrated_power_has_a_wider_range():
    file = sampler([{"gpu-0": (100, {"a": 0.5}, {})}] * 2, sensors(gpu(bounds=("low", "high"))))
    samples = [
        msgspec.structs.replace(s, readings=s.readings | {"low": 60_000 * n, "high": 150_000 * n})
        for n, s in enumerate(file.samples)
    ]
    host, spans = run(msgspec.structs.replace(file, samples=tuple(samples)))
    [device] = host.devices
    assert (device.energy_low_j, device.energy_high_j) == pytest.approx((108.0, 330.0))
    assert (spans["a"].sensor_low_j, spans["a"].sensor_high_j) == pytest.approx((108.0, 330.0))


def test_two_samplers_know_their_own_nodes_and_the_energy_counts_once():
    def rows(mine, theirs):
        return [{"gpu-0": (100, {mine: 0.6, "other": theirs}, {mine: 0.5, "other": 0.5})}] * 4

    one, two = sampler(rows("a", 0.2)), sampler(rows("b", 0.6), pid=12)
    b = [
        msgspec.structs.replace(
            s, gpus={n: GpuUse(u.t_monotonic_ns, {"b": 0.2, "other": 0.6}, u.held_s)}
        )
        for s in two.samples
        for n, u in (s.gpus or {"": None}).items()
        if u is not None
    ]
    two = msgspec.structs.replace(two, samples=(two.samples[0], *b))
    host, spans = run(one, two)
    assert (spans["a"].gpu_j, spans["b"].gpu_j) == pytest.approx((300.0, 100.0))
    [device] = host.devices
    assert (device.energy_j, device.other_j) == pytest.approx((400.0, 0.0), abs=1e-6)


def test_a_card_of_the_same_name_that_is_another_card_is_counted_apart():
    rows = [{"gpu-0": (100, {"a": 1.0}, {})}] * 3
    other = [{"gpu-0": (300, {"b": 1.0}, {})}] * 3
    later = sampler(other, sensors(gpu(device="GPU-9")), pid=12, first_s=5)
    host, _ = run(sampler(rows), later)
    [device] = host.devices
    assert device.energy_j == pytest.approx(300.0 + 900.0)
    assert device.uncovered_s == pytest.approx(2.0)


def test_what_a_cached_node_had_is_the_engines():
    file = sampler([{"gpu-0": (100, {"x": 0.6}, {})}])
    host, _ = run(file, nodes=())
    assert host.devices[0].engine_j == pytest.approx(100.0)


seconds = st.dictionaries(
    st.sampled_from(["a", "b", "c", "engine", "other", "x"]),
    st.floats(0, 1, allow_subnormal=False),
    max_size=4,
)
rows = st.lists(
    st.tuples(st.one_of(st.none(), st.integers(0, 400)), seconds, seconds), min_size=1, max_size=12
)


@given(rows=rows, late=st.lists(st.integers(-2 * S, 2 * S), min_size=12, max_size=12))
def test_the_sum_is_kept_whatever_is_said(rows, late):
    file = sampler([{"gpu-0": row} for row in rows])
    # Utilisation has its own clock, which may be late, or wrong.
    samples = [
        msgspec.structs.replace(
            s,
            gpus={
                name: msgspec.structs.replace(u, t_monotonic_ns=u.t_monotonic_ns + late[n % 12])
                for name, u in s.gpus.items()
            },
        )
        for n, s in enumerate(file.samples)
    ]
    host, spans = run(msgspec.structs.replace(file, samples=tuple(samples)))
    assert all((span.gpu_j or 0.0) >= -1e-9 for span in spans.values())
    known = [watts for watts, _, _ in rows if watts is not None]
    # A gap's energy comes with the next reading.
    assert host.devices[0].energy_j == pytest.approx(sum(known))


def test_programs_and_steps_have_of_a_gpu_what_went_by_while_they_ran():
    rows = [{"gpu-0": (100, {"a": 1.0}, {"a": 1.0})}] * 20 + [{"gpu-0": (0, {}, {})}] * 20
    file = sampler(rows)
    seen = {"early": (20, 1.0, 0.0)}, {"late": (20, 1.0, 0.0)}
    samples = [
        msgspec.structs.replace(s, sightings={"a": Sightings(20, seen[n > 20])} if n else {})
        for n, s in enumerate(file.samples)
    ]
    file = msgspec.structs.replace(file, samples=tuple(samples))
    lines = [Driver("start", 0, 0, 0.0), Driver("end", 40 * S, 0, 40.0, "ok")]
    lines += [Start("a", "wf.a", 0, 0, 0.0), End("a", 40 * S, "ran", 40.0)]
    node_file = NodeFile(Process(HOST, "scanner", 10, 20, DRIVER, DRIVER), tuple(lines))
    [span] = attribute(RunFacts(RunInfo("r", 0), (), (node_file,), (file,))).spans
    assert (span.energy_j, span.gpu_j) == pytest.approx((2400.0, 2000.0))
    parts = {part.part: part for part in by_program([span])}
    # Each had half of the 400 J of the processors.
    assert (parts["early"].energy_j, parts["early"].gpu_j) == pytest.approx((2200.0, 2000.0))
    assert (parts["late"].energy_j, parts["late"].gpu_j) == pytest.approx((200.0, 0.0))
    assert sum(part.gpu_s for part in parts.values()) == pytest.approx(span.gpu_s)
