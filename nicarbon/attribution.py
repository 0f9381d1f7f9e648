# SPDX-License-Identifier: Apache-2.0
"""Divide each host's energy among the nodes that ran on it; the sum is kept."""

from __future__ import annotations

import msgspec

from nicarbon.records import RunFacts, Sensor


class SpanEnergy(msgspec.Struct, frozen=True):
    """What one node execution used. A nested element is not in its parent's figures.

    Attributes
    ----------
    span, node, host : str
        The execution, its node's unique name, its host id.
    parent : str or None
        Span of the MapNode in whose time and process it ran.
    map_node : str or None
        Name of the MapNode that it is an element of.
    outcome : str
        ``ran``, ``cached``, ``failed``, ``killed`` (no end record in an ended run) or ``running``.
    start_s, end_s : float
        Monotonic seconds on its host.
    start_unix_s : float
        Seconds since the epoch.
    cpu_s : float
        CPU seconds.
    energy_j : float or None
        Joules; None for a cached node and for one that no reading covers.
    sensor_low_j, sensor_high_j : float
        The same share of the lowest and highest energy that the sensors allow.
    shared_j : float
        Energy weighted by the part of the host's busy time that was somebody else's: what the
        range of the attribution grows with; 0 for a node that had the host to itself.
    active_j : float or None
        The part above the calibrated idle power.
    method : str
        ``measured``, ``modelled`` or ``assumed``: the weakest of the sensors that it rests on.
    """

    span: str
    node: str
    host: str
    outcome: str
    start_s: float
    end_s: float
    start_unix_s: float
    cpu_s: float
    energy_j: float | None
    sensor_low_j: float = 0.0
    sensor_high_j: float = 0.0
    shared_j: float = 0.0
    active_j: float | None = None
    cpu_incomplete: str | None = None
    error: str | None = None
    method: str = "measured"
    parent: str | None = None
    map_node: str | None = None
    index: int | None = None


class HostEnergy(msgspec.Struct, frozen=True):
    """A host's account: ``energy = nodes + engine + meter + other + unattributed + residual``.

    Attributes
    ----------
    residual_j : float
        Energy recomputed from the first and last raw readings, less the sum of the parts.
    uncovered_s : float
        Seconds of the window that no reading covers; their energy is in no figure.
    scaled_cpu_s : float
        CPU seconds that were taken back because nodes claimed more than the host was busy.
    busy_cpu_s : float
        CPU seconds of the whole host in the window.
    """

    host: str
    hostname: str
    energy_j: float
    energy_low_j: float
    energy_high_j: float
    nodes_j: float
    engine_j: float
    meter_j: float
    other_j: float
    unattributed_j: float
    residual_j: float
    uncovered_s: float
    idle_power_w: float | None
    busy_cpu_s: float
    scaled_cpu_s: float
    duration_s: float
    sensors: tuple[Sensor, ...]


class Attribution(msgspec.Struct, frozen=True):
    """Joules for each execution and the account of each host."""

    hosts: tuple[HostEnergy, ...]
    spans: tuple[SpanEnergy, ...]


def attribute(facts: RunFacts) -> Attribution:
    """Divide the energy of every host among engine, meter, others and node executions."""
    raise NotImplementedError
