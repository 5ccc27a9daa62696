"""The renderer: a shape made into a solid of coloured points, and a solid seen from somewhere as an RGBA picture.

Points are splatted into a depth buffer at twice the size, only those that win a pixel are shaded, and the picture is halved by a small filter,
which gives the alpha its soft edge. Per-pixel arithmetic is + - * / and square roots in float32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from amodalsynth.builtin.paint import Canvas, paint, roughen
from amodalsynth.builtin.recipe import Part, resolve
from amodalsynth.builtin.surface import Mesh, Offset, dense_points, loft_mesh

VIEW_SIDE = 184  # longest side of a view in pixels, but for the pixel or two that the filter adds
_OVERSAMPLING = 2
_POINT_SPACING = 1.35  # in oversampled pixels: splats of 2 x 2 leave no gap below the square root of 2
_SHORTEST_VIEW = 0.62  # a view is drawn again when its longest side is shorter than this fraction of the longest possible


@dataclass(frozen=True, slots=True)
class Piece:
    """One part of one object, its draws made, as a mesh in its own frame and the way into the object's frame: rotation, size, shift."""

    part: Part
    mesh: Mesh
    offset: Offset
    rotation: np.ndarray
    shift: np.ndarray

    def place(self, position: np.ndarray) -> np.ndarray:
        """Positions (3, ...) from the part's frame to the object's."""
        return turned(position, self.rotation * self.part.size) + self.shift.astype(position.dtype).reshape(3, *[1] * (position.ndim - 1))


@dataclass(frozen=True, slots=True)
class Solid:
    """An object as N points: `position`, `normal` and `color` (3, N), `gloss` (N,), all float32."""

    position: np.ndarray
    normal: np.ndarray
    color: np.ndarray
    gloss: np.ndarray


