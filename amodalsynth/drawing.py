"""Drawing: a data set's records as pictures for people."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from amodalsynth.records.reader import Record

# Okabe and Ito's colours, which people with any kind of colour vision tell apart
PALETTE = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167))
_GAP, _CAPTION, _PAPER, _INK = 6, 22, (255, 255, 255), (30, 30, 30)
_LARGEST = 400  # pixels of a picture's longer side on a contact sheet


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


def scene_panels(record: Record) -> dict[str, np.ndarray]:
    """Caption -> picture: the image, its amodal masks, its visible masks, its layers."""
    image, annotation = record.image, record.annotation
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


def contact_sheet(records: Sequence[Record], columns: int = 3) -> np.ndarray:
    """(H, W, 3) uint8: for each record a row of four pictures (`scene_panels`), `columns` records side by side."""
    tiles = [_tile(record) for record in records]
    height = max(tile.shape[0] for tile in tiles)
    width = max(tile.shape[1] for tile in tiles)
    rows = -(-len(tiles) // columns)
    sheet = np.full((rows * (height + 2 * _GAP), columns * (width + 2 * _GAP), 3), _PAPER, np.uint8)
    for i, tile in enumerate(tiles):
        y, x = (i // columns) * (height + 2 * _GAP) + _GAP, (i % columns) * (width + 2 * _GAP) + _GAP
        sheet[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
    return sheet


def _tile(record: Record) -> np.ndarray:
    shrink = min(1.0, _LARGEST / max(record.size_hw))
    height, width = (max(1, round(side * shrink)) for side in record.size_hw)
    panels = {name: cv2.resize(panel, (width, height), interpolation=cv2.INTER_AREA) for name, panel in scene_panels(record).items()}
    tile = np.full((2 * (height + _CAPTION) + _GAP, 2 * width + _GAP, 3), _PAPER, np.uint8)
    for i, (caption, panel) in enumerate(panels.items()):
        y, x = (i // 2) * (height + _CAPTION + _GAP), (i % 2) * (width + _GAP)
        title = record.image_entry["file_name"] if not i else caption
        cv2.putText(tile, title, (x + 2, y + _CAPTION - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _INK, 1, cv2.LINE_AA)
        tile[y + _CAPTION : y + _CAPTION + height, x : x + width] = panel
    return tile


def _number(image: np.ndarray, mask: np.ndarray, text: str) -> None:
    """Write `text` where the mask is widest."""
    depth = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.6, 2)
    at = int(x) - width // 2, int(y) + height // 2
    cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 4, cv2.LINE_AA)
    cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 2, cv2.LINE_AA)
