"""Outlines of masks: pycocotools gives back exactly the mask, whatever its holes and fragments, and nearly so where they are simplified."""

from collections import Counter

import cv2
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
    PIXELS_CHANGED,
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


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    return (first & second).sum() / (first | second).sum()


def disc(radius: float, size: int = 130) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    return np.hypot(y - size / 2, x - size / 2) < radius


def num_points(rings: list[list[float]]) -> int:
    return sum(len(ring) for ring in rings) // 2


@st.composite
def blobs(draw: st.DrawFn) -> np.ndarray:
    """Smooth noise, cut at some level: shapes with holes and fragments, of a few pixels each at the least."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    noise = cv2.GaussianBlur(rng.random((48, 56)), (0, 0), draw(st.floats(2, 4)))
    return noise > np.quantile(noise, draw(st.floats(0.1, 0.8)))


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
    assert ring.polygons == [
        [1, 0, 1, 1, 4, 1, 4, 4, 1, 4, 1, 1, 1, 0, 5, 0, 5, 5, 0, 5, 0, 0],  # down the cut at x = 1, round the hole and up again
        [3, 2, 3, 3, 2, 3, 2, 2],  # the largest first
    ]


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


@pytest.mark.parametrize(("tolerance", "share", "bound"), [(0.25, 0.7, 1.0), (0.5, 0.5, 0.99), (1.0, 0.2, 0.98), (3.0, 0.1, 0.9)])
def test_discs_are_simplified(tolerance: float, share: float, bound: float) -> None:
    for radius in (30, 60):
        mask = disc(radius)
        simple = to_polygons(mask, tolerance).polygons
        assert num_points(simple) < share * num_points(to_polygons(mask).polygons)
        assert overlap(rasterised(simple, mask.shape), mask) >= bound


@given(blobs())
@settings(deadline=None, max_examples=60)
def test_simplified_blobs_stay_near_the_mask(mask: np.ndarray) -> None:
    """Nothing more than the tolerance and a pixel away from the outline changes, and fragments and holes are as many as before."""
    exact = to_polygons(mask)
    for tolerance, bound in ((0.25, 1.0), (0.5, 0.8), (1.0, 0.4)):  # a quarter of a pixel cuts the stairs, and no more
        simple = to_polygons(mask, tolerance)
        assert (simple.num_fragments, num_points(simple.polygons) <= num_points(exact.polygons)) == (exact.num_fragments, True)
        drawn = rasterised(simple.polygons, mask.shape)
        assert (drawn == rasterised([join(simple)], mask.shape)).all()  # no fragment runs into another
        assert overlap(drawn, mask) >= bound
        reach = int(np.ceil(tolerance)) + 1
        around = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
        near = cv2.morphologyEx(np.pad(mask, reach).astype(np.uint8), cv2.MORPH_GRADIENT, around)[reach:-reach, reach:-reach]
        assert not ((drawn != mask) & (near == 0)).any()


@given(MASKS, st.sampled_from([0.25, 0.5, 1.0, 4.0]))
@example(np.ones((1, 1), bool), 4.0)
@example(np.eye(9, dtype=bool), 4.0)
@example(CORNERS, 0.5)
@settings(deadline=None)
def test_no_mask_vanishes(mask: np.ndarray, tolerance: float) -> None:
    simple = to_polygons(mask, tolerance)
    assert bool(simple.polygons) == mask.any()
    assert simple == to_polygons(mask.copy(), tolerance)
    for ring in simple.polygons:
        assert len(ring) >= 6 and ring == np.round(ring, 2).tolist()
        assert all(0 <= x <= mask.shape[1] and 0 <= y <= mask.shape[0] for x, y in zip(ring[::2], ring[1::2]))
    if mask.any():
        assert (decode_segmentation([join(simple)], mask.shape, "a") & mask).any()
    assert all(isinstance(value, int) for ring in to_polygons(mask, 0.0).polygons for value in ring)  # exact corners


def test_a_simplified_donut_stays_one() -> None:
    donut = disc(50) & ~disc(20)
    for tolerance in (0.5, 1.0, 2.0):
        outline = to_polygons(donut, tolerance)
        assert (len(outline.polygons), outline.num_holes) == (1, 1)
        hole = disc(40) & ~rasterised(outline.polygons, donut.shape)
        assert abs(hole.sum() / disc(20).sum() - 1) < 0.03 * (1 + tolerance)
    small = np.ones((20, 20), bool)
    small[9:12, 5:8] = small[15, 15] = False
    assert (rasterised(to_polygons(small, 0.5).polygons, small.shape) == small).all()  # squares have no stairs
    assert num_points(to_polygons(small, 0.5).polygons) == num_points(to_polygons(small).polygons)


def test_changed_outlines_are_counted() -> None:
    for tolerance, mask, expected in ((1.0, disc(30), 1), (0.25, disc(30), 0), (1.0, np.ones((4, 4), bool), 0), (0.0, disc(30), 0)):
        for draw in (one_polygon, polygons):
            losses = Counter()
            draw(mask, losses, tolerance)
            assert losses[PIXELS_CHANGED] == expected
