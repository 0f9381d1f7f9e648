# SPDX-License-Identifier: Apache-2.0
"""What tests of several folders share; imported by path, as tests are no package."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def run_folders():
    """The module `run_folders`: runs made by hand."""
    path = Path(__file__).with_name("run_folders.py")
    spec = importlib.util.spec_from_file_location("run_folders", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
