"""Masks: amodal, visible and invisible masks of a scene, their areas, overlaps and boxes, all from one integer map.

An *instance map* is an (H, W) unsigned array with bit i set where the amodal mask of instance i is. Instance i is visible where its bit is
the highest one set, because a larger index is nearer. `scan` cuts the map, read down its columns as COCO's run-length code does, into
runs of one value; areas and overlaps are sums over the runs, boxes and run-length codes are read off where membership changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

MAX_INSTANCES = 64  # bits in the widest unsigned integer


def instance_map_dtype(num_instances: int) -> type[np.unsignedinteger]:
    """The narrowest unsigned type with a bit for each instance; `ValueError` above 64 instances."""
    for dtype in (np.uint8, np.uint16, np.uint32, np.uint64):
        if num_instances <= np.iinfo(dtype).bits:
            return dtype
    raise ValueError(f"an instance map holds at most {MAX_INSTANCES} instances, got {num_instances}")


def pack_masks(amodal_mask: np.ndarray) -> np.ndarray:
    """(N, H, W) bool amodal masks, farthest first -> (H, W) instance map. No instance gives a map of zeros."""
    dtype = instance_map_dtype(len(amodal_mask))
    packed = np.zeros(amodal_mask.shape[1:], dtype)
    for i, mask in enumerate(amodal_mask):
        packed[mask] |= dtype(1) << dtype(i)
    return packed


def unpack_amodal(instance_map: np.ndarray, num_instances: int) -> np.ndarray:
    """(H, W) instance map -> (N, H, W) bool amodal masks."""
    bits = np.arange(num_instances, dtype=instance_map.dtype)[:, None, None]
    return (instance_map >> bits & instance_map.dtype.type(1)).astype(bool)


def unpack_visible(instance_map: np.ndarray, num_instances: int) -> np.ndarray:
    """(H, W) instance map -> (N, H, W) bool visible masks: bit i is set and no higher one."""
    bits = np.arange(num_instances, dtype=instance_map.dtype)[:, None, None]
    return instance_map >> bits == 1


@dataclass(frozen=True, slots=True)
class MaskScan:
    """The runs of an instance map and the areas that follow from them.

    start (K + 1,) int64: where each run begins in column-major order, then H * W; member (K, N) bool: which instances the run belongs to;
    top (K, N) bool: the instance seen there. overlap_area (N, N) int64: pixels in the amodal masks of both i and j, so the
    diagonal is the amodal area. seen_area (N, N) int64: pixels of i's amodal mask where j is what is seen, so the diagonal is the visible area.
    """

    size_hw: tuple[int, int]
    start: np.ndarray
    member: np.ndarray
    top: np.ndarray
    overlap_area: np.ndarray
    seen_area: np.ndarray

    @property
    def amodal_area(self) -> np.ndarray:
        """(N,) int64 pixels."""
        return self.overlap_area.diagonal()

    @property
    def visible_area(self) -> np.ndarray:
        """(N,) int64 pixels."""
        return self.seen_area.diagonal()


def scan(instance_map: np.ndarray, num_instances: int) -> MaskScan:
    """Read an (H, W) instance map once. An empty mask has area 0."""
    height, width = instance_map.shape
    columns = _transposed(instance_map).ravel()
    start = np.concatenate(([0], np.flatnonzero(columns[1:] != columns[:-1]) + 1, [height * width]))
    value = columns[start[:-1]]
    bits = np.arange(num_instances, dtype=value.dtype)
    shifted = value[:, None] >> bits
    return _measure((height, width), start, (shifted & value.dtype.type(1)).astype(bool), shifted == 1)


def scan_spans(amodal: MaskSpans) -> MaskScan:
    """The same from the spans of N amodal masks, farthest first, of any number and without a pixel: for what others have written."""
    num_masks, num_pixels = len(amodal.split) - 1, amodal.size_hw[0] * amodal.size_hw[1]
    start = distinct(np.concatenate((amodal.begin, amodal.end, [0, num_pixels])))
    owner = np.repeat(np.arange(num_masks), np.diff(amodal.split))
    change = np.zeros((len(start), num_masks), np.int8)
    np.add.at(change, (np.searchsorted(start, amodal.begin), owner), 1)
    np.add.at(change, (np.searchsorted(start, amodal.end), owner), -1)
    member = np.cumsum(change[:-1], axis=0, dtype=np.int8) > 0
    top = member & (np.cumsum(member[:, ::-1], axis=1)[:, ::-1] == 1)
    return _measure(amodal.size_hw, start, member, top)


def distinct(values: np.ndarray) -> np.ndarray:
    """The values of a (K,) array once each, sorted: `np.unique`, but a fraction of its time where they come as sorted stretches, as spans do."""
    ordered = np.sort(values, kind="stable")
    return ordered[np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]]


def _measure(size_hw: tuple[int, int], start: np.ndarray, member: np.ndarray, top: np.ndarray) -> MaskScan:
    weighted = (member * np.diff(start)[:, None].astype(np.float64)).T  # float64 sums are exact below 2 ** 53, and its product is fast
    return MaskScan(
        size_hw,
        start,
        member,
        top,
        overlap_area=(weighted @ member).astype(np.int64),
        seen_area=(weighted @ top).astype(np.int64),
    )


def _transposed(instance_map: np.ndarray) -> np.ndarray:
    """The transpose, contiguous, by OpenCV's blocks: a tenth of NumPy's time. It moves pixels of any size, whatever they stand for."""
    known = {1: np.uint8, 2: np.uint16, 4: np.int32, 8: np.float64}[instance_map.itemsize]
    return cv2.transpose(np.ascontiguousarray(instance_map).view(known)).view(instance_map.dtype)


@dataclass(frozen=True, slots=True)
class MaskSpans:
    """Where each of M masks is, in column-major order: mask m covers begin[s] <= position < end[s] for s in split[m]:split[m + 1]."""

    size_hw: tuple[int, int]
    begin: np.ndarray
    end: np.ndarray
    split: np.ndarray


def spans(scanned: MaskScan) -> MaskSpans:
    """The spans of 3 N masks: the amodal ones, then the visible ones, then the invisible ones."""
    num_runs, num_instances = scanned.member.shape
    inside = np.zeros((3 * num_instances, num_runs + 2), bool)
    inside[:num_instances, 1:-1] = scanned.member.T
    inside[num_instances : 2 * num_instances, 1:-1] = scanned.top.T
    inside[2 * num_instances :, 1:-1] = (scanned.member & ~scanned.top).T
    # Both ends are outside, so every mask enters as often as it leaves and the changes pair up.
    mask, change = np.nonzero(inside[:, 1:] != inside[:, :-1])
    position = scanned.start[change]
    split = np.searchsorted(mask[::2], np.arange(3 * num_instances + 1))
    return MaskSpans(scanned.size_hw, position[::2], position[1::2], split)


def difference(first: MaskSpans, second: MaskSpans) -> MaskSpans:
    """Of M pairs of masks in one frame, the pixels of the first that are not in the second."""
    num_masks, frame = len(first.split) - 1, first.size_hw[0] * first.size_hw[1]
    lines = [_on_one_line(masks, frame) for masks in (first, second)]  # a frame after the other, so that one search serves all masks
    edges = distinct(np.concatenate([edge for line in lines for edge in line]))
    inside = []
    for begin, end in lines:
        span = np.searchsorted(begin, edges[:-1], side="right") - 1
        inside.append((span >= 0) & (edges[:-1] < end[span]) if len(begin) else np.zeros(max(len(edges) - 1, 0), bool))
    kept = np.flatnonzero(inside[0] & ~inside[1])
    begin, end = edges[kept], edges[kept + 1]
    owner = begin // frame
    if len(kept):
        goes_on = (begin[1:] == end[:-1]) & (owner[1:] == owner[:-1])
        starts, ends = np.append(True, ~goes_on), np.append(~goes_on, True)
        begin, end, owner = begin[starts], end[ends], owner[starts]
    return MaskSpans(first.size_hw, begin - owner * frame, end - owner * frame, np.searchsorted(owner, np.arange(num_masks + 1)))


def select(masks: MaskSpans, chosen: np.ndarray) -> MaskSpans:
    """The masks with these indices, in this order."""
    count = np.diff(masks.split)[chosen]
    split = np.concatenate(([0], np.cumsum(count)))
    at = np.repeat(masks.split[chosen] - split[:-1], count) + np.arange(split[-1])
    return MaskSpans(masks.size_hw, masks.begin[at], masks.end[at], split)


def concatenate(parts: Sequence[MaskSpans]) -> MaskSpans:
    """The masks of several lists in one frame, one after the other; at least one list."""
    offset = np.cumsum([0, *(len(part.begin) for part in parts)])
    split = np.concatenate([[0], *(part.split[1:] + first for part, first in zip(parts, offset))])
    return MaskSpans(parts[0].size_hw, np.concatenate([p.begin for p in parts]), np.concatenate([p.end for p in parts]), split)


def pixels(masks: MaskSpans) -> np.ndarray:
    """(M, H, W) bool: the masks unpacked."""
    (height, width), count = masks.size_hw, len(masks.split) - 1
    edges = np.zeros(2 * len(masks.begin) + 2, np.int64)
    edges[1:-1:2], edges[2:-1:2] = _on_one_line(masks, height * width)
    edges[-1] = count * height * width
    inside = np.arange(len(edges) - 1) % 2 == 1
    return np.repeat(inside, np.diff(edges)).reshape(count, width, height).transpose(0, 2, 1)


def _on_one_line(masks: MaskSpans, frame: int) -> tuple[np.ndarray, np.ndarray]:
    shift = np.repeat(np.arange(len(masks.split) - 1) * frame, np.diff(masks.split))
    return masks.begin + shift, masks.end + shift


def boxes(masks: MaskSpans) -> np.ndarray:
    """(M, 4) int64 boxes (x0, y0, x1, y1), half open; an empty mask gives zeros."""
    height = masks.size_hw[0]
    result = np.zeros((len(masks.split) - 1, 4), np.int64)
    filled = np.flatnonzero(np.diff(masks.split))
    if not len(filled):
        return result
    first, last = masks.begin, masks.end - 1
    x0, x1 = first // height, last // height
    crosses = x0 != x1  # a span into the next column holds a bottom and a top pixel
    y0 = np.where(crosses, 0, first - x0 * height)
    y1 = np.where(crosses, height - 1, last - x1 * height)
    at = masks.split[filled]
    result[filled, 0] = x0[at]
    result[filled, 1] = np.minimum.reduceat(y0, at)
    result[filled, 2] = x1[masks.split[filled + 1] - 1] + 1
    result[filled, 3] = np.maximum.reduceat(y1, at) + 1
    return result


def run_lengths(masks: MaskSpans) -> list[dict]:
    """COCO's compressed run-length codes, one {"size": [H, W], "counts": str} per mask; an empty mask is one run of zeros."""
    from pycocotools import mask as coco_mask

    if len(masks.split) == 1:
        return []
    size = list(masks.size_hw)
    uncompressed = [{"size": size, "counts": counts} for counts in run_counts(masks)]
    return [{"size": size, "counts": code["counts"].decode("ascii")} for code in coco_mask.frPyObjects(uncompressed, *size)]


