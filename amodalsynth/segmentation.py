"""Segmentations of COCO files, anybody's: compressed and uncompressed run-length codes, and polygons, to masks.

What is read here was written by others, so sizes and lengths are checked before anything is allocated for them. A mask stays a list of
spans (`masks.MaskSpans`) until somebody asks for its pixels: areas, boxes and single pixels need none.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from amodalsynth.errors import DataError
from amodalsynth.masks import MaskSpans

# What other data sets call the masks of an annotation (docs of COCOA, D2SA, KINS, UOAIS, AISFormer, BCNet, AIStron, AmodalSynthDrive).
AMODAL_KEYS = ("amodal_segm", "amodal_mask", "a_segm", "segmentation")
VISIBLE_KEYS = ("visible_mask", "visible_segm", "visible_segmentation", "i_segm", "i_segmentation", "inmodal_seg")
INVISIBLE_KEYS = ("invisible_mask", "occluded_mask", "occluded_segm", "occlusion_mask")
_OCCLUDER_KEYS = ("occluder_segm", "occluder_mask", "occluding_segm", "occluding_mask", "background_objs_segm", "bg_object_segmentation")
MASK_KEYS = frozenset((*AMODAL_KEYS, *VISIBLE_KEYS, *INVISIBLE_KEYS, *_OCCLUDER_KEYS))

MAX_PIXELS = 1 << 28  # a frame of 16384 x 16384
_WHOLE_COUNTS = re.compile("[0-o]*[0-O]")  # the last character has no bit that says that more follow
_MAX_CODE_GROUPS = 7  # of 5 bits each: enough for any length up to MAX_PIXELS and its sign
_MORE = 0x20
_LAST_GROUP = np.array([*range(16), *range(-16, 0)], np.int64)
_MAX_COORDINATE = 1 << 26  # the rasteriser computes in fifths of a pixel, in 32 bits
_MAX_OUTLINE = 1 << 22  # pixels; the rasteriser's memory grows with it


def amodal_segmentation(annotation: dict[str, Any], where: str) -> Any:
    """The amodal mask of an annotation of any dialect, as the file has it; `DataError` starting with `where` if it has none."""
    for key in AMODAL_KEYS:
        if key in annotation:
            return annotation[key]
    raise DataError(f"{where}: expected an amodal mask under 'segmentation', got the keys {', '.join(annotation)[:200]}")


def decode_segmentation(segmentation: Any, size_hw: tuple[int, int], where: str) -> np.ndarray:
    """The (H, W) bool mask of a COCO `segmentation`: run-length code, compressed or not, or a list of polygons.

    `size_hw` is the image's (height, width). `DataError` starts with `where` and says what is broken; it comes before any large allocation.
    """
    masks = segmentation_spans([segmentation], size_hw, [where])
    edges = np.zeros(2 * len(masks.begin) + 2, np.int64)
    edges[1:-1:2], edges[2:-1:2], edges[-1] = masks.begin, masks.end, size_hw[0] * size_hw[1]
    inside = np.arange(len(edges) - 1) % 2 == 1
    return np.repeat(inside, np.diff(edges)).reshape(size_hw[1], size_hw[0]).T


def segmentation_spans(segmentations: Sequence[Any], size_hw: tuple[int, int], where: Sequence[str]) -> MaskSpans:
    """The spans of M segmentations of one image; `where` names each of them in errors. An empty mask has no span.

    Many at once, also of several images of one size, take less time than one by one.
    """
    _check_size(size_hw, where[0] if len(where) else "segmentation")
    size = tuple(map(int, size_hw))
    if not len(segmentations):
        return MaskSpans(size, np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(1, np.int64))
    texts = [_counts(segmentation, size, where, i) for i, segmentation in enumerate(segmentations)]
    return _decode_counts(texts, size, where)


def mask_areas(masks: MaskSpans) -> np.ndarray:
    """(M,) int64 pixels."""
    total = np.concatenate(([0], np.cumsum(masks.end - masks.begin)))
    return np.diff(total[masks.split])


def masks_at(masks: MaskSpans, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(M, P) integer columns and rows within the frame -> (M, P) bool: whether mask m holds pixel (x[m, p], y[m, p])."""
    height, width = masks.size_hw
    if not len(masks.begin):
        return np.zeros(x.shape, bool)
    # One number line for all masks, a frame each, so that one search answers every pixel.
    frame = height * width
    shift = np.repeat(np.arange(len(masks.split) - 1) * frame, np.diff(masks.split))
    position = np.arange(len(x))[:, None] * frame + x * height + y
    span = np.searchsorted(masks.begin + shift, position, side="right") - 1
    return (span >= 0) & (position < (masks.end + shift)[span])


