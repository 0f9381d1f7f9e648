# SPDX-License-Identifier: Apache-2.0
import re
import struct
import xml.etree.ElementTree as ET

import matplotlib as mpl
import pytest

from nicarbon.carbon.intensity import given
from nicarbon.carbon.price import Price
from nicarbon.reports.bars import bars_of
from nicarbon.reports.figure import draw, lacking

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    "$\\frac{1}{0}$",
    "a$b",
    "</text><script>alert(1)</script>",
    "&amp;\"'<>",
    "x" * 500,
    "wf " * 200,
    "הגיוני שלב",
    "مرحلة التجزئة",
    "段階 \U0001f9e0",
    "a\x00\x1b[31m\u202eb",
    "",
]


def pages(run_folders, names=("wf.strip", "wf.fast"), scale="auto", priced=False, energy_j=10.0):
    spans = [
        run_folders.span(name, i, i + 1, energy_j / (i + 1), shared_j=1.0)
        for i, name in enumerate(names)
    ]
    run = run_folders.run(spans)
    run.chosen_price = Price(given(30.0), 1.2) if priced else None
    return [bars_of(run.summary("node"), scale)]


def texts(svg):
    return ["".join(element.itertext()) for element in ET.fromstring(svg).iter(f"{SVG}text")]


def size_mm(png):
    width, height = struct.unpack(">II", png[16:24])
    return width / 300 * 25.4, height / 300 * 25.4


def test_every_figure_is_text_in_the_picture(run_folders):
    (page,) = pages(run_folders, priced=True)
    shown = texts(draw([page], "svg", 180.0))
    for bar in (*page.bars, page.total):
        assert bar.label in shown
        assert set(bar.cells) <= set(shown)
    assert {page.axis, page.host, *page.headers, *(part.text for part in page.parts)} <= set(shown)
    for line in page.lines:
        assert " ".join(line.split()) in " ".join(shown)


def test_a_narrow_figure_leaves_the_range_to_the_whiskers(run_folders):
    (page,) = pages(run_folders, priced=True)
    shown = texts(draw([page], "svg", 70.0))
    assert page.bars[0].cells[0] in shown
    assert page.bars[0].cells[1] not in shown


@pytest.mark.parametrize("kind", ["pdf", "svg", "png"])
def test_the_same_run_gives_the_same_bytes_whatever_the_settings(run_folders, kind):
    first = draw(pages(run_folders), kind, 85.0)
    with mpl.rc_context({"font.size": 30, "text.usetex": True, "pdf.fonttype": 3, "axes.grid": 1}):
        assert draw(pages(run_folders), kind, 85.0) == first
        assert mpl.rcParams["text.usetex"]
    assert b"CreationDate" not in first
    assert b"<dc:date" not in first


def test_a_pdf_has_a_page_for_each_run_and_truetype_fonts(run_folders):
    (page,) = pages(run_folders)
    pdf = draw([page, page, page], "pdf", 85.0)
    assert len(re.findall(rb"/Type /Page\b", pdf)) == 3
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf


def test_it_is_as_wide_as_asked(run_folders):
    width, height = size_mm(draw(pages(run_folders), "png", 85.0))
    assert width == pytest.approx(85.0, abs=0.2)
    assert height < 120


@pytest.mark.parametrize("width", [60.0, 85.0, 180.0])
@pytest.mark.parametrize("scale", ["linear", "log"])
def test_hostile_names_break_nothing(run_folders, width, scale):
    usual = draw(pages(run_folders, [f"wf.n{i}" for i in range(11)], scale), "png", width)
    (page,) = pages(run_folders, HOSTILE, scale)
    assert size_mm(draw([page], "png", width)) == size_mm(usual)
    draw([page], "pdf", width)
    svg = draw([page], "svg", width)
    shown = texts(svg)
    assert not list(ET.fromstring(svg).iter(f"{SVG}script"))
    assert "$\\frac{1}{0}$" in shown  # as it is, not as mathematics
    assert "a$b" in shown
    assert any(text.startswith("xxx") and "…" in text for text in shown)
    assert "\x1b" not in "".join(shown)


