"""The masks of a block of images, decoded together: a broken one is a fault, and hides no other.

G images of one frame size, n instances in all, one image's after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from amodalsynth import masks
from amodalsynth.errors import DataError
from amodalsynth.importers.source import SourceImage, SourceInstance
from amodalsynth.masks import MaskSpans
from amodalsynth.segmentation import MAX_PIXELS, segmentation_spans
from amodalsynth.validate.report import Fault

_ROLES = ("amodal", "visible", "invisible")
NO_FRAME = (1, 1)  # of images whose size is unknown: nothing is decoded in it


@dataclass(frozen=True, slots=True)
class Block:
    """G images and what their masks say; masks that are absent or broken are empty, and not in `known`.

    size_hw: the frame, None where it is unknown. first (G + 1,) int64: where each image's instances begin; owner (n,) int64: the image of each.
    known (3, n) bool: whether there is an amodal, a visible, an invisible mask; `visible` also holds amodal minus invisible where only those
    are declared, so `seen` (n,) bool says where it is known. rest: amodal minus visible. slack (n,) float64: pixels that polygons may differ by.
    """

    images: Sequence[SourceImage]
    instances: Sequence[SourceInstance]
    size_hw: tuple[int, int] | None
    first: np.ndarray
    owner: np.ndarray
    known: np.ndarray
    seen: np.ndarray
    amodal: MaskSpans
    visible: MaskSpans
    invisible: MaskSpans
    rest: MaskSpans
    slack: np.ndarray

    @property
    def slot(self) -> np.ndarray:
        """(n,) int64: the place of each instance in its image."""
        return np.arange(len(self.owner)) - self.first[self.owner]

    def fault(self, kind: str, i: int, message: str) -> Fault:
        """A fault of instance i of the block."""
        image = int(self.owner[i])
        return Fault(kind, self.instances[i].where, message, image, int(i - self.first[image]))


def read_block(images: Sequence[SourceImage], size_hw: tuple[int, int] | None) -> tuple[Block, list[Fault]]:
    """Decode the masks of images that share a frame; the faults are those of kinds `rle` and `schema`."""
    instances = list(chain.from_iterable(image.instances for image in images))
    counts = [len(image.instances) for image in images]
    first, owner = np.cumsum([0, *counts]), np.repeat(np.arange(len(images)), counts)
    found: list[tuple[str, int, str]] = []
    segmentations, place, names = [], [], []
    for row, role in enumerate(_ROLES):
        for i, instance in enumerate(instances):
            segmentation = getattr(instance, role)
            if segmentation is not None and size_hw is not None and _is_mask(segmentation, i, role, found):
                segmentations.append(segmentation)
                place.append((row, i))
                names.append(f"{role} mask")
    decoded, readable = _decode(segmentations, size_hw or NO_FRAME, names, [i for _, i in place], found)
    at = np.full((len(_ROLES), len(instances)), -1)
    rows = np.array(place, np.int64).reshape(-1, 2)[readable]
    at[rows[:, 0], rows[:, 1]] = np.arange(len(rows))
    nothing = MaskSpans(decoded.size_hw, np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(2, np.int64))
    decoded = masks.concatenate([decoded, nothing])  # the last mask, at -1, is empty
    amodal, visible, invisible = (masks.select(decoded, which) for which in at)
    known = at >= 0
    derived = np.flatnonzero(known[0] & ~known[1] & known[2])
    if len(derived):
        both = masks.concatenate([visible, masks.difference(masks.select(amodal, derived), masks.select(invisible, derived))])
        which = np.arange(len(instances))
        which[derived] = len(instances) + np.arange(len(derived))
        visible = masks.select(both, which)
    seen = known[1] | known[0] & known[2]
    slack = np.array([_slack(instance) for instance in instances], np.float64)
    block = Block(
        images,
        instances,
        size_hw,
        first,
        owner,
        known,
        seen,
        amodal,
        visible,
        invisible,
        masks.difference(amodal, visible),
        slack,
    )
    return block, [block.fault(kind, i, message) for kind, i, message in found]


def _is_mask(segmentation: Any, i: int, role: str, found: list[tuple[str, int, str]]) -> bool:
    """Whether it has the shape of a mask at all; says what is wrong with it in `found`."""
    if isinstance(segmentation, list):
        return True
    if not isinstance(segmentation, dict) or "size" not in segmentation or "counts" not in segmentation:
        got = f"the keys {', '.join(map(str, segmentation))[:60]}" if isinstance(segmentation, dict) else repr(segmentation)[:60]
        found.append(("schema", i, f"{role} mask: expected a run-length code or a list of polygons, got {got}"))
        return False
    if len(segmentation) > 2:
        more = ", ".join(str(key) for key in segmentation if key not in ("size", "counts"))[:60]
        found.append(("rle", i, f"{role} mask: expected size and counts only, which VRSP-Net takes for a run-length code, got also {more}"))
    return True


def _decode(
    segmentations: list[Any], size_hw: tuple[int, int], names: list[str], owners: list[int], found: list[tuple[str, int, str]]
) -> tuple[MaskSpans, list[int]]:
    """The spans of those that can be read, and which they are."""
    try:
        return segmentation_spans(segmentations, size_hw, names), list(range(len(segmentations)))
    except DataError:
        pass
    parts, readable = [segmentation_spans([], size_hw, [])], []
    for j, (segmentation, name, i) in enumerate(zip(segmentations, names, owners, strict=True)):
        try:
            parts.append(segmentation_spans([segmentation], size_hw, [name]))
            readable.append(j)
        except DataError as error:
            found.append(("schema" if isinstance(segmentation, list) else "rle", i, str(error)))
    return masks.concatenate(parts), readable


def _slack(instance: SourceInstance) -> float:
    """Length of the outlines of the instance's polygons, in pixels."""
    drawn = [mask for mask in (instance.amodal, instance.visible, instance.invisible) if isinstance(mask, list)]
    return float(sum(_outline(points) for mask in drawn for points in polygons_of(mask)))


