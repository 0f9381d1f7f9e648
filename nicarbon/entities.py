# SPDX-License-Identifier: Apache-2.0
"""Find subject, session and hemisphere in the names that pipelines give to workflows and nodes.

Names are all there is: no input of a node is recorded. What is found is written as BIDS does,
``sub-01``; where a name leaves a doubt, nothing is found. No node is known here, only its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

import msgspec

_SUBJECT = r"(?:sub|subj|subject|participant)(?:_?id|_label)?"
_SESSION = r"(?:ses|session)(?:_?id|_label)?"
# A label of BIDS is alphanumeric. A word that only follows "sub_" may be any ("sub_cortical"):
# it is a label if it has a digit, or if it is all that a workflow's name says. Behind a hyphen,
# as BIDS writes it, and behind the key of an iterable, anything is one.
_LABEL = r"([A-Za-z0-9]+)"
_NUMBERED = r"((?=[A-Za-z]*[0-9])[A-Za-z0-9]+)"
_PREFIXES = {"sub": r"(?:sub[-_]+)?", "ses": r"(?:ses[-_]+)?"}
_PATTERNS = {
    entity: tuple(
        re.compile(pattern)
        for pattern in (
            rf"(?<![A-Za-z0-9]){entity}-{_LABEL}",
            rf"(?<![A-Za-z0-9])(?i:{words})_+{_PREFIXES[entity]}{_NUMBERED}(?![A-Za-z0-9])",
            whole,
        )
    )
    for entity, words, whole in (
        ("sub", _SUBJECT, rf"^(?:single_subject|sub)_{_LABEL}(?:_ses_.*)?_wf$"),
        ("ses", _SESSION, rf"^(?:.*_)?ses_{_LABEL}(?:_.*)?_wf$"),
    )
}
_ITERABLES = {
    entity: re.compile(rf"^(?:_?(?i:{words})_+{_PREFIXES[entity]}|{entity}-){_LABEL}", re.ASCII)
    for entity, words in (("sub", _SUBJECT), ("ses", _SESSION))
}
_HEMISPHERE = re.compile(
    r"(?<![A-Za-z0-9])(?:(?i:hemi(?:sphere)?[-_]+)(?P<letter>[LRlr])|(?P<word>(?i:lh|rh|left|right)))"
    r"(?![A-Za-z0-9])"
)


class Entities(msgspec.Struct, frozen=True):
    """What a name says, as BIDS writes it (``sub-01``, ``ses-a``, ``hemi-L``); None is nothing."""

    subject: str | None = None
    session: str | None = None
    hemisphere: str | None = None


def entities(name: str, iterables: Iterable[str] = ()) -> Entities:
    """Return the subject, session and hemisphere of a node.

    Parameters
    ----------
    name : str
        Its unique name: workflows and node, separated by dots, or as pydra's by slashes.
    iterables : iterable of str
        What it is expanded for, as nipype writes it (``_subject_id_01``), or what the names of
        files that it is expanded for say (``sub-01``): wins over the name.

    Returns
    -------
    Entities
        Of several subjects or sessions in a name the outermost workflow's counts, and of several
        in iterables none; a name that speaks of both hemispheres has none.

    Examples
    --------
    >>> entities("fmriprep_25_2_wf.sub_01_ses_a_wf.anat_fit_wf.brain_extraction_wf.n4")
    Entities(subject='sub-01', session='ses-a', hemisphere=None)
    >>> entities("ReconAll.AutoRecon3.AutoRecon3_Left_2.Parcellation_Stats_lh_White").hemisphere
    'hemi-L'
    >>> entities("wf.smooth.aI.a0", ["_subject_id_pixar"]).subject
    'sub-pixar'
    """
    iterables = tuple(iterables)
    parts = tuple(re.split("[./]", name))
    sides = {side for part in (*iterables, *parts) for side in _sides(part)}
    return Entities(
        subject=_labelled("sub", iterables, parts),
        session=_labelled("ses", iterables, parts),
        hemisphere=f"hemi-{sides.pop()}" if len(sides) == 1 else None,
    )


def _labelled(entity: str, iterables: tuple[str, ...], parts: tuple[str, ...]) -> str | None:
    found = (_ITERABLES[entity].search(text) for text in iterables)
    labels = {match[1] for match in found if match}
    if len(labels) > 1:  # Of a file of each, say.
        return None
    label = labels.pop() if labels else None
    label = label or next((label for part in parts if (label := _label(entity, part))), None)
    return f"{entity}-{label}" if label else None


@lru_cache(maxsize=65536)
def _label(entity: str, part: str) -> str | None:
    found = (pattern.search(part) for pattern in _PATTERNS[entity])
    return next((match[1] for match in found if match), None)


@lru_cache(maxsize=65536)
def _sides(part: str) -> frozenset[str]:
    """Return the hemispheres, L or R, that a part of a name speaks of."""
    words = (match["letter"] or match["word"] for match in _HEMISPHERE.finditer(part))
    return frozenset(word[0].upper() for word in words)
