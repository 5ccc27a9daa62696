"""Layer priors (paper, section 4.1): how a {category, layer} pair becomes the label that a classifier predicts, and back.

C categories, L layers, K labels; the classifier has one output more, the last, for the background.

    none     labels are categories, K = C: the baseline without layer priors
    product  labels are pairs, K = C L, label = category * L + layer: the paper's
    factor   labels are categories, and a second classifier predicts the layer
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

LAYER_MODES = ("none", "product", "factor")


@dataclass(frozen=True, slots=True)
class LabelCodec:
    """The labels of `num_categories` categories and `num_layers` layers in one of `LAYER_MODES`; layers beyond the last count as the last."""

    mode: str
    num_categories: int
    num_layers: int

    @property
    def num_labels(self) -> int:
        """K, the background not counted."""
        return self.num_categories * (self.num_layers if self.mode == "product" else 1)

    @property
    def background(self) -> int:
        """The label of what is no object."""
        return self.num_labels

    def encode(self, category: Tensor, layer: Tensor) -> Tensor:
        """Categories and layers (...) int64, from 0 -> labels (...); an unknown layer (negative) counts as 0."""
        if self.mode != "product":
            return category
        return category * self.num_layers + layer.clamp(0, self.num_layers - 1)

    def decode(self, label: Tensor) -> tuple[Tensor, Tensor]:
        """Labels (...) -> categories and layers (...); without pairs the layer is -1, unknown."""
        if self.mode != "product":
            return label, torch.full_like(label, -1)
        return label // self.num_layers, label % self.num_layers

    def marginal(self, score: Tensor, layer_score: Tensor | None) -> tuple[Tensor, Tensor]:
        """Scores of labels (..., K), and of layers (..., L) in mode factor -> scores of categories (..., C) and their layers (..., C) int64.

        The score of a category is the sum over its layers, and its layer the likeliest one.
        """
        if self.mode == "product":
            pairs = score.unflatten(-1, (self.num_categories, self.num_layers))
            return pairs.sum(dim=-1), pairs.argmax(dim=-1)
        if self.mode == "factor":
            return score, layer_score.argmax(dim=-1, keepdim=True).expand(score.shape)
        return score, torch.full(score.shape, -1, dtype=torch.int64, device=score.device)
