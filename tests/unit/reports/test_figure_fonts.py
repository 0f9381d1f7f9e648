# SPDX-License-Identifier: Apache-2.0
import logging
import warnings

from matplotlib.font_manager import fontManager

from nicarbon.reports.figure_fonts import USUAL, families, hushed, unshown

# In STIX, which comes with matplotlib, and not in the usual font; and in none at all.
RARE, NOWHERE = "\u210a", "\U00013000"


def test_what_the_usual_font_has_needs_no_other(few_fonts):
    assert families(["segmentation, ~12 J (÷ 2.5)", "הגיוני"]) == (USUAL,)


def test_another_font_is_taken_for_signs_that_the_usual_one_lacks(few_fonts):
    first, second = families(["a" + RARE])
    assert first == USUAL
    assert unshown(RARE, [USUAL]) == RARE
    assert unshown(RARE, [second]) == ""


def test_what_no_font_has_is_named_once_and_no_font_is_taken_for_it(few_fonts):
    chosen = families([NOWHERE, NOWHERE + "段"])
    assert chosen == (USUAL,)
    assert unshown(NOWHERE + "a段" + NOWHERE, chosen) == NOWHERE + "段"


def test_a_font_that_is_gone_is_no_help(few_fonts, monkeypatch):
    broken = [font for font in fontManager.ttflist if font.name == USUAL]
    gone = type(broken[0])(fname="/nonexistent/gone.ttf", name="Aaa")
    monkeypatch.setattr(fontManager, "ttflist", [*broken, gone])
    assert families([RARE]) == (USUAL,)


def test_fonts_that_lack_something_are_not_complained_of(caplog):
    log = logging.getLogger("matplotlib.font_manager")
    before = log.level
    with warnings.catch_warnings(record=True) as said, hushed():
        warnings.filterwarnings("always", message="something")
        log.warning("Failed to find font weight bold")
        warnings.warn("Glyph 27573 (x) missing from font(s) DejaVu Sans.", stacklevel=1)
        warnings.warn("something else", stacklevel=1)
    assert [str(one.message) for one in said] == ["something else"]
    assert caplog.text == ""
    assert log.level == before
