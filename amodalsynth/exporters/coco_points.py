"""PointSup's COCO: boxes and labelled points in place of masks.

The points are those of the data set's own file with ten points an instance, where `amodalsynth points` has written it and no seed but 0 is
asked for; else they are drawn as that command draws them.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from amodalsynth import masks
from amodalsynth.coco_index import CocoIndex
from amodalsynth.errors import DataError
from amodalsynth.exporters.base import About, Job
from amodalsynth.exporters.flat import NEVER_HELD, FlatWriter
from amodalsynth.labelled import LabelledImage
from amodalsynth.points import draw_points, points_path
from amodalsynth.rng import points_rng
from amodalsynth.segmentation import masks_at

NUM_POINTS = 10

_KEYS = {"area": "amodal_area", "bbox": "amodal_box", "occlude_rate": "rate"}


class _Writer:
    def __init__(self, job: Job) -> None:
        self._seed = job.options.seed
        stored = points_path(job.source, NUM_POINTS)
        self._stored = CocoIndex.open(stored) if stored.is_file() and self._seed == 0 else None
        more = self._points_of_file if self._stored else self._drawn_points
        self._flat = FlatWriter(job, _KEYS, file=f"annotations/instances_{{split}}_n{NUM_POINTS}_v1_without_masks.json", more=more)

    def add(self, image: LabelledImage) -> None:
        self._flat.add(image)

    def finish(self) -> None:
        self._flat.finish()
        if self._stored:
            self._stored.close()

    def _points_of_file(self, image: LabelledImage) -> list[dict[str, Any]]:
        stored = {entry["id"]: entry for entry in self._stored.annotations(self._stored.position_of(image.image_id))}
        try:
            return [{key: stored[i][key] for key in ("point_coords", "point_labels")} for i in image.annotation_id.tolist()]
        except KeyError as missing:
            raise DataError(
                f"{self._stored.path}: image {image.image_id}: no {missing}; write it again with `amodalsynth points`"
            ) from None

    def _drawn_points(self, image: LabelledImage) -> list[dict[str, Any]]:
        by_id = np.argsort(image.annotation_id)
        amodal = masks.select(image.spans, by_id)
        rng = points_rng(self._seed, image.image_id)
        coords, labels = draw_points(rng, masks.boxes(amodal), functools.partial(masks_at, amodal), num_points=NUM_POINTS)
        drawn = zip(by_id.tolist(), coords.tolist(), labels.tolist())
        return [{"point_coords": xy, "point_labels": label} for _, xy, label in sorted(drawn)]


class _CocoPoints:
    about = About(
        "coco-points",
        "COCO with ten labelled points an instance in place of masks",
        "PointSup and Implicit PointRend (detectron2)",
        "annotations/instances_<split>_n10_v1_without_masks.json, images/<split>/",
        ("all masks", NEVER_HELD),
        ("images", "seed"),
    )

    def begin(self, job: Job) -> _Writer:
        return _Writer(job)


EXPORTER = _CocoPoints()
