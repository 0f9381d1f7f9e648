# SPDX-License-Identifier: Apache-2.0
import re

import pytest

from nicarbon.records import Domain, Sensor
from nicarbon.reports.terminal import render

VIRTUAL = Sensor("virtual", "modelled", (Domain("host", "host"),))


@pytest.fixture
def summary(run_folders):
    spans = [
        run_folders.span("wf.strip", 0, 2, 20.0, cpu_incomplete="no perf"),
        run_folders.span("wf.fast", 2, 4, 40.0, outcome="killed", shared_j=20.0),
        run_folders.cached("wf.mask"),
    ]
    return run_folders.run(spans).summary()


def line(text, start):
    (found,) = [line for line in text.splitlines() if line.startswith(start)]
    return re.split(r" {2,}", found)


def test_a_row_for_each_stage_and_the_total(summary):
    text = render([summary])
    assert line(text, "stage") == [
        "stage",
        "energy",
        "range",
        "share",
        "CPU time",
        "duration",
        "nodes",
        "method",
    ]
    assert line(text, "segmentation") == [
        "segmentation",
        "40 J",
        "32.7-47.3 J",
        "66.7 %",
        "2 s",
        "2 s",
        "2 (1 cached, 1 failed)",
        "measured",
    ]
    assert line(text, "brain extraction")[4] == "2 s+"  # more than what was counted
    assert line(text, "total")[1:4] == ["60 J", "52.4-67.6 J", "100.0 %"]


def test_the_sum_is_a_line_that_adds_up(summary):
    text = render([summary])
    assert "host scanner: rapl measured (package-0)" in text
    expected = (
        "  nodes 60.0 + engine 5.0 + meter 1.0 + other 30.0 + unattributed 4.0 = counter 100.0 J "
        "(95.0-105.0), 60 % in nodes"
    )
    assert expected in text.splitlines()


def test_what_a_sensor_lacks_is_said(run_folders):
    sensor = Sensor(
        "rapl", "measured", (Domain("package-0", "package"),), 0.05, "no DRAM: too low"
    )
    summary = run_folders.run([], [run_folders.host(sensors=(sensor,))]).summary()
    assert "  rapl: no DRAM: too low" in render([summary]).splitlines()


def test_what_is_missing_is_said(summary):
    text = render([summary])
    assert "! 1 node of the graph has no record: not run, or not metered: wf.smooth" in text
    assert "! 1 node killed, counted until then: wf.fast" in text
    assert "! CPU time may be incomplete for 1 node (no perf): wf.strip" in text


def test_models_are_marked(run_folders):
    span = run_folders.span("wf.strip", method="modelled")
    summary = run_folders.run([span], [run_folders.host(sensors=(VIRTUAL,))]).summary()
    text = render([summary])
    assert line(text, "brain extraction")[1] == "~10 J"
    assert "~ modelled or assumed, not measured" in text
    assert "= model 100.0 J" in text
    assert "~" not in render([run_folders.run([run_folders.span("wf.strip")]).summary()])


def test_the_share_of_unclassified_is_said(run_folders):
    spans = [run_folders.span("wf.frobnicate", 0, 1, 30.0), run_folders.span("wf.strip")]
    run = run_folders.run(spans)
    assert "! 1 node unclassified, 75.0 % of the nodes' energy" in render([run.summary()])
    assert "unclassified" not in render([run.summary("node")])


def test_it_ends_with_the_next_command(summary):
    lines = render([summary], command=" --stages 'my rules.toml'").splitlines()
    assert lines[-1] == (
        "next: nicarbon summary runs/made-by-hand --by node --stages 'my rules.toml'"
    )


def test_no_energy_at_all(run_folders):
    dark = run_folders.host(nodes_j=0.0, energy_j=0.0, uncovered_s=10.0, sensors=())
    summary = run_folders.run([run_folders.span("wf.strip", 0, 2, None)], [dark]).summary()
    text = render([summary])
    assert line(text, "brain extraction")[1:5] == ["n/a", "n/a", "n/a", "2 s"]
    assert "host scanner: no sensor" in text
    assert "! no energy reading covers scanner: CPU time only" in text
    assert "0 J" not in text


def test_an_empty_run(run_folders):
    assert "total" in render([run_folders.run([], hosts=(), graphs=()).summary()])


def test_several_hosts_and_runs_are_added_up(run_folders):
    other = "ba9876543210"
    hosts = [run_folders.host(), run_folders.host(nodes_j=20.0, host=other, hostname="node7")]
    spans = [run_folders.span("wf.strip", 0, 1, 60.0), run_folders.span("wf.fast", host=other)]
    summary = run_folders.run(spans, hosts).summary()
    text = render([summary, summary])
    assert text.count("all 2 hosts: 160 J, 50 % in nodes") == 2
    assert "2 runs: 140 J in 4 nodes, 4 s CPU time" in text


def test_plain_text_is_never_cut_and_has_no_escapes(run_folders):
    name = "wf." + "x" * 600
    text = render([run_folders.run([run_folders.span(name)]).summary("node")])
    assert name in text
    assert "\x1b" not in text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_a_narrow_terminal_keeps_every_figure(run_folders):
    spans = [run_folders.span("wf." + "y" * 90, 0, 1, 12345.6)]
    text = render([run_folders.run(spans).summary("node")], width=80, color=True)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    table = plain.split("host scanner")[0]
    assert max(len(line) for line in table.splitlines()) <= 80
    assert plain.count("y") >= 90
    assert "3.43 Wh" in table
    assert "…" not in plain
    assert "\x1b[" in text


