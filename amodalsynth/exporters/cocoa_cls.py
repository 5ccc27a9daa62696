"""COCOA-cls: flat COCO with three run-length codes and the occlusion rate. Readers tell a code from polygons by its two keys."""

from __future__ import annotations

from amodalsynth.exporters.base import About
from amodalsynth.exporters.flat import NEVER_HELD, FlatFormat

EXPORTER = FlatFormat(
    About(
        "cocoa-cls",
        "COCOA-cls, also D2SA",
        "VRSP-Net, ORCNN, C2F-Seg",
        "annotations/instances_<split>.json, images/<split>/",
        (NEVER_HELD, "predicted visible masks, which C2F-Seg trains on (fusion_<split>.pkl)"),
        ("images",),
    ),
    {
        "segmentation": "amodal",
        "visible_mask": "visible",
        "invisible_mask": "invisible",
        "bbox": "amodal_box",
        "area": "amodal_area",
        "occlude_rate": "rate",
    },
)
