# SPDX-License-Identifier: Apache-2.0
"""Read and write surfaces, vertex maps and vertex labels as GIFTI."""

from __future__ import annotations

import colorsys

import nibabel as nib
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_STRUCTURE = {"L": "CortexLeft", "R": "CortexRight"}


def _save(path: str, arrays: list[nib.gifti.GiftiDataArray], hemisphere: str) -> None:
    meta = nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": _STRUCTURE[hemisphere]})
    nib.save(nib.gifti.GiftiImage(darrays=arrays, meta=meta), path)


def save_surface(
    path: str, vertices: Floats, faces: npt.NDArray[np.integer], hemisphere: str, kind: str
) -> None:
    """Write a surface.

    Parameters
    ----------
    path : str
        File, ending in ``.surf.gii``.
    vertices : numpy.ndarray, shape (V, 3)
        Scanner coordinates in millimetres.
    faces : numpy.ndarray, shape (F, 3)
        Indices of vertices.
    hemisphere : str
        ``L`` or ``R``.
    kind : str
        ``GrayWhite``, ``Pial`` or ``Inflated``.
    """
    geometric = "Inflated" if kind == "Inflated" else "Anatomical"
    meta = {"AnatomicalStructurePrimary": _STRUCTURE[hemisphere], "GeometricType": geometric}
    if kind != "Inflated":
        meta["AnatomicalStructureSecondary"] = kind
    array = nib.gifti.GiftiDataArray
    points = array(
        vertices.astype(np.float32),
        intent="NIFTI_INTENT_POINTSET",
        meta=nib.gifti.GiftiMetaData(meta),
        coordsys=nib.gifti.GiftiCoordSystem(1, 1),  # scanner space to itself
    )
    triangles = array(faces.astype(np.int32), intent="NIFTI_INTENT_TRIANGLE", coordsys=None)
    _save(path, [points, triangles], hemisphere)


def load_surface(path: str) -> tuple[Floats, Integers]:
    """Return vertices (V, 3) in millimetres and faces (F, 3) of a surface."""
    vertices, faces = nib.load(path).agg_data(("pointset", "triangle"))
    return vertices.astype(np.float64), faces.astype(np.int64)


def save_map(path: str, values: Floats, hemisphere: str, name: str) -> None:
    """Write a map of one number per vertex, to a file ending in ``.shape.gii``."""
    array = nib.gifti.GiftiDataArray(
        values.astype(np.float32),
        intent="NIFTI_INTENT_SHAPE",
        meta=nib.gifti.GiftiMetaData({"Name": name}),
    )
    _save(path, [array], hemisphere)


def load_map(path: str) -> Floats:
    """Return a vertex map, or vertex labels, as floats of shape (V,)."""
    return np.asarray(nib.load(path).agg_data(), dtype=np.float64)


def save_labels(
    path: str, labels: npt.NDArray[np.integer], names: dict[int, str], hemisphere: str
) -> None:
    """Write one label per vertex, with a colour for each name, to a ``.label.gii`` file."""
    table = nib.gifti.GiftiLabelTable()
    for rank, (key, name) in enumerate({0: "???", **names}.items()):
        # steps of the golden ratio keep the hues of neighbours in the table apart
        colour = colorsys.hsv_to_rgb(rank * 0.618 % 1, 0.65, 0.9)
        label = nib.gifti.GiftiLabel(key, *colour, 1.0 if key else 0.0)
        label.label = name
        table.labels.append(label)
    array = nib.gifti.GiftiDataArray(labels.astype(np.int32), intent="NIFTI_INTENT_LABEL")
    meta = nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": _STRUCTURE[hemisphere]})
    nib.save(nib.gifti.GiftiImage(darrays=[array], labeltable=table, meta=meta), path)
