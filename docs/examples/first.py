# SPDX-License-Identifier: Apache-2.0
"""A workflow of three nodes: make an image of noise, smooth it at three widths, average it."""

from __future__ import annotations

import os
from typing import Any

from nipype import Function, MapNode, Node, Workflow


def make_image(size: int) -> str:
    """Write a cube of random numbers and return its path."""
    from pathlib import Path

    import nibabel
    import numpy

    voxels = numpy.random.default_rng(1).normal(100, 20, (size, size, size))
    path = Path("image.nii.gz").absolute()
    nibabel.save(nibabel.Nifti1Image(voxels.astype("float32"), numpy.eye(4)), path)
    return str(path)


def smooth(in_file: str, sigma: float) -> str:
    """Smooth an image with a Gaussian, its width in voxels, and return the new one's path."""
    from pathlib import Path

    import nibabel
    from scipy.ndimage import gaussian_filter

    image = nibabel.load(in_file)
    voxels = gaussian_filter(image.get_fdata(), sigma)
    path = Path(f"smooth_{sigma:g}.nii.gz").absolute()
    nibabel.save(nibabel.Nifti1Image(voxels, image.affine), path)
    return str(path)


def average(in_files: list[str]) -> list[float]:
    """Return the mean of each image."""
    import nibabel

    return [float(nibabel.load(in_file).get_fdata().mean()) for in_file in in_files]


def build() -> Any:
    """Return the workflow; it imports nothing of nicarbon."""
    workflow = Workflow("first_wf", base_dir=os.path.abspath("work"))
    image = Node(Function(function=make_image), "make_image")
    image.inputs.size = 160
    smoothed = MapNode(Function(function=smooth), ["sigma"], "smooth_image")
    smoothed.inputs.sigma = [1.0, 2.0, 3.0]
    means = Node(Function(function=average), "summarise_means")
    # No rule can know what functions of your own are for: an attribute of the node says it.
    image.stage = "input and output"
    means.stage = "morphometry"
    workflow.connect(
        [
            (image, smoothed, [("out", "in_file")]),
            (smoothed, means, [("out", "in_files")]),
        ]
    )
    return workflow


if __name__ == "__main__":
    build().run(plugin="MultiProc", plugin_args={"n_procs": 2})
