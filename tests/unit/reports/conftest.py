# SPDX-License-Identifier: Apache-2.0
import pytest
from matplotlib.font_manager import fontManager

from nicarbon.reports import figure_fonts


@pytest.fixture
def few_fonts(monkeypatch):
    """A machine with no fonts but those that come with matplotlib."""
    own = [font for font in fontManager.ttflist if "mpl-data" in font.fname]
    monkeypatch.setattr(fontManager, "ttflist", own)
    figure_fonts._font.cache_clear()
    yield
    figure_fonts._font.cache_clear()
