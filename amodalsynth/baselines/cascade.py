"""The cascade of box heads (Cai and Vasconcelos, CVPR 2018; paper, section 4.2) with layer priors, in fixed shapes.

B images, N regions an image, G slots of ground truth, C channels, M bins, K labels, L layers, T stages.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from amodalsynth.baselines.batch import EMPTY, Batch
from amodalsynth.baselines.boxes import box_area, box_iou, decode_boxes, encode_boxes, take
from amodalsynth.baselines.config import MethodConfig
from amodalsynth.baselines.labels import LabelCodec
from amodalsynth.baselines.pooling import Pyramid, pool_regions

STAGE_WEIGHTS = ((10.0, 5.0), (20.0, 10.0), (30.0, 15.0))  # of a stage's deltas: shift and size


@dataclass(frozen=True, slots=True)
class Regions:
    """Sampled regions of a batch and the instance that each stands for.

    box (B, N, 4) float32. weight (B, N): 1, or 0 for a slot without a region. owner (B, N) int64: slot of the instance that overlaps it
    most. positive (B, N) bool: the overlap reaches the stage's threshold.
    """

    box: Tensor
    weight: Tensor
    owner: Tensor
    positive: Tensor


class BoxHead(nn.Module):
    """One stage: pooled features -> labels, deltas and, with a factorised layer prior, layers."""

    def __init__(self, config: MethodConfig, codec: LabelCodec) -> None:
        super().__init__()
        width = config.box_channels
        self.first = nn.Linear(config.fpn_channels * config.box_bins**2, width)
        self.second = nn.Linear(width, width)
        self.label = nn.Linear(width, codec.num_labels + 1)
        self.deltas = nn.Linear(width, 4)
        self.layer = nn.Linear(width, codec.num_layers) if codec.mode == "factor" else None
        for layer in (self.first, self.second):
            nn.init.kaiming_uniform_(layer.weight, a=1)
        nn.init.normal_(self.label.weight, std=0.01)
        nn.init.normal_(self.deltas.weight, std=0.001)
        for layer in (self.first, self.second, self.label, self.deltas):
            nn.init.zeros_(layer.bias)

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """(R, C, M, M) -> label logits (R, K + 1), deltas (R, 4), layer logits (R, L) or None; float32."""
        hidden = functional.relu(self.first(pooled.permute(0, 2, 3, 1).flatten(1)))  # channels last, as they are pooled
        hidden = functional.relu(self.second(hidden))
        layer = None if self.layer is None else self.layer(hidden).float()
        return self.label(hidden).float(), self.deltas(hidden).float(), layer


class CascadeHeads(nn.Module):
    """T box heads, each of which starts from the boxes of the one before; T = 1 is an ordinary box head."""

    def __init__(self, config: MethodConfig, codec: LabelCodec) -> None:
        super().__init__()
        self.config, self.codec = config, codec
        self.stages = nn.ModuleList(BoxHead(config, codec) for _ in config.cascade_ious)

    def losses(self, pyramid: Pyramid, boxes: Tensor, there: Tensor, batch: Batch) -> tuple[dict[str, Tensor], Regions, Tensor]:
        """Losses of all stages; the regions that the first was trained on, positives first; and the boxes (B, N, 4) that the last one gave."""
        side = float(pyramid.side)
        regions = sample_regions(boxes, there, batch, self.config)
        first, losses = regions, {}
        for t, head in enumerate(self.stages):
            label_logits, deltas, layer_logits = self._predict(head, pyramid, regions.box)
            losses |= {
                f"stage{t + 1}_{name}": loss
                for name, loss in self._stage_losses(regions, label_logits, deltas, layer_logits, batch, t).items()
            }
            refined = decode_boxes(deltas.detach(), regions.box, STAGE_WEIGHTS[t], side)
            if t + 1 < len(self.stages):
                weight = regions.weight * (box_area(refined) > 1e-3)
                regions = match(refined, weight, batch, self.config.cascade_ious[t + 1])
        return losses, first, refined

    def forward(self, pyramid: Pyramid, boxes: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Boxes (B, N, 4) -> those of the last stage, and the mean over the stages of the probabilities of labels (B, N, K) and layers (B, N, L)."""
        labels, layers = [], []
        for t, head in enumerate(self.stages):
            label_logits, deltas, layer_logits = self._predict(head, pyramid, boxes)
            labels.append(label_logits.softmax(dim=-1)[..., :-1])
            if layer_logits is not None:
                layers.append(layer_logits.softmax(dim=-1))
            boxes = decode_boxes(deltas, boxes, STAGE_WEIGHTS[t], float(pyramid.side))
        return boxes, torch.stack(labels).mean(dim=0), torch.stack(layers).mean(dim=0) if layers else None

    def _predict(self, head: BoxHead, pyramid: Pyramid, boxes: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """The outputs of one stage as (B, N, ...). The features' gradient is divided by T, as every stage gives one."""
        pooled = pool_regions(pyramid.canvas, pyramid.place(boxes), self.config.box_bins)  # (B * N, C, M, M)
        pooled = _scale_gradient(pooled, 1 / len(self.stages))
        outputs = head(pooled)
        return tuple(None if output is None else output.unflatten(0, boxes.shape[:2]) for output in outputs)

    def _stage_losses(
        self, regions: Regions, label_logits: Tensor, deltas: Tensor, layer_logits: Tensor | None, batch: Batch, stage: int
    ) -> dict[str, Tensor]:
        """Cross-entropy of the labels and L1 of the positives' deltas, both per region (detectron2's normalisation)."""
        number = regions.weight.sum().clamp(min=1)
        layer = batch.layer.gather(1, regions.owner)
        label = self.codec.encode(batch.category.gather(1, regions.owner), layer)
        label = torch.where(regions.positive, label, self.codec.background)
        losses = {"label": (_cross_entropy(label_logits, label) * regions.weight).sum() / number}
        target = encode_boxes(take(batch.box, regions.owner), regions.box, STAGE_WEIGHTS[stage])
        weight = regions.weight * regions.positive
        losses["box"] = ((deltas - target).abs().sum(dim=-1) * weight).sum() / number
        if layer_logits is not None:
            known = weight * (layer != EMPTY)
            layer = layer.clamp(0, self.codec.num_layers - 1)
            losses["layer"] = (_cross_entropy(layer_logits, layer) * known).sum() / number
        return losses


@torch.no_grad()
def sample_regions(boxes: Tensor, there: Tensor, batch: Batch, config: MethodConfig) -> Regions:
    """`config.rois` regions of each image, at most `config.roi_positives` of them instances, which come first.

    Drawn from the proposals (B, K, 4), of which `there` (B, K) tells the real ones, and the boxes of the ground truth.
    """
    present = batch.category != EMPTY
    candidates = torch.cat((boxes, batch.box), dim=1)
    matched = match(candidates, torch.cat((there, present), dim=1).float(), batch, config.cascade_ious[0])
    chance = torch.rand(matched.weight.shape, device=boxes.device)
    eligible = matched.weight > 0
    positive = matched.positive & eligible
    top = chance.masked_fill(~positive, -1.0).topk(min(config.roi_positives, chance.shape[1]), dim=1)
    chosen = torch.zeros_like(positive).scatter_(1, top.indices, top.values >= 0)
    # places: chosen positives before negatives before slots that stay empty
    place = torch.where(chosen, chance + 2, torch.where(eligible & ~positive, chance, -1.0))
    place, index = place.topk(min(config.rois, place.shape[1]), dim=1)
    weight = (place >= 0).float()
    return Regions(take(candidates, index), weight, matched.owner.gather(1, index), matched.positive.gather(1, index) & (weight > 0))


@torch.no_grad()
def match(boxes: Tensor, weight: Tensor, batch: Batch, threshold: float) -> Regions:
    """For each box the instance that overlaps it most, and whether by `threshold` at least."""
    iou = box_iou(boxes, batch.box).masked_fill((batch.category == EMPTY)[:, None], -1.0)  # (B, N, G)
    best, owner = iou.max(dim=2)
    return Regions(boxes, weight, owner, (best >= threshold) & (weight > 0))


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """logits (B, N, K), target (B, N) -> (B, N)."""
    return functional.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="none").unflatten(0, target.shape)


class _GradientScale(torch.autograd.Function):
    @staticmethod
    def forward(ctx, value: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return value.view_as(value)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * ctx.scale, None


def _scale_gradient(value: Tensor, scale: float) -> Tensor:
    return value if scale == 1 else _GradientScale.apply(value, scale)
