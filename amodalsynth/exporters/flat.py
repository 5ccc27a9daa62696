"""Flat COCO dialects: an annotation an instance, which the dialects only call by other names.

A dialect is a table of its keys and of the columns below that fill them. All of them also get the keys of `EXTRA`, which their readers ignore and
which keep what COCO has no key for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from amodalsynth.exporters.base import About, Job
from amodalsynth.exporters.json_writer import JsonArrays, coco_header
from amodalsynth.exporters.polygons import one_polygon, polygons
from amodalsynth.labelled import LabelledImage
from amodalsynth.masks import run_counts, select

NEVER_HELD = "appearances and backgrounds"
IF_SIMPLIFIED = "exact outlines (--tolerance: simplified)"
COMMON = {"id": "id", "image_id": "image_id", "category_id": "category_id", "iscrowd": "zero"}
EXTRA = {key: key for key in ("paint_order", "occluded_by", "directly_occluded_by", "layer")}


class Columns:
    """What an annotation can say of each of the N instances of an image; every attribute is a list of N values, made when it is first asked for."""

    def __init__(self, image: LabelledImage, losses: Counter[str], tolerance: float) -> None:
        self._image, self._losses, self._tolerance, self._count = image, losses, tolerance, len(image)

    id = property(lambda self: self._image.annotation_id.tolist())
    image_id = property(lambda self: [self._image.image_id] * self._count)
    category_id = property(lambda self: self._image.category_id.tolist())
    zero = property(lambda self: [0] * self._count)
    no = property(lambda self: [False] * self._count)
    paint_order = property(lambda self: list(range(self._count)))
    nearness = property(lambda self: list(range(self._count - 1, -1, -1)))
    layer = property(lambda self: self._image.layer_order.tolist())
    occluded_by = property(lambda self: self._ids(self._image.occlusion_order))
    directly_occluded_by = property(lambda self: self._ids(self._image.direct_occlusion))
    rate = property(lambda self: self._image.occlusion_rate.tolist())
    visibility = property(lambda self: np.round(1 - self._image.occlusion_rate, 6).tolist())
    cluster = property(lambda self: self._clusters[0])
    order_in_cluster = property(lambda self: self._clusters[1])

    amodal = property(lambda self: self._codes[0])
    visible = property(lambda self: self._codes[1])
    invisible = property(lambda self: self._codes[2])
    amodal_area = property(lambda self: self._areas[0])
    visible_area = property(lambda self: self._areas[1])
    amodal_box = property(lambda self: self._boxes[0])
    visible_box = property(lambda self: self._boxes[1])
    amodal_counts = property(lambda self: self._uncompressed(0))
    visible_counts = property(lambda self: self._uncompressed(1))
    amodal_polygons = cached_property(lambda self: self._polygons(self._pixels[0]))  # maybe under two keys
    visible_polygons = property(lambda self: self._polygons(self._pixels[1]))
    occluder_polygons = property(lambda self: self._seen_in_box(self._image.occlusion_order))
    neighbour_polygons = property(lambda self: self._seen_in_box(~np.eye(self._count, dtype=bool)))
    amodal_ring = property(lambda self: [[one_polygon(mask, self._losses, self._tolerance)] for mask in self._pixels[0]])

    @cached_property
    def _pixels(self) -> np.ndarray:
        return self._image.pixels

    @cached_property
    def _codes(self) -> tuple[list[dict], list[dict], list[dict]]:
        return self._image.codes

    @cached_property
    def _areas(self) -> list[list[int]]:
        return self._image.areas.tolist()

    @cached_property
    def _boxes(self) -> list[list[list[int]]]:
        return self._image.boxes_xywh.tolist()

    @cached_property
    def _clusters(self) -> tuple[list[int], list[int]]:
        """Numbers from 1 of the sets of instances that overlap, directly or through others, and the order in each: KINS's rule.

        0 is an instance that overlaps none; else 1 is the nearest and each occlusion adds 1, which is the layer (eq. 2) + 1.
        """
        order = self._image.occlusion_order
        cluster = list(range(self._count))
        for i, j in zip(*np.nonzero(order)):
            cluster = [cluster[i] if c == cluster[j] else c for c in cluster]
        number = {c: k for k, c in enumerate(dict.fromkeys(cluster), start=1)}
        overlaps = order.any(axis=0) | order.any(axis=1)
        return [number[c] for c in cluster], np.where(overlaps, self._image.layer_order + 1, 0).tolist()

    def _seen_in_box(self, relation: np.ndarray) -> list[list[list[float]]]:
        """For each instance, as polygons, what is seen within its amodal box of the instances that `relation` (N, N) names."""
        visible = self._pixels[1]
        outlines = []
        for others, (x, y, width, height) in zip(relation, self._boxes[0]):
            seen = np.zeros(self._image.size_hw, bool)
            seen[y : y + height, x : x + width] = visible[others, y : y + height, x : x + width].any(axis=0)
            outlines.append(polygons(seen, self._losses, self._tolerance) if seen.any() else [])
        return outlines

    def _polygons(self, masks: np.ndarray) -> list[list[list[float]]]:
        return [polygons(mask, self._losses, self._tolerance) for mask in masks]

    def _ids(self, relation: np.ndarray) -> list[list[int]]:
        return [self._image.annotation_id[row].tolist() for row in relation]

    def _uncompressed(self, kind: int) -> list[dict[str, Any]]:
        """Run-length codes with their counts as numbers, of the amodal (0) or the visible (1) masks."""
        own = np.arange(kind * self._count, (kind + 1) * self._count)
        return [{"size": list(self._image.size_hw), "counts": counts.tolist()} for counts in run_counts(select(self._image.spans, own))]


def image_entry(image: LabelledImage) -> dict[str, Any]:
    height, width = image.size_hw
    return {"id": image.image_id, "file_name": image.file_name, "width": width, "height": height}


def place_image(job: Job, image: LabelledImage) -> None:
    """Put the image's file below images/<split>."""
    job.place_image(image, job.to / "images" / job.split / image.file_name)


class FlatWriter:
    """Writes one COCO file, its annotations with the columns that `keys` names, and the images below images/<split>."""

    def __init__(
        self,
        job: Job,
        keys: Mapping[str, str],
        *,
        file: str = "annotations/instances_{split}.json",
        arrays: Sequence[str] = ("images", "annotations"),
        header: Mapping[str, Any] | None = None,
        entry: Callable[[LabelledImage], dict[str, Any]] = image_entry,
        more: Callable[[LabelledImage], Sequence[dict[str, Any]]] | None = None,
    ) -> None:
        """arrays: those of the file, of which a dialect fills its own. entry: an image's values. more: further values of each annotation."""
        self._job, self._keys, self._entry, self._more = job, COMMON | keys | EXTRA, entry, more
        self.arrays = JsonArrays(job.to / file.format(split=job.split), header or coco_header(job), arrays)

    def add(self, image: LabelledImage) -> None:
        columns = Columns(image, self._job.losses, self._job.options.tolerance)
        self.arrays.add("images", self._entry(image))
        more = self._more(image) if self._more else [{}] * len(image)
        for values, further in zip(zip(*(getattr(columns, column) for column in self._keys.values())), more):
            self.arrays.add("annotations", dict(zip(self._keys, values)) | further)
        place_image(self._job, image)

    def finish(self) -> None:
        self.arrays.close()


@dataclass(frozen=True, slots=True)
class FlatFormat:
    """The exporter of a dialect that differs from others by its keys alone."""

    about: About
    keys: Mapping[str, str]

    def begin(self, job: Job) -> FlatWriter:
        return FlatWriter(job, self.keys)