def _check_size(size_hw: tuple[int, int], where: str) -> None:
    fits = len(size_hw) == 2 and all(_is_integer(side) and side > 0 for side in size_hw)
    if not fits or size_hw[0] * size_hw[1] > MAX_PIXELS:
        raise DataError(f"{where}: expected an image of 1 to {MAX_PIXELS} pixels, got height and width {tuple(size_hw)}")


def _is_integer(value: Any) -> bool:
    return type(value) is int or isinstance(value, np.integer)


def _counts(segmentation: Any, size_hw: tuple[int, int], where: Sequence[str], i: int) -> str:
    """Any segmentation as compressed counts, which are checked when they are decoded; where[i] names it."""
    if isinstance(segmentation, dict) and "size" in segmentation and "counts" in segmentation:
        size, counts = segmentation["size"], segmentation["counts"]
        if type(size) not in (list, tuple) or tuple(size) != size_hw or not (_is_integer(size[0]) and _is_integer(size[1])):
            raise DataError(f"{where[i]}: expected a run-length code of size {list(size_hw)} as the image, got {str(size)[:60]}")
        if isinstance(counts, str):
            return counts
        return counts.decode("latin-1") if isinstance(counts, bytes) else _compress(counts, size_hw, where[i])
    if isinstance(segmentation, list):
        return _polygon_counts(segmentation, size_hw, where[i])
    got = f"an object with keys {', '.join(segmentation)[:60]}" if isinstance(segmentation, dict) else str(segmentation)[:60]
    raise DataError(f"{where[i]}: expected a run-length code with size and counts, or a list of polygons, got {got}")


def _compress(counts: Any, size_hw: tuple[int, int], where: str) -> str:
    """Uncompressed counts, which may be none, compressed."""
    from pycocotools import mask as coco_mask

    if not isinstance(counts, list | tuple) or not all(_is_integer(value) and 0 <= value <= MAX_PIXELS for value in counts):
        raise DataError(f"{where}: expected counts as a text or as a list of integers from 0, got {str(counts)[:60]}")
    return coco_mask.frPyObjects({"size": list(size_hw), "counts": list(counts) or [0]}, *size_hw)["counts"].decode("ascii")


