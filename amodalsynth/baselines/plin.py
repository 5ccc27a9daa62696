"""PLIn, the paper's model (section 4, figure 5): backbone -> proposals -> cascade with layer priors -> implicit point head.

B images, S the side of the frame, N regions an image, D detections.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from amodalsynth.baselines.backbones import build_backbone, normalise
from amodalsynth.baselines.batch import Batch
from amodalsynth.baselines.cascade import CascadeHeads
from amodalsynth.baselines.config import MethodConfig
from amodalsynth.baselines.labels import LabelCodec
from amodalsynth.baselines.point_head import ImplicitPointHead
from amodalsynth.baselines.pooling import Pyramid
from amodalsynth.baselines.postprocess import Detections, select_detections
from amodalsynth.baselines.rpn import AnchorScores, ProposalNetwork

_FINEST_STRIDE = 4  # of P2
_CANONICAL_SIZE = 224.0  # side of a region that is pooled from P4, as in detectron2


class PLIn(nn.Module):
    """The model of a configuration for `num_categories` categories. All steps work on whole batches in fixed shapes."""

    def __init__(self, config: MethodConfig, num_categories: int) -> None:
        super().__init__()
        self.config = config
        self.codec = LabelCodec(config.layers, num_categories, config.num_layers)
        self.backbone = build_backbone(config)
        self.proposals = ProposalNetwork(config)
        self.cascade = CascadeHeads(config, self.codec)
        self.point_head = ImplicitPointHead(config, self.codec)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The losses of a batch by name, scalars; their sum is what is trained on."""
        levels = self.backbone(normalise(batch.image))
        anchors = self._score_anchors(levels)
        losses = self.proposals.losses(anchors, batch)
        boxes, there = self.proposals.propose(anchors)
        cascade_losses, regions, refined = self.cascade.losses(self._pyramid(levels), boxes, there, batch)
        in_boxes = (refined if self.config.refined_boxes else regions.box)[:, : self.config.roi_positives]
        return losses | cascade_losses | self.point_head.losses(levels[0], in_boxes, regions, batch)

    def forward(self, image: Tensor) -> Detections:
        """(B, 3, S, S) uint8 RGB -> the detections of each image, with masks (section 4.1: the layer is told, and not part of the category)."""
        levels = self.features(image)
        return self.masks(levels, self.detect(levels))

    def features(self, image: Tensor) -> list[Tensor]:
        """(B, 3, S, S) uint8 RGB -> P2 to P6, (B, C, S / 4, S / 4) and so on."""
        return self.backbone(normalise(image))

    def detect(self, levels: list[Tensor]) -> Detections:
        """The detections without masks."""
        boxes, there, label_score, layer_score = self.scored_boxes(levels)
        return select_detections(boxes, there, label_score, layer_score, self.codec, self.config)

    def scored_boxes(self, levels: list[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Refined boxes (B, N, 4), which slots hold one (B, N), and the probabilities of labels (B, N, K) and layers (B, N, L) or None."""
        boxes, there = self.proposals.propose(self._score_anchors(levels))
        boxes, label_score, layer_score = self.cascade(self._pyramid(levels), boxes)
        return boxes, there, label_score, layer_score

    def masks(self, levels: list[Tensor], detections: Detections) -> Detections:
        """The same detections with mask logits (B, D, side, side), side = 28 * 2**subdivisions."""
        logits = self.point_head(levels[0], detections.box, detections.label.clamp(min=0))
        return replace(detections, mask=logits.unflatten(0, detections.score.shape))

    def _score_anchors(self, levels: list[Tensor]) -> AnchorScores:
        return self.proposals([levels[level - 2] for level in self.config.anchor_levels], _FINEST_STRIDE * levels[0].shape[-1])

    def _pyramid(self, levels: list[Tensor]) -> Pyramid:
        chosen = self.config.roi_levels
        return Pyramid([levels[level - 2] for level in chosen], tuple(2**level for level in chosen), canonical_size=_CANONICAL_SIZE)


def total(losses: dict[str, Tensor]) -> Tensor:
    """The sum of the losses, which is what is trained on."""
    return torch.stack(list(losses.values())).sum()
