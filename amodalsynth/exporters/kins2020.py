"""KINS of 2020: both masks as run-length codes, and the order in clusters of instances that overlap.

`oco_id` numbers the clusters of an image from 1. `ico_id` is 0 where an instance overlaps none, else 1 for the front ones of its cluster and 1
more for each layer behind them: the layer of eq. 2, plus 1.
"""

from __future__ import annotations

from amodalsynth.exporters.base import About
from amodalsynth.exporters.flat import NEVER_HELD, FlatFormat

EXPORTER = FlatFormat(
    About(
        "kins2020",
        "KINS, version of 2020",
        "AIStron's converter, C2F-Seg",
        "annotations/instances_<split>.json, images/<split>/",
        (NEVER_HELD, "invisible masks"),
        ("images",),
    ),
    {
        "a_segm": "amodal",
        "a_bbox": "amodal_box",
        "a_area": "amodal_area",
        "i_segm": "visible",
        "i_bbox": "visible_box",
        "i_area": "visible_area",
        "oco_id": "cluster",
        "ico_id": "order_in_cluster",
    },
)
