# SPDX-License-Identifier: Apache-2.0
"""A metered workflow of nodes that use CPU time, and write down themselves how much.

    python -m burning_nodes PLUGIN RUN_DIR NODES

NODES is JSON: by name what each node is to do, see `add`. The files are in the working directory.
"""

from __future__ import annotations

import json
import os
import sys

from nipype import Function, MapNode, Node, Workflow

import nicarbon

FOREVER = 1000.0
ARGUMENTS = ("path", "cpu_s", "megabytes")
PLUGIN_ARGS = {"SLURMGraph": {"dont_resubmit_completed_jobs": False}}


def burn(path, cpu_s, megabytes):
    """Use CPU time, then memory; where this is not the first attempt, return at once."""
    import os
    import time

    with open(path + ".attempts", "a") as file:
        file.write("x")
    if os.path.getsize(path + ".attempts") > 1:
        return "again"
    held, used_s, began = [], 0.0, time.process_time()
    while used_s < cpu_s or megabytes:
        if len(held) < megabytes / 10 and used_s > cpu_s:
            held.append(bytearray(b"x") * (10 << 20))
        until = time.process_time() + 0.02
        while time.process_time() < until:
            pass
        used_s = time.process_time() - began
        with open(path + ".part", "w") as file:
            file.write(str(used_s))
        os.replace(path + ".part", path + ".used")
    return "at once"


def add(wf, name, cpu_s=FOREVER, megabytes=0, elements=0, **plugin_args):
    """Add a node, or a MapNode of some elements; `plugin_args` are nipype's."""
    function = Function(function=burn, input_names=list(ARGUMENTS), output_names=["o"])
    if elements:
        node = MapNode(function, iterfield=["path"], name=name)
        node.inputs.path = [os.path.abspath(f"{name}{index}") for index in range(elements)]
    else:
        node = Node(function, name=name)
        node.inputs.path = os.path.abspath(name)
    node.inputs.cpu_s, node.inputs.megabytes = cpu_s, megabytes
    node.plugin_args = plugin_args
    wf.add_nodes([node])


def main():
    plugin, run_dir, nodes = sys.argv[1:]
    wf = Workflow(name="w", base_dir=os.path.abspath(f"work-{run_dir}"))
    wf.config["execution"] = {
        "poll_sleep_duration": "0.5",
        "crashdump_dir": os.getcwd(),
        "job_finished_timeout": "3",
    }
    for name, what in json.loads(nodes).items():
        add(wf, name, **what)
    args = PLUGIN_ARGS.get(plugin, {})
    wf.run(plugin=nicarbon.plugin(plugin, run_dir=run_dir, interval_s=0.25, plugin_args=args))


if __name__ == "__main__":
    main()
