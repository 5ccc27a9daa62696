"""Outlines of masks: pycocotools gives back exactly the mask, whatever its holes and fragments."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask

from amodalsynth.exporters.polygons import (
    FRAGMENTS_JOINED,
    HOLES_BRIDGED,
    NO_POLYGON,
    join,
    one_polygon,
    polygons,
    to_polygons,
)
from amodalsynth.segmentation import decode_segmentation

MASKS = hnp.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))


def drawn(text: str) -> np.ndarray:
    return np.array([[pixel == "#" for pixel in row] for row in text.split()])


RING = drawn("##### #...# #.#.# #...# #####")  # a hole with an island
CORNERS = drawn("#..# .##. #..#")
COMB = drawn("###### #.#.#. #.##.# ######")


def rasterised(rings: list[list[float]], size_hw: tuple[int, int]) -> np.ndarray:
    """As the readers of polygons do: the union of the rings."""
    return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(rings, *size_hw))).astype(bool)


def components(mask: np.ndarray, neighbours: int) -> int:
    """Connected parts, by flooding pixel after pixel."""
    left, count = set(zip(*np.nonzero(mask))), 0
    steps = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if 0 < abs(y) + abs(x) <= (2 if neighbours == 8 else 1)]
    while left:
        count += 1
        front = [left.pop()]
        while front:
            y, x = front.pop()
            touched = {(y + dy, x + dx) for dy, dx in steps} & left
            left -= touched
            front.extend(touched)
    return count


@given(MASKS)
@example(RING)
@example(CORNERS)
@example(COMB)
@settings(deadline=None, max_examples=300)
def test_outlines_rasterise_to_the_mask(mask: np.ndarray) -> None:
    outline = to_polygons(mask)
    assert outline.num_fragments == len(outline.polygons) == components(mask, 8)
    assert outline.num_holes == components(np.pad(~mask, 1, constant_values=True), 4) - 1
    if not mask.any():
        assert join(outline) == []
        return
    for rings in (outline.polygons, [join(outline)]):
        assert (rasterised(rings, mask.shape) == mask).all()
        assert (decode_segmentation(rings, mask.shape, "a") == mask).all()


@given(MASKS)
@settings(deadline=None)
def test_rings_run_along_the_pixels(mask: np.ndarray) -> None:
    for ring in [*to_polygons(mask).polygons, join(to_polygons(mask))]:
        points = np.array(ring).reshape(-1, 2)
        if len(points):
            step = points - np.roll(points, 1, axis=0)
            assert ((step == 0).sum(axis=1) == 1).all()  # along one axis, and never in place
            assert (points == points.round()).all() and (points >= 0).all() and (points <= mask.shape[::-1]).all()


def test_literal_outlines() -> None:
    square = to_polygons(drawn("... .#. ..."))
    assert (sorted(zip(square.polygons[0][::2], square.polygons[0][1::2])), square.num_holes) == ([(1, 1), (1, 2), (2, 1), (2, 2)], 0)
    assert len(to_polygons(CORNERS).polygons) == 1  # pixels that touch at a corner belong together
    ring = to_polygons(RING)
    assert (len(ring.polygons), ring.num_holes, ring.num_fragments) == (2, 1, 2)
    assert len(ring.polygons[0]) > len(ring.polygons[1]) == 8  # the largest first


def test_frame_and_large_masks() -> None:
    assert (rasterised(to_polygons(np.ones((6, 7), bool)).polygons, (6, 7))).all()
    y, x = np.mgrid[:300, :400]
    donut = abs(np.hypot(y - 150, x - 230) - 90) < 40
    donut |= (x // 3 + y // 3) % 2 == 0
    assert (rasterised([join(to_polygons(donut))], donut.shape) == donut).all()


@pytest.mark.parametrize(
    ("mask", "one", "several"),
    [
        (RING, {HOLES_BRIDGED: 1, FRAGMENTS_JOINED: 1}, {HOLES_BRIDGED: 1}),
        (CORNERS, {}, {}),
        (np.zeros((3, 3), bool), {NO_POLYGON: 1}, {NO_POLYGON: 1}),
    ],
)
def test_what_is_bridged_is_counted(mask: np.ndarray, one: dict, several: dict) -> None:
    losses = Counter()
    ring = one_polygon(mask, losses)
    assert (+losses, bool(ring)) == (one, bool(mask.any()))
    losses.clear()
    assert [part for part in polygons(mask, losses) if not part] == []
    assert +losses == several
