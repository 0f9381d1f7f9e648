# SPDX-License-Identifier: Apache-2.0
"""The failed `fast` of run_folders: 4 CPU seconds from second 5 to 9, and what was seen in it."""

from __future__ import annotations

import msgspec
import pytest

from nicarbon import curves, timeline
from nicarbon.records import Marker, Sightings
from nicarbon.shares import Share
from nicarbon.splitting import divide, insides

FIRST = {"a": (10, 1.0, 0.0)}
LATER = {"b": (10, 1.0, 0.0)}


@pytest.fixture
def fast(run_folders):
    return f"{run_folders.KEY}-2"


@pytest.fixture
def look(run_folders, fast):
    """Return executions, and what is inside them; program a at seconds 6, 7, and b at 8, 9."""

    def look(markers=(), *, programs=True):
        facts = run_folders.facts()
        (file,) = facts.sample_files
        seen = {6: FIRST, 7: FIRST, 8: LATER, 9: LATER} if programs else {}
        samples = []
        for t, sample in enumerate(file.samples):
            sightings = {fast: Sightings(10, seen[t])} if t in seen else {}
            found = {fast: tuple(m for m in markers if m.t_monotonic_ns == t * run_folders.S)}
            samples.append(msgspec.structs.replace(sample, sightings=sightings, markers=found))
        files = [msgspec.structs.replace(file, samples=tuple(samples))]
        readings = timeline.merge(files)
        ran = curves.executions(list(facts.node_files), files, readings, ())
        return ran, insides(ran, files)

    return look


def share(*stretches_j):
    total = sum(stretches_j)
    return Share(total, total, total, 0.0, 0.0, stretches_j)


def ramp(inside, at_start, at_end):
    """Joules of each stretch, where the first half of the time has other power than the rest."""
    middle = (inside.edges[0] + inside.edges[-1]) / 2
    return [
        (last - first) / 1e9 * (at_start if (first + last) / 2 < middle else at_end)
        for first, last in zip(inside.edges, inside.edges[1:], strict=False)
    ]


def test_an_execution_in_which_nothing_was_seen_is_not_divided(look, fast, run_folders):
    ran, found = look()
    other = f"{run_folders.KEY}-0"
    assert set(found) == {fast}
    assert divide(ran[other], ran, [share(1.0)], [], found.get(other)) == (None, None)


def test_programs_are_divided_by_what_was_used_while_they_ran(look, fast):
    ran, found = look()
    joules = ramp(found[fast], 10.0, 30.0)
    split, steps = divide(ran[fast], ran, [share(*joules)], [], found[fast])
    assert steps is None
    of = {program.name: program for program in split.programs}
    assert of["a"].energy_share == pytest.approx(0.25, abs=0.01)
    assert of["a"].cpu_share == pytest.approx(0.5, abs=0.01)
    assert sum(program.energy_share for program in split.programs) == pytest.approx(1.0)
    assert {program.gpu_share for program in split.programs} == {None}


def test_of_gpus_programs_have_what_gpus_used_meanwhile(look, fast):
    ran, found = look()
    on_host, on_gpu = (share(*ramp(found[fast], *watts)) for watts in ((10, 10), (0, 40)))
    split, _ = divide(ran[fast], ran, [on_host, on_gpu], [on_gpu], found[fast])
    of = {program.name: program.gpu_share for program in split.programs}
    assert of["a"] == pytest.approx(0.0, abs=0.01)
    assert sum(of.values()) == pytest.approx(1.0)


def test_steps_are_divided_where_a_tool_marked_them(look, fast, run_folders):
    s = run_folders.S
    seen = Marker("recon-all 7", "seen", "recon-all", 5 * s, 5 * s + 1)
    texts = (
        "#@# MotionCor Mon Sep 21 14:13:25 UTC 2026",
        "#@# Talairach Mon Sep 21 14:13:27 2026",
    )
    marks = [
        Marker("recon-all 7", "recon-all", text, t * s - 1, t * s)
        for t, text in zip((6, 7), texts, strict=True)
    ]
    ran, found = look([seen, *marks], programs=False)
    joules = ramp(found[fast], 10.0, 10.0)
    split, steps = divide(ran[fast], ran, [share(*joules)], [], found[fast])
    assert split is None
    assert [part.name for part in steps.parts][-2:] == [
        "recon-all.MotionCor",
        "recon-all.Talairach",
    ]
    assert sum(part.energy_share for part in steps.parts) == pytest.approx(1.0)
