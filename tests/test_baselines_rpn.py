"""The proposal network: its anchors, what it is trained on, and what it proposes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.models.detection._utils import Matcher
from torchvision.ops import box_iou, nms

from amodalsynth.baselines.boxes import decode_boxes, encode_boxes
from amodalsynth.baselines.rpn import AnchorScores, ProposalNetwork
from tests.baseline_strategies import TINY, assert_pinned, gradients, random_batch, stirred, with_empty_slots

SIDE = TINY.image_size


def levels_of(seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, TINY.fpn_channels, SIDE // 2**k, SIDE // 2**k, generator=generator) for k in TINY.anchor_levels]


def network(**changes: object) -> ProposalNetwork:
    return stirred(ProposalNetwork(replace(TINY, **changes)))


def test_anchors_stand_around_the_centres_of_cells() -> None:
    scores = network()(levels_of(), SIDE)
    num_cells = [(SIDE // 2**k) ** 2 for k in TINY.anchor_levels]
    assert scores.per_level == tuple(3 * number for number in num_cells)
    assert scores.logit.shape == (2, sum(scores.per_level))
    assert scores.deltas.shape == (2, sum(scores.per_level), 4)
    for k, size, anchors in zip(TINY.anchor_levels, TINY.anchor_sizes, scores.anchors.split(scores.per_level), strict=True):
        of_cell = anchors.reshape(SIDE // 2**k, SIDE // 2**k, 3, 4)
        width, height = (of_cell[..., 2:] - of_cell[..., :2]).unbind(dim=-1)
        assert torch.allclose(width * height, torch.tensor(float(size) ** 2))
        assert torch.allclose(height / width, torch.tensor(TINY.anchor_ratios))
        x, y = ((of_cell[..., :2] + of_cell[..., 2:]) / 2).unbind(dim=-1)
        centre = (torch.arange(SIDE // 2**k) + 0.5) * 2**k
        assert torch.allclose(x, centre[None, :, None].expand_as(x), atol=1e-4)
        assert torch.allclose(y, centre[:, None, None].expand_as(y), atol=1e-4)
        mirrored = (SIDE - of_cell)[..., [2, 1, 0, 3]] * torch.tensor([1, -1, 1, -1]) + torch.tensor([0, SIDE, 0, SIDE])
        assert torch.allclose(mirrored.flip(1), of_cell, atol=1e-4)


def test_scores_belong_to_their_anchors() -> None:
    """What is seen in one cell of one level changes the scores of the anchors around it only."""
    model, levels = network(), levels_of()
    before = model(levels, SIDE)
    levels[1][0, :, 2, 3] += 1  # row 2, column 3 of P4, whose stride is 16
    after = model(levels, SIDE)
    changed = ((after.logit != before.logit) | (after.deltas != before.deltas).any(dim=-1))[0]
    centre = (before.anchors[:, :2] + before.anchors[:, 2:]) / 2
    near = ((centre - torch.tensor([56.0, 40.0])).abs() <= 16.1).all(dim=-1)
    first = before.per_level[0]
    of_level = torch.zeros_like(near)
    of_level[first : first + before.per_level[1]] = True
    assert torch.equal(changed, near & of_level)
    assert torch.equal(after.logit[1], before.logit[1])


@given(st.integers(0, 2**16), st.integers(0, 4), st.sampled_from((4, 32, 10_000)))
@settings(deadline=None, max_examples=30)
def test_sampled_anchors_are_those_of_torchvisions_matcher(seed: int, count: int, rpn_samples: int) -> None:
    model = network(rpn_samples=rpn_samples)
    anchors = model(levels_of(), SIDE).anchors
    batch = random_batch(count=count, num_empty=2, seed=seed)
    torch.manual_seed(seed)
    positive, weight, matched = model._sample(anchors, batch)
    for b in range(2):
        truth = batch.box[b, :count]
        assignment = torch.full((len(anchors),), -1)
        if count:
            assignment = Matcher(0.7, 0.3, allow_low_quality_matches=True)(box_iou(truth, anchors))
        eligible = assignment >= 0
        assert not (positive[b] & ~eligible).any()
        assert positive[b].sum() == min(eligible.sum(), rpn_samples // 2)
        negative = (weight[b] == 1) & ~positive[b]
        assert not (negative & (assignment != Matcher.BELOW_LOW_THRESHOLD)).any()
        assert negative.sum() == min((assignment == Matcher.BELOW_LOW_THRESHOLD).sum(), rpn_samples - positive[b].sum())
        assert (weight[b][positive[b]] == 1).all()
        assert torch.equal(matched[b][eligible], truth[assignment[eligible]])
        if rpn_samples == 10_000 and count:  # all that is eligible is taken, and each instance has its closest anchor
            best = box_iou(truth, anchors).max(dim=1).values
            assert all((box_iou(truth[g : g + 1], anchors[positive[b]]) == best[g]).any() for g in range(count))


def test_samples_change_from_step_to_step() -> None:
    model, batch = network(), random_batch()
    anchors = model(levels_of(), SIDE).anchors
    samples = [model._sample(anchors, batch)[1] for _ in range(2)]
    assert not torch.equal(*samples)


def test_losses_of_a_perfect_network_are_nothing() -> None:
    model, batch = network(rpn_samples=10_000), random_batch()
    scores = model(levels_of(), SIDE)
    positive, _, matched = model._sample(scores.anchors, batch)
    perfect = replace(scores, logit=(positive * 2.0 - 1) * 50, deltas=encode_boxes(matched, scores.anchors, (1.0, 1.0)))
    assert all(loss < 1e-6 for loss in model.losses(perfect, batch).values())
    shifted = replace(perfect, deltas=perfect.deltas + 0.5)
    share = positive.sum() / model._sample(scores.anchors, batch)[1].sum()
    assert torch.isclose(model.losses(shifted, batch)["rpn_box"], 4 * 0.5 * share)


def test_losses() -> None:
    model, batch = network(), random_batch()
    torch.manual_seed(0)
    losses = model.losses(model(levels_of(), SIDE), batch)
    assert_pinned(losses, {"rpn_objectness": 0.60361, "rpn_box": 0.24072})
    expected = gradients(model, sum(losses.values()))
    torch.manual_seed(0)
    again = model.losses(model(levels_of(), SIDE), with_empty_slots(batch, 3))
    assert all(torch.equal(again[name], loss) for name, loss in losses.items())
    found = gradients(model, sum(again.values()))
    assert all(torch.equal(found[name], gradient) for name, gradient in expected.items())


def test_losses_without_instances() -> None:
    model = network()
    losses = model.losses(model(levels_of(), SIDE), random_batch(count=0, num_empty=2))
    assert losses["rpn_objectness"] > 0
    assert losses["rpn_box"] == 0


def slow_proposals(model: ProposalNetwork, scores: AnchorScores, b: int, phase: int) -> tuple[Tensor, Tensor]:
    """Boxes and logits of one image, best first, level by level with torchvision's suppression."""
    config, boxes, logits = model.config, [], []
    for logit, deltas, anchors in zip(*(part.split(scores.per_level) for part in (scores.logit[b], scores.deltas[b], scores.anchors))):
        best = logit.topk(min(config.pre_nms[phase], len(logit))).indices
        box = decode_boxes(deltas[best], anchors[best], (1.0, 1.0), float(SIDE))
        real = ((box[:, 2:] - box[:, :2]) > 1e-3).all(dim=1)
        box, logit = box[real], logit[best][real]
        kept = nms(box, logit, config.rpn_nms)
        boxes.append(box[kept])
        logits.append(logit[kept])
    best = torch.cat(logits).topk(min(config.proposals[phase], sum(map(len, logits))))
    return torch.cat(boxes)[best.indices], best.values


