# SPDX-License-Identifier: Apache-2.0
"""Draw a footprint graph with Graphviz: for a page or a file. Home of pygraphviz.

Graphviz knows the nodes only as ``n0``, ``n1`` ...: no name of a pipeline is ever read as its
language, and the identifiers within an SVG are the same each time.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator
from math import log2
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from nicarbon.errors import MissingExtraError, NicarbonError
from nicarbon.printable import clean
from nicarbon.reports.boxes import INK, SMALL, Scale, box, legend, title

if TYPE_CHECKING:
    from nicarbon.graph import FootprintGraph

# Widths are measured with the first that is there; all have the same widths of characters.
FONT = "Arial,Helvetica,Liberation Sans,sans-serif"
FORMATS = ("svg", "png", "pdf", "dot")
# Pixels an inch of a PNG: letters of 12 points are 24 pixels high, sharp on a fine screen; in a
# large picture 12, so that it stays one that can be opened.
PNG_DPI, LARGE_PNG_DPI = 144, 72
# From this many nodes on Graphviz may try less long for short arrows (its nslimit and mclimit): of
# 134 nodes and 533 arrows it drew 1.5 s instead of 3.2 s, of 1,000 and 1,910 2 s instead of 22 s.
LARGE = 100
_LARGE_LIMITS = {"nslimit": "1", "nslimit1": "1", "mclimit": "0.3"}
# More boxes of 12-point letters nobody reads, and the layout takes minutes.
MAX_NODES = 2000
_SVG = "{http://www.w3.org/2000/svg}"


def svg(
    graph: FootprintGraph,
    *,
    href: Callable[[str], str] | None = None,
    bold: Collection[str] = (),
    bold_means: str = "a time bottleneck, on the critical path",
    name: str = "Energy footprint",
    prefix: str = "footprint",
) -> str:
    """Draw a graph as an ``<svg>`` element that can stand within an HTML page.

    It has a view box (in points) but no size and no background; lines and legend take the page's
    text colour (``currentColor``).

    Parameters
    ----------
    graph : networkx.DiGraph
        From `nicarbon.graph.fold` or `nicarbon.graph.executed_graph`.
    href : callable, optional
        The link of a node, by its name.
    bold : collection of str
        Nodes with a double border.
    bold_means : str
        What the double border says, for the legend.
    name : str
        What the picture shows: its accessible title.
    prefix : str
        Begins every identifier, so that several pictures can stand in one page.

    Returns
    -------
    str
        One element; everything in it is escaped.

    Raises
    ------
    MissingExtraError
        If pygraphviz is not installed.
    NicarbonError
        If the graph has more than `MAX_NODES` nodes.
    """
    root = _tree(_render(graph, "svg", bold, bold_means), graph, name, prefix, href)
    for element in root.iter():
        for key in ("fill", "stroke"):
            if element.get(key) == INK:
                element.set(key, "currentColor")
    return ElementTree.tostring(root, encoding="unicode")


def draw(
    graph: FootprintGraph,
    form: str,
    *,
    bold: Collection[str] = (),
    bold_means: str = "a time bottleneck, on the critical path",
    name: str = "Energy footprint",
) -> bytes:
    """Draw a graph as the content of a file.

    Parameters
    ----------
    graph, bold, bold_means, name
        As of `svg`.
    form : str
        One of `FORMATS`.

    Raises
    ------
    MissingExtraError
        If pygraphviz is not installed.
    NicarbonError
        If the graph has more than `MAX_NODES` nodes.
    """
    if form != "svg":
        return _render(graph, form, bold, bold_means)
    root = _tree(_render(graph, "svg", bold, bold_means), graph, name, "footprint", None)
    _, _, width, height = root.attrib["viewBox"].split()
    root.set("width", f"{width}pt")
    root.set("height", f"{height}pt")
    root.insert(1, ElementTree.Element("rect", width="100%", height="100%", fill="#ffffff"))
    content: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return content


def _render(graph: FootprintGraph, form: str, bold: Collection[str], bold_means: str) -> bytes:
    """Let Graphviz place and draw the graph."""
    if len(graph) > MAX_NODES:
        raise NicarbonError(
            f"{len(graph)} nodes are too many for a picture (at most {MAX_NODES}): draw the "
            "stages (--level stage), or write .graphml for a graph viewer"
        )
    try:
        import pygraphviz
    except ImportError:
        raise MissingExtraError("pygraphviz", "report") from None
    scale = Scale(graph)
    has_counts = any(n > 1 for *_, n in graph.edges(data="n_dependencies", default=1))
    meaning = bold_means if any(node in bold for node in graph) else None
    drawing = pygraphviz.AGraph(directed=True, strict=False)
    drawing.graph_attr.update(
        rankdir="TB",
        nodesep="0.35",
        ranksep="0.5",
        fontname=FONT,
        fontsize=str(SMALL),
        fontcolor=INK,
        labelloc="b",
        label=legend(scale, meaning, has_counts, graph.graph.get("note")),
    )
    is_large = len(graph) > LARGE
    if is_large:
        drawing.graph_attr.update(**_LARGE_LIMITS)
    if form == "png":
        drawing.graph_attr.update(dpi=str(LARGE_PNG_DPI if is_large else PNG_DPI))
    if form == "svg":
        drawing.graph_attr.update(bgcolor="transparent")
    drawing.node_attr.update(
        shape="box", color=INK, fontname=FONT, fontsize="13", margin="0.16,0.08"
    )
    drawing.edge_attr.update(
        color=INK, fontcolor=INK, fontname=FONT, fontsize=str(SMALL), arrowsize="0.7"
    )
    ids = {node: f"n{i}" for i, node in enumerate(graph)}
    for node, data in graph.nodes(data=True):
        # A second line, as one thick line is not seen around a dark box.
        border = {"penwidth": "2", "peripheries": "2"} if node in bold else {}
        drawing.add_node(ids[node], **box(node, data, scale), **border)
    for source, target, data in graph.edges(data=True):
        drawing.add_edge(ids[source], ids[target], **_arrow(data.get("n_dependencies", 1)))
    # pygraphviz itself warns of more than 1,000 nodes; `MAX_NODES` is our answer to that.
    with _hushed(), contextlib.redirect_stderr(io.StringIO()):
        content: bytes = drawing.draw(format=form, prog="dot")
    return content


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Keep one complaint of the bundled fontconfig about the system's files off standard error.

    It says nothing of the picture. Whatever else is written meanwhile is passed on.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as kept, contextlib.ExitStack() as stack:
        try:
            before = os.dup(2)
        except OSError:  # closed: nobody is there to hush for
            yield
            return
        stack.callback(os.close, before)
        os.dup2(kept.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(before, 2)
            kept.seek(0)
            lines = [line for line in kept if not line.startswith(b"Fontconfig warning")]
            with contextlib.suppress(OSError):
                os.write(2, b"".join(lines))


def _arrow(n_dependencies: int) -> dict[str, str]:
    label = {"label": f" {n_dependencies}"} if n_dependencies > 1 else {}
    return {"penwidth": f"{1 + log2(n_dependencies) / 2:.2f}", **label}


def _tree(
    drawn: bytes,
    graph: FootprintGraph,
    name: str,
    prefix: str,
    href: Callable[[str], str] | None,
) -> ElementTree.Element:
    """Return Graphviz's SVG with our identifiers, titles and links, and without its background."""
    root = ElementTree.fromstring(drawn)
    names = {f"n{i}": node for i, node in enumerate(graph)}
    scale = Scale(graph)
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        element.tail = None
        element.text = element.text if element.tag in ("text", "title") else None
        for key in [key for key in element.attrib if key.startswith("{")]:
            del element.attrib[key]
    whole = root[0]
    whole.attrib.pop("id")
    for element in [e for e in whole if e.tag == "title"]:
        whole.remove(element)
    n_edges = 0
    for group in whole:
        heading = group.find("title")
        node = names.get(heading.text or "") if heading is not None else None
        if heading is None:
            continue
        if node is None:
            group.set("id", f"{prefix}-edge{n_edges}")
            n_edges += 1
            source, _, target = (heading.text or "").partition("->")
            heading.text = clean(" → ".join(names[end] for end in (source, target)))
        else:
            group.set("id", f"{prefix}-{heading.text}")
            heading.text = title(node, graph.nodes[node], scale)
            _centre(group)
            if href is not None:
                _link(group, clean(href(node)))
    for key in ("width", "height"):
        del root.attrib[key]
    root.set("xmlns", _SVG[1:-1])
    root.set("role", "img")
    root.set("aria-labelledby", f"{prefix}-title")
    heading = ElementTree.Element("title", id=f"{prefix}-title")
    heading.text = clean(name)
    root.insert(0, heading)
    return root


def _centre(group: ElementTree.Element) -> None:
    """Centre the lines of a box: a browser's letters are not quite as wide as Graphviz thought."""
    outline = group.find("path")
    assert outline is not None
    across = [
        float(point.split(",")[0]) for point in re.split("[A-Z ]", outline.get("d", "")) if point
    ]
    middle = f"{(min(across) + max(across)) / 2:.2f}"
    for line in group.findall("text"):
        line.set("text-anchor", "middle")
        line.set("x", middle)


def _link(group: ElementTree.Element, target: str) -> None:
    """Put all that a group shows into a link."""
    link = ElementTree.Element("a", href=target)
    link.extend([element for element in group if element.tag != "title"])
    for element in link:
        group.remove(element)
    group.append(link)
