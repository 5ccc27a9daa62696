"""Outlines of masks as polygons, for the formats that hold polygons.

The corners of an outline are the corners of pixels: pixel (0, 0) is the square from (0, 0) to (1, 1). pycocotools' rasteriser counts crossings of
the vertical lines through pixel centres, so it gives back exactly the mask that an outline was taken from, and a line that is walked in both
directions counts for nothing. That is what holds rings together here: a hole is visited from its outer ring over a cut of no width, and
`join` visits one fragment from the other over a bridge of no width. Pixels that touch at a corner belong to one fragment (8 neighbours).

Outlines are exact unless a tolerance lets `simplification` take points away, between tracing and cutting.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

# clauses of `Job.losses`
HOLES_BRIDGED = "holes bridged by a cut of no width"
NO_POLYGON = "empty masks, which have no polygon"
FRAGMENTS_JOINED = "fragments joined to one polygon by bridges of no width"
PIXELS_CHANGED = "simplified outlines that no longer hold exactly the mask's pixels"

DECIMALS = 2  # of a simplified outline's coordinates
_TOUCHING = 10.0**-DECIMALS  # a hole may touch the ring above it, and be rounded past it

# The (K, 2) points [x, y] of a fragment's outer ring and of its holes, highest first; each ring begins at the leftmost of its highest points.
Fragment = tuple[np.ndarray, Sequence[np.ndarray]]


@dataclass(frozen=True, slots=True)
class Outline:
    """The outline of a mask: one closed ring per fragment, as flat lists [x, y, x, y, ...] in pixels, the largest fragment first.

    A ring is not closed by a copy of its first point. num_holes: holes that are bridged by a cut; num_fragments: number of rings.
    """

    polygons: list[list[float]]
    num_holes: int
    num_fragments: int


def to_polygons(mask: np.ndarray, tolerance: float = 0.0) -> Outline:
    """The outline of an (H, W) bool mask; an empty mask has no polygon.

    tolerance: pixels by which `simplification.simplify` may move the outline, to 2 decimals; 0 keeps the corners of the pixels, as integers. A
    mask of which no pixel would be left keeps its exact outline.
    """
    fragments = _trace(mask)
    if tolerance and fragments:
        from amodalsynth.exporters.simplification import simplify

        outline = _bridge(simplify(fragments, tolerance))
        if outline.polygons and (_rasterise(outline.polygons, mask.shape) & mask).any():
            return outline
    return _bridge(fragments)


def _trace(mask: np.ndarray) -> list[Fragment]:
    """The fragments of a mask, the largest first, with corners in int64."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return []
    top, left = int(rows[0]), int(columns[0])
    # A margin of a pixel, so that every corner has four neighbours; corner (x, y) lies before pixel (x, y) of the part without it.
    part = np.pad(mask[top : rows[-1] + 1, left : columns[-1] + 1].astype(np.uint8), 1)
    rings = _Corners(part).rings()
    first = np.array([ring[0] for ring in rings])
    is_outer = part[first[:, 1] + 1, first[:, 0] + 1].astype(bool)
    outer, holes = np.flatnonzero(is_outer), np.flatnonzero(~is_outer)
    rings = [ring + np.array([left, top]) for ring in rings]
    if len(outer) == 1:
        return [(rings[outer[0]], [rings[i] for i in holes])]
    _, label, statistics, _ = cv2.connectedComponentsWithStats(part, connectivity=8)
    owner = label[first[:, 1] + is_outer, first[:, 0] + 1]  # of the pixel below the first corner of an outer ring, above that of a hole
    outer = outer[np.argsort(-statistics[owner[outer], cv2.CC_STAT_AREA], kind="stable")]
    own: dict[int, list[np.ndarray]] = {owner[i]: [] for i in outer}
    for i in holes:
        own[owner[i]].append(rings[i])
    return [(rings[i], own[owner[i]]) for i in outer]


def _bridge(fragments: Sequence[Fragment]) -> Outline:
    return Outline([_cut(*fragment) for fragment in fragments], sum(len(holes) for _, holes in fragments), len(fragments))


