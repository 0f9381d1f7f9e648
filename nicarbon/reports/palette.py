# SPDX-License-Identifier: Apache-2.0
"""Colours that tell stages apart; the colours of energy are in `nicarbon.reports.colours`."""

from __future__ import annotations

from collections.abc import Sequence

# The qualitative scheme of Okabe and Ito (Color Universal Design, 2008, without black), then of
# the schemes "muted" and "vibrant" of Paul Tol (SRON/EPS/TN/09-002, 2021) what differs from it:
# both were made for the colour-blind.
DISTINCT = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#d55e00",
    "#332288",
    "#f0e442",
    "#882255",
    "#999933",
)
# More than that nobody tells apart: the stages of little energy share a grey, and have names.
REST = "#9aa1a9"


def stage_colours(stages: Sequence[str]) -> dict[str, str]:
    """Give each stage a colour, the first ones those that differ most.

    Parameters
    ----------
    stages : sequence of str
        Highest energy first.

    Returns
    -------
    dict
        ``#rrggbb`` by stage.
    """
    return {
        stage: DISTINCT[rank] if rank < len(DISTINCT) else REST
        for rank, stage in enumerate(stages)
    }
