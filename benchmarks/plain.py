"""What most people would write: Pillow on full frames, a mask array per instance, pycocotools, PNG files. The reference for `make bench`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from amodalsynth.types import Scene

FRAME = (256, 256)


def render_and_write(scene: Scene, image_id: int, files: dict[str, Path], sizes: dict[str, tuple[int, int]], out: Path) -> list[dict]:
    """Draw a scene and write its image, background and appearances; returns its annotations.

    `files` maps asset ids to a cutout or texture on disk, `sizes` to the (height, width) that the scene's scales refer to.
    """
    background = Image.open(files[scene.background_id]).convert("RGB").resize(FRAME)
    canvas = background.convert("RGBA")
    layers = []
    for placement in scene.placements:
        cutout = Image.open(files[placement.asset_id]).convert("RGBA")
        width = sizes[placement.asset_id][1]
        turned = cutout.rotate(placement.rotation_deg, resample=Image.Resampling.BICUBIC, expand=True)
        factor = placement.scale * width / cutout.width
        small = turned.resize((max(1, round(turned.width * factor)), max(1, round(turned.height * factor))), Image.Resampling.LANCZOS)
        layer = Image.new("RGBA", FRAME)
        layer.paste(small, (round(placement.center_xy[0] - small.width / 2), round(placement.center_xy[1] - small.height / 2)))
        canvas = Image.alpha_composite(canvas, layer)
        layers.append(layer)
    canvas.convert("RGB").save(out / f"{image_id:09d}.png")
    background.save(out / f"{image_id:09d}_background.png")
    amodal = [np.array(layer)[..., 3] >= 128 for layer in layers]
    annotations = []
    for i, (layer, mask) in enumerate(zip(layers, amodal)):
        layer.save(out / f"{image_id:09d}_{i}.png")
        visible = mask.copy()
        for nearer in amodal[i + 1 :]:
            visible &= ~nearer
        codes = {name: _encode(m) for name, m in {"segmentation": mask, "visible_mask": visible, "invisible_mask": mask & ~visible}.items()}
        occluders = [j for j in range(i + 1, len(amodal)) if (mask & amodal[j]).any()]
        box = coco_mask.toBbox(codes["segmentation"]).tolist() if mask.any() else [0, 0, 0, 0]
        annotations.append({"image_id": image_id, "bbox": box, "area": int(mask.sum()), "occluded_by": occluders, **codes})
    return annotations


def write_annotations(annotations: list[dict], out: Path) -> None:
    """Write all annotations at once."""
    (out / "annotations.json").write_text(json.dumps({"annotations": annotations}))


def _encode(mask: np.ndarray) -> dict:
    code = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": code["size"], "counts": code["counts"].decode()}
