# SPDX-License-Identifier: Apache-2.0
"""What a sensor must say of itself; one that says anything else is not used.

The descriptions of all sensors are one line of the samples file: a wrong one would cost the
readings of every other.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

METHODS = ("measured", "modelled", "assumed")
KINDS = ("package", "core", "uncore", "dram", "psys", "gpu", "host")
_FIELDS: dict[str, Any] = {
    "name": str,
    "kind": str,
    "account": bool,
    "unit_j": (int, float),
    "range": (int, type(None)),
    "max_power_w": (int, float, type(None)),
    "socket": (int, type(None)),
    "since_open": bool,
    "model": (dict, type(None)),
    "card": str,
    "device": str,
    "bounds": (list, tuple, type(None)),
}
_REQUIRED = ("name", "kind", "account", "unit_j")


def breaches(sensor: Any, taken: Collection[str] = ()) -> list[str]:
    """Return what is wrong with what a sensor says of itself, a sentence each.

    Parameters
    ----------
    sensor : object
        What should be a `nicarbon.meter.sensors.Sensor`.
    taken : collection of str
        Names of sensors and domains that are others'.
    """
    lacks = [
        name for name in ("read", "status", "close") if not callable(getattr(sensor, name, 0))
    ]
    if lacks:
        return [f"it has no method {lacks[0]}()"]
    found = []
    name: Any = getattr(sensor, "name", None)
    error: Any = getattr(sensor, "relative_error", None)
    if not isinstance(name, str) or not name.isidentifier():
        found.append(f"its name must be a word, not {name!r}")
    elif name in taken:
        found.append(f"the name {name} is another sensor's")
    if getattr(sensor, "method", None) not in METHODS:
        found.append(f"its method must be one of {', '.join(METHODS)}")
    if not _is_number(error) or not 0 <= error < 1:
        found.append(f"its relative_error must be a fraction from 0 to 1, not {error!r}")
    if not isinstance(getattr(sensor, "note", None), str):
        found.append("its note must be text, which may be empty")
    domains = getattr(sensor, "domains", None)
    if not isinstance(domains, list):
        return [*found, "its domains must be a list"]
    names = []
    for domain in domains:
        found += _domain_breaches(domain, taken)
        names.append(domain.get("name") if isinstance(domain, dict) else None)
    if len(set(map(repr, names))) < len(names):
        found.append("two of its domains have one name")
    return found


def _domain_breaches(domain: Any, taken: Collection[str]) -> list[str]:
    if not isinstance(domain, dict):
        return [f"a domain must be a dict, not {domain!r}"]
    where = f"domain {domain.get('name')!r}"
    lacks = [field for field in _REQUIRED if field not in domain]
    unknown = sorted(set(map(str, domain)) - set(_FIELDS))
    if lacks or unknown:
        return [
            f"{where} lacks {', '.join(lacks)}" if lacks else f"{where}: {unknown[0]} is no field"
        ]
    wrong = [
        f"{where}: {field} must not be {value!r}"
        for field, value in domain.items()
        if not isinstance(value, _FIELDS[field])
        or (isinstance(value, bool) and _FIELDS[field] is not bool)
    ]
    if wrong:
        return wrong
    if domain["kind"] not in KINDS:
        wrong.append(f"{where}: its kind must be one of {', '.join(KINDS)}")
    if domain["name"] in taken:
        wrong.append(f"{where} has a name that is another sensor's")
    numbers = [domain["unit_j"], domain.get("range"), domain.get("max_power_w")]
    if not all(value is None or (_is_number(value) and value > 0) for value in numbers):
        wrong.append(f"{where}: unit_j, range and max_power_w must be greater than 0")
    bounds = domain.get("bounds") or ("low", "high")
    if len(bounds) != 2 or not all(isinstance(name, str) for name in bounds):
        wrong.append(f"{where}: bounds must be the names of two readings, the least and the most")
    if domain.get("model") is not None:
        wrong += _model_breaches(where, domain["model"])
    return wrong


def _model_breaches(where: str, model: dict[str, Any]) -> list[str]:
    for field in ("idle_w", "busy_w"):
        watts: Any = model.get(field)
        is_range = isinstance(watts, (list, tuple)) and len(watts) == 3
        if (
            not is_range
            or not all(map(_is_number, watts))
            or not 0 <= watts[0] <= watts[1] <= watts[2]
        ):
            return [f"{where}: {field} of its model must be low, central and high watts"]
    return []


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def counters(sensor: Any) -> list[str]:
    """Return the names of what has readings: domains that are no models, and their bounds."""
    counted = [domain for domain in sensor.domains if domain.get("model") is None]
    return [name for d in counted for name in (d["name"], *(d.get("bounds") or ()))]


def readings(sensor: Any) -> dict[str, int | None]:
    """Read a sensor; what is no whole number from 0 to 2**63 is a missing reading."""
    raw = sensor.read()
    found: dict[str, int | None] = {}
    for name in counters(sensor):
        value = raw.get(name)
        is_count = isinstance(value, int) and not isinstance(value, bool)
        found[name] = value if is_count and 0 <= value < 2**63 else None
    return found
