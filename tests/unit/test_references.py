# SPDX-License-Identifier: Apache-2.0
import pytest

from nicarbon.errors import NicarbonError
from nicarbon.references import named, references


def test_the_groups_table_as_it_is_printed():
    found = references()
    printed = {
        name: [str(x) for pair in (one.runtime_h, one.energy_wh, one.carbon_g) for x in pair]
        for name, one in found.items()
    }
    assert printed == {
        "freesurfer-cpu": ["8.3", "1.03", "108.5", "19.8", "3.26", "0.5"],
        "fastsurfer-cpu": ["9.8", "0.74", "126.4", "16.1", "3.79", "0.5"],
        "fastsurfer-gpu": ["1.6", "0.47", "26.7", "7.7", "0.80", "0.2"],
    }


def test_their_grams_are_their_watt_hours_at_30_g_a_kwh():
    # PUE is in these watt-hours already: with it outside, it would be 25 g.
    for one in references().values():
        assert one.g_per_kwh == pytest.approx(30, rel=0.005)


@pytest.mark.parametrize("one", references().values(), ids=references())
def test_each_says_where_it_is_from(one):
    assert "https://" in one.source
    assert one.conditions
    assert one.n is None


def test_names_and_patterns():
    assert list(named("published:*")) == list(references())
    with pytest.raises(NicarbonError, match=r"did you mean freesurfer-cpu\? there are"):
        named("published:freesurfer-cpus")
