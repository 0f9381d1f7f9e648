# SPDX-License-Identifier: Apache-2.0
"""Steps within the volume of one brain, one function per node, from file to file.

nipype sends the text of these functions to its workers, so each imports what it needs and uses
nothing else of this module.  Volumes are in RAS+ order with 1 mm voxels; paths that are returned
are absolute and lie in the working directory of the node.
"""

from __future__ import annotations


def correct_bias(in_file: str) -> str:
    """Divide a head by its smooth bias field.

    The field is what remains of the logarithm of the bright tissue after wide smoothing, found
    in six rounds on every third voxel; this is the idea of N3 without its sharpening step.

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

    import nibabel as nib
    import numpy as np
    from scipy import ndimage as ndi

    image = nib.load(in_file)
    head = np.maximum(image.get_fdata(dtype=np.float32), 0)
    coarse = head[::3, ::3, ::3]
    tissue = coarse > np.percentile(coarse[coarse > 0.3 * coarse.mean()], 20)
    log_head = np.log(np.maximum(coarse, 1e-3 * coarse.max()))
    log_field = np.zeros_like(log_head)
    for _ in range(6):
        rest = log_head - log_field
        low, high = np.percentile(rest[tissue], [55, 97])  # white matter, mostly; never fat
        weight = (tissue & (rest > low) & (rest < high)).astype(np.float32)
        sums = [ndi.gaussian_filter(x, 12) for x in (weight * rest, weight)]
        smooth = sums[0] / (sums[1] + 1e-4)
        log_field += 0.7 * (smooth - smooth[weight > 0].mean())
    positions = np.indices(head.shape, dtype=np.float32).reshape(3, -1) / 3
    field = ndi.map_coordinates(np.clip(log_field, -1, 1), positions, order=1, mode="nearest")
    head /= np.exp(field).reshape(head.shape)
    out_file = os.path.abspath("T1w_unbiased.nii.gz")
    nib.save(nib.Nifti1Image(head, image.affine), out_file)
    return out_file


def extract_brain(head: str, template: str, matrix: str) -> tuple[str, str]:
    """Cut the brain out of a head and crop both to its bounding box.

    Starts from the template's brain mask; within 5 mm of it keeps what is as bright as brain,
    hangs together after erosion and is smooth.

    Parameters
    ----------
    head : str
        Head with skull, corrected for bias.
    template : str
        Skull-stripped template.
    matrix : str
        Result of :func:`align_template`.

    Returns
    -------
    brain : str
        Skull-stripped brain, float32, with white matter at 110 as in FreeSurfer.
    mask : str
        Brain mask, uint8, on the grid of `brain`.
    """
    import os

    import nibabel as nib
    import numpy as np
    from scipy import ndimage as ndi

    from structural_parts.morphology import bounding_box, close, grow, largest_component, shrink

    image, fixed = nib.load(head), nib.load(template)
    template_brain = fixed.get_fdata(dtype=np.float32) > 0
    to_template = np.linalg.inv(fixed.affine) @ np.linalg.inv(np.loadtxt(matrix)) @ image.affine
    prior = ndi.affine_transform(
        template_brain.astype(np.float32), to_template, output_shape=image.shape, order=1
    )
    # 20 voxels leave room for a brain larger than the prior and for the morphology below
    box = bounding_box(prior > 0.5, 20)
    prior, data = prior[box] > 0.5, image.get_fdata(dtype=np.float32)[box]

    inner = data[shrink(prior, 6)]
    counts, bins = np.histogram(inner, 200)
    bright = bins[:-1] > np.median(inner)
    white = bins[np.argmax(ndi.gaussian_filter1d(counts.astype(float), 3) * bright)]
    near = grow(prior, 5)
    core = shrink(near & (data > 0.4 * white) & (data < 1.35 * white), 2)
    mask = grow(largest_component(core), 3) & near
    mask = ndi.binary_fill_holes(close(mask, 6))

    crop = bounding_box(mask, 4)
    corner = [outer.start + inner.start for outer, inner in zip(box, crop, strict=True)]
    affine = image.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ corner
    brain = np.clip(data[crop] * (110 / white), 0, 160) * mask[crop]
    out_files = os.path.abspath("brain.nii.gz"), os.path.abspath("brain_mask.nii.gz")
    nib.save(nib.Nifti1Image(brain.astype(np.float32), affine), out_files[0])
    nib.save(nib.Nifti1Image(mask[crop].astype(np.uint8), affine), out_files[1])
    return out_files


def parcellate(tissue: str, atlas: str, label_table: str) -> str:
    """Let the atlas follow the brain's own grey matter.

    Grey matter within 4 mm of an atlas region of the cortex gets that region's label;
    subcortical labels lose their cerebrospinal fluid, and the darker ones their white matter.

    Parameters
    ----------
    tissue : str
        Tissue classes: 1 cerebrospinal fluid, 2 grey matter, 3 white matter.
    atlas : str
        Result of :func:`resample_atlas`.
    label_table : str
        CSV with the columns ``id``, ``label``, ``hemisphere`` and ``structure``.

    Returns
    -------
    str
        Label image, uint8.
    """
    import os

    import nibabel as nib
    import numpy as np
    import pandas as pd
    from scipy import ndimage as ndi

    image = nib.load(atlas)
    labels = np.asarray(image.dataobj)
    classes = np.asarray(nib.load(tissue).dataobj).round().astype(np.uint8)
    table = pd.read_csv(label_table)
    is_cortex = np.isin(labels, table.id[table.structure == "cortex"])
    is_deep = (labels > 0) & ~is_cortex
    # thalamus, putamen and pallidum are too bright to tell from white matter, these are not
    grey_names = ["caudate", "hippocampus", "amygdala", "accumbensarea"]
    all_grey = np.isin(labels, table.id[table.label.isin(grey_names)])
    distance, nearest = ndi.distance_transform_edt(~is_cortex, return_indices=True)
    ribbon = (classes == 2) & (distance <= 4) & ~is_deep
    parcels = np.zeros_like(labels)
    parcels[ribbon] = labels[tuple(nearest)][ribbon]
    inside = is_deep & np.where(all_grey, classes == 2, classes > 1)
    parcels[inside] = labels[inside]
    out_file = os.path.abspath("parcellation.nii.gz")
    nib.save(nib.Nifti1Image(parcels, image.affine), out_file)
    return out_file


def mask_cerebrum(tissue: str, atlas: str) -> str:
    """Find the cerebrum, and within it what counts as white matter although it is not.

    Parameters
    ----------
    tissue : str
        Tissue classes: 1 cerebrospinal fluid, 2 grey matter, 3 white matter.
    atlas : str
        Desikan-Killiany labels on the grid of `tissue`.

    Returns
    -------
    str
        1 in the cerebrum, 2 in its deep grey matter and lateral ventricles, 0 elsewhere, as in
        cerebellum and brainstem.
    """
    import os

    import nibabel as nib
    import numpy as np
    from scipy import ndimage as ndi

    from structural_parts.morphology import close, grow

    image = nib.load(tissue)
    classes = np.asarray(image.dataobj).round().astype(np.uint8)
    labels = np.asarray(nib.load(atlas).dataobj)
    brainstem = labels == 83
    # thalamus, caudate, putamen, pallidum, accumbens, hippocampus and amygdala of either side
    is_deep = ((labels >= 35) & (labels <= 41)) | ((labels >= 76) & (labels <= 82))
    is_cortex = (labels > 0) & ~is_deep & ~brainstem
    # the atlas labels no white matter: close the cortex, then fill what is left in the middle
    cerebrum = ndi.binary_fill_holes(close(is_cortex | is_deep, 12))
    cerebrum &= ~ndi.binary_dilation(brainstem)
    deep = close(is_deep, 4)
    # the fluid of sulci touches cortex, that of the lateral ventricles does not
    fluid = (classes == 1) & cerebrum & (ndi.distance_transform_edt(~is_cortex) > 5)
    ventricles = ndi.binary_closing(ndi.binary_propagation(fluid & grow(deep, 4), mask=fluid))
    result = cerebrum.astype(np.uint8)
    result[cerebrum & (deep | ventricles)] = 2
    out_file = os.path.abspath("cerebrum.nii.gz")
    nib.save(nib.Nifti1Image(result, image.affine), out_file)
    return out_file
