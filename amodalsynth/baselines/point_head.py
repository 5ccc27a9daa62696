"""The implicit point head (Cheng et al., CVPR 2022: Implicit PointRend): a small network for each instance, whose weights are predicted.

B images, R regions, P points, C channels of the features, E channels of the positional encoding, H of the generated layers, K outputs: one,
or one for each label. The network takes a point's positional encoding and its features and says whether the amodal mask covers it.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from amodalsynth.baselines.batch import EMPTY, Batch
from amodalsynth.baselines.boxes import take
from amodalsynth.baselines.cascade import Regions
from amodalsynth.baselines.config import MethodConfig
from amodalsynth.baselines.labels import LabelCodec
from amodalsynth.baselines.pooling import pool_regions, sample_points

INITIAL_SIDE = 28  # of the regular grid that the subdivision starts from: the root of the 784 points of every step
_WEIGHT_PENALTY = 1e-5
_STRIDE = 4  # of P2, which all features come from


class ImplicitPointHead(nn.Module):
    """Generates a network for each region from P2 and asks it about points."""

    def __init__(self, config: MethodConfig, codec: LabelCodec) -> None:
        super().__init__()
        self.config, self.codec = config, codec
        channels, width = config.fpn_channels, config.parameter_channels
        self.reduce = nn.Conv2d(channels, channels, 2, stride=2)
        self.first = nn.Linear(channels * (config.point_grid // 2) ** 2, width)
        self.second = nn.Linear(width, width)
        outputs = 1 if config.category_agnostic else codec.num_labels
        sides = [config.position_channels + channels, *[config.point_channels] * config.point_layers, outputs]
        self.shapes = [(after, before) for before, after in itertools.pairwise(sides)]
        self.parameters_of_region = nn.Linear(width, sum(after * before + after for after, before in self.shapes))
        for layer in (self.reduce, self.first, self.second):
            nn.init.kaiming_uniform_(layer.weight, a=1)
            nn.init.zeros_(layer.bias)
        nn.init.normal_(self.parameters_of_region.weight, std=0.001)
        self._start_as_one_network()
        self.register_buffer("frequencies", torch.randn(2, config.position_channels // 2))

    @torch.no_grad()
    def _start_as_one_network(self) -> None:
        """Let all regions begin with the weights of one ordinary network: from detectron2's zeros, learning is slow to begin."""
        parts = []
        for after, before in self.shapes:
            weight = torch.empty(after, before)
            nn.init.kaiming_uniform_(weight, nonlinearity="relu")
            parts += [weight.flatten(), torch.zeros(after)]
        self.parameters_of_region.bias.copy_(torch.cat(parts))

    def generate(self, features: Tensor, boxes: Tensor) -> Tensor:
        """P2 (B, C, h, w) and boxes (B, N, 4) in pixels of the frame -> the weights of a network for each box, (B * N, number)."""
        grid = pool_regions(features, boxes / _STRIDE, self.config.point_grid, samples=1)  # one sample a bin: a regular grid of points
        hidden = functional.relu(self.reduce(grid)).permute(0, 2, 3, 1).flatten(1)  # channels last, as they are pooled
        hidden = functional.relu(self.second(functional.relu(self.first(hidden))))
        return self.parameters_of_region(hidden)

    def answer(self, parameters: Tensor, position: Tensor, features: Tensor) -> Tensor:
        """Logits (R, P, K) of the networks with `parameters` (R, number) at points with encodings (R or 1, P, E) and features (R, P, C).

        The first layer is split, so that an encoding shared by all regions (1, P, E) is not copied for each: W [e; f] = W_e e + W_f f.
        """
        layers, start = [], 0
        for after, before in self.shapes:
            weight = parameters[:, start : start + after * before].unflatten(1, (after, before))
            start += after * before
            layers.append((weight, parameters[:, None, start : start + after]))
            start += after
        weight, bias = layers[0]
        of_position, of_features = weight.split((position.shape[-1], features.shape[-1]), dim=2)
        values = torch.matmul(position.to(weight.dtype), of_position.transpose(1, 2))
        values = values + torch.matmul(features.to(weight.dtype), of_features.transpose(1, 2)) + bias
        for weight, bias in layers[1:]:
            values = torch.baddbmm(bias, functional.relu(values), weight.transpose(1, 2))
        return values.float()

    def encode(self, position_xy: Tensor) -> Tensor:
        """Positions (..., 2) in a box, from 0 to 1 -> random Fourier features (..., E) (Tancik et al., NeurIPS 2020)."""
        with torch.autocast(position_xy.device.type, enabled=False):  # 8 bits would blur the phase
            angle = 2 * math.pi * ((2 * position_xy - 1) @ self.frequencies)
            return torch.cat((angle.sin(), angle.cos()), dim=-1)

    def losses(self, features: Tensor, boxes: Tensor, regions: Regions, batch: Batch) -> dict[str, Tensor]:
        """Binary cross-entropy at the labelled points of the positive regions, and the penalty on the generated weights.

        boxes (B, N, 4): where the networks are generated, the first N of `regions`. Points outside their box, and those labelled EMPTY, are
        ignored, but count in the mean, as in detectron2.
        """
        num_images, num_boxes = boxes.shape[:2]
        owner = regions.owner[:, :num_boxes]
        xy, label = take(batch.point_xy, owner), take(batch.point_label, owner)  # (B, N, P, 2), (B, N, P)
        size = (boxes[..., 2:] - boxes[..., :2]).clamp(min=1e-3)
        inside_xy = (xy - boxes[..., None, :2]) / size[..., None, :]
        counts = ((inside_xy >= 0) & (inside_xy <= 1)).all(dim=-1) & (label != EMPTY) & regions.positive[:, :num_boxes, None]
        parameters = self.generate(features, boxes)
        sampled = sample_points(features, xy.flatten(1, 2) / _STRIDE).unflatten(1, xy.shape[1:3]).flatten(0, 1)  # (B * N, P, C)
        logits = self.answer(parameters, self.encode(inside_xy.flatten(0, 1).clamp(0, 1)), sampled)  # (B * N, P, K)
        logits = self._of_label(logits, self._labels(batch, owner)).unflatten(0, (num_images, num_boxes))
        loss = functional.binary_cross_entropy_with_logits(logits, label.clamp(min=0).float(), weight=counts.float(), reduction="sum")
        positives = regions.positive[:, :num_boxes].sum()
        squares = parameters.float().square().mean(dim=1) * regions.positive[:, :num_boxes].flatten()
        return {
            "points": loss / (positives * xy.shape[2]).clamp(min=1),
            "weights": _WEIGHT_PENALTY * squares.sum() / positives.clamp(min=1),
        }

    def forward(self, features: Tensor, boxes: Tensor, labels: Tensor) -> Tensor:
        """Mask logits (B * N, side, side) of boxes (B, N, 4) with labels (B, N), by subdivision from 28 x 28 (Kirillov et al., CVPR 2020).

        Each step doubles the side, and asks again about the 784 points that are closest to the border; side = 28 * 2**subdivisions.
        """
        parameters = self.generate(features, boxes)
        grid = pool_regions(features, boxes / _STRIDE, INITIAL_SIDE, samples=1).flatten(2).transpose(1, 2)  # (B * N, 784, C)
        position = self.encode(cell_centres(INITIAL_SIDE, boxes.device))[None]
        labels = labels.flatten()
        mask = self._of_label(self.answer(parameters, position, grid), labels).unflatten(1, (INITIAL_SIDE, INITIAL_SIDE))
        for _ in range(self.config.subdivisions):
            mask = self._subdivide(mask, parameters, features, boxes, labels)
        return mask

    def _subdivide(self, mask: Tensor, parameters: Tensor, features: Tensor, boxes: Tensor, labels: Tensor) -> Tensor:
        mask = functional.interpolate(mask[:, None], scale_factor=2.0, mode="bilinear", align_corners=False)[:, 0]
        side, flat = mask.shape[1], mask.flatten(1)
        index = flat.abs().topk(INITIAL_SIDE**2, dim=1, largest=False).indices  # (B * N, 784)
        inside_xy = cell_centres(side, boxes.device)[index]  # (B * N, 784, 2)
        corner, size = boxes.flatten(0, 1)[:, None, :2], (boxes[..., 2:] - boxes[..., :2]).flatten(0, 1)[:, None]
        xy = ((corner + inside_xy * size) / _STRIDE).unflatten(0, boxes.shape[:2]).flatten(1, 2)  # (B, N * 784, 2)
        sampled = sample_points(features, xy).reshape(len(flat), INITIAL_SIDE**2, -1)
        position = self.encode(cell_centres(side, boxes.device)).to(parameters.dtype)[index]  # (B * N, 784, E)
        again = self._of_label(self.answer(parameters, position, sampled), labels)
        return flat.scatter(1, index, again).unflatten(1, (side, side))

    def _of_label(self, logits: Tensor, labels: Tensor) -> Tensor:
        """(R, P, K), (R,) -> (R, P): the output of each region's own label, or the only one."""
        if logits.shape[-1] == 1:
            return logits[..., 0]
        return logits.gather(2, labels[:, None, None].expand(-1, logits.shape[1], 1))[..., 0]

    def _labels(self, batch: Batch, owner: Tensor) -> Tensor:
        return self.codec.encode(batch.category.gather(1, owner).clamp(min=0), batch.layer.gather(1, owner)).flatten()


def cell_centres(side: int, device: torch.device | str) -> Tensor:
    """(side * side, 2): the centres (x, y) of the cells of a regular grid on the unit square, row by row."""
    centre = (torch.arange(side, device=device, dtype=torch.float32) + 0.5) / side
    y, x = torch.meshgrid(centre, centre, indexing="ij")
    return torch.stack((x, y), dim=-1).reshape(-1, 2)
