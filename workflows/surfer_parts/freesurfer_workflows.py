# SPDX-License-Identifier: Apache-2.0
"""recon-all as nodes: its stages, the hemispheres apart; and the tables of all subjects.

The order and the flags are those that sMRIPrep runs recon-all with; nodes have its names.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nipype import Node, Workflow
from nipype.interfaces.base import Undefined
from nipype.interfaces.freesurfer import ReconAll
from nipype.interfaces.utility import Merge

from surfer_parts.subjects import Subject
from surfer_parts.tables import AparcTable, AsegTable

HEMISPHERES = ("lh", "rh")
# They read the cortical ribbon, which needs both hemispheres, or label both.
_AFTER_RIBBON = ["-noparcstats", "-noparcstats2", "-noparcstats3", "-nohyporelabel", "-nobalabels"]


def _recon_all(name: str, openmp: int, n_procs: int | None = None, **inputs: Any) -> Node:
    # FreeSurfer's own table asks for 8 GB of memory in all; one of its steps rarely needs 3.
    interface = ReconAll(openmp=openmp, **inputs)
    return Node(interface, name=name, n_procs=n_procs or openmp, mem_gb=3)


def init_recon_all_wf(subject: Subject, subjects_dir: Path, openmp: int) -> Workflow:
    """Build recon-all of one subject from its stages.

    Parameters
    ----------
    subject : Subject
        Whom, and of which image.
    subjects_dir : pathlib.Path
        Folder of the subjects' folders.
    openmp : int
        Threads that a node may use; hemispheres are nodes of their own.

    Returns
    -------
    nipype.Workflow
        Its last node is ``autorecon3``.
    """
    first = _recon_all(
        "autorecon1",
        openmp,
        directive="autorecon1",
        T1_files=[str(subject.t1w)],
        subject_id=subject.name,
        subjects_dir=str(subjects_dir),
    )
    volume = _recon_all("autorecon2_vol", openmp, directive="autorecon2-volonly")
    ribbon = _recon_all("cortribbon", openmp, directive=Undefined, flags=["-cortribbon"])
    # Without a directive nipype looks at no step, and finds that nothing is left to do.
    ribbon.interface.force_run = True
    # -autorecon3 would do them once more: nipype looks for them in autorecon2 alone.
    last = _recon_all("autorecon3", openmp, directive="autorecon3", flags=["-nocurvstats"])
    workflow = Workflow(subject.workflow_name)
    workflow.connect([(first, volume, _SAME)])
    for hemi, field in zip(HEMISPHERES, _FIELDS, strict=True):
        per_hemisphere: dict[str, Any] = {"directive": "autorecon-hemi", "hemi": hemi}
        surfaces = _recon_all(
            f"autorecon_surfs_{hemi}", openmp, flags=_AFTER_RIBBON, **per_hemisphere
        )
        statistics = _recon_all(
            f"parcstats_{hemi}", openmp, flags=["-nohyporelabel"], **per_hemisphere
        )
        # What waits for both hemispheres has the subject of one and the folder of the other.
        workflow.connect(
            [
                (volume, surfaces, _SAME),
                (surfaces, ribbon, [(field, field)]),
                (ribbon, statistics, _SAME),
                (statistics, last, [(field, field)]),
            ]
        )
    return workflow


_FIELDS = ("subject_id", "subjects_dir")
_SAME = [(field, field) for field in _FIELDS]


def init_monolithic_wf(
    subject: Subject, subjects_dir: Path, openmp: int, *, parallel: bool
) -> Workflow:
    """Build recon-all of one subject as one node, ``recon_all``.

    Parameters
    ----------
    subject, subjects_dir, openmp
        As for `init_recon_all_wf`.
    parallel : bool
        Whether it works on both hemispheres at once.
    """
    whole = _recon_all(
        "recon_all",
        openmp,
        n_procs=openmp * (2 if parallel else 1),
        directive="all",
        T1_files=[str(subject.t1w)],
        subject_id=subject.name,
        subjects_dir=str(subjects_dir),
    )
    if parallel:
        whole.inputs.parallel = True
    workflow = Workflow(subject.workflow_name)
    workflow.add_nodes([whole])
    return workflow


def init_freesurfer_wf(
    subjects: Sequence[Subject],
    subjects_dir: Path,
    *,
    openmp: int = 1,
    parallel: bool = False,
    monolithic: bool = False,
) -> Workflow:
    """Build recon-all of every subject, and the tables of their regions.

    Parameters
    ----------
    subjects : sequence of Subject
        Whom.
    subjects_dir : pathlib.Path
        Folder of the subjects' folders.
    openmp : int
        Threads for each hemisphere.
    parallel : bool
        Whether one node works on both hemispheres at once; nodes of their own do where the
        plugin has processors for both.
    monolithic : bool
        Whether recon-all is one node.

    Returns
    -------
    nipype.Workflow
        Workflow that needs only a ``base_dir`` to run.
    """
    workflow = Workflow("freesurfer_wf")
    everybody = Node(Merge(len(subjects)), name="subjects", run_without_submitting=True)
    for number, subject in enumerate(subjects, start=1):
        if monolithic:
            one = init_monolithic_wf(subject, subjects_dir, openmp, parallel=parallel)
            end = "recon_all.subject_id"
        else:
            one = init_recon_all_wf(subject, subjects_dir, openmp)
            end = "autorecon3.subject_id"
        workflow.connect([(one, everybody, [(end, f"in{number}")])])
    given = {"subjects_dir": str(subjects_dir)}
    volumes = Node(AsegTable(measure="volume", **given), name="aseg_table")
    workflow.connect([(everybody, volumes, [("out", "subjects")])])
    for hemi in HEMISPHERES:
        table = AparcTable(hemi=hemi, measure="thickness", **given)
        thickness = Node(table, name=f"aparc_table_{hemi}")
        workflow.connect([(everybody, thickness, [("out", "subjects")])])
    return workflow
