# SPDX-License-Identifier: Apache-2.0
import pytest

from nicarbon.reports.page_answers import Share
from nicarbon.reports.page_facts import gather
from nicarbon.reports.page_tables import N_NODES, stage_table
from nicarbon.reports.terminal import render


def texts(table):
    return [[cell.text for cell in row] for row in table.rows]


def test_the_stage_table_says_what_the_terminal_says(run_folders):
    spans = [run_folders.span("wf.strip", 0, 2, 20.0), run_folders.span("wf.fast", 2, 4, 40.0)]
    run = run_folders.run([*spans, run_folders.cached("wf.mask")])
    table = gather(run).stages
    told = render([run.summary()])
    for row in [*texts(table), [cell.text for cell in table.total]]:
        for text in [*row[:3], row[3].partition(" (")[0], *row[4:]]:
            assert text in told
    assert table.rows[0][3].text == "66.7 % (66.7-66.7 %)"
    assert table.rows[0][3].bar.width == pytest.approx(100.0)
    assert len(set(table.ids)) == len(table.rows)


def test_a_column_of_numbers_is_sorted_by_numbers_and_none_has_no_key(run_folders):
    spans = [run_folders.span("wf.strip", 0, 2, None), run_folders.span("wf.fast", 2, 4, 40.0)]
    summary = run_folders.run(spans).summary()
    table = stage_table(
        summary,
        {},
        dict.fromkeys(("segmentation", "brain extraction"), "#fff"),
        {"segmentation": "a", "brain extraction": "b"},
    )
    assert [row[1].key for row in table.rows] == [40.0, None]
    assert [row[1].text for row in table.rows] == ["40 J", "n/a"]


def test_grams_have_a_column_where_the_run_is_priced(run_folders, tmp_path):
    run = run_folders.run([run_folders.span("wf.strip", 0, 2, 3.6e6)])
    run.path = tmp_path
    run.price(intensity=100.0)
    page = gather(run)
    assert [column.title for column in page.stages.columns][3] == "CO2e"
    assert page.stages.rows[0][3].text == "100 g"
    assert page.carbon == "100 g CO2e"
    assert page.carbon_range == "95-105 g"


def test_nodes_that_used_most_and_how_many_there_are(run_folders):
    spans = [run_folders.span(f"wf.n{i:03}", i, i + 1, float(i)) for i in range(N_NODES + 5)]
    page = gather(run_folders.run(spans, graphs=()))
    assert page.n_nodes == N_NODES + 5
    assert [row[0].text for row in page.nodes.rows][:2] == ["wf.n034", "wf.n033"]
    assert len(page.nodes.rows) == N_NODES


def test_without_energy_nodes_come_by_cpu_time(run_folders):
    spans = [run_folders.span("wf.a", 0, 1, None), run_folders.span("wf.b", 1, 9, None)]
    nodes = gather(run_folders.run(spans, graphs=())).nodes
    assert [row[0].text for row in nodes.rows] == ["wf.b", "wf.a"]


def test_errors_stand_beside_failed_nodes(run_folders):
    failed = run_folders.span("wf.fast", 0, 1, outcome="failed", error="ValueError")
    page = gather(run_folders.run([failed]))
    assert "failed: ValueError" in texts(page.nodes)[0]
    assert page.notices[0] == "1 node failed: wf.fast (ValueError)"


def test_a_share_writes_its_range():
    assert str(Share(0.3, 0.1234, 0.5)) == "12.3-50 %"


def test_memory_has_a_column_where_any_is_known(run_folders):
    spans = [run_folders.span("wf.a", 0, 1, peak_memory_bytes=3 * 2**29), run_folders.span("wf.b")]
    nodes = gather(run_folders.run(spans, graphs=())).nodes
    at = [column.title for column in nodes.columns].index("peak memory")
    assert {row[0].text: row[at].text for row in nodes.rows} == {"wf.a": "1.5 GiB", "wf.b": "n/a"}
    nodes = gather(run_folders.run([run_folders.span("wf.b")], graphs=())).nodes
    assert "peak memory" not in [column.title for column in nodes.columns]


def test_gpus_have_a_column(run_folders):
    page = gather(run_folders.run([run_folders.span("wf.strip", 0, 2, 20.0, gpu_j=15.0)]))
    for table in (page.stages, page.nodes):
        (at,) = [i for i, column in enumerate(table.columns) if column.title == "of GPUs"]
        assert (table.rows[0][at].text, table.rows[0][at].key) == ("15 J", 15.0)
