"""KINS, first version: one amodal polygon and a visible run-length code.

Its readers take a second polygon for another mask, so there is never one.
"""

from __future__ import annotations

from amodalsynth.exporters.base import About
from amodalsynth.exporters.flat import IF_SIMPLIFIED, NEVER_HELD, FlatFormat

EXPORTER = FlatFormat(
    About(
        "kins",
        "KINS, version 1",
        "deocclusion (PCNet), VRSP-Net, AISFormer's converter",
        "annotations/instances_<split>.json, images/<split>/",
        (
            NEVER_HELD,
            "invisible masks",
            "holes and fragments of amodal masks, for readers other than pycocotools (bridged: one polygon an instance)",
            IF_SIMPLIFIED,
        ),
        ("images", "tolerance"),
    ),
    {
        "segmentation": "amodal_ring",
        "inmodal_seg": "visible",
        "bbox": "amodal_box",
        "inmodal_bbox": "visible_box",
        "area": "amodal_area",
    },
)
