# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from nicarbon.cli import main


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def install(name):
    path = Path("bin", name)
    path.write_text("#!/bin/sh\nexit 9\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    "given",
    [
        ["--engine", "docker", "--bind", "/d:/d", "-o", "run", "img", "--", "fmriprep", "--run"],
        ["img", "--engine", "docker", "--bind", "/d:/d", "-o", "run", "--", "fmriprep", "--run"],
        ["-o", "run", "img", "--engine=docker", "--bind", "/d:/d", "--", "fmriprep", "--run"],
    ],
)
def test_options_stand_before_the_image_or_behind_it(given, capsys):
    assert main(["container", *given]) == 0
    out, err = capsys.readouterr()
    attending, line = out.splitlines()
    run_dir = os.path.abspath("run")
    assert attending == f"nicarbon container --attend {run_dir} &"
    words = shlex.split(line)
    assert words[:2] == ["docker", "run"]
    assert words[-3:] == ["--", "fmriprep", "--run"]
    assert f"{run_dir}:/nicarbon-run" in words
    assert "/d:/d" in words
    (bundle,) = Path("cache", "nicarbon").iterdir()
    assert f"{bundle.absolute()}:/nicarbon.pyz:ro" in words
    assert err == f"next: nicarbon summary {run_dir}\n"


def test_the_line_that_attends_has_the_samplers_options(capsys):
    Path("my host").mkdir()
    Path("mine.toml").write_text('name = "mine"\ndetect = "mine"\nstep = "Starting (?P<title>.+)"')
    given = ["--interval", "0.5", "--host-root", "my host", "--rule", "mine.toml"]
    given += ["--keep-arguments", "-o", "run"]
    assert main(["container", *given, "img", "--", "tool"]) == 0
    words = shlex.split(capsys.readouterr().out.splitlines()[0])
    assert words[:4] == ["nicarbon", "container", "--attend", os.path.abspath("run")]
    host = os.path.abspath("my host")
    rule = os.path.abspath("mine.toml")
    options = ["--interval", "0.5", "--host-root", host, "--rule", rule]
    assert words[4:] == [*options, "--keep-arguments", "&"]


@pytest.mark.parametrize(
    ("there", "image", "first"),
    [
        (["podman", "apptainer"], "img", "podman"),
        (["apptainer"], "img", "apptainer"),
        (["docker", "singularity"], "a.sif", "singularity"),
        ([], "img", "docker"),
    ],
)
def test_the_engine_that_is_there_is_taken(there, image, first, capsys):
    for name in there:
        install(name)
    assert main(["container", image, "--", "x"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[0] == first


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "no image: nicarbon container IMAGE -- COMMAND"),
        (["img"], "nothing to run in img: name the command after --"),
        (["img", "--"], "nothing to run in img: name the command after --"),
        (["--engine", "dokcer", "img", "--", "x"], "no such engine; did you mean 'docker'"),
        (["--engine", "docker", "a.sif", "--", "x"], "docker cannot run a.sif: that is for appt"),
        (["--run", "img", "--", "x"], "there is no docker or podman or apptainer or singularity"),
        (["-o", "full", "img", "--", "x"], "is not empty: choose another one"),
        (["-o", "file", "img", "--", "x"], "cannot be used"),
        (["--attend", "full"], "is not empty: choose another one"),
    ],
)
def test_mistakes_are_one_line(given, said, capsys):
    Path("full").mkdir()
    Path("full/mine").touch()
    Path("file").touch()
    assert main(["container", *given]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_a_container_that_fails_has_its_own_exit_code(capfd):
    install("docker")
    assert main(["container", "--run", "-o", "run", "--progress", "none", "img", "--", "x"]) == 9
    assert "nicarbon: no energy: nothing began a run in the container" in capfd.readouterr().err


def test_a_container_may_begin_before_its_sampler_looks(capsys):
    """The shell starts both at once; on a busy machine the sampler is the later one."""
    Path("run").mkdir()
    Path("run/run.json").touch()
    Path("run/nodes-000000000000-1-1.jsonl").touch()
    assert main(["container", "--attend", "run"]) == 1
    assert "the container runs on another host" in capsys.readouterr().err
    Path("run/samples-000000000000-2-2.jsonl").touch()
    assert main(["container", "--attend", "run"]) == 2
    assert "is not empty: choose another one" in capsys.readouterr().err
