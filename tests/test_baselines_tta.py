"""Test-time augmentation: views that can be undone, and a model that sees the same in all of them."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

from amodalsynth.baselines import tta
from amodalsynth.baselines.labels import LabelCodec
from amodalsynth.baselines.plin import PLIn
from amodalsynth.baselines.pooling import pool_regions
from amodalsynth.baselines.postprocess import Detections
from amodalsynth.baselines.tta import MIRRORS, View, detect_with_views, views_of
from tests.baseline_strategies import NUM_CATEGORIES, TINY, random_boxes, stirred


@pytest.mark.parametrize(("side", "larger"), [(128, 160), (256, 320), (192, 256), (512, 640)])
def test_six_views(side: int, larger: int) -> None:
    views = views_of(side)
    assert [(view.view_side, view.mirror) for view in views] == [(size, mirror) for size in (side, larger) for mirror in MIRRORS]


@pytest.mark.parametrize("view", views_of(128), ids=str)
def test_views_are_undone(view: View) -> None:
    boxes = random_boxes(2, 9, 128.0, seed=0)
    seen = view.to_view(boxes)
    assert ((seen >= 0) & (seen <= view.view_side)).all()
    assert (seen[..., 2:] > seen[..., :2]).all()
    assert torch.allclose(view.to_frame(seen), boxes, atol=1e-3)
    grid = torch.randn(2, 3, 5, 5)
    assert torch.equal(view.flip(view.flip(grid)), grid)


@pytest.mark.parametrize("view", views_of(128), ids=str)
def test_boxes_go_where_the_image_goes(view: View) -> None:
    frame = torch.full((1, 3, 128, 128), 10, dtype=torch.uint8)
    frame[..., 32:64, 16:96] = 210
    image = view.image(frame)
    assert image.dtype == torch.uint8
    assert image.shape == (1, 3, view.view_side, view.view_side)
    x0, y0, x1, y1 = view.to_view(torch.tensor([16.0, 32, 96, 64])).round().int().tolist()
    expected = torch.full_like(image, 10)
    expected[..., y0:y1, x0:x1] = 210
    assert (image.int() - expected).abs().max() <= 100  # within a pixel of an edge
    assert ((image.int() - expected).abs() > 3).float().mean() < 0.05
    if view.view_side == 128:
        assert torch.equal(image, expected)


class Onlooker:
    """In place of a model: sees exactly one bright object, its box and which part of it is brighter still."""

    def __init__(self) -> None:
        self.config, self.codec = replace(TINY, layers="none"), LabelCodec("none", 1, 3)

    def features(self, image: Tensor) -> list[Tensor]:
        return [image.float()[:, :1]]

    def scored_boxes(self, levels: list[Tensor]) -> tuple[Tensor, Tensor, Tensor, None]:
        there = levels[0][0, 0] > 50
        y, x = (there.any(dim=axis).nonzero()[:, 0] for axis in (1, 0))
        box = torch.stack((x[0], y[0], x[-1] + 1, y[-1] + 1)).float()
        return box[None, None], torch.ones(1, 1, dtype=torch.bool), torch.full((1, 1, 1), 0.9), None

    def masks(self, levels: list[Tensor], detections: Detections) -> Detections:
        inside = pool_regions(levels[0], detections.box, 8, samples=2) / 255
        return replace(detections, mask=torch.logit(inside, eps=1e-4).reshape(1, -1, 8, 8))


def test_an_equivariant_model_sees_the_same_in_all_views() -> None:
    frame = torch.zeros(1, 3, 128, 128, dtype=torch.uint8)
    frame[..., 32:64, 16:96] = 100
    frame[..., 32:48, 16:40] = 200  # the top left corner, so that no mirrored mask is the same
    model = Onlooker()
    found = detect_with_views(model, frame)
    box = torch.tensor([16.0, 32, 96, 64])
    assert (found.box[0, found.score[0] > 0] - box).abs().max() <= 1
    alone = model.masks(model.features(frame), replace(found, box=box.expand_as(found.box)))
    assert (found.mask[0, 0].sigmoid() - alone.mask[0, 0].sigmoid()).abs().mean() < 0.03
    assert (found.mask[0, 0, :3, :2].sigmoid() > 0.7).all() and (found.mask[0, 0, 5:].sigmoid() < 0.45).all()


def test_masks_are_means_of_probabilities(monkeypatch: pytest.MonkeyPatch) -> None:
    model, said = Onlooker(), iter(torch.tensor([-4.0, 3.0, 0.5, 2.0, -1.0, 9.0]))
    monkeypatch.setattr(model, "masks", lambda levels, found: replace(found, mask=torch.full((1, found.box.shape[1], 8, 8), next(said))))
    frame = torch.full((1, 3, 128, 128), 90, dtype=torch.uint8)
    mean = torch.tensor([-4.0, 3.0, 0.5, 2.0, -1.0, 9.0]).sigmoid().mean()
    assert torch.allclose(detect_with_views(model, frame).mask.sigmoid(), mean)


@pytest.mark.parametrize("layers", ["none", "product", "factor"])
@torch.no_grad()
def test_one_view_is_plain_detection(layers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = stirred(PLIn(replace(TINY, layers=layers, score_threshold=0.0), NUM_CATEGORIES)).eval()
    frames = torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(tta, "views_of", lambda side: [View(side, side, "none")])
    plain, found = model(frames), detect_with_views(model, frames)
    assert (plain.score > 0).any()
    for spec in fields(Detections):
        assert torch.allclose(getattr(found, spec.name), getattr(plain, spec.name), atol=1e-3), spec.name


@pytest.mark.parametrize("side", [64, 128, 256])
@torch.no_grad()
def test_shapes(side: int) -> None:
    model = stirred(PLIn(replace(TINY, layers="factor", score_threshold=0.0), NUM_CATEGORIES)).eval()
    found = detect_with_views(model, torch.zeros(2, 3, side, side, dtype=torch.uint8))
    assert found.box.shape == (2, 6, 4)
    assert found.mask.shape == (2, 6, 56, 56)
    assert found.mask.isfinite().all()
    assert ((found.box >= 0) & (found.box <= side + 1e-3)).all()


@torch.no_grad()
def test_the_boxes_of_all_views_compete() -> None:
    """A box that only a mirrored view finds is found."""
    model = Onlooker()
    seen = model.scored_boxes

    def only_mirrored(levels: list[Tensor]) -> tuple[Tensor, Tensor, Tensor, None]:
        boxes, there, score, layer = seen(levels)
        return boxes, there & (boxes[..., 0] > 64), score, layer

    model.scored_boxes = only_mirrored
    frame = torch.zeros(1, 3, 128, 128, dtype=torch.uint8)
    frame[..., 20:50, 4:40] = 200
    found = detect_with_views(model, frame)
    assert (found.score[0] > 0).sum() == 2  # both sizes of the view that is mirrored left to right
    assert (found.box[0, 0] - torch.tensor([4.0, 20, 40, 50])).abs().max() <= 1
