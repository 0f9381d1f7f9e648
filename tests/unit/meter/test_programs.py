# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from nicarbon.meter import programs as programs_module
from nicarbon.meter.processes import ProcFS
from nicarbon.meter.programs import NODE, Programs

ROOT = (7, 50)
WORKER = {"comm": "python", "command": ("python", "run.py"), "exe": "/usr/bin/python3.11"}


@pytest.fixture
def name(host):
    host.process(7, **WORKER)
    procfs = ProcFS(host.path)
    programs = Programs(procfs)

    def of(pid, **process):
        if process:
            host.process(pid, **process)
        return programs.name(procfs.stat(pid), ROOT)

    of.programs = programs
    return of


def test_the_process_that_executes_a_node_and_its_forks_are_the_nodes_own_python(name):
    assert name(7) == NODE
    assert name(8, **WORKER) == NODE
    assert name(9, **{**WORKER, "command": ("python", "other.py")}) == "other.py"
    assert name(10, **{**WORKER, "exe": "/opt/python3.9"}) == "run.py"


def test_a_child_that_was_met_between_fork_and_exec_gets_its_own_name(name):
    assert name(8, **WORKER) == NODE
    assert name(8, comm="python", command=("python", "child.py"), exe="/p") == "child.py"
    assert name(8) == "child.py"


def test_a_name_that_is_sure_is_looked_up_again_only_after_a_while(name, monkeypatch):
    assert [name(8, comm="sh", command=("sh", "a.sh")) for _ in range(2)] == ["a.sh"] * 2
    assert name(8, comm="sh", command=("sh", "b.sh")) == "a.sh"
    monkeypatch.setattr(programs_module, "_AGAIN_S", 0.0)
    assert name(8) == "b.sh"


def test_another_short_name_is_another_program_at_once(name):
    assert [name(8, comm="env", command=("env", "tool")) for _ in range(2)] == ["tool"] * 2
    assert name(8, comm="bet", command=("bet",)) == "bet"


def test_a_process_that_ends_keeps_its_name(name):
    assert name(8, comm="sh", command=("sh", "a.sh")) == "a.sh"
    assert name(8, comm="sh", state="Z") == "a.sh"


def test_of_one_that_was_never_met_alive_the_kernel_knows_the_name(name):
    assert name(8, comm="bet", state="Z") == "bet"
    assert name(9, comm="sh", state="Z") is None  # which script?
    assert name(10, comm="mris_fix_topolo", state="Z") == "mris_fix_topolo"
    assert name(11, comm="mris_fix_topolo", command=("mris_fix_topology",)) == "mris_fix_topology"
    assert name(10) == "mris_fix_topology"


def test_processes_that_are_no_more_are_forgotten(name, host):
    assert name(8, comm="mris_fix_topolo", command=("mris_fix_topology",)) == "mris_fix_topology"
    name.programs.keep({(7, 50)})
    assert name(8, comm="mris_fix_topolo", state="Z") == "mris_fix_topolo"


def test_arguments_are_in_no_name(name):
    assert name(8, comm="bet", command=("/opt/fsl/bin/bet", "sub-01.nii", "out")) == "bet"


def test_a_cut_name_is_completed_by_the_one_command_that_begins_so(host, tmp_path, monkeypatch):
    for name in (
        "mri_relabel_hypointensities",
        "mris_curvature_stats",
        "mris_curvature_fsaverage",
    ):
        (tmp_path / name).touch()
    monkeypatch.setenv("PATH", f"{tmp_path}:{tmp_path / 'missing'}")
    programs = Programs(ProcFS(host.path))
    assert programs.whole("mri_relabel_hyp") == "mri_relabel_hypointensities"
    assert programs.whole("mris_curvature_") == "mris_curvature_"
    assert programs.whole("mris_place_surf") == "mris_place_surf"
    assert programs.whole("sh") is None
