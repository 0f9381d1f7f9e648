# SPDX-License-Identifier: Apache-2.0
"""Run workflows of the tests as a user's script would.

`main` is called with a JSON spec as the only argument in a process of its own, so that start
methods, nipype's configuration and Workflow.run are as a user's script finds them.
"""

from __future__ import annotations

import json
import os
import sys

import forty_nodes
import nodes_for_tests


def build(spec, name, base):
    """Return the workflow of this name."""
    kind, _, argument = name.partition(":")
    if kind == "every_kind":
        wf = nodes_for_tests.every_kind(base)
    elif kind == "forty":
        wf = forty_nodes.forty_nodes(base)
    elif kind == "small":
        wf = nodes_for_tests.small(base)
    elif kind == "waiting":
        wf = nodes_for_tests.waiting(base)
    elif kind == "failing":
        wf = nodes_for_tests.failing(base, argument)
    elif kind == "nesting":
        wf = nodes_for_tests.nesting(base)
    else:
        wf = nodes_for_tests.chain(base, int(argument))
    wf.config["execution"] = {
        "hash_method": "content",
        "poll_sleep_duration": str(spec.get("poll_s", 0.02)),
        "crashdump_dir": os.path.join(base, "crashes"),
        "stop_on_first_crash": str(spec.get("stop", False)),
        "crashfile_format": spec.get("crash_format", "pklz"),
    }
    return wf


def main():
    """Run what the spec in the arguments asks for, several in turn; print how each ended."""
    spec = json.loads(sys.argv[1])
    several = spec["workflow"].split()
    for name in several:
        more = "" if len(several) == 1 else "-" + name.replace(":", "-")
        wf = build(spec, name, spec["base"] + more)
        plugin, plugin_args = spec["plugin"], spec.get("plugin_args") or None
        if spec.get("run_dir"):
            import nicarbon

            run_dir = spec["run_dir"] + more
            plugin = nicarbon.plugin(plugin, run_dir=run_dir, **(plugin_args or {}))
            plugin_args = None
        ended = {"type": None, "message": None}
        try:
            wf.run(plugin=plugin, plugin_args=plugin_args)
        except Exception as error:
            ended = {"type": type(error).__name__, "message": str(error)}
        print("ENDED " + json.dumps(ended))
