# SPDX-License-Identifier: Apache-2.0
"""Write a run as one HTML page that needs nothing else. Home of jinja2.

Names come from pipelines: every value is cleaned of control characters and escaped, here and
nowhere else, and the page's own policy lets a browser run no script but the two that belong to it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

from nicarbon.errors import MissingExtraError
from nicarbon.notes import count
from nicarbon.printable import clean
from nicarbon.reports import drawing
from nicarbon.reports.boxes import shortened
from nicarbon.reports.page_facts import gather
from nicarbon.run import Run

PARTS = Path(__file__).parent / "page"
# Letters of 12 points are 12 pixels high: they can be read, and large graphs stay in sight.
_PX_PER_PT = 1.0
_NAMES = re.compile("\u2068(.*?)\u2069", re.DOTALL)
# Names of several lines are cut in their middle.
_LONGEST = 160
# After a dot, underscore or slash between letters or digits.
_JOINTS = re.compile(r"(?<=\w)([._/])(?=\w)")
ECHARTS = PARTS / "echarts" / "echarts.min.js"


def render(run: Run, stages_file: str | Path | None = None, command: str = "") -> str:
    """Return the page.

    Parameters
    ----------
    run : Run
        The run.
    stages_file : path, optional
        A rule file of the user, tried before the built-in rules.
    command : str, optional
        Arguments that commands on the page should repeat (``--stages FILE``).

    Raises
    ------
    MissingExtraError
        If jinja2 or pygraphviz is not installed.
    StageRuleError
        If the rule file cannot be understood.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
        from jinja2.utils import htmlsafe_json_dumps
        from markupsafe import Markup, escape
    except ImportError:
        raise MissingExtraError("jinja2", "report") from None

    def cleaned(value: Any) -> Any:
        return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    def breakable(name: str) -> Markup:
        """Let long names break where they are read in parts; the longest are in a title."""
        short = shortened(clean(name), _LONGEST)
        shown = Markup(_JOINTS.sub(r"\1<wbr>", str(escape(short))))
        if len(name) <= _LONGEST:
            return shown
        return Markup('<span title="{}">{}</span>').format(clean(name), shown)

    def sentence(text: str) -> Markup:
        """Set names off from the sentence that they stand in."""
        parts = _NAMES.split(text)
        shown = (
            f"<bdi>{escape(clean(p))}</bdi>" if i % 2 else escape(clean(p))
            for i, p in enumerate(parts)
        )
        return Markup("".join(shown))

    page = gather(run, stages_file, command)
    environment = Environment(
        loader=FileSystemLoader(PARTS),
        autoescape=True,
        finalize=cleaned,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"breakable": breakable, "count": count, "sentence": sentence}
    drawn = _footprint(run, stages_file, page.ids, page.time_bottlenecks)
    scripts = [path.read_text("utf-8") for path in (ECHARTS, PARTS / "report.js")]
    return environment.get_template("report.html").render(
        page=page,
        footprint=Markup(drawn),
        footprint_width=_width(drawn),
        data=htmlsafe_json_dumps(page.chart_data, separators=(",", ":"), allow_nan=False),
        style=Markup((PARTS / "report.css").read_text("utf-8")),
        scripts=[Markup(script) for script in scripts],
        hashes=" ".join(f"'sha256-{_hash(script)}'" for script in scripts),
    )


def _footprint(
    run: Run, stages_file: str | Path | None, ids: dict[str, str], bold: tuple[str, ...]
) -> str:
    graph = run.handed_on(stages_file)
    if not graph:
        return ""
    return drawing.svg(graph, href=lambda stage: f"#{ids.get(stage, 'stages')}", bold=bold)


def _width(svg: str) -> int:
    """Return how wide a drawing is best shown, in CSS pixels: small ones are not blown up."""
    found = re.search(r'viewBox="\S+ \S+ (\S+) ', svg)
    return round(float(found.group(1)) * _PX_PER_PT) if found else 0


def _hash(script: str) -> str:
    """Return what a Content-Security-Policy knows a script by."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
