"""Masks: packing, areas, boxes and run-length codes, against literal pictures, brute force and pycocotools."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from amodalsynth import masks
from tests.strategies import amodal_masks


def picture(*rows: str) -> np.ndarray:
    """Rows of '#' and '.' -> (H, W) bool."""
    return np.array([[character == "#" for character in row] for row in rows])


# Two squares, the second nearer:      far     near    seen
#                                      ......  ......  ......
#                                      .###..  ......  .000..
#                                      .###..  ..###.  .0111.
#                                      .###..  ..###.  .0111.
#                                      ......  ..###.  ..111.
#                                      ......  ......  ......
FAR = picture("......", ".###..", ".###..", ".###..", "......", "......")
NEAR = picture("......", "......", "..###.", "..###.", "..###.", "......")


def scan_of(*amodal: np.ndarray) -> masks.MaskScan:
    return masks.scan(masks.pack_masks(np.stack(amodal)), len(amodal))


def test_literal_areas():
    scanned = scan_of(FAR, NEAR)
    assert scanned.amodal_area.tolist() == [9, 9]
    assert scanned.visible_area.tolist() == [5, 9]
    assert scanned.overlap_area.tolist() == [[9, 4], [4, 9]]
    assert scanned.seen_area.tolist() == [[5, 4], [0, 9]]


def test_literal_boxes_and_codes():
    spans = masks.spans(scan_of(FAR, NEAR))
    assert masks.boxes(spans).tolist() == [
        [1, 1, 4, 4],  # amodal
        [2, 2, 5, 5],
        [1, 1, 4, 4],  # visible: the first row and column of the far one stay
        [2, 2, 5, 5],
        [2, 2, 4, 4],  # invisible
        [0, 0, 0, 0],
    ]
    hidden = coco_mask.decode(masks.run_lengths(spans)[4]).astype(bool)
    assert (hidden == (FAR & NEAR)).all()


def test_visible_is_amodal_of_the_nearest():
    packed = masks.pack_masks(np.stack([FAR, NEAR]))
    assert (masks.unpack_visible(packed, 2)[0] == (FAR & ~NEAR)).all()
    assert (masks.unpack_amodal(packed, 2)[0] == FAR).all()


@settings(deadline=None, max_examples=200)
@given(amodal_masks())
def test_visible_masks_partition_the_covered_pixels(amodal):
    packed = masks.pack_masks(amodal)
    visible = masks.unpack_visible(packed, len(amodal))
    assert (visible.sum(axis=0) == amodal.any(axis=0)).all()
    assert (masks.unpack_amodal(packed, len(amodal)) == amodal).all()
    assert (visible <= amodal).all()


@settings(deadline=None, max_examples=200)
@given(amodal_masks(max_instances=12))
def test_scan_agrees_with_brute_force_and_pycocotools(amodal):
    packed = masks.pack_masks(amodal)
    count = len(amodal)
    visible = masks.unpack_visible(packed, count)
    scanned = masks.scan(packed, count)
    for i in range(count):
        for j in range(count):
            assert scanned.overlap_area[i, j] == (amodal[i] & amodal[j]).sum()
            assert scanned.seen_area[i, j] == (amodal[i] & visible[j]).sum()
    spans = masks.spans(scanned)
    every = np.concatenate([amodal, visible, amodal & ~visible]) if count else np.zeros((0, *amodal.shape[1:]), bool)
    codes, boxes = (masks.run_lengths(spans), masks.boxes(spans)) if count else ([], [])
    for mask, code, box in zip(every, codes, boxes):
        judged = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
        assert code == {"size": list(mask.shape), "counts": judged["counts"].decode()}
        x, y, width, height = coco_mask.toBbox(judged)
        assert box.tolist() == [x, y, x + width, y + height]


@pytest.mark.parametrize(
    ("count", "dtype"), [(1, np.uint8), (8, np.uint8), (9, np.uint16), (17, np.uint32), (33, np.uint64), (64, np.uint64)]
)
def test_more_instances_than_bits_in_a_byte(count, dtype):
    amodal = np.zeros((count, 3, count), bool)
    for i in range(count):
        amodal[i, :, i:] = True  # the nearest covers the last column only
    packed = masks.pack_masks(amodal)
    assert packed.dtype == dtype
    scanned = masks.scan(packed, count)
    assert scanned.amodal_area.tolist() == [3 * (count - i) for i in range(count)]
    assert scanned.visible_area.tolist() == [3] * count


def test_too_many_instances_are_refused():
    with pytest.raises(ValueError, match="at most 64"):
        masks.instance_map_dtype(65)


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(1, 5))
def test_full_and_empty_frames(height, width):
    full, empty = np.ones((height, width), bool), np.zeros((height, width), bool)
    spans = masks.spans(scan_of(full, empty))
    assert masks.boxes(spans)[:2].tolist() == [[0, 0, width, height], [0, 0, 0, 0]]
    assert [coco_mask.area(code) for code in masks.run_lengths(spans)[:2]] == [height * width, 0]


@given(amodal_masks())
@settings(deadline=None)
def test_spans_tell_what_pixels_tell(amodal):
    """Measured without a pixel; and invisible is amodal less visible."""
    count = len(amodal)
    scanned = masks.scan(masks.pack_masks(amodal), count)
    spans = masks.spans(scanned)
    parts = [masks.select(spans, np.arange(first, first + count)) for first in (0, count, 2 * count)]
    again = masks.scan_spans(parts[0])
    assert (again.overlap_area == scanned.overlap_area).all() and (again.seen_area == scanned.seen_area).all()
    codes = masks.run_lengths(spans)
    assert masks.run_lengths(masks.spans(again)) == codes
    assert masks.run_lengths(masks.difference(parts[0], parts[1])) == codes[2 * count :]
    assert masks.run_lengths(masks.concatenate(parts)) == codes
    assert np.array_equal(masks.pixels(parts[0]), amodal)


@given(amodal_masks(), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_masks_are_chosen_in_any_order(amodal, random):
    chosen = np.array([random.randrange(len(amodal)) for _ in range(random.randrange(4) if len(amodal) else 0)], np.int64)
    spans = masks.spans(masks.scan(masks.pack_masks(amodal), len(amodal)))
    codes = masks.run_lengths(spans)
    assert masks.run_lengths(masks.select(spans, chosen)) == [codes[i] for i in chosen]


def test_spans_of_more_instances_than_bits():
    amodal = np.zeros((100, 4, 100), bool)
    for i in range(100):
        amodal[i, :, i : i + 2] = True  # each hides half of the one before
    rows = [masks.spans(masks.scan(masks.pack_masks(amodal[i : i + 1]), 1)) for i in range(100)]
    scanned = masks.scan_spans(masks.concatenate([masks.select(row, np.array([0])) for row in rows]))
    assert scanned.visible_area.tolist() == [4] * 100
    assert scanned.amodal_area.tolist() == [8] * 99 + [4]
    assert (np.triu(scanned.overlap_area, 1) > 0).sum() == 99
