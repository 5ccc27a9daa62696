"""The three rules on hand-made scores, and what all of them keep to."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from amodalsynth.baselines.labels import LabelCodec
from amodalsynth.baselines.postprocess import Detections, select_detections
from tests.baseline_strategies import TINY, random_boxes

CODEC = LabelCodec("product", 2, 3)
BOXES = torch.tensor([[[0.0, 0, 10, 10], [1, 0, 11, 10], [40, 40, 60, 60]]])  # the first two overlap by 9 / 11
THERE = torch.ones(1, 3, dtype=torch.bool)
#                        category 0            category 1
SCORES = torch.tensor([[[0.50, 0.40, 0.00, 0.00, 0.10, 0.00], [0.10, 0.60, 0.00, 0.00, 0.0, 0.00], [0.00, 0.00, 0.00, 0.00, 0.15, 0.70]]])


def select(
    rule: str, *, scores: Tensor = SCORES, there: Tensor = THERE, codec: LabelCodec = CODEC, layers: Tensor | None = None
) -> Detections:
    config = replace(TINY, postprocess=rule, detections=6, score_threshold=0.05, box_nms=0.5, soft_sigma=0.5)
    return select_detections(BOXES, there, scores, layers, codec, config)


def rows(found: Detections) -> list[tuple[int, int, int, float]]:
    """(number of the box, category, layer, score) of each detection of the first image."""
    number = int((found.score[0] > 0).sum())
    assert (found.score[0, number:] == 0).all()
    assert (found.score[0].diff() <= 0).all()
    assert torch.equal(found.label[0, :number], CODEC.encode(found.category, found.layer)[0, :number])
    boxes = [BOXES[0].tolist().index(box) for box in found.box[0, :number].tolist()]
    return list(zip(boxes, found.category[0].tolist(), found.layer[0].tolist(), [round(score, 4) for score in found.score[0].tolist()]))


def test_the_paper_suppresses_within_a_pair() -> None:
    """So the two layers of category 0 both stay, one of them from either box: duplicates, once the layer is dropped."""
    assert rows(select("paper")) == [(2, 1, 2, 0.7), (1, 0, 1, 0.6), (0, 0, 0, 0.5), (2, 1, 1, 0.15), (0, 1, 1, 0.1)]


def test_marginal_scores_leave_one_box_a_category() -> None:
    assert rows(select("marginal")) == [(0, 0, 0, 0.9), (2, 1, 2, 0.85), (0, 1, 1, 0.1)]


def test_soft_suppression_lowers_the_other_box() -> None:
    decay = math.exp(-((9 / 11) ** 2) / 0.5)
    assert rows(select("soft")) == [(0, 0, 0, 0.9), (2, 1, 2, 0.85), (1, 0, 1, round(0.7 * decay, 4)), (0, 1, 1, 0.1)]


@pytest.mark.parametrize("rule", ["paper", "marginal", "soft"])
def test_a_factorised_layer_is_the_likeliest(rule: str) -> None:
    scores = torch.tensor([[[0.8, 0.0], [0.0, 0.6], [0.0, 0.7]]])
    layers = torch.tensor([[[0.2, 0.7, 0.1], [0.1, 0.1, 0.8], [0.6, 0.2, 0.2]]])
    found = select(rule, scores=scores, codec=LabelCodec("factor", 2, 3), layers=layers)
    assert found.category[0, :3].tolist() == found.label[0, :3].tolist() == [0, 1, 1]
    assert found.layer[0, :3].tolist() == [1, 0, 2]


@pytest.mark.parametrize("rule", ["paper", "marginal", "soft"])
def test_without_layers_none_is_told(rule: str) -> None:
    found = select(rule, scores=torch.tensor([[[0.8, 0.0], [0.0, 0.6], [0.0, 0.7]]]), codec=LabelCodec("none", 2, 3))
    assert found.label[0, :3].tolist() == [0, 1, 1]
    assert found.layer[0, :3].tolist() == [-1, -1, -1]


@pytest.mark.parametrize("rule", ["paper", "marginal", "soft"])
def test_nothing_is_found(rule: str) -> None:
    for found in (select(rule, there=~THERE), select(rule, scores=SCORES * 0.01)):
        assert rows(found) == []
        assert found.box.shape == (1, 6, 4)
        assert found.score.isfinite().all()
        assert ((found.label >= 0) & (found.label < 6)).all()
    lone = select(rule, there=torch.tensor([[False, False, True]]))
    assert {box for box, *_ in rows(lone)} == {2}


@given(st.integers(0, 2**16), st.integers(1, 40), st.integers(1, 12), st.sampled_from(("paper", "marginal", "soft")))
@settings(deadline=None, max_examples=40)
def test_images_do_not_depend_on_each_other(seed: int, count: int, detections: int, rule: str) -> None:
    boxes = random_boxes(3, count, 40.0, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(3, count, 7, generator=generator).softmax(dim=-1)[..., :-1]
    there = torch.rand(3, count, generator=generator) > 0.3
    config = replace(TINY, postprocess=rule, detections=detections, score_threshold=0.14)
    found = select_detections(boxes, there, scores, None, CODEC, config)
    assert found.score.shape[1] <= detections
    for b in range(3):
        alone = select_detections(boxes[b : b + 1], there[b : b + 1], scores[b : b + 1], None, CODEC, config)
        number = int((alone.score > 0).sum())
        for name in ("box", "category", "layer", "label"):
            assert torch.equal(getattr(found, name)[b, :number], getattr(alone, name)[0, :number])
        assert torch.allclose(found.score[b], alone.score[0])
