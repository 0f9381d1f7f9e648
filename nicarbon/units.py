# SPDX-License-Identifier: Apache-2.0
"""Exact unit constants, and how quantities are printed."""

from __future__ import annotations

J_PER_WH = 3600.0
J_PER_KWH = 1000 * J_PER_WH
NS_PER_S = 1_000_000_000
# Marks an energy that no counter measured.
MARK = "~"


def _rounded(value: float) -> str:
    """Write a number with three significant digits and no exponent below a million.

    Examples
    --------
    >>> [_rounded(v) for v in (0.0, 0.01234, 1.5, 12.34, 123.4, 1234.5)]
    ['0', '0.0123', '1.5', '12.3', '123', '1234']
    """
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


def format_energy(energy_j: float | None) -> str:
    """Write an energy for people: J below 3.6 kJ, then Wh, then kWh; ``n/a`` for none.

    Parameters
    ----------
    energy_j : float or None
        Joules.

    Examples
    --------
    >>> format_energy(12.34), format_energy(108.5 * 3600), format_energy(None)
    ('12.3 J', '108 Wh', 'n/a')
    """
    if energy_j is None:
        return "n/a"
    scale, unit = energy_unit(energy_j)
    return f"{_rounded(energy_j / scale)} {unit}"


def format_energy_of(energy_j: float | None, method: str | None) -> str:
    """Write an energy, marked where no counter measured it.

    Examples
    --------
    >>> format_energy_of(2.0, "measured"), format_energy_of(2.0, "modelled")
    ('2 J', '~2 J')
    >>> format_energy_of(None, None)
    'n/a'
    """
    mark = MARK if energy_j is not None and method not in (None, "measured") else ""
    return mark + format_energy(energy_j)


def energy_unit(energy_j: float) -> tuple[float, str]:
    """Return the unit that an energy is written in: its joules and its name."""
    if abs(energy_j) < J_PER_WH:
        return 1.0, "J"
    return (J_PER_WH, "Wh") if abs(energy_j) < J_PER_KWH else (J_PER_KWH, "kWh")


def format_mass(mass_g: float | None) -> str:
    """Write a mass for people: mg below 1 g, then g, then kg; ``n/a`` for none.

    Parameters
    ----------
    mass_g : float or None
        Grams.

    Examples
    --------
    >>> format_mass(0.0233), format_mass(3.2551), format_mass(1234.5), format_mass(None)
    ('23.3 mg', '3.26 g', '1.23 kg', 'n/a')
    """
    if mass_g is None:
        return "n/a"
    scale, unit = mass_unit(mass_g)
    return f"{_rounded(mass_g / scale)} {unit}"


def format_mass_of(carbon_g: float | None, method: str | None) -> str:
    """Write grams, marked where no counter measured their energy; nothing is nothing, unmarked.

    Examples
    --------
    >>> format_mass_of(2.0, "measured"), format_mass_of(2.0, "modelled")
    ('2 g', '~2 g')
    >>> format_mass_of(None, None)
    'n/a'
    """
    mark = MARK if carbon_g and method not in (None, "measured") else ""
    return mark + format_mass(carbon_g)


def mass_unit(mass_g: float) -> tuple[float, str]:
    """Return the unit that a mass is written in: its grams and its name."""
    if abs(mass_g) < 1:
        return 1e-3, "mg"
    return (1.0, "g") if abs(mass_g) < 1000 else (1e3, "kg")


def format_mass_range(low_g: float | None, high_g: float | None, between: str = "-") -> str:
    """Write a range of masses, in the unit of its high end.

    Examples
    --------
    >>> format_mass_range(0.8, 3.2), format_mass_range(0, 0.002), format_mass_range(None, 1.0)
    ('0.8-3.2 g', '0-2 mg', 'n/a')
    """
    if low_g is None or high_g is None:
        return "n/a"
    scale, unit = mass_unit(high_g)
    return f"{_rounded(low_g / scale)}{between}{_rounded(high_g / scale)} {unit}"


def format_duration(duration_s: float | None) -> str:
    """Write a duration for people; ``n/a`` for none.

    Parameters
    ----------
    duration_s : float or None
        Seconds.

    Examples
    --------
    >>> format_duration(4.2), format_duration(75), format_duration(8.3 * 3600)
    ('4.2 s', '1 min 15 s', '8 h 18 min')
    """
    if duration_s is None:
        return "n/a"
    if duration_s < 60:
        return f"{_rounded(duration_s)} s"
    minutes, seconds = divmod(round(duration_s), 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"
