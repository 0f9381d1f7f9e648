# SPDX-License-Identifier: Apache-2.0
"""Draw where a run's energy went, for a paper: bars with their range, and the figures beside them.

Whatever matplotlib is told by its user's settings, the picture is the same: the same run gives the
same bytes. Sizes are in millimetres, as journals state them.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from nicarbon.errors import MissingExtraError
from nicarbon.reports.bars import Bar, Bars, Part
from nicarbon.reports.boxes import shortened
from nicarbon.reports.figure_fonts import families, hushed, unshown

try:
    import matplotlib as mpl
    from matplotlib import style
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_pdf import PdfPages
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
    from matplotlib.transforms import Affine2D
except ModuleNotFoundError:
    raise MissingExtraError("matplotlib", "report") from None

MM_PER_INCH = 25.4
DPI = 300

# All sizes in mm, of text in points.
_TEXT, _SMALL = 7.0, 6.0
_MARGIN = 2.0
_ROW = 4.4
_HEAD = 4.6
_AXIS = 8.5
_LINE = 2.7
_GAP = 2.2
# Viewers that write the text with another font need some room.
_BETWEEN = 3.0
_BAR = 0.62
# Of a legend's entry, beside its text.
_ENTRY = 6.0
# Of the width: what the bars need at least, and what a label may take.
_PLOT_SHARE, _LABEL_SHARE = 0.26, 0.36

# Dark blue of Okabe and Ito's palette (2008, "Color Universal Design"), and a tint of it for what
# is not measured; both apart from each other and from white in grey. Their orange, hatched, is for
# GPUs.
_BLUE, _TINT, _INK, _GREY, _GRID = "#0072b2", "#9ecae1", "#000000", "#555555", "#dddddd"
_GPU = ("#e69f00", "xxxxx")
# Fill and hatch of what is not the nodes', or not processors'.
_PARTS = {
    "gpu": _GPU,
    "engine": ("#ffffff", "/////"),
    "meter": (_INK, ""),
    "other": ("#e6e6e6", "\\\\\\\\\\"),
    "unattributed": ("#ffffff", ""),
}

# Text stays text: TrueType in PDF, <text> in SVG. No date, so that the bytes are the same.
_SETTINGS: Any = {
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "nicarbon",
    "text.usetex": False,
    "font.size": _TEXT,
    "axes.linewidth": 0.5,
    "hatch.linewidth": 0.4,
    "path.simplify": False,
}
_METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"Creator": "nicarbon", "Producer": None, "CreationDate": None},
    "svg": {"Creator": "nicarbon", "Date": None},
    "png": {"Software": None},
}


def draw(pages: Sequence[Bars], kind: str, width_mm: float) -> bytes:
    """Draw runs.

    Parameters
    ----------
    pages : sequence of Bars
        From `nicarbon.reports.bars.bars_of`: one, or several for the pages of a PDF.
    kind : str
        ``pdf``, ``svg`` or ``png``.
    width_mm : float
        The width of the figure; its height follows.

    Returns
    -------
    bytes
        The whole file.
    """
    file = io.BytesIO()
    fonts = families(text for page in pages for text in _texts(page))
    settings = {**_SETTINGS, "font.family": list(fonts)}
    metadata = {**_METADATA[kind], "Title": "; ".join(dict.fromkeys(page.title for page in pages))}
    with style.context("default"), mpl.rc_context(settings), hushed():
        if kind == "pdf":
            with PdfPages(file, metadata=metadata) as document:
                for page in pages:
                    document.savefig(_Sheet(page, width_mm, fonts).figure)
        else:
            (page,) = pages
            figure = _Sheet(page, width_mm, fonts, replace=kind != "svg").figure
            figure.savefig(file, format=kind, dpi=DPI, metadata=metadata)
    return file.getvalue()


def lacking(pages: Sequence[Bars]) -> str:
    """Return the signs in figures that no font on this machine has.

    Where text is drawn here (PDF and PNG) each is replaced by ``\ufffd``; an SVG keeps it, as
    whatever opens it may have a font that this machine has not.
    """
    texts = [text for page in pages for text in _texts(page)]
    return unshown("".join(texts), families(texts))


def _texts(page: Bars) -> list[str]:
    rows = [row for row, _ in _weighted(page)]
    named = [text for row in rows for text in (row.label, *row.cells)]
    return [*named, page.host, *(part.text for part in page.parts), *page.lines]


class _Sheet:
    """One figure: everything is placed in mm from its upper left corner."""

    def __init__(
        self, bars: Bars, width_mm: float, fonts: Sequence[str], *, replace: bool = True
    ) -> None:
        self.figure = Figure(figsize=(width_mm / MM_PER_INCH, 1.0), dpi=DPI, facecolor="white")
        self.width = width_mm
        canvas: Any = FigureCanvasAgg(self.figure)
        self._renderer = canvas.get_renderer()
        self._fonts = fonts
        self._replace = replace
        columns, plot_left, plot_right = self._columns(bars)
        lines = [part for line in bars.lines for part in self._wrapped(line)]
        legend = self._legend(bars)
        table = _HEAD + _ROW * (len(bars.bars) + 1)
        account = 2 * _GAP + _LINE * (2.5 + len(legend))
        height = 2 * _MARGIN + table + _AXIS + account + _LINE * len(lines)
        self.height = height
        self.figure.set_size_inches(width_mm / MM_PER_INCH, height / MM_PER_INCH)
        # Upside down, so that everything is placed downwards.
        self._mm = (
            Affine2D().scale(1, -1).translate(0, height).scale(1 / MM_PER_INCH)
            + self.figure.dpi_scale_trans
        )
        top = _MARGIN + _HEAD
        self._table(bars, columns, plot_left, top)
        axes = self._axes(bars, plot_left, plot_right, top)
        _draw_bars(axes, bars)
        below = self._account(bars, legend, _MARGIN + table + _AXIS + _GAP)
        for n, line in enumerate(lines):
            self._text(_MARGIN, below + _GAP + _LINE * n, line, size=_SMALL, color=_GREY)

    # Measuring -----------------------------------------------------------------------------

    def _shown(self, text: str) -> str:
        """Replace what no font has a sign for: it would be an empty box."""
        for sign in unshown(text, self._fonts) if self._replace else "":
            text = text.replace(sign, "\ufffd")
        return text

    def _length(self, text: str, size: float = _TEXT, weight: str = "normal") -> float:
        properties = FontProperties(family=list(self._fonts), size=size, weight=weight)
        width, _, _ = self._renderer.get_text_width_height_descent(
            self._shown(text), properties, False
        )
        return float(width) / DPI * MM_PER_INCH

    def _fitted(self, text: str, limit: float) -> str:
        """Shorten a text in its middle until it fits."""
        n = len(text)
        while n > 3 and self._length(shortened(text, n)) > limit:
            n = min(n - 1, int(n * max(limit / self._length(shortened(text, n)), 0.5)) + 1)
        return shortened(text, n)

    def _wrapped(self, text: str) -> list[str]:
        """Break a text into lines, between words where there are any."""
        limit = self.width - 2 * _MARGIN
        lines, line = [], ""
        for word in text.split():
            longer = f"{line} {word}".strip()
            if line and self._length(longer, _SMALL) > limit:
                lines.append(line)
                longer = word
            line = longer
            while self._length(line, _SMALL) > limit:
                n = max(int(len(line) * limit / self._length(line, _SMALL)) - 1, 1)
                lines.append(line[:n])
                line = line[n:]
        return [*lines, line]

    def _columns(self, bars: Bars) -> tuple[list[tuple[int, float]], float, float]:
        """Choose the columns that leave room for the bars: whiskers show the range as well.

        Returns
        -------
        tuple
            Index and right edge of each column, and where the bars begin and end.
        """
        rows = _weighted(bars)
        label = max(self._length(row.label, weight=weight) for row, weight in rows)
        label = min(label + 0.5, _LABEL_SHARE * self.width)
        widths = [
            _BETWEEN
            + max(
                self._length(name),
                *(self._length(row.cells[n], weight=weight) for row, weight in rows),
            )
            for n, name in enumerate(bars.headers)
        ]
        left = _MARGIN + label + _GAP
        room = self.width - _MARGIN - left - _PLOT_SHARE * self.width
        chosen = list(range(len(widths)))
        for column in (1, len(widths) - 1, 2):
            if sum(widths[n] for n in chosen) > room and column in chosen:
                chosen.remove(column)
        right = self.width - _MARGIN
        placed = []
        for n in reversed(chosen):
            placed.append((n, right))
            right -= widths[n]
        return placed[::-1], left, right - 1.0

    # Placing -------------------------------------------------------------------------------

    def _text(self, x: float, y: float, text: str, **more: Any) -> None:
        """Write a text, its middle at `y`; nothing in it is taken as mathematics."""
        given: dict[str, Any] = {"va": "center_baseline", "size": _TEXT, "color": _INK, **more}
        self.figure.text(x, y, self._shown(text), transform=self._mm, parse_math=False, **given)

    def _rule(self, y: float, width: float = 0.4) -> None:
        line = Line2D(
            [_MARGIN, self.width - _MARGIN], [y, y], transform=self._mm, color=_INK, lw=width
        )
        self.figure.add_artist(line)

    def _box(self, x: float, y: float, width: float, height: float, key: str, nodes: str) -> None:
        fill, hatch = _PARTS.get(key, (nodes, ""))
        box = Rectangle(
            (x, y), width, height, transform=self._mm, fc=fill, ec=_INK, hatch=hatch, lw=0.4
        )
        self.figure.add_artist(box)

    def _table(
        self, bars: Bars, columns: list[tuple[int, float]], left: float, top: float
    ) -> None:
        for n, right in columns:
            self._text(right, top - _HEAD / 2, bars.headers[n], ha="right", color=_GREY)
        for i, (row, weight) in enumerate(_weighted(bars)):
            y = top + (i + 0.5) * _ROW
            label = self._fitted(row.label, left - _GAP - _MARGIN)
            self._text(left - _GAP, y, label, ha="right", weight=weight)
            for n, right in columns:
                self._text(right, y, row.cells[n], ha="right", weight=weight)
        self._rule(top)
        self._rule(top + len(bars.bars) * _ROW, 0.25)

    def _axes(self, bars: Bars, left: float, right: float, top: float) -> Axes:
        n = len(bars.bars) + 1
        bottom = self.height - top - n * _ROW
        place = (
            left / self.width,
            bottom / self.height,
            (right - left) / self.width,
            n * _ROW / self.height,
        )
        axes = self.figure.add_axes(place, facecolor="none")
        axes.set_ylim(n, 0)
        axes.set_yticks([])
        for side in ("left", "right", "top"):
            axes.spines[side].set_visible(False)
        axes.set_xlabel(bars.axis, size=_TEXT, labelpad=2)
        axes.tick_params(axis="x", labelsize=_SMALL, width=0.4, length=2, pad=2)
        axes.tick_params(axis="x", which="minor", width=0.3, length=1)
        axes.grid(axis="x", color=_GRID, lw=0.4)
        axes.set_axisbelow(True)
        return axes

    # The account ---------------------------------------------------------------------------

    def _legend(self, bars: Bars) -> list[list[Part]]:
        """Lay the parts of the account out in lines."""
        lines: list[list[Part]] = []
        used = self.width
        for part in bars.parts:
            length = self._length(part.text, _SMALL) + _ENTRY
            if used + length > self.width - 2 * _MARGIN + _GAP:
                lines.append([])
                used = 0.0
            lines[-1].append(part)
            used += length
        return lines

    def _account(self, bars: Bars, legend: list[list[Part]], top: float) -> float:
        """Draw what the hosts used as one strip; return where it ends."""
        nodes = _fill(bars.total)
        self._text(_MARGIN, top, bars.host, size=_SMALL)
        x, y = _MARGIN, top + _LINE * 0.7
        for part in bars.parts:
            width = part.share * (self.width - 2 * _MARGIN)
            self._box(x, y, width, _LINE, part.key, nodes)
            x += width
        y += 1.8 * _LINE
        for line in legend:
            x = _MARGIN
            for part in line:
                self._box(x, y - 0.8, 2.4, 1.6, part.key, nodes)
                self._text(x + 3.2, y, part.text, size=_SMALL)
                x += self._length(part.text, _SMALL) + _ENTRY
            y += _LINE
        return y


def _weighted(bars: Bars) -> list[tuple[Bar, str]]:
    """Return the rows of the table with the weight of their text."""
    return [*((bar, "normal") for bar in bars.bars), (bars.total, "bold")]


def _fill(bar: Bar) -> str:
    return _BLUE if bar.method == "measured" else _TINT


def _draw_bars(axes: Axes, bars: Bars) -> None:
    """Draw bars from 0, or points where the axis is logarithmic and has no 0 to start from."""
    for n, bar in enumerate(bars.bars):
        if bar.energy_j is not None:
            _draw_bar(axes, bar, n + 0.5, bars)
    tops = [bar.high_j / bars.scale_j for bar in bars.bars if bar.high_j]
    if bars.is_log:
        lows = [(bar.low_j or bar.energy_j or 0.0) / bars.scale_j for bar in bars.bars]
        axes.set_xscale("log")
        axes.set_xlim(0.8 * min(low for low in lows if low > 0), 1.25 * max(tops))
        few = max(tops) < 300 * min(low for low in lows if low > 0)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,), numticks=9))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.axvline(0, color=_INK, lw=0.5, ymin=1 / (len(bars.bars) + 1))
        axes.set_xlim(0, 1.02 * max(tops, default=1.0))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _draw_bar(axes: Axes, bar: Bar, y: float, bars: Bars) -> None:
    energy, low, high = (
        (value or 0.0) / bars.scale_j for value in (bar.energy_j, bar.low_j, bar.high_j)
    )
    fill = _fill(bar)
    if bars.is_log:
        axes.plot([energy], [y], "o", ms=3.2, mfc=fill, mec=_INK, mew=0.5, zorder=4)
        low = max(low, 1e-300)
    else:
        axes.barh(y, energy, height=_BAR, fc=fill, ec=_INK, lw=0.4, zorder=2)
        if bar.gpu_j > 0:
            gpu, (fill, hatch) = bar.gpu_j / bars.scale_j, _GPU
            left = energy - gpu
            axes.barh(
                y, gpu, left=left, height=_BAR, fc=fill, hatch=hatch, ec=_INK, lw=0.4, zorder=2
            )
    axes.errorbar(
        energy,
        y,
        xerr=[[max(energy - low, 0.0)], [max(high - energy, 0.0)]],
        fmt="none",
        ecolor=_INK,
        elinewidth=0.7,
        capsize=1.3,
        capthick=0.7,
        zorder=3,
    )
