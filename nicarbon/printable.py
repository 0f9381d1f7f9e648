# SPDX-License-Identifier: Apache-2.0
"""Make text that comes from pipelines fit to be shown: in a terminal, a picture, an XML file."""

from __future__ import annotations


def clean(text: str) -> str:
    r"""Replace what a terminal would act on instead of showing it.

    That covers all that XML forbids, lone surrogates, and marks that turn the direction of text.

    Examples
    --------
    >>> clean("smooth\x1b[31m"), clean("عربي")
    ('smooth�[31m', 'عربي')
    """
    return "".join(character if character.isprintable() else "�" for character in text)
