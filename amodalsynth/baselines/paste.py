"""From mask logits on a grid over a box to masks of the whole image.

D detections, M the side of the grid, H, W the image.
"""

from __future__ import annotations

import torch
from torch import Tensor


def paste_masks(logits: Tensor, boxes: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Mask logits (D, M, M) over boxes (D, 4), in pixels of the image -> (D, H, W) bool.

    A pixel belongs to the mask where the probability, interpolated at its centre between the centres of the grid's cells and falling to 0 beyond
    the outermost ones, is at least one half, as in detectron2. Interpolation is separable: two matrix products for all detections.
    """
    height, width = size_hw
    probability = logits.float().sigmoid()
    along_y = _weights(boxes[:, 1], boxes[:, 3], logits.shape[1], height)  # (D, H, M)
    along_x = _weights(boxes[:, 0], boxes[:, 2], logits.shape[2], width)  # (D, W, M)
    with torch.autocast(boxes.device.type, enabled=False):
        return torch.bmm(torch.bmm(along_y, probability), along_x.transpose(1, 2)) >= 0.5


def _weights(low: Tensor, high: Tensor, cells: int, length: int) -> Tensor:
    """(D, length, cells): how much each cell of the intervals [low, high), (D,), counts at the centre of each pixel of an axis."""
    centre = torch.arange(length, device=low.device, dtype=torch.float32) + 0.5
    position = (centre - low[:, None]) / (high - low).clamp(min=1e-3)[:, None] * cells - 0.5  # in centres of cells
    cell = torch.arange(cells, device=low.device, dtype=torch.float32)
    return (1 - (position[..., None] - cell).abs()).clamp(min=0)
