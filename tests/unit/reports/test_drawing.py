# SPDX-License-Identifier: Apache-2.0
import builtins
import re
from xml.etree import ElementTree

import networkx as nx
import pytest

from nicarbon.errors import NicarbonError
from nicarbon.reports.drawing import FORMATS, MAX_NODES, draw, svg

SVG = "{http://www.w3.org/2000/svg}"
NASTY = [
    "</script><script>alert(1)</script>",
    "]]>&amp;&lt;",
    '<TABLE>"\\N\\G\\n',
    "\x00\x1b[31m\ufffe\u202e\ud800",
    "x" * 500,
    "حسابية עברית",
    "<b>",
    "n0",
    "-edge0",
]


def row(energy_j=1.0, **more):
    return {
        "energy_j": energy_j,
        "energy_low_j": energy_j,
        "energy_high_j": energy_j,
        "carbon_g": None,
        "duration_s": 1.0,
        "n_nodes": 1,
        "n_missing": 0,
        "method": "measured",
        "nodes": ("x",),
    } | more


@pytest.fixture
def graph():
    made = nx.DiGraph()
    for n, name in enumerate(NASTY):
        made.add_node(name, **row(float(n)))
    made.add_node("nothing", **row(None, method=None))
    nx.add_path(made, NASTY, n_dependencies=3)
    made.add_edge(NASTY[1], NASTY[0], n_dependencies=1)
    return made


def shown(text):
    return ["".join(e.itertext()) for e in ElementTree.fromstring(text).iter(f"{SVG}text")]


def titles(text):
    return [e.text for e in ElementTree.fromstring(text).iter(f"{SVG}title")]


def test_an_element_for_a_page(graph):
    text = svg(graph, name="Where <it> went", prefix="fig")
    root = ElementTree.fromstring(text)
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    assert root[0].text == "Where <it> went"
    assert root.get("aria-labelledby") == root[0].get("id") == "fig-title"
    assert (root.get("width"), root.get("height")) == (None, None)
    assert len(root.get("viewBox").split()) == 4
    assert not re.search(r"<\?xml|<!|xlink|xml:|ns0:", text)
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    assert len(ids) == len(set(ids)) == 1 + len(graph) + graph.number_of_edges()
    assert all(i.startswith("fig-") for i in ids)
    assert "currentColor" in text


def test_names_are_shown_whole_and_never_markup(graph):
    text = svg(graph)
    assert "<script" not in text.lower()
    assert "<b>" not in text.lower()
    lines, whole = shown(text), titles(text)
    assert "]]>&amp;&lt;" in lines
    assert '<TABLE>"\\N\\G\\n' in lines
    assert "�" + "�[31m���" in lines
    assert "x" * 17 + "…" + "x" * 16 in lines
    assert any(title.startswith("x" * 500 + ": ") for title in whole)
    assert f"{NASTY[1]} → {NASTY[0]}" in whole


def test_links_are_escaped(graph):
    text = svg(graph, href=lambda name: "#" + name[:9] + '"&')
    links = [e.get("href") for e in ElementTree.fromstring(text).iter(f"{SVG}a")]
    assert len(links) == len(graph)
    assert '#</script>"&' in links


def test_the_same_each_time(graph):
    assert svg(graph) == svg(graph)


def outlines(text):
    return sum(
        len(group.findall(f"{SVG}path"))
        for group in ElementTree.fromstring(text).iter(f"{SVG}g")
        if group.get("class") == "node"
    )


def test_double_borders(graph):
    plain, marked = svg(graph), svg(graph, bold={"n0"}, bold_means="slow")
    assert outlines(plain) == len(graph)
    assert outlines(marked) == len(graph) + 1
    assert "double border: slow" in shown(marked)
    assert "double border: slow" not in shown(svg(graph, bold={"not here"}, bold_means="slow"))


def test_lines_are_centred_in_their_box(graph):
    """A browser's letters are not quite as wide as Graphviz thought."""
    for group in ElementTree.fromstring(svg(graph)).iter(f"{SVG}g"):
        if group.get("class") == "node":
            lines = group.findall(f"{SVG}text")
            assert {line.get("text-anchor") for line in lines} == {"middle"}
            assert len({line.get("x") for line in lines}) == 1


def chain(n):
    made = nx.path_graph(n, nx.DiGraph)
    nx.set_node_attributes(made, {node: row(float(node)) for node in made})
    return nx.relabel_nodes(made, str)


def test_large_graphs_are_drawn(capfd):
    text = svg(chain(1200))
    assert outlines(text) == 1200
    assert capfd.readouterr() == ("", "")


def test_too_large_graphs_say_what_to_do():
    with pytest.raises(NicarbonError, match=r"2001 nodes .*--level stage.*\.graphml"):
        svg(chain(MAX_NODES + 1))


def test_what_is_missing_is_not_zero(graph):
    assert "n/a" in shown(svg(graph))


def test_an_empty_graph():
    assert ElementTree.fromstring(svg(nx.DiGraph())).tag == f"{SVG}svg"


@pytest.mark.parametrize(
    ("form", "begins"),
    [("svg", b"<?xml"), ("png", b"\x89PNG\r\n"), ("pdf", b"%PDF-"), ("dot", b"digraph")],
)
def test_files(graph, form, begins, capfd):
    assert form in FORMATS
    assert draw(graph, form).startswith(begins)
    assert capfd.readouterr() == ("", "")


def test_a_file_has_a_size_and_a_background(graph):
    root = ElementTree.fromstring(draw(graph, "svg"))
    assert root.get("width").endswith("pt")
    assert root.find(f"{SVG}rect").get("fill") == "#ffffff"


def test_without_pygraphviz_the_extra_is_named(graph, monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "pygraphviz":
            raise ImportError("No module named 'pygraphviz'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(NicarbonError, match=r"pip install 'nicarbon\[report\]'"):
        svg(graph)
