# SPDX-License-Identifier: Apache-2.0
import msgspec
import pytest

from nicarbon.reports.page_facts import gather
from nicarbon.sightings import Program, Split


def test_strips_are_the_stages_energy_and_the_path_in_time(run_folders):
    span = run_folders.span
    page = gather(run_folders.run([span("wf.strip", 0, 4, 30.0), span("wf.mask", 5, 9, 10.0)]))
    assert sum(segment.width for segment in page.by_energy) == pytest.approx(100)
    assert [(s.left, s.width, s.label) for s in page.by_time] == [
        (0.0, 40.0, "strip"),
        (50.0, 40.0, "mask"),
    ]


@pytest.fixture
def divided(run_folders):
    """A monolith of two stages, one after the other."""

    def cut(name, share, pieces):
        return Program(name, share, share, 100, pieces)

    split = Split(
        (
            cut("mri_ca_register", 0.75, ((0.0, 6.0),)),
            cut("mris_fix_topology", 0.25, ((6.0, 8.0),)),
        ),
        200,
        0.0,
    )
    span = run_folders.span("wf.recon", 0, 8, 40.0, cpu_s=8.0)
    return run_folders.run([msgspec.structs.replace(span, split=split)], graph=run_folders.RECON)


def test_a_monolith_is_coloured_by_its_stages(divided):
    page = gather(divided)
    assert [(s.name, s.left, s.width) for s in page.by_time] == [
        ("registration", 0.0, 60.0),
        ("surface reconstruction", 60.0, 20.0),
    ]
    colours = {segment.name: segment.colour for segment in page.by_energy}
    assert [s.colour for s in page.by_time] == [colours[s.name] for s in page.by_time]
    assert page.by_time[0].title == "registration in wf.recon: 6 s"
    names = [stage["name"] for stage in page.chart_data["stages"]]
    turns = page.chart_data["timeline"]["bars"]["turns"]
    assert [[names[stage], until] for stage, until in turns[0]] == [
        ["registration", 6000],
        ["surface reconstruction", 8000],
    ]
