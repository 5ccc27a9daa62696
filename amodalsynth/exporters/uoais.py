"""UOAIS: three run-length codes, the share that is occluded, and a depth image, made from the paint order.

The depths are ordinal: the ground is at 1500 and the nearest instance at 250, the range in millimetres to which UOAIS-Net clips depth, and the
instances between them at equal steps.
"""

from __future__ import annotations

from pathlib import PurePosixPath

import numpy as np
from PIL import Image

from amodalsynth.exporters.base import About, Job
from amodalsynth.exporters.flat import NEVER_HELD, FlatWriter, image_entry
from amodalsynth.labelled import LabelledImage

NEAREST, FARTHEST = 250, 1500

_KEYS = {
    "segmentation": "amodal",
    "visible_mask": "visible",
    "occluded_mask": "invisible",
    "bbox": "amodal_box",
    "visible_bbox": "visible_box",
    "area": "amodal_area",
    "occluded_rate": "rate",
}


class _Writer:
    def __init__(self, job: Job) -> None:
        self._job = job
        self._flat = FlatWriter(job, _KEYS, entry=lambda image: image_entry(image) | {"depth_file_name": self._depth_name(image)})

    def _depth_name(self, image: LabelledImage) -> str:
        return str(PurePosixPath(image.file_name).with_suffix(".png"))

    def add(self, image: LabelledImage) -> None:
        self._flat.add(image)
        path = self._job.to / "depth" / self._job.split / self._depth_name(image)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(ordinal_depth(image)).save(path)

    def finish(self) -> None:
        self._flat.finish()


def ordinal_depth(image: LabelledImage) -> np.ndarray:
    """(H, W) uint16: smaller is nearer; of each pixel that of the instance seen there."""
    steps = np.linspace(FARTHEST, NEAREST, len(image) + 1).round().astype(np.uint16)
    depth = np.full(image.size_hw, FARTHEST, np.uint16)
    for mask, value in zip(image.pixels[1], steps[1:]):
        depth[mask] = value
    return depth


class _Uoais:
    about = About(
        "uoais",
        "UOAIS, with ordinal depth",
        "UOAIS-Net",
        "annotations/instances_<split>.json, images/<split>/, depth/<split>/",
        (NEVER_HELD, "depth in units of length, which the source does not have either (ordinal, from the paint order)"),
        ("images",),
    )

    def begin(self, job: Job) -> _Writer:
        return _Writer(job)


EXPORTER = _Uoais()
