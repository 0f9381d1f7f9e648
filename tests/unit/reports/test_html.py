# SPDX-License-Identifier: Apache-2.0
import base64
import hashlib
import json
import re
import sys
from html.parser import HTMLParser

import msgspec
import pytest

from nicarbon.errors import MissingExtraError
from nicarbon.records import Graph, Node
from nicarbon.reports.html import ECHARTS, PARTS, render

HOSTILE = (
    "</script><script>window.__pwned=1</script>",
    "\"'><img src=x onerror=window.__pwned=1>",
    "&lt;b&gt; & {{ 7*7 }} {% raw %}",
    "a\x1b[31m\x00\u2028\u202e\ud800",
    "שלום.عالم",
    "<!--" + "x" * 500,
)


class Page(HTMLParser):
    """Elements, identifiers and scripts of a page."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.ids, self.targets, self.scripts, self.words = [], [], [], [], []
        self._script = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append((tag, given))
        self.ids += [given["id"]] if "id" in given else []
        self.targets += [given.get("href") or given.get("xlink:href") or ""] * (tag == "a")
        self._script = tag == "script"
        if self._script:
            self.scripts.append((given.get("type", ""), ""))

    def handle_data(self, words):
        if self._script:
            kind, text = self.scripts[-1]
            self.scripts[-1] = (kind, text + words)
        else:
            self.words.append(words)

    def handle_endtag(self, tag):
        self._script = False


@pytest.fixture(scope="module")
def text(run_folders):
    spans = [run_folders.span("wf.strip", 0, 2, 20.0), run_folders.span("wf.fast", 2, 4, 40.0)]
    return render(run_folders.run(spans))


@pytest.fixture(scope="module")
def hostile(run_folders):
    """A run whose every name is hostile."""
    nodes = tuple(Node(f"wf.{name}", name, name, name, stage=name) for name in HOSTILE)
    graph = Graph(HOSTILE[0], HOSTILE[1], nodes, ((nodes[0].name, nodes[1].name),))
    spans = [
        run_folders.span(node.name, i, i + 1, outcome="failed", error=HOSTILE[0])
        for i, node in enumerate(nodes)
    ]
    run = run_folders.run(spans, [run_folders.host(hostname=HOSTILE[1])], graph)
    info = msgspec.structs.replace(run.facts.info, program=HOSTILE[0], engine=HOSTILE[4])
    run.facts = msgspec.structs.replace(run.facts, info=info)
    return render(run)


def test_nothing_is_loaded_from_anywhere(text):
    page = Page(text)
    for tag, given in page.tags:
        assert "src" not in given, tag
        if tag in ("link", "use", "image"):
            assert given.get("href", "#").startswith(("data:", "#"))
    style = text.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_the_same_run_gives_the_same_page(text, run_folders):
    spans = [run_folders.span("wf.strip", 0, 2, 20.0), run_folders.span("wf.fast", 2, 4, 40.0)]
    assert render(run_folders.run(spans)) == text


def test_links_lead_somewhere_and_identifiers_are_unique(text):
    page = Page(text)
    assert len(set(page.ids)) == len(page.ids)
    assert {target[1:] for target in page.targets} <= set(page.ids)
    assert any(target.startswith("#stage-") for target in page.targets)


def test_the_policy_admits_the_pages_own_scripts_alone(text):
    page = Page(text)
    (policy,) = [given["content"] for tag, given in page.tags if "http-equiv" in given]
    programs = [script for kind, script in page.scripts if not kind]
    hashes = {base64.b64encode(hashlib.sha256(p.encode()).digest()).decode() for p in programs}
    assert len(programs) == 2
    assert set(re.findall(r"'sha256-([^']+)'", policy)) == hashes
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]
    assert "unsafe-eval" not in policy


def test_tables_have_captions_and_scopes(text):
    page = Page(text)
    tags = [tag for tag, _ in page.tags]
    assert tags.count("table") == tags.count("caption") > 5
    assert all("scope" in given for tag, given in page.tags if tag == "th")
    assert [given["lang"] for tag, given in page.tags if tag == "html"] == ["en"]


def test_names_are_shown_and_never_obeyed(hostile):
    page = Page(hostile)
    assert not [tag for tag, given in page.tags if tag == "img" or "onerror" in given]
    assert len([kind for kind, _ in page.scripts]) == 3
    words = "".join(page.words)
    assert HOSTILE[0] in words
    assert "{{ 7*7 }}" in words
    assert HOSTILE[4] in words
    assert f"wf.{HOSTILE[5]}" in [given.get("title") for _, given in page.tags]
    assert "a\ufffd[31m\ufffd\ufffd\ufffd\ufffd" in words
    hostile.encode()


def test_the_data_is_json_that_no_parser_of_html_ends_early(hostile):
    ((_, data),) = [script for script in Page(hostile).scripts if script[0]]
    assert not set("<>&\u2028\u2029") & set(data)
    bars = json.loads(data)["timeline"]["bars"]
    assert any("</script>" in word for word in bars["words"])


def test_a_missing_package_names_its_extra(run_folders, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtraError, match=r"jinja2 .*pip install 'nicarbon\[report\]'"):
        render(run_folders.run([]))


def test_echarts_is_what_its_readme_says():
    readme = (PARTS / "echarts" / "README.rst").read_text()
    (stated,) = re.findall(r"``([0-9a-f]{64})``", readme)
    content = ECHARTS.read_bytes()
    assert hashlib.sha256(content).hexdigest() == stated
    assert b'"6.1.0"' in content
    assert "6.1.0" in readme
    assert b"</script" not in content.lower()
    for name in ("LICENSE", "NOTICE", "licenses/LICENSE-d3"):
        assert (PARTS / "echarts" / name).is_file()


@pytest.mark.parametrize("case", ["empty", "dark", "killed", "two hosts"])
def test_whatever_is_missing_the_page_is_made(case, run_folders, tmp_path):
    from nicarbon.run import Run

    dark = run_folders.host(nodes_j=0.0, energy_j=0.0, uncovered_s=10.0, sensors=())
    run = {
        "empty": lambda: run_folders.run([], hosts=(), graphs=()),
        "dark": lambda: run_folders.run([run_folders.span("wf.strip", 0, 2, None)], [dark]),
        "killed": lambda: Run.open(
            run_folders.write(tmp_path / "run", run_folders.facts(killed=True))
        ),
        "two hosts": lambda: run_folders.run(
            [run_folders.span("wf.strip"), run_folders.span("wf.fast", host="b" * 12)],
            [run_folders.host(), run_folders.host(host="b" * 12, hostname="b")],
        ),
    }[case]()
    words = "".join(Page(render(run)).words)
    said = {
        "empty": "No node was recorded",
        "dark": "no energy reading covers scanner",
        "killed": "the run has no end",
        "two hosts": "of what 2 hosts used meanwhile",
    }
    assert said[case] in words
    assert ("n/a" in words) == (case in ("empty", "dark", "two hosts", "killed"))
