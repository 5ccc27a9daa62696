"""TAO-Amodal: amodal boxes of tracks. An image is a video of one frame and every instance a track of its own."""

from __future__ import annotations

from amodalsynth.exporters.base import About, Job
from amodalsynth.exporters.flat import NEVER_HELD, FlatWriter, image_entry
from amodalsynth.exporters.json_writer import coco_header
from amodalsynth.labelled import LabelledImage

_KEYS = {
    "video_id": "image_id",
    "track_id": "id",
    "bbox": "amodal_box",
    "area": "amodal_area",
    "visibility": "visibility",
    "out_of_frame": "no",
    "segmentation": "amodal",
}


class _Writer:
    def __init__(self, job: Job) -> None:
        header = coco_header(job)
        header["categories"] = [category | {"synset": "unknown"} for category in header["categories"]]
        arrays = ("images", "annotations", "videos", "tracks")
        self._flat = FlatWriter(
            job,
            _KEYS,
            arrays=arrays,
            header=header,
            entry=lambda image: image_entry(image) | {"video_id": image.image_id, "frame_index": 0},
        )

    def add(self, image: LabelledImage) -> None:
        self._flat.add(image)
        height, width = image.size_hw
        video = {"id": image.image_id, "name": image.file_name, "width": width, "height": height, "metadata": {}}
        self._flat.arrays.add("videos", video | {"neg_category_ids": [], "not_exhaustive_category_ids": []})
        for annotation_id, category_id in zip(image.annotation_id.tolist(), image.category_id.tolist()):
            self._flat.arrays.add("tracks", {"id": annotation_id, "category_id": category_id, "video_id": image.image_id})

    def finish(self) -> None:
        self._flat.finish()


class _TaoAmodal:
    about = About(
        "tao-amodal",
        "TAO-Amodal: amodal boxes and visibility",
        "TAO-Amodal's evaluation",
        "annotations/instances_<split>.json, images/<split>/",
        (
            "visible and invisible masks",
            "extent outside the frame, which the source does not have either (out_of_frame is false)",
            NEVER_HELD,
        ),
        ("images",),
    )

    def begin(self, job: Job) -> _Writer:
        return _Writer(job)


EXPORTER = _TaoAmodal()
