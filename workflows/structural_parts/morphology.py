# SPDX-License-Identifier: Apache-2.0
"""Morphology of binary volumes with round structuring elements, through distance transforms."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

Mask = npt.NDArray[np.bool_]


def grow(mask: Mask, radius: float) -> Mask:
    """Dilate by a ball of a radius in voxels."""
    return np.asarray(ndi.distance_transform_edt(~mask) <= radius)


def shrink(mask: Mask, radius: float) -> Mask:
    """Erode by a ball of a radius in voxels."""
    return np.asarray(ndi.distance_transform_edt(mask) > radius)


def close(mask: Mask, radius: int) -> Mask:
    """Close by a ball of a radius in voxels, as if the volume went on beyond its borders."""
    margin = radius + 2
    closed = shrink(grow(np.pad(mask, margin), radius), radius)
    return closed[(slice(margin, -margin),) * mask.ndim]


def largest_component(mask: Mask) -> Mask:
    """Keep the largest of the components that touch by faces."""
    labels, count = ndi.label(mask)
    if count == 0:
        raise ValueError("no brain found: the mask is empty after cleaning")
    return np.asarray(labels == np.argmax(np.bincount(labels.ravel())[1:]) + 1)


def bounding_box(mask: Mask, margin: int) -> tuple[slice, ...]:
    """Return slices that hold every true voxel and a margin, within the volume."""
    where = np.argwhere(mask)
    low = np.maximum(where.min(axis=0) - margin, 0)
    return tuple(
        slice(int(a), int(b)) for a, b in zip(low, where.max(axis=0) + margin + 1, strict=True)
    )
