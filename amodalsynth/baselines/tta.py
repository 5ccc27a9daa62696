"""Test-time augmentation (paper, section 4.3): what the model says of six versions of an image, put together.

The views are {1, 1.25} times the size x {as it is, mirrored left to right, mirrored top to bottom}. As in detectron2, the boxes of all views are
pooled and suppressed as one image's, and the mask of each box kept is the mean of the probabilities that the views give it. The features of a
view are kept between the two steps.

B images, N boxes an image, D detections, M the side of a mask.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from amodalsynth.baselines.plin import PLIn
from amodalsynth.baselines.postprocess import Detections, select_detections

SCALES, MIRRORS = (1.0, 1.25), ("none", "x", "y")
_MULTIPLE = 32  # of the side of a view, so that the levels of the pyramid fit


@dataclass(frozen=True, slots=True)
class View:
    """A frame of `side` pixels, scaled to `view_side` and mirrored along `mirror` ("none", "x" or "y")."""

    side: int
    view_side: int
    mirror: str

    def image(self, frames: Tensor) -> Tensor:
        """(B, 3, side, side) uint8 -> (B, 3, view_side, view_side) uint8."""
        if self.view_side != self.side:
            size = (self.view_side, self.view_side)
            frames = (
                functional.interpolate(frames.float(), size=size, mode="bilinear", antialias=True).round().clamp(0, 255).to(torch.uint8)
            )
        return self.flip(frames)

    def flip(self, grid: Tensor) -> Tensor:
        """Mirror the last two axes of images or masks; its own inverse."""
        return grid if self.mirror == "none" else grid.flip(-1 if self.mirror == "x" else -2)

    def to_view(self, boxes: Tensor) -> Tensor:
        """Boxes (..., 4) of the frame -> of the view."""
        return self._mirrored(boxes * (self.view_side / self.side))

    def to_frame(self, boxes: Tensor) -> Tensor:
        """Boxes (..., 4) of the view -> of the frame."""
        return self._mirrored(boxes) * (self.side / self.view_side)

    def _mirrored(self, boxes: Tensor) -> Tensor:
        x0, y0, x1, y1 = boxes.unbind(dim=-1)
        if self.mirror == "x":
            x0, x1 = self.view_side - x1, self.view_side - x0
        elif self.mirror == "y":
            y0, y1 = self.view_side - y1, self.view_side - y0
        return torch.stack((x0, y0, x1, y1), dim=-1)


def views_of(side: int) -> list[View]:
    """The six views of a frame of `side` pixels; a side is rounded up to a multiple of 32."""
    return [View(side, math.ceil(scale * side / _MULTIPLE) * _MULTIPLE, mirror) for scale in SCALES for mirror in MIRRORS]


def detect_with_views(model: PLIn, frames: Tensor) -> Detections:
    """(B, 3, S, S) uint8 -> detections whose boxes come from all views and whose masks are means over them."""
    views = views_of(frames.shape[-1])
    features = [model.features(view.image(frames)) for view in views]
    scored = [model.scored_boxes(levels) for levels in features]
    boxes = torch.cat([view.to_frame(boxes) for view, (boxes, *_) in zip(views, scored)], dim=1)  # (B, views * N, 4)
    there, label_score = (torch.cat([result[k] for result in scored], dim=1) for k in (1, 2))
    layer_score = None if scored[0][3] is None else torch.cat([result[3] for result in scored], dim=1)
    found = select_detections(boxes, there, label_score, layer_score, model.codec, model.config)
    probability = torch.zeros(())
    for view, levels in zip(views, features):
        seen = model.masks(levels, replace(found, box=view.to_view(found.box)))
        probability = probability + view.flip(seen.mask.float().sigmoid()) / len(views)  # (B, D, M, M)
    return replace(found, mask=torch.logit(probability, eps=1e-6))
