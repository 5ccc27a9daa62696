"""Boxes agree with torchvision's operators, one image at a time, and Soft-NMS with a plain loop."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.models.detection._utils import BoxCoder
from torchvision.ops import batched_nms, nms
from torchvision.ops import box_iou as iou_of_torchvision

from amodalsynth.baselines.boxes import box_area, box_iou, decode_boxes, encode_boxes, soft_suppress, suppress, take
from tests.baseline_strategies import random_boxes


@st.composite
def crowds(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes (B, N, 4) on a coarse grid, some of them empty, scores (B, N) with ties and slots without a box, groups (B, N)."""
    num_images, count, side = draw(st.integers(1, 3)), draw(st.integers(1, 60)), draw(st.sampled_from((4, 10, 40)))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    corners = torch.randint(side + 1, (num_images, count, 2, 2), generator=generator).sort(dim=2).values
    scores = torch.randint(draw(st.sampled_from((3, 1000))), (num_images, count), generator=generator) / 1000
    there = torch.rand(num_images, count, generator=generator) > draw(st.sampled_from((0.0, 0.3, 1.0)))
    groups = torch.randint(draw(st.integers(1, 4)), (num_images, count), generator=generator)
    return corners.flatten(2).float(), scores.masked_fill(~there, -torch.inf), groups


@given(st.integers(1, 3), st.integers(1, 8), st.integers(1, 8), st.integers(0, 2**16))
@settings(deadline=None)
def test_overlap_is_torchvisions(num_images: int, n: int, m: int, seed: int) -> None:
    a, b = random_boxes(num_images, n, 50.0, seed=seed), random_boxes(num_images, m, 50.0, seed=seed + 1)
    expected = torch.stack([iou_of_torchvision(*pair) for pair in zip(a, b)])
    assert torch.allclose(box_iou(a, b), expected, atol=1e-6)
    assert torch.allclose(box_iou(a, b[:1]), torch.stack([iou_of_torchvision(boxes, b[0]) for boxes in a]), atol=1e-6)


def test_an_empty_box_overlaps_nothing() -> None:
    boxes = torch.tensor([[[0.0, 0, 0, 0], [3, 3, 3, 9], [5, 5, 2, 2], [0, 0, 9, 9]]])
    assert box_area(boxes).tolist() == [[0, 0, 0, 81]]
    assert box_iou(boxes, boxes).tolist() == torch.diag(torch.tensor([0.0, 0, 0, 1]))[None].tolist()


@pytest.mark.parametrize("weights", [(1.0, 1.0), (10.0, 5.0), (30.0, 15.0)])
def test_coding_is_torchvisions(weights: tuple[float, float]) -> None:
    coder = BoxCoder((weights[0],) * 2 + (weights[1],) * 2)
    boxes, reference = (random_boxes(2, 30, 200.0, seed=seed, smallest=4.0) for seed in (0, 1))
    deltas = encode_boxes(boxes, reference, weights)
    assert torch.allclose(deltas.flatten(0, 1), coder.encode_single(boxes.flatten(0, 1), reference.flatten(0, 1)), atol=1e-4)
    noise = torch.randn(2, 30, 4, generator=torch.Generator().manual_seed(2)) * 30
    decoded = coder.decode_single(noise.flatten(0, 1), reference.flatten(0, 1)).clamp(0, 200)
    assert torch.allclose(decode_boxes(noise, reference, weights, 200.0).flatten(0, 1), decoded, rtol=1e-5, atol=1e-3)
    assert torch.allclose(decode_boxes(deltas, reference, weights, 200.0), boxes, atol=1e-3)


def test_decoding_is_bounded() -> None:
    reference = torch.tensor([[100.0, 100, 116, 116]])
    wide = decode_boxes(torch.tensor([[0.0, 0, 99, 0]]), reference, (1.0, 1.0), 2000.0)
    assert torch.allclose(wide[0, 2] - wide[0, 0], torch.tensor(108 + 500.0))  # 1000 / 16 times as wide, and clipped on the left
    assert decode_boxes(torch.tensor([[99.0, 0, 0, 0]]), reference, (1.0, 1.0), 200.0).tolist() == [[200, 100, 200, 116]]
    assert encode_boxes(torch.zeros(4), reference[0], (1.0, 1.0)).isfinite().all()


