"""Segmentations of COCO files, anybody's: compressed and uncompressed run-length codes, and polygons, to masks.

What is read here was written by others, so sizes and lengths are checked before anything is allocated for them. A mask stays a list of
spans (`masks.MaskSpans`) until somebody asks for its pixels: areas, boxes and single pixels need none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from amodalsynth.errors import DataError
from amodalsynth.masks import MaskSpans

# What other data sets call the masks of an annotation (docs of COCOA, D2SA, KINS, UOAIS, AISFormer, BCNet, AIStron, AmodalSynthDrive).
AMODAL_KEYS = ("amodal_segm", "amodal_mask", "a_segm", "segmentation")
VISIBLE_KEYS = ("visible_mask", "visible_segm", "i_segm", "i_segmentation", "inmodal_seg")
_INVISIBLE_KEYS = ("invisible_mask", "occluded_mask", "occluded_segm", "occlusion_mask")
_OCCLUDER_KEYS = ("occluder_segm", "occluder_mask", "occluding_segm", "occluding_mask", "background_objs_segm", "bg_object_segmentation")
MASK_KEYS = frozenset((*AMODAL_KEYS, *VISIBLE_KEYS, *_INVISIBLE_KEYS, *_OCCLUDER_KEYS))

MAX_PIXELS = 1 << 28  # a frame of 16384 x 16384
_WHOLE_COUNTS = re.compile("[0-o]*[0-O]")  # the last character has no bit that says that more follow
_MAX_CODE_GROUPS = 7  # of 5 bits each: enough for any length up to MAX_PIXELS and its sign
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
    """The spans of M segmentations of one image; `where` names each of them in errors. An empty mask has no span."""
    _check_size(size_hw, where[0] if where else "segmentation")
    runs = _runs(segmentations, size_hw, where)
    num_runs = np.array([len(r) for r in runs], np.int64)
    first = np.cumsum(num_runs) - num_runs
    owner = np.repeat(np.arange(len(runs)), num_runs)
    length = np.concatenate([np.zeros(0, np.int64), *runs])
    _check_runs(length, owner, size_hw[0] * size_hw[1], where)
    filled = ((np.arange(len(length)) - first[owner]) % 2 == 1) & (length > 0)  # runs of zeros and of ones take turns, zeros first
    owner, end = owner[filled], np.cumsum(length)[filled]
    end -= owner * size_hw[0] * size_hw[1]  # as the runs of each mask fill the frame
    return MaskSpans(tuple(size_hw), end - length[filled], end, np.searchsorted(owner, np.arange(len(runs) + 1)))


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
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _runs(segmentations: Sequence[Any], size_hw: tuple[int, int], where: Sequence[str]) -> list[np.ndarray]:
    """For each segmentation, (K,) int64 lengths of its runs in column-major order, zeros first; not yet checked against the frame."""
    runs: list[Any] = []  # compressed counts stay texts until all of them are known, and are decoded at once
    for segmentation, name in zip(segmentations, where, strict=True):
        if isinstance(segmentation, list):
            runs.append(_polygon_code(segmentation, size_hw, name))
        elif isinstance(segmentation, dict) and "size" in segmentation and "counts" in segmentation:
            size, counts = segmentation["size"], segmentation["counts"]
            if not isinstance(size, list | tuple) or not all(map(_is_integer, size)) or tuple(size) != tuple(size_hw):
                raise DataError(f"{name}: expected a run-length code of size {list(size_hw)} as the image, got {str(size)[:60]}")
            runs.append(_text_code(counts, name) if isinstance(counts, str | bytes) else _listed_runs(counts, name))
        else:
            got = f"an object with keys {', '.join(segmentation)[:60]}" if isinstance(segmentation, dict) else str(segmentation)[:60]
            raise DataError(f"{name}: expected a run-length code with size and counts, or a list of polygons, got {got}")
    texts = [i for i, value in enumerate(runs) if isinstance(value, str)]
    for i, decoded in zip(texts, _decode_counts([runs[i] for i in texts], [where[i] for i in texts]), strict=True):
        runs[i] = decoded
    return runs


def _listed_runs(counts: Any, where: str) -> np.ndarray:
    if not isinstance(counts, list | tuple) or not all(_is_integer(value) and 0 <= value <= MAX_PIXELS for value in counts):
        raise DataError(f"{where}: expected counts as a text or as a list of integers from 0, got {str(counts)[:60]}")
    return np.array(counts, np.int64)


def _check_runs(length: np.ndarray, owner: np.ndarray, pixels: int, where: Sequence[str]) -> None:
    outside = np.flatnonzero((length < 0) | (length > pixels))
    if len(outside):
        name = where[owner[outside[0]]]
        raise DataError(f"{name}: expected runs of 0 to {pixels} pixels, as the frame has, got one of {length[outside[0]]}")
    total = np.bincount(owner, length, len(where))  # in float64, exact as far as it has to be
    if (total != pixels).any():
        wrong = int(np.argmax(total != pixels))
        raise DataError(f"{where[wrong]}: expected runs that sum to the frame's {pixels} pixels, got {total[wrong]:.0f}")


def _text_code(counts: str | bytes, where: str) -> str:
    text = counts if isinstance(counts, str) else counts.decode("latin-1")
    if not _WHOLE_COUNTS.fullmatch(text):
        raise DataError(f"{where}: expected whole compressed counts of the characters '0' to 'o', got {text[:40]!r} of length {len(text)}")
    return text


def _decode_counts(texts: list[str], where: Sequence[str]) -> list[np.ndarray]:
    """COCO's compressed counts (pycocotools' maskApi.c, rleFrString): each number in groups of 5 bits, least significant first.

    A character less 48 is a group: bit 5 says that more follow, bit 4 of the last is the sign. From the fourth of a text on, a number is
    the difference to the one before the last.
    """
    if not texts:
        return []
    code = np.frombuffer("".join(texts).encode("ascii"), np.uint8).astype(np.int64) - 48
    last = np.flatnonzero(code < 0x20)
    begin = np.concatenate(([0], last[:-1] + 1))
    groups = last - begin + 1
    first = np.searchsorted(last, np.cumsum([0, *map(len, texts)]))  # the first number of each text, and the end
    owner = np.repeat(np.arange(len(texts)), np.diff(first))
    if groups.max() > _MAX_CODE_GROUPS:
        name = where[owner[np.argmax(groups)]]
        raise DataError(f"{name}: expected runs of at most {MAX_PIXELS} pixels, got a number of {5 * groups.max()} bits")
    shift = 5 * (np.arange(len(code)) - np.repeat(begin, groups))
    number = np.add.reduceat((code & 0x1F) << shift, begin)
    number -= (code[last] >> 4) << (5 * groups)  # the sign
    place = np.arange(len(number)) - first[owner]
    length = number.copy()
    for parity in (place % 2 == 1, (place % 2 == 0) & (place > 0)):
        total = np.cumsum(np.where(parity, number, 0))
        length[parity] = (total - total[first[owner]])[parity]  # the first number of a text counts in neither sum
    return np.split(length, first[1:-1])


def _polygon_code(polygons: list, size_hw: tuple[int, int], where: str) -> str | np.ndarray:
    """The union of polygons, rasterised by pycocotools, the standard, as compressed counts; as runs where mending a polygon left holes.

    Polygons that cross themselves are mended first.
    """
    import shapely

    if not polygons:
        raise DataError(f"{where}: expected at least one polygon, got none")
    filled, pierced = [], []
    for i, polygon in enumerate(polygons):
        points = _polygon_points(polygon, size_hw, f"{where}, polygon {i}")
        shape = shapely.Polygon(points)
        if shape.is_valid:
            filled.append(points)
            continue
        mended = [part for part in _flatten(shapely.make_valid(shape)) if part.geom_type == "Polygon"]
        if not mended:
            raise DataError(f"{where}, polygon {i}: expected a polygon with an area, got points on a line")
        filled += [_ring(part.exterior) for part in mended if not part.interiors]
        pierced += [part for part in mended if part.interiors]
    if not pierced:
        return _rasterise(filled, size_hw)["counts"]

    def pixels(rings: list[np.ndarray]) -> np.ndarray:
        return decode_segmentation(_rasterise(rings, size_hw), size_hw, where)

    inside = pixels(filled) if filled else np.zeros(size_hw, bool)
    for part in pierced:
        inside |= pixels([_ring(part.exterior)]) & ~pixels([_ring(hole) for hole in part.interiors])
    column_major = np.concatenate(([False], inside.ravel(order="F")))  # the first run is one of zeros, maybe empty
    return np.diff(np.concatenate(([0], np.flatnonzero(np.diff(column_major)), [inside.size])))


def _ring(ring: Any) -> np.ndarray:
    return np.asarray(ring.coords)


def _rasterise(polygons: list[np.ndarray], size_hw: tuple[int, int]) -> dict[str, Any]:
    from pycocotools import mask as coco_mask

    merged = coco_mask.merge(coco_mask.frPyObjects([points.ravel().tolist() for points in polygons], *size_hw))
    return merged | {"counts": merged["counts"].decode("ascii")}


def _flatten(geometry: Any) -> list:
    return [part for child in geometry.geoms for part in _flatten(child)] if hasattr(geometry, "geoms") else [geometry]


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
    height, width = size_hw
    outline = np.abs(np.diff(points, axis=0, append=points[:1])).max(axis=1).sum()
    longest = min(4 * height * width + 8 * (height + width), _MAX_OUTLINE)  # round every pixel of the frame, and a margin
    if outline > longest:
        raise DataError(f"{where}: expected an outline of at most {longest} pixels in this frame, got {outline:.6g}")
    return points