def _decode_counts(texts: Sequence[str], size_hw: tuple[int, int], where: Sequence[str]) -> MaskSpans:
    """COCO's compressed counts (pycocotools' maskApi.c, rleFrString) of at least one mask: numbers in groups of 5 bits, least significant first.

    A character less 48 is a group: bit 5 says that more follow, bit 4 of the last is the sign. From the fourth of a text on, a number is
    the difference to the one before the last. The numbers are the lengths of runs in column-major order, of zeros and of ones in turns.
    """
    pixels = size_hw[0] * size_hw[1]
    code = _code_groups(texts, where)
    last = np.flatnonzero(code < _MORE)
    first = np.searchsorted(last, list(itertools.accumulate(map(len, texts), initial=0)))  # the first number of each text, and the end
    groups = np.diff(last, prepend=-1)
    number = _LAST_GROUP[code[last]]
    longer = np.flatnonzero(groups > 1)
    for k in range(1, _MAX_CODE_GROUPS):
        number[longer] = number[longer] << 5 | code[last[longer] - k] & 0x1F
        longer = longer[groups[longer] > k + 1]
    if len(longer):
        name = where[np.searchsorted(first, longer[0], side="right") - 1]
        raise DataError(f"{name}: expected runs of at most {MAX_PIXELS} pixels, got a number of {5 * groups[longer[0]]} bits")

    # A row for a run of zeros and the run of ones that follows it, which has no pixel where a text ends with zeros.
    odd = np.diff(first) % 2 == 1
    row = np.concatenate(([0], np.cumsum(np.diff(first) + 1 >> 1)))  # the first row of each text, and the end
    length = np.insert(number, first[1:][odd], 0).reshape(-1, 2)
    begins = row[:-1]
    alone = length[begins, 0]  # no other number is a difference to the first of a text
    length[begins, 0] = 0
    for column in length.T:
        # What a text sums to is taken away where the next one begins, so that one sum serves all texts.
        column[begins[1:]] -= np.add.reduceat(column, begins)[:-1]
        np.cumsum(column, out=column)
    length[begins, 0] = alone
    length[row[1:][odd] - 1, 1] = 0
    if length.view(np.uint64).max() > pixels:  # also where one is negative
        wrong = int(np.argmax((length < 0) | (length > pixels)))
        name = where[np.searchsorted(row, wrong // 2, side="right") - 1]
        raise DataError(f"{name}: expected runs of 0 to {pixels} pixels, as the frame has, got one of {length.flat[wrong]}")
    filled = np.flatnonzero(length[:, 1])
    length[begins[1:], 0] -= pixels  # every text begins at the first pixel, as the one before it fills the frame
    position = np.cumsum(length.ravel()).reshape(-1, 2)
    total = position[row[1:] - 1, 1]
    if (total != pixels).any():
        wrong = int(np.argmax(total != pixels))
        raise DataError(f"{where[wrong]}: expected runs that sum to the frame's {pixels} pixels, got {total[wrong]}")
    return MaskSpans(size_hw, position[filled, 0], position[filled, 1], np.searchsorted(filled, row))


def _code_groups(texts: Sequence[str], where: Sequence[str]) -> np.ndarray:
    """The characters of all texts less 48, uint8; each text is whole."""
    joined = "".join(texts)
    if joined.isascii() and all(texts):
        code = np.frombuffer(joined.encode("ascii"), np.uint8) - np.uint8(48)  # a character before '0' gives a large number
        if code.max() < 2 * _MORE and (code[np.cumsum(list(map(len, texts))) - 1] < _MORE).all():
            return code
    text, name = next((text, name) for text, name in zip(texts, where) if not _WHOLE_COUNTS.fullmatch(text))
    raise DataError(f"{name}: expected whole compressed counts of the characters '0' to 'o', got {text[:40]!r} of length {len(text)}")


def _polygon_counts(polygons: list, size_hw: tuple[int, int], where: str) -> str:
    """The union of polygons as compressed counts, rasterised by pycocotools, the standard.

    Where a polygon crosses itself, a pixel is inside that an odd number of its edges lie above, so a ring may visit holes over a cut of no width.
    """
    from pycocotools import mask as coco_mask

    if not polygons:
        raise DataError(f"{where}: expected at least one polygon, got none")
    points = [_polygon_points(polygon, size_hw, f"{where}, polygon {i}") for i, polygon in enumerate(polygons)]
    return coco_mask.merge(coco_mask.frPyObjects([those.ravel().tolist() for those in points], *size_hw))["counts"].decode("ascii")


def _polygon_points(polygon: Any, size_hw: tuple[int, int], where: str) -> np.ndarray:
    """(K, 2) float64 points, checked; K is at least 3."""
    if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
        got = f"{len(polygon)} values" if isinstance(polygon, list) else str(polygon)[:60]
        raise DataError(f"{where}: expected a flat list [x, y, x, y, ...] of at least three points, got {got}")
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in polygon):
        raise DataError(f"{where}: expected numbers, got {str(polygon)[:60]}")
    points = np.array(polygon, np.float64).reshape(-1, 2)
    if not (np.abs(points) <= _MAX_COORDINATE).all():
        raise DataError(f"{where}: expected finite coordinates in pixels, got {points[~(np.abs(points) <= _MAX_COORDINATE)][0]}")
    along, off = (points - points[0]).T, points - points[np.abs(points - points[0]).sum(axis=1).argmax()]
    if not (along[0] * off[:, 1] - along[1] * off[:, 0]).any():
        raise DataError(f"{where}: expected a polygon with an area, got points on a line")
    height, width = size_hw
    outline = np.abs(np.diff(points, axis=0, append=points[:1])).max(axis=1).sum()
    longest = min(4 * height * width + 8 * (height + width), _MAX_OUTLINE)  # round every pixel of the frame, and a margin
    if outline > longest:
        raise DataError(f"{where}: expected an outline of at most {longest} pixels in this frame, got {outline:.6g}")
    return points
