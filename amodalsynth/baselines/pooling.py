"""Features of regions and of points.

B images, N regions an image, C channels, M bins a side, P points. A bin of RoIAlign is the mean of bilinear samples on a regular grid, and
bilinear interpolation is separable, so the pooled features are Y F X^T with one small matrix a region for either axis: two matrix
products, whose backward is two more. On a CPU, forward and backward take a tenth of the time of torchvision's RoIAlign for `small` and a third
for `r50`, in bfloat16 (`make bench-train`), and they are the same at every run. On a GPU, where torchvision's backward adds up bin by bin in
memory, it took a third of a training step; its forward is as fast, and is what predicts there.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor
from torch.nn import functional

from amodalsynth.baselines.boxes import box_area
from amodalsynth.baselines.devices import constant

_MULTIPLE = 8


class Pyramid:
    """Feature levels laid out on one canvas, so that regions of all levels are pooled at once: the finest on top, the others side by side below.

    levels: (B, C, h, w) tensors, finest first, with their strides. Each is surrounded by a copy of its outermost cells: a sample lies at most
    half a cell outside its level, where RoIAlign repeats the border. The canvas is narrow, since `pool_regions` keeps whole rows of it for each
    region, and its sides are multiples of 8, which matrix products in 16 bits are fastest with.
    """

    def __init__(self, levels: list[Tensor], strides: tuple[int, ...], *, canonical_size: float) -> None:
        self.strides, self.canonical_size = strides, canonical_size
        self.side = levels[0].shape[-1] * strides[0]  # of the frame, in pixels
        if len(levels) == 1:
            self.canvas, self.corners = levels[0], [(0.0, 0.0)]
            return
        bordered = [functional.pad(level, (1, 1, 1, 1), mode="replicate") for level in levels]
        finest, *others = bordered
        width = max(finest.shape[3], sum(level.shape[3] for level in others))
        below = torch.cat([_extend(level, height=others[0].shape[2]) for level in others], dim=3)
        canvas = torch.cat([_extend(part, width=_padded(width)) for part in (finest, below)], dim=2)
        self.canvas = _extend(canvas, height=_padded(canvas.shape[2]))
        right = itertools.accumulate((level.shape[3] for level in others[:-1]), initial=0)
        self.corners = [(1.0, 1.0), *((x + 1.0, finest.shape[2] + 1.0) for x in right)]

    def place(self, boxes: Tensor) -> Tensor:
        """Boxes (B, N, 4) in pixels of the frame -> in cells of the canvas, each on the level for its size.

        level = floor(4 + log2(sqrt(area) / canonical_size)), as in FPN (Lin et al., CVPR 2017, eq. 1), where level k has stride 2**k.
        """
        if len(self.strides) == 1:
            return boxes / self.strides[0]
        size = box_area(boxes).clamp(min=1e-6).sqrt()
        finest = int(math.log2(self.strides[0]))
        level = torch.floor(4 + torch.log2(size / self.canonical_size)).sub(finest).clamp(0, len(self.strides) - 1).long()
        stride = constant(self.strides, boxes.device)[level][..., None]
        corner = constant(tuple(self.corners), boxes.device)[level]
        return boxes / stride + torch.cat((corner, corner), dim=-1)


def pool_regions(features: Tensor, boxes: Tensor, bins: int, *, samples: int = 2) -> Tensor:
    """RoIAlign (aligned) of (B, C, h, w) features in (B, N, 4) boxes, given in cells -> (B * N, C, M, M), M = `bins`.

    Equal to `torchvision.ops.roi_align(..., aligned=True, sampling_ratio=samples)`, which does the work on a GPU where no gradient is asked for,
    for boxes within the features.
    """
    if features.is_cuda and not features.requires_grad:
        from torchvision.ops import roi_align

        image = torch.arange(len(boxes), device=boxes.device, dtype=boxes.dtype)
        rois = torch.cat((image[:, None, None].expand(-1, boxes.shape[1], 1), boxes), dim=-1).flatten(0, 1)
        return roi_align(features, rois.to(features.dtype), (bins, bins), sampling_ratio=samples, aligned=True)
    num_images, channels, height, width = features.shape
    num_boxes = boxes.shape[1]
    along_y = _sampling_matrix(boxes[..., 1], boxes[..., 3], bins, samples, height).to(features.dtype)  # (B, N, M, h)
    along_x = _sampling_matrix(boxes[..., 0], boxes[..., 2], bins, samples, width).to(features.dtype)  # (B, N, M, w)
    flat = features.permute(0, 2, 3, 1).reshape(num_images, height, width * channels)  # free where features are channels-last
    rows = torch.bmm(along_y.reshape(num_images, num_boxes * bins, height), flat)  # (B, N * M, w * C)
    along_x = (
        along_x[:, :, None].expand(-1, -1, bins, -1, -1).reshape(-1, bins, width)
    )  # a copy: broadcasting made the backward 20 times slower
    pooled = torch.bmm(along_x, rows.reshape(-1, width, channels))  # (B * N * M of y, M of x, C)
    return pooled.reshape(num_images * num_boxes, bins, bins, channels).permute(0, 3, 1, 2)


def _extend(level: Tensor, *, height: int = 0, width: int = 0) -> Tensor:
    """Zeros to the right and below, up to these sides where they are larger."""
    return functional.pad(level, (0, max(width - level.shape[3], 0), 0, max(height - level.shape[2], 0)))


def _padded(side: int) -> int:
    return -(-side // _MULTIPLE) * _MULTIPLE


def _sampling_matrix(low: Tensor, high: Tensor, bins: int, samples: int, length: int) -> Tensor:
    """Weights (B, N, M, length) with which the cells of one axis enter the bins of the intervals [low, high), (B, N) in cells."""
    step = (torch.arange(bins * samples, device=low.device, dtype=low.dtype) + 0.5) / (bins * samples)
    position = low[..., None] + step * (high - low)[..., None] - 0.5  # of the samples, in cell centres
    position = position.clamp(0, length - 1)
    cells = torch.arange(length, device=low.device, dtype=low.dtype)
    weight = (1 - (position[..., None] - cells).abs()).clamp_(min=0)  # (B, N, M * samples, length): the bilinear kernel
    return weight.unflatten(2, (bins, samples)).mean(dim=3)


def sample_points(features: Tensor, position_xy: Tensor) -> Tensor:
    """Bilinear features (B, C, h, w) at (B, Q, 2) continuous positions, given in cells -> (B, Q, C) float32; the border is repeated.

    A cell's value stands at its centre, so position (0.5, 0.5) is the first cell. Equal to `grid_sample`, but with the channels last, as the point
    head wants them: a weighted sum of four rows for each point.
    """
    num_images, channels, height, width = features.shape
    position = position_xy.float() - 0.5
    last = constant((width - 1, height - 1), position.device)
    position = torch.minimum(position.clamp(min=0), last)
    low = torch.minimum(position.floor(), (last - 1).clamp(min=0))
    x, y = (position - low).unbind(dim=-1)
    weight = torch.stack(((1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y), dim=-1)  # (B, Q, 4)
    column, row = low.long().unbind(dim=-1)
    first = (torch.arange(num_images, device=position.device)[:, None] * height + row) * width + column
    right, below = min(1, width - 1), width * min(1, height - 1)
    index = torch.stack((first, first + right, first + below, first + below + right), dim=-1)  # (B, Q, 4)
    table = features.permute(0, 2, 3, 1).reshape(-1, channels).float()  # (B * h * w, C)
    rows = functional.embedding_bag(index.flatten(0, 1), table, per_sample_weights=weight.flatten(0, 1), mode="sum")
    return rows.unflatten(0, position.shape[:2])
