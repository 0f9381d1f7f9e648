# SPDX-License-Identifier: Apache-2.0
"""The same steps by ANTs instead of DIPY, one function per node, from file to file.

nipype sends the text of these functions to its workers, so each imports what it needs and uses
nothing else of this module.  ITK takes its number of threads from the environment when it first
starts some: it is set to the one that the nodes declare.  Paths that are returned are absolute and
lie in the working directory of the node.
"""

from __future__ import annotations


def correct_bias(in_file: str) -> str:
    """Divide a head by its smooth bias field, found by N4.

    Parameters
    ----------
    in_file : str
        T1-weighted head.

    Returns
    -------
    str
        Corrected head, float32.
    """
    import os

    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"
    import ants

    head = ants.image_read(in_file)
    corrected = ants.n4_bias_field_correction(
        head,
        mask=ants.get_mask(head, cleanup=0),
        shrink_factor=4,
        convergence={"iters": [50] * 4, "tol": 1e-7},
        spline_param=200,
    )
    out_file = os.path.abspath("T1w_unbiased.nii.gz")
    ants.image_write(corrected, out_file)
    return out_file


def denoise(in_file: str) -> str:
    """Remove Rician noise from a brain by adaptive non-local means.

    Parameters
    ----------
    in_file : str
        Skull-stripped brain, 0 outside.

    Returns
    -------
    str
        Denoised brain, 0 outside.
    """
    import os

    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"
    import ants

    brain = ants.image_read(in_file)
    mask = ants.threshold_image(brain, 1e-3)
    quiet = ants.denoise_image(brain, mask, shrink_factor=1, p=1, r=1, noise_model="Rician")
    out_file = os.path.abspath("denoised.nii.gz")
    ants.image_write(quiet * mask, out_file)
    return out_file


def classify_tissue(in_file: str) -> str:
    """Classify tissue by Atropos: k-means with a Markov random field.

    Parameters
    ----------
    in_file : str
        Skull-stripped brain, 0 outside.

    Returns
    -------
    str
        1 cerebrospinal fluid, 2 grey matter, 3 white matter.
    """
    import os

    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"
    import ants

    brain = ants.image_read(in_file)
    mask = ants.threshold_image(brain, 1e-3)
    # k-means numbers its classes from dark to bright
    found = ants.kmeans_segmentation(brain, 3, kmask=mask, mrf=0.1)
    out_file = os.path.abspath("tissue.nii.gz")
    ants.image_write(found["segmentation"].clone("unsigned char"), out_file)
    return out_file


def register_affine(brain: str, template: str) -> str:
    """Register the extracted brain to the template, affinely, from their centres of mass on.

    Parameters
    ----------
    brain : str
        Skull-stripped brain.
    template : str
        Skull-stripped template.

    Returns
    -------
    str
        ANTs' transform from brain to template.
    """
    import os
    import shutil

    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"
    import ants

    found = ants.registration(
        ants.image_read(brain),
        ants.image_read(template),
        "Affine",
        aff_metric="mattes",
        aff_random_sampling_rate=0.2,
        random_seed=1,
    )
    out_file = os.path.abspath("brain_to_template.mat")
    shutil.copy(found["fwdtransforms"][0], out_file)
    return out_file


def register_nonlinear(brain: str, template: str, matrix: str) -> str:
    """Register a brain to the template by symmetric normalisation (SyN).

    Parameters
    ----------
    brain : str
        Skull-stripped brain.
    template : str
        Skull-stripped template.
    matrix : str
        Result of :func:`register_affine`.

    Returns
    -------
    str
        Four-dimensional float32 image on the grid of `brain`: the template's x, y and z in
        millimetres that every voxel maps to.
    """
    import os

    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"
    import ants
    import nibabel as nib
    import numpy as np

    fixed, moving = ants.image_read(brain), ants.image_read(template)
    found = ants.registration(
        fixed,
        moving,
        "SyNOnly",
        initial_transform=matrix,
        syn_metric="mattes",
        syn_sampling=32,
        reg_iterations=(80, 40, 10, 0),
        random_seed=1,
    )
    # warp the template's own coordinates; where it ends, its edge is near enough
    affine = nib.load(template).affine
    voxels = np.indices(moving.shape).reshape(3, -1)
    world = (affine[:3, :3] @ voxels + affine[:3, 3:]).reshape(3, *moving.shape)
    warped = [
        ants.apply_transforms(
            fixed,
            moving.new_image_like(np.ascontiguousarray(axis, dtype=np.float32)),
            found["fwdtransforms"],
            defaultvalue=float(axis.min()),
        ).numpy()
        for axis in world
    ]
    out_file = os.path.abspath("template_coordinates.nii")
    image = nib.Nifti1Image(np.stack(warped, -1).astype(np.float32), nib.load(brain).affine)
    nib.save(image, out_file)
    return out_file
