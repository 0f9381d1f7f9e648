# SPDX-License-Identifier: Apache-2.0
import pytest

from nicarbon.carbon.intensity import Intensity
from nicarbon.carbon.price import Price
from nicarbon.errors import NicarbonError
from nicarbon.records import Domain, Sensor
from nicarbon.reports.bars import N_BARS, bars_of, folded, needs_log

VIRTUAL = Sensor("virtual", "modelled", (Domain("host", "host"),), note="x/÷ 2.5")


def many(run_folders, energies):
    spans = [
        run_folders.span(f"wf.n{i:02}", i, i + 1, joules, shared_j=joules)
        for i, joules in enumerate(energies)
    ]
    return run_folders.run(spans, [run_folders.host(nodes_j=sum(energies))])


def test_bars_and_rest_are_what_the_sensor_counted(run_folders):
    spans = [run_folders.span("wf.strip", 0, 1, 20.0), run_folders.span("wf.fast", 1, 2, 40.0)]
    bars = bars_of(run_folders.run(spans).summary())
    assert [bar.label for bar in bars.bars] == ["segmentation", "brain extraction"]
    assert bars.bars[0].cells == ("40 J", "38–42 J", "66.7 %")
    assert bars.total.cells == ("60 J", "57–63 J", "100.0 %")
    assert bars.axis == "Measured energy (J)"
    assert bars.host == "whole host, measured: 100 J (95–105 J)"
    assert [part.key for part in bars.parts] == [
        "nodes",
        "engine",
        "meter",
        "other",
        "unattributed",
    ]
    assert sum(part.share for part in bars.parts) == pytest.approx(1.0)
    assert bars.parts[0].text == "nodes 60 J, 60.0 %"
    text = " ".join(bars.lines)
    assert "Run made-by-hand, 2026-09-21T14:13:20Z, 10 s, 2 nodes." in text
    assert "rapl, measured (package-0), ±5 %" in text
    assert "~" not in text


def test_gpus_are_a_part_of_the_nodes(run_folders):
    spans = [
        run_folders.span("wf.strip", 0, 1, 20.0, gpu_j=5.0),
        run_folders.span("wf.fast", 1, 2, 40.0, gpu_j=25.0),
    ]
    bars = bars_of(run_folders.run(spans).summary())
    assert [bar.gpu_j for bar in bars.bars] == [25.0, 5.0]
    texts = {part.key: part.text for part in bars.parts}
    assert (texts["nodes"], texts["gpu"]) == (
        "nodes' processors 30 J, 30.0 %",
        "nodes' GPUs 30 J, 30.0 %",
    )
    assert sum(part.share for part in bars.parts) == pytest.approx(1.0)
    assert any(line.startswith("The hatched part of a bar is GPUs'") for line in bars.lines)


def test_the_rest_has_the_gpus_of_all_in_it(run_folders):
    spans = [run_folders.span(f"wf.n{i:02}", i, i + 1, 10.0, gpu_j=1.0) for i in range(N_BARS + 2)]
    host = run_folders.host(nodes_j=10.0 * len(spans))
    bars = bars_of(run_folders.run(spans, [host]).summary("node"))
    assert bars.bars[-1].gpu_j == 3.0


def test_models_are_marked(run_folders):
    span = run_folders.span("wf.strip", method="modelled")
    bars = bars_of(run_folders.run([span], [run_folders.host(sensors=(VIRTUAL,))]).summary())
    assert bars.axis == "Modelled energy (J)"
    assert bars.bars[0].cells[0] == "~10 J"
    assert bars.host.startswith("whole host, modelled: ~100 J")
    assert "Sensor: virtual, modelled (host): x/÷ 2.5." in bars.lines
    assert any(line.startswith("~ marks what no counter measured") for line in bars.lines)


def test_grams_and_what_their_range_leaves_out(run_folders):
    run = run_folders.run([run_folders.span("wf.strip", energy_j=3.6e6)])
    run.chosen_price = Price(Intensity(30.0, 30.0, 30.0, "tables", 2023), 1.5)
    bars = bars_of(run.summary())
    assert bars.headers[-1] == "CO₂e"
    assert bars.bars[0].cells[-1] == "45 g"
    assert (bars.unit, bars.scale_j) == ("kWh", 3.6e6)
    assert any(
        line.startswith("All nodes: 45 g CO₂e at 30 g/kWh, 2023 (tables), PUE 1.5; range: energy")
        for line in bars.lines
    )


