"""Outlines of masks as polygons, for the formats that hold polygons.

The corners of an outline are the corners of pixels: pixel (0, 0) is the square from (0, 0) to (1, 1). pycocotools' rasteriser counts crossings of
the vertical lines through pixel centres, so it gives back exactly the mask that an outline was taken from, and a line that is walked in both
directions counts for nothing. That is what holds rings together here: a hole is visited from its outer ring over a cut of no width, and
`join` visits one fragment from the other over a bridge of no width. Pixels that touch at a corner belong to one fragment (8 neighbours).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import cv2
import numpy as np

# clauses of `Job.losses`
HOLES_BRIDGED = "holes bridged by a cut of no width"
NO_POLYGON = "empty masks, which have no polygon"
FRAGMENTS_JOINED = "fragments joined to one polygon by bridges of no width"


@dataclass(frozen=True, slots=True)
class Outline:
    """The outline of a mask: one closed ring per fragment, as flat lists [x, y, x, y, ...] in pixels, the largest fragment first.

    A ring is not closed by a copy of its first point. num_holes: holes that are bridged by a cut; num_fragments: number of rings.
    """

    polygons: list[list[int]]
    num_holes: int
    num_fragments: int


def to_polygons(mask: np.ndarray) -> Outline:
    """The outline of an (H, W) bool mask; an empty mask has no polygon."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return Outline([], 0, 0)
    top, left = int(rows[0]), int(columns[0])
    # A margin of a pixel, so that every corner has four neighbours; corner (x, y) lies before pixel (x, y) of the part without it.
    part = np.pad(mask[top : rows[-1] + 1, left : columns[-1] + 1].astype(np.uint8), 1)
    corners = _Corners(part)
    outer: list[int] = []
    holes: list[int] = []
    for first in corners.loops():
        inside = part[corners.y[first] + 1, corners.x[first] + 1]
        (outer if inside else holes).append(first)
    corners.cut_to(part, holes)
    if len(outer) > 1:
        _, label, statistics, _ = cv2.connectedComponentsWithStats(part, connectivity=8)
        fragment = [label[corners.y[first] + 1, corners.x[first] + 1] for first in outer]
        outer = [outer[i] for i in np.argsort(-statistics[fragment, cv2.CC_STAT_AREA], kind="stable")]
    return Outline([corners.ring(first, left, top) for first in outer], len(holes), len(outer))


def join(outline: Outline) -> list[int]:
    """One ring through all fragments of an outline, joined by bridges of no width that run along the pixels; an empty list of none."""
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
    """The corners of all rings of a mask, linked to chains.

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
        self.x, self.y = x.tolist(), y.tolist()
        self._across, self._down = across.tolist(), down.tolist()
        self._position = y * part.shape[1] + x
        self._next: list[int] = [-1] * len(x)
        self._width = part.shape[1]

    def loops(self) -> list[int]:
        """Link each ring to a chain from its first corner, the leftmost of its highest, to a copy of it; the first corners, highest first."""
        firsts = []
        for first in range(len(self._across)):
            if self._next[first] >= 0:
                continue
            firsts.append(first)
            corner, along = first, self._across
            while True:
                following = along[corner]
                if following == first:
                    break
                self._next[corner] = following
                corner, along = following, self._down if along is self._across else self._across
            self._next[corner] = self._add(self.x[first], self.y[first], -1)
        return firsts

    def cut_to(self, part: np.ndarray, holes: list[int]) -> None:
        """Hang the chain of each hole (given highest first) into the ring above it, by a vertical cut upwards from its first corner."""
        cuts: dict[int, list[tuple[int, int, int]]] = {}
        for first in holes:
            x, y = self.x[first], self.y[first]
            above = part[1 : y + 1, x + 1]  # the pixels right of the cut, down to the hole
            height = int(above[::-1].argmin()) if not above.all() else y
            edge = int(np.searchsorted(self._position, (y - height) * self._width + x, side="right")) - 1
            edge -= edge % 2  # a corner that begins an edge is even
            rightward = self._next[edge] == edge + 1
            cuts.setdefault(edge if rightward else edge + 1, []).append((-x if rightward else x, first, y - height))
        last = {first: self._last(first) for first in holes}
        for corner, hung in cuts.items():
            for _, first, y in sorted(hung):  # the far ones first, as each is put right behind the corner
                x = self.x[first]
                self._next[last[first]] = self._add(x, y, self._next[corner])
                self._next[corner] = self._add(x, y, first)

    def ring(self, first: int, left: int, top: int) -> list[int]:
        points = []
        corner = first
        while corner >= 0:
            points.append([self.x[corner] + left, self.y[corner] + top])
            corner = self._next[corner]
        return _without_repeats(points)

    def _last(self, corner: int) -> int:
        while self._next[corner] >= 0:
            corner = self._next[corner]
        return corner

    def _add(self, x: int, y: int, following: int) -> int:
        self.x.append(x)
        self.y.append(y)
        self._next.append(following)
        return len(self._next) - 1


# Corners at a place whose four pixels are inside where the bits of an index are: 1 upper left, 2 upper right, 4 lower left, 8 lower right.
_NUM_CORNERS = np.array([0, 1, 1, 0, 1, 0, 2, 1, 1, 2, 0, 1, 0, 1, 1, 0])


def _without_repeats(points: list[list[int]]) -> list[int]:
    """A closed ring as a flat list, no point the same as the one before it."""
    return [value for before, point in zip([points[-1], *points[:-1]], points) if point != before for value in point]


def one_polygon(mask: np.ndarray, losses: Counter[str]) -> list[int]:
    """An (H, W) bool mask as one ring, for formats that hold no more; what had to be bridged is counted in `losses`."""
    outline = to_polygons(mask)
    losses[NO_POLYGON] += not outline.polygons
    losses[HOLES_BRIDGED] += outline.num_holes
    losses[FRAGMENTS_JOINED] += max(outline.num_fragments - 1, 0)
    return join(outline)


def polygons(mask: np.ndarray, losses: Counter[str]) -> list[list[int]]:
    """An (H, W) bool mask as a ring per fragment; bridged holes are counted in `losses`."""
    outline = to_polygons(mask)
    losses[NO_POLYGON] += not outline.polygons
    losses[HOLES_BRIDGED] += outline.num_holes
    return outline.polygons
