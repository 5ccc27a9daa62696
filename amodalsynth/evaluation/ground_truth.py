"""The ground truth as evaluation needs it: the annotations of one image, checked, and those of all images as columns."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from amodalsynth.coco_index import CocoIndex
from amodalsynth.errors import DataError
from amodalsynth.masks import MaskSpans, boxes
from amodalsynth.segmentation import VISIBLE_KEYS, amodal_segmentation, mask_areas, segmentation_spans

_BLOCK = 16  # images decoded together
UNKNOWN = -1  # a layer that the file does not record
_RATE_KEYS = ("occlude_rate", "occluded_rate")
_BOX_KEYS = ("amodal_bbox", "a_bbox", "bbox")  # of the amodal mask


@dataclass(frozen=True, slots=True)
class ImageTruth:
    """The G annotations of one image, in file order; masks are decoded when they are asked for."""

    size_hw: tuple[int, int]
    annotations: list[dict[str, Any]]
    where: list[str]

    @property
    def amodal_segmentations(self) -> list[Any]:
        return [amodal_segmentation(annotation, place) for annotation, place in zip(self.annotations, self.where, strict=True)]

    @property
    def visible_segmentations(self) -> list[Any] | None:
        """None where an annotation has no visible mask."""
        segmentations = [next((a[key] for key in VISIBLE_KEYS if key in a), None) for a in self.annotations]
        return None if any(segmentation is None for segmentation in segmentations) else segmentations

    def crowd(self) -> np.ndarray:
        """(G,) bool: COCO's `iscrowd`."""
        return np.array([bool(annotation.get("iscrowd", 0)) for annotation in self.annotations], bool)

    def category(self, category_ids: np.ndarray) -> np.ndarray:
        """(G,) int64 indices into the sorted `category_ids`."""
        index = {category_id: i for i, category_id in enumerate(category_ids.tolist())}
        found = [index.get(c) if type(c := a.get("category_id")) is int else None for a in self.annotations]
        self._refuse(found, "category_id", f"a category_id out of {str(category_ids.tolist())[:200]}")
        return np.array(found, np.int64)

    def box_xywh(self, masks: MaskSpans) -> np.ndarray:
        """(G, 4) float64: the box of the amodal mask, from its key, else from the first G of `masks`."""
        key = next((key for key in _BOX_KEYS if any(key in annotation for annotation in self.annotations)), None)
        if key is None:
            return boxes_xywh(masks)[: len(self.annotations)]
        boxes = [box if _is_box(box := annotation.get(key)) else None for annotation in self.annotations]
        self._refuse(boxes, key, f"four finite numbers [x, y, width, height] under '{key}'")
        return np.array(boxes, np.float64).reshape(-1, 4)

    def layer(self) -> np.ndarray:
        """(G,) int64: eq. 2, or UNKNOWN."""
        layers = [annotation.get("layer", UNKNOWN) for annotation in self.annotations]
        layers = [value if type(value) is int and UNKNOWN <= value < 1 << 31 else None for value in layers]
        self._refuse(layers, "layer", "an integer from 0 under 'layer'")
        return np.array(layers, np.int64)

    def occlusion_rate(self, masks: MaskSpans) -> np.ndarray:
        """(G,) float64 in [0, 1]: from its key, else from the areas of the visible masks and of the amodal ones, the first G of `masks`.

        NaN where neither is there.
        """
        rates = [next((a[key] for key in _RATE_KEYS if key in a), math.nan) for a in self.annotations]
        rates = [rate if type(rate) in (int, float) and not (rate < 0 or rate > 1) else None for rate in rates]
        self._refuse(rates, _RATE_KEYS[0], f"a number from 0 to 1 under '{_RATE_KEYS[0]}'")
        rate = np.array(rates, np.float64)
        visible = self.visible_segmentations
        if visible is None or not np.isnan(rate).any():
            return rate
        visible_area = mask_areas(segmentation_spans(visible, self.size_hw, self.where))
        amodal_area = mask_areas(masks)[: len(self.annotations)]
        return np.clip(1 - visible_area / np.maximum(amodal_area, 1), 0, 1)

    def occlusion_order(self) -> np.ndarray | None:
        """Eq. 1: (G, G) bool, true at [i, j] where i is occluded by j; None where an annotation has no `occluded_by`."""
        index = {annotation["id"]: i for i, annotation in enumerate(self.annotations)}
        order = np.zeros((len(index), len(index)), bool)
        for i, annotation in enumerate(self.annotations):
            if "occluded_by" not in annotation:
                return None
            ids = annotation["occluded_by"]
            if not isinstance(ids, list) or not all(type(other) is int and other in index for other in ids):
                raise DataError(
                    f"{self.where[i]}: expected a list of ids of annotations of the same image under 'occluded_by', got {str(ids)[:60]}"
                )
            order[i, [index[other] for other in ids]] = True
        return order

    def _refuse(self, values: list[Any], key: str, expected: str) -> None:
        """Name the first annotation whose value is None, if there is one."""
        if None in values:
            i = values.index(None)
            raise DataError(f"{self.where[i]}: expected {expected}, got {str(self.annotations[i].get(key, 'no such key'))[:60]}")


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """The G instances of all images as columns, image after image in file order.

    start (num_images + 1,) int64: those of image k are start[k]:start[k + 1]. category (G,) int64: an index into the sorted category
    ids. crowd (G,) bool: ignored by every metric, as COCO does. layer (G,) int64 and rate (G,) float64: None where one that is no crowd
    has none.
    """

    start: np.ndarray
    category: np.ndarray
    crowd: np.ndarray
    layer: np.ndarray | None
    rate: np.ndarray | None

    @classmethod
    def join(cls, images: Iterable[tuple[np.ndarray, ...]], start: Sequence[int]) -> GroundTruth:
        """From the category, crowd, layer (perhaps UNKNOWN) and rate (perhaps NaN) of the instances of each image."""
        empty = tuple(np.zeros(0, dtype) for dtype in (np.int64, np.bool_, np.int64, np.float64))
        category, crowd, layer, rate = map(np.concatenate, zip(empty, *images, strict=True))
        return cls(
            np.array(start, np.int64),
            category,
            crowd,
            layer=None if (layer[~crowd] == UNKNOWN).any() else layer,
            rate=None if np.isnan(rate[~crowd]).any() else rate,
        )

    def __len__(self) -> int:
        return len(self.category)

    def in_bin(self, above: float, up_to: float) -> np.ndarray:
        """(G,) bool: no crowd, and of an occlusion rate above the one and up to the other; the rates have to be known."""
        return (self.rate > above) & (self.rate <= up_to) & ~self.crowd

    @property
    def num_images(self) -> int:
        return len(self.start) - 1

    @property
    def image(self) -> np.ndarray:
        """(G,) int64: the image of each instance, from 0 in file order."""
        return np.repeat(np.arange(self.num_images), np.diff(self.start))


