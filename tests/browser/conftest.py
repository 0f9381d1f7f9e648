# SPDX-License-Identifier: Apache-2.0
"""The report page in a real browser: Debian's Chromium, without any network."""

import shutil
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from nicarbon.records import Graph, Node
from nicarbon.reports.html import render
from nicarbon.run import Run

REAL = Path(__file__).parents[2] / "docs" / "examples" / "structural-run"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
HOSTILE = (
    "</script><script>window.__pwned=1</script>",
    "\"'><img src=x onerror=window.__pwned=1>",
    "<svg/onload=window.__pwned=1> & {{ 7*7 }} {b} {a|x}",
    "a\x1b[31m\x00\u2028\u202e\ud800",
    "שלום.عالم",
    "x" * 500,
)


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed (Debian: apt install chromium)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def pages(run_folders, tmp_path_factory):
    """Return the file of a report, by the name of its run; each is made once."""
    folder = tmp_path_factory.mktemp("pages")
    dark = run_folders.host(nodes_j=0.0, energy_j=0.0, uncovered_s=10.0, sensors=())
    other = "ba9876543210"
    make = {
        "real": lambda: Run.open(REAL),
        "far": lambda: Run.open(shutil.copytree(REAL, folder / ("x" * 100) / ("y" * 100))),
        "many": lambda: Run(run_folders.many(), "runs/many"),
        "hostile": lambda: _hostile(run_folders),
        "killed": lambda: Run(run_folders.facts(killed=True), "runs/killed"),
        "failed": lambda: Run(run_folders.facts(), "runs/failed"),
        "dark": lambda: run_folders.run([run_folders.span("wf.strip", 0, 2, None)], [dark]),
        "empty": lambda: run_folders.run([], hosts=(), graphs=()),
        "two hosts": lambda: run_folders.run(
            [run_folders.span("wf.strip"), run_folders.span("wf.fast", 0, 3, host=other)],
            [run_folders.host(), run_folders.host(host=other, hostname="node7")],
        ),
    }

    def page(name):
        path = folder / f"{name.replace(' ', '-')}.html"
        if not path.exists():
            path.write_text(render(make[name]()), "utf-8")
        return path

    return page


def _hostile(run_folders):
    nodes = tuple(Node(f"wf.{name}", name, name, name, stage=name) for name in HOSTILE)
    graph = Graph(HOSTILE[0], HOSTILE[1], nodes, ((nodes[0].name, nodes[1].name),))
    spans = [
        run_folders.span(node.name, i, i + 1, 1.0 + i, outcome=outcome, error=HOSTILE[i])
        for i, (node, outcome) in enumerate(
            zip(nodes, ("ran", "failed", "killed", "running", "ran", "ran"), strict=True)
        )
    ]
    run = run_folders.run(spans, [run_folders.host(hostname=HOSTILE[1])], graph)
    info = msgspec.structs.replace(run.facts.info, program=HOSTILE[0], engine=HOSTILE[4])
    run.facts = msgspec.structs.replace(run.facts, info=info)
    return run


@pytest.fixture
def opened(browser, pages):
    """Open a report; at the end nothing may have been said or requested but the page itself."""

    @contextmanager
    def opening(name, *, width=1280, height=800, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        page = context.new_page()
        said, requested = [], []
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.on("dialog", lambda dialog: said.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: requested.append(request.url))
        url = pages(name).as_uri()
        page.goto(url)
        yield page
        page.wait_for_timeout(50)
        context.close()
        assert said == []
        assert requested == [url]

    return opening