def run_counts(masks: MaskSpans) -> list[np.ndarray]:
    """The runs of each of M masks: (K,) uint32 lengths, of zeros and of ones in turns, zeros first and maybe 0, the last not."""
    height, width = masks.size_hw
    num_masks, num_spans = len(masks.split) - 1, len(masks.begin)
    # The runs of all masks one after the other: for each span the zeros before it and its length, and after the last span of a
    # mask the zeros up to the end.
    before = masks.begin.copy()
    before[1:] -= masks.end[:-1]
    filled = masks.split[1:] > masks.split[:-1]
    first_span, last_span = masks.split[:-1][filled], masks.split[1:][filled] - 1
    before[first_span] = masks.begin[first_span]
    counts = np.empty(2 * num_spans + num_masks, np.uint32)
    at = 2 * np.arange(num_spans) + np.repeat(np.arange(num_masks), np.diff(masks.split))
    counts[at], counts[at + 1] = before, masks.end - masks.begin
    first = 2 * masks.split + np.arange(num_masks + 1)
    rest = np.full(num_masks, height * width)
    rest[filled] -= masks.end[last_span]
    counts[first[1:] - 1] = rest
    ends = (first[1:] - (rest == 0)).tolist()
    return [counts[begin:end] for begin, end in zip(first.tolist(), ends)]