def read_blocks(index: CocoIndex) -> Iterator[list[tuple[int, ImageTruth]]]:
    """All images in file order, k and annotations, up to `_BLOCK` of one size at a time; `DataError` where an image has no size."""
    block: list[tuple[int, ImageTruth]] = []
    for k in range(index.num_images):
        image = _read_image(index, k)
        if block and (len(block) == _BLOCK or block[0][1].size_hw != image.size_hw):
            yield block
            block = []
        block.append((k, image))
    if block:
        yield block


def _read_image(index: CocoIndex, k: int) -> ImageTruth:
    image = index.image(k)
    size_hw = (image.get("height"), image.get("width"))
    if not all(type(side) is int and side > 0 for side in size_hw):
        raise DataError(f"{index.path}: image {image['id']}: expected integers from 1 under 'height' and 'width', got {size_hw}")
    annotations = index.annotations(k)
    return ImageTruth(size_hw, annotations, [f"{index.path}: annotation {annotation['id']}" for annotation in annotations])


def decode_images(segmentations: Sequence[list[Any]], size_hw: tuple[int, int], where: Sequence[list[str]]) -> list[MaskSpans]:
    """The masks of several images of one size, decoded in one go, which saves a quarter of the time; `where` names each in errors."""
    masks = segmentation_spans(list(itertools.chain(*segmentations)), size_hw, list(itertools.chain(*where)))
    result, first = [], 0
    for last in itertools.accumulate(map(len, segmentations)):
        split = masks.split[first : last + 1]
        result.append(MaskSpans(masks.size_hw, masks.begin[split[0] : split[-1]], masks.end[split[0] : split[-1]], split - split[0]))
        first = last
    return result


def boxes_xywh(masks: MaskSpans) -> np.ndarray:
    """(M, 4) float64 [x, y, width, height]; zeros for an empty mask."""
    result = boxes(masks).astype(np.float64)
    result[:, 2:] -= result[:, :2]
    return result


def read_category_ids(index: CocoIndex) -> np.ndarray:
    """(K,) int64, sorted; `DataError` where the file has no categories or one without an integer id."""
    categories = index.categories
    if not isinstance(categories, list) or not categories:
        raise DataError(f"{index.path}: expected a list of categories, got {str(categories)[:60]}")
    for category in categories:
        if not isinstance(category, dict) or type(category.get("id")) is not int:
            raise DataError(f"{index.path}: expected categories with an integer id, got {str(category)[:60]}")
    return np.unique(np.array([category["id"] for category in categories], np.int64))


def read_category_names(index: CocoIndex) -> tuple[str, ...]:
    """The name of each category of `read_category_ids`; the id as text where the file names it not."""
    names = {category["id"]: category.get("name") for category in reversed(index.categories)}  # of two with one id the first counts
    return tuple(name if isinstance(name, str) and name else str(category_id) for category_id, name in sorted(names.items()))


def _is_box(box: Any) -> bool:
    return isinstance(box, list) and len(box) == 4 and all(type(v) in (int, float) and math.isfinite(v) for v in box)