@pytest.mark.parametrize(
    "hostile", ["[bold]x[/]", "[/]", ":smile:", "</script>", "a\x1b[31mb\r\x07"]
)
def test_names_are_shown_and_never_obeyed(run_folders, hostile):
    text = render([run_folders.run([run_folders.span(hostile)]).summary("node")], width=200)
    shown = "".join(c if c.isprintable() else "\ufffd" for c in hostile)
    assert shown in text
    assert "\x1b" not in text
    assert "\x07" not in text


def many_hosts(run_folders, n):
    hosts = [
        run_folders.host(
            host=f"{i:012}",
            hostname=f"n{i}",
            energy_j=100.0 + i,
            sensors=(VIRTUAL,) if i % 2 else (run_folders.RAPL,),
        )
        for i in range(n)
    ]
    return run_folders.run([run_folders.span("wf.strip", host="0" * 12)], hosts).summary()


def test_more_than_a_few_hosts_are_a_table(run_folders):
    few = render([many_hosts(run_folders, 4)])
    assert few.count("= counter") + few.count("= model") == 4
    text = render([many_hosts(run_folders, 5)])
    assert "= counter" not in text
    assert line(text, "host")[:5] == ["host", "energy", "range", "in nodes", "time"]
    assert line(text, "n4") == [
        "n4", "104 J", "95-105 J", "58 %", "10 s", "rapl measured (package-0)"
    ]  # fmt: skip
    assert line(text, "n1")[1] == "~101 J"
    assert "all 5 hosts: 510 J" in text


def test_very_many_hosts_fold_and_their_sum_is_kept(run_folders):
    text = render([many_hosts(run_folders, 50)], width=120)
    assert n_shown(text) == 12
    assert line(text, "38 more hosts")[:5] == [
        "38 more hosts", "~1.25 Wh", "1-1.11 Wh", "51 %", "6 min 20 s"
    ]  # fmt: skip
    assert all(len(line) <= 120 for line in text.splitlines())
    assert n_shown(render([many_hosts(run_folders, 13)])) == 13, "one alone is not folded"


def n_shown(text):
    return sum(re.match(r"n\d", line) is not None for line in text.splitlines())


def test_how_long_jobs_waited_is_a_line_of_its_own(run_folders, summary):
    assert "queue" not in render([summary])
    spans = [
        run_folders.span("wf.strip", 0, 2, job="slurm 1", queue_wait_s=60.0),
        run_folders.span("wf.mask\x1b[31m", 2, 4, job="slurm 2", queue_wait_s=90.0),
    ]
    text = render([run_folders.run(spans).summary()])
    expected = (
        "queue: 2 jobs waited 2 min 30 s in all before they ran, at most 1 min 30 s (wf.mask"
    )
    assert expected in text
    assert "\x1b" not in text
    text = render([run_folders.run(spans[:1]).summary()])
    assert "queue: 1 job waited 1 min 0 s before it ran (wf.strip)\n" in text
    spans = [run_folders.span("wf.strip", 0, 2, job="slurm 1")]
    text = render([run_folders.run(spans).summary()])
    assert "queue: the wait of 1 job is not known\n" in text


def test_gpus_are_a_column_and_each_has_its_sum(run_folders):
    host = run_folders.host(devices=(run_folders.device(),))
    spans = [run_folders.span("wf.strip", 0, 2, 20.0, gpu_j=15.0)]
    text = render([run_folders.run(spans, [host]).summary()])
    assert line(text, "stage")[4] == "of GPUs"
    assert line(text, "brain extraction")[4] == "15 J"
    assert "\n  of it gpu-0 (NVIDIA H100): nodes 50.00 + " in text


def test_a_gpu_that_cannot_be_read_is_said_once(run_folders):
    unread = Sensor("nvml", "measured", (), note="GPU energy is missing: no nvidia-ml-py")
    host = run_folders.host(sensors=(run_folders.RAPL, unread))
    text = render([run_folders.run([run_folders.span("wf.strip")], [host]).summary()])
    assert text.count("GPU energy is missing") == 1
    assert "of GPUs" not in text


def test_by_step_it_is_said_how_surely_they_are_told_apart(run_folders):
    steps = run_folders.steps(CA_Reg=(0.75, {}), Fill=(0.25, {}))
    run = run_folders.run([run_folders.span("wf.recon", 0, 9, 100.0, steps=steps)])
    text = render([run.summary("step")])
    assert "Steps are told apart by the markers" in text
    assert "recon-all.CA_Reg" in text
    assert "markers" not in render([run.summary("stage")])
    assert "--by step" in render([run.summary("node")])


def by_node(run_folders, n):
    spans = [run_folders.span(f"wf.n{i:03}", i, i + 1, float(i)) for i in range(n)]
    return run_folders.run(spans, [run_folders.host(nodes_j=float(sum(range(n))))]).summary("node")


def test_the_least_of_very_many_rows_are_one_and_the_energy_still_adds_up(run_folders):
    lines = render([by_node(run_folders, 300)]).splitlines()
    shown = [line for line in lines if line.startswith("wf.n")]
    assert (len(shown), shown[0].split()[0], shown[-1].split()[0]) == (100, "wf.n299", "wf.n200")
    (rest,) = [line for line in lines if line.startswith("(200 more)")]
    # 0 + ... + 199 of 0 + ... + 299 J; their range and the union of their times are not known.
    assert " ".join(rest.split()) == "(200 more) 5.53 Wh 44.4 % 3 min 20 s 200 measured"
    assert "shown are the 100 of 300 rows with the most energy; " in "\n".join(lines)


def test_as_many_rows_as_fit_are_all_shown(run_folders):
    for n in (100, 101):
        lines = render([by_node(run_folders, n)]).splitlines()
        assert sum(line.startswith("wf.n") for line in lines) == n
        assert not any("more)" in line or "shown are" in line for line in lines)
