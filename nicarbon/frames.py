# SPDX-License-Identifier: Apache-2.0
"""Make pandas tables: the one place that loads pandas."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec
import pandas as pd

from nicarbon import details
from nicarbon.energies import HostEnergy
from nicarbon.rows import COLUMNS, Row

if TYPE_CHECKING:
    import networkx as nx

_NODE_COLUMNS = (
    "stage",
    "outcome",
    *(name for name in COLUMNS if name != "name" and not name.startswith("n_")),
    *details.GIVEN,
    "workflow",
    "interface",
    "program",
)
_HOST_COLUMNS = tuple(name for name in HostEnergy.__struct_fields__ if name != "sensors")


def rows_frame(rows: Iterable[Row]) -> pd.DataFrame:
    """Return rows as a table, indexed by their names; a figure that is missing is NaN."""
    records = [msgspec.structs.asdict(row) for row in rows]
    return _numeric(pd.DataFrame(records, columns=list(COLUMNS))).set_index("name")


def nodes_frame(graph: nx.DiGraph) -> pd.DataFrame:
    """Return the nodes of an executed graph as a table, indexed by their unique names."""
    records = [
        {
            "name": name,
            **{key: data[key] for key in _NODE_COLUMNS},
            "hosts": ", ".join(data["hosts"]),
        }
        for name, data in graph.nodes(data=True)
    ]
    columns = ["name", *_NODE_COLUMNS, "hosts"]
    return _numeric(pd.DataFrame(records, columns=columns)).set_index("name")


def hosts_frame(hosts: Iterable[HostEnergy]) -> pd.DataFrame:
    """Return the accounts of hosts as a table, indexed by their ids."""
    records = [
        {
            **{key: getattr(host, key) for key in _HOST_COLUMNS},
            "method": ", ".join(sorted({sensor.method for sensor in host.sensors})),
        }
        for host in hosts
    ]
    columns = [*_HOST_COLUMNS, "method"]
    return _numeric(pd.DataFrame(records, columns=columns)).set_index("host")


def _numeric(frame: pd.DataFrame) -> pd.DataFrame:
    """Make columns of quantities numbers, even where all are missing."""
    quantities = [name for name in frame if str(name).endswith(("_j", "_s", "_g", "_w"))]
    return frame.astype(dict.fromkeys(quantities, "float64"))