@pytest.mark.parametrize("training", [True, False])
def test_proposals_are_the_best_of_each_level(training: bool) -> None:
    model = network(pre_nms=(40, 30), proposals=(50, 25)).train(training)
    scores = model(levels_of(), SIDE)
    scores.deltas[0, :40, :2] = 1e4  # boxes that lie outside the frame, and so are none
    boxes, there = model.propose(scores)
    assert boxes.shape == (2, 50 if training else 25, 4)
    assert ((boxes >= 0) & (boxes <= SIDE)).all()
    assert not boxes.requires_grad
    for b in range(2):
        expected, _ = slow_proposals(model, scores, b, 0 if training else 1)
        assert there[b].tolist() == [k < len(expected) for k in range(boxes.shape[1])]
        assert torch.allclose(boxes[b, : len(expected)], expected)


def test_fewer_anchors_than_proposals() -> None:
    model = network(anchor_levels=(5,), anchor_sizes=(32,), pre_nms=(500, 500), proposals=(400, 400))
    boxes, there = model.propose(model(levels_of()[2:], SIDE))
    assert boxes.shape == (2, 12, 4)
    assert there.any()


def test_a_larger_frame_has_its_own_anchors() -> None:
    model, levels = network(), levels_of()
    small = model(levels, SIDE).anchors
    large = model([level.repeat(1, 1, 2, 2) for level in levels], 2 * SIDE).anchors
    assert len(large) == 4 * len(small)
    assert torch.equal(model(levels, SIDE).anchors, small)
