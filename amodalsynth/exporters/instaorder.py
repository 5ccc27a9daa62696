"""InstaOrder: occlusion and depth of pairs of instances, and COCO's visible masks beside them.

"i<j", both counted from 0 in `instance_ids`, says that i occludes j, or is nearer. The reader knows the splits train2017 and val2017, and finds
the masks in the same folder.
"""

from __future__ import annotations

from amodalsynth.exporters.base import About, Job
from amodalsynth.exporters.flat import NEVER_HELD, FlatWriter
from amodalsynth.exporters.json_writer import JsonArrays
from amodalsynth.labelled import LabelledImage

_KEYS = {
    "segmentation": "visible",
    "area": "visible_area",
    "bbox": "visible_box",
    "amodal_mask": "amodal",  # which the reader ignores, and without which the occlusion order would be a riddle
    "amodal_bbox": "amodal_box",
    "a_area": "amodal_area",
}
_COUNT = 2  # annotators who agreed in InstaOrder's first round; the reader weighs by it


class _Writer:
    def __init__(self, job: Job) -> None:
        self._masks = FlatWriter(job, _KEYS, file="annotations/instances_{split}2017.json")
        self._orders = JsonArrays(job.to / "annotations" / f"InstaOrder_{job.split}2017.json", {}, ("annotations",))

    def add(self, image: LabelledImage) -> None:
        self._masks.add(image)
        count = len(image)
        occlusion = [
            {"order": f"{front}<{back}", "count": _COUNT}
            for back in range(count)
            for front in range(count)
            if image.occlusion_order[back, front]
        ]
        depth = [{"order": f"{near}<{far}", "overlap": False, "count": _COUNT} for near in range(count) for far in range(near)]
        ids = image.annotation_id.tolist()
        self._orders.add("annotations", {"image_id": image.image_id, "instance_ids": ids, "occlusion": occlusion, "depth": depth})

    def finish(self) -> None:
        self._masks.finish()
        self._orders.close()


class _InstaOrder:
    about = About(
        "instaorder",
        "InstaOrder: occlusion and depth orders",
        "InstaOrder",
        "annotations/InstaOrder_<split>2017.json, annotations/instances_<split>2017.json, images/<split>/",
        ("invisible masks", NEVER_HELD),
        ("images",),
    )

    def begin(self, job: Job) -> _Writer:
        return _Writer(job)


EXPORTER = _InstaOrder()