def test_signs_that_no_font_has_are_told_and_an_svg_keeps_them(run_folders, few_fonts):
    (page,) = pages(run_folders, ["wf.\u6bb5seg", "wf.\u210a"])
    assert lacking([page]) == "\u6bb5"
    assert "wf.\u6bb5seg" in texts(draw([page], "svg", 180.0))
    assert "wf.\u210a" in texts(draw([page], "svg", 180.0))
    assert draw([page], "png", 180.0) == draw(
        pages(run_folders, ["wf.\ufffdseg", "wf.\u210a"]), "png", 180.0
    )
    assert draw([page], "png", 180.0) != draw(
        pages(run_folders, ["wf.\ufffdseg", "wf.\ufffd"]), "png", 180.0
    )


def test_labels_stay_on_the_page_and_off_the_bars(run_folders):
    (page,) = pages(run_folders, ["W" * 400, "wf.fast"])
    root = ET.fromstring(draw([page], "svg", 85.0))
    width_pt = float(root.get("viewBox").split()[2])
    (label,) = [e for e in root.iter(f"{SVG}text") if "WWW" in "".join(e.itertext())]
    assert float(label.get("x")) < 0.45 * width_pt
    # A W of DejaVu Sans is 0.989 em wide; the text is 7 points high and ends at x.
    assert 0 < len("".join(label.itertext())) * 0.989 * 7 <= float(label.get("x"))


def bar_lengths(svg, fill):
    """Return the lengths of the bars: rectangles of a fill, inside the axes."""
    paths = [
        path.get("d")
        for path in ET.fromstring(svg).iter(f"{SVG}path")
        if f"fill: {fill}" in path.get("style", "") and path.get("clip-path")
    ]
    xs = [[float(pair.split()[0]) for pair in re.findall(r"[ML] ([^LMz]+)", d)] for d in paths]
    return [max(x) - min(x) for x in xs]


@pytest.mark.parametrize(("method", "fill"), [("measured", "#0072b2"), ("modelled", "#9ecae1")])
def test_bars_are_as_long_as_their_energy(run_folders, method, fill):
    spans = [
        run_folders.span("wf.strip", 0, 1, 60.0, method=method),
        run_folders.span("wf.fast", 1, 2, 20.0, method=method),
    ]
    page = bars_of(run_folders.run(spans).summary("node"))
    long, short = bar_lengths(draw([page], "svg", 180.0), fill)
    assert long == pytest.approx(3 * short, rel=1e-4)


def test_what_gpus_used_of_a_bar_has_its_own_fill(run_folders):
    spans = [
        run_folders.span("wf.segment", 0, 1, 60.0, gpu_j=45.0),
        run_folders.span("wf.fast", 1, 2, 20.0, gpu_j=0.0),
    ]
    bars = bars_of(run_folders.run(spans).summary("node"))
    svg = draw([bars], "svg", 180.0)
    # Hatched fills are patterns: their rectangle is the one within the bar that has no plain fill.
    whole, short = bar_lengths(svg, "#0072b2")
    [gpu] = bar_lengths(svg, "url")
    assert whole == pytest.approx(3 * short, rel=1e-4)
    assert gpu == pytest.approx(0.75 * whole, rel=1e-4)
    assert any("nodes' GPUs 45 J" in text for text in texts(svg))


def test_a_logarithmic_axis_has_points_as_it_has_no_zero(run_folders):
    (page,) = pages(run_folders, scale="log")
    svg = draw([page], "svg", 180.0)
    assert bar_lengths(svg, "#0072b2") == []
    assert len(bar_lengths(draw(pages(run_folders), "svg", 180.0), "#0072b2")) == 2
