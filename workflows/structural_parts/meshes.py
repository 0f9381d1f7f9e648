# SPDX-License-Identifier: Apache-2.0
"""Triangle meshes of the cortex: make them, move them, measure them.  Knows no file and no node.

Meshes are a pair ``vertices`` (V, 3), millimetres in scanner space, and ``faces`` (F, 3), indices
of vertices in counter-clockwise order seen from outside.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi
from scipy import sparse
from scipy.spatial import cKDTree
from skimage.measure import marching_cubes

Floats = npt.NDArray[np.float64]
Faces = npt.NDArray[np.int64]
Volume = npt.NDArray[np.floating]

MAX_THICKNESS = 5.0  # mm; human cortex is 1 to 4.5 mm thick (Fischl & Dale, 2000)


def apply_affine(affine: Floats, points: Floats) -> Floats:
    """Transform points of shape (N, 3) by a 4 x 4 matrix."""
    # not "@": BLAS wakes all its threads for a product as thin as this, and gains nothing
    return np.asarray(np.einsum("ij,kj->ik", points, affine[:3, :3]) + affine[:3, 3])


def sample(volume: Volume, affine: Floats, points: Floats, order: int = 1) -> Floats:
    """Interpolate a volume at points given in millimetres."""
    voxels = apply_affine(np.asarray(np.linalg.inv(affine), dtype=np.float64), points)
    return np.asarray(ndi.map_coordinates(volume, voxels.T, order=order, mode="nearest"))


def tessellate(mask: npt.NDArray[np.bool_], affine: Floats) -> tuple[Floats, Faces]:
    """Triangulate the border of a binary volume; the mesh inherits the volume's topology.

    The classical marching cubes table is used because on binary input it joins object voxels
    by faces only, without exception, as :func:`structural_parts.topology.grow_ball` does.
    """
    vertices, faces, _, _ = marching_cubes(
        np.pad(mask, 1).astype(np.float32), level=0.5, method="lorensen"
    )
    vertices = apply_affine(affine, vertices.astype(np.float64) - 1)
    faces = faces.astype(np.int64)
    if signed_volume(vertices, faces) < 0:
        faces = faces[:, ::-1].copy()
    return vertices, faces


def signed_volume(vertices: Floats, faces: Faces) -> float:
    """Return the enclosed volume in cubic millimetres, negative if faces look inwards."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def edges(faces: Faces) -> tuple[Faces, npt.NDArray[np.integer]]:
    """Return the undirected edges, shape (E, 2), and how many faces share each."""
    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    unique, counts = np.unique(np.sort(pairs, axis=1), axis=0, return_counts=True)
    return unique, counts


def euler_number(vertices: Floats, faces: Faces) -> int:
    """Return V - E + F, which is 2 for a sphere and two less for every handle."""
    return len(vertices) - len(edges(faces)[0]) + len(faces)


def is_closed(faces: Faces) -> bool:
    """Tell whether every edge is shared by exactly two faces."""
    return bool((edges(faces)[1] == 2).all())


def face_areas(vertices: Floats, faces: Faces) -> Floats:
    """Return the area of every face in square millimetres."""
    return np.asarray(np.linalg.norm(_face_normals(vertices, faces), axis=1) / 2)


def vertex_areas(vertices: Floats, faces: Faces) -> Floats:
    """Give every vertex a third of the area of its faces."""
    thirds = np.repeat(face_areas(vertices, faces) / 3, 3)
    return np.asarray(np.bincount(faces.ravel(), thirds, minlength=len(vertices)))


def _face_normals(vertices: Floats, faces: Faces) -> Floats:
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return np.asarray(np.cross(b - a, c - a))


def vertex_normals(vertices: Floats, faces: Faces) -> Floats:
    """Return unit normals that look outwards, weighted by face area."""
    normals = np.repeat(_face_normals(vertices, faces), 3, axis=0)
    sums = np.stack(
        [np.bincount(faces.ravel(), normals[:, k], len(vertices)) for k in range(3)], axis=1
    )
    return np.asarray(sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12))


def neighbour_mean(n_vertices: int, faces: Faces) -> sparse.csr_array:
    """Return the sparse matrix that averages a vertex map over direct neighbours."""
    pairs = edges(faces)[0]
    rows, columns = np.concatenate([pairs, pairs[:, ::-1]]).T
    adjacency = sparse.csr_array((np.ones(len(rows)), (rows, columns)), (n_vertices,) * 2)
    return sparse.csr_array(sparse.diags_array(1 / adjacency.sum(axis=1)) @ adjacency)


def place_white(
    vertices: Floats,
    faces: Faces,
    white_matter: Volume,
    affine: Floats,
    n_iterations: int = 30,
) -> Floats:
    """Smooth the staircase of a tessellation while it stays on the white matter border.

    Parameters
    ----------
    vertices, faces
        The tessellation.
    white_matter : numpy.ndarray, shape (I, J, K)
        Amount of white matter, 0 to 1, smooth at the scale of a voxel; its border is at 0.5.
    affine : numpy.ndarray, shape (4, 4)
        Voxel to millimetre transform of `white_matter`.
    n_iterations : int
        Number of alternations of a smoothing step and a step towards the border.
    """
    mean = neighbour_mean(len(vertices), faces)
    for _ in range(n_iterations):
        vertices = vertices + 0.5 * (mean @ vertices - vertices)
        # the border is about 2.5 mm wide, so a difference of 0.4 in amount is about 1 mm
        step = np.clip((sample(white_matter, affine, vertices) - 0.5) / 0.4, -0.25, 0.25)
        vertices = vertices + step[:, None] * vertex_normals(vertices, faces)
    return np.asarray(vertices)


