# SPDX-License-Identifier: Apache-2.0
"""``nicarbon graph``: the footprint graph as a picture, or for other programs."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from typing import TYPE_CHECKING

from nicarbon.cli.arguments import add_run, add_stages, repeat
from nicarbon.cli.folders import complain
from nicarbon.cli.teaching import add_taught, taught_by
from nicarbon.errors import NicarbonError
from nicarbon.files import write_whole
from nicarbon.grouping import BY, check
from nicarbon.notes import count
from nicarbon.run import Run

if TYPE_CHECKING:
    from nicarbon.graph import FootprintGraph

_PICTURES = ("svg", "png", "pdf", "dot")
_FORMATS = (*_PICTURES, "graphml", "json")

_EXAMPLES = """\
examples:
  nicarbon graph RUN -o footprint.svg              stages, and what depends on what
  nicarbon graph RUN -o footprint.png --by subject or hemisphere, workflow, program ...
  nicarbon graph RUN -o nodes.svg --level node     every node
  nicarbon graph RUN -o nodes.graphml --level node for Gephi, yEd, Cytoscape, igraph
  nicarbon graph RUN -o footprint.json             for networkx.node_link_graph

Pictures (.svg .png .pdf .dot) are drawn by Graphviz: pip install 'nicarbon[report]'. A box has the
energy with its range and share, time and nodes, darker where more energy went; an arrow says how
many dependencies it stands for. Between stages, arrows lead through nodes that only hand results
on, and to none that only files them. In .graphml and .json every dependency is kept, and each node
has all its figures, in the units that their names say; what is not known is left out.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this verb's arguments to its parser."""
    parser.epilog = _EXAMPLES
    add_run(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        required=True,
        help="what to write: .svg, .png, .pdf or .dot; .graphml or .json",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--level",
        choices=("stage", "node"),
        default="stage",
        help="what a box is (default: stage)",
    )
    what.add_argument(
        "--by", metavar="ATTRIBUTE", help=f"fold the nodes by anything: {', '.join(BY)}"
    )
    add_stages(parser)
    add_taught(parser)


def run(args: argparse.Namespace) -> int:
    """Write the graph.

    Returns
    -------
    int
        0, or 2 if a run that teaches could not be read.
    """
    by = args.by or args.level
    check(by)
    form = os.path.splitext(args.output)[1].lower().lstrip(".")
    if form not in _FORMATS:
        known = ", ".join(f".{form}" for form in _FORMATS)
        raise NicarbonError(f"{args.output}: name a file that ends in one of {known}")
    opened = Run.open(args.run)
    opened.watts, unread = taught_by(args.taught_by)
    graph = _graph(opened, by, args.stages, form in _PICTURES)
    if form in _PICTURES:
        content = _picture(opened, graph, form, by, args.stages)
    else:
        content = _data(opened, graph, form, by)
    write_whole(args.output, content)
    boxes = count(len(graph), "node" if by == "node" else "group" if args.by else "stage")
    arrows = graph.number_of_edges()
    print(f"wrote {args.output}: {boxes}, {arrows} {'arrow' if arrows == 1 else 'arrows'}")
    command = f"nicarbon bottleneck {shlex.quote(args.run)}{repeat(args.stages)}"
    print(f"next: {command}")
    return complain(unread)


def _graph(opened: Run, by: str, stages_file: str | None, is_picture: bool) -> FootprintGraph:
    if by == "node":
        return opened.executed(stages_file)
    if by == "stage" and is_picture:
        return opened.handed_on(stages_file)
    return opened.folded(by, stages_file)


def _picture(
    opened: Run, graph: FootprintGraph, form: str, by: str, stages_file: str | None
) -> bytes:
    from nicarbon.reports.drawing import draw

    bold: set[str] = set()
    means = "a time bottleneck, on the critical path"
    try:
        if by == "stage":
            found = opened.bottlenecks(stages_file)
            bold = {row.stage for row in found.stages if row.group in ("time", "both")}
        elif by == "node":
            found = opened.bottlenecks(stages_file)
            bold = {step.node for step in found.critical_path.steps}
            means = "on the critical path"
    except NicarbonError as error:  # graphs with a cycle have no longest path, and can be drawn
        print(f"nicarbon: {error}", file=sys.stderr)
    name = f"Energy footprint of run {opened.facts.info.run_id} by {by}"
    return draw(graph, form, bold=bold, bold_means=means, name=name)


def _data(opened: Run, graph: FootprintGraph, form: str, by: str) -> bytes:
    from nicarbon.graph_files import exported, to_graphml, to_json

    info, price = opened.facts.info, opened.chosen_price
    about = {
        "run_id": info.run_id,
        "by": by,
        "schema_version": info.schema_version,
        "price": None if price is None else str(price),
    }
    made = exported(graph, about)
    return to_graphml(made) if form == "graphml" else to_json(made).encode()