def _cut(shell: np.ndarray, holes: Sequence[np.ndarray]) -> list[float]:
    """One ring through a fragment: from each hole's first point a vertical cut leads up to the ring above it, its outer one or that of a hole."""
    if not holes:
        return np.roll(shell, -1, axis=0).ravel().tolist()  # the walk below ends at the first point, too
    rings = [shell, *holes]
    closed = np.concatenate([part for ring in rings for part in (ring, ring[:1])])
    first = np.cumsum([0, *(len(ring) + 1 for ring in rings)]).tolist()
    points, following = closed.tolist(), list(range(1, len(closed) + 1))
    for end in first[1:]:
        following[end - 1] = -1
    cuts: dict[int, list[tuple[float, int, float]]] = {}
    above = _Edges(closed, first)
    for k, hole in enumerate(holes, start=1):
        edge, y = above.find(hole[0], k)
        cuts.setdefault(edge, []).append((abs(points[edge][0] - points[first[k]][0]), k, y))
    for edge, hung in cuts.items():
        for _, k, y in sorted(hung, reverse=True):  # the far ones first, as each is put right behind the point where the edge begins
            size, at = len(points), [points[first[k]][0], y]
            points += [at, at]
            following += [first[k], following[edge]]
            following[edge], following[first[k + 1] - 1] = size, size + 1
    walked, at = [], 0
    while at >= 0:
        walked.append(points[at])
        at = following[at]
    return _without_repeats(walked)


class _Edges:
    """The edges of closed rings that are not vertical, to look upwards from a point.

    closed (M, 2): the points of all rings, each closed by a copy of its first; first: where each ring begins, and the end.
    """

    def __init__(self, closed: np.ndarray, first: Sequence[int]) -> None:
        ring = np.repeat(np.arange(len(first) - 1), np.diff(first))
        edge = np.flatnonzero((ring[1:] == ring[:-1]) & (closed[1:, 0] != closed[:-1, 0]))
        x = np.stack([closed[edge, 0], closed[edge + 1, 0]])
        order = np.argsort(x.min(axis=0), kind="stable")
        self._edge, self._ring = edge[order], ring[edge[order]]
        self._left, self._right = x.min(axis=0)[order], x.max(axis=0)[order]
        self._longest = (self._right - self._left).max()
        self._closed = closed

    def find(self, point: np.ndarray, before: int) -> tuple[int, float]:
        """The nearest edge above a point, of the rings with smaller numbers: the index of the point where it begins, and its y at the point's x.

        Rings come highest first, so that is no detour, and cuts never lead round in a circle.
        """
        x, y = point
        near = slice(np.searchsorted(self._left, x - self._longest), np.searchsorted(self._left, x, side="right"))
        edge = self._edge[near][(self._right[near] > x) & (self._ring[near] < before)]
        begin, end = self._closed[edge], self._closed[edge + 1]
        level = begin[:, 1] + (end[:, 1] - begin[:, 1]) * (x - begin[:, 0]) / (end[:, 0] - begin[:, 0])
        nearest = np.where(level <= y + _TOUCHING, level, -np.inf).argmax()
        return int(edge[nearest]), np.round(level[nearest], DECIMALS).astype(self._closed.dtype).item()


def join(outline: Outline) -> list[float]:
    """One ring through all fragments of an outline, joined by bridges of no width that run along the axes; an empty list of none."""
    if not outline.polygons:
        return []
    ring, *others = [np.array(polygon).reshape(-1, 2) for polygon in outline.polygons]
    for other in others:
        # From the one to the other and back finds a short bridge, if not always the shortest, without comparing all corners with all.
        at = _nearest(ring, other[0])
        to = _nearest(other, ring[at])
        at = _nearest(ring, other[to])
        bend = [ring[at, 0], other[to, 1]]
        visit = [ring[: at + 1], [bend], other[to:], other[: to + 1], [bend], ring[at:]]
        ring = np.concatenate(visit)
    return _without_repeats(ring.tolist())


def _nearest(points: np.ndarray, point: np.ndarray) -> int:
    return int(np.abs(points - point).sum(axis=1).argmin())


