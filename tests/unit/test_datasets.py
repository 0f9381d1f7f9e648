# SPDX-License-Identifier: Apache-2.0
import pytest

from nicarbon.datasets import dataset, datasets
from nicarbon.errors import NicarbonError


def test_every_dataset_says_who_says_so():
    sizes = [one.scans for one in datasets().values()]
    assert sizes == sorted(sizes)
    assert sizes[-1] == 1_000_000
    for one in datasets().values():
        assert one.scans > 0
        assert one.title
        assert one.what
        assert one.source
        assert one.checked


def test_an_unknown_one_is_refused_with_near_names():
    with pytest.raises(NicarbonError, match=r"did you mean ukbiobank\? there is hcp"):
        dataset("uk-biobank")