def _outline(points: np.ndarray) -> float:
    return np.abs(np.diff(points, axis=0, append=points[:1])).max(axis=1).sum()


def polygons_of(segmentation: list[Any]) -> Iterator[np.ndarray]:
    """(K, 2) float64 points of each polygon of a segmentation that is one; of those that are broken, none."""
    for polygon in segmentation:
        if isinstance(polygon, list) and len(polygon) >= 2 and len(polygon) % 2 == 0 and all(is_number(value) for value in polygon):
            yield np.array(polygon, np.float64).reshape(-1, 2)


def is_number(value: Any) -> bool:
    """Whether it is a number of JSON, finite and of a size that means something."""
    return type(value) in (int, float) and -1e15 < value < 1e15


def is_integer(value: Any, low: int = 0) -> bool:
    """Whether it is an integer of at least `low` that 64 bits hold."""
    return type(value) is int and low <= value < 1 << 63


def frame_of(image: SourceImage) -> tuple[int, int] | None:
    """The (height, width) that an image's masks are drawn in: what is declared, else what its masks need; None where nothing says it."""
    drawn = (mask for instance in image.instances for mask in (instance.amodal, instance.visible, instance.invisible))
    sizes = (mask["size"] for mask in drawn if isinstance(mask, dict) and "size" in mask)
    for size in chain((image.size_hw,), sizes):
        if is_size(size):
            return tuple(size)
    points = [p for i in image.instances if isinstance(i.amodal, list) for p in polygons_of(i.amodal)]
    if not points:
        return None
    width, height = np.ceil(np.concatenate(points).max(axis=0)).clip(1, 1 << 28).astype(int).tolist()
    return (height, width) if is_size((height, width)) else None


def is_size(size: Any) -> bool:
    """Whether it is the (height, width) of an image that can be decoded."""
    return (
        isinstance(size, list | tuple) and len(size) == 2 and all(is_integer(side, 1) for side in size) and size[0] * size[1] <= MAX_PIXELS
    )
