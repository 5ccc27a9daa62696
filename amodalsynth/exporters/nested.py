"""COCOA's nesting: one annotation an image, with a list of regions, nearest first, and the pairs of them that occlude each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from amodalsynth.exporters.base import About, Job
from amodalsynth.exporters.flat import image_entry, place_image
from amodalsynth.exporters.json_writer import JsonArrays, coco_header
from amodalsynth.labelled import LabelledImage

Regions = Callable[[LabelledImage, Job], list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class NestedFormat:
    """The exporter of a dialect that differs from others by its regions.

    regions: the image and its job -> a region an instance, farthest first. with_categories: whether
    the file lists the categories.
    """

    about: About
    regions: Regions
    with_categories: bool

    def begin(self, job: Job) -> NestedWriter:
        return NestedWriter(job, self.regions, self.with_categories)


class NestedWriter:
    def __init__(self, job: Job, regions: Regions, with_categories: bool) -> None:
        self._job, self._regions = job, regions
        header = coco_header(job)
        if not with_categories:
            del header["categories"]
        self._arrays = JsonArrays(job.to / "annotations" / f"instances_{job.split}.json", header, ("images", "annotations"))
        self._num_images = 0

    def add(self, image: LabelledImage) -> None:
        """Images and annotations are read side by side, so each image has its annotation, also where it shows nothing."""
        self._num_images += 1
        regions = self._regions(image, self._job)[::-1]
        self._arrays.add("images", image_entry(image))
        self._arrays.add(
            "annotations",
            {
                "id": self._num_images,
                "image_id": image.image_id,
                "author": "amodalsynth",
                "url": image.file_name,
                "size": list(image.size_hw),
                "depth_constraint": depth_constraint(image.occlusion_order),
                "regions": [region | {"order": order} for order, region in enumerate(regions, start=1)],
            },
        )
        place_image(self._job, image)

    def finish(self) -> None:
        self._arrays.close()


def depth_constraint(occlusion_order: np.ndarray) -> str:
    """(N, N) bool of eq. 1, farthest first -> "1-2,1-3": the first region of each pair is in front of the second.

    Regions are counted from 1 and from the nearest; no pair gives an empty text.
    """
    near_first = occlusion_order[::-1, ::-1].T  # [i, j]: i occludes j
    return ",".join(f"{front + 1}-{back + 1}" for front, back in zip(*np.nonzero(near_first)))
