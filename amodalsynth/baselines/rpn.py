"""The region proposal network (Ren et al., NeurIPS 2015), in fixed shapes.

B images, A anchors, G slots of ground truth, K proposals. What is sampled is told by weights, not by a list of indices, so nothing waits for
the device.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from amodalsynth.baselines.batch import EMPTY, Batch
from amodalsynth.baselines.boxes import box_iou, decode_boxes, encode_boxes, suppress, take
from amodalsynth.baselines.config import MethodConfig

_POSITIVE_IOU, _NEGATIVE_IOU = 0.7, 0.3
_POSITIVE_SHARE = 0.5
_WEIGHTS = (1.0, 1.0)


@dataclass(frozen=True, slots=True)
class AnchorScores:
    """What the network says of the anchors of a frame of `side` pixels.

    logit (B, A) and deltas (B, A, 4) float32; anchors (A, 4); per_level: how many of them each level has, finest first.
    """

    logit: Tensor
    deltas: Tensor
    anchors: Tensor
    per_level: tuple[int, ...]
    side: int


class ProposalNetwork(nn.Module):
    """Proposes boxes that may hold an object, whatever its category."""

    def __init__(self, config: MethodConfig) -> None:
        super().__init__()
        self.config = config
        channels, ratios = config.fpn_channels, len(config.anchor_ratios)
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.objectness = nn.Conv2d(channels, ratios, 1)
        self.deltas = nn.Conv2d(channels, ratios * 4, 1)
        for layer in (self.conv, self.objectness, self.deltas):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
        self._anchors: dict[tuple, Tensor] = {}

    def forward(self, levels: list[Tensor], side: int) -> AnchorScores:
        """levels: those with anchors, (B, C, h, w) each, of frames of `side` pixels."""
        logits, deltas = [], []
        for level in levels:
            hidden = functional.relu(self.conv(level))
            logits.append(self.objectness(hidden).permute(0, 2, 3, 1).flatten(1))  # (B, h * w * ratios)
            deltas.append(self.deltas(hidden).permute(0, 2, 3, 1).reshape(len(level), -1, 4))
        per_level = tuple(part.shape[1] for part in logits)
        logit, delta = torch.cat(logits, dim=1).float(), torch.cat(deltas, dim=1).float()
        return AnchorScores(logit, delta, self._anchors_of(levels), per_level, side)

    def _anchors_of(self, levels: list[Tensor]) -> Tensor:
        """(A, 4): the anchors of levels of these shapes, which are made once."""
        key = (levels[0].device, *(level.shape[-1] for level in levels))
        if key not in self._anchors:
            config = self.config
            each = zip(levels, config.anchor_levels, config.anchor_sizes)
            anchors = [_level_anchors(level.shape[-1], 2**k, size, config.anchor_ratios) for level, k, size in each]
            self._anchors[key] = torch.cat(anchors).to(levels[0].device)
        return self._anchors[key]

    @torch.no_grad()
    def propose(self, scores: AnchorScores) -> tuple[Tensor, Tensor]:
        """The best boxes of each image (B, K, 4) and which of the slots hold one (B, K) bool. Suppression is within a level."""
        config = self.config
        phase = 0 if self.training else 1
        boxes, kept, first = [], [], 0
        for count in scores.per_level:
            those = slice(first, first + count)
            logit, index = scores.logit[:, those].topk(min(config.pre_nms[phase], count), dim=1)
            box = decode_boxes(take(scores.deltas[:, those], index), scores.anchors[those][index], _WEIGHTS, float(scores.side))
            logit = logit.masked_fill(((box[..., 2:] - box[..., :2]) <= 1e-3).any(dim=-1), -torch.inf)
            kept.append(logit.masked_fill(~suppress(box, logit, None, config.rpn_nms), -torch.inf))
            boxes.append(box)
            first += count
        logits = torch.cat(kept, dim=1)
        best = logits.topk(min(config.proposals[phase], logits.shape[1]), dim=1)
        return take(torch.cat(boxes, dim=1), best.indices), best.values > -torch.inf

    def losses(self, scores: AnchorScores, batch: Batch) -> dict[str, Tensor]:
        """Binary cross-entropy of the sampled anchors and L1 of the positive ones' deltas, both per sampled anchor."""
        positive, weight, matched = self._sample(scores.anchors, batch)
        number = weight.sum().clamp(min=1)
        objectness = functional.binary_cross_entropy_with_logits(scores.logit, positive.float(), weight=weight, reduction="sum")
        target = encode_boxes(matched, scores.anchors, _WEIGHTS)
        distance = (scores.deltas - target).abs().sum(dim=-1) * (positive * weight)
        return {"rpn_objectness": objectness / number, "rpn_box": distance.sum() / number}

    @torch.no_grad()
    def _sample(self, anchors: Tensor, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Positive (B, A) bool, weight (B, A) 0 or 1, and each anchor's box of the ground truth (B, A, 4)."""
        there = batch.category != EMPTY
        iou = box_iou(batch.box, anchors[None])  # (B, G, A)
        iou = iou.masked_fill(~there[..., None], -1.0)
        best, owner = iou.max(dim=1)  # (B, A)
        closest = iou.max(dim=2, keepdim=True).values
        low_quality = ((iou == closest) & (closest > 0)).any(dim=1)  # so that each instance has an anchor
        positive = (best >= _POSITIVE_IOU) | low_quality
        negative = ~positive & (best < _NEGATIVE_IOU)
        chance = torch.rand(positive.shape, device=positive.device)
        most = int(self.config.rpn_samples * _POSITIVE_SHARE)
        some = _pick(chance, positive, most)
        room = self.config.rpn_samples - some.sum(dim=1, keepdim=True)
        others = _rank(chance.masked_fill(~negative, -1.0)) < room
        return some, (some | (others & negative)).float(), take(batch.box, owner)


def _pick(chance: Tensor, among: Tensor, most: int) -> Tensor:
    """(B, A) bool: at most `most` of those `among`, the ones with the highest chance."""
    value, index = chance.masked_fill(~among, -1.0).topk(min(most, chance.shape[1]), dim=1)
    return torch.zeros_like(among).scatter_(1, index, value >= 0)


def _rank(values: Tensor) -> Tensor:
    """(B, A) -> the place of each value in descending order, from 0."""
    return values.argsort(dim=1, descending=True).argsort(dim=1)


def _level_anchors(cells: int, stride: int, size: int, ratios: tuple[float, ...]) -> Tensor:
    """(cells * cells * ratios, 4) boxes of the same area around the centres of the cells of a level."""
    centre = (torch.arange(cells, dtype=torch.float32) + 0.5) * stride
    y, x = torch.meshgrid(centre, centre, indexing="ij")
    width = torch.tensor([size / ratio**0.5 for ratio in ratios])
    height = torch.tensor([size * ratio**0.5 for ratio in ratios])
    half = torch.stack((width, height), dim=-1) / 2  # (ratios, 2)
    middle = torch.stack((x, y), dim=-1).reshape(-1, 1, 2)
    return torch.cat((middle - half, middle + half), dim=-1).reshape(-1, 4)