@given(crowds(), st.sampled_from((0.25, 0.5, 0.75)))
@settings(deadline=None)
def test_suppression_is_torchvisions(crowd: tuple[Tensor, Tensor, Tensor], threshold: float) -> None:
    boxes, scores, groups = crowd
    for grouped, kept in ((False, suppress(boxes, scores, None, threshold)), (True, suppress(boxes, scores, groups, threshold))):
        assert kept.dtype == torch.bool
        for b in range(len(boxes)):
            there = (scores[b] > -torch.inf).nonzero()[:, 0]
            of_image = boxes[b, there], scores[b, there]
            index = batched_nms(*of_image, groups[b, there], threshold) if grouped else nms(*of_image, threshold)
            assert set(there[index].tolist()) == set(kept[b].nonzero()[:, 0].tolist())


@pytest.mark.parametrize("count", [12, 60])
def test_a_chain_is_settled_link_by_link(count: int) -> None:
    """Each box goes only if the one before it stays, so the last can be told only after all the others."""
    x = torch.arange(count, dtype=torch.float32)
    boxes = torch.stack((x * 10, torch.zeros(count), x * 10 + 30, torch.full((count,), 5.0)), dim=-1)[None]
    scores = torch.linspace(1, 0.5, count)[None]
    assert suppress(boxes, scores, None, 0.4)[0].tolist() == [k % 2 == 0 for k in range(count)]


def slow_soft_nms(boxes: Tensor, scores: Tensor, groups: Tensor, sigma: float) -> list[tuple[int, float]]:
    """Soft-NMS of one image, as Bodla et al. write it."""
    remaining = {i: score for i, score in enumerate(scores.tolist()) if score > -math.inf}
    overlap = iou_of_torchvision(boxes, boxes).nan_to_num(0).tolist()
    taken = []
    while remaining:
        best = max(remaining, key=lambda i: (remaining[i], -i))
        taken.append((best, remaining.pop(best)))
        for i in remaining:
            if groups[i] == groups[best]:
                remaining[i] *= math.exp(-(overlap[best][i] ** 2) / sigma)
    return taken


@given(crowds(), st.sampled_from((0.005, 0.3, 0.5)), st.integers(1, 70))
@example((random_boxes(1, 9, 10.0, seed=0)[:, [0] * 9], torch.rand(1, 9), torch.zeros(1, 9, dtype=torch.int64)), 0.001, 9)
@settings(deadline=None)
def test_soft_suppression_is_a_plain_loop(crowd: tuple[Tensor, Tensor, Tensor], sigma: float, count: int) -> None:
    boxes, scores, groups = crowd
    index, decayed = soft_suppress(boxes, scores, groups, sigma=sigma, count=count)
    assert index.shape == decayed.shape == (len(boxes), min(count, boxes.shape[1]))
    for b in range(len(boxes)):
        expected = torch.tensor([score for _, score in slow_soft_nms(boxes[b], scores[b], groups[b], sigma)][:count])
        assert torch.allclose(decayed[b, : len(expected)], expected, atol=1e-6)
        assert (decayed[b, len(expected) :] == -torch.inf).all()
        assert len(set(index[b, : len(expected)].tolist())) == len(expected)


def test_soft_suppression_takes_the_same_boxes_as_a_loop() -> None:
    boxes, scores = random_boxes(1, 40, 30.0, seed=3), torch.rand(1, 40, generator=torch.Generator().manual_seed(3))
    groups = torch.arange(40)[None] % 2
    index, _ = soft_suppress(boxes, scores, groups, sigma=0.5, count=40)
    assert index[0].tolist() == [i for i, _ in slow_soft_nms(boxes[0], scores[0], groups[0], 0.5)]


def test_take() -> None:
    values = torch.arange(24).reshape(2, 3, 2, 2)
    index = torch.tensor([[2, 0], [1, 1]])
    assert take(values, index).tolist() == [values[0, [2, 0]].tolist(), values[1, [1, 1]].tolist()]
    assert take(values[..., 0, 0], index).tolist() == [[8, 0], [16, 16]]
