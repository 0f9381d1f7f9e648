# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from nicarbon.carbon.choice import as_it_was, chosen, counted, find_intensity, kept
from nicarbon.carbon.intensity import given as fixed
from nicarbon.carbon.price import Price, Terms
from nicarbon.carbon.source import Found
from nicarbon.carbon.stored import read_price, write_price
from nicarbon.earlier import Cost, Saved
from nicarbon.energies import Attribution
from nicarbon.errors import PriceError

HERE = Path("runs/one")


@pytest.mark.parametrize("given", [{}, {"region": "quebec"}, {"country": "CAN", "intensity": 1}])
def test_a_price_needs_one_place_or_number(run_folders, given):
    with pytest.raises(PriceError, match="give a country"):
        run_folders.run([]).price(**given)


def test_a_number_is_an_intensity():
    assert find_intensity(g_per_kwh=30.0).g_per_kwh == 30.0


class Asked:
    """A source that keeps for which time it was asked."""

    def between(self, start_unix_s, end_unix_s):
        self.times = start_unix_s, end_unix_s
        return Found(fixed(100.0))


def test_a_source_is_asked_for_the_time_in_which_energy_was_used(run_folders):
    spans = (run_folders.span("a", 2, 3, 1.0), run_folders.cached("b", 9))
    source, t = Asked(), run_folders.UNIX_S
    price = chosen(source, Terms(1.5), None, None, Attribution((), spans), {}, t)
    assert source.times == (t + 2, t + 3)
    assert (price.intensity.g_per_kwh, price.pue) == (100.0, 1.5)


def test_of_a_run_without_energy_it_is_asked_for_its_start():
    source = Asked()
    chosen(source, None, None, None, Attribution((), ()), {}, 50.0)
    assert source.times == (50.0, 51.0)


def test_subjects_are_counted_and_nothing_else_is():
    nodes = [{"subject": s, "hemisphere": "hemi-L"} for s in ("sub-01", "sub-02", "sub-01", None)]
    assert msgspec.structs.astuple(counted("subject", nodes, HERE)) == ("subject", 2)
    for name in ("session", "hemisphere"):
        with pytest.raises(PriceError, match=f"runs/one: no node has a {name}; give their number"):
            counted(name, nodes, HERE)


def test_a_price_is_kept_with_its_time(tmp_path):
    price = kept(tmp_path, Price(fixed(30.0)))
    assert price.priced.endswith("Z")
    assert read_price(tmp_path) == (price, None)
    with pytest.raises(PriceError, match="runs/one: no price is chosen"):
        kept(HERE, None)


def test_what_was_saved_has_the_price_of_the_run_that_it_cost(tmp_path):
    joules = {}
    for name, energy_j, g_per_kwh in (("one", 3.6e6, 30.0), ("two", 7.2e6, 50.0)):
        joules[str(tmp_path / name)] = energy_j
        (tmp_path / name).mkdir()
        write_price(tmp_path / name, Price(fixed(g_per_kwh)))
    saved = Saved(2, 2, 2, Cost(), {}, joules)
    assert as_it_was(saved) == pytest.approx(130.0)
    unpriced = msgspec.structs.replace(saved, runs=joules | {str(tmp_path / "three"): 1.0})
    assert as_it_was(unpriced) is None
    assert as_it_was(msgspec.structs.replace(saved, runs={})) is None
