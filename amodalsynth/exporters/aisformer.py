"""AISFormer: polygons of the amodal mask, of the visible one and of the occluders; all three keys on every annotation.

`bg_object_segmentation` is what is seen of the occluders within the amodal box, and an empty list where nothing occludes. AISFormer's own
converter, which knows no order, takes all neighbours there.
"""

from __future__ import annotations

from amodalsynth.exporters.base import About
from amodalsynth.exporters.flat import IF_SIMPLIFIED, NEVER_HELD, FlatFormat

EXPORTER = FlatFormat(
    About(
        "aisformer",
        "AISFormer, with the occluders' polygons",
        "AISFormer (MASK_FORMAT polygon)",
        "annotations/instances_<split>.json, images/<split>/",
        (NEVER_HELD, "invisible masks", "holes, for readers other than pycocotools (bridged)", IF_SIMPLIFIED),
        ("images", "tolerance"),
    ),
    {
        "segmentation": "amodal_polygons",
        "i_segmentation": "visible_polygons",
        "bg_object_segmentation": "occluder_polygons",
        "bbox": "amodal_box",
        "i_bbox": "visible_box",
        "area": "amodal_area",
        "occlude_rate": "rate",
    },
)
