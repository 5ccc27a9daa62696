"""Randomness: the only module that makes a random generator.

Each draw belongs to a place (a split, an image, an attempt), and its generator follows from the seed and that place alone, so image k is the
same whatever the number of workers, the order or the restarts. Callers use `Generator.random` only: NumPy keeps its bit
generators stable for ever, its other distributions may change between versions (NEP 19).
"""

from __future__ import annotations

import numpy as np

SPLITS = ("train", "val", "test")

_SCENE_STREAM, _POINTS_STREAM, _ASSET_STREAM, _TRAINING_STREAM, _REPORT_STREAM = 0, 1, 2, 3, 4


def _generator(seed: int, *spawn_key: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=spawn_key)))


def scene_rng(seed: int, split: str, index: int, attempt: int) -> np.random.Generator:
    """The generator of one attempt at the scene of image `index` (from 0) of `split`."""
    return _generator(seed, _SCENE_STREAM, SPLITS.index(split), index, attempt)


def points_rng(seed: int, image_id: int) -> np.random.Generator:
    """The generator of the points of all instances of one image."""
    return _generator(seed, _POINTS_STREAM, image_id)


def asset_rng(seed: int, *key: int) -> np.random.Generator:
    """The generator of one asset of the built-in pack."""
    return _generator(seed, _ASSET_STREAM, *key)


def training_rng(seed: int, *key: int) -> np.random.Generator:
    """The generator of one choice of a training run: the order of an epoch, the augmentation of one example at one step."""
    return _generator(seed, _TRAINING_STREAM, *key)


def report_rng(seed: int) -> np.random.Generator:
    """The generator that draws the images which a report shows."""
    return _generator(seed, _REPORT_STREAM)
