# SPDX-License-Identifier: Apache-2.0
import pytest

from nicarbon.reports.citations import works
from nicarbon.reports.manuscript import LICENCE, render
from nicarbon.reports.methods import Methods, methods_of
from nicarbon.reports.sentences import Sentence

CITED = {key: works()[key] for key in ("nicarbon", "nipype", "rapl")}
METHODS = Methods(
    ((Sentence("One", ("nicarbon",)), Sentence("Two", ("nipype", "rapl"))), (Sentence("Three"),)),
    CITED,
)


def test_a_paragraph_is_a_line():
    lines = render(METHODS, "text").split("\n\n")
    assert lines[0] == (
        "One (The nicarbon developers). Two (Gorgolewski et al., 2011; Khan et al., 2018)."
    )
    assert lines[1:3] == ["Three.", "References"]
    assert len(lines) == 7
    assert lines[4].startswith("* Gorgolewski, Krzysztof; ")
    assert lines[4].endswith(" https://doi.org/10.3389/fninf.2011.00013")
    assert lines[-1] == LICENCE + "\n"
    assert "CC0" in LICENCE


def test_markdown_has_links():
    text = render(METHODS, "md")
    assert "\n\n## References\n\n" in text
    assert " <https://doi.org/10.1145/3177754>\n" in text
    assert "<>" not in text


def test_bibtex_has_an_entry_for_each_work():
    text = render(METHODS, "bib")
    assert [line for line in text.splitlines() if line.startswith("@")] == [
        "@misc{nicarbon,",
        "@article{nipype,",
        "@article{rapl,",
    ]


@pytest.mark.parametrize("form", ["text", "md"])
def test_names_are_shown_and_never_obeyed(run_folders, form):
    hostile = "wf.<script>*b*_c_[x](http://e)`&lt;`\x1b[31m\u202e" + "y" * 500
    run = run_folders.run([run_folders.span(hostile, outcome="killed")])
    text = render(methods_of(run), form)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "y" * 500 in text
    if form == "md":
        assert r"wf.\<script\>\*b\*\_c\_\[x\](http://e)\`\&lt;\`" in text
    else:
        assert "wf.<script>*b*_c_[x](http://e)`&lt;`" in text
    assert max(text.count(line) for line in text.splitlines() if line) == 1
