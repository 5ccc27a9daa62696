"""SAIL-VOS: a split is one video and an image is a frame of it, named "<video>/<file>", as its converters expect.

The objects of different images are different ones, so `instance_id` and `obj_id` are the annotation's id. `occlu_depth` counts the instances
from the nearest, 0.
"""

from __future__ import annotations

from typing import Any

from amodalsynth.exporters.base import About, Job
from amodalsynth.exporters.flat import NEVER_HELD, FlatWriter, image_entry
from amodalsynth.exporters.json_writer import coco_header
from amodalsynth.labelled import LabelledImage

_KEYS = {
    "instance_id": "id",
    "obj_id": "id",
    "model_id": "category_id",
    "bbox": "amodal_box",
    "bbox_visible": "visible_box",
    "segmentation": "amodal",
    "visible_mask": "visible",
    "invisible_mask": "invisible",
    "area": "amodal_area",
    "area_visible": "visible_area",
    "occlu_depth": "nearness",
    "occlude_rate": "rate",
}


class _Writer:
    def __init__(self, job: Job) -> None:
        self._split, self._num_frames, self._num_objects = job.split, 0, 0
        models = [{"id": key, "name": name} for key, name in job.categories.items()]
        arrays = ("images", "annotations", "videos")
        self._flat = FlatWriter(job, _KEYS, arrays=arrays, header=coco_header(job) | {"models": models}, entry=self._frame)

    def _frame(self, image: LabelledImage) -> dict[str, Any]:
        entry = image_entry(image)
        return entry | {"file_name": f"{self._split}/{image.file_name}", "video_id": 1, "frame_id": self._num_frames}

    def add(self, image: LabelledImage) -> None:
        self._flat.add(image)
        self._num_frames += 1
        self._num_objects += len(image)

    def finish(self) -> None:
        video = {"id": 1, "vid_name": self._split, "num_frames": self._num_frames, "num_objs": self._num_objects}
        self._flat.arrays.add("videos", video)
        self._flat.finish()


class _SailVos:
    about = About(
        "sail-vos",
        "SAIL-VOS",
        "VRSP-Net, SAIL-VOS converters",
        "annotations/instances_<split>.json, images/<split>/",
        ("names of files, which are those of a video's frames: <split>/<name>", NEVER_HELD),
        ("images",),
    )

    def begin(self, job: Job) -> _Writer:
        return _Writer(job)


EXPORTER = _SailVos()
