# SPDX-License-Identifier: Apache-2.0
"""The tables of the report page: cells with their text, and what they are sorted by.

Texts are those of the terminal's tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from nicarbon.bottleneck import Bottlenecks, Phase, StageGroup
from nicarbon.critical import CriticalPath
from nicarbon.energies import HostEnergy, SpanEnergy
from nicarbon.marked import Step
from nicarbon.notes import is_known
from nicarbon.records import Host, Sensor
from nicarbon.reports.bottleneck import (
    longest_steps,
    phase_cells,
    rest_cells,
    stage_cells,
    step_cells,
    time_parts,
)
from nicarbon.reports.cells import (
    account,
    check_texts,
    device_numbers,
    figure_titles,
    format_range,
    has_gpu,
    percent,
    row_cells,
    sensors_line,
)
from nicarbon.reports.page_answers import Share
from nicarbon.rows import Row, outcome
from nicarbon.summary import Summary
from nicarbon.units import energy_unit, format_duration

N_NODES = 30
BYTES_PER_GIB = 2**30


class Bar(msgspec.Struct, frozen=True):
    """A bar and its range, in per cent of the widest of its column."""

    width: float
    low: float
    high: float
    colour: str


class Cell(msgspec.Struct, frozen=True):
    """One cell.

    Attributes
    ----------
    text : str
        What it shows.
    key : float or None
        What a column of numbers is sorted by; None comes last.
    colour : str
        Of the swatch before the text; may be empty.
    bar : Bar or None
        Drawn below the text.
    """

    text: str
    key: float | None = None
    colour: str = ""
    bar: Bar | None = None


class Column(msgspec.Struct, frozen=True):
    """A column: `kind` is ``name``, ``number``, ``text``, ``note`` or ``word``."""

    title: str
    kind: str = "number"


class Table(msgspec.Struct, frozen=True):
    """A table, whose first column holds the rows' headers.

    Attributes
    ----------
    ids : tuple of str
        Anchors: none, or one for each row.
    total : tuple of Cell
        The last row; may be empty.
    is_sortable : bool
        Whether its headers are buttons where scripts run.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: tuple[Cell, ...] = ()
    ids: tuple[str, ...] = ()
    is_sortable: bool = False


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
        (*_columns(titles), Column("method", "word")),
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
        (*_columns(["program", *titles]), Column("method", "word")),
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


def _columns(titles: Sequence[str]) -> tuple[Column, ...]:
    return (Column(titles[0], "name"), *(Column(title) for title in titles[1:]))


def _row(row: Row, total: Row, is_priced: bool, colour: str = "") -> list[Cell]:
    texts = row_cells(row, total, is_priced)
    grams = [row.carbon_g] if is_priced else []
    gpu = [row.gpu_j] if has_gpu(total) else []
    keys = [None, row.energy_j, row.energy_high_j, *grams, row.energy_j, *gpu, row.cpu_s]
    keys += [row.duration_s, float(row.n_nodes), None]
    cells = [Cell(text, key) for text, key in zip(texts, keys, strict=True)]
    return [Cell(texts[0], colour=colour), *cells[1:]]


def path_table(path: CriticalPath, colours: Mapping[str, str]) -> Table:
    """Return the nodes of the critical path in their order, the longest if there are many."""
    shown, rest = longest_steps(path)
    rows = []
    for step in shown:
        cells = [Cell(text) for text in step_cells(step, path)]
        cells[1] = Cell(step.stage, colour=colours[step.stage])
        rows.append(tuple(cells))
    if rest:
        rows.append(tuple(Cell(text) for text in rest_cells(rest, path)))
    titles = ("at", "duration", "share", "waited before")
    return Table(
        "Critical path",
        (Column("node", "name"), Column("stage", "text"), *(Column(title) for title in titles)),
        tuple(rows),
    )


def time_table(path: CriticalPath) -> Table:
    """Return the parts of the run's time, which add up to it."""

    def cells(name: str, seconds: float) -> tuple[Cell, ...]:
        share = seconds / path.total_s if path.total_s else None
        return Cell(name), Cell(format_duration(seconds)), Cell(percent(share))

    return Table(
        "Where the run's time went",
        _columns(("part", "duration", "share")),
        tuple(cells(name, seconds) for name, seconds in time_parts(path)),
        cells("total", path.total_s),
    )


def group_table(found: Bottlenecks, colours: Mapping[str, str]) -> Table:
    """Return the stages in groups: which limit time, which energy, which could go slower."""
    titles = ("on the path", "share of path", "slack", "energy", "range", "share of energy")
    return Table(
        "Bottlenecks by stage",
        (
            Column("stage", "name"),
            Column("bottleneck of", "text"),
            *(Column(title) for title in titles),
        ),
        tuple(_group(row, colours[row.stage]) for row in found.stages),
    )


def _group(row: StageGroup, colour: str) -> tuple[Cell, ...]:
    texts = stage_cells(row)
    return (Cell(texts[0], colour=colour), *(Cell(text) for text in texts[1:]))


