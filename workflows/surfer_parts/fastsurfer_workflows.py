# SPDX-License-Identifier: Apache-2.0
"""FastSurfer as two nodes a subject: the networks, which a GPU speeds up, and the surfaces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nipype import Node, Workflow

from surfer_parts.fastsurfer import FastSurfer
from surfer_parts.subjects import Subject


def init_fastsurfer_wf(
    subjects: Sequence[Subject],
    subjects_dir: Path,
    *,
    threads: int = 1,
    parallel: bool = False,
    seg_only: bool = False,
    device: str = "cpu",
    **given: Any,
) -> Workflow:
    """Build FastSurfer of every subject.

    Parameters
    ----------
    subjects : sequence of Subject
        Whom.
    subjects_dir : pathlib.Path
        Folder of the subjects' folders.
    threads : int
        Threads of a node, for each hemisphere.
    parallel : bool
        Whether the surfaces of both hemispheres are made at once.
    seg_only : bool
        Whether to leave out the surfaces.
    device : str
        Where the networks run: ``cpu`` or ``cuda``.
    **given
        Further inputs of `surfer_parts.fastsurfer.FastSurfer`.

    Returns
    -------
    nipype.Workflow
        Workflow that needs only a ``base_dir`` to run.
    """
    workflow = Workflow("fastsurfer_wf")
    for subject in subjects:
        common = {
            "t1_file": str(subject.t1w),
            "subject_id": subject.name,
            "subjects_dir": str(subjects_dir),
            "threads": threads,
            **given,
        }
        networks = FastSurfer(part="seg_only", device=device, **common)
        # FastSurfer's pages ask for 8 GB of memory without a GPU.
        segmentation = Node(networks, name="segmentation", n_procs=threads, mem_gb=8)
        one = Workflow(subject.workflow_name)
        one.add_nodes([segmentation])
        if not seg_only:
            cortex = FastSurfer(part="surf_only", **common)
            if parallel:
                cortex.inputs.parallel = True
            n_procs = threads * (2 if parallel else 1)
            surfaces = Node(cortex, name="surfaces", n_procs=n_procs, mem_gb=4)
            # The order of the two: the surfaces find what they need in the subject's folder.
            one.connect([(segmentation, surfaces, [("subject_id", "subject_id")])])
        workflow.add_nodes([one])
    return workflow
