# SPDX-License-Identifier: Apache-2.0
import gc
import tracemalloc

import msgspec
import pytest

from nicarbon.cohort import Figures, OneRun, one_run, pipelines, published, side
from nicarbon.errors import RunFolderError
from nicarbon.records import Domain, GpuUse, Graph, Node, Sensor
from nicarbon.references import references


def made(run_id="a", energy_j=100.0, **more):
    total = Figures(10.0, 8.0, energy_j, 0.9 * energy_j, 1.2 * energy_j, None)
    given = {
        "path": f"runs/{run_id}",
        "pipeline": "wf",
        "device": "CPU",
        "outcome": "ok",
        "processors": ("EPYC",),
        "price": None,
        "method": "measured",
        "total": total,
        "stages": {"segmentation": total},
    } | more
    return OneRun(run_id=run_id, **given)


@pytest.fixture
def folder(run_folders, tmp_path):
    return str(run_folders.write(tmp_path / "run", run_folders.facts()))


def test_what_is_kept_of_a_run(folder):
    run = one_run(folder)
    assert (run.pipeline, run.device, run.outcome) == ("wf", "CPU", "failed")
    assert run.total.runtime_s == 10
    assert run.total.energy_j == pytest.approx(80)
    assert run.stages["segmentation"].energy_j == pytest.approx(50)
    assert run.stages["segmentation"].runtime_s == pytest.approx(5)
    assert run.n_nodes == 3
    assert run.n_scans == 1


@pytest.mark.parametrize(
    ("uses", "device"),
    [
        ([], "GPU"),  # Nobody looked who uses it.
        ([GpuUse(1, {"other": 3.0}, {"other": 1.0})], "CPU"),
        ([GpuUse(1)], "CPU"),
        ([GpuUse(1, told="unknown")], "GPU"),
        ([GpuUse(1), GpuUse(2, {"a span": 0.5})], "GPU"),
        ([GpuUse(1, {}, {"a span": 0.5})], "GPU"),
    ],
)
def test_a_run_on_a_machine_with_a_gpu_may_have_no_use_for_it(run_folders, tmp_path, uses, device):
    facts = run_folders.facts()
    (file,) = facts.sample_files
    card = Sensor("nvml", "measured", (Domain("gpu-0", "gpu"),))
    host = msgspec.structs.replace(file.host, sensors=(*file.host.sensors, card))
    samples = [
        msgspec.structs.replace(
            sample,
            readings={**sample.readings, "gpu-0": n},
            gpus={"gpu-0": uses[n]} if n < len(uses) else {},
        )
        for n, sample in enumerate(file.samples)
    ]
    file = msgspec.structs.replace(file, host=host, samples=tuple(samples))
    path = tmp_path / "gpu"
    run_folders.write(path, msgspec.structs.replace(facts, sample_files=(file,)))
    assert one_run(str(path)).device == device


def test_scans_are_the_sessions_of_subjects(run_folders, tmp_path):
    names = ["wf.sub_01_ses_a_wf.n", "wf.sub_01_ses_b_wf.n", "wf.sub_02_wf.n", "wf.sub_02_wf.m"]
    facts = run_folders.facts()
    graph = Graph("wf", "Linear", tuple(Node(name) for name in names), ())
    path = run_folders.write(tmp_path / "many", msgspec.structs.replace(facts, graphs=(graph,)))
    assert one_run(str(path)).n_scans == 3


def test_mean_and_sd_of_repetitions():
    found = side("mine", [made("a", 90.0), made("b", 100.0), made("c", 110.0)])
    energy = found.total["energy"]
    assert (energy.mean, energy.sd, energy.n) == (100, 10, 3)
    assert found.energy_range == pytest.approx((90, 120))
    assert found.total["carbon"] is None
    assert found.stages["segmentation"]["energy"] == energy


def test_runs_that_did_not_end_well_are_no_repetitions():
    failed = made("bad", 1.0, outcome="failed")
    found = side("mine", [made("a"), failed])
    assert found.n == 1
    assert found.total["energy"].mean == 100
    assert found.notes == ("left out, as they did not end well: bad",)
    assert side("mine", [failed]).notes == ("none ended well: bad (failed)",)


def test_what_makes_runs_unlike_is_said():
    unlike = [
        made("a", price="30 g/kWh", n_cached=2),
        made("b", processors=("Xeon",)),
        made("c", total=Figures(1.0, 1.0), device="GPU"),
    ]
    said = " | ".join(side("mine", unlike).notes)
    assert "2 nodes of 1 run came from the cache" in said
    assert "several kinds of processor: EPYC (2), Xeon (1)" in said
    assert "2 on CPU and 1 on GPU: give each a NAME= of its own" in said
    assert "priced differently" in said
    assert "no energy is known of c" in said


def test_one_run_that_is_given_twice_is_no_repetition_of_itself():
    (note,) = side("wf", [made("a", path="runs/a"), made("a", path="copy/a"), made("b")]).notes
    assert note.startswith("the same run counts more than once: a (2 times)")
    assert side("wf", [made("a"), made("b")]).notes == ()


def test_pipelines_are_told_apart_by_what_ran_and_on_what():
    runs = [made("a"), made("b", device="GPU"), made("c"), made("d", pipeline="other")]
    groups = pipelines(runs)
    assert {name: [run.run_id for run in of] for name, of in groups.items()} == {
        "wf CPU": ["a", "c"],
        "wf GPU": ["b"],
        "other CPU": ["d"],
    }


def test_published_figures_are_a_side_that_says_so():
    found = published(references()["fastsurfer-gpu"])
    assert found.total["runtime"].mean == pytest.approx(1.6 * 3600)
    assert found.total["energy"].sd == pytest.approx(7.7 * 3600)
    assert found.total["carbon"].mean == 0.8
    assert found.total["cpu"] is None
    assert found.n is None
    assert "published" in found.name
    assert found.notes[0].startswith("published, not measured here: ")


def test_no_run_folder(tmp_path):
    with pytest.raises(RunFolderError):
        one_run(str(tmp_path))


def test_many_runs_take_no_more_memory_than_few(run_folders, tmp_path):
    path = str(run_folders.write(tmp_path / "many", run_folders.many(100)))
    one_run(path)  # what is loaded and cached once

    def peak(n):
        gc.collect()
        tracemalloc.start()
        kept = [one_run(path) for _ in range(n)]
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return held, kept

    few, many = peak(2)[0], peak(8)[0]
    assert (many - few) / 6 < 20_000
