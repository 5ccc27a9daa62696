"""COCOA: regions with a name, one flat polygon, and the visible and the invisible mask of those that are occluded, and only of those.

Readers take the presence of a visible mask for occlusion.
"""

from __future__ import annotations

from typing import Any

from amodalsynth.exporters.base import About, Job
from amodalsynth.exporters.flat import IF_SIMPLIFIED, NEVER_HELD
from amodalsynth.exporters.nested import NestedFormat
from amodalsynth.exporters.polygons import one_polygon
from amodalsynth.labelled import LabelledImage


def _regions(image: LabelledImage, job: Job) -> list[dict[str, Any]]:
    _, visible, invisible = image.codes
    area, _, hidden = image.areas.tolist()
    rate = image.occlusion_rate.tolist()
    return [
        {
            "segmentation": one_polygon(mask, job.losses, job.options.tolerance),
            "name": job.categories[category],
            "area": area[i],
            "isStuff": 0,
            "occlude_rate": rate[i],
        }
        | ({"visible_mask": visible[i], "invisible_mask": invisible[i]} if hidden[i] else {})
        for i, (mask, category) in enumerate(zip(image.pixels[0], image.category_id.tolist()))
    ]


EXPORTER = NestedFormat(
    About(
        "cocoa",
        "COCOA: regions, depth constraints",
        "amodalAPI, deocclusion (PCNet), SDAmodal, InstaOrder's code",
        "annotations/instances_<split>.json, images/<split>/",
        (
            "holes and fragments of amodal masks, for readers other than pycocotools (bridged: one polygon an instance)",
            IF_SIMPLIFIED,
            "ids of instances and categories (categories by name)",
            "direct occlusion",
            NEVER_HELD,
        ),
        ("images", "tolerance"),
    ),
    _regions,
    with_categories=False,
)
