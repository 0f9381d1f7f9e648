# SPDX-License-Identifier: Apache-2.0
"""Sphinx's settings: ``make docs`` builds the pages, without the network and without a warning."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))
# numpydoc hooks into docstrings in several passes; nothing that it imports may send anything.
os.environ.setdefault("NO_ET", "1")

from nicarbon import __version__

project = "nicarbon"
author = "The nicarbon developers"
project_copyright = author
version = release = __version__

extensions = ["sphinx.ext.autodoc", "numpydoc", "sphinx_copybutton", "generated"]
exclude_patterns = ["_build", "_ext"]
# Docstrings name things in single backquotes: what is documented becomes a link, the rest is code.
default_role = "py:obj"
highlight_language = "text"
nitpicky = True
# No page of another project is fetched to link to: names of its classes stay plain.
nitpick_ignore_regex = [
    ("py:obj", ".*"),
    ("py:.*", r"(pd|nx|pandas|networkx|msgspec|pathlib|os|collections\.abc)\..*|Path"),
    ("py:class", r"nicarbon\.(records\.run\.RunFacts|rules\.RuleFile|sightings\.Split)"),
]

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

html_theme = "furo"
# Tables of a terminal are up to 100 columns wide.
_CODE = {"code-font-size": "75%"}
html_theme_options = {"light_css_variables": _CODE, "dark_css_variables": _CODE}
html_title = f"nicarbon {__version__}"
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
# Prompts and output of a console block are not copied.
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True
