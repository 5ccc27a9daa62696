"""Smooth noise for surfaces and textures, made with additions and multiplications alone so that processors agree on it."""

from __future__ import annotations

from functools import cache

import numpy as np

from amodalsynth.rng import asset_rng

_CELLS = 16  # lattice cells along each side of the volume, after which it repeats
_SAMPLES = 8  # samples a cell
_SIDE = _CELLS * _SAMPLES
_SEED_KEY = 2  # apart from the keys of objects and patterns


def smooth_lattice(lattice: np.ndarray, samples: int) -> np.ndarray:
    """Enlarge a periodic `lattice` of any dimension `samples` times along every axis with a quadratic B-spline; float32 in, float32 out."""
    t = (np.arange(samples, dtype=np.float32) + np.float32(0.5)) / np.float32(samples)
    half = np.float32(0.5)
    weights = half * (1 - t) * (1 - t), half + t * (1 - t), half * t * t  # of the cell before, the cell itself and the cell after
    fine = lattice
    for axis in range(lattice.ndim):
        shape = [fine.shape[axis] * samples if k == axis else 1 for k in range(lattice.ndim)]
        cells = (np.roll(fine, 1, axis), fine, np.roll(fine, -1, axis))
        terms = [np.repeat(cell, samples, axis) * np.resize(weight, shape) for cell, weight in zip(cells, weights)]
        fine = terms[0] + terms[1] + terms[2]
    return fine


@cache
def _volume() -> np.ndarray:
    """The one periodic block of noise, flattened: `_SIDE` ** 3 float32 in [0, 1] with a mean of a half."""
    lattice = asset_rng(0, _SEED_KEY).random((_CELLS,) * 3).astype(np.float32)
    fine = smooth_lattice(lattice, _SAMPLES)
    return np.clip((fine - np.float32(0.5)) * np.float32(2.2) + np.float32(0.5), 0, 1).ravel()


def noise_at(position: np.ndarray, frequency: tuple[float, float, float], offset: tuple[float, float, float]) -> np.ndarray:
    """Noise in [0, 1] (float32) at each point of `position` (3, ...) float32; blotches are about 1 / `frequency` long along each axis."""
    index = np.zeros(position.shape[1:], np.int32)
    for coordinate, rate, start in zip(position, frequency, offset):
        # the large multiple of the period keeps the number positive, so that truncation is floor
        cell = (coordinate * np.float32(rate * _SAMPLES) + np.float32((start % 1.0 + 32) * _SIDE)).astype(np.int32)
        index = index * _SIDE + (cell & (_SIDE - 1))
    return _volume()[index]
