# SPDX-License-Identifier: Apache-2.0
"""What joules emit: grams = kWh x intensity x PUE, with a range. Pure; no file is touched here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import chain
from math import fsum, isnan

import msgspec
import numpy as np
from numpy.typing import NDArray

from nicarbon.carbon.join import Three, join
from nicarbon.carbon.price import Price
from nicarbon.carbon.series import Series
from nicarbon.carbon.source import Found
from nicarbon.energies import SpanEnergy
from nicarbon.rows import Row
from nicarbon.units import J_PER_KWH

# Instants are kept as seconds since 1970, whose last digits are below a microsecond.
_SLACK_S = 1e-3


def grams(energy_j: float | None, g_per_kwh: float, pue: float = 1.0) -> float | None:
    """Return the grams that joules emit; None for none.

    Examples
    --------
    >>> round(grams(108.5 * 3600, 40), 2)
    4.34
    """
    return None if energy_j is None else energy_j / J_PER_KWH * g_per_kwh * pue


class Pricing:
    """A price, applied to the executions of a run.

    Parameters
    ----------
    price : Price or None
        None leaves every row without grams.
    spans : iterable of SpanEnergy
        All executions; parts of them may be priced then.
    """

    def __init__(self, price: Price | None, spans: Iterable[SpanEnergy]) -> None:
        self.price = price
        self._spans = tuple(spans)

    @cached_property
    def _of_span(self) -> dict[str, Three]:
        """Intensity of each execution with energy, by span; those that a series lacks are out."""
        if self.price is None or self.price.series is None:
            return {}
        with_energy = [span for span in self._spans if span.energy_j is not None]
        return of_spans(self.price.series, with_energy)

    @property
    def n_uncovered(self) -> int:
        """Number of executions with energy that the series does not cover."""
        if self.price is None or self.price.series is None:
            return 0
        return len({s.span for s in self._spans if s.energy_j is not None} - set(self._of_span))

    def row(self, row: Row, spans: Sequence[SpanEnergy]) -> Row:
        """Return a row with its grams and their range; `spans` are what was folded into it."""
        if self.price is None or row.energy_j is None:
            return row
        intensity = self._intensity(row, spans)
        if intensity is None:
            return row
        value = grams(row.energy_j, intensity[0], self.price.pue)
        assert value is not None
        energy = row.energy_j, row.energy_low_j or 0.0, row.energy_high_j or row.energy_j
        pue = self.price.pue, *self.price.pue_range
        low_g, high_g, most = join(value, {"energy": energy, "intensity": intensity, "PUE": pue})
        if not value:  # no factor of nothing is known to be exact
            high_g = energy[2] / J_PER_KWH * intensity[2] * pue[2]
        return msgspec.structs.replace(
            row, carbon_g=value, carbon_low_g=low_g, carbon_high_g=high_g, carbon_range_from=most
        )

    def _intensity(self, row: Row, spans: Sequence[SpanEnergy]) -> Three | None:
        """Return the intensity of a row's energy: one source is wrong in one direction for all."""
        assert self.price is not None
        if self.price.series is None:
            one = self.price.intensity
            return one.g_per_kwh, one.low_g_per_kwh, one.high_g_per_kwh
        with_energy = [span for span in spans if span.energy_j is not None]
        if any(span.span not in self._of_span for span in with_energy):
            return None
        return mean(with_energy, self._of_span)


def of_spans(series: Series, spans: Sequence[SpanEnergy]) -> dict[str, Three]:
    """Return the mean intensity of each execution's energy, by span.

    Its course is followed where it is known, and what that does not hold was used evenly from
    start to end. An execution that the series does not cover is left out.
    """
    if not spans:
        return {}
    which, first, last, weight = _pieces(spans)
    means = series.means(first, last)
    earlier = first < series.steps[0].t_unix_s - _SLACK_S
    later = last > series.end_unix_s + _SLACK_S
    means[:, earlier | later] = np.nan
    total = np.bincount(which, weight, minlength=len(spans))
    found = [np.bincount(which, row * weight, minlength=len(spans)) / total for row in means]
    columns = zip(*(row.tolist() for row in found), strict=True)
    return {
        span.span: (central, low, high)
        for span, (central, low, high) in zip(spans, columns, strict=True)
        if not isnan(central)
    }


def _pieces(
    spans: Sequence[SpanEnergy],
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return pieces of executions: whose, from and to (seconds since 1970), and their weights."""
    start_s = np.array([span.start_s for span in spans])
    length_s = np.array([max(span.end_s - span.start_s, 0.0) for span in spans])
    start_unix_s = np.array([span.start_unix_s for span in spans])
    of_course = np.array(list(chain.from_iterable(span.course for span in spans))).reshape(-1, 3)
    which = np.repeat(np.arange(len(spans)), [len(span.course) for span in spans])
    course_j = of_course[:, 2]
    known_j = np.bincount(which, course_j, minlength=len(spans))
    # Of a part only the course of its whole execution is known: it holds all of it.
    energy_j = np.array([0.0 if span.part else span.energy_j or 0.0 for span in spans])
    rest_j = np.where(known_j > 0, np.maximum(energy_j - known_j, 0.0), 1.0)
    shift_s = (start_unix_s - start_s)[which]
    return (
        np.concatenate([which, np.arange(len(spans))]),
        np.concatenate([of_course[:, 0] + shift_s, start_unix_s]),
        np.concatenate([of_course[:, 1] + shift_s, start_unix_s + length_s]),
        np.concatenate([course_j, rest_j]),
    )


def mean(spans: Sequence[SpanEnergy], of_span: Mapping[str, Three]) -> Three:
    """Return the intensity of several executions' energy; without any energy, their plain mean."""
    weights = [span.energy_j or 0.0 for span in spans]
    whole = fsum(weights)
    if not whole:
        weights, whole = [1.0] * len(spans), float(len(spans))
    values = [of_span[span.span] for span in spans]
    central, low, high = (
        fsum(w * value[i] for w, value in zip(weights, values, strict=True)) / whole
        for i in range(3)
    )
    return central, low, high


def window(spans: Iterable[SpanEnergy]) -> tuple[float, float] | None:
    """Return from when to when executions used energy, in seconds since 1970; None if none did."""
    times = [
        (span.start_unix_s, span.start_unix_s + max(span.end_s - span.start_s, 0.0))
        for span in spans
        if span.energy_j is not None
    ]
    if not times:
        return None
    start_s, end_s = min(first for first, _ in times), max(last for _, last in times)
    return start_s, max(end_s, start_s + 1.0)


def weighed(found: Found, spans: Iterable[SpanEnergy]) -> Found:
    """Return what a source says, its mean weighted by the executions' energy."""
    with_energy = [span for span in spans if span.energy_j is not None]
    if found.series is None or not with_energy:
        return found
    central, low, high = mean(with_energy, of_spans(found.series, with_energy))
    intensity = msgspec.structs.replace(
        found.intensity,
        g_per_kwh=central,
        low_g_per_kwh=min(low, central),
        high_g_per_kwh=max(high, central),
    )
    return Found(intensity, found.series)
