"""Coats of paint and roughness on the points of a part."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from amodalsynth.builtin.noise import noise_at
from amodalsynth.builtin.recipe import Mask, Part
from amodalsynth.builtin.surface import Offset, Points


@dataclass(frozen=True, slots=True)
class Canvas:
    """What a field may look at: the points of one part before it is turned and moved, and what was drawn for the object."""

    points: Points
    offset: Offset
    side: tuple[float, float, float]


def _wave(value: np.ndarray, crests: float) -> np.ndarray:
    """A triangular wave in [0, 1] with `crests` crests while `value` goes from 0 to 1."""
    phase = value * np.float32(crests)
    return np.abs(phase - np.floor(phase) - np.float32(0.5)) * np.float32(2)


def _streaks(canvas: Canvas, mask: Mask) -> np.ndarray:
    angle = canvas.points.around.astype(np.float64) * (2 * math.pi)
    where = np.stack([np.cos(angle), np.sin(angle), canvas.points.along]).astype(np.float32)
    return noise_at(where, _triple(mask.frequency), canvas.offset)


def _facing_side(canvas: Canvas, mask: Mask) -> np.ndarray:
    x, y, z = canvas.points.normal
    a, b, c = (np.float32(k) for k in canvas.side)
    return (x * a + y * b + z * c) * np.float32(0.5) + np.float32(0.5)


FIELDS: dict[str, Callable[[Canvas, Mask], np.ndarray]] = {
    "along": lambda canvas, mask: canvas.points.along,
    "around": lambda canvas, mask: canvas.points.around,
    "height": lambda canvas, mask: canvas.points.position[2] * np.float32(0.5) + np.float32(0.5),
    "noise": lambda canvas, mask: noise_at(canvas.points.position, _triple(mask.frequency), canvas.offset),
    "streaks": _streaks,
    "rings": lambda canvas, mask: _wave(canvas.points.along, mask.frequency),
    "stripes": lambda canvas, mask: _wave(canvas.points.around, mask.frequency),
    "side": _facing_side,
}


def _triple(frequency: tuple[float, float, float] | float) -> tuple[float, float, float]:
    return frequency if isinstance(frequency, tuple) else (frequency,) * 3


def _coverage(canvas: Canvas, mask: Mask) -> np.ndarray:
    value = FIELDS[mask.field](canvas, mask)
    if mask.wobble:
        shift = noise_at(canvas.points.position, _triple(mask.wobble_frequency), canvas.offset[::-1]) - np.float32(0.5)
        value = value + shift * np.float32(2 * mask.wobble)
    t = np.clip((value - np.float32(mask.low)) * np.float32(1 / (mask.high - mask.low)), 0, 1)
    return t * t * (np.float32(3) - np.float32(2) * t)


def paint(part: Part, canvas: Canvas) -> np.ndarray:
    """The colours (3, N) float32 in [0, 1] of the points of `part`."""
    color = np.empty_like(canvas.points.position)
    color[:] = np.array(part.color, np.float32)[:, None] / np.float32(255)
    for layer in part.layers:
        opacity = np.float32(layer.opacity)
        for mask in layer.masks:
            opacity = opacity * _coverage(canvas, mask)
        for channel, value in zip(color, layer.color):
            channel += (np.float32(value / 255) - channel) * opacity
    return color


def roughen(part: Part, canvas: Canvas) -> np.ndarray:
    """The normals (3, N) float32 of the points of `part`, tilted by its bumps, of length about 1."""
    if not part.bump:
        return canvas.points.normal
    normal = canvas.points.normal.copy()
    frequency = _triple(part.bump_frequency)
    for axis, shift in enumerate((0.17, 0.41, 0.73)):
        tilt = noise_at(canvas.points.position, frequency, tuple(k + shift for k in canvas.offset)) - np.float32(0.5)
        normal[axis] += tilt * np.float32(2 * part.bump)
    x, y, z = normal
    return normal / np.sqrt(x * x + y * y + z * z)
