# SPDX-License-Identifier: Apache-2.0
"""How a figure differs between runs: mean, standard deviation, and what few runs allow to say.

Pure numbers: nothing here knows of runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from math import atan, cos, fsum, hypot, isfinite, pi, sin, sqrt
from statistics import NormalDist, fmean, stdev

import msgspec

LEVEL = 0.95
# From so many degrees of freedom on, Student's quantile is the normal one to three digits.
_MANY = 1000


class Spread(msgspec.Struct, frozen=True):
    """A figure of several runs.

    Attributes
    ----------
    mean : float
        Their mean.
    sd : float or None
        Their standard deviation (n - 1 in the denominator); None of a single run.
    n : int or None
        How many runs; None where a publication does not say.
    """

    mean: float
    sd: float | None
    n: int | None


class Difference(msgspec.Struct, frozen=True):
    """How much a figure is above another one.

    Attributes
    ----------
    absolute : float
        The difference of the means.
    relative : float or None
        The same as a part of the first one; None where that is 0.
    low, high : float or None
        The interval of `LEVEL` of the absolute one; None where nobody knows how much single runs
        differ.
    beyond_noise : bool or None
        Whether that interval leaves out 0; None where there is none.
    """

    absolute: float
    relative: float | None
    low: float | None = None
    high: float | None = None
    beyond_noise: bool | None = None


def spread(values: Iterable[float | None]) -> Spread | None:
    """Return mean and standard deviation of what is known; None where nothing is.

    Examples
    --------
    >>> spread([1.0, 2.0, 3.0]), spread([4.0]), spread([None])
    (Spread(mean=2.0, sd=1.0, n=3), Spread(mean=4.0, sd=None, n=1), None)
    """
    known = [value for value in values if value is not None]
    if not known:
        return None
    return Spread(fmean(known), stdev(known) if len(known) > 1 else None, len(known))


def difference(first: Spread | None, other: Spread | None) -> Difference | None:
    """Return how much `other` is above `first`; None where either is not known.

    Where both have several runs, the interval is Welch's (1947, Biometrika 34, 28), with the
    degrees of freedom rounded down. Where one side is a single run, it is taken to spread as the
    other side's runs do.
    """
    if first is None or other is None:
        return None
    absolute = other.mean - first.mean
    relative = absolute / first.mean if first.mean else None
    half = _half_width(first, other)
    if half is None:
        return Difference(absolute, relative)
    low, high = absolute - half, absolute + half
    return Difference(absolute, relative, low, high, low > 0 or high < 0)


def _half_width(first: Spread, other: Spread) -> float | None:
    if first.n is None or other.n is None or (first.sd is None and other.sd is None):
        return None
    if first.sd is None or other.sd is None:
        sd, n = (other.sd, other.n) if first.sd is None else (first.sd, first.n)
        assert sd is not None
        return t_quantile(n - 1) * sd * sqrt(1 + 1 / n)
    a, b = first.sd**2 / first.n, other.sd**2 / other.n
    if not a + b:
        return 0.0
    freedom = (a + b) ** 2 / (a**2 / (first.n - 1) + b**2 / (other.n - 1))
    return t_quantile(max(int(freedom), 1)) * sqrt(a + b)


def total_of(one: Spread, n_times: float) -> tuple[float, float, float] | None:
    """Return the expected sum of many further runs, and the interval of `LEVEL` that holds it.

    Both count: that the mean rests on few runs, and that each further run differs from it. None
    where nobody knows how much runs differ.

    Examples
    --------
    >>> total_of(Spread(2.0, 0.0, 3), 10.0), total_of(Spread(2.0, None, 1), 10.0)
    ((20.0, 20.0, 20.0), None)
    """
    if one.sd is None or one.n is None:
        return None
    half = t_quantile(one.n - 1) * one.sd * sqrt(n_times * (1 + n_times / one.n))
    expected = n_times * one.mean
    return expected, max(expected - half, 0.0), expected + half


def joined(value: float, *ranges: tuple[float, float]) -> tuple[float, float]:
    """Return the range of a value that several independent ranges leave.

    Examples
    --------
    >>> joined(10.0, (7.0, 13.0), (6.0, 14.0))
    (5.0, 15.0)
    """
    below = hypot(*(value - low for low, _ in ranges))
    above = hypot(*(high - value for _, high in ranges))
    return max(value - below, 0.0), value + above


@lru_cache(maxsize=1024)
def t_quantile(freedom: int, level: float = LEVEL) -> float:
    """Return how many standard errors the central interval of Student's t reaches.

    Parameters
    ----------
    freedom : int
        Degrees of freedom, at least 1.
    level : float, optional
        The probability that the interval holds.

    Examples
    --------
    >>> round(t_quantile(1), 3), round(t_quantile(4), 3), round(t_quantile(10**6), 3)
    (12.706, 2.776, 1.96)
    """
    if freedom > _MANY:
        return NormalDist().inv_cdf(0.5 + level / 2)
    low, high = 0.0, 1.0
    while _inside(high, freedom) < level:
        low, high = high, 2 * high
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _inside(middle, freedom) < level else (low, middle)
    return high


def _inside(t: float, freedom: int) -> float:
    """Return the probability of less than t in absolute value.

    Abramowitz & Stegun (1964), Handbook of Mathematical Functions, 26.7.3 and 26.7.4.
    """
    angle = atan(t / sqrt(freedom))
    odd = freedom % 2
    terms = [cos(angle) if odd else 1.0]
    for k in range(2 + odd, freedom - 1, 2):
        terms.append(terms[-1] * (k - 1) / k * cos(angle) ** 2)
    total = sin(angle) * (fsum(terms) if freedom > 1 else 0.0)
    value = 2 / pi * (angle + total) if odd else total
    assert isfinite(value)
    return value
