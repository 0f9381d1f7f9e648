# SPDX-License-Identifier: Apache-2.0
"""Show what trackers said of the same load."""

from __future__ import annotations

from rich.text import Text

from nicarbon.printable import clean
from nicarbon.reports.terminal import new_console, new_table, text_of
from nicarbon.trials.results import COUNTERS, Row, Trials
from nicarbon.units import format_duration, format_energy

TITLES = (
    "tracker",
    "reports",
    "asleep",
    "CPU seen",
    "4 at once",
    "own CPU",
    "adds",
    "network",
    "after a kill",
    "remarks",
)
_NONE = "n/a"
_WIDTH = 120
_EXPLAINED = """\
reports: joules of the load, without a PUE. asleep: watts given to a process that slept as long.
CPU seen: the part of the load's CPU time that it saw; of a tracker that reports joules alone, \
the joules of CPU for a CPU second, over those of one long process (n/a: it measures the machine).
4 at once: joules of four loads at once, each under a tracker of its own, over those of one \
around them; 1 is right.
own CPU: CPU seconds beside the load's. adds: seconds before and after the load.
network: whether its code asked for it; it was refused all, and did without unless it failed.
after a kill: what was recorded when the process that started the load got SIGKILL."""


def render(trials: Trials, *, width: int | None = None, color: bool = False) -> str:
    """Show the trials as a table, what there is to say of each, and what the columns mean.

    Parameters
    ----------
    trials : Trials
        What was found.
    width : int, optional
        Columns of the terminal.
    color : bool, optional
        Whether to use colours.
    """
    console = new_console(width or _WIDTH, color)
    table = new_table()
    for title in TITLES[:-1]:
        is_figure = title not in ("tracker", "network", "after a kill")
        table.add_column(
            title, justify="right" if is_figure else "left", overflow="fold", no_wrap=is_figure
        )
    said = []
    for row in trials.rows:
        name, *figures, remarks = cells(row)
        table.add_row(*[Text(clean(cell)) for cell in (row.name, *figures)])
        said.append(f"{name}: {remarks}" if remarks else name)
    console.print(table)
    console.print()
    for line in said:
        console.print(Text(clean(line)), soft_wrap=True)
    console.print(Text(clean(conditions(trials))), soft_wrap=True)
    asked = {row.name: row.load.asked for row in trials.rows if row.load.asked}
    for name, hosts in asked.items():
        console.print(Text(clean(f"{name} asked for {', '.join(hosts)}")), soft_wrap=True)
    console.print(Text(_EXPLAINED), soft_wrap=True)
    return text_of(console)


def conditions(trials: Trials) -> str:
    """Say what ran, on what and when."""
    known = next((row.load for row in trials.rows if row.load.true_cpu_s is not None), None)
    used = "" if known is None else f", {known.true_cpu_s:.1f} CPU s under the first of them"
    return (
        f"load: {trials.load}{used}; {trials.machine}; load average {trials.busy:.1f} "
        f"before it began; {trials.date} UTC"
    )


def tsv(trials: Trials) -> str:
    """Return the cells with tabs between them."""
    lines = [TITLES, *(cells(row) for row in trials.rows)]
    return "".join("\t".join(clean(cell) for cell in line) + "\n" for line in lines)


def cells(row: Row) -> tuple[str, ...]:
    """Return a tracker's cells, one for each of `TITLES`."""
    load = row.load
    name = row.name if load.version is None else f"{row.name} {load.version}"
    if load.problem:
        return (name, "no figure", *[_NONE] * 5, _network(row), _NONE, _failed(row))
    mark = "" if load.method == "measured" else "~"
    return (
        name,
        f"{mark}{format_energy(load.total_j)}",
        _NONE if row.idle_w is None else f"{row.idle_w:.2f} W",
        _NONE if row.seen is None else f"{100 * row.seen:.0f} %",
        _NONE if row.over_count is None else f"{row.over_count:.2f}",
        _NONE if row.own_cpu_s is None else f"{row.own_cpu_s:.2f} s",
        format_duration(row.own_duration_s),
        _network(row),
        _killed(row),
        _remarks(row),
    )


def _failed(row: Row) -> str:
    """Say why there is no figure; one that asked for the network may have failed without it."""
    if not row.load.asked:
        return row.load.problem
    return (
        f"it wants {', '.join(row.load.asked)}, was refused all network, and failed: "
        f"{row.load.problem}"
    )


def _network(row: Row) -> str:
    if row.name == COUNTERS:
        return _NONE
    if row.load.asked:
        return "asked, failed" if row.load.problem else "asked"
    return "not asked" if not row.load.problem else _NONE


def _killed(row: Row) -> str:
    if row.kill is None:
        return _NONE
    if row.kill.problem:
        return row.kill.problem
    kept = f"kept {row.kill.kept}" if row.kill.kept else "nothing"
    return f"{kept}, {row.kill.n_left} left running" if row.kill.n_left else kept


def _remarks(row: Row) -> str:
    """Say of which parts its joules are, and what of other trials failed."""
    parts = [f"{part} {format_energy(j)}" for part, j in row.load.energy_j.items() if j]
    said = [" + ".join(parts)] if len(parts) > 1 else []
    for what, trial in (("one process", row.one), ("asleep", row.idle)):
        if trial is not None and trial.problem:
            said.append(f"{what}: {trial.problem}")
    if row.load.n_left:
        said.append(f"{row.load.n_left} left running")
    return "; ".join(said)
