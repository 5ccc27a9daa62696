"""Outlines with fewer points: shapely takes away what lies within a tolerance, and mends what it breaks.

The corners of pixels are a poor start for that: along a slanting edge they lie on stairs, every other one up to a pixel off the line through the
rest, so a tolerance of half a pixel takes away few. The stairs are cut first, through the middle of each: no centre of a pixel changes
sides, and the points lie along the edge.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely

from amodalsynth.exporters.polygons import DECIMALS, Fragment

_SLIVER = 0.25  # square pixels


def simplify(fragments: Sequence[Fragment], tolerance: float) -> list[Fragment]:
    """Fragments with corners in pixels, at least one, with fewer points; the largest first, float64, rounded to `DECIMALS`.

    All are simplified together, so that none runs into another. What is left of less than a quarter of a pixel is dropped, fragment or hole, so
    there may be nothing left.
    """
    corners = np.concatenate([ring for shell, holes in fragments for ring in (shell, *holes)])
    width = corners[:, 0].max() + 1
    places, count = np.unique(corners @ [1, width], return_counts=True)
    touching = places[count > 1]

    def smooth(ring: np.ndarray) -> np.ndarray:
        return _without_stairs(ring, np.isin(ring @ [1, width], touching))

    smoothed = shapely.MultiPolygon([(smooth(shell), [smooth(hole) for hole in holes]) for shell, holes in fragments])
    simple = shapely.simplify(smoothed, tolerance, preserve_topology=True)
    if not simple.is_valid:
        simple = shapely.make_valid(simple)
    parts = shapely.get_parts(shapely.get_parts(simple))  # make_valid may give a collection of polygons, of lines and of points
    areas = shapely.area(parts)
    kept = [i for i in np.argsort(-areas, kind="stable") if areas[i] >= _SLIVER]
    return [(_points(parts[i].exterior), _holes(parts[i])) for i in kept]


def _holes(part: shapely.Polygon) -> list[np.ndarray]:
    rings = [_points(ring) for ring in part.interiors if shapely.area(shapely.Polygon(ring)) >= _SLIVER]
    return sorted(rings, key=lambda ring: (ring[0, 1], ring[0, 0]))


def _points(ring: shapely.LinearRing) -> np.ndarray:
    """(K, 2) points from the leftmost of the highest on, the first not repeated."""
    points = np.round(shapely.get_coordinates(ring)[:-1], DECIMALS)
    return np.roll(points, -np.lexsort(points.T)[0], axis=0)


def _without_stairs(ring: np.ndarray, touching: np.ndarray) -> np.ndarray:
    """(K, 2) corners to float64 points: a corner on a stair becomes two points, half a pixel before and behind it.

    A stair is an edge of one pixel between a turn to the one side and a turn to the other, so squares and single pixels keep their corners.
    touching (K,) bool: corners where pixels touch, which become two points in any case, so that no ring touches another or itself.
    """
    step = np.roll(ring, -1, axis=0) - ring  # from each corner to the next
    length = np.abs(step).sum(axis=1)
    along = step / length[:, None]
    back = np.roll(along, 1, axis=0)
    turn = back[:, 0] * along[:, 1] - back[:, 1] * along[:, 0]
    is_stair = (length == 1) & (turn != np.roll(turn, -1))
    cut = (touching | is_stair | np.roll(is_stair, 1))[:, None] / 2
    points = np.stack([ring - cut * back, ring + cut * along], axis=1).reshape(-1, 2)  # (K, before and behind, xy)
    return points[(points != np.roll(points, 1, axis=0)).any(axis=1)]
