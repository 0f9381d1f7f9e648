# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from nicarbon.logs.names import safe, step_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.b c", "a_b_c"), ("...", "step"), ("x" * 200, "x" * 120), ("CortexLabel+HipAmyg",) * 2],
)
def test_a_name_that_a_node_may_have(name, expected):
    assert safe(name) == expected
    assert safe("a[3]", "[]") == "a[3]"


def test_a_hemisphere_is_the_end_of_a_steps_name():
    assert step_name("recon-surf.sh", "Creating surfaces - fix", "rh").endswith("_rh")
    assert step_name("recon-all", "Fill") == "recon-all.Fill"
