# SPDX-License-Identifier: Apache-2.0
"""Give a binary volume the topology of a ball, by growing it one simple voxel at a time.

A voxel is *simple* when adding it neither joins, splits nor punches anything, which is decided by
its 26 neighbours alone.  Growing by simple voxels only therefore cuts every handle at its least
probable place and closes every cavity (Bazin & Pham, 2007, doi:10.1016/j.cmpb.2007.08.006), and
the surface of the result has Euler number 2.  Object voxels touch by faces, background voxels by
faces and edges: the (6+, 18) pair, whose simple points Bertrand (1994,
doi:10.1016/0167-8655(94)90046-9) characterised and which marching cubes keeps when the iso-level
of a binary volume is above one half.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.uint32]  # one neighbourhood of 26 voxels per element
Indices = npt.NDArray[np.int64]  # positions in a flattened volume

OFFSETS = np.array([o for o in product((-1, 0, 1), repeat=3) if any(o)])  # (26, 3)
_FACES = np.uint32(sum(1 << i for i, o in enumerate(OFFSETS) if np.abs(o).sum() == 1))
_FACES_EDGES = np.uint32(sum(1 << i for i, o in enumerate(OFFSETS) if np.abs(o).sum() <= 2))
_HALF = 13  # the 26 bits are looked up as two tables of 2**13 entries


def _dilation_tables(reach: int) -> tuple[Bits, Bits]:
    """Tabulate the union of the neighbours of every half neighbourhood.

    Parameters
    ----------
    reach : int
        Largest city-block distance between touching voxels: 1 (6-) or 2 (18-adjacency).
    """
    step = np.abs(OFFSETS[:, None] - OFFSETS[None])
    touching = (step.max(-1) <= 1) & (step.sum(-1) <= reach)
    row = (touching * (1 << np.arange(26))).sum(-1)
    table = np.zeros((2, 1 << _HALF), dtype=np.uint32)
    codes = np.arange(1 << _HALF)
    for bit in range(_HALF):
        present = (codes >> bit & 1).astype(bool)
        table[0][present] |= np.uint32(row[bit])
        table[1][present] |= np.uint32(row[bit + _HALF])
    return table[0], table[1]


_TABLES = {1: _dilation_tables(1), 2: _dilation_tables(2)}


def _dilate(bits: Bits, reach: int) -> Bits:
    low, high = _TABLES[reach]
    return np.asarray(low[bits & ((1 << _HALF) - 1)] | high[bits >> _HALF])


def _is_one_component(bits: Bits, reach: int) -> npt.NDArray[np.bool_]:
    """Tell which neighbourhoods hold exactly one component."""
    flood = bits & (~bits + np.uint32(1))  # lowest set bit
    while True:
        grown = _dilate(flood, reach) & bits
        if np.array_equal(grown, flood):
            return np.asarray((flood == bits) & (bits != 0))
        flood = grown


def is_simple(bits: Bits) -> npt.NDArray[np.bool_]:
    """Tell whether flipping the centre voxel keeps the topology.

    Parameters
    ----------
    bits : numpy.ndarray of uint32
        Bit *i* is set where the neighbour at ``OFFSETS[i]`` belongs to the object.
    """
    # geodesic neighbourhoods: what can be reached from the centre through touching voxels
    near = bits & _FACES
    near |= _dilate(near, 1) & bits & _FACES_EDGES
    near |= _dilate(near, 1) & bits
    outside = ~bits & np.uint32((1 << 26) - 1)
    around = outside & _FACES_EDGES
    around |= _dilate(around, 2) & outside
    return _is_one_component(near, 1) & _is_one_component(around, 2)


def grow_ball(
    allowed: npt.NDArray[np.bool_], priority: npt.NDArray[np.floating], n_levels: int = 40
) -> npt.NDArray[np.bool_]:
    """Find a large subset of a volume which has no handles and no cavities.

    Parameters
    ----------
    allowed : numpy.ndarray of bool, shape (I, J, K)
        The object to correct.
    priority : numpy.ndarray of float, shape (I, J, K)
        Voxels with high values are taken first, so that cuts fall on the lowest ones.  Growth
        starts from the largest value.
    n_levels : int
        Number of quantiles of the priority which are grown one after another.

    Returns
    -------
    numpy.ndarray of bool, shape (I, J, K)
        The corrected object.
    """
    inside = np.pad(allowed, 1)
    rank = np.pad(priority, 1)
    shape = inside.shape
    offsets = OFFSETS @ (np.array((*shape[1:], 1))[::-1].cumprod()[::-1])
    grown = np.zeros(inside.size, dtype=bool)
    open_ = np.zeros(inside.size, dtype=bool)  # voxels of the levels reached so far
    start = int(np.argmax(np.where(inside, rank, -np.inf)))
    grown[start] = True
    flat_rank = rank.ravel()
    members = np.flatnonzero(inside)
    levels = np.quantile(flat_rank[members], np.linspace(1, 0, n_levels + 1)[1:])
    for level in levels:
        reached = members[flat_rank[members] >= level]
        open_[reached] = True
        open_[grown] = False
        _grow_level(grown, open_, reached[open_[reached]], shape, offsets)
    return grown.reshape(shape)[1:-1, 1:-1, 1:-1]


def _grow_level(
    grown: npt.NDArray[np.bool_],
    open_: npt.NDArray[np.bool_],
    front: Indices,
    shape: tuple[int, ...],
    offsets: Indices,
) -> None:
    """Add the open voxels which are simple, in place, until none is left."""
    weights = np.uint32(1) << np.arange(26, dtype=np.uint32)
    while front.size:
        added: list[Indices] = []
        coordinates = np.array(np.unravel_index(front, shape)) & 1
        parity = coordinates[0] * 4 + coordinates[1] * 2 + coordinates[2]
        # voxels of one parity class never touch each other: they can be added all at once
        for subfield in range(8):
            batch = front[parity == subfield]
            bits = np.zeros(batch.size, dtype=np.uint32)
            for offset, weight in zip(offsets, weights, strict=True):
                bits |= grown[batch + offset] * weight
            batch = batch[is_simple(bits)]
            grown[batch] = True
            open_[batch] = False
            added.append(batch)
        touched = (np.concatenate(added)[:, None] + offsets).ravel()
        front = np.unique(touched[open_[touched]])
