"""COCO with amodal masks, as any COCO reader takes them, and beside them everything that the project's own files have."""

from __future__ import annotations

from amodalsynth.errors import ConfigurationError
from amodalsynth.exporters.base import About, Job
from amodalsynth.exporters.flat import IF_SIMPLIFIED, NEVER_HELD, FlatWriter

_FORMS = {"compressed": "", "uncompressed": "_counts", "polygon": "_polygons"}
_MASKS = {"visible_mask": "visible", "visible_bbox": "visible_box", "invisible_mask": "invisible", "occlude_rate": "rate"}
_AMODAL = {"amodal_mask": "amodal", "amodal_bbox": "amodal_box", "a_area": "amodal_area"}  # where `segmentation` is the visible mask


class _Coco:
    about = About(
        "coco",
        "COCO, amodal or visible masks",
        "pycocotools, torchvision, detectron2, mmdetection, supervision",
        "annotations/instances_<split>.json, images/<split>/",
        (NEVER_HELD, "holes, for readers of polygons other than pycocotools (--rle polygon: bridged)", IF_SIMPLIFIED),
        ("images", "segmentation", "rle", "tolerance"),
    )

    def begin(self, job: Job) -> FlatWriter:
        which = job.options.segmentation
        if job.options.tolerance and job.options.rle != "polygon":
            raise ConfigurationError(
                f"--tolerance {job.options.tolerance}: the format coco obeys it with --rle polygon only, got --rle {job.options.rle}"
            )
        own = {"segmentation": which + _FORMS[job.options.rle], "area": f"{which}_area", "bbox": f"{which}_box"}
        return FlatWriter(job, own | _MASKS | (_AMODAL if which == "visible" else {}))


EXPORTER = _Coco()
