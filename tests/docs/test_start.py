# SPDX-License-Identifier: Apache-2.0
"""What the start page tells users to type does what it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import nicarbon
from nicarbon.reports.terminal import render


def blocks(docs, language):
    """Return the code blocks of the start page, in their order."""
    text = (docs / "start.rst").read_text(encoding="utf-8")
    pattern = rf"^\.\. code-block:: {language}\n\n((?:   .*\n|\n)+)"
    return [textwrap.dedent(block) for block in re.findall(pattern, text, flags=re.MULTILINE)]


def commands(docs):
    lines = [line for block in blocks(docs, "console") for line in block.splitlines()]
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ nicarbon ")]


@pytest.fixture(scope="module")
def typed(docs, tmp_path_factory):
    """Type every command of the page in one folder, then run its snippets there."""
    folder = tmp_path_factory.mktemp("start")
    shutil.copy(docs / "examples" / "first.py", folder)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # nipype looks every two seconds whether a node has ended; users wait, tests need not.
    (folder / "nipype.cfg").write_text("[execution]\npoll_sleep_duration = 0.1\n")
    env = {**os.environ, "PATH": path, "NO_ET": "1", "NIPYPE_NO_ET": "1", "PYTHONPATH": ""}
    env["NIPYPE_CONFIG_DIR"] = str(folder)
    printed = {}
    for line in commands(docs):
        done = subprocess.run(
            line, shell=True, cwd=folder, env=env, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        printed[line] = done
    for n, snippet in enumerate(blocks(docs, "python")):
        (folder / f"snippet_{n}.py").write_text(snippet, encoding="utf-8")
        command = [sys.executable, f"snippet_{n}.py"]
        done = subprocess.run(
            command, cwd=folder, env=env, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{snippet}\n{done.stderr}"
        printed[snippet] = done
    return folder, printed


def test_the_page_has_what_is_tested_here(docs):
    assert [line.split()[1] for line in commands(docs)][:2] == ["doctor", "run"]
    assert len(blocks(docs, "python")) == 2


def test_the_table_on_the_page_is_that_of_the_example_run(docs):
    run = nicarbon.open(docs / "examples" / "first-run")
    run.chosen_price = None  # It was priced after it was shown.
    (shown,) = (b for b in blocks(docs, "text") if "unattributed" in b)
    table = shown[shown.index("stage") :]
    assert render([run.summary()]).split("\n\n", 1)[1].startswith(table.rstrip())


def test_the_run_is_as_the_page_shows_it(typed):
    folder, printed = typed
    run = nicarbon.open(folder / "first-run")
    summary = run.summary()
    assert {row.name for row in summary.rows} == {
        "smoothing and filtering",
        "input and output",
        "morphometry",
    }
    assert summary.total.n_nodes == 6
    assert summary.total.n_failed == 0
    assert summary.price.intensity.g_per_kwh == 30
    assert "next: nicarbon" in printed["nicarbon summary first-run --by node"].stdout


def test_the_script_that_meters_itself_makes_a_run_of_its_own(typed):
    folder, _ = typed
    (made,) = (folder / "nicarbon-runs").iterdir()
    assert nicarbon.open(made).summary().total.n_failed == 0
