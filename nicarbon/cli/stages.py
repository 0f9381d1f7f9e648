# SPDX-License-Identifier: Apache-2.0
"""``nicarbon stages``: which rule named the stage of each node, and what no rule names."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from nicarbon.cli.arguments import add_format, add_stages, repeat, terminal
from nicarbon.engines.near import did_you_mean
from nicarbon.errors import NicarbonError, RunFolderError
from nicarbon.graph_reader import read_graph
from nicarbon.reasons import Reason, Reasons, asked, reasons
from nicarbon.run import Run
from nicarbon.stages import BUILTIN, StageRules

_EXAMPLES = f"""\
examples:
  nicarbon stages nicarbon-runs/20261122T101500Z_1f2e
  nicarbon stages RUN --explain brain_mask  one node: its rule, or whose stage it has
  nicarbon stages RUN --stages mine.toml    with your own rules, tried before the built-in ones
  nicarbon stages graph.json --format tsv   name, stage and rule of a graph that was never run

A graph is JSON: {{"nodes": [{{"fullname": "wf.strip", "interface": "module.Class"}}, ...],
"edges": [["wf.strip", "wf.mask"], ...]}}. A node may also have "cmd" (the program that it starts),
"stage" (given by its user), and "itername" where iterables make several of one node.

A rule is shown as FILE:LINE (key pattern -> stage); files without a folder are the built-in ones,
in {BUILTIN.relative_to(BUILTIN.parents[2])} where nicarbon is installed. "downstream" is a generic
operation's: it has the stage of the nodes that use its result.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this verb's arguments to its parser."""
    parser.epilog = _EXAMPLES
    parser.add_argument(
        "source", metavar="RUN_OR_GRAPH", help="a run folder, or a file that holds a graph as JSON"
    )
    parser.add_argument(
        "--explain", metavar="NODE", help="only this node: by its whole name, or by its own"
    )
    add_stages(parser)
    add_format(parser)


def run(args: argparse.Namespace) -> int:
    """Show the nodes.

    Returns
    -------
    int
        0.
    """
    from nicarbon.reports import stages

    rules = StageRules.load(args.stages)
    found = _found(args.source, args.stages, rules)
    nodes = found.nodes if args.explain is None else _asked(found, args.source, args.explain)
    if args.format == "json":
        sys.stdout.write(stages.to_json(nodes, found))
    elif args.format == "tsv":
        sys.stdout.write(stages.to_tsv(nodes))
        sys.stdout.flush()
        print(f"nicarbon: {stages.share_line(found)}", file=sys.stderr)
    else:
        width, color = terminal(sys.stdout)
        command = repeat(args.stages)
        if args.explain is None:
            text = stages.render(
                found, args.source, rules.ranks, width=width, color=color, command=command
            )
        else:
            text = stages.explain(nodes, found, args.source, color=color, command=command)
        sys.stdout.write(text)
    return 0


def _found(source: str, stages_file: str | None, rules: StageRules) -> Reasons:
    path = Path(source)
    if path.is_dir():
        return Run.open(path).reasons(stages_file)
    if not path.exists():
        raise RunFolderError(f"{source}: there is no such run folder, and no such graph")
    return Reasons(nodes=reasons(rules, read_graph(path)))


def _asked(found: Reasons, source: str, name: str) -> tuple[Reason, ...]:
    nodes = asked(found.nodes, name)
    if not nodes:
        names = {n for reason in found.nodes for n in (reason.name, reason.own_name)}
        raise NicarbonError(f"{source}: no node is called {name!r}{did_you_mean(name, names)}")
    return nodes
