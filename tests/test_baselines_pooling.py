"""Pooling agrees with torchvision's RoIAlign, forward and backward, on one level and on the canvas of all."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.ops import roi_align
from torchvision.ops.poolers import LevelMapper

from amodalsynth.baselines.pooling import Pyramid, pool_regions, sample_points
from tests.baseline_strategies import random_boxes

SIDE = 128


def numbered(boxes: Tensor) -> Tensor:
    """(B, N, 4) -> (B * N, 5), the image's number first."""
    image = torch.arange(len(boxes)).repeat_interleave(boxes.shape[1])
    return torch.cat((image[:, None].float(), boxes.flatten(0, 1)), dim=1)


def with_gradient(pooled: Tensor, features: list[Tensor]) -> list[Tensor]:
    """The pooled features and the gradients that a random one of theirs gives `features`."""
    upstream = torch.randn(pooled.shape, generator=torch.Generator().manual_seed(9))
    return [pooled, *torch.autograd.grad(pooled, features, upstream)]


def assert_close(first: list[Tensor], second: list[Tensor]) -> None:
    for a, b in zip(first, second, strict=True):
        assert torch.allclose(a, b, atol=1e-4)


@given(st.integers(1, 2), st.integers(1, 5), st.integers(1, 7), st.sampled_from((1, 2)), st.integers(0, 2**16))
@settings(deadline=None, max_examples=40)
def test_pooling_is_roi_align(num_images: int, count: int, bins: int, samples: int, seed: int) -> None:
    features = torch.randn(num_images, 3, 12, 9, generator=torch.Generator().manual_seed(seed), requires_grad=True)
    boxes = random_boxes(num_images, count, 9.0, seed=seed, smallest=0.1)
    boxes[:, 0] = torch.tensor([0.0, 0, 9, 12])  # all of it, to the borders
    ours = pool_regions(features, boxes, bins, samples=samples)
    assert ours.shape == (num_images * count, 3, bins, bins)
    theirs = roi_align(features, numbered(boxes), (bins, bins), sampling_ratio=samples, aligned=True)
    assert_close(with_gradient(ours, [features]), with_gradient(theirs, [features]))


def test_features_may_be_channels_last() -> None:
    features, boxes = torch.randn(2, 5, 8, 8), random_boxes(2, 3, 8.0, seed=0)
    assert torch.allclose(
        pool_regions(features.contiguous(memory_format=torch.channels_last), boxes, 4), pool_regions(features, boxes, 4), atol=1e-6
    )


@pytest.mark.parametrize("first_level", [2, 3])
@pytest.mark.parametrize("samples", [1, 2])
def test_each_region_is_pooled_from_its_own_level(first_level: int, samples: int) -> None:
    """Those at the border of the frame too, which lie beside another level on the canvas."""
    strides = tuple(2**level for level in range(first_level, 6))
    generator = torch.Generator().manual_seed(1)
    levels = [torch.randn(2, 3, SIDE // stride, SIDE // stride, generator=generator, requires_grad=True) for stride in strides]
    boxes = random_boxes(2, 120, float(SIDE), seed=2, smallest=2.0)
    centre = boxes[:, :60].unflatten(-1, (2, 2)).mean(dim=2).repeat(1, 1, 2)
    boxes[:, :60] = centre + (boxes[:, :60] - centre) / 6  # small ones, for the finer levels
    boxes[:, 0] = torch.tensor([0.0, 0, SIDE, SIDE])
    boxes[:, 1] = torch.tensor([0.0, SIDE - 12, 12, SIDE])
    boxes[:, 2] = torch.tensor([SIDE - 30.0, 0, SIDE, 30])
    level_of = LevelMapper(first_level, 5, canonical_scale=64, canonical_level=4)([boxes.flatten(0, 1)])  # torchvision's FPN, eq. 1
    assert level_of.unique().tolist() == list(range(len(strides)))

    pyramid = Pyramid(levels, strides, canonical_size=64)
    assert pyramid.side == SIDE
    ours = pool_regions(pyramid.canvas, pyramid.place(boxes), 5, samples=samples)
    options = {"output_size": (5, 5), "sampling_ratio": samples, "aligned": True}
    each = torch.stack([roi_align(level, numbered(boxes), spatial_scale=1 / stride, **options) for level, stride in zip(levels, strides)])
    theirs = each[level_of, torch.arange(len(level_of))]
    assert_close(with_gradient(ours, levels), with_gradient(theirs, levels))


def test_a_single_level_is_its_own_canvas() -> None:
    level = torch.randn(1, 2, 16, 16)
    pyramid = Pyramid([level], (8,), canonical_size=224)
    assert pyramid.canvas is level
    assert pyramid.side == SIDE
    assert pyramid.place(torch.tensor([[[8.0, 16, 24, 64]]])).tolist() == [[[1, 2, 3, 8]]]


def test_points_are_interpolated_between_the_centres_of_cells() -> None:
    features = torch.tensor([[[[0.0, 10, 20], [100, 110, 120]]], [[[1.0, 1, 1], [3, 3, 3]]]])  # (2, 1, 2, 3)
    position_xy = torch.tensor(
        [[[0.5, 0.5], [1.0, 0.5], [2.25, 1.25], [0.0, 0.0], [3.0, 2.0]], [[0.1, 1.0], [0, 0.75], [1, 1], [2, 2], [3, 0]]]
    )
    expected = [[0, 5, 17.5 + 75, 0, 120], [2, 1.5, 2, 3, 1]]
    assert torch.allclose(sample_points(features, position_xy)[..., 0], torch.tensor(expected), atol=1e-4)


def test_points_are_what_a_region_of_a_cell_pools() -> None:
    features, position = torch.randn(2, 4, 6, 7), torch.rand(2, 9, 2) * 5 + 0.5
    boxes = torch.cat((position - 0.3, position + 0.3), dim=-1)
    pooled = pool_regions(features, boxes, 1, samples=1).reshape(2, 9, 4)
    assert torch.allclose(sample_points(features, position), pooled, atol=1e-5)
