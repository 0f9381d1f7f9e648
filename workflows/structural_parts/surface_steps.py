# SPDX-License-Identifier: Apache-2.0
"""Steps on the surfaces of the cortex, one function per node, from file to file.

nipype sends the text of these functions to its workers, so each imports what it needs and uses
nothing else of this module.  Surfaces are GIFTI in scanner millimetres; ``hemisphere`` is ``L`` or
``R``; paths that are returned are absolute and lie in the working directory of the node.
"""

from __future__ import annotations


def fill_white_matter(tissue: str, cerebrum: str, coordinates: str, hemisphere: str) -> str:
    """Fill the white matter of one hemisphere, so that its border is cortex and medial wall.

    Parameters
    ----------
    tissue : str
        Tissue classes: 1 cerebrospinal fluid, 2 grey matter, 3 white matter.
    cerebrum : str
        Result of :func:`structural_parts.volume_steps.mask_cerebrum`.
    coordinates : str
        Template coordinates of every voxel; the sign of x is the side.
    hemisphere : str
        ``L`` or ``R``.

    Returns
    -------
    str
        Binary volume, uint8.
    """
    import os

    import nibabel as nib
    import numpy as np
    from scipy import ndimage as ndi

    image = nib.load(tissue)
    white = np.asarray(image.dataobj).round() == 3
    region = np.asarray(nib.load(cerebrum).dataobj)
    x = np.asarray(nib.load(coordinates).dataobj[..., 0])
    side = x < -0.5 if hemisphere == "L" else x > 0.5
    filled = ((white & (region > 0)) | (region == 2)) & side
    # one erosion cuts bridges to the meninges; what it took from thin gyri comes back
    pieces, _ = ndi.label(ndi.binary_opening(filled))
    core = pieces == np.argmax(np.bincount(pieces.ravel())[1:]) + 1
    filled = ndi.binary_propagation(core, mask=filled)
    filled = ndi.binary_fill_holes(ndi.binary_closing(ndi.binary_fill_holes(filled)))
    out_file = os.path.abspath(f"hemi-{hemisphere}_desc-filled_mask.nii.gz")
    nib.save(nib.Nifti1Image(filled.astype(np.uint8), image.affine), out_file)
    return out_file


def correct_topology(filled: str) -> str:
    """Cut the handles and close the cavities of a filled hemisphere.

    Parameters
    ----------
    filled : str
        Result of :func:`fill_white_matter`.

    Returns
    -------
    str
        Binary volume with the topology of a ball, uint8.
    """
    import os

    import nibabel as nib
    import numpy as np
    from scipy import ndimage as ndi

    from structural_parts.topology import grow_ball

    image = nib.load(filled)
    mask = np.asarray(image.dataobj) > 0
    # deep voxels first, and thin or ragged places last: that is where handles are cut
    ball = grow_ball(mask, ndi.gaussian_filter(mask.astype(np.float32), 1.5))
    out_file = os.path.abspath(os.path.basename(filled).replace("filled", "ball"))
    nib.save(nib.Nifti1Image(ball.astype(np.uint8), image.affine), out_file)
    return out_file


def tessellate_white(ball: str, hemisphere: str) -> str:
    """Triangulate the border of a filled hemisphere by marching cubes.

    Parameters
    ----------
    ball : str
        Result of :func:`correct_topology`.
    hemisphere : str
        ``L`` or ``R``.

    Returns
    -------
    str
        Surface with a staircase.
    """
    import os

    import nibabel as nib
    import numpy as np

    from structural_parts.gifti import save_surface
    from structural_parts.meshes import tessellate

    image = nib.load(ball)
    vertices, faces = tessellate(np.asarray(image.dataobj) > 0, image.affine)
    out_file = os.path.abspath(f"hemi-{hemisphere}_desc-tessellated_white.surf.gii")
    save_surface(out_file, vertices, faces, hemisphere, "GrayWhite")
    return out_file


