"""One image of an annotation file with its instances as the library knows them: what exporters map to the formats of others.

N instances, farthest first, so the index of an instance is its paint order. Masks are spans (`masks.MaskSpans`), which need no pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from amodalsynth import masks
from amodalsynth.coco_index import CocoIndex
from amodalsynth.errors import DataError
from amodalsynth.segmentation import amodal_segmentation, mask_areas, segmentation_spans


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An image of `size_hw` (height, width) with N instances.

    file_name: relative to the split's folder of images, and below it. entry: the image's values in the file. annotation_id, category_id (N,) int64.
    spans: 3 N masks, the amodal ones, then the visible ones, then the invisible ones. occlusion_order (N, N) bool: [i, j] says that i is
    occluded by j (eq. 1); direct_occlusion (N, N) bool; layer_order (N,) int64 (eq. 2). entries: the annotations' own values, for the
    keys that are passed on as they are (`appearance`, `point_coords`, `point_labels`).
    """

    image_id: int
    file_name: str
    size_hw: tuple[int, int]
    entry: Mapping[str, Any]
    annotation_id: np.ndarray
    category_id: np.ndarray
    spans: masks.MaskSpans
    occlusion_order: np.ndarray
    direct_occlusion: np.ndarray
    layer_order: np.ndarray
    entries: list[dict[str, Any]]

    def __len__(self) -> int:
        return len(self.annotation_id)

    @property
    def areas(self) -> np.ndarray:
        """(3, N) int64 pixels: amodal, visible, invisible."""
        return mask_areas(self.spans).reshape(3, -1)

    @property
    def occlusion_rate(self) -> np.ndarray:
        """(N,) float64 in [0, 1]: invisible area / amodal area, rounded to 6 decimals as the files have it."""
        amodal, _, invisible = self.areas
        return np.round(invisible / np.maximum(amodal, 1), 6)

    @property
    def boxes_xywh(self) -> np.ndarray:
        """(3, N, 4) int64 [x, y, width, height]: amodal, visible, invisible; zeros for an empty mask."""
        boxes = masks.boxes(self.spans)
        boxes[:, 2:] -= boxes[:, :2]
        return boxes.reshape(3, -1, 4)

    @property
    def codes(self) -> tuple[list[dict], list[dict], list[dict]]:
        """COCO's compressed run-length codes of the amodal, the visible and the invisible masks."""
        codes, count = masks.run_lengths(self.spans), len(self)
        return codes[:count], codes[count : 2 * count], codes[2 * count :]

    @property
    def pixels(self) -> np.ndarray:
        """(3, N, H, W) bool: amodal, visible, invisible masks."""
        return masks.pixels(self.spans).reshape(3, len(self), *self.size_hw)

    def occluders(self, i: int) -> list[int]:
        """Indices of the instances that occlude i (eq. 1)."""
        return np.flatnonzero(self.occlusion_order[i]).tolist()


def read_labelled(index: CocoIndex) -> Iterator[LabelledImage]:
    """All images of a file in the layout of docs/format.md, in file order.

    `DataError` names the annotation that lacks a key, or whose masks cannot be read.
    """
    for k in range(index.num_images):
        yield _read(index, k)


def _read(index: CocoIndex, k: int) -> LabelledImage:
    image = index.image(k)
    name = image.get("file_name")
    path = PurePosixPath(name if isinstance(name, str) else "")
    if path.is_absolute() or ".." in path.parts or not path.name:
        raise DataError(f"{index.path}: image {image['id']}: file name {name!r} leads out of the data set, or to no file")
    entries = index.annotations(k)
    where = [f"{index.path}: annotation {entry['id']}" for entry in entries]
    for entry, place in zip(entries, where):
        missing = [key for key in ("category_id", "visible_mask", "paint_order", "occluded_by", "layer") if key not in entry]
        if missing:
            raise DataError(f"{place}: expected the key '{missing[0]}' of docs/format.md; `amodalsynth import` makes such a file of others")
    order = sorted(range(len(entries)), key=lambda i: entries[i]["paint_order"])
    entries, where = [entries[i] for i in order], [where[i] for i in order]
    size_hw = (image["height"], image["width"])
    segmentations = [amodal_segmentation(entry, place) for entry, place in zip(entries, where)]
    both = segmentation_spans([*segmentations, *(entry["visible_mask"] for entry in entries)], size_hw, [*where, *where])
    count = len(entries)
    amodal, visible = masks.select(both, np.arange(count)), masks.select(both, np.arange(count, 2 * count))
    ids = np.array([entry["id"] for entry in entries], np.int64)
    return LabelledImage(
        image["id"],
        image["file_name"],
        size_hw,
        image,
        ids,
        np.array([entry["category_id"] for entry in entries], np.int64),
        masks.concatenate([both, masks.difference(amodal, visible)]),
        _relation(entries, "occluded_by", ids, where),
        _relation(entries, "directly_occluded_by", ids, where),
        np.array([entry["layer"] for entry in entries], np.int64),
        entries,
    )


def _relation(entries: list[dict[str, Any]], key: str, ids: np.ndarray, where: list[str]) -> np.ndarray:
    """(N, N) bool: [i, j] where the list of i under `key` holds the id of j."""
    place = {int(annotation_id): i for i, annotation_id in enumerate(ids)}
    relation = np.zeros((len(ids), len(ids)), bool)
    for i, entry in enumerate(entries):
        for other in entry.get(key, ()):
            if other not in place:
                raise DataError(f"{where[i]}: '{key}' names annotation {other}, which the image does not have; see `amodalsynth validate`")
            relation[i, place[other]] = True
    return relation
