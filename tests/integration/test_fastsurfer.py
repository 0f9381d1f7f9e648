# SPDX-License-Identifier: Apache-2.0
"""The FastSurfer workflow and its interface with stand-ins: installed, in an image, on a GPU."""

from __future__ import annotations

import pickle
import sys
from math import fsum

import pytest
from surfer_site import WORKFLOWS, SurferSite
from surfer_stand_in import install_fastsurfer, programs

from nicarbon.logs.formats import read_log
from nicarbon.meter.naming import name_of
from nicarbon.run import Run
from nicarbon.stages import StageRules

pytest.importorskip("nipype")


class Site(SurferSite):
    """FastSurfer beside FreeSurfer, installed and in an image."""

    def __init__(self, folder, environment):
        self.fastsurfer = install_fastsurfer(folder / "fastsurfer")
        super().__init__(
            folder, "fastsurfer.py", environment, FASTSURFER_HOME=str(self.fastsurfer)
        )
        self.image = folder / "fastsurfer.sif"
        self.image.write_bytes(b"no image")
        self.with_apptainer = f"{self.fastsurfer}/bin:{self.base['PATH']}"


@pytest.fixture(scope="module")
def site(tmp_path_factory, environment):
    return Site(tmp_path_factory.mktemp("fastsurfer"), environment)


@pytest.fixture(scope="module")
def run(site):
    site("--threads", "2", "--parallel", run_dir="run", STAND_IN_CLOCK="stretched")
    return Run.open(site.folder / "run")


def test_segmentation_and_surfaces_are_nodes_with_their_stages(run):
    stages = run.stage_of(run.rules())
    name = "fastsurfer_wf.sub_01_wf."
    assert stages == {
        f"{name}segmentation": "segmentation",
        f"{name}surfaces": "surface reconstruction",
    }
    assert {span.outcome for span in run.attribution.spans} == {"ran"}
    assert [row.name for row in run.summary("subject").rows] == ["sub-01"]
    # Divided among the stages of the programs that were seen, whichever these are.
    energy_j = fsum(row.energy_j for row in run.summary("stage").rows)
    assert energy_j == pytest.approx(run.summary("node").total.energy_j, rel=1e-9)


def test_networks_are_told_apart_by_their_folders_and_every_program_has_a_stage(run, site):
    # None is surely seen in so short a run, but if it is, then so.
    assert "run_prediction.py" not in {row.name for row in run.summary("program").rows}
    names = set(programs("fastsurfer_steps.tsv")) - {"recon-all"}
    lines = {name: [sys.executable, "-IS", f"{site.fastsurfer}/{name}"] for name in names}
    seen = {name: name_of(lines[name]) for name in names}
    assert seen["CerebNet/run_prediction.py"] == "CerebNet/run_prediction.py"
    assert seen["recon_surf/sample_parc.py"] == "sample_parc.py"
    rules = StageRules.load()
    assert {name for name in seen.values() if rules.of_program(name) is None} == set()


def test_its_logs_are_read_as_those_of_fastsurfer(run, site):
    scripts = site.subjects / "sub-01" / "scripts"
    (surfaces,) = read_log(scripts / "recon-surf.log").invocations
    assert surfaces.outcome == "ran"
    assert surfaces.covered_s == pytest.approx(surfaces.stated_s, rel=0.01)
    assert {"Sphere", "Fix Topology", "Cortical ribbon mask"} < {s.title for s in surfaces.steps}
    (networks,) = read_log(scripts / "deep-seg.log").invocations
    times = {step.title: step.elapsed_s for step in networks.steps}
    assert {"coronal inference", "axial inference", "CerebNet", "segstats.py"} == set(times) - {
        "sagittal inference"
    }
    assert min(times.values()) > 0


def test_a_network_that_fails_says_so_and_no_surface_is_made(site):
    options = ("--subjects", "fails", "-w", "fails", "--py", sys.executable)
    said = site(*options, code=1, STAND_IN_FAIL="CerebNet/run_prediction.py")
    scripts = site.subjects / "fails" / "scripts"
    assert f"run_fastsurfer.sh ended with exit code 1: see its logs in {scripts}" in said
    assert not (scripts / "recon-surf.log").exists()


