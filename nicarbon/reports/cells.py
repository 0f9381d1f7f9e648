# SPDX-License-Identifier: Apache-2.0
"""Figures as text, the same in a terminal and on a page."""

from __future__ import annotations

from nicarbon.rows import Row
from nicarbon.units import (
    MARK,
    energy_unit,
    format_duration,
    format_energy,
    format_energy_of,
    format_mass_of,
)

# What the mark says, below a table.
UNMEASURED = f"{MARK} modelled or assumed, not measured: see 'nicarbon doctor'"
# A figure of five digits is better read in the next unit.
_LONGEST = 10_000


def figure_titles(total: Row, is_priced: bool) -> list[str]:
    """Return the titles of the figures that `row_cells` writes, without name and method."""
    grams = ["CO2e"] if is_priced else []
    gpu = ["of GPUs"] if has_gpu(total) else []
    return ["energy", "range", *grams, "share", *gpu, "CPU time", "duration", "nodes"]


def has_gpu(total: Row) -> bool:
    """Tell whether the energy of any GPU is known: it then has a column."""
    return total.gpu_j is not None


def row_cells(row: Row, total: Row, is_priced: bool) -> list[str]:
    """Write a row: its name, the figures of `figure_titles`, its method.

    Parameters
    ----------
    row, total : Row
        The row, and the one that it is a share of.
    is_priced : bool
        Whether there is a cell for grams.
    """
    return [
        row.name,
        format_energy_of(row.energy_j, row.method),
        format_range(row.energy_low_j, row.energy_high_j, of_j=row.energy_j),
        *([format_mass_of(row.carbon_g, row.method)] if is_priced else []),
        format_share(row.energy_j, total.energy_j),
        *([format_energy(row.gpu_j)] if has_gpu(total) else []),
        format_duration(row.cpu_s) + ("+" if row.cpu_incomplete else ""),
        format_duration(row.duration_s),
        _nodes(row),
        row.method or "n/a",
    ]


def _nodes(row: Row) -> str:
    parts = [f"{row.n_cached} cached"] if row.n_cached else []
    parts += [f"{row.n_failed} failed"] if row.n_failed else []
    return f"{row.n_nodes} ({', '.join(parts)})" if parts else str(row.n_nodes)


def format_share(energy_j: float | None, total_j: float | None) -> str:
    """Write a part of an energy in per cent; ``n/a`` where there is no whole.

    Examples
    --------
    >>> format_share(1.0, 3.0), format_share(None, 1.0), format_share(1.0, 0.0)
    ('33.3 %', 'n/a', 'n/a')
    """
    return percent(None if energy_j is None or not total_j else energy_j / total_j)


def percent(share: float | None) -> str:
    """Write a part of the whole in per cent.

    Examples
    --------
    >>> percent(0.3333), percent(1e-6), percent(0.0), percent(None)
    ('33.3 %', '<0.1 %', '0.0 %', 'n/a')
    """
    if share is None:
        return "n/a"
    return f"{100 * share:.1f} %" if share >= 0.0005 or not share else "<0.1 %"


def format_range(
    low_j: float | None, high_j: float | None, between: str = "-", *, of_j: float | None = None
) -> str:
    """Write a range of energy, in the unit of the energy that it is of, else of its high end.

    Examples
    --------
    >>> format_range(8.4, 15.7), format_range(0, 7200), format_range(None, None)
    ('8.4-15.7 J', '0-2 Wh', 'n/a')
    >>> format_range(535, 4477), format_range(535, 4477, of_j=1337)
    ('0.15-1.24 Wh', '535-4477 J')
    """
    if low_j is None or high_j is None:
        return "n/a"
    scale, unit = energy_unit(high_j)
    if of_j is not None and high_j < _LONGEST * energy_unit(of_j)[0]:
        scale, unit = energy_unit(of_j)
    ends = []
    for end_j in (low_j, high_j):
        value, own = format_energy(end_j).split(" ")
        if own != unit:
            ratio = end_j / scale
            value = f"{ratio:.0f}" if ratio >= 100 else f"{ratio:.2g}" if end_j else "0"
        ends.append(value)
    return f"{ends[0]}{between}{ends[1]} {unit}"
