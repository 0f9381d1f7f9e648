# SPDX-License-Identifier: Apache-2.0
"""The pages, built once as ``make docs`` builds them."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def needs_sphinx():
    for name in ("sphinx", "furo", "numpydoc", "sphinx_copybutton"):
        pytest.importorskip(name, reason=f"{name} is missing: pip install 'nicarbon[docs]'")


@pytest.fixture(scope="session")
def docs():
    """The folder of the pages' sources."""
    return DOCS


@pytest.fixture(scope="session")
def generated():
    """The extension that takes help, fields and stages from the program."""
    needs_sphinx()
    spec = importlib.util.spec_from_file_location("generated", DOCS / "_ext" / "generated.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def html(tmp_path_factory):
    """The folder of the built pages; a warning is an error, a name without a target one, too."""
    needs_sphinx()
    folder = tmp_path_factory.mktemp("html")
    command = [sys.executable, "-m", "sphinx", "-q", "-E", "-W", "--keep-going", "-n"]
    trees = tmp_path_factory.mktemp("doctrees")
    done = subprocess.run(
        [*command, "-d", str(trees), str(DOCS), str(folder)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return folder
