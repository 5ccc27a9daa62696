"""From scored boxes to detections: how the layer is dropped, and what suppresses what. One function a rule, all on the same scores.

B images, N boxes an image, C categories, K labels, L layers, D detections.

    paper     every {category, layer} pair of every box is a candidate; suppression within a pair; then the layer is ignored (section 4.1)
    marginal  a box's score for a category is the sum over its layers, its layer the likeliest; suppression within a category
    soft      the same with Soft-NMS, which lowers the scores of what overlaps in place of removing it
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from amodalsynth.baselines.boxes import soft_suppress, suppress, take
from amodalsynth.baselines.config import MethodConfig
from amodalsynth.baselines.labels import LabelCodec

_CANDIDATES_PER_BOX = 4  # of all boxes of an image together: the likeliest {category, layer} pairs, or categories


@dataclass(frozen=True, slots=True)
class Detections:
    """The best D detections of each image, best first.

    box (B, D, 4) float32 in pixels of the frame. score (B, D) float32; 0 in a slot without a detection. category and layer (B, D) int64, from
    0; layer -1 where the model tells none. label (B, D) int64: the {category, layer} label, or the category. mask: (B, D, side, side)
    logits on a regular grid over the box, or None.
    """

    box: Tensor
    score: Tensor
    category: Tensor
    layer: Tensor
    label: Tensor
    mask: Tensor | None = None


def select_detections(
    boxes: Tensor, there: Tensor, label_score: Tensor, layer_score: Tensor | None, codec: LabelCodec, config: MethodConfig
) -> Detections:
    """boxes (B, N, 4), there (B, N), label_score (B, N, K), layer_score (B, N, L) or None -> detections by `config.postprocess`."""
    by_pair = config.postprocess == "paper"
    score, layer = (label_score, None) if by_pair else codec.marginal(label_score, layer_score)
    group = category = torch.arange(score.shape[-1], device=boxes.device).expand_as(
        score
    )  # what suppresses each other: labels, or categories
    if by_pair:
        category, layer = codec.decode(group)
        if layer_score is not None:
            layer = layer_score.argmax(dim=-1, keepdim=True).expand_as(score)
    score = score.masked_fill(~there[..., None] | (score <= config.score_threshold), -torch.inf)
    num_candidates = min(_CANDIDATES_PER_BOX * boxes.shape[1], score[0].numel())
    score, index = score.flatten(1).topk(num_candidates, dim=1)  # of N * K or N * C candidates
    box = take(boxes, index // category.shape[-1])
    category, layer, group = (values.flatten(1).gather(1, index) for values in (category, layer, group))
    if config.postprocess == "soft":
        chosen, score = soft_suppress(box, score, group, sigma=config.soft_sigma, count=config.detections)
    else:
        kept = score.masked_fill(~suppress(box, score, group, config.box_nms), -torch.inf)
        score, chosen = kept.topk(min(config.detections, num_candidates), dim=1)
    category, layer = category.gather(1, chosen), layer.gather(1, chosen)
    return Detections(take(box, chosen), score.clamp(min=0), category, layer, codec.encode(category, layer))
