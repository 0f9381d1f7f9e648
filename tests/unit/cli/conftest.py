# SPDX-License-Identifier: Apache-2.0
import pytest


@pytest.fixture
def runs(run_folders, tmp_path, monkeypatch):
    """A run of 80 J and a killed one of 40 J, below the working directory."""
    monkeypatch.chdir(tmp_path)
    for name, killed in (("a", False), ("killed", True)):
        facts = run_folders.facts(run_id=f"run-{name}", killed=killed)
        run_folders.write(tmp_path / "runs" / name, facts)
    return tmp_path
