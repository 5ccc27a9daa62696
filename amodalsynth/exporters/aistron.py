"""AIStron: every key that its mapper indexes, as polygons, with the true box of the visible mask.

AIStron's own converters, which know no order, give the neighbours within the amodal box as `background_objs_segm` and again as
`occluder_segm`; here the latter are those of them that occlude.
"""

from __future__ import annotations

from amodalsynth.exporters.base import About
from amodalsynth.exporters.flat import IF_SIMPLIFIED, NEVER_HELD, FlatFormat

EXPORTER = FlatFormat(
    About(
        "aistron",
        "AIStron: AISFormer, BCNet and Mask R-CNN in one toolbox",
        "AIStron (INPUT.MASK_FORMAT polygon)",
        "annotations/instances_<split>.json, images/<split>/",
        (NEVER_HELD, "invisible masks", "holes, for readers other than pycocotools (bridged)", IF_SIMPLIFIED),
        ("images", "tolerance"),
    ),
    {
        "segmentation": "amodal_polygons",
        "amodal_segm": "amodal_polygons",
        "visible_segm": "visible_polygons",
        "occluder_segm": "occluder_polygons",
        "background_objs_segm": "neighbour_polygons",
        "bbox": "amodal_box",
        "amodal_bbox": "amodal_box",
        "visible_bbox": "visible_box",
        "area": "amodal_area",
        "amodal_area": "amodal_area",
        "occlude_rate": "rate",
    },
)
