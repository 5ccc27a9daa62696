"""Orders: which instance occludes which (eq. 1), and how deep each one lies (eq. 2)."""

from __future__ import annotations

import numpy as np


def occlusion_order(overlap_area: np.ndarray) -> np.ndarray:
    """Eq. 1: (N, N) bool, true at [i, j] where i is occluded by j.

    `overlap_area` (N, N) counts the pixels in the amodal masks of both. They overlap and j is nearer (j > i), also where a third instance
    hides the overlap: direct and indirect occlusion. Strictly upper triangular.
    """
    return np.triu(overlap_area > 0, k=1)


def direct_occlusion(seen_area: np.ndarray) -> np.ndarray:
    """(N, N) bool, true at [i, j] where the visible part of j covers a part of i; `seen_area` is `MaskScan.seen_area`."""
    return np.triu(seen_area > 0, k=1)


def layer_order(occlusion_order: np.ndarray) -> np.ndarray:
    """Eq. 2: (N,) int64 layers; 0 where nothing occludes i, else 1 + the deepest layer among its occluders.

    `occlusion_order` must be strictly upper triangular (`ValueError` otherwise), so the nearest instance comes last and has layer 0.
    """
    if np.tril(occlusion_order).any():
        raise ValueError("layer_order: the occlusion order must be strictly upper triangular: an instance is occluded by nearer ones only")
    layers = np.zeros(len(occlusion_order), np.int64)
    for i in range(len(layers) - 1, -1, -1):
        occluders = layers[occlusion_order[i]]
        if len(occluders):
            layers[i] = 1 + occluders.max()
    return layers
