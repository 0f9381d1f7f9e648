# SPDX-License-Identifier: Apache-2.0
"""What sensors are, and what their counters count."""

from __future__ import annotations

import msgspec


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=False):
    """A linear power curve, P = idle + busy x (busy CPUs), each value as (low, central, high).

    Attributes
    ----------
    idle_w : tuple of float
        Watts of the whole host while nothing runs.
    busy_w : tuple of float
        Watts above idle for each busy CPU, that is joules a CPU second.
    source : str
        Where the curve comes from, in a sentence.
    """

    idle_w: tuple[float, float, float]
    busy_w: tuple[float, float, float]
    source: str = ""


class Domain(msgspec.Struct, frozen=True):
    """One counter of a sensor, or one modelled power curve.

    Attributes
    ----------
    name : str
        The key of its values in `Sample.readings`.
    kind : str
        ``package``, ``core``, ``uncore``, ``dram``, ``psys``, ``gpu`` or ``host``.
    account : bool
        Whether it is part of the host's energy; the others are checks, shown beside, never added.
    unit_j : float
        Joules for each unit of the raw counter.
    range : int or None
        The counter is back at 0 after this value (its ``max_energy_range_uj`` for RAPL).
    max_power_w : float or None
        The greatest power that is possible: with `range` it bounds the gaps that can be bridged.
    socket : int or None
        The socket that it measures.
    since_open : bool
        Whether it counts from when its sampler opened it: several samplers of a host then have
        a zero each, and only one sampler's own readings can be compared.
    model : Model or None
        Given for a modelled domain, which has no readings.
    card, device : str
        Of a device, the product, and what tells this piece of it from others.
    bounds : tuple of (str, str) or None
        Names of the readings that are the least and the most it may have counted, where its
        energy was integrated from readings of power.
    """

    name: str
    kind: str
    account: bool = True
    unit_j: float = 1.0
    range: int | None = None
    max_power_w: float | None = None
    socket: int | None = None
    since_open: bool = False
    model: Model | None = None
    card: str = ""
    device: str = ""
    bounds: tuple[str, str] | None = None


class Sensor(msgspec.Struct, frozen=True):
    """A source of energy numbers on one host.

    Attributes
    ----------
    name : str
        ``rapl``, ``virtual``, ``replay`` ...
    method : str
        ``measured``, ``modelled`` or ``assumed``.
    domains : tuple of Domain
        Its counters, or its power curve.
    relative_error : float
        Half width of the range of what it reads, as a fraction; 0 where the model has its own.
    note : str
        What its numbers lack or mean, in one sentence; may be empty.
    """

    name: str
    method: str
    domains: tuple[Domain, ...]
    relative_error: float = 0.0
    note: str = ""
