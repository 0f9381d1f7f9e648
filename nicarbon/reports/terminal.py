# SPDX-License-Identifier: Apache-2.0
"""Show summaries in a terminal, or as plain text where the output is none."""

from __future__ import annotations

import io
import shlex
from collections.abc import Sequence
from math import fsum

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from nicarbon.accounts import weakest_of
from nicarbon.energies import HostEnergy
from nicarbon.history import Queue
from nicarbon.notes import count, is_known
from nicarbon.printable import clean
from nicarbon.reports.account_lines import (
    account_methods,
    checks_line,
    device_line,
    sensors_line,
    sum_line,
)
from nicarbon.reports.cells import UNMEASURED, figure_titles, format_range, row_cells
from nicarbon.reports.run_lines import (
    marked_line,
    pricing_command,
    saved_line,
    told_line,
    unclassified,
    waste_line,
)
from nicarbon.rows import Row, add_up
from nicarbon.summary import Summary
from nicarbon.units import MARK, format_duration, format_energy, format_energy_of

# Wide enough that no line of a plain report is ever broken or cut.
PLAIN_WIDTH = 10_000
NARROW = 100
# So many hosts are told one by one, with their sums; more are a table, and very many fold.
N_HOSTS_TOLD = 4
N_HOSTS_SHOWN = 12
# Nobody reads ten thousand nodes in a terminal, and laying them out takes longer than all else.
N_ROWS_SHOWN = 100


def render(
    summaries: Sequence[Summary],
    *,
    width: int | None = None,
    color: bool = False,
    command: str = "",
) -> str:
    """Show summaries one after the other, then what they come to together.

    Parameters
    ----------
    summaries : sequence of Summary
        At least one.
    width : int, optional
        Columns of the terminal; by default plain text that is as wide as its names.
    color : bool, optional
        Whether to use colours.
    command : str, optional
        Arguments that the next command should repeat (``--stages FILE``).

    Returns
    -------
    str
        Lines of text; the last names the next useful command.
    """
    console = new_console(width, color)
    for summary in summaries:
        _show(console, summary, narrow=width is not None and width < NARROW)
        console.print()
    if len(summaries) > 1:
        _show_together(console, summaries)
    for line in _how_to_price(summaries):
        console.print(line, soft_wrap=True)
    console.print(_next(summaries, command), soft_wrap=True)
    return text_of(console)


def new_console(width: int | None, color: bool) -> Console:
    """Return a console that writes into memory and takes nothing as markup."""
    return Console(
        file=io.StringIO(),
        width=width or PLAIN_WIDTH,
        force_terminal=color,
        no_color=not color,
        color_system="auto" if color else None,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )


def text_of(console: Console) -> str:
    """Return what a console of `new_console` holds, without blanks at the ends of lines."""
    out = console.file
    assert isinstance(out, io.StringIO)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def new_table() -> Table:
    """Return an empty table in the house's style."""
    return Table(
        box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1), collapse_padding=True
    )


def _show(console: Console, summary: Summary, narrow: bool) -> None:
    started = f", {summary.started}" if summary.started else ""
    title = f"run {summary.run_id}{started}, {format_duration(summary.duration_s)}"
    console.print(Text(clean(title), style="bold"))
    console.print()
    console.print(_table(summary, narrow))
    console.print()
    n_shown = _n_shown(summary)
    if n_shown < len(summary.rows):
        which = f"the {n_shown} of {len(summary.rows)} rows with the most energy"
        console.print(Text(f"shown are {which}; each has its line with --format tsv"))
    if len(summary.hosts) > N_HOSTS_TOLD:
        console.print(_host_table(summary))
        console.print()
    else:
        for host in summary.hosts:
            _show_host(console, host, summary.labels[host.host])
    if len(summary.hosts) > 1:
        console.print(Text(f"all {len(summary.hosts)} hosts: {_coverage(summary)}"))
    _show_lines(console, summary)


