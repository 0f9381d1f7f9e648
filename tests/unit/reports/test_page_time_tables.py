# SPDX-License-Identifier: Apache-2.0
import pytest

from nicarbon.reports.page_time_tables import group_table, path_table, phase_table, time_table


@pytest.fixture
def found(run_folders):
    """A chain of 5 s of 10 s: 2 s of strip, a second of nothing, 2 s of fast."""
    spans = [run_folders.span("wf.strip", 1, 3, 20.0), run_folders.span("wf.fast", 4, 6, 30.0)]
    return run_folders.run(spans).bottlenecks()


class Colours(dict):
    def __missing__(self, stage):
        return f"#{stage}"


def texts(table):
    return [[cell.text for cell in row] for row in table.rows]


def test_the_path_has_its_nodes_in_order_each_in_the_colour_of_its_stage(found):
    table = path_table(found.critical_path, Colours())
    assert [(row[0].text, row[1].text) for row in table.rows] == [
        ("wf.strip", "brain extraction"),
        ("wf.fast", "segmentation"),
    ]
    assert table.rows[0][1].colour == "#brain extraction"
    assert len(table.columns) == len(table.rows[0])


def test_the_parts_of_the_time_add_up(found):
    table = time_table(found.critical_path)
    shares = [float(row[2].text.removesuffix(" %")) for row in table.rows]
    assert sum(shares) == pytest.approx(100.0, abs=0.2)
    assert table.total[2].text == "100.0 %"


def test_each_stage_has_a_row_and_each_phase(found):
    groups, phases = group_table(found, Colours()), phase_table(found)
    assert {row[0] for row in texts(groups)} >= {"brain extraction", "segmentation"}
    assert len(groups.rows) == len(found.stages)
    assert len(phases.rows) == len(found.phases)
    assert all(len(row) == len(phases.columns) for row in phases.rows)
