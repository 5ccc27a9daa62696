"""MP3D-Amodal: COCOA's nesting with run-length codes for the amodal and the visible mask of every region, and categories by id."""

from __future__ import annotations

from typing import Any

from amodalsynth.exporters.base import About, Job
from amodalsynth.exporters.flat import NEVER_HELD
from amodalsynth.exporters.nested import NestedFormat
from amodalsynth.labelled import LabelledImage


def _regions(image: LabelledImage, job: Job) -> list[dict[str, Any]]:
    amodal, visible, invisible = image.codes
    area, rate = image.areas[0].tolist(), image.occlusion_rate.tolist()
    return [
        {
            "segmentation": amodal[i],
            "visible_mask": visible[i],
            "invisible_mask": invisible[i],
            "category_id": category,
            "name": job.categories[category],
            "area": area[i],
            "isStuff": 0,
            "occlude_rate": rate[i],
        }
        for i, category in enumerate(image.category_id.tolist())
    ]


EXPORTER = NestedFormat(
    About(
        "mp3d-amodal",
        "MP3D-Amodal: COCOA's nesting, run-length codes",
        "Amodal Completion in the Wild (SDAmodal)",
        "annotations/instances_<split>.json, images/<split>/",
        ("ids of instances", "direct occlusion", NEVER_HELD),
        ("images",),
    ),
    _regions,
    with_categories=True,
)