def phase_table(found: Bottlenecks) -> Table:
    """Return what the hosts used while nodes of the path ran, others too, or none."""

    def cells(phase: Phase) -> tuple[Cell, ...]:
        return tuple(Cell(text) for text in phase_cells(phase, found))

    return Table(
        "Energy of the hosts meanwhile",
        _columns(("while there ran", "duration", "hosts' energy", "range")),
        tuple(cells(phase) for phase in found.phases),
    )


def account_table(summary: Summary) -> Table:
    """Return the sum of each host, part by part, with its residual."""
    rows = []
    for host in summary.hosts:
        label = summary.labels[host.host]
        if not is_known(host):
            rows.append((Cell(label), *(Cell("n/a") for _ in range(8))))
            continue
        told = account(host)
        parts = [Cell(f"{number} {told.unit}") for _, number in told.parts]
        total = Cell(f"{told.total} {told.unit}")
        between = Cell(f"{told.low}-{told.high} {told.unit}")
        rows.append((Cell(label), *parts, total, between, Cell(f"{host.residual_j:.2g} J")))
    titles = ("nodes", "engine", "meter", "other", "unattributed", "= total", "range", "residual")
    return Table("The sum, host by host", _columns(("host", *titles)), tuple(rows))


def device_table(summary: Summary) -> Table:
    """Return the sum of each GPU, which is a part of its host's."""
    rows = []
    for host in summary.hosts:
        for device in host.devices:
            _, unit = energy_unit(device.energy_j)
            name = f"{summary.labels[host.host]}: {device.name}"
            rows.append(
                (
                    Cell(f"{name} ({device.card})" if device.card else name),
                    *(Cell(f"{number} {unit}") for number in device_numbers(device).values()),
                    Cell(format_range(device.energy_low_j, device.energy_high_j)),
                    Cell(format_duration(device.sm_s), device.sm_s),
                    Cell(f"{device.residual_j:.2g} J"),
                )
            )
    titles = ("nodes", "held but idle", "engine", "other", "unattributed", "= total")
    return Table(
        "The sum, GPU by GPU",
        _columns(("GPU", *titles, "range", "GPU time", "residual")),
        tuple(rows),
    )


def sensor_table(summary: Summary) -> Table:
    """Return the sensors of each host: what they read, how, and what that lacks."""
    rows = [
        (
            Cell(f"{summary.labels[host.host]}: {sensor.name}"),
            Cell(sensor.method),
            Cell(", ".join(d.name for d in sensor.domains if d.account) or "-"),
            Cell(", ".join(d.name for d in sensor.domains if not d.account) or "-"),
            Cell(_says(host, sensor.name)),
            Cell(_error(sensor)),
            Cell(sensor.note or "-"),
        )
        for host in summary.hosts
        for sensor in host.sensors
    ]
    for host in summary.hosts:
        for name in dict.fromkeys(check.sensor for check in host.checks if check.job):
            where = Cell(f"{summary.labels[host.host]}: {name}")
            whole = Cell("the whole host while a job ran")
            says = Cell(_says(host, name))
            rows.append((where, Cell("measured"), Cell("-"), whole, says, Cell("n/a"), Cell("-")))
    titles = ("method", "counted", "beside, not added", "which says", "error", "note")
    return Table(
        "Sensors",
        (Column("host: sensor", "name"), *(Column(title, "text") for title in titles)),
        tuple(rows),
    )


def _says(host: HostEnergy, name: str) -> str:
    """Write what a sensor's checks say."""
    return "; ".join(check_texts(host, name)) or "-"


def _error(sensor: Sensor) -> str:
    if any(domain.model for domain in sensor.domains):
        return "the model's own"
    return f"±{100 * sensor.relative_error:g} %"


def host_table(summary: Summary, headers: Mapping[str, Host]) -> Table:
    """Return what is known of each host's hardware.

    Parameters
    ----------
    summary : Summary
        The run.
    headers : mapping
        What the samplers say of a host, by its id.
    """
    rows = []
    for host in summary.hosts:
        header = headers.get(host.host)
        rows.append(
            (
                Cell(summary.labels[host.host]),
                Cell((header.cpu_model if header else "") or "n/a"),
                Cell(str(header.n_cpus) if header and header.n_cpus else "n/a"),
                Cell(_memory(header.memory_bytes if header else None)),
                Cell(format_duration(header.interval_s) if header else "n/a"),
                Cell(format_duration(host.duration_s)),
                Cell(sensors_line(host)),
            )
        )
    return Table(
        "Hosts",
        (
            Column("host", "name"),
            Column("processor", "text"),
            Column("CPUs"),
            Column("memory"),
            Column("first sampled every"),
            Column("served the run for"),
            Column("sensors", "text"),
        ),
        tuple(rows),
    )


def _memory_cell(memory_bytes: int | None) -> Cell:
    return Cell(_memory(memory_bytes), None if memory_bytes is None else float(memory_bytes))


def _memory(memory_bytes: int | None) -> str:
    return "n/a" if not memory_bytes else f"{memory_bytes / BYTES_PER_GIB:.3g} GiB"
