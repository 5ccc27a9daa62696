"""BCNet: polygons of the amodal mask and of what is seen of the occluders within the amodal box, an empty list where nothing occludes."""

from __future__ import annotations

from amodalsynth.exporters.base import About
from amodalsynth.exporters.flat import IF_SIMPLIFIED, NEVER_HELD, FlatFormat

EXPORTER = FlatFormat(
    About(
        "bcnet",
        "BCNet, with the occluders' polygons",
        "BCNet",
        "annotations/instances_<split>.json, images/<split>/",
        (NEVER_HELD, "visible and invisible masks", "holes, for readers other than pycocotools (bridged)", IF_SIMPLIFIED),
        ("images", "tolerance"),
    ),
    {
        "segmentation": "amodal_polygons",
        "bg_object_segmentation": "occluder_polygons",
        "bbox": "amodal_box",
        "area": "amodal_area",
    },
)
