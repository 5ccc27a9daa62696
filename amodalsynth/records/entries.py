"""One sample as the values of the files: its COCO image, its COCO annotations, its recipe. docs/format.md describes each key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import xxhash

from amodalsynth import masks
from amodalsynth.types import Placement, Rendering, Scene

HASH_DIGITS = 16  # hexadecimal digits of a content hash in a recipe; the whole hashes are in dataset.json


class Instances(Protocol):
    """What an image's annotations are written from, farthest instance first, as `Annotation` and `derive.Derived` have it."""

    category_id: np.ndarray
    spans: masks.MaskSpans
    occlusion_order: np.ndarray
    direct_occlusion: np.ndarray
    layer_order: np.ndarray

    @property
    def amodal_area(self) -> np.ndarray: ...

    @property
    def visible_area(self) -> np.ndarray: ...

    def __len__(self) -> int: ...


def image_entry(image_id: int, file_name: str, size_hw: tuple[int, int], background_name: str) -> dict[str, Any]:
    """The entry of COCO's `images`."""
    return {"id": image_id, "file_name": file_name, "width": size_hw[1], "height": size_hw[0], "background": {"file_name": background_name}}


def annotation_entries(first_id: int, image_id: int, annotation: Instances) -> list[dict[str, Any]]:
    """The entries of COCO's `annotations` for one image, farthest instance first; ids count up from `first_id`."""
    count = len(annotation)
    codes = masks.run_lengths(annotation.spans)
    boxes = masks.boxes(annotation.spans)
    boxes[:, 2:] -= boxes[:, :2]
    boxes_xywh = boxes.tolist()
    category_id, area = annotation.category_id.tolist(), annotation.amodal_area.tolist()
    visible_area, layer = annotation.visible_area.tolist(), annotation.layer_order.tolist()
    occluders, direct = annotation.occlusion_order.tolist(), annotation.direct_occlusion.tolist()
    return [
        {
            "id": first_id + i,
            "image_id": image_id,
            "category_id": category_id[i],
            "iscrowd": 0,
            "segmentation": codes[i],
            "area": area[i],
            "bbox": boxes_xywh[i],
            "visible_mask": codes[count + i],
            "visible_bbox": boxes_xywh[count + i],
            "invisible_mask": codes[2 * count + i],
            "occlude_rate": round(1 - visible_area[i] / area[i], 6),
            "paint_order": i,
            "occluded_by": [first_id + j for j in range(i + 1, count) if occluders[i][j]],
            "directly_occluded_by": [first_id + j for j in range(i + 1, count) if direct[i][j]],
            "layer": layer[i],
        }
        for i in range(count)
    ]


def recipe_entry(
    image_id: int, attempt: int, scene: Scene, rendering: Rendering, sha256: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """The recipe of one image: with the same assets it is all that is needed to make the image again."""
    return {
        "image_id": image_id,
        "attempt": attempt,
        "background": {"asset": scene.background_id, "sha256": sha256["backgrounds"][scene.background_id][:HASH_DIGITS]},
        "instances": [
            {
                "asset": p.asset_id,
                "sha256": sha256["foregrounds"][p.asset_id][:HASH_DIGITS],
                "category_id": p.category_id,
                "center": p.center_xy,
                "scale": p.scale,
                "rotation": p.rotation_deg,
                "flip": p.flip,
            }
            for p in scene.placements
        ],
        "pixels": pixel_hash(rendering),
    }


def scene_from_recipe(recipe: Mapping[str, Any], size_hw: tuple[int, int]) -> Scene:
    """The scene of a recipe; `KeyError` or `TypeError` where the recipe is not one."""
    placements = tuple(
        Placement(i["asset"], i["category_id"], (i["center"][0], i["center"][1]), i["scale"], i["rotation"], i["flip"])
        for i in recipe["instances"]
    )
    return Scene(recipe["background"]["asset"], size_hw, placements)


def pixel_hash(rendering: Rendering) -> str:
    """XXH3 (64 bits) of the image's bytes, rows from the top, RGB: it tells whether pixels are the same, at the speed of memory."""
    return xxhash.xxh3_64_hexdigest(rendering.image.data)
