# SPDX-License-Identifier: Apache-2.0
"""What a run can be folded by, and how its groups are called. Nothing is folded here."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from nicarbon.errors import NicarbonError

# Attributes of a node of the executed graph, but for `node` (its name) and `host` (of each of its
# executions). The first three are known of any run.
BY = (
    "stage",
    "node",
    "host",
    "subject",
    "session",
    "hemisphere",
    "workflow",
    "interface",
    "program",
    "step",
    "outcome",
    "map_node",
    "n_procs",
    "mem_gb",
)


def check(by: str, known: Iterable[str] = BY) -> None:
    """Refuse an attribute that nodes do not have.

    Raises
    ------
    NicarbonError
        If it is not known; near names are offered.
    """
    known = tuple(known)
    if by in known:
        return
    near = get_close_matches(by, known, n=1)
    meant = f" did you mean {near[0]}?" if near else ""
    raise NicarbonError(f"{by!r}: no such attribute;{meant} there is {', '.join(known)}")


def label(by: str, value: object) -> str:
    """Name a group by the value that its nodes have.

    Examples
    --------
    >>> label("subject", "sub-01"), label("subject", None), label("program", "")
    ('sub-01', 'no subject', 'no program')
    >>> label("map_node", True), label("n_procs", 8)
    ('yes', '8')
    """
    if value is None or value == "":
        return f"no {by}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
