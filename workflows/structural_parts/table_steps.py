# SPDX-License-Identifier: Apache-2.0
"""Steps that measure and check, one function per node, from files to TSV and JSON.

nipype sends the text of these functions to its workers, so each imports what it needs and uses
nothing else of this module.  Paths that are returned are absolute and lie in the working directory
of the node.
"""

from __future__ import annotations


def summarise_regions(
    parcellation: str,
    label_table: str,
    whites: list[str],
    thicknesses: list[str],
    parcels: list[str],
) -> tuple[str, str]:
    """Tabulate volume, area and thickness of every region.

    Parameters
    ----------
    parcellation : str
        Label image.
    label_table : str
        CSV with the columns ``id``, ``label``, ``hemisphere`` and ``structure``.
    whites, thicknesses, parcels : list of str
        White surface, thickness map and vertex labels of the left and the right hemisphere.

    Returns
    -------
    table : str
        TSV, one line per region.
    sidecar : str
        JSON with a description and a unit for each column.
    """
    import json
    import os

    import nibabel as nib
    import numpy as np
    import pandas as pd

    from structural_parts.gifti import load_map, load_surface
    from structural_parts.meshes import vertex_areas

    image = nib.load(parcellation)
    table = pd.read_csv(label_table)
    n_labels = int(table.id.max()) + 1
    voxel = abs(np.linalg.det(image.affine[:3, :3]))
    volumes = np.bincount(np.asarray(image.dataobj).ravel(), minlength=n_labels) * voxel
    sums = np.zeros((4, n_labels))  # vertices, area, area x thickness, area x thickness squared
    for white, map_file, label_file in zip(whites, thicknesses, parcels, strict=True):
        area = vertex_areas(*load_surface(white))
        thickness, labels = load_map(map_file), load_map(label_file).astype(int)
        for row, values in enumerate((None, area, area * thickness, area * thickness**2)):
            sums[row] += np.bincount(labels, values, minlength=n_labels)
    counts, areas, first, second = sums[:, table.id]
    is_cortex = (table.structure == "cortex") & (counts > 0)
    areas = np.where(is_cortex, areas, np.nan)
    mean = first / areas
    regions = pd.DataFrame(
        {
            "index": table.id,
            "name": table.label,
            "hemisphere": table.hemisphere,
            "structure": table.structure,
            "volume": volumes[table.id].round(1),
            "n_vertices": counts.astype(int),
            "area": areas.round(1),
            "thickness_mean": mean.round(3),
            "thickness_std": np.sqrt(np.maximum(second / areas - mean**2, 0)).round(3),
        }
    )
    columns = {
        "index": "Value of the region in the label images",
        "name": "Desikan-Killiany region or subcortical structure",
        "hemisphere": "L left, R right, B both",
        "structure": "cortex, or subcortex/brainstem",
        "volume": "Volume of the region in the parcellation",
        "n_vertices": "Vertices of the white surface in the region, 0 outside the cortex",
        "area": "Area of the white surface in the region",
        "thickness_mean": "Mean cortical thickness, weighted by area",
        "thickness_std": "Standard deviation of thickness over the region, weighted by area",
    }
    units = {"volume": "mm^3", "area": "mm^2", "thickness_mean": "mm", "thickness_std": "mm"}
    sidecar = {
        name: {"Description": text} | ({"Units": units[name]} if name in units else {})
        for name, text in columns.items()
    }
    out_files = (
        os.path.abspath("desc-regions_morph.tsv"),
        os.path.abspath("desc-regions_morph.json"),
    )
    regions.to_csv(out_files[0], sep="\t", index=False, na_rep="n/a")
    with open(out_files[1], "w") as stream:
        json.dump(sidecar, stream, indent=2)
    return out_files


def summarise_tissue(tissue: str) -> tuple[str, str]:
    """Tabulate the volumes of the tissue classes.

    Parameters
    ----------
    tissue : str
        Tissue classes: 1 cerebrospinal fluid, 2 grey matter, 3 white matter.

    Returns
    -------
    table : str
        TSV, one line per class and one for the whole brain mask.
    sidecar : str
        JSON with a description and a unit for each column.
    """
    import json
    import os

    import nibabel as nib
    import numpy as np

    image = nib.load(tissue)
    classes = np.asarray(image.dataobj).round().astype(int)
    volumes = np.bincount(classes.ravel(), minlength=4)[1:4] * abs(
        np.linalg.det(image.affine[:3, :3])
    )
    names = ("cerebrospinal fluid", "grey matter", "white matter")
    lines = [f"{name}\t{volume:.1f}\n" for name, volume in zip(names, volumes, strict=True)]
    sidecar = {
        "name": {
            "Description": "Tissue class; brain is the sum of the three, cerebellum included"
        },
        "volume": {"Description": "Volume within the brain mask", "Units": "mm^3"},
    }
    out_files = os.path.abspath("desc-tissue_morph.tsv"), os.path.abspath("desc-tissue_morph.json")
    with open(out_files[0], "w") as stream:
        stream.writelines(["name\tvolume\n", *lines, f"brain\t{volumes.sum():.1f}\n"])
    with open(out_files[1], "w") as stream:
        json.dump(sidecar, stream, indent=2)
    return out_files


def check_surfaces(
    whites: list[str], pials: list[str], balls: list[str], filled: list[str]
) -> str:
    """Check that the surfaces are closed, have no handle and enclose each other.

    Parameters
    ----------
    whites, pials : list of str
        Surfaces of the left and the right hemisphere.
    balls, filled : list of str
        Filled hemispheres after and before the correction of topology.

    Returns
    -------
    str
        JSON, for each hemisphere: ``euler_number`` (2 is a sphere), ``is_closed``,
        ``n_vertices``, ``n_voxels_cut`` by the correction of topology, ``white_area`` and
        ``pial_area`` in mm^2, ``white_volume`` and ``pial_volume`` in mm^3.
    """
    import json
    import os

    import nibabel as nib
    import numpy as np

    from structural_parts.gifti import load_surface
    from structural_parts.meshes import euler_number, face_areas, is_closed, signed_volume

    report = {}
    for hemisphere, white, pial, ball, full in zip(
        "LR", whites, pials, balls, filled, strict=True
    ):
        white_vertices, faces = load_surface(white)
        pial_vertices, _ = load_surface(pial)
        cut = np.asarray(nib.load(full).dataobj) != np.asarray(nib.load(ball).dataobj)
        report[hemisphere] = {
            "euler_number": euler_number(white_vertices, faces),
            "is_closed": is_closed(faces),
            "n_vertices": len(white_vertices),
            "n_voxels_cut": int(cut.sum()),
            "white_area": round(float(face_areas(white_vertices, faces).sum()), 1),
            "pial_area": round(float(face_areas(pial_vertices, faces).sum()), 1),
            "white_volume": round(signed_volume(white_vertices, faces), 1),
            "pial_volume": round(signed_volume(pial_vertices, faces), 1),
        }
    out_file = os.path.abspath("desc-surfaces_qc.json")
    with open(out_file, "w") as stream:
        json.dump(report, stream, indent=2)
    return out_file
