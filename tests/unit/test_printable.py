# SPDX-License-Identifier: Apache-2.0
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nicarbon.printable import clean

# https://www.w3.org/TR/xml/#charsets
XML = re.compile("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")
TURNING = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@given(st.text(st.characters()))
def test_what_is_left_can_be_shown_and_stored(text):
    shown = clean(text)
    assert len(shown) == len(text)
    assert XML.fullmatch(shown)
    assert not TURNING.search(shown)
    assert shown.encode().decode() == shown
    assert clean(shown) == shown


def test_letters_of_all_scripts_stay():
    assert clean("segmentation عربي 白质 µ") == "segmentation عربي 白质 µ"


@pytest.mark.parametrize("character", ["\x1b", "\r", "\u2028", "\u202e", "\ud800", "\x00"])
def test_what_is_obeyed_and_not_shown_is_replaced(character):
    assert clean(f"a{character}b") == "a\ufffdb"
