"""Lofts to meshes, and meshes to points so dense that no gap shows between them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from amodalsynth.builtin.noise import noise_at
from amodalsynth.builtin.recipe import Loft

Offset = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Mesh:
    """A grid of R rows along the profile and C + 1 columns around it, the last column equal to the first.

    `position` and `normal` are (3, R, C + 1) float64; normals have length 1 and point outward.
    """

    position: np.ndarray
    normal: np.ndarray


@dataclass(frozen=True, slots=True)
class Points:
    """N points of a surface: `position` and `normal` (3, N) float32; `along` and `around` (N,) float32 in [0, 1]."""

    position: np.ndarray
    normal: np.ndarray
    along: np.ndarray
    around: np.ndarray


def loft_mesh(loft: Loft, offset: Offset) -> Mesh:
    """The mesh of a loft; `offset` places its lumps in the noise."""
    rows, columns = loft.grid
    outline = _resample(_control_points(loft), rows)
    radius, height = outline.T[:, :, None]
    along = np.linspace(0, 1, rows)
    angle = 2 * math.pi * np.linspace(0, 1, columns + 1)
    cosine, sine = np.cos(angle), np.sin(angle)

    square = _spread(loft.square, along)
    radius = radius * (np.abs(cosine) ** square + np.abs(sine) ** square) ** (-1 / square)
    growth = _spread(loft.lobes_along, along)
    for count, depth, twist in loft.lobes:
        radius = radius * (1 + depth * growth * np.cos(round(count) * angle + math.radians(twist) * along[:, None]))
    x, y = radius * cosine, radius * sine * _spread(loft.aspect, along)
    if loft.lumps:
        where = np.stack(np.broadcast_arrays(x, y, height)).astype(np.float32)
        swell = 1 + loft.lumps * (2 * noise_at(where, (loft.lump_frequency,) * 3, offset).astype(np.float64) - 1)
        x, y = x * swell, y * swell
    if loft.path:
        position = _along_path(loft.path, x, y, height)
    elif loft.bend:
        position = _along_arc(loft.bend, x, y, height)
    else:
        position = np.stack(np.broadcast_arrays(x, y, height))
    position[:, :, -1] = position[:, :, 0]
    # the shoelace formula over the outline tells on which side of the surface the axis lies
    loop = outline if loft.ring else np.concatenate([outline, outline[[-1, 0]] * (0, 1)])  # back along the axis
    following = np.roll(loop, -1, 0)
    turning = (loop[:, 0] * following[:, 1] - following[:, 0] * loop[:, 1]).sum()
    return Mesh(position, _normals(position, loft.ring) * (1 if turning > 0 else -1))


def _control_points(loft: Loft) -> np.ndarray:
    """The profile as a fine polyline (K, 2)."""
    points = np.array(loft.profile, np.float64)
    if loft.ring:
        extended = np.concatenate([points[-1:], points, points[:2]])
    elif loft.sharp:
        return points
    else:
        extended = np.concatenate([[_beyond(points[0], points[1])], points, [_beyond(points[-1], points[-2])]])
    return catmull_rom(extended)


def _beyond(end: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """The point that continues a profile past its `end`: mirrored at the axis, so that poles are smooth, else straight on."""
    return inner * (-1, 1) if end[0] == 0 else 2 * end - inner


def catmull_rom(points: np.ndarray, steps: int = 12) -> np.ndarray:
    """The smooth curve through `points[1:-1]` (K, D), with `steps` points for each piece."""
    a, b, c, d = (points[i : len(points) - 3 + i, None] for i in range(4))
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    pieces = b + t * (c - a) / 2 + t * t * (a - 2.5 * b + 2 * c - d / 2) + t * t * t * ((d - a) / 2 + 1.5 * (b - c))
    return np.concatenate([pieces.reshape(-1, points.shape[1]), points[-2:-1]])


def _resample(polyline: np.ndarray, count: int) -> np.ndarray:
    """`count` points evenly spaced along a polyline (K, D)."""
    step = np.diff(polyline, axis=0)
    length = np.concatenate([[0], np.cumsum(np.sqrt((step * step).sum(1)))])
    place = np.linspace(0, length[-1], count)
    return np.stack([np.interp(place, length, coordinate) for coordinate in polyline.T], 1)


def _spread(values: tuple[float, ...], along: np.ndarray) -> np.ndarray:
    """Values given at even distances along the profile, as a column."""
    return np.interp(along, np.linspace(0, 1, len(values)), values)[:, None]


def _along_arc(bend: float, x: np.ndarray, y: np.ndarray, height: np.ndarray) -> np.ndarray:
    radius = (height.max() - height.min()) / math.radians(bend)
    angle = height / radius
    return np.stack(np.broadcast_arrays(radius - (radius - x) * np.cos(angle), y, (radius - x) * np.sin(angle)))


def _along_path(path: tuple[tuple[float, float, float], ...], x: np.ndarray, y: np.ndarray, height: np.ndarray) -> np.ndarray:
    points = np.array(path, np.float64)
    curve = catmull_rom(np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]]))
    spine = _resample(curve, 160)
    tangent = np.gradient(spine, axis=0)
    tangent /= np.sqrt((tangent * tangent).sum(1, keepdims=True))
    side = np.empty_like(spine)  # carried along the path with as little turning as can be
    last = np.eye(3)[np.argmin(np.abs(tangent[0]))]
    for i, direction in enumerate(tangent):
        last = last - (last * direction).sum() * direction
        last = last / math.sqrt((last * last).sum())
        side[i] = last
    third = np.cross(tangent, side)
    steps = np.linspace(0, 1, len(spine))
    at, first, second = (np.stack([np.interp(height[:, 0], steps, axis) for axis in field.T])[:, :, None] for field in (spine, side, third))
    return at + first * x + second * y


def _normals(position: np.ndarray, ring: bool) -> np.ndarray:
    inner = position[:, :, :-1]
    around = np.roll(inner, -1, 2) - np.roll(inner, 1, 2)
    along = np.gradient(inner, axis=1)
    if ring:
        along[:, 0] = along[:, -1] = inner[:, 1] - inner[:, -2]
    normal = np.cross(around, along, axis=0)
    for row, neighbour in ((0, 1), (-1, -2)):
        if np.abs(around[:, row]).max() < 1e-6:  # a pole: all columns meet in one point
            normal[:, row] = normal[:, neighbour].mean(1, keepdims=True)
    length = np.sqrt((normal * normal).sum(0))
    normal = normal / np.maximum(length, 1e-12)
    return np.concatenate([normal, normal[:, :, :1]], 2)


def dense_points(mesh: Mesh, spacing: float) -> Points:
    """Points on the mesh, neighbours at most `spacing` apart."""
    rows, columns = mesh.position.shape[1] - 1, mesh.position.shape[2] - 1
    down = _longest(mesh.position[:, 1:] - mesh.position[:, :-1])
    right = _longest(mesh.position[:, :, 1:] - mesh.position[:, :, :-1])
    num_down = np.ceil(np.maximum(down[:, :-1], down[:, 1:]) / spacing + 1e-3).astype(np.int32).ravel()
    num_right = np.ceil(np.maximum(right[:-1], right[1:]) / spacing + 1e-3).astype(np.int32).ravel()
    counts = num_down * num_right
    local = np.arange(counts.sum(), dtype=np.int32) - np.repeat(np.cumsum(counts, dtype=np.int32) - counts, counts)
    width = np.repeat(num_right, counts)
    row = local // width
    t = (row + np.float32(0.5)).astype(np.float32) / np.repeat(num_down, counts).astype(np.float32)
    s = (local - row * width + np.float32(0.5)).astype(np.float32) / width.astype(np.float32)

    def interpolate(corners: np.ndarray) -> np.ndarray:
        a, b, c, d = corners[:-1, :-1], corners[:-1, 1:], corners[1:, :-1], corners[1:, 1:]
        base, across, downward, both = (np.repeat(k.astype(np.float32).ravel(), counts) for k in (a, b - a, c - a, a - b - c + d))
        return base + across * s + (downward + both * s) * t

    position, normal = (np.stack([interpolate(axis) for axis in field]) for field in (mesh.position, mesh.normal))
    cell_row, cell_column = np.divmod(np.arange(rows * columns), columns)
    along = (np.repeat(cell_row.astype(np.float32), counts) + t) / np.float32(rows)
    around = (np.repeat(cell_column.astype(np.float32), counts) + s) / np.float32(columns)
    return Points(position, normal, along, around)


def _longest(edge: np.ndarray) -> np.ndarray:
    return np.sqrt((edge * edge).sum(0))
