# SPDX-License-Identifier: Apache-2.0
"""Every kind of node at once, plain and metered taking turns on one folder, on local engines."""

from __future__ import annotations

import pytest
from every_engine import assert_metered, take_turns

POOL = {"n_procs": 2}


@pytest.mark.parametrize(
    ("plugin", "plugin_args", "expanded"),
    [("Linear", {}, False), ("MultiProc", POOL, True), ("LegacyMultiProc", POOL, True)],
)
def test_forty_nodes(workflow, tmp_path, plugin, plugin_args, expanded):
    base, run_dir = take_turns(workflow, tmp_path, plugin, plugin_args=plugin_args)
    assert_metered(base, run_dir, expanded)
