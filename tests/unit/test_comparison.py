# SPDX-License-Identifier: Apache-2.0
import msgspec
import pytest

from nicarbon.cohort import Side, published
from nicarbon.comparison import compare, exceeded
from nicarbon.references import references
from nicarbon.spread import Spread

TYPICAL = Spread(100.0, 2.0, 5)


def made(name="a", energy=TYPICAL, n=5, stages=("segmentation",), **more):
    time = Spread(10.0, None if n == 1 else 1.0, n)
    figures = {"runtime": time, "cpu": time, "energy": energy}
    figures["carbon"] = None
    given = {
        "pipeline": "wf",
        "device": "CPU",
        "total": figures,
        "stages": dict.fromkeys(stages, figures),
        "energy_range": (90.0, 120.0),
        "method": "measured",
        "n": n,
    } | more
    return Side(name=name, **given)


def test_each_stage_on_each_side_beside_the_first():
    other = made("b", Spread(120.0, 2.0, 5), stages=("segmentation", "registration"))
    found = compare([made(), other])
    assert [line.stage for line in found.lines] == ["registration", "segmentation"]
    only, both = found.lines
    assert only.entries[0].figures == {}
    assert only.entries[1].differences["energy"] is None
    assert both.entries[0].differences == {}
    assert both.entries[1].differences["energy"].relative == pytest.approx(0.2)
    assert both.entries[1].differences["energy"].beyond_noise
    assert both.entries[1].differences["runtime"].beyond_noise is False
    assert found.notes == ()


def test_sides_that_are_unlike_say_so():
    more = {"method": "modelled", "prices": ("30 g/kWh",), "processors": ("EPYC", "Xeon")}
    single = made("b", Spread(120.0, None, 1), 1, **more)
    said = " | ".join(compare([made(), single]).notes)
    assert "unlike kinds are compared: a measured, b modelled" in said
    assert "unlike prices: a: none; b: 30 g/kWh" in said
    assert "machines are compared, too: a: none; b: EPYC and Xeon" in said
    assert "a single run of b" in said


def test_the_gate():
    def over(mean, limit, sd=2.0, n=5):
        other = made("b", Spread(mean, sd, n), n or 5)
        return exceeded(compare([made(), other]), "energy", limit)

    assert over(104.0, 0.05) == []
    assert over(96.0, 0.0) == []
    assert over(110.0, 0.05) == ["b: energy is 10.0 % above a, more than 5 %"]
    # 10 % above, but so unlike each other that nobody can tell.
    assert over(110.0, 0.05, sd=20.0) == []
    assert over(110.0, 0.05, sd=1.0, n=None) == [
        "b: energy is 10.0 % above a, more than 5 % (noise not known)"
    ]
    assert "not known" in exceeded(compare([made(), made("b", None)]), "energy", 0.05)[0]


def test_published_figures_beside_measured_ones():
    found = compare([published(references()["freesurfer-cpu"]), made("mine")])
    whole = found.whole.entries[1].differences
    assert whole["runtime"].beyond_noise is None
    assert whole["cpu"] is None
    assert found.notes == ()


def test_it_is_plain_data():
    assert msgspec.json.encode(compare([made(), made("b")]))
