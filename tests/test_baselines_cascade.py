"""The cascade of box heads: which regions it is trained on, its losses in every mode, and its mean scores."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional
from torchvision.ops import box_iou

from amodalsynth.baselines import cascade
from amodalsynth.baselines.batch import EMPTY, Batch
from amodalsynth.baselines.boxes import decode_boxes, encode_boxes
from amodalsynth.baselines.cascade import STAGE_WEIGHTS, CascadeHeads, match, sample_regions
from amodalsynth.baselines.config import MethodConfig
from amodalsynth.baselines.labels import LabelCodec
from amodalsynth.baselines.pooling import Pyramid, pool_regions
from tests.baseline_strategies import NUM_CATEGORIES, TINY, assert_pinned, gradients, random_batch, random_boxes, stirred, with_empty_slots

ALL = replace(TINY, rois=60, roi_positives=60)  # as many regions as there are candidates, so nothing is left to chance


def heads(config: MethodConfig) -> CascadeHeads:
    return stirred(CascadeHeads(config, LabelCodec(config.layers, NUM_CATEGORIES, config.num_layers)))


def pyramid_of(*, requires_grad: bool = False) -> Pyramid:
    generator = torch.Generator().manual_seed(5)
    return Pyramid([torch.randn(2, 16, 16, 16, generator=generator, requires_grad=requires_grad)], (4,), canonical_size=224.0)


def proposals_of(batch: Batch, count: int = 24) -> tuple[Tensor, Tensor]:
    """Boxes (B, N, 4), half of them close to an instance, and which of the slots hold one."""
    boxes = random_boxes(len(batch), count, 64.0, seed=7, smallest=4.0)
    generator = torch.Generator().manual_seed(8)
    near = batch.box[:, torch.arange(count // 2) % max(int((batch.category[0] >= 0).sum()), 1)]
    boxes[:, : count // 2] = (near + torch.randn(near.shape, generator=generator) * 2).clamp(0, 64)
    return boxes, torch.arange(count).expand(len(batch), -1) % 5 > 0


@given(st.integers(0, 2**16), st.integers(0, 4), st.sampled_from((2, 10, 60)), st.sampled_from((1, 2, 8)))
@settings(deadline=None, max_examples=40)
def test_sampled_regions(seed: int, count: int, rois: int, roi_positives: int) -> None:
    batch = random_batch(count=count, num_empty=2, seed=seed)
    boxes, there = proposals_of(batch)
    torch.manual_seed(seed)
    config = replace(TINY, rois=rois, roi_positives=min(rois, roi_positives), cascade_ious=(0.5,))
    regions = sample_regions(boxes, there, batch, config)
    number = min(rois, 24 + count + 2)
    assert regions.box.shape == (2, number, 4)
    for b in range(2):
        candidates = torch.cat((boxes[b, there[b]], batch.box[b, :count]))
        overlap = box_iou(candidates, batch.box[b, :count]).max(dim=1).values if count else torch.zeros(len(candidates))
        num_positive = min(int((overlap >= 0.5).sum()), config.roi_positives)
        num_negative = min(int((overlap < 0.5).sum()), number - num_positive)
        positive, weight = regions.positive[b], regions.weight[b]
        assert positive.tolist() == [k < num_positive for k in range(number)]
        assert weight.tolist() == [float(k < num_positive + num_negative) for k in range(number)]
        sampled = regions.box[b, weight > 0]
        source = (sampled[:, None] == candidates).all(dim=2)
        assert source.any(dim=1).all()
        assert len(sampled.unique(dim=0)) == len(sampled)
        if num_positive:
            overlap = box_iou(regions.box[b, :num_positive], batch.box[b, :count])
            assert torch.equal(overlap.gather(1, regions.owner[b, :num_positive, None])[:, 0], overlap.amax(dim=1))
        if rois == 60 and num_positive < config.roi_positives:  # all are taken, and the ground truth itself is among them
            assert (regions.box[b, :num_positive, None] == batch.box[b, :count]).all(dim=2).any(dim=0).all()


def test_matching_takes_the_closest_instance() -> None:
    batch = replace(
        random_batch(num_images=1, count=2, num_empty=1),
        box=torch.tensor([[[0.0, 0, 10, 10], [20, 0, 30, 10], [0, 0, 0, 0]]]),
    )
    boxes = torch.tensor([[[0.0, 0, 10, 6], [22, 0, 30, 10], [0, 0, 10, 5], [40, 40, 50, 50], [0, 0, 10, 10]]])
    regions = match(boxes, torch.tensor([[1.0, 1, 1, 1, 0]]), batch, 0.5)
    assert regions.owner[0, :3].tolist() == [0, 1, 0]
    assert regions.positive.tolist() == [[True, True, True, False, False]]
    assert match(boxes, regions.weight, batch, 0.6).positive.tolist() == [[True, True, False, False, False]]
    assert not match(boxes, regions.weight, replace(batch, category=torch.full((1, 3), EMPTY)), 0.01).positive.any()


_LAYERLESS = {"stage1_label": 1.0404, "stage1_box": 1.50998}
_PAIRS = {"stage1_label": 1.80186, "stage1_box": 1.62812}
PINNED = {
    ("none", (0.5,)): _LAYERLESS,
    ("product", (0.5,)): _PAIRS,
    ("product", (0.5, 0.6, 0.7)): _PAIRS | {"stage2_label": 1.93732, "stage2_box": 1.99233, "stage3_label": 1.91274, "stage3_box": 2.50299},
    ("factor", (0.5, 0.6, 0.7)): _LAYERLESS
    | {"stage1_layer": 0.733207, "stage2_label": 1.16458, "stage2_box": 1.91133, "stage2_layer": 0.565984}
    | {"stage3_label": 1.19747, "stage3_box": 2.39591, "stage3_layer": 0.644908},
}


@pytest.mark.parametrize(("layers", "cascade_ious"), PINNED)
def test_losses(layers: str, cascade_ious: tuple[float, ...]) -> None:
    model = heads(replace(ALL, layers=layers, cascade_ious=cascade_ious))
    batch, pyramid = random_batch(), pyramid_of()
    boxes, there = proposals_of(batch)
    losses, regions, refined = model.losses(pyramid, boxes, there, batch)
    assert_pinned(losses, PINNED[layers, cascade_ious])
    assert refined.shape == regions.box.shape
    assert not refined.requires_grad
    expected = gradients(model, sum(losses.values()))

    # neither a slot without an instance nor one without a proposal, whatever box stands there, changes anything
    strange = random_boxes(2, 9, 64.0, seed=11)
    more = (torch.cat((strange, boxes), dim=1), torch.cat((torch.zeros(2, 9, dtype=torch.bool), there), dim=1))
    again, _, _ = model.losses(pyramid, *more, with_empty_slots(batch, 2))
    for name, loss in losses.items():
        assert torch.isclose(again[name], loss, rtol=1e-5), name
    for name, gradient in gradients(model, sum(again.values())).items():
        assert torch.allclose(gradient, expected[name], rtol=1e-4, atol=1e-6), name


def test_each_stage_starts_from_the_boxes_of_the_one_before() -> None:
    """Written out once: matched again, never sampled again, at a higher overlap and with deltas in a finer unit."""
    config = replace(ALL, layers="factor")
    model, batch, pyramid = heads(config), random_batch(num_empty=0), pyramid_of()
    boxes, there = proposals_of(batch)
    torch.manual_seed(0)
    losses, regions, refined = model.losses(pyramid, boxes, there, batch)
    boxes, weight = regions.box, regions.weight
    for t, (head, threshold) in enumerate(zip(model.stages, config.cascade_ious)):
        label_logits, deltas, layer_logits = head(pool_regions(pyramid.canvas, boxes / 4, config.box_bins))
        sums = dict.fromkeys(("label", "box", "layer"), torch.zeros(()))
        for b in range(2):
            overlap, owner = box_iou(boxes[b], batch.box[b]).max(dim=1)
            for n in weight[b].nonzero()[:, 0]:
                own, row = owner[n], b * boxes.shape[1] + n
                positive = overlap[n] >= threshold
                category = batch.category[b, own] if positive else torch.tensor(NUM_CATEGORIES)
                sums["label"] = sums["label"] + functional.cross_entropy(label_logits[row], category)
                if positive:
                    target = encode_boxes(batch.box[b, own], boxes[b, n], STAGE_WEIGHTS[t])
                    sums["box"] = sums["box"] + (deltas[row] - target).abs().sum()
                    sums["layer"] = sums["layer"] + functional.cross_entropy(layer_logits[row], batch.layer[b, own])
        for name, value in sums.items():
            assert torch.isclose(losses[f"stage{t + 1}_{name}"], value / weight.sum(), rtol=1e-4)
        boxes = decode_boxes(deltas.unflatten(0, boxes.shape[:2]).detach(), boxes, STAGE_WEIGHTS[t], 64.0)
        weight = weight * ((boxes[..., 2:] - boxes[..., :2]).prod(dim=-1) > 1e-3)
    assert torch.allclose(refined, boxes, atol=1e-3)


def test_unknown_layers_are_not_learned() -> None:
    model = heads(replace(ALL, layers="factor"))
    batch = random_batch()
    losses, _, _ = model.losses(pyramid_of(), *proposals_of(batch), replace(batch, layer=torch.full_like(batch.layer, EMPTY)))
    assert all((losses[name] == 0) == name.endswith("layer") for name in losses)


def test_an_image_without_instances_is_background() -> None:
    model = heads(ALL)
    batch = random_batch(count=0, num_empty=2)
    losses, regions, _ = model.losses(pyramid_of(), *proposals_of(batch), batch)
    assert not regions.positive.any()
    assert all((losses[name] == 0) == name.endswith("box") for name in losses)
    nothing, _, _ = model.losses(pyramid_of(), proposals_of(batch)[0], torch.zeros(2, 24, dtype=torch.bool), batch)
    assert all(loss == 0 for loss in nothing.values())


def test_the_features_gradient_is_shared_by_the_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = heads(ALL), random_batch()
    found = []
    for _ in range(2):
        pyramid = pyramid_of(requires_grad=True)
        losses, _, _ = model.losses(pyramid, *proposals_of(batch), batch)
        found.append(torch.autograd.grad(sum(losses.values()), pyramid.canvas)[0])
        monkeypatch.setattr(cascade, "_scale_gradient", lambda value, scale: value)
    assert torch.allclose(found[0] * 3, found[1], rtol=1e-3, atol=1e-6)
    assert found[0].any()


@pytest.mark.parametrize("layers", ["none", "product", "factor"])
def test_scores_are_means_over_the_stages(layers: str) -> None:
    model, pyramid = heads(replace(TINY, layers=layers)).eval(), pyramid_of()
    start = random_boxes(2, 11, 64.0, seed=3, smallest=4.0)
    boxes, label_score, layer_score = model(pyramid, start)
    num_labels = NUM_CATEGORIES * (3 if layers == "product" else 1)
    assert boxes.shape == (2, 11, 4)
    assert label_score.shape == (2, 11, num_labels)
    assert (layer_score is None) == (layers != "factor")
    expected, of_layers, current = torch.zeros(2, 11, num_labels), torch.zeros(2, 11, 3), start
    for t, head in enumerate(model.stages):
        logits, deltas, layer_logits = head(pool_regions(pyramid.canvas, current / 4, 7))
        expected += logits.softmax(dim=-1)[:, :-1].unflatten(0, (2, 11)) / 3  # the background comes last
        if layers == "factor":
            of_layers += layer_logits.softmax(dim=-1).unflatten(0, (2, 11)) / 3
        current = decode_boxes(deltas.unflatten(0, (2, 11)), current, STAGE_WEIGHTS[t], 64.0)
    assert torch.allclose(label_score, expected, atol=1e-5)
    assert torch.allclose(boxes, current, atol=1e-3)
    if layers == "factor":
        assert torch.allclose(layer_score, of_layers, atol=1e-5)


def test_regions_that_a_stage_pushes_out_of_the_frame_are_dropped() -> None:
    model, batch = heads(ALL), random_batch()
    with torch.no_grad():
        model.stages[0].deltas.weight.zero_()
        model.stages[0].deltas.bias.copy_(torch.tensor([1e4, 0, 0, 0]))
    losses, _, _ = model.losses(pyramid_of(), *proposals_of(batch), batch)
    assert {name for name, loss in losses.items() if loss > 0} == {"stage1_label", "stage1_box"}
