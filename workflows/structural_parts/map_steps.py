# SPDX-License-Identifier: Apache-2.0
"""Steps that are mapped over both hemispheres, one function per node, from file to file.

nipype sends the text of these functions to its workers, so each imports what it needs and uses
nothing else of this module.  Surfaces are GIFTI in scanner millimetres; paths that are returned
are absolute and lie in the working directory of the node.
"""

from __future__ import annotations


def inflate_surface(white: str) -> str:
    """Unfold a white surface for display.

    Parameters
    ----------
    white : str
        White surface.

    Returns
    -------
    str
        Inflated surface, with the vertices and faces of the white one.
    """
    import os

    from structural_parts.gifti import load_surface, save_surface
    from structural_parts.meshes import inflate

    out_file = os.path.abspath(os.path.basename(white).replace("white", "inflated"))
    vertices, faces = load_surface(white)
    hemisphere = os.path.basename(white).split("_")[0].removeprefix("hemi-")
    save_surface(out_file, inflate(vertices, faces), faces, hemisphere, "Inflated")
    return out_file


def smooth_thickness(thickness: str, white: str, parcels: str, fwhm: float) -> str:
    """Smooth a thickness map along the surface, within the cortex.

    Parameters
    ----------
    thickness : str
        Result of :func:`measure_thickness`.
    white : str
        White surface.
    parcels : str
        Result of :func:`parcellate_surface`.
    fwhm : float
        Full width at half maximum in millimetres.

    Returns
    -------
    str
        Vertex map in millimetres.
    """
    import os

    from structural_parts.gifti import load_map, load_surface, save_map
    from structural_parts.meshes import smooth_map

    name = os.path.basename(thickness)
    out_file = os.path.abspath(name.replace("_thickness", f"_desc-fwhm{fwhm:g}_thickness"))
    vertices, faces = load_surface(white)
    values = smooth_map(load_map(thickness), vertices, faces, load_map(parcels) > 0, fwhm)
    save_map(out_file, values, name.split("_")[0].removeprefix("hemi-"), "Thickness")
    return out_file