def test_small_rows_become_one_and_the_sum_is_kept(run_folders):
    energies = [2.0**-i for i in range(30)]
    summary = many(run_folders, energies).summary("node")
    rows = folded(summary.rows, "node")
    assert len(rows) == N_BARS
    assert rows[-1].name == "19 other nodes"
    assert sum(row.energy_j for row in rows) == pytest.approx(sum(energies))
    small = summary.rows[N_BARS - 1 :]
    assert rows[-1].energy_low_j == pytest.approx(sum(row.energy_low_j for row in small))
    assert rows[-1].energy_high_j >= sum(row.energy_high_j for row in small) * (1 - 1e-12)
    assert folded(summary.rows[:N_BARS], "node") == summary.rows[:N_BARS]


def test_small_rows_without_energy_stay_without(run_folders):
    spans = [run_folders.span(f"wf.n{i:02}", energy_j=1.0 + i) for i in range(N_BARS - 1)]
    spans += [run_folders.cached(f"wf.c{i}") for i in range(4)]
    rows = folded(run_folders.run(spans).summary("node").rows, "node")
    assert (rows[-1].name, rows[-1].energy_j, rows[-1].method) == ("4 other nodes", None, None)


def test_the_axis_shows_the_ranges(run_folders):
    like = many(run_folders, [10.0, 9.0, 8.0]).summary("node").rows
    unlike = many(run_folders, [1000.0, 1.0, 0.5]).summary("node").rows
    assert not needs_log(like)
    assert needs_log(unlike)
    assert not needs_log(many(run_folders, [1000.0, 0.0, 0.0]).summary("node").rows)
    summary = many(run_folders, [10.0, 9.0]).summary("node")
    assert [bars_of(summary, scale).is_log for scale in ("auto", "linear", "log")] == [
        False,
        False,
        True,
    ]


def test_several_hosts_are_one_account(run_folders):
    other = "ba9876543210"
    dark = {"energy_j": 0.0, "uncovered_s": 10.0, "sensors": ()}
    hosts = [
        run_folders.host(),
        run_folders.host(nodes_j=20.0, host=other, sensors=(VIRTUAL,)),
        run_folders.host(nodes_j=0.0, host="c" * 12, **dark),
    ]
    spans = [run_folders.span("wf.strip", 0, 1, 60.0), run_folders.span("wf.fast", host=other)]
    bars = bars_of(run_folders.run(spans, hosts).summary())
    assert bars.host.startswith("2 whole hosts, modelled: ~160 J")
    assert sum(part.share for part in bars.parts) == pytest.approx(1.0)
    assert "Sensor: rapl, measured (package-0), ±5 %; virtual, modelled (host): x/÷ 2.5." in (
        bars.lines
    )


def test_what_the_figures_lack_is_said(run_folders):
    run = run_folders.run(
        [run_folders.span("wf.fast", outcome="killed", cpu_incomplete="no perf")],
        node_files=(run_folders.ended(has_end=False),),
        n_skipped_lines=3,
    )
    lines = [line for line in bars_of(run.summary()).lines if line.startswith("! ")]
    assert lines[0] == "! the run has no end: it is still going on, or it was killed."
    assert lines[-1] == "! 1 more note: see nicarbon summary."


def test_without_energy_there_is_nothing_to_draw(run_folders):
    dark = run_folders.host(nodes_j=0.0, energy_j=0.0, uncovered_s=10.0, sensors=())
    summary = run_folders.run([run_folders.span("wf.strip", 0, 2, None)], [dark]).summary()
    with pytest.raises(NicarbonError, match="no energy reading covers its nodes"):
        bars_of(summary)
    with pytest.raises(NicarbonError, match="no node was recorded"):
        bars_of(run_folders.run([], graphs=()).summary())


def test_names_are_shown_and_never_obeyed(run_folders):
    run = run_folders.run([run_folders.span("a\x1b[31m\u202eb\n")])
    assert bars_of(run.summary("node")).bars[0].label == "a�[31m�b�"
