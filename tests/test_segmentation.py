"""Segmentations mean what pycocotools says they mean, and broken ones are refused by name before they cost memory."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask

from amodalsynth import masks
from amodalsynth.errors import DataError
from amodalsynth.segmentation import MAX_PIXELS, amodal_segmentation, decode_segmentation, mask_areas, masks_at, segmentation_spans

# A mask with a hole and a speck, and its run-length codes: runs down the columns, zeros first.
DRAWN = """
......
.####.
.#..#.
.####.
......
.....#
"""
LITERAL = np.array([[pixel == "#" for pixel in row] for row in DRAWN.split()])
SIZE = {"size": [6, 6]}
COUNTS = [7, 3, 3, 1, 1, 1, 3, 1, 1, 1, 3, 3, 7, 1]


def compressed(mask: np.ndarray) -> dict[str, Any]:
    code = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(mask.shape), "counts": code["counts"].decode()}


def uncompressed(mask: np.ndarray) -> dict[str, Any]:
    pixels = mask.ravel(order="F").astype(int).tolist()
    counts = [] if not pixels[0] else [0]
    return {"size": list(mask.shape), "counts": counts + [len(list(group)) for _, group in itertools.groupby(pixels)]}


@st.composite
def mask_stacks(draw: st.DrawFn) -> np.ndarray:
    """(M, H, W) bool: noise, or rectangles in a frame large enough for numbers of several characters."""
    count = draw(st.integers(0, 4))
    if draw(st.booleans()):
        return draw(hnp.arrays(bool, (count, draw(st.integers(1, 9)), draw(st.integers(1, 9)))))
    stack = np.zeros((count, draw(st.integers(1, 300)), draw(st.integers(1, 300))), bool)
    for mask in stack:
        for _ in range(draw(st.integers(0, 3))):
            y, x = draw(st.integers(0, mask.shape[0])), draw(st.integers(0, mask.shape[1]))
            mask[y : y + draw(st.integers(0, 200)), x : x + draw(st.integers(0, 200))] ^= True
    return stack


def test_literal_mask() -> None:
    assert uncompressed(LITERAL)["counts"] == COUNTS
    for segmentation in (
        compressed(LITERAL),
        uncompressed(LITERAL),
        compressed(LITERAL) | {"counts": compressed(LITERAL)["counts"].encode()},
    ):
        decoded = decode_segmentation(segmentation, (6, 6), "a")
        assert decoded.dtype == bool
        assert (decoded == LITERAL).all()
    spans = segmentation_spans([compressed(LITERAL)], (6, 6), ["a"])
    assert masks.boxes(spans).tolist() == [[1, 1, 6, 6]]
    assert mask_areas(spans).tolist() == [11]


def test_runs_of_no_pixel_are_no_part_of_a_mask() -> None:
    spans = segmentation_spans([SIZE | {"counts": [3, 0, 10, 2, 0, 1, 20, 0]}, SIZE | {"counts": [36, 0]}], (6, 6), ["a", "b"])
    assert masks.boxes(spans).tolist() == [[2, 1, 3, 4], [0, 0, 0, 0]]
    assert spans.split.tolist() == [0, 2, 2]


@given(mask_stacks(), st.data())
@settings(deadline=None)
def test_run_length_codes_agree_with_pycocotools(stack: np.ndarray, data: st.DataObject) -> None:
    encoders = [data.draw(st.sampled_from([compressed, uncompressed])) for _ in stack]
    codes = [encode(mask) for encode, mask in zip(encoders, stack, strict=True)]
    size_hw = stack.shape[1:]
    spans = segmentation_spans(codes, size_hw, [str(i) for i in range(len(stack))])
    assert mask_areas(spans).tolist() == [coco_mask.area(compressed(mask)) for mask in stack]
    for mask, code, box in zip(stack, codes, masks.boxes(spans), strict=True):
        assert (decode_segmentation(code, size_hw, "a") == mask).all()
        x, y, width, height = coco_mask.toBbox(compressed(mask))
        assert box.tolist() == ([x, y, x + width, y + height] if mask.any() else [0, 0, 0, 0])
    y, x = np.indices(size_hw).reshape(2, 1, -1).repeat(len(stack), axis=1)
    assert (masks_at(spans, x, y) == stack.reshape(len(stack), size_hw[0] * size_hw[1])).all()


@given(st.text(alphabet=[chr(c) for c in range(46, 114)], max_size=12), st.integers(1, 40), st.integers(1, 40))
@settings(deadline=None)
def test_any_text_decodes_as_pycocotools_has_it_or_is_refused(text: str, height: int, width: int) -> None:
    code = {"size": [height, width], "counts": text}
    try:
        mask = decode_segmentation(code, (height, width), "a")
    except DataError:
        return
    assert (mask == coco_mask.decode(code).astype(bool)).all()


@st.composite
def simple_polygons(draw: st.DrawFn) -> list[float]:
    """A polygon around a point, which never crosses itself, perhaps partly outside the frame of 40 x 50."""
    count = draw(st.integers(3, 9))
    angles = np.arange(count) / count * 2 * np.pi
    radii = np.array(draw(st.lists(st.floats(3, 30), min_size=count, max_size=count)))
    center = np.array([draw(st.floats(0, 50)), draw(st.floats(0, 40))])
    return (center + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)).ravel().tolist()


@given(st.lists(simple_polygons(), min_size=1, max_size=3))
@settings(deadline=None)
def test_simple_polygons_are_pycocotools_own(polygons: list[list[float]]) -> None:
    want = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, 40, 50))).astype(bool)
    assert (decode_segmentation(polygons, (40, 50), "a") == want).all()


def test_polygon_that_covers_the_frame_starts_with_no_zeros() -> None:
    assert decode_segmentation([[0, 0, 6, 0, 6, 6, 0, 6]], (6, 6), "a").all()


def test_broken_polygons_are_mended() -> None:
    bow_tie = [2, 2, 18, 18, 18, 2, 2, 18]
    two_triangles = [[2, 2, 10, 10, 2, 18], [18, 2, 18, 18, 10, 10]]
    assert (decode_segmentation([bow_tie], (20, 20), "a") == decode_segmentation(two_triangles, (20, 20), "a")).all()
    # A ring that goes round the outside, in along a seam, and round the inside the other way.
    keyhole = [2, 2, 18, 2, 18, 18, 2, 18, 2, 2, 6, 6, 6, 14, 14, 14, 14, 6, 6, 6]
    mask = decode_segmentation([keyhole], (20, 20), "a")
    assert not mask[8:12, 8:12].any()
    assert mask[3:5, 3:17].all()
    assert abs(int(mask.sum()) - (16 * 16 - 8 * 8)) <= 32
    island = [8, 8, 12, 8, 12, 12, 8, 12]
    together = decode_segmentation([keyhole, island, bow_tie], (20, 20), "a")
    apart = [decode_segmentation([polygon], (20, 20), "a") for polygon in (keyhole, island, bow_tie)]
    assert (together == np.any(apart, axis=0)).all()


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        (None, "run-length code .* or a list of polygons, got None"),
        ({"counts": "0"}, "got an object with keys counts"),
        ({"size": [6, 7], "counts": COUNTS}, r"size \[6, 6\] as the image, got \[6, 7\]"),
        ({"size": [1 << 40, 1 << 40], "counts": [1 << 80]}, r"size \[6, 6\]"),
        ({"size": [6.0, 6], "counts": COUNTS}, r"size \[6, 6\]"),
        ({"size": 36, "counts": COUNTS}, r"size \[6, 6\]"),
        (SIZE | {"counts": [35]}, "sum to the frame's 36 pixels, got 35"),
        (SIZE | {"counts": []}, "sum to the frame's 36 pixels, got 0"),
        (SIZE | {"counts": [1 << 20]}, "runs of 0 to 36 pixels, .* got one of 1048576"),
        (SIZE | {"counts": [-4, 40]}, "list of integers from 0"),
        (SIZE | {"counts": [1 << 70]}, "list of integers from 0"),
        (SIZE | {"counts": [36.0]}, "list of integers from 0"),
        (SIZE | {"counts": [True, 35]}, "list of integers from 0"),
        (SIZE | {"counts": None}, "list of integers from 0"),
        (SIZE | {"counts": ""}, "whole compressed counts .* length 0"),
        (SIZE | {"counts": "TQ"}, "whole compressed counts"),
        (SIZE | {"counts": "4 1"}, "whole compressed counts"),
        (SIZE | {"counts": "é"}, "whole compressed counts"),
        (SIZE | {"counts": b"\xff"}, "whole compressed counts"),
        (SIZE | {"counts": "oooooooooo0"}, "a number of 55 bits"),
        (SIZE | {"counts": "O"}, "got one of -1"),
        (SIZE | {"counts": "3"}, "sum to the frame's 36 pixels, got 3"),
        ([], "at least one polygon"),
        ([1, 1, 5, 1, 5, 5], "polygon 0: expected a flat list .* got 1"),
        ([[1, 1, 5, 1, 5, 5], [1, 1, 5, 5]], "polygon 1: expected a flat list .* three points, got 4 values"),
        ([[1, 1, 5, 1, 5, 5, 2]], "got 7 values"),
        ([[[1, 1], [5, 1], [5, 5], [1, 5], [2, 2], [3, 3]]], "expected numbers"),
        ([[1, 1, 5, 1, 5, "5"]], "expected numbers"),
        ([[1, 1, 5, 1, 5, True]], "expected numbers"),
        ([[1, 1, 3, 3, 5, 5]], "with an area, got points on a line"),
        ([[1, 1, 1, 1, 1, 1]], "with an area"),
        ([[1, 1, 5, 1, 5, float("nan")]], "finite coordinates"),
        ([[1, 1, 5, 1, float("-inf"), 5]], "finite coordinates"),
        ([[1e12, 1e12, 1e12 + 4, 1e12, 1e12 + 4, 1e12 + 4]], "finite coordinates in pixels"),
        ([[0, 0, 6e6, 0, 6e6, 6e6]], "an outline of at most 240 pixels"),
    ],
)
def test_faults_are_named(segmentation: Any, message: str) -> None:
    with pytest.raises(DataError, match=f"^annotation 7.*{message}"):
        decode_segmentation(segmentation, (6, 6), "annotation 7")


def test_the_broken_one_of_several_is_named() -> None:
    whole = uncompressed(LITERAL)
    for broken in (SIZE | {"counts": [35]}, SIZE | {"counts": [99]}, SIZE | {"counts": "3"}, SIZE | {"counts": "oooooooooo0"}):
        with pytest.raises(DataError, match=r"^b: "):
            segmentation_spans([compressed(LITERAL), broken, whole, compressed(LITERAL)], (6, 6), ["a", "b", "c", "d"])


@pytest.mark.parametrize("size_hw", [(1 << 15, 1 << 15), (0, 5), (None, 5), (5.0, 5), (True, 5)])
def test_a_frame_that_cannot_be_is_refused(size_hw: tuple[int, int]) -> None:
    with pytest.raises(DataError, match=f"a: expected an image of 1 to {MAX_PIXELS} pixels"):
        decode_segmentation({"size": list(size_hw), "counts": [1 << 30]}, size_hw, "a")


def test_amodal_segmentation_prefers_the_key_that_says_so() -> None:
    assert amodal_segmentation({"segmentation": 1, "i_segm": 2}, "a") == 1
    assert amodal_segmentation({"segmentation": 1, "a_segm": 2}, "a") == 2
    with pytest.raises(DataError, match="a: expected an amodal mask under 'segmentation', got the keys bbox, i_segm"):
        amodal_segmentation({"bbox": 1, "i_segm": 2}, "a")


@given(mask_stacks(), st.data())
@settings(deadline=None)
def test_many_of_any_kind_are_decoded_as_each_by_itself(stack: np.ndarray, data: st.DataObject) -> None:
    size_hw = stack.shape[1:]
    codes: list[Any] = [data.draw(st.sampled_from([compressed, uncompressed]))(mask) for mask in stack]
    codes.insert(data.draw(st.integers(0, len(codes))), [[0, 0, size_hw[1], 0, size_hw[1], size_hw[0]]])
    together = segmentation_spans(codes, size_hw, list(map(str, range(len(codes)))))
    assert together.size_hw == size_hw
    for m, code in enumerate(codes):
        alone = segmentation_spans([code], size_hw, ["a"])
        those = slice(together.split[m], together.split[m + 1])
        assert (together.begin[those] == alone.begin).all()
        assert (together.end[those] == alone.end).all()