def _show_lines(console: Console, summary: Summary) -> None:
    """Show what is said of the run beside its table and its hosts, a line each."""
    if summary.saved is not None:
        console.print(Text(saved_line(summary.saved, summary.saved_g)))
    if summary.waste is not None:
        console.print(Text(waste_line(summary.waste, summary.total)))
    if summary.told is not None and summary.by == "program":
        console.print(Text(told_line(summary.told)))
    if summary.marked is not None and summary.by == "step":
        console.print(Text(marked_line(summary.marked)))
    if summary.queue is not None:
        console.print(Text(clean(queue_line(summary.queue))))
    if summary.price is not None:
        console.print(Text(clean(f"CO2e at {summary.price}")))
    if _is_marked(summary):
        console.print(Text(UNMEASURED))
    for line in (*unclassified(summary), *summary.notes):
        console.print(Text(clean(f"! {line}"), style="yellow"))


def _table(summary: Summary, narrow: bool) -> Table:
    """Lay out the rows, the least of very many as one; the column of energy still adds up.

    In a narrow terminal what the hosts' lines repeat is left out.
    """
    table = new_table()
    table.add_column(summary.by, overflow="fold", no_wrap=not narrow, min_width=8)
    is_priced = summary.price is not None
    for title in figure_titles(summary.total, is_priced):
        table.add_column(title, justify="right", no_wrap=True)
    if not narrow:
        table.add_column("method", no_wrap=True)
    n_shown = _n_shown(summary)
    for row in summary.rows[:n_shown]:
        table.add_row(*_cells(row, summary.total, narrow, is_priced))
    if n_shown < len(summary.rows):
        table.add_row(*_rest(summary.rows[n_shown:], summary, narrow))
    table.add_section()
    table.add_row(*_cells(summary.total, summary.total, narrow, is_priced), style="bold")
    return table


def _n_shown(summary: Summary) -> int:
    n = len(summary.rows)
    return N_ROWS_SHOWN if n > N_ROWS_SHOWN + 1 else n


def _rest(rows: Sequence[Row], summary: Summary, narrow: bool) -> list[Text]:
    """Write many rows as one: what adds up; their range and duration do not."""
    is_priced = summary.price is not None
    rest = add_up(f"({len(rows)} more)", rows)
    titles = [summary.by, *figure_titles(summary.total, is_priced)]
    return [
        Text("" if title in ("range", "duration") else cell.plain)
        for title, cell in zip(
            [*titles, *([] if narrow else ["method"])],
            _cells(rest, summary.total, narrow, is_priced),
            strict=True,
        )
    ]


def _cells(row: Row, total: Row, narrow: bool, is_priced: bool) -> list[Text]:
    cells = row_cells(row, total, is_priced)
    return [Text(clean(cell)) for cell in (cells[:-1] if narrow else cells)]


def _show_host(console: Console, host: HostEnergy, label: str) -> None:
    console.print(Text(clean(f"host {label}: {sensors_line(host)}")))
    if is_known(host):
        console.print(Text(f"  {sum_line(host)}"))
        for device in host.devices:
            console.print(Text(clean(f"  of it {device_line(device)}")))
    if host.checks:
        console.print(Text(clean(f"  {checks_line(host)}")))
    for sensor in host.sensors:
        if sensor.note and sensor.domains:
            console.print(Text(clean(f"  {sensor.name}: {sensor.note}")))