def place_white_surface(tessellated: str, ball: str, hemisphere: str) -> str:
    """Smooth the tessellation onto the border of the white matter.

    Parameters
    ----------
    tessellated : str
        Result of :func:`tessellate_white`.
    ball : str
        Result of :func:`correct_topology`.
    hemisphere : str
        ``L`` or ``R``.

    Returns
    -------
    str
        White surface.
    """
    import os

    import nibabel as nib
    import numpy as np
    from scipy import ndimage as ndi

    from structural_parts.gifti import load_surface, save_surface
    from structural_parts.meshes import place_white

    image = nib.load(ball)
    white_matter = ndi.gaussian_filter(np.asarray(image.dataobj).astype(np.float32), 0.7)
    vertices, faces = load_surface(tessellated)
    vertices = place_white(vertices, faces, white_matter, image.affine)
    out_file = os.path.abspath(f"hemi-{hemisphere}_white.surf.gii")
    save_surface(out_file, vertices, faces, hemisphere, "GrayWhite")
    return out_file


def place_pial_surface(white: str, ball: str, tissue: str, hemisphere: str) -> str:
    """Move the white surface outwards through the cortex.

    Parameters
    ----------
    white : str
        White surface.
    ball : str
        Result of :func:`correct_topology`.
    tissue : str
        Tissue classes: 1 cerebrospinal fluid, 2 grey matter, 3 white matter.
    hemisphere : str
        ``L`` or ``R``.

    Returns
    -------
    str
        Pial surface, with the vertices and faces of the white one.
    """
    import os

    import nibabel as nib
    import numpy as np
    from scipy import ndimage as ndi

    from structural_parts.gifti import load_surface, save_surface
    from structural_parts.meshes import place_pial

    image = nib.load(ball)
    inside = np.asarray(image.dataobj) > 0
    classes = np.asarray(nib.load(tissue).dataobj).round()
    grey_matter = ndi.gaussian_filter(((classes == 2) | inside).astype(np.float32), 0.5)
    depth = ndi.distance_transform_edt(~inside).astype(np.float32)
    vertices, faces = load_surface(white)
    vertices = place_pial(vertices, faces, grey_matter, depth, image.affine)
    out_file = os.path.abspath(f"hemi-{hemisphere}_pial.surf.gii")
    save_surface(out_file, vertices, faces, hemisphere, "Pial")
    return out_file


def measure_thickness(white: str, pial: str, hemisphere: str) -> str:
    """Measure cortical thickness at every vertex, in millimetres.

    Parameters
    ----------
    white, pial : str
        The two surfaces.
    hemisphere : str
        ``L`` or ``R``.

    Returns
    -------
    str
        Vertex map.
    """
    import os

    from structural_parts.gifti import load_surface, save_map
    from structural_parts.meshes import thickness

    out_file = os.path.abspath(f"hemi-{hemisphere}_thickness.shape.gii")
    values = thickness(load_surface(white)[0], load_surface(pial)[0])
    save_map(out_file, values, hemisphere, "Thickness")
    return out_file


def parcellate_surface(
    white: str, pial: str, atlas: str, label_table: str, hemisphere: str
) -> str:
    """Label the vertices of the cortex; the medial wall gets 0.

    Parameters
    ----------
    white, pial : str
        The two surfaces.
    atlas : str
        Desikan-Killiany labels on the grid of the brain.
    label_table : str
        CSV with the columns ``id``, ``label``, ``hemisphere`` and ``structure``.
    hemisphere : str
        ``L`` or ``R``.

    Returns
    -------
    str
        Vertex labels.
    """
    import os

    import nibabel as nib
    import numpy as np
    import pandas as pd

    from structural_parts.gifti import load_surface, save_labels
    from structural_parts.meshes import label_vertices

    table = pd.read_csv(label_table)
    here = table[(table.structure == "cortex") & (table.hemisphere == hemisphere)]
    image = nib.load(atlas)
    middle = (load_surface(white)[0] + load_surface(pial)[0]) / 2
    labels = label_vertices(middle, np.asarray(image.dataobj), image.affine, here.id.to_numpy())
    out_file = os.path.abspath(f"hemi-{hemisphere}_desc-DesikanKilliany_dseg.label.gii")
    save_labels(out_file, labels, dict(zip(here.id, here.label, strict=True)), hemisphere)
    return out_file
