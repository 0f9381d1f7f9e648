# SPDX-License-Identifier: Apache-2.0
"""The four commands of the page on FreeSurfer and FastSurfer make its table, with stand-ins."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from surfer_stand_in import install, install_fastsurfer

pytest.importorskip("nipype")


@pytest.fixture
def type_in(tmp_path, environment):
    """Type a command where FreeSurfer, FastSurfer, a GPU and a head seem to be."""
    freesurfer = install(tmp_path / "freesurfer")
    fastsurfer = install_fastsurfer(tmp_path / "fastsurfer")
    (tmp_path / "T1w.nii.gz").write_bytes(b"no image")
    (tmp_path / "workflows").symlink_to(Path(__file__).parents[2] / "workflows")
    folders = [Path(sys.executable).parent, fastsurfer / "bin", freesurfer.home / "bin"]
    more = {"FASTSURFER_HOME": str(fastsurfer), "STAND_IN_GPU": "1", "STAND_IN_INSTANT": "1"}
    path = os.pathsep.join([*map(str, folders), os.environ["PATH"]])
    env = environment(**{**freesurfer.env, **more, "PATH": path})

    def type_in(line):
        done = subprocess.run(
            line, shell=True, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=200
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout

    return type_in


def test_the_four_commands_make_the_table(docs, type_in):
    text = (docs / "freesurfer.rst").read_text(encoding="utf-8")
    table = text.partition("in four commands")[2].partition("Before comparing")[0]
    commands = re.findall(r"^   \$ (.+)$", table, flags=re.MULTILINE)
    assert len(commands) == 4
    for command in commands[:3]:
        type_in(command)
    type_in("nicarbon price 'runs/*' --intensity 30")
    rows = {row["pipeline"]: row for row in json.loads(type_in(f"{commands[3]} --format json"))}
    assert {"FreeSurfer (published)", "FastSurfer (published)"} < set(rows)
    for pipeline, n in (("freesurfer_wf", 1), ("fastsurfer_wf", 2)):
        row = rows[pipeline]
        # No GPU was there but a stand-in's, which used nothing.
        assert (row["n"], row["device"], row["published"]) == (n, "CPU", False)
        assert row["runtime_h"] > 0
        assert row["carbon_g"] == pytest.approx(row["energy_wh"] * 30 / 1000)