def _host_table(summary: Summary) -> Table:
    """Lay out many hosts, one a row; the least of very many are folded into one row."""
    table = new_table()
    table.add_column("host", overflow="fold", min_width=8)
    for title in ("energy", "range", "in nodes", "time"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("sensors")
    hosts = sorted(summary.hosts, key=lambda host: (-host.energy_j, summary.labels[host.host]))
    n_shown = N_HOSTS_SHOWN if len(hosts) > N_HOSTS_SHOWN + 1 else len(hosts)
    for host in hosts[:n_shown]:
        sensors = sensors_line(host)
        _add_hosts(table, summary.labels[host.host], [host], sensors)
    folded = hosts[n_shown:]
    if folded:
        sensors = " or ".join(sorted({sensors_line(host) for host in folded}))
        _add_hosts(table, f"{len(folded)} more hosts", folded, sensors)
    return table


def _add_hosts(table: Table, name: str, hosts: Sequence[HostEnergy], sensors: str) -> None:
    known = [host for host in hosts if is_known(host)]
    energy_j = fsum(host.energy_j for host in known)
    low_j = fsum(host.energy_low_j for host in known)
    high_j = fsum(host.energy_high_j for host in known)
    method = weakest_of(account_methods(known))
    share = fsum(host.nodes_j for host in known) / energy_j if energy_j else None
    cells = (
        name,
        format_energy_of(energy_j if known else None, method),
        format_range(low_j, high_j, of_j=energy_j) if known else "n/a",
        "n/a" if share is None else f"{100 * share:.0f} %",
        format_duration(fsum(host.duration_s for host in hosts)),
        sensors,
    )
    table.add_row(*(Text(clean(cell)) for cell in cells))


def queue_line(queue: Queue) -> str:
    """Say how long jobs waited, which is in no duration of the table."""
    parts = []
    if queue.n_jobs == 1:
        parts.append(
            f"1 job waited {format_duration(queue.longest_s)} before it ran ({queue.longest})"
        )
    elif queue.n_jobs:
        parts.append(
            f"{count(queue.n_jobs, 'job')} waited {format_duration(queue.total_s)} in all before "
            f"they ran, at most {format_duration(queue.longest_s)} ({queue.longest})"
        )
    if queue.n_unknown:
        parts.append(f"the wait of {count(queue.n_unknown, 'job')} is not known")
    return f"queue: {'; '.join(parts)}"


def _coverage(summary: Summary) -> str:
    energy_j = fsum(host.energy_j for host in summary.hosts if is_known(host))
    if summary.coverage is None:
        return "no energy reading"
    return f"{format_energy(energy_j)}, {100 * summary.coverage:.0f} % in nodes"


def _is_marked(summary: Summary) -> bool:
    return any(row.method not in (None, "measured") for row in summary.rows)


def _show_together(console: Console, summaries: Sequence[Summary]) -> None:
    """Add up runs; two runs on one host at once each got their own share of it."""
    known = [s.total.energy_j for s in summaries if s.total.energy_j is not None]
    mark = MARK if any(_is_marked(summary) for summary in summaries) else ""
    energy = mark + format_energy(fsum(known)) if known else "n/a"
    without = len(summaries) - len(known)
    lacking = f" ({count(without, 'run')} without energy)" if without else ""
    n_nodes = sum(summary.total.n_nodes for summary in summaries)
    cpu = format_duration(fsum(summary.total.cpu_s for summary in summaries))
    text = f"{len(summaries)} runs: {energy} in {count(n_nodes, 'node')}, {cpu} CPU time{lacking}"
    console.print(Text(text, style="bold"))
    console.print()


def _how_to_price(summaries: Sequence[Summary]) -> list[Text]:
    """Say how the first run that has energy and no price gets one."""
    unpriced = [s for s in summaries if s.price is None and s.total.energy_j is not None]
    return [Text(clean(f"grams: {pricing_command(s.path)}")) for s in unpriced[:1]]


def _next(summaries: Sequence[Summary], command: str) -> Text:
    """Name the next useful command: the nodes of what is shown, or a table of them."""
    paths = " ".join(shlex.quote(summary.path) for summary in summaries[:1])
    by = summaries[0].by
    inside = [("step", summaries[0].marked), ("program", summaries[0].told)]
    steps = ["stage", "node", *(step for step, is_known in inside if is_known)]
    deeper = f"--by {by} --format tsv"
    if by in steps[:-1]:
        deeper = f"--by {steps[steps.index(by) + 1]}"
    return Text(clean(f"next: nicarbon summary {paths} {deeper}{command}"))