def turned(vectors: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """`matrix` (3, 3) times `vectors` (3, ...), written out because BLAS may round differently on another processor."""
    x, y, z = vectors
    return np.stack([x * a + y * b + z * c for a, b, c in matrix.astype(vectors.dtype)])


def rotation_about(axis: int, degrees: float) -> np.ndarray:
    """The (3, 3) float64 rotation about one coordinate axis."""
    matrix = np.eye(3)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix[i, i] = matrix[j, j] = math.cos(math.radians(degrees))
    matrix[j, i] = math.sin(math.radians(degrees))
    matrix[i, j] = -matrix[j, i]
    return matrix


def _random_rotation(rng: np.random.Generator) -> np.ndarray:
    """A rotation (3, 3) drawn uniformly from all rotations (Shoemake 1992)."""
    share, first, second = rng.random(), 2 * math.pi * rng.random(), 2 * math.pi * rng.random()
    low, high = math.sqrt(1 - share), math.sqrt(share)
    x, y, z, w = low * math.sin(first), low * math.cos(first), high * math.sin(second), high * math.cos(second)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def make_pieces(shape: tuple[Part, ...], rng: np.random.Generator) -> list[Piece]:
    """The pieces of one object of a shape, its proportions and colours drawn."""
    shared: dict = {}
    pieces: list[Piece] = []
    of_part: list[Piece] = []  # the first piece of each part
    for description in shape:
        if description.scatter is None:
            count = description.copies
            frames = [(rotation_about(2, 360 * k / count), np.zeros(3)) for k in range(count)]
        else:
            scatter = resolve(description.scatter, rng, shared)
            base = of_part[scatter.part]
            frames = [_perch(base, scatter.low, scatter.high, rng) for _ in range(round(scatter.count))]
        for k, (rotation, shift) in enumerate(frames):
            part = resolve(description, rng, shared)
            offset = (rng.random(), rng.random(), rng.random())
            about_x, about_y, about_z = (rotation_about(axis, degrees) for axis, degrees in enumerate(part.turn))
            own = turned(turned(about_x, about_y), about_z)
            at = np.array(part.at, np.float64)
            pieces.append(Piece(part, loft_mesh(part.loft, offset), offset, turned(own, rotation), turned(at, rotation) + shift))
            if k == 0:
                of_part.append(pieces[-1])
    return pieces


def _perch(base: Piece, low: float, high: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A frame whose z axis is the surface normal at a random place of `base`, as (rotation, shift)."""
    position, normal = base.place(base.mesh.position), turned(base.mesh.normal, base.rotation)
    rows = position.shape[1]
    ring = position[:, :, 1:] - position[:, :, :-1]
    girth = np.sqrt((ring * ring).sum(0)).sum(1)
    girth[: math.ceil(low * (rows - 1))] = 0
    girth[math.floor(high * (rows - 1)) + 1 :] = 0
    reach = np.cumsum(girth)
    row = int(np.searchsorted(reach, rng.random() * reach[-1]))
    column = int(rng.random() * (position.shape[2] - 1))
    up = normal[:, row, column]
    aside = np.eye(3)[np.argmin(np.abs(up))]
    aside = aside - (aside * up).sum() * up
    aside = aside / math.sqrt((aside * aside).sum())
    frame = np.stack([aside, np.cross(up, aside), up], 1)
    return turned(rotation_about(2, 360 * rng.random()), frame), position[:, row, column]


def make_solid(pieces: list[Piece], spacing: float, rng: np.random.Generator) -> Solid:
    """The painted points of an object, neighbours at most `spacing` apart."""
    direction = _random_rotation(rng)[0]
    solids = []
    for piece in pieces:
        points = dense_points(piece.mesh, spacing / piece.part.size)
        canvas = Canvas(points, piece.offset, tuple(direction))
        normal = turned(roughen(piece.part, canvas), piece.rotation)
        gloss = np.full(points.along.shape, piece.part.gloss, np.float32)
        solids.append((piece.place(points.position), normal, paint(piece.part, canvas), gloss))
    return Solid(*(np.concatenate(arrays, -1) for arrays in zip(*solids)))


def _extent(position: np.ndarray, rotation: np.ndarray) -> float:
    """The longest side of the picture of `position` (3, K), in the object's units."""
    across, down, _ = turned(position, rotation)
    return max(np.ptp(across), np.ptp(down))


def render_object(shape: tuple[Part, ...], num_views: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Pictures of one object of a shape, each (h, w, 4) uint8 RGBA: straight alpha, cropped, black where alpha is 0."""
    pieces = make_pieces(shape, rng)
    outline = np.concatenate([piece.place(piece.mesh.position[:, :, :-1]).reshape(3, -1) for piece in pieces], 1)
    longest = max(_extent(outline, _random_rotation(rng)) for _ in range(24))
    views = []
    while len(views) < num_views:
        rotation = _random_rotation(rng)
        extent = _extent(outline, rotation)
        if extent >= _SHORTEST_VIEW * longest:
            views.append((rotation, _OVERSAMPLING * VIEW_SIDE / extent))
    solid = make_solid(pieces, _POINT_SPACING / max(scale for _, scale in views), rng)
    return [_render_view(solid, rotation, scale, rng) for rotation, scale in views]


def _render_view(solid: Solid, rotation: np.ndarray, scale: float, rng: np.random.Generator) -> np.ndarray:
    winner, depth = _splat(solid, rotation, scale)
    covered = np.flatnonzero(winner >= 0)
    color = _shade(solid, winner.ravel().take(covered), rotation, rng)
    color *= _crevices(depth).ravel().take(covered)
    picture = np.zeros((4, *winner.shape), np.float32)
    for channel, values in zip(picture, np.minimum(np.sqrt(color), 1)):  # a display gamma of 2
        channel.ravel()[covered] = values
    picture[3].ravel()[covered] = 1
    return _finish(picture)


def _splat(solid: Solid, rotation: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """For each pixel the nearest point, -1 where there is none (h, w) int64, and its nearness in pixels, 0 where there is none (h, w) float32."""
    # bumps tilt normals, so points a little beyond the contour are kept; the front hides them
    kept = np.flatnonzero(_along(solid.normal, rotation[2]) > -0.2)
    position = [axis.take(kept) for axis in solid.position]
    x, y, z = (_along(position, direction * scale) for direction in rotation)
    column = (x - (x.min() - 3)).astype(np.int32)  # room for the splat and the filter
    row = (y.max() + 3 - y).astype(np.int32)
    height, width = (int(k.max() + 4) // 2 * 2 for k in (row, column))
    nearness = ((z - (z.min() - 1)) * np.float32(16)).astype(np.int64)
    buffer = np.full(height * width, -1, np.int64)
    np.maximum.at(buffer, row * width + column, nearness << 32 | kept)
    buffer = buffer.reshape(height, width)
    buffer[:, 1:] = np.maximum(buffer[:, 1:], buffer[:, :-1])
    buffer[1:] = np.maximum(buffer[1:], buffer[:-1])
    depth = np.maximum(buffer >> 32, 0).astype(np.float32) / np.float32(16)
    return np.where(buffer < 0, -1, buffer & 0xFFFFFFFF), depth


def _along(vectors: Sequence[np.ndarray], direction: np.ndarray) -> np.ndarray:
    """The scalar products (K,) of float32 `vectors` (3, K) with one direction."""
    a, b, c = direction.astype(np.float32)
    total = vectors[0] * a
    total += vectors[1] * b
    total += vectors[2] * c
    return total


def _shade(solid: Solid, points: np.ndarray, rotation: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The linear colour (3, K) of points lit by a random soft lamp, the sky and a weak lamp from the other side."""
    azimuth, slope = 2 * math.pi * rng.random(), 0.25 + 0.6 * rng.random()
    lamp = np.array([slope * math.cos(azimuth), slope * math.sin(azimuth) * 0.6 + 0.35, 0.8])
    lamp /= math.sqrt((lamp * lamp).sum())
    halfway = lamp + np.array([0.0, 0.0, 1.0])
    halfway /= math.sqrt((halfway * halfway).sum())
    normal = [axis.take(points) for axis in solid.normal]

    def facing(direction: np.ndarray) -> np.ndarray:
        return _along(normal, turned(direction, rotation.T))  # into the object's frame

    diffuse = np.maximum((facing(lamp) + np.float32(0.25)) * np.float32(0.8), 0)
    fill = np.maximum(facing(lamp * (-1, -1, 1)), 0) * np.float32(0.12)
    sky = facing(np.array([0.0, 1.0, 0.0])) * np.float32(0.08)
    light = diffuse * np.float32(0.78 + 0.2 * rng.random()) + fill + sky + np.float32(0.24)
    shine = np.maximum(facing(halfway), 0)
    for _ in range(3):
        shine = shine * shine
    sheen = shine
    for _ in range(3):
        shine = shine * shine
    rim = np.float32(1) - np.maximum(facing(np.array([0.0, 0.0, 1.0])), 0)
    rim = rim * rim * rim
    gloss = solid.gloss.take(points)
    highlight = gloss * (shine * np.float32(0.75) + sheen * np.float32(0.09) + rim * np.float32(0.12))
    return np.stack([channel * channel * light + highlight for channel in (axis.take(points) for axis in solid.color)])


def _crevices(depth: np.ndarray) -> np.ndarray:
    """How much light (h, w) reaches each pixel past what stands around it nearer to the viewer."""
    small = depth[::2, ::2]
    mean = _box_blur(small, 7) / np.maximum(_box_blur((small > 0).astype(np.float32), 7), np.float32(1e-3))
    dark = np.clip((mean - small - np.float32(2)) * np.float32(0.03), 0, np.float32(0.55))
    return np.repeat(np.repeat(np.float32(1) - _box_blur(dark, 2), 2, 0), 2, 1)


def _box_blur(image: np.ndarray, radius: int) -> np.ndarray:
    """The mean over squares of 2 `radius` + 1 pixels, zero outside the image (h, w) float32."""
    width = 2 * radius + 1
    for _ in range(2):  # along the columns, then, transposed, along the rows
        padded = np.zeros((image.shape[0] + width, image.shape[1]), np.float32)
        padded[radius + 1 : -radius] = image
        total = np.cumsum(padded, 0)
        image = ((total[width:] - total[:-width]) * np.float32(1 / width)).T
    return image


def _finish(picture: np.ndarray) -> np.ndarray:
    """Halve a premultiplied picture (4, h, w) with the filter 1 3 3 1, take the premultiplication back, crop."""
    for _ in range(2):  # halve the rows, then, transposed, the columns
        padded = np.pad(picture, ((0, 0), (1, 1), (0, 0)))
        inner = (padded[:, 1:-2:2] + padded[:, 2:-1:2]) * np.float32(3)
        picture = np.ascontiguousarray(((inner + padded[:, 0:-3:2] + padded[:, 3::2]) * np.float32(0.125)).transpose(0, 2, 1))
    alpha = picture[3]
    straight = picture[:3] / np.maximum(alpha, np.float32(1e-6))
    levels = (np.concatenate([straight, alpha[None]]) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    levels[:, levels[3] == 0] = 0
    rows, columns = np.flatnonzero(levels[3].any(1)), np.flatnonzero(levels[3].any(0))
    return np.ascontiguousarray(levels[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].transpose(1, 2, 0))
