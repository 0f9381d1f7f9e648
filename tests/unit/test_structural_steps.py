# SPDX-License-Identifier: Apache-2.0
"""Meshes and topology of the structural workflow, on volumes whose figures are known."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

for _module in ("nibabel", "scipy", "skimage"):
    pytest.importorskip(_module, reason="the demo's packages are not installed")

WORKFLOWS = Path(__file__).parents[2] / "workflows"


@pytest.fixture(scope="module", autouse=True)
def _workflows_on_path():
    sys.path.insert(0, str(WORKFLOWS))
    yield
    sys.path.remove(str(WORKFLOWS))


def distance_from_centre(size=48):
    grid = np.indices((size,) * 3) - (size - 1) / 2
    return np.linalg.norm(grid, axis=0)


def torus(size=48, major=14, minor=4):
    x, y, z = np.indices((size,) * 3) - (size - 1) / 2
    return (np.hypot(x, y) - major) ** 2 + z**2 < minor**2


def smoothed(mask, sigma=0.7):
    from scipy import ndimage as ndi

    return ndi.gaussian_filter(mask.astype(np.float32), sigma)


def sphere(radius=16.0):
    from structural_parts.meshes import place_white, tessellate

    ball = distance_from_centre() < radius
    vertices, faces = tessellate(ball, np.eye(4))
    return place_white(vertices, faces, smoothed(ball), np.eye(4)), faces


def test_a_sphere_is_closed_has_euler_number_2_and_faces_that_look_outwards():
    from structural_parts.meshes import euler_number, is_closed, signed_volume, vertex_normals

    vertices, faces = sphere()
    assert euler_number(vertices, faces) == 2
    assert is_closed(faces)
    assert not is_closed(faces[1:])
    assert signed_volume(vertices, faces) == pytest.approx(4 / 3 * np.pi * 16**3, rel=0.02)
    outwards = (vertices - 23.5) / np.linalg.norm(vertices - 23.5, axis=1, keepdims=True)
    assert (vertex_normals(vertices, faces) * outwards).sum(axis=1).min() > 0.9


def test_the_area_of_a_sphere_is_shared_out_among_its_vertices():
    from structural_parts.meshes import face_areas, vertex_areas

    vertices, faces = sphere()
    area = face_areas(vertices, faces).sum()
    assert area == pytest.approx(4 * np.pi * 16**2, rel=0.02)
    assert vertex_areas(vertices, faces).sum() == pytest.approx(area)


def test_a_mirrored_affine_gives_faces_that_still_look_outwards():
    from structural_parts.meshes import signed_volume, tessellate

    ball = distance_from_centre(24) < 8
    vertices, faces = tessellate(ball, np.diag([-2.0, 2.0, 2.0, 1.0]))
    assert signed_volume(vertices, faces) == pytest.approx(8 * ball.sum(), rel=0.02)


def test_the_pial_surface_stops_where_grey_matter_ends():
    from structural_parts.meshes import place_pial, thickness

    distance = distance_from_centre()
    white, faces = sphere(16.0)
    depth = np.maximum(distance - 16, 0)
    pial = place_pial(white, faces, smoothed(distance < 18.5, 0.5), depth, np.eye(4))
    assert thickness(white, pial).mean() == pytest.approx(2.5, abs=0.25)


def test_the_pial_surface_stops_halfway_where_two_banks_touch():
    from scipy import ndimage as ndi
    from structural_parts.meshes import place_pial, place_white, tessellate

    x = np.indices((40, 24, 24))[0]
    white_matter = np.pad((np.abs(x - 19.5) > 3)[2:-2, 2:-2, 2:-2], 2)  # a gap of 6 mm
    vertices, faces = tessellate(white_matter, np.eye(4))
    white = place_white(vertices, faces, smoothed(white_matter), np.eye(4), n_iterations=5)
    depth = ndi.distance_transform_edt(~white_matter)
    pial = place_pial(white, faces, np.ones(x.shape), depth, np.eye(4))
    middle = (np.abs(white - [0, 11.5, 11.5])[:, 1:].max(axis=1) < 5) & (
        np.abs(white[:, 0] - 19.5) < 4
    )
    assert middle.sum() > 50
    assert ((pial[middle, 0] - 19.5) * (white[middle, 0] - 19.5) > -0.3).all()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_growing_gives_any_blob_the_topology_of_a_ball(seed):
    from structural_parts.meshes import euler_number, is_closed, tessellate
    from structural_parts.topology import grow_ball

    noise = smoothed(np.random.default_rng(seed).normal(size=(32,) * 3), 1.2)
    blob = noise > 0
    before = tessellate(blob, np.eye(4))
    assert euler_number(*before) < -20
    grown = grow_ball(blob, noise)
    assert not (grown & ~blob).any()
    assert grown.sum() > 0.85 * blob.sum()
    vertices, faces = tessellate(grown, np.eye(4))
    assert euler_number(vertices, faces) == 2
    assert is_closed(faces)


def test_a_torus_is_cut_once_where_it_is_least_probable():
    from structural_parts.meshes import euler_number, tessellate
    from structural_parts.topology import grow_ball

    ring = torus()
    assert euler_number(*tessellate(ring, np.eye(4))) == 0
    angle = np.arctan2(*(np.indices(ring.shape) - 23.5)[:2])
    cut = ring & ~grow_ball(ring, np.pi - np.abs(angle))
    assert 0 < cut.sum() < 2 * np.pi * 4**2
    assert np.abs(angle[cut]).min() > 2.5


def test_a_ball_and_a_single_voxel_stay_as_they_are():
    from structural_parts.topology import grow_ball

    ball = distance_from_centre(20) < 7
    assert np.array_equal(grow_ball(ball, smoothed(ball, 1.5)), ball)
    voxel = distance_from_centre(5) < 0.5
    assert np.array_equal(grow_ball(voxel, voxel.astype(float)), voxel)


def test_simple_points_of_textbook_neighbourhoods():
    from structural_parts.topology import OFFSETS, is_simple

    def bits(*neighbours):
        wanted = {tuple(n) for n in neighbours}
        code = sum(1 << i for i, o in enumerate(map(tuple, OFFSETS)) if o in wanted)
        return np.array([code], dtype=np.uint32)

    everywhere = [tuple(o) for o in OFFSETS]
    assert is_simple(bits((1, 0, 0)))[0]  # the end of a line
    assert not is_simple(bits((1, 0, 0), (-1, 0, 0)))[0]  # would join two pieces
    assert is_simple(bits((1, 0, 0), (1, 1, 0), (0, 1, 0)))[0]  # already joined round the corner
    assert not is_simple(bits())[0]  # would be a new piece
    assert not is_simple(bits((1, 1, 0)))[0]  # an edge does not touch in 6-adjacency
    assert not is_simple(bits(*everywhere))[0]  # would fill a cavity


def test_smoothing_a_map_keeps_constants_and_stays_within_its_region():
    from structural_parts.meshes import smooth_map

    vertices, faces = sphere(10.0)
    upper = vertices[:, 2] > 23.5
    values = np.where(upper, 2.5, 1000.0)
    result = smooth_map(values, vertices, faces, upper, fwhm=5.0)
    assert result[upper] == pytest.approx(2.5)
    assert (result[~upper] == 0).all()


def test_smoothing_has_the_width_that_is_asked_for():
    from structural_parts.meshes import smooth_map, vertex_areas

    vertices, faces = sphere(16.0)
    top = int(np.argmax(vertices[:, 2]))
    spike = np.zeros(len(vertices))
    spike[top] = 1.0
    spread = smooth_map(spike, vertices, faces, np.ones(len(vertices), dtype=bool), fwhm=8.0)
    weight = spread * vertex_areas(vertices, faces)
    along = 16 * np.arccos(np.clip((vertices - 23.5)[:, 2] / 16, -1, 1))
    variance = (weight * along**2).sum() / weight.sum() / 2  # along each of two directions
    assert 2.3548 * np.sqrt(variance) == pytest.approx(8.0, rel=0.2)


def test_inflation_keeps_area_and_centre_and_smooths():
    from structural_parts.meshes import edges, face_areas, inflate, tessellate

    vertices, faces = tessellate(torus(), np.eye(4))
    inflated = inflate(vertices, faces, n_iterations=20)
    before = face_areas(vertices, faces).sum()
    assert face_areas(inflated, faces).sum() == pytest.approx(before)
    assert inflated.mean(axis=0) == pytest.approx(vertices.mean(axis=0), abs=0.1)
    assert len(edges(faces)[0]) == 3 * len(vertices)


def test_points_get_the_nearest_label_or_none():
    from structural_parts.meshes import label_vertices

    labels = np.zeros((20, 20, 20), dtype=np.uint8)
    labels[:8], labels[12:] = 3, 7
    points = np.array([[5.0, 10, 10], [9, 10, 10], [11.2, 10, 10], [30, 10, 10]])
    found = label_vertices(points, labels, np.eye(4), cortex=np.array([3]))
    assert found.tolist() == [3, 3, 0, 0]


def test_surfaces_maps_and_labels_survive_their_files(tmp_path):
    from structural_parts import gifti

    vertices, faces = sphere(6.0)
    gifti.save_surface(str(tmp_path / "a.surf.gii"), vertices, faces, "L", "Pial")
    read_vertices, read_faces = gifti.load_surface(str(tmp_path / "a.surf.gii"))
    assert read_vertices == pytest.approx(vertices, abs=1e-5)
    assert np.array_equal(read_faces, faces)
    gifti.save_map(str(tmp_path / "a.shape.gii"), vertices[:, 0], "L", "x")
    assert gifti.load_map(str(tmp_path / "a.shape.gii")) == pytest.approx(vertices[:, 0], abs=1e-5)
    labels = (np.arange(len(vertices)) % 2) * 5
    gifti.save_labels(str(tmp_path / "a.label.gii"), labels, {5: "insula"}, "R")
    assert np.array_equal(gifti.load_map(str(tmp_path / "a.label.gii")), labels)


def test_round_morphology_and_boxes():
    from structural_parts.morphology import bounding_box, close, grow, largest_component, shrink

    distance = distance_from_centre(32)
    ball = distance < 8
    assert grow(ball, 3).sum() == pytest.approx((distance < 11).sum(), rel=0.05)
    assert shrink(ball, 3).sum() == pytest.approx((distance < 5).sum(), rel=0.15)
    hollow = ball & (distance > 2)
    assert np.array_equal(close(hollow, 4), ball)
    crumb = ball.copy()
    crumb[0, 0, 0] = True
    assert np.array_equal(largest_component(crumb), ball)
    assert bounding_box(crumb, 2)[0] == slice(0, 26)
    with pytest.raises(ValueError, match="no brain"):
        largest_component(np.zeros((4, 4, 4), dtype=bool))
