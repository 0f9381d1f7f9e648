# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from nicarbon.trials import environments
from nicarbon.trials.environments import TRACKERS, Tracker, install, interpreter

MISSING = Tracker("it", "no_such_package", "it", ("no-such-package",), False, "*", "x")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "nicarbon" / "trackers"


def test_a_tracker_of_this_interpreter_needs_no_environment(cache):
    assert interpreter(MISSING) is None
    assert interpreter(msgspec.structs.replace(MISSING, package="msgspec")) == sys.executable
    assert not cache.exists()


def test_an_environment_counts_once_it_is_whole(cache, monkeypatch):
    ran = []

    def fake(command, **options):
        ran.append(command)
        if "venv" in command:
            (cache / "it" / "bin").mkdir(parents=True)
            (cache / "it" / "bin" / "python").touch()
        else:
            assert interpreter(MISSING) is None
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", fake)
    assert install(MISSING) == ""
    assert interpreter(MISSING) == str(cache / "it" / "bin" / "python")
    assert ran[1][-1] == "no-such-package"
    assert install(MISSING) == ""
    assert len(ran) == 2


def test_what_pip_says_is_the_problem_and_no_half_environment_is_left(cache, monkeypatch):
    def fake(command, **options):
        (cache / "it").mkdir(exist_ok=True)
        said = "Looking\nERROR: No matching distribution\nnote: see above\n"
        return subprocess.CompletedProcess(command, 1, "", said)

    monkeypatch.setattr(subprocess, "run", fake)
    assert install(MISSING) == "ERROR: No matching distribution"
    assert not (cache / "it").exists()


def test_a_cache_that_cannot_be_made_says_so(cache, monkeypatch):
    cache.parent.write_text("a file in its place")
    assert "XDG_CACHE_HOME" in install(MISSING)


def test_every_tracker_has_what_is_run():
    assert len({tracker.name for tracker in TRACKERS}) == len(TRACKERS) == 4
    assert environments.folder().name == "trackers"