class _Corners:
    """The corners of all rings of a mask.

    At a corner a horizontal and a vertical edge meet, so from corner to corner along a ring they take turns. Corners sorted by row pair up
    to horizontal edges, sorted by column to vertical ones. Where two pixels touch at a corner, two corners lie: each links the two edges
    of one of the two pixels outside.
    """

    def __init__(self, part: np.ndarray) -> None:
        around = part[:-1, :-1] + 2 * part[:-1, 1:] + 4 * part[1:, :-1] + 8 * part[1:, 1:]
        y, x = np.nonzero(_NUM_CORNERS[around])
        kind = around[y, x]
        count = _NUM_CORNERS[kind]
        x, y, kind = np.repeat(x, count), np.repeat(y, count), np.repeat(kind, count)
        second = np.append(False, (x[1:] == x[:-1]) & (y[1:] == y[:-1]))
        # Of two corners at one place the first ends the edge from the left, the second begins the edge to the right. Where the pixels inside are
        # the upper left and the lower right (1 + 8), the edge to the right goes on upwards; else downwards.
        upward = np.where(kind == 9, second, ~second)
        by_column = np.lexsort((~upward, y, x))
        across = np.arange(len(x)).reshape(-1, 2)[:, ::-1].ravel()
        down = np.empty(len(x), np.int64)
        down[by_column] = by_column.reshape(-1, 2)[:, ::-1].ravel()
        self._points = np.stack([x, y], axis=1)
        self._across, self._down = across.tolist(), down.tolist()

    def rings(self) -> list[np.ndarray]:
        """The (K, 2) corners of each ring from its first on, the leftmost of its highest; the rings highest first."""
        rings = []
        seen = bytearray(len(self._across))
        for first in range(len(seen)):
            ring, corner, along = [], first, self._across
            while not seen[corner]:
                seen[corner] = 1
                ring.append(corner)
                corner, along = along[corner], self._down if along is self._across else self._across
            if ring:
                rings.append(self._points[ring])
        return rings


# Corners at a place whose four pixels are inside where the bits of an index are: 1 upper left, 2 upper right, 4 lower left, 8 lower right.
_NUM_CORNERS = np.array([0, 1, 1, 0, 1, 0, 2, 1, 1, 2, 0, 1, 0, 1, 1, 0])


def _without_repeats(points: list[list[float]]) -> list[float]:
    """A closed ring as a flat list, no point the same as the one before it."""
    return [value for before, point in zip([points[-1], *points[:-1]], points) if point != before for value in point]


def one_polygon(mask: np.ndarray, losses: Counter[str], tolerance: float = 0.0) -> list[float]:
    """An (H, W) bool mask as one ring, for formats that hold no more; what had to be bridged or was simplified away is counted in `losses`."""
    outline = to_polygons(mask, tolerance)
    ring = join(outline)
    losses[FRAGMENTS_JOINED] += max(outline.num_fragments - 1, 0)
    _count_losses(losses, mask, outline, [ring] if ring else [], tolerance)
    return ring


def polygons(mask: np.ndarray, losses: Counter[str], tolerance: float = 0.0) -> list[list[float]]:
    """An (H, W) bool mask as a ring per fragment; holes that are bridged and outlines that are changed are counted in `losses`."""
    outline = to_polygons(mask, tolerance)
    _count_losses(losses, mask, outline, outline.polygons, tolerance)
    return outline.polygons


def _count_losses(losses: Counter[str], mask: np.ndarray, outline: Outline, rings: list[list[float]], tolerance: float) -> None:
    losses[NO_POLYGON] += not rings
    losses[HOLES_BRIDGED] += outline.num_holes
    if tolerance and rings:
        losses[PIXELS_CHANGED] += not np.array_equal(_rasterise(rings, mask.shape), mask)


def _rasterise(rings: list[list[float]], size_hw: tuple[int, int]) -> np.ndarray:
    """(H, W) bool: the union of rings, at least one, as readers of COCO draw them."""
    from pycocotools import mask as coco_mask

    return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(rings, *size_hw))).astype(bool)
