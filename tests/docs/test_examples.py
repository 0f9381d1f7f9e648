# SPDX-License-Identifier: Apache-2.0
"""What docstrings show is so."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import nicarbon

PACKAGE = Path(nicarbon.__file__).parent
WITH_EXAMPLES = [
    ".".join(("nicarbon", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(
        ".__init__"
    )
    for path in sorted(PACKAGE.rglob("*.py"))
    if ">>> " in path.read_text()
]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_of_docstrings_are_so(name):
    assert not doctest.testmod(import_module(name)).failed
