# SPDX-License-Identifier: Apache-2.0
"""Show which rule named each node's stage: a table to read, one node explained, TSV or JSON."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from rich.text import Text

from nicarbon.flow import HINT, INPUTS, UNCLASSIFIED, USERS
from nicarbon.notes import count
from nicarbon.printable import clean
from nicarbon.reasons import Reason, Reasons
from nicarbon.reports.cells import UNMEASURED, format_range, percent
from nicarbon.reports.tables import cell
from nicarbon.reports.terminal import new_console, new_table, text_of
from nicarbon.units import format_energy_of

COLUMNS = ("name", "stage", "rule")
# A suggestion is to be read and cut down: more names than these are a file of their own.
N_SUGGESTED = 12
_WAYS = {
    "given": "given to the node in Python: node.stage = ...",
    "rule": "named by this rule",
    USERS: "a generic operation: it has the stage of the nodes that use its result",
    INPUTS: "a generic operation, and nothing that has a stage uses its result: "
    "it has the stage of the nodes before it",
    HINT: "a generic operation whose result no node uses: named by the hint",
    "none": "a generic operation, and no node before or after it has a stage",
}


def render(
    found: Reasons,
    source: str,
    rank: Mapping[str, int],
    *,
    width: int | None = None,
    color: bool = False,
    command: str = "",
) -> str:
    """Show every node with its stage and rule, and what no rule names.

    Parameters
    ----------
    found : Reasons
        The nodes.
    source : str
        The run folder or the graph's file.
    rank : mapping
        Place of each stage in the vocabulary: nodes of one stage stand together.
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
    table = new_table()
    table.add_column("node", overflow="fold", no_wrap=width is None)
    table.add_column("stage", no_wrap=True)
    table.add_column("rule", overflow="fold")
    for reason in sorted(found.nodes, key=lambda reason: rank.get(reason.stage, len(rank))):
        style = "yellow" if reason.stage == UNCLASSIFIED else None
        table.add_row(*(Text(clean(text)) for text in _row(reason)), style=style)
    console.print(table)
    console.print()
    mark = "! " if found.n_unclassified else ""
    console.print(Text(clean(mark + share_line(found))), soft_wrap=True)
    if _is_marked(found):
        console.print(Text(UNMEASURED))
    quoted = shlex.quote(source)
    if found.n_unclassified:
        for line in _suggestion(found.nodes):
            console.print(Text(clean(line)), soft_wrap=True)
        after = f"nicarbon stages {quoted}{command or ' --stages mine.toml'}"
    else:
        node = shlex.quote(found.nodes[0].name) if found.nodes else "NODE"
        after = f"nicarbon stages {quoted} --explain {node}{command}"
    console.print(Text(clean(f"next: {after}")), soft_wrap=True)
    return text_of(console)


def _row(reason: Reason) -> tuple[str, str, str]:
    return reason.name, reason.stage, rule_text(reason) or "n/a"


def rule_text(reason: Reason) -> str | None:
    """Say in a few words what named a node; None where nothing did."""
    if reason.way == "given":
        return "node.stage"
    return ", ".join(text for text in (reason.rule, reason.hint) if text) or None


def share_line(found: Reasons) -> str:
    """Say how many nodes are unclassified, and which part of the energy, where it is known."""
    nodes = count(len(found.nodes), "node")
    line = f"{found.n_unclassified} of {nodes} unclassified, {percent(found.node_share)}"
    if found.unclassified is None or found.total is None:
        return line
    if found.energy_share is None:
        return f"{line}; n/a of the energy"
    share, low, high = found.energy_share
    if not share:
        return f"{line}; no part of the nodes' energy"
    row = found.unclassified
    return (
        f"{line}; {percent(share)} ({percent(low)} to {percent(high)}) of the nodes' energy: "
        f"{format_energy_of(row.energy_j, row.method)} "
        f"({format_range(row.energy_low_j, row.energy_high_j, of_j=row.energy_j)})"
    )


