# SPDX-License-Identifier: Apache-2.0
"""The tables of the report page of what stages, nodes, programs and steps used.

Texts are those of the terminal's tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from nicarbon.energies import SpanEnergy
from nicarbon.marked import Step
from nicarbon.reports.cells import figure_titles, has_gpu, row_cells
from nicarbon.reports.page_answers import Share
from nicarbon.reports.page_table import Bar, Cell, Column, Table, columns, memory
from nicarbon.rows import Row, outcome
from nicarbon.summary import Summary
from nicarbon.units import format_duration

N_NODES = 30


def stage_table(
    summary: Summary,
    shares: Mapping[str, Share],
    colours: Mapping[str, str],
    ids: Mapping[str, str],
) -> Table:
    """Return one row a stage, as `nicarbon summary` shows it, with the range of its share."""
    is_priced = summary.price is not None
    titles = ["stage", *figure_titles(summary.total, is_priced)]
    at = titles.index("share")
    widest = max((share.high for share in shares.values()), default=0.0) or 1.0
    rows = []
    for row in summary.rows:
        cells = _row(row, summary.total, is_priced, colours[row.name])
        share = shares.get(row.name)
        if share is not None:
            width, low, high = (100 * x / widest for x in (share.share, share.low, share.high))
            bar = Bar(width, low, high, colours[row.name])
            cells[at] = Cell(f"{cells[at].text} ({share})", share.share, bar=bar)
        rows.append(tuple(cells))
    return Table(
        "Energy by stage",
        (*columns(titles), Column("method", "word")),
        tuple(rows),
        tuple(_row(summary.total, summary.total, is_priced)),
        tuple(ids[row.name] for row in summary.rows),
        is_sortable=True,
    )


def node_table(
    summary: Summary,
    spans: Mapping[str, Sequence[SpanEnergy]],
    stage_of: Mapping[str, str],
    colours: Mapping[str, str],
) -> Table:
    """Return the nodes that used most: of energy, or of CPU time where no energy is known.

    Parameters
    ----------
    summary : Summary
        By node.
    spans : mapping
        Executions by node.
    stage_of, colours : mapping
        Stage by node, and colour by stage.
    """
    is_priced = summary.price is not None
    has_memory = any(row.peak_memory_bytes is not None for row in summary.rows)
    rows = []
    for row in most_used(summary.rows):
        cells = _row(row, summary.total, is_priced)
        ended = outcome(spans[row.name])
        errors = sorted({s.error for s in spans[row.name] if s.error and ended == s.outcome})
        said = f"{ended}: {', '.join(errors)}" if errors else ended
        stage = stage_of[row.name]
        rows.append(
            (
                cells[0],
                Cell(stage, colour=colours[stage]),
                *cells[1:-2],
                *([_memory_cell(row.peak_memory_bytes)] if has_memory else []),
                Cell(said),
                cells[-1],
            )
        )
    titles = figure_titles(summary.total, is_priced)[:-1]
    titles += ["peak memory"] if has_memory else []
    return Table(
        "Nodes that used most",
        (
            Column("node", "name"),
            Column("stage", "text"),
            *(Column(title) for title in titles),
            Column("outcome", "note"),
            Column("method", "word"),
        ),
        tuple(rows),
        is_sortable=True,
    )


def program_table(summary: Summary) -> Table:
    """Return the programs that used most, of all nodes together.

    Parameters
    ----------
    summary : Summary
        By program.
    """
    is_priced = summary.price is not None
    titles = figure_titles(summary.total, is_priced)
    return Table(
        "Programs that used most",
        (*columns(["program", *titles]), Column("method", "word")),
        tuple(tuple(_row(row, summary.total, is_priced)) for row in most_used(summary.rows)),
        is_sortable=True,
    )


def step_table(summary: Summary, colours: Mapping[str, str]) -> Table:
    """Return the steps inside nodes that used most, with what programs say of them.

    Parameters
    ----------
    summary : Summary
        By step.
    colours : mapping
        Colour of each stage.
    """
    is_priced = summary.price is not None
    titles = ["energy", "range", *(["CO2e"] if is_priced else []), "share", "CPU time", "duration"]
    known = summary.marked.steps if summary.marked is not None else {}
    rows = []
    for row in most_used(summary.rows):
        cells = _row(row, summary.total, is_priced)
        stage = summary.stages.get(row.name, "")
        step = known.get(row.name)
        rows.append(
            (
                cells[0],
                Cell(stage or "", colour=colours.get(stage, "")),
                *cells[1:],
                Cell(seen_cpu(step), None if step is None else step.seen_cpu_s),
            )
        )
    return Table(
        "Steps that used most",
        (
            Column("step", "name"),
            Column("stage", "text"),
            *(Column(title) for title in [*titles, "nodes"]),
            Column("method", "word"),
            Column("CPU time by programs"),
        ),
        tuple(rows),
        is_sortable=True,
    )


def seen_cpu(step: Step | None) -> str:
    """Say what programs that were seen say of a step's CPU time.

    Examples
    --------
    >>> seen_cpu(Step("recon-all", "Fill", None, 10.0, 9.0, 0.6)), seen_cpu(None)
    ('9 s ± 0.6 s', 'n/a')
    """
    if step is None or step.seen_cpu_s is None or step.error_cpu_s is None:
        return "n/a"
    return f"{format_duration(step.seen_cpu_s)} ± {format_duration(step.error_cpu_s)}"


def most_used(rows: Iterable[Row]) -> list[Row]:
    """Return the rows that used most, those without energy by their CPU time."""
    return sorted(rows, key=lambda row: (-(row.energy_j or 0.0), -row.cpu_s, row.name))[:N_NODES]


def _row(row: Row, total: Row, is_priced: bool, colour: str = "") -> list[Cell]:
    texts = row_cells(row, total, is_priced)
    grams = [row.carbon_g] if is_priced else []
    gpu = [row.gpu_j] if has_gpu(total) else []
    keys = [None, row.energy_j, row.energy_high_j, *grams, row.energy_j, *gpu, row.cpu_s]
    keys += [row.duration_s, float(row.n_nodes), None]
    cells = [Cell(text, key) for text, key in zip(texts, keys, strict=True)]
    return [Cell(texts[0], colour=colour), *cells[1:]]


def _memory_cell(memory_bytes: int | None) -> Cell:
    return Cell(memory(memory_bytes), None if memory_bytes is None else float(memory_bytes))
