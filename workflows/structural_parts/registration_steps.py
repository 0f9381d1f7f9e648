# SPDX-License-Identifier: Apache-2.0
"""Steps between a brain and a template, one function per node, from file to file.

nipype sends the text of these functions to its workers, so each imports what it needs and uses
nothing else of this module.  Volumes are in RAS+ order with 1 mm voxels; paths that are returned
are absolute and lie in the working directory of the node.
"""

from __future__ import annotations


def align_template(head: str, template: str) -> str:
    """Find where the brain is: affine registration of a skull-stripped template to a head.

    The template is the fixed image and its dilated brain mask limits the metric, because the
    other way round the template grows over the scalp.

    Parameters
    ----------
    head : str
        Head with skull.
    template : str
        Skull-stripped template.

    Returns
    -------
    str
        Text file with the 4 x 4 matrix from template to head, millimetres to millimetres.
    """
    import logging
    import os

    import nibabel as nib
    import numpy as np
    from dipy.align import affine_registration
    from scipy import ndimage as ndi
    from threadpoolctl import threadpool_limits

    logging.getLogger("dipy").setLevel(logging.WARNING)  # it reports progress on stdout
    coarse = (slice(None, None, 3),) * 3
    scale = np.diag([3.0, 3.0, 3.0, 1.0])
    fixed, moving = nib.load(template), nib.load(head)
    fixed_data = ndi.gaussian_filter(fixed.get_fdata(dtype=np.float32), 1)[coarse]
    moving_data = ndi.gaussian_filter(moving.get_fdata(dtype=np.float32), 1)[coarse]
    mask = ndi.binary_dilation(fixed_data > 0.1 * fixed_data.max(), iterations=1)
    # one thread, as the node declares: more take half as much CPU again and save no time
    with threadpool_limits(limits=1):
        _, matrix = affine_registration(
            moving_data,
            fixed_data,
            moving_affine=moving.affine @ scale,
            static_affine=fixed.affine @ scale,
            static_mask=mask.astype(np.int32),
            pipeline=["center_of_mass", "translation", "rigid", "affine"],
            level_iters=[200, 100, 20],
            sigmas=[3, 1, 0],
            factors=[4, 2, 1],
        )
    out_file = os.path.abspath("template_to_head.txt")
    np.savetxt(out_file, matrix)
    return out_file


def register_affine(brain: str, template: str, initial: str) -> str:
    """Refine the affine registration on the extracted brain, at 2 mm.

    Parameters
    ----------
    brain : str
        Skull-stripped brain.
    template : str
        Skull-stripped template.
    initial : str
        Result of :func:`align_template`.

    Returns
    -------
    str
        Text file with the 4 x 4 matrix from brain to template, millimetres to millimetres.
    """
    import logging
    import os

    import nibabel as nib
    import numpy as np
    from dipy.align import affine_registration
    from scipy import ndimage as ndi
    from threadpoolctl import threadpool_limits

    logging.getLogger("dipy").setLevel(logging.WARNING)  # it reports progress on stdout
    coarse = (slice(None, None, 2),) * 3
    scale = np.diag([2.0, 2.0, 2.0, 1.0])
    fixed, moving = nib.load(brain), nib.load(template)
    # one thread, as the node declares: more take half as much CPU again and save no time
    with threadpool_limits(limits=1):
        _, matrix = affine_registration(
            ndi.gaussian_filter(moving.get_fdata(dtype=np.float32), 0.7)[coarse],
            ndi.gaussian_filter(fixed.get_fdata(dtype=np.float32), 0.7)[coarse],
            moving_affine=moving.affine @ scale,
            static_affine=fixed.affine @ scale,
            starting_affine=np.linalg.inv(np.loadtxt(initial)),
            pipeline=["affine"],
            level_iters=[100, 30],
            sigmas=[2, 1],
            factors=[4, 2],
        )
    out_file = os.path.abspath("brain_to_template.txt")
    np.savetxt(out_file, matrix)
    return out_file


def register_nonlinear(brain: str, template: str, matrix: str) -> str:
    """Register a brain to the template by symmetric normalisation (SyN), at 2 mm.

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
    import logging
    import os

    import nibabel as nib
    import numpy as np
    from dipy.align.imwarp import SymmetricDiffeomorphicRegistration
    from dipy.align.metrics import CCMetric
    from scipy import ndimage as ndi

    logging.getLogger("dipy").setLevel(logging.WARNING)  # it reports progress on stdout
    coarse = (slice(None, None, 2),) * 3
    scale = np.diag([2.0, 2.0, 2.0, 1.0])
    fixed, moving = nib.load(brain), nib.load(template)
    fixed_data, moving_data = (
        ndi.gaussian_filter(x.get_fdata(dtype=np.float32), 0.7)[coarse] for x in (fixed, moving)
    )
    registration = SymmetricDiffeomorphicRegistration(
        CCMetric(3, radius=4), level_iters=[60, 40, 20], inv_iter=20
    )
    mapping = registration.optimize(
        fixed_data,
        moving_data,
        static_grid2world=fixed.affine @ scale,
        moving_grid2world=moving.affine @ scale,
        prealign=np.loadtxt(matrix),
    )
    # warp the template's own voxel coordinates, then read them out on the 1 mm grid
    positions = np.indices(fixed.shape).astype(np.float32).reshape(3, -1) / 2
    voxels = np.empty((*fixed.shape, 3), dtype=np.float32)
    for axis, ramp in enumerate(np.indices(moving_data.shape).astype(np.float32)):
        warped = mapping.transform(np.ascontiguousarray(ramp), interpolation="linear")
        voxels[..., axis] = ndi.map_coordinates(warped, positions, order=1).reshape(fixed.shape)
    grid = moving.affine @ scale
    coordinates = (voxels @ grid[:3, :3].T + grid[:3, 3]).astype(np.float32)
    out_file = os.path.abspath("template_coordinates.nii")
    nib.save(nib.Nifti1Image(coordinates, fixed.affine), out_file)
    return out_file


def resample_atlas(atlas: str, coordinates: str) -> str:
    """Bring an atlas from template space to the brain, by nearest neighbour.

    Parameters
    ----------
    atlas : str
        Label image in template space.
    coordinates : str
        Result of :func:`register_nonlinear`.

    Returns
    -------
    str
        Label image on the grid of the brain, uint8.
    """
    import os

    import nibabel as nib
    import numpy as np
    from scipy import ndimage as ndi

    labels, where = nib.load(atlas), nib.load(coordinates)
    to_voxel = np.linalg.inv(labels.affine)
    points = where.get_fdata(dtype=np.float32) @ to_voxel[:3, :3].T + to_voxel[:3, 3]
    data = np.asarray(labels.dataobj).astype(np.uint8)
    resampled = ndi.map_coordinates(data, np.moveaxis(points, -1, 0), order=0)
    out_file = os.path.abspath("atlas.nii.gz")
    nib.save(nib.Nifti1Image(resampled, where.affine), out_file)
    return out_file