def _is_marked(found: Reasons) -> bool:
    return found.unclassified is not None and found.unclassified.method not in (None, "measured")


def _suggestion(nodes: Iterable[Reason]) -> Sequence[str]:
    """Write a rule that names the unclassified nodes, for the user to choose the stage."""
    names = list(dict.fromkeys(r.own_name for r in nodes if r.stage == UNCLASSIFIED))
    # As TOML writes it: JSON's pairs of surrogates are none of its escapes.
    shown = [json.dumps(clean(name), ensure_ascii=False) for name in names[:N_SUGGESTED]]
    more = len(names) - len(shown)
    return (
        "to name them, in mine.toml, with a stage of the vocabulary:",
        "  [[rule]]",
        '  stage = "..."',
        f"  node = [{', '.join(shown)}]" + (f"  # and {more} more" if more else ""),
    )


def explain(
    asked: Sequence[Reason], found: Reasons, source: str, *, color: bool = False, command: str = ""
) -> str:
    """Explain the stage of some nodes: the rule, or what gave a generic node its stage.

    Parameters
    ----------
    asked : sequence of Reason
        Nodes among those found.
    found, source, color, command
        As in `render`.
    """
    stage_of = {reason.name: reason.stage for reason in found.nodes}
    console = new_console(None, color)
    for reason in asked:
        console.print(Text(clean(f"{reason.name}: {reason.stage}"), style="bold"))
        for line in _explained(reason, stage_of):
            console.print(Text(clean(f"  {line}")))
        console.print()
    quoted = shlex.quote(source)
    console.print(Text(clean(f"next: nicarbon stages {quoted}{command}")), soft_wrap=True)
    return text_of(console)


def _explained(reason: Reason, stage_of: Mapping[str, str]) -> Iterable[str]:
    facts = {
        "node": reason.own_name,
        "workflow": reason.workflow,
        "interface": reason.interface,
        "program": reason.program,
    }
    yield ", ".join(f"{key} {value}" for key, value in facts.items() if value)
    if reason.rule:
        yield f"rule {reason.rule}"
    if reason.hint:
        yield f"hint {reason.hint}"
    if reason.way == "none" and reason.rule is None:
        yield "no rule fits it: give it node.stage, or write a rule (--stages FILE)"
    elif reason.way != "rule":
        yield _WAYS[reason.way]
    for name in reason.near:
        yield f"  {name}: {stage_of[name]}"
    if reason.whole:
        yield (
            "it runs several stages: where the programs inside it were seen, its energy is "
            "divided by them"
        )


def to_tsv(nodes: Iterable[Reason]) -> str:
    """Write name, stage and rule, a node a line; ``n/a`` where no rule fits."""
    lines = ["\t".join(COLUMNS)]
    for reason in nodes:
        values = (reason.name, reason.stage, rule_text(reason))
        lines.append("\t".join(cell(value) for value in values))
    return "\n".join(lines) + "\n"


def to_json(nodes: Iterable[Reason], found: Reasons) -> str:
    """Write all that is known of some nodes, and the shares of all, as one object."""
    document = {
        "nodes": [msgspec.structs.asdict(reason) for reason in nodes],
        "n_nodes": len(found.nodes),
        "n_unclassified": found.n_unclassified,
        "node_share": found.node_share,
        "energy": _energy(found),
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _energy(found: Reasons) -> dict[str, Any] | None:
    """Return what is unclassified of the energy of a run; None where nothing was run."""
    row, total = found.unclassified, found.total
    if row is None or total is None:
        return None
    share = found.energy_share or (None, None, None)
    return {
        "unclassified_j": row.energy_j,
        "unclassified_low_j": row.energy_low_j,
        "unclassified_high_j": row.energy_high_j,
        "total_j": total.energy_j,
        "method": total.method,
        "share": share[0],
        "share_low": share[1],
        "share_high": share[2],
    }