def place_pial(
    white: Floats,
    faces: Faces,
    grey_matter: Volume,
    depth: Volume,
    affine: Floats,
    step: float = 0.25,
) -> Floats:
    """Walk from the white surface along its normals through the grey matter.

    A vertex stops where the grey matter ends, or where it no longer gets away from the white
    matter, which is the middle of a sulcus whose banks touch.

    Parameters
    ----------
    white, faces
        The white surface.
    grey_matter : numpy.ndarray, shape (I, J, K)
        Amount of tissue (grey or white), 0 to 1; the pial border is at 0.5.
    depth : numpy.ndarray, shape (I, J, K)
        Distance to the white matter in millimetres.
    affine : numpy.ndarray, shape (4, 4)
        Voxel to millimetre transform of both volumes.
    step : float
        Length of a step in millimetres.
    """
    mean = neighbour_mean(len(white), faces)
    pial = white.copy()
    last_depth = np.zeros(len(white))
    walking = np.ones(len(white), dtype=bool)
    for length in np.arange(step, MAX_THICKNESS + step / 2, step):
        normals = vertex_normals(pial, faces)
        here = pial + step * normals
        now = sample(depth, affine, here)
        receding = (now >= last_depth + 0.2 * step) & ((length < 0.8) | (now > 0.35 * length))
        walking &= receding & (sample(grey_matter, affine, here) > 0.5)
        pial[walking] = here[walking]
        last_depth[walking] = now[walking]
        # slide along the surface towards the neighbours, so that triangles neither fold nor bunch
        to_mean = mean @ pial - pial
        across = (to_mean * normals).sum(axis=1, keepdims=True) * normals
        pial += 0.5 * (to_mean - across) + 0.2 * across
    return pial


def thickness(white: Floats, pial: Floats) -> Floats:
    """Return the mean of the two closest-point distances (Fischl & Dale, 2000), in mm."""
    to_pial = cKDTree(pial).query(white)[0]
    to_white = cKDTree(white).query(pial)[0]
    return np.asarray(np.clip((to_pial + to_white) / 2, 0, MAX_THICKNESS))


def smooth_map(
    values: Floats, vertices: Floats, faces: Faces, inside: npt.NDArray[np.bool_], fwhm: float
) -> Floats:
    """Smooth a vertex map within a region by repeated averaging.

    Parameters
    ----------
    values : numpy.ndarray, shape (V,)
        The map.
    vertices, faces
        The surface.
    inside : numpy.ndarray of bool, shape (V,)
        Vertices which take part; the others are set to 0.
    fwhm : float
        Full width at half maximum in millimetres.
    """
    mean = neighbour_mean(len(vertices), faces)
    spacing = np.linalg.norm(np.diff(vertices[edges(faces)[0]], axis=1), axis=-1).mean()
    # half a step to the neighbours adds a variance of spacing**2 / 4 along either direction
    n_iterations = round((fwhm / 2.3548) ** 2 / (spacing**2 / 4))
    weights = inside.astype(np.float64)
    sums = np.where(inside, values, 0.0)
    for _ in range(n_iterations):
        sums = 0.5 * (sums + mean @ sums)
        weights = 0.5 * (weights + mean @ weights)
    return np.where(inside, sums / np.maximum(weights, 1e-12), 0.0)


def inflate(vertices: Floats, faces: Faces, n_iterations: int = 120) -> Floats:
    """Unfold a surface by smoothing, keeping its total area and its centre."""
    mean = neighbour_mean(len(vertices), faces)
    centre = vertices.mean(axis=0)
    area = face_areas(vertices, faces).sum()
    inflated = vertices - centre
    for _ in range(n_iterations):
        inflated = 0.1 * inflated + 0.9 * (mean @ inflated)
        inflated *= np.sqrt(area / face_areas(inflated, faces).sum())
    return np.asarray(inflated + centre)


def label_vertices(
    points: Floats,
    labels: npt.NDArray[np.integer],
    affine: Floats,
    cortex: npt.NDArray[np.integer],
    max_distance: float = 4.0,
) -> npt.NDArray[np.int32]:
    """Give every point the label of the nearest labelled voxel.

    Parameters
    ----------
    points : numpy.ndarray, shape (N, 3)
        Points in millimetres, best half way between white and pial surface.
    labels : numpy.ndarray of int, shape (I, J, K)
        Parcellation, with subcortical structures.
    affine : numpy.ndarray, shape (4, 4)
        Voxel to millimetre transform of `labels`.
    cortex : numpy.ndarray of int
        Labels of the cortex of this hemisphere.  Points nearer to something else get 0.
    max_distance : float
        Points farther than this many millimetres from cortex get 0 (the medial wall).
    """
    is_label = labels > 0
    voxels = np.argwhere(is_label)
    distance, nearest = cKDTree(apply_affine(affine, voxels.astype(np.float64))).query(
        points, distance_upper_bound=max_distance
    )
    found = np.append(labels[is_label], 0)[nearest]  # a miss is one past the last voxel
    return np.where(np.isin(found, cortex) & np.isfinite(distance), found, 0).astype(np.int32)
