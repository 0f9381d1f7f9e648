# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from nicarbon.meter.scheduler import Place, places


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        ({"SLURM_JOB_ID": "12"}, Place("slurm", "12")),
        ({"SLURM_JOB_ID": "12", "SLURM_RESTART_COUNT": "2"}, Place("slurm", "12", 2)),
        ({"SLURM_JOB_ID": "12", "SLURM_RESTART_COUNT": "x"}, Place("slurm", "12")),
        ({"JOB_ID": "7", "SGE_TASK_ID": "undefined", "RESTARTED": "1"}, Place("sge", "7", 1)),
        ({"PBS_JOBID": "9.server"}, Place("pbs", "9.server")),
        ({"LSB_JOBID": "3"}, Place("lsf", "3")),
        ({"OAR_JOB_ID": "4"}, Place("oar", "4")),
    ],
)
def test_each_system_makes_itself_known(environ, place):
    assert places(environ) == [place]


@pytest.mark.parametrize("environ", [{}, {"JOB_ID": "7"}, {"SLURM_JOB_ID": ""}])
def test_nothing_is_guessed(environ):
    assert places(environ) == []


def test_condor_tells_in_a_file(tmp_path):
    path = tmp_path / "job.ad"
    environ = {"_CONDOR_JOB_AD": str(path)}
    assert places(environ) == []
    path.write_text('Cmd = "ClusterId = 5"\nClusterId = 41\nProcId = 2\n')
    assert places(environ) == [Place("condor", "41.2")]
    path.write_text("Cmd = 1\n")
    assert places(environ) == []


def test_one_system_inside_another():
    environ = {"SLURM_JOB_ID": "1", "LSB_JOBID": "2"}
    assert places(environ) == [Place("slurm", "1"), Place("lsf", "2")]


def test_the_environment_of_this_process_is_the_default(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    assert Place("slurm", "77") in places()
