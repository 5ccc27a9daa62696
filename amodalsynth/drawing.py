"""Drawing: annotated scenes as pictures for people, in files and in notebooks."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from amodalsynth.annotation import Annotation

# Okabe and Ito's colours, which people with any kind of colour vision tell apart
PALETTE = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167))
_GAP, _CAPTION, _PAPER, _INK = 6, 22, (255, 255, 255), (30, 30, 30)
SHEET_SIDE = 400  # pixels of a picture's longer side on a contact sheet


def overlay(image: np.ndarray, masks: np.ndarray, colors: Sequence[tuple[int, int, int]], opacity: float = 0.45) -> np.ndarray:
    """(H, W, 3) uint8 image with each of (N, H, W) bool masks tinted and outlined, the last on top."""
    drawn = image.copy()
    for mask, color in zip(masks, colors):
        drawn[mask] = (drawn[mask] * (1 - opacity) + np.array(color) * opacity).round().astype(np.uint8)
    for mask, color in zip(masks, colors):
        outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(drawn, outlines, -1, (0, 0, 0), 3)
        cv2.drawContours(drawn, outlines, -1, color, 1)
    return drawn


def scene_panels(image: np.ndarray, annotation: Annotation) -> dict[str, np.ndarray]:
    """Caption -> picture: the (H, W, 3) uint8 image, its amodal masks, its visible masks, its layers."""
    instance_colors = [PALETTE[i % len(PALETTE)] for i in range(len(annotation))]
    layer_colors = [PALETTE[layer % len(PALETTE)] for layer in annotation.layer_order.tolist()]
    layers = overlay(image, annotation.visible_mask, layer_colors, opacity=0.65)
    for mask, layer in zip(annotation.visible_mask, annotation.layer_order.tolist()):
        _number(layers, mask, str(layer))
    return {
        "image": image,
        "amodal masks": overlay(image, annotation.amodal_mask, instance_colors),
        "visible masks": overlay(image, annotation.visible_mask, instance_colors),
        "layers": layers,
    }


def draw_scene(title: str, image: np.ndarray, annotation: Annotation, *, largest: int = SHEET_SIDE) -> np.ndarray:
    """(h, w, 3) uint8: the four pictures of a scene under their captions, the image's being `title`; none has a side above `largest` pixels."""
    shrink = min(1.0, largest / max(image.shape[:2]))
    height, width = (max(1, round(side * shrink)) for side in image.shape[:2])
    tile = np.full((2 * (height + _CAPTION) + _GAP, 2 * width + _GAP, 3), _PAPER, np.uint8)
    for i, (caption, panel) in enumerate(scene_panels(image, annotation).items()):
        y, x = (i // 2) * (height + _CAPTION + _GAP), (i % 2) * (width + _GAP)
        cv2.putText(tile, caption if i else title, (x + 2, y + _CAPTION - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _INK, 1, cv2.LINE_AA)
        tile[y + _CAPTION : y + _CAPTION + height, x : x + width] = cv2.resize(panel, (width, height), interpolation=cv2.INTER_AREA)
    return tile


def contact_sheet(scenes: Sequence[np.ndarray], columns: int = 3) -> np.ndarray:
    """(H, W, 3) uint8: drawn scenes, `columns` side by side."""
    height = max(scene.shape[0] for scene in scenes)
    width = max(scene.shape[1] for scene in scenes)
    rows = -(-len(scenes) // columns)
    sheet = np.full((rows * (height + 2 * _GAP), columns * (width + 2 * _GAP), 3), _PAPER, np.uint8)
    for i, scene in enumerate(scenes):
        y, x = (i // columns) * (height + 2 * _GAP) + _GAP, (i % columns) * (width + 2 * _GAP) + _GAP
        sheet[y : y + scene.shape[0], x : x + scene.shape[1]] = scene
    return sheet


def instance_rows(annotation: Annotation, categories: Mapping[int, str]) -> list[dict[str, str]]:
    """What a person asks of each instance, nearest first; instances are numbered by their paint order."""
    return [
        {
            "instance": str(i),
            "category": categories.get(int(annotation.category_id[i]), str(annotation.category_id[i])),
            "layer": str(annotation.layer_order[i]),
            "occlusion rate": f"{annotation.occlusion_rate[i]:.1%}",
            "occluded by": ", ".join(map(str, np.flatnonzero(annotation.occlusion_order[i]))) or "-",
            "amodal area": str(annotation.amodal_area[i]),
        }
        for i in reversed(range(len(annotation)))
    ]


def picture_html(picture: np.ndarray, caption: str, rows: Sequence[Mapping[str, str]] = ()) -> str:
    """A picture with a caption and a table as HTML for a notebook; every text is escaped."""
    data = base64.b64encode(cv2.imencode(".png", picture[..., ::-1])[1]).decode()
    table = ""
    if rows:
        lines = [list(rows[0]), *(list(row.values()) for row in rows)]
        cells = ["".join(f"<{tag}>{html.escape(text)}</{tag}>" for text in line) for line, tag in zip(lines, ["th", *["td"] * len(rows)])]
        table = f"<table>{''.join(f'<tr>{line}</tr>' for line in cells)}</table>"
    text = html.escape(caption)
    return f'<figure><img alt="{text}" src="data:image/png;base64,{data}"><figcaption>{text}</figcaption>{table}</figure>'


def _number(image: np.ndarray, mask: np.ndarray, text: str) -> None:
    """Write `text` where the mask is widest."""
    depth = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.6, 2)
    at = int(x) - width // 2, int(y) + height // 2
    cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 4, cv2.LINE_AA)
    cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 2, cv2.LINE_AA)
