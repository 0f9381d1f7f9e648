# SPDX-License-Identifier: Apache-2.0
import pytest

from nicarbon.errors import NicarbonError
from nicarbon.grouping import BY, check, label


@pytest.mark.parametrize("by", BY)
def test_known_attributes(by):
    check(by)


def test_near_names_are_offered():
    with pytest.raises(NicarbonError, match=r"^'subjct': .*did you mean subject\?"):
        check("subjct")
    with pytest.raises(NicarbonError, match=r"^'zzz': no such attribute; there is stage, node"):
        check("zzz")


def test_zero_is_a_value_and_nothing_is_none():
    assert label("n_procs", 0) == "0"
    assert label("mem_gb", 0.0) == "0.0"
    assert label("hemisphere", None) == "no hemisphere"
    assert label("map_node", False) == "no"
