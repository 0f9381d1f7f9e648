# SPDX-License-Identifier: Apache-2.0
"""What a methods text cites: in the text, in a list of references, and as BibTeX.

The works are data, each with what it was checked against; nothing here decides what is cited.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources

import msgspec

_BIBTEX_TYPES = {"article": "article", "software": "misc", "standard": "techreport"}
# More authors than this are "et al." in the text.
_N_NAMED = 2


class Citation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A work.

    Attributes
    ----------
    type : str
        ``article``, ``software`` or ``standard``.
    authors : tuple of str
        ``Family, Given``, or the name of a group.
    checked : str
        What these facts were checked against.
    version : str
        Of software; may be empty.
    """

    type: str
    title: str
    authors: tuple[str, ...]
    checked: str
    journal: str = ""
    volume: str = ""
    number: str = ""
    pages: str = ""
    year: int | None = None
    doi: str = ""
    url: str = ""
    version: str = ""

    @property
    def link(self) -> str:
        """Where it is found; empty where it has no address."""
        return f"https://doi.org/{self.doi}" if self.doi else self.url


@cache
def works() -> dict[str, Citation]:
    """Return the works by their keys."""
    text = resources.files("nicarbon").joinpath("data/citations.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, Citation])


def in_text(work: Citation) -> str:
    """Cite a work in a sentence.

    Examples
    --------
    >>> in_text(works()["nipype"]), in_text(works()["sci"])
    ('Gorgolewski et al., 2011', 'ISO/IEC 21031:2024')
    """
    if work.type == "standard":
        return work.number
    names = [author.split(",")[0] for author in work.authors]
    who = " and ".join(names) if len(names) <= _N_NAMED else f"{names[0]} et al."
    when = str(work.year) if work.year else f"version {work.version}" if work.version else ""
    return f"{who}, {when}" if when else who


def reference(work: Citation) -> str:
    """Write a work for a list of references, without its link."""
    place = work.journal
    if work.volume:
        place += f" {work.volume}" + (f"({work.number})" if work.number else "")
        place += f", {work.pages}" if work.pages else ""
    parts = [
        "; ".join(work.authors) + (f" ({work.year})" if work.year else ""),
        work.title,
        place or (work.number if work.type == "standard" else ""),
        f"Version {work.version}" if work.version else "",
    ]
    return ". ".join(part for part in parts if part) + "."


def bibtex(key: str, work: Citation) -> str:
    """Write a work as a BibTeX entry.

    Braces keep the capitals of the title and the names of groups.
    """
    fields = {
        "title": f"{{{work.title}}}",
        "author": " and ".join(a if "," in a else f"{{{a}}}" for a in work.authors),
        "journal": work.journal,
        "institution": work.authors[0] if work.type == "standard" else "",
        "volume": work.volume,
        "number": work.number,
        "pages": work.pages,
        "year": str(work.year or ""),
        "version": work.version,
        "doi": work.doi,
        "url": work.link,
    }
    lines = [f"  {name} = {{{_escaped(value)}}}," for name, value in fields.items() if value]
    return "\n".join([f"@{_BIBTEX_TYPES[work.type]}{{{key},", *lines, "}"]) + "\n"


def _escaped(value: str) -> str:
    """Escape what LaTeX would act on; BibTeX's own braces stay."""
    return "".join(f"\\{c}" if c in "&%$#_" else c for c in value.replace("—", "---"))
