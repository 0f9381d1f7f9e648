# SPDX-License-Identifier: Apache-2.0
"""The two lines that each node's execution leaves: its start and its end, as JSON.

Written by templates and not by an encoder: a node may last a millisecond, and each has both lines.
"""

from __future__ import annotations

from json.encoder import encode_basestring_ascii as quote


def start_line(
    span: str,
    node: str,
    t_monotonic_ns: int,
    t_unix_ns: int,
    cpu_base_s: float,
    perf: bool = True,
    parent: str | None = None,
    container: str | None = None,
    map_node: str | None = None,
    index: int | None = None,
) -> str:
    """Return a start record, see `nicarbon.records.Start`: what is not known is left out.

    Parameters
    ----------
    span, parent : str
        Names of spans, which are plain ASCII.
    node, container, map_node : str
        Any text.
    t_monotonic_ns, t_unix_ns : int
        When, in nanoseconds.
    cpu_base_s : float
        CPU seconds of the process tree before the node.
    perf : bool
        Whether a task clock counts the node.
    index : int, optional
        In the MapNode.
    """
    line = (
        f'{{"kind":"start","span":"{span}","node":{quote(node)},"t_monotonic_ns":{t_monotonic_ns},'
        f'"t_unix_ns":{t_unix_ns},"cpu_base_s":{cpu_base_s:.6f}'
    )
    if not perf:
        line += ',"perf":false'
    if parent is not None:
        line += f',"parent":"{parent}"'
    if container:
        line += f',"container":{quote(container)}'
    if map_node is not None:
        line += f',"map_node":{quote(map_node)},"index":{"null" if index is None else index}'
    return line + "}"


def end_line(
    span: str,
    t_monotonic_ns: int,
    outcome: str,
    cpu_s: float,
    cpu_source: str,
    cpu_incomplete: str | None = None,
    cpu_rusage_s: float | None = None,
    cpu_perf_s: float | None = None,
    cpu_container_s: float | None = None,
    peak_memory_bytes: int | None = None,
    error: str | None = None,
    inputs_hash: str | None = None,
) -> str:
    """Return an end record, see `nicarbon.records.End`: what is not known is left out.

    Parameters
    ----------
    span, cpu_source : str
        Names, which are plain ASCII.
    t_monotonic_ns : int
        When, in nanoseconds.
    outcome, cpu_incomplete, error, inputs_hash : str
        Any text.
    cpu_s, cpu_rusage_s, cpu_perf_s, cpu_container_s : float
        CPU seconds.
    peak_memory_bytes : int, optional
        Bytes.
    """
    line = f'{{"kind":"end","span":"{span}","t_monotonic_ns":{t_monotonic_ns},"outcome":'
    if cpu_perf_s is None:
        line += f'{quote(outcome)},"cpu_s":{cpu_s:.6f},"cpu_source":"{cpu_source}"'
    else:
        rusage = f"{cpu_rusage_s:.6f}"
        used = rusage if cpu_s == cpu_rusage_s else f"{cpu_s:.6f}"
        line += (
            f'{quote(outcome)},"cpu_s":{used},"cpu_source":"{cpu_source}",'
            f'"cpu_rusage_s":{rusage},"cpu_perf_s":{cpu_perf_s:.6f}'
        )
    if cpu_incomplete is not None:
        line += f',"cpu_incomplete":{quote(cpu_incomplete)}'
    if cpu_container_s is not None:
        line += f',"cpu_container_s":{cpu_container_s!r}'
    if peak_memory_bytes is not None:
        line += f',"peak_memory_bytes":{peak_memory_bytes}'
    if error is not None:
        line += f',"error":{quote(error)}'
    if inputs_hash is not None:
        line += f',"inputs_hash":{quote(inputs_hash)}'
    return line + "}"