def test_an_image_is_run_on_a_gpu_with_all_it_needs_bound(site):
    options = ("--subjects", "image", "-w", "image", "--image", "fastsurfer.sif", "--seg-only")
    gpu = {"PATH": site.with_apptainer, "STAND_IN_GPU": "1", "FASTSURFER_HOME": None}
    site(*options, "--device", "cuda", **gpu)
    log = read_log(site.subjects / "image" / "scripts" / "deep-seg.log")
    assert "it ran on a GPU, whose energy no log has" in log.problems


@pytest.fixture
def interface(monkeypatch, site):
    monkeypatch.syspath_prepend(str(WORKFLOWS))
    monkeypatch.setenv("PATH", site.with_apptainer)
    from surfer_parts.fastsurfer import FastSurfer

    def make(**inputs):
        given = {
            "t1_file": str(site.folder / "sub-01_T1w.nii.gz"),
            "subject_id": "sub-01",
            "subjects_dir": str(site.subjects),
        }
        return FastSurfer(**given, **inputs)

    return make


def test_the_interface_is_one_of_nipype_s(interface, site):
    fastsurfer = interface(part="seg_only", script=f"{site.fastsurfer}/run_fastsurfer.sh")
    assert fastsurfer.version == "2.4.2+stand-in"
    assert fastsurfer.cmdline == (
        f"{site.fastsurfer}/run_fastsurfer.sh --device cpu --seg_only --sid sub-01 "
        f"--sd {site.subjects} --t1 {site.folder}/sub-01_T1w.nii.gz --threads 1"
    )
    assert interface(script="/nowhere/run_fastsurfer.sh").version is None
    again = pickle.loads(pickle.dumps(fastsurfer))
    assert again.cmdline == fastsurfer.cmdline
    with pytest.raises(ValueError, match="requires a value for input"):
        _ = type(fastsurfer)().cmdline


def test_an_image_sees_the_folders_of_its_files(interface, site):
    licence = site.freesurfer.home / "license.txt"
    fastsurfer = interface(image=str(site.image), device="cuda", fs_license=str(licence))
    assert fastsurfer.version == "2.4.2+stand-in"
    assert fastsurfer.cmdline.startswith(
        f"apptainer exec --nv --no-home -B {site.subjects} -B {site.folder} "
        f"-B {site.freesurfer.home} {site.image} /fastsurfer/run_fastsurfer.sh --device cuda"
    )


@pytest.mark.parametrize(
    ("words", "env", "message"),
    [
        ([], {"FASTSURFER_HOME": None}, "run_fastsurfer.sh is not on the PATH nor in"),
        ([], {"FREESURFER_HOME": None}, "FREESURFER_HOME is not set"),
        ([], {"FS_LICENSE": "/nowhere/key"}, "no licence of FreeSurfer at /nowhere/key"),
        (["--image", "none.sif"], {}, "none.sif: there is no such image; apptainer build"),
        (["--image", "fastsurfer.sif"], {"PATH": "/nowhere"}, "needs apptainer or singularity"),
        (["--py", "none"], {}, "none: there is no such Python"),
        (["--py", "x", "--image", "fastsurfer.sif"], {}, "an image has a Python of its own"),
        (["--device", "cuda"], {"PATH": "/nowhere"}, "nvidia-smi finds no GPU"),
        (["--subjects-dir", "/nowhere"], {}, "/nowhere: SUBJECTS_DIR has to be a folder"),
        (["--subjects", "done"], {}, "subject done exists in"),
        (["--subjects", "new", "--parallel", "--n-procs", "1"], {}, "less than the 2 threads"),
    ],
)
def test_what_cannot_run_is_refused_in_one_line(site, words, env, message):
    (site.subjects / "done").mkdir(exist_ok=True)
    seg_only = ["--seg-only"] if "cuda" in words else []
    (line,) = site(*words, *seg_only, code=2, **env).splitlines()
    assert line.startswith("fastsurfer.py: ")
    assert message in line


def test_a_path_that_a_shell_would_cut_is_refused(site):
    (site.folder / "sub-02 T1w; ls.nii.gz").write_bytes(b"")
    said = site("--subjects", "x", code=2, head="sub-02 T1w; ls.nii.gz")
    assert "FreeSurfer takes no blank, quote or '&' in a path" in said
