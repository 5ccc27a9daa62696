"""Augmentation of one example: the symmetries of the square frame, and a part of the points at each iteration (paper, section 4.3).

S is the side of the square frame, N the number of instances, P the points an instance has, Q those of one iteration.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from amodalsynth.baselines.example import Example


def augment(example: Example, rng: np.random.Generator, *, flips: bool, quarter_turns: bool, points_per_iteration: int) -> Example:
    """Mirror and turn the frame by chance, and keep Q = `points_per_iteration` of the points of each instance.

    `flips` mirrors half of the examples left to right; `quarter_turns` turns by 0, 90, 180 or 270 degrees alike. Both together give the
    eight symmetries of a square. Two calls of `rng.random`, whatever the arguments.
    """
    mirror, turns = rng.random(2)
    if flips and mirror < 0.5:
        example = mirrored(example)
    for _ in range(int(turns * 4) if quarter_turns else 0):
        example = turned(example)
    return subsampled(example, rng, points_per_iteration)


def mirrored(example: Example) -> Example:
    """The example with left and right exchanged: x becomes S - x."""
    side = np.float32(example.image.shape[1])
    x0, y0, x1, y1 = example.box.T
    x, y = np.moveaxis(example.point_xy, -1, 0)  # (N, P) each
    return replace(
        example,
        image=example.image[:, ::-1],
        box=np.stack([side - x1, y0, side - x0, y1], axis=1),
        point_xy=np.stack([side - x, y], axis=-1),
    )


def turned(example: Example) -> Example:
    """The example turned counter-clockwise by a quarter: (x, y) becomes (y, S - x)."""
    side = np.float32(example.image.shape[1])
    x0, y0, x1, y1 = example.box.T
    x, y = np.moveaxis(example.point_xy, -1, 0)  # (N, P) each
    return replace(
        example,
        image=np.rot90(example.image),
        box=np.stack([y0, side - x1, y1, side - x0], axis=1),
        point_xy=np.stack([y, side - x], axis=-1),
    )


def subsampled(example: Example, rng: np.random.Generator, num_points: int) -> Example:
    """The example with Q = `num_points` points an instance, drawn without replacement, for each instance separately.

    An instance with fewer points keeps all of them, followed by points of label -1.
    """
    absent = example.point_label < 0
    order = np.argsort(rng.random(absent.shape) + absent, axis=1)[:, :num_points]  # (N, min(P, Q)), absent points last
    missing = ((0, 0), (0, num_points - order.shape[1]))
    return replace(
        example,
        point_xy=np.pad(np.take_along_axis(example.point_xy, order[..., None], axis=1), (*missing, (0, 0))),
        point_label=np.pad(np.take_along_axis(example.point_label, order, axis=1), missing, constant_values=-1),
    )
