"""What a model trains on: a batch of images with padded targets of fixed shape, and never a mask.

B images, S the side of the square frame, G slots for instances (at least as many as any image has), P points an instance.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

EMPTY = -1  # category of a slot without an instance; layer that is not known; label of a point to be ignored


@dataclass(frozen=True, slots=True)
class Batch:
    """Images and what is known of their instances.

    image (B, 3, S, S) uint8 RGB. box (B, G, 4) float32: amodal, x0 y0 x1 y1 in pixels of the frame, continuous and half open, zeros in an
    empty slot. category (B, G) int64, from 0, EMPTY in an empty slot. layer (B, G) int64 (eq. 2), EMPTY where unknown. point_xy
    (B, G, P, 2) float32: continuous positions in the frame, so the centre of pixel (0, 0) is at (0.5, 0.5). point_label (B, G, P)
    int8: 1 on the amodal mask, 0 elsewhere in the box, EMPTY to be ignored.
    """

    image: Tensor
    box: Tensor
    category: Tensor
    layer: Tensor
    point_xy: Tensor
    point_label: Tensor

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        return Batch(*(getattr(self, spec.name).to(device, non_blocking=True) for spec in fields(self)))

    def pin_memory(self) -> Batch:
        """The same batch in pinned memory; called by torch's data loader."""
        return Batch(*(getattr(self, spec.name).pin_memory() for spec in fields(self)))

    def __len__(self) -> int:
        return len(self.image)
