"""The implicit point head: its networks, its losses at points, and the subdivision against a dense evaluation."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from amodalsynth.baselines.batch import EMPTY, Batch
from amodalsynth.baselines.cascade import Regions, match
from amodalsynth.baselines.config import MethodConfig
from amodalsynth.baselines.labels import LabelCodec
from amodalsynth.baselines.point_head import INITIAL_SIDE, ImplicitPointHead, cell_centres
from amodalsynth.baselines.pooling import pool_regions, sample_points
from tests.baseline_strategies import NUM_CATEGORIES, TINY, assert_pinned, gradients, random_batch, random_boxes, stirred, with_empty_slots

SPECIFIC = replace(TINY, category_agnostic=False)


def head_of(config: MethodConfig = TINY) -> ImplicitPointHead:
    torch.manual_seed(4)  # the frequencies of the encoding
    return stirred(ImplicitPointHead(config, LabelCodec(config.layers, NUM_CATEGORIES, config.num_layers)))


def features_of() -> Tensor:
    """P2 of two frames, smooth, so that masks have shapes."""
    coarse = torch.randn(2, TINY.fpn_channels, 5, 5, generator=torch.Generator().manual_seed(5))
    return functional.interpolate(coarse, size=(16, 16), mode="bicubic")


def regions_of(batch: Batch, count: int = 8) -> Regions:
    """Boxes around the instances, three of four of them positive."""
    generator = torch.Generator().manual_seed(6)
    near = batch.box[:, torch.arange(count) % 3]
    regions = match((near + torch.randn(near.shape, generator=generator) * 2).clamp(0, 64), torch.ones(2, count), batch, 0.0)
    return replace(regions, positive=(torch.arange(count) % 4 < 3).expand(2, -1))


def test_the_generated_networks_are_what_the_paper_has() -> None:
    """275,762 weights for 10 categories and 5 layers (shared/facts/model.md, 1.2: of detectron2's implicit PointRend)."""
    paper = MethodConfig(name="paper", parameter_channels=1)
    assert ImplicitPointHead(paper, LabelCodec("product", 10, 5)).parameters_of_region.out_features == 275_762
    agnostic = replace(paper, category_agnostic=True)
    assert ImplicitPointHead(agnostic, LabelCodec("product", 10, 5)).parameters_of_region.out_features == 263_169


def test_the_split_first_layer_is_that_of_the_concatenation() -> None:
    head = head_of(SPECIFIC)
    boxes = random_boxes(2, 3, 64.0, seed=0, smallest=8.0)
    parameters = head.generate(features_of(), boxes)
    assert parameters.shape == (6, head.parameters_of_region.out_features)
    position, features = torch.randn(6, 9, TINY.position_channels), torch.randn(6, 9, TINY.fpn_channels)
    expected = []
    for r in range(6):
        values, rest = torch.cat((position[r], features[r]), dim=1), parameters[r]
        for k, (after, before) in enumerate(head.shapes):
            weight, bias, rest = rest.split((after * before, after, len(rest) - after * before - after))
            values = functional.linear(functional.relu(values) if k else values, weight.reshape(after, before), bias)
        assert not len(rest)
        expected.append(values)
    logits = head.answer(parameters, position, features)
    assert logits.shape == (6, 9, NUM_CATEGORIES * 3)
    assert torch.allclose(logits, torch.stack(expected), atol=1e-4)
    shared = head.answer(parameters, position[:1], features)  # one encoding for all regions
    assert torch.allclose(shared, head.answer(parameters, position[:1].expand(6, -1, -1), features), atol=1e-4)


def test_positions_are_encoded_as_sines_and_cosines() -> None:
    head = head_of()
    encoded = head.encode(torch.tensor([[0.5, 0.5], [0.7, 0.2]]))
    half = TINY.position_channels // 2
    assert encoded[0].tolist() == [0.0] * half + [1.0] * half  # the middle of the box is the origin
    angle = 2 * torch.pi * (0.4 * head.frequencies[0] - 0.6 * head.frequencies[1])
    assert torch.allclose(encoded[1], torch.cat((angle.sin(), angle.cos())), atol=1e-5)
    assert "frequencies" in head.state_dict()
    assert not any(name == "frequencies" for name, _ in head.named_parameters())


def test_a_grid_is_given_row_by_row() -> None:
    assert cell_centres(2, "cpu").tolist() == [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]


PINNED = {
    ("product", True): {"points": 0.413177, "weights": 5.41255e-07},
    ("product", False): {"points": 0.467977, "weights": 5.50767e-07},
    ("factor", False): {"points": 0.367918, "weights": 5.3957e-07},
}


@pytest.mark.parametrize(("layers", "category_agnostic"), PINNED)
def test_losses(layers: str, category_agnostic: bool) -> None:
    head, batch = head_of(replace(TINY, layers=layers, category_agnostic=category_agnostic)), random_batch()
    regions, features = regions_of(batch), features_of()
    losses = head.losses(features, regions.box, regions, batch)
    assert_pinned(losses, PINNED[layers, category_agnostic])
    assert torch.allclose(slow_point_loss(head, features, regions, batch), losses["points"], rtol=1e-4)
    parameters = head.generate(features, regions.box)[regions.positive.flatten()]
    assert torch.isclose(losses["weights"], 1e-5 * parameters.square().mean())
    expected = gradients(head, sum(losses.values()))
    again = head.losses(features, regions.box, regions, with_empty_slots(batch, 2))
    assert again == losses
    found = gradients(head, sum(again.values()))
    assert all(torch.equal(found[name], gradient) for name, gradient in expected.items())


def slow_point_loss(head: ImplicitPointHead, features: Tensor, regions: Regions, batch: Batch) -> Tensor:
    """The mean over all points of the positive regions, one point at a time; ignored points add nothing."""
    total, number = torch.zeros(()), 0
    for b in range(2):
        for n in regions.positive[b].nonzero()[:, 0]:
            box, owner = regions.box[b, n], regions.owner[b, n]
            parameters = head.generate(features[b : b + 1], box[None, None])
            label = head.codec.encode(batch.category[b, owner], batch.layer[b, owner])
            for xy, wanted in zip(batch.point_xy[b, owner], batch.point_label[b, owner]):
                number += 1
                inside = (xy - box[:2]) / (box[2:] - box[:2])
                if wanted == EMPTY or not ((inside >= 0) & (inside <= 1)).all():
                    continue
                logits = head.answer(parameters, head.encode(inside)[None, None], sample_points(features[b : b + 1], xy[None, None] / 4))
                logit = logits[0, 0, 0 if logits.shape[-1] == 1 else label]
                total = total + functional.binary_cross_entropy_with_logits(logit, wanted.float())
    return total / number


def test_what_is_to_be_ignored_changes_nothing() -> None:
    head, batch, features = head_of(), random_batch(), features_of()
    regions = regions_of(batch)
    inside = (batch.point_xy >= batch.box[:, :, None, :2]) & (batch.point_xy <= batch.box[:, :, None, 2:])
    assert inside.all()
    tight = replace(regions, box=batch.box[0, regions.owner[0]].expand(2, -1, -1).clone())
    tight.box[..., 2] -= 6  # some points now lie outside
    expected = gradients(head, sum(head.losses(features, tight.box, tight, batch).values()))
    outside = (batch.point_xy[..., None, :] >= tight.box[:, None, None, :, 2:]).any(dim=-1).all(dim=-1)
    ignored = (batch.point_label == EMPTY) | outside
    assert outside.any() and (batch.point_label == EMPTY).any() and not ignored.all()
    moved = torch.where(ignored[..., None], torch.full_like(batch.point_xy, -9.0), batch.point_xy)
    other = replace(batch, point_xy=moved, point_label=torch.where(outside, 1 - batch.point_label.abs(), batch.point_label))
    found = gradients(head, sum(head.losses(features, tight.box, tight, other).values()))
    assert all(torch.equal(found[name], gradient) for name, gradient in expected.items())
    one = replace(batch, point_label=torch.where(ignored, EMPTY, 1 - batch.point_label).to(torch.int8))
    assert any(
        not torch.equal(found[name], value)
        for name, value in gradients(head, head.losses(features, tight.box, tight, one)["points"]).items()
    )


def test_nothing_positive_is_no_loss() -> None:
    head, batch = head_of(), random_batch()
    regions = regions_of(batch)
    losses = head.losses(features_of(), regions.box, replace(regions, positive=torch.zeros_like(regions.positive)), batch)
    assert losses == {"points": 0, "weights": 0}


def test_fewer_boxes_than_regions() -> None:
    """The head is trained in the first regions only, which are the positive ones."""
    head, batch, features = head_of(), random_batch(), features_of()
    regions = replace(regions_of(batch), positive=(torch.arange(8) < 5).expand(2, -1))
    some = head.losses(features, regions.box[:, :5], regions, batch)
    for name, loss in head.losses(features, regions.box, regions, batch).items():
        assert torch.isclose(some[name], loss)


def dense(head: ImplicitPointHead, features: Tensor, boxes: Tensor, labels: Tensor, side: int) -> Tensor:
    """Mask logits (B * N, side, side): the networks asked about every cell of the grid, the label's output taken."""
    grid = pool_regions(features, boxes / 4, side, samples=1).flatten(2).transpose(1, 2)
    logits = head.answer(head.generate(features, boxes), head.encode(cell_centres(side, "cpu"))[None], grid)
    label = torch.zeros_like(labels) if logits.shape[-1] == 1 else labels
    return torch.stack([of_region[:, k] for of_region, k in zip(logits, label.flatten())]).unflatten(1, (side, side))


@torch.no_grad()
@pytest.mark.parametrize("config", [TINY, SPECIFIC], ids=["agnostic", "specific"])
def test_subdivision_is_a_dense_evaluation_where_it_asks_again(config: MethodConfig) -> None:
    head, features = head_of(config), features_of()
    head.frequencies *= 0.2  # a smooth encoding, so that borders are lines
    boxes = random_boxes(2, 3, 64.0, seed=1, smallest=16.0)
    labels = torch.tensor([[0, 5, 2], [1, 3, 4]])
    masks = []
    for subdivisions in range(4):
        head.config = replace(config, subdivisions=subdivisions)
        masks.append(head(features, boxes, labels))
        side = INITIAL_SIDE * 2**subdivisions
        assert masks[-1].shape == (6, side, side)
    assert torch.allclose(masks[0], dense(head, features, boxes, labels, INITIAL_SIDE), atol=1e-3)
    for coarse, fine in pairwise(masks):
        every = dense(head, features, boxes, labels, fine.shape[1])
        between = functional.interpolate(coarse[:, None], scale_factor=2.0, mode="bilinear")[:, 0]
        again = between.abs().flatten(1).argsort(dim=1)[:, : INITIAL_SIDE**2]
        assert torch.allclose(fine.flatten(1).gather(1, again), every.flatten(1).gather(1, again), atol=1e-3)
        kept = torch.ones_like(fine.flatten(1), dtype=torch.bool).scatter(1, again, False)
        assert torch.equal(fine.flatten(1)[kept], between.flatten(1)[kept])
        assert ((fine > 0) == (every > 0)).float().mean() > 0.98
        assert 0.1 < (every > 0).float().mean() < 0.9


def test_the_output_of_the_label_is_taken() -> None:
    head, features, boxes = head_of(SPECIFIC), features_of(), random_boxes(2, 1, 64.0, seed=1, smallest=16.0)
    masks = [head(features, boxes, torch.full((2, 1), label)) for label in range(6)]
    assert all(not torch.allclose(masks[0], mask, atol=0.01) for mask in masks[1:])
    agnostic = head_of()
    assert torch.equal(agnostic(features, boxes, torch.zeros(2, 1, dtype=torch.int64)), agnostic(features, boxes, torch.full((2, 1), 5)))
