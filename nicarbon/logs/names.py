# SPDX-License-Identifier: Apache-2.0
"""What the steps of logs are called: the same words wherever a log is read, and whenever."""

from __future__ import annotations

import re


def safe(name: str, more: str = "") -> str:
    """Make a name that a node may have: no dots, which part workflows, and no blanks.

    Parameters
    ----------
    name : str
        Any text.
    more : str
        Characters that may stay.

    Examples
    --------
    >>> safe("Curv .H and .K"), safe("WM/GM Contrast"), safe("mri_nu_correct.mni")
    ('Curv_H_and_K', 'WM_GM_Contrast', 'mri_nu_correct_mni')
    """
    return re.sub(rf"[^\w+{re.escape(more)}-]+", "_", name).strip("_ ")[:120] or "step"


def step_name(command: str, title: str, hemisphere: str | None = None) -> str:
    """Name a step of a pipeline's command.

    Examples
    --------
    >>> step_name("recon-all", "Surf Reg", "lh")
    'recon-all.Surf_Reg_lh'
    """
    side = f"_{hemisphere}" if hemisphere else ""
    return f"{safe(command)}.{safe(title)}{side}"


def interface(command: str) -> str:
    """Return what stands for a step's interface: stage rules ask for it.

    Examples
    --------
    >>> interface("recon-all")
    'recon-all step'
    """
    return f"{command} step"
