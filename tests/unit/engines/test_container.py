# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os

import pytest

from nicarbon.engines import container

WHERE = {"bundle": "/cache/n.pyz", "run_dir": "/runs/1"}
INSIDE = ["/nicarbon.pyz", "--run-dir", "/nicarbon-run", "--outside", "yes", "--", "fmriprep", "x"]


def line(engine, image, **more):
    return container.line(engine, image, ["fmriprep", "x"], **WHERE, **more)


@pytest.mark.parametrize(
    ("image", "engines"),
    [
        ("a.sif", container.APPTAINER),
        ("docker://nipreps/fmriprep", container.APPTAINER),
        ("/", container.APPTAINER),
        ("nipreps/fmriprep:25", (*container.DOCKER, *container.APPTAINER)),
    ],
)
def test_what_can_run_an_image(image, engines):
    assert container.engines_for(image) == engines


def test_apptainer():
    assert line("apptainer", "a.sif", binds=["/d:/data:ro"], options=["--cleanenv"]) == [
        *("apptainer", "exec", "--bind", "/cache/n.pyz:/nicarbon.pyz:ro"),
        *("--bind", "/runs/1:/nicarbon-run", "--bind", "/d:/data:ro", "--cleanenv"),
        *("a.sif", "python3", *INSIDE),
    ]
    assert "docker://nipreps/fmriprep" in line("singularity", "nipreps/fmriprep")


def test_docker():
    assert line("docker", "docker://nipreps/fmriprep", python="/opt/python") == [
        *("docker", "run", "--rm", "--init", "--user", f"{os.getuid()}:{os.getgid()}"),
        *("-v", "/cache/n.pyz:/nicarbon.pyz:ro", "-v", "/runs/1:/nicarbon-run"),
        *("--entrypoint", "/opt/python", "nipreps/fmriprep", *INSIDE),
    ]


def test_a_users_files_stay_theirs_under_podman_without_root(monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 1001)
    words = line("podman", "nipreps/fmriprep")
    assert words[words.index("--userns") + 1] == "keep-id"
    assert "--userns" not in line("docker", "nipreps/fmriprep")
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert "--userns" not in line("podman", "nipreps/fmriprep")
