"""Boxes in batches of fixed shape: overlap, coding, clipping and non-maximum suppression, without a loop over images.

B images, N and M boxes an image. Boxes are (x0, y0, x1, y1), continuous and half open, float32. A slot that holds no box is told by a mask.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

MAX_LOG_SCALE = math.log(1000 / 16)  # a box grows by at most this much at one decoding, as in every Faster R-CNN
_NMS_ROUNDS = 12  # on a GPU, which is not asked whether that was enough: random crowds of 1,000 boxes are settled after at most 9


def box_iou(a: Tensor, b: Tensor) -> Tensor:
    """(B, N, 4), (B, M, 4) -> (B, N, M) intersection over union; 0 where a box is empty."""
    a_x0, a_y0, a_x1, a_y1 = a[:, :, None].unbind(dim=-1)  # (B, N, 1) each: operations over a last axis of two would be five times slower
    b_x0, b_y0, b_x1, b_y1 = b[:, None].unbind(dim=-1)  # (B, 1, M)
    overlap = (torch.minimum(a_x1, b_x1) - torch.maximum(a_x0, b_x0)).clamp_(min=0)
    overlap *= (torch.minimum(a_y1, b_y1) - torch.maximum(a_y0, b_y0)).clamp_(min=0)
    union = box_area(a)[:, :, None] + box_area(b)[:, None, :] - overlap
    return overlap / union.clamp_(min=1e-6)


def box_area(boxes: Tensor) -> Tensor:
    """(..., 4) -> (...) area in square pixels, 0 for an inverted box."""
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(dim=-1)


def encode_boxes(boxes: Tensor, reference: Tensor, weights: tuple[float, float]) -> Tensor:
    """Deltas (..., 4) that lead from `reference` to `boxes`: shift of the centre and logarithm of the size, times (shift, size) weights."""
    centre, size = _centre_and_size(boxes)
    from_centre, from_size = _centre_and_size(reference)
    shift = (centre - from_centre) / from_size * weights[0]
    return torch.cat((shift, torch.log(size / from_size) * weights[1]), dim=-1)


def decode_boxes(deltas: Tensor, reference: Tensor, weights: tuple[float, float], side: float) -> Tensor:
    """The inverse of `encode_boxes`, clipped to a square frame of `side` pixels."""
    from_centre, from_size = _centre_and_size(reference)
    centre = deltas[..., :2] / weights[0] * from_size + from_centre
    half = torch.exp((deltas[..., 2:] / weights[1]).clamp(max=MAX_LOG_SCALE)) * from_size / 2
    return torch.cat((centre - half, centre + half), dim=-1).clamp(0, side)


def _centre_and_size(boxes: Tensor) -> tuple[Tensor, Tensor]:
    size = (boxes[..., 2:] - boxes[..., :2]).clamp(min=1e-3)  # an empty slot must not give infinities
    return (boxes[..., :2] + boxes[..., 2:]) / 2, size


def suppress(boxes: Tensor, scores: Tensor, groups: Tensor | None, threshold: float) -> Tensor:
    """Greedy non-maximum suppression of (B, N, 4) boxes with (B, N) scores, all images at once; returns (B, N) bool, what is kept.

    Boxes of different `groups` (B, N) do not suppress each other. A score of -inf marks a slot without a box; it is not kept. Equal to
    `torchvision.ops.nms`: a box is kept when no kept box of higher score overlaps it by more than `threshold`, and repeating that rule
    from "all are kept" settles the boxes in the order of their scores (the fix-point of "cluster NMS"). On a GPU the rule is repeated 12 times,
    which leaves only the end of a longer chain, each box of which stays or goes by the one before, unsettled.
    """
    order = scores.argsort(dim=1, descending=True, stable=True)
    sorted_boxes = boxes.gather(1, order[..., None].expand_as(boxes))
    beats = box_iou(sorted_boxes, sorted_boxes).gt_(threshold).bool().triu_(diagonal=1)  # [n, m]: n has the higher score and overlaps m
    if groups is not None:
        sorted_groups = groups.gather(1, order)
        beats &= sorted_groups[:, :, None] == sorted_groups[:, None, :]
    keep = there = scores.gather(1, order) > -torch.inf
    for _ in range(_NMS_ROUNDS if keep.is_cuda else boxes.shape[1]):
        before, keep = keep, there & ~(keep[:, :, None] & beats).any(dim=1)
        if not keep.is_cuda and torch.equal(before, keep):  # on a GPU, asking would wait for it
            break
    return torch.zeros_like(keep).scatter_(1, order, keep)


def soft_suppress(boxes: Tensor, scores: Tensor, groups: Tensor, *, sigma: float, count: int) -> tuple[Tensor, Tensor]:
    """Soft-NMS (Bodla et al., ICCV 2017) with the Gaussian penalty exp(-iou^2 / sigma) within groups, all images at once.

    boxes (B, N, 4), scores and groups (B, N). Returns the indices (B, count) of the boxes taken, best first, and their decayed scores
    (B, count); -inf where there are fewer.
    """
    penalty = torch.exp(-box_iou(boxes, boxes).square_() / sigma).clamp_(min=torch.finfo(boxes.dtype).tiny)  # 0 times -inf is no number
    penalty.masked_fill_(groups[:, :, None] != groups[:, None, :], 1.0)
    remaining = scores.clone()
    indices, taken = [], []
    for _ in range(min(count, boxes.shape[1])):
        best, index = remaining.max(dim=1)
        indices.append(index)
        taken.append(best)
        remaining = remaining * penalty.gather(1, index[:, None, None].expand(-1, 1, boxes.shape[1]))[:, 0]
        remaining.scatter_(1, index[:, None], -torch.inf)
    return torch.stack(indices, dim=1), torch.stack(taken, dim=1)


def take(values: Tensor, index: Tensor) -> Tensor:
    """values (B, N, ...) at index (B, M) -> (B, M, ...)."""
    shape = (*index.shape, *values.shape[2:])
    return values.gather(1, index.reshape(*index.shape, *[1] * (values.dim() - 2)).expand(shape))
