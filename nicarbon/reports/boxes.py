# SPDX-License-Identifier: Apache-2.0
"""What the boxes, lines and legend of a footprint picture say, as Graphviz's HTML-like labels.

Pure text: nothing here draws. Names come from pipelines: all of them pass `escape`.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from math import fsum
from typing import TYPE_CHECKING, Any

from nicarbon.notes import count
from nicarbon.printable import clean
from nicarbon.reports.cells import format_range, format_share
from nicarbon.reports.colours import SCALE, fill_of, ink_on
from nicarbon.units import MARK, format_duration, format_energy, format_energy_of, format_mass_of

if TYPE_CHECKING:
    from nicarbon.graph import FootprintGraph

# Longer names are shortened in their middle; the whole name is in the title of the box.
N_NAME = 34
# Lines and the legend: readable on white, and replaced by the page's own colour within a page.
INK = "#444444"
SMALL = 12


def shortened(name: str, length: int = N_NAME) -> str:
    """Leave out the middle of a long name: pipelines differ at both ends.

    Examples
    --------
    >>> shortened("bold_preproc_wf.bold_reg_wf.mri_coreg", 21)
    'bold_prepr….mri_coreg'
    >>> shortened("fast")
    'fast'
    """
    if len(name) <= length:
        return name
    at_end = (length - 1) // 2
    return f"{name[: length - 1 - at_end]}…{name[len(name) - at_end :]}"


def escape(text: str) -> str:
    """Make a name safe for a label: no control characters, markup, entities or escapes."""
    return html.escape(clean(text)).replace("\\", "\\\\")


class Scale:
    """What the boxes of one picture are compared with.

    Attributes
    ----------
    total_j, greatest_j : float
        Energy of all nodes, and of the one that used most.
    has_energy, is_modelled : bool
        Whether any node has energy, and whether any of it is not measured.
    is_priced : bool
        Whether any node has grams.
    """

    def __init__(self, graph: FootprintGraph) -> None:
        rows = [data for _, data in graph.nodes(data=True)]
        known = [row["energy_j"] for row in rows if row["energy_j"] is not None]
        self.total_j = fsum(known)
        self.greatest_j = max(known, default=0.0)
        self.has_energy = bool(known)
        self.is_modelled = any(row["method"] not in (None, "measured") for row in rows)
        self.is_priced = any(row["carbon_g"] is not None for row in rows)


def box(name: str, data: Mapping[str, Any], scale: Scale) -> dict[str, str]:
    """Return the Graphviz attributes of a node's box; that of one node has no range, for room."""
    fill = fill_of(data["energy_j"], scale.greatest_j)
    heading, *lines = [name, *figures(data, scale)]
    if "nodes" not in data:
        workflow = [data["workflow"]] if data["workflow"] else []
        heading = name.removeprefix(".".join([*workflow, ""]))
        lines = [*workflow, *figures(data, scale, with_range=False), data["stage"]]
    small = "".join(f"<BR/>{escape(shortened(line))}" for line in lines)
    return {
        "label": f'<<B>{escape(shortened(heading))}</B><FONT POINT-SIZE="{SMALL}">{small}</FONT>>',
        "fillcolor": fill,
        "fontcolor": ink_on(fill),
        "style": "rounded,filled" if data["energy_j"] is not None else "rounded,filled,dashed",
    }


def figures(data: Mapping[str, Any], scale: Scale, *, with_range: bool = True) -> list[str]:
    """Return the lines below a name: energy and share, its range, grams if priced, time, nodes."""
    energy = format_energy_of(data["energy_j"], data["method"])
    share = format_share(data["energy_j"], scale.total_j)
    lines = [energy if data["energy_j"] is None else f"{energy}, {share}"]
    if with_range and data["energy_j"] is not None:
        lines.append(
            f"({format_range(data['energy_low_j'], data['energy_high_j'], of_j=data['energy_j'])})"
        )
    if scale.is_priced:
        lines.append(f"{format_mass_of(data['carbon_g'], data['method'])} CO2e")
    n_nodes = data["n_nodes"] + data["n_missing"]
    nodes = [] if n_nodes == 1 and "nodes" not in data else [count(n_nodes, "node")]
    return [*lines, ", ".join([format_duration(data["duration_s"]), *nodes])]


def title(name: str, data: Mapping[str, Any], scale: Scale) -> str:
    """Say in one line, for a tooltip and for who cannot see the box, what it shows."""
    stage = [] if "nodes" in data else [data["stage"]]
    return clean(f"{name}: {', '.join([*stage, *figures(data, scale)])}")


def legend(scale: Scale, bold_means: str | None, has_counts: bool, note: str | None = None) -> str:
    """Return the legend, an HTML-like label; empty where there is nothing to say.

    Parameters
    ----------
    scale : Scale
        Of the picture.
    bold_means : str or None
        What a double border says; None where no box has one.
    has_counts : bool
        Whether an arrow stands for several dependencies.
    note : str, optional
        What else is to be known of the picture.
    """
    cells = "".join(f'<TD BGCOLOR="{fill}" WIDTH="26" HEIGHT="12"></TD>' for fill in SCALE)
    rows = []
    if scale.has_energy:
        most = escape((MARK if scale.is_modelled else "") + format_energy(scale.greatest_j))
        rows.append(f"<TD>energy: 0</TD>{cells}<TD>{most}</TD>")
    said = []
    if scale.is_modelled:
        said.append(f"{MARK} modelled or assumed, not measured")
    if bold_means:
        said.append(f"double border: {bold_means}")
    if has_counts:
        said.append("number on an arrow: dependencies that it stands for")
    if note:
        said.append(note)
    rows += [f'<TD COLSPAN="{len(SCALE) + 2}" ALIGN="LEFT">{escape(line)}</TD>' for line in said]
    if not rows:
        return ""
    # Graphviz puts it right below the lowest box.
    table = "".join(f"<TR>{row}</TR>" for row in ('<TD HEIGHT="12"></TD>', *rows))
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="3">{table}</TABLE>>'
