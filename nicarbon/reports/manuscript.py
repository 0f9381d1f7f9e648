# SPDX-License-Identifier: Apache-2.0
"""Write a methods text to be pasted: plain text, Markdown, or the BibTeX of what it cites."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from nicarbon.printable import clean
from nicarbon.reports.citations import Citation, bibtex, in_text, reference
from nicarbon.reports.methods import Methods
from nicarbon.reports.sentences import Sentence

LICENCE = (
    "This text was written by nicarbon from the record of the run and is released under CC0 "
    "(https://creativecommons.org/publicdomain/zero/1.0/): paste it into your manuscript as it is."
)
_MARKUP = re.compile(r"([\\`*_\[\]<>#|~$&])")


def render(methods: Methods, form: str) -> str:
    """Write a methods text.

    Parameters
    ----------
    methods : Methods
        From `nicarbon.reports.methods.methods_of`.
    form : str
        ``text`` or ``md``, with references and licence, or ``bib``.

    Returns
    -------
    str
        A paragraph is one line, so that it can be pasted.
    """
    if form == "bib":
        return "\n".join(bibtex(key, work) for key, work in methods.citations.items())
    shown = _markdown if form == "md" else clean
    blocks = [
        " ".join(_written(sentence, methods.citations, shown) for sentence in paragraph)
        for paragraph in methods.paragraphs
    ]
    blocks.append("## References" if form == "md" else "References")
    for work in methods.citations.values():
        link = f"<{work.link}>" if form == "md" and work.link else work.link
        blocks.append(f"* {shown(reference(work))} {link}".rstrip())
    return "\n\n".join([*blocks, LICENCE]) + "\n"


def _written(
    sentence: Sentence, citations: Mapping[str, Citation], shown: Callable[[str], str]
) -> str:
    cites = "; ".join(in_text(citations[key]) for key in sentence.cites)
    text = f"{sentence.text} ({cites})" if cites else sentence.text
    return f"{shown(text)}."


def _markdown(text: str) -> str:
    r"""Escape what Markdown would act on.

    Examples
    --------
    >>> _markdown("wf.a_b <script>")
    'wf.a\\_b \\<script\\>'
    """
    return _MARKUP.sub(r"\\\1", clean(text))
