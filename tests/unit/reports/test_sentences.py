# SPDX-License-Identifier: Apache-2.0
import pytest

from nicarbon.reports.sentences import begun, joined, were


def test_a_sentence_begins_with_a_capital():
    assert [begun(text) for text in ("the GPU", "3 lines", "")] == ["The GPU", "3 lines", ""]


@pytest.mark.parametrize(
    ("parts", "text"), [((), ""), ("a", "a"), ("ab", "a and b"), ("abcd", "a, b, c and d")]
)
def test_parts_are_joined(parts, text):
    assert joined(tuple(parts)) == text


def test_one_and_many():
    assert [were(n) for n in (0, 1, 2)] == ["were", "was", "were"]
