"""Backbones give a pyramid of the right shapes, start from the weights that they are given, and freeze what they should."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import ResNet18_Weights, resnet18
from torchvision.ops import FrozenBatchNorm2d

from amodalsynth.baselines.backbones import IMAGENET_MEAN, IMAGENET_STD, build_backbone, load_pretrained, normalise
from amodalsynth.errors import ConfigurationError, DataError
from tests.baseline_strategies import TINY, gradients

RESNET18 = replace(TINY, backbone="resnet18")


@pytest.mark.parametrize("side", [64, 160])
@pytest.mark.parametrize("name", ["tiny", "resnet18", "resnet50"])
def test_a_pyramid_of_five_levels(name: str, side: int) -> None:
    with torch.device("meta"):  # shapes without the work
        levels = build_backbone(replace(TINY, backbone=name))(torch.empty(2, 3, side, side))
    assert [tuple(level.shape) for level in levels] == [(2, 16, *[-(-side // 2**k)] * 2) for k in range(2, 7)]


def test_every_weight_has_a_gradient() -> None:
    torch.manual_seed(0)
    backbone = build_backbone(TINY)
    levels = backbone(torch.randn(2, 3, 64, 64))
    found = gradients(backbone, torch.stack([level.square().mean() for level in levels]).sum())
    assert len(found) > 30
    assert torch.equal(levels[4], levels[3][..., ::2, ::2])


def test_coarser_levels_reach_the_finer_ones() -> None:
    """Lateral and top-down connections: P2 sees what only C5 knows."""
    torch.manual_seed(0)
    backbone = build_backbone(TINY).eval()
    finest = backbone(torch.zeros(1, 3, 64, 64))[0]
    with torch.no_grad():
        backbone.lateral[-1].bias += 1
    after = backbone(torch.zeros(1, 3, 64, 64))[0]
    added = backbone.output[0](torch.ones(1, 16, 16, 16)) - backbone.output[0].bias[:, None, None]
    assert torch.allclose(after - finest, added, atol=1e-5)


def test_images_are_normalised() -> None:
    image = torch.randint(256, (2, 3, 8, 8), dtype=torch.uint8)
    normal = normalise(image)
    expected = (image.permute(0, 2, 3, 1).float() - torch.tensor(IMAGENET_MEAN)) / torch.tensor(IMAGENET_STD)
    assert torch.allclose(normal.permute(0, 2, 3, 1), expected)
    assert normal.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("norm", "pretrained", "frozen"),
    [
        ("auto", "none", False),
        ("batch", "none", False),
        ("batch", "imagenet", False),
        ("auto", "imagenet", True),
        ("frozen", "x.pth", True),
    ],
)
def test_what_is_pretrained_may_be_frozen(norm: str, pretrained: str, frozen: bool) -> None:
    with torch.device("meta"):
        backbone = build_backbone(replace(RESNET18, norm=norm, pretrained=pretrained))
    norms = {type(module) for module in backbone.modules() if isinstance(module, nn.BatchNorm2d | FrozenBatchNorm2d)}
    assert norms == {FrozenBatchNorm2d if frozen else nn.BatchNorm2d}
    fixed = {name.split(".")[1] for name, parameter in backbone.named_parameters() if not parameter.requires_grad}
    assert fixed == ({"conv1", "layer1"} if frozen else set())


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    torch.manual_seed(1)
    return resnet18(weights=None).state_dict()


@pytest.mark.parametrize("norm", ["batch", "frozen"])
def test_pretrained_weights_arrive(norm: str, weights: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(weights, tmp_path / "own.pth")
    config = replace(RESNET18, norm=norm, pretrained=str(tmp_path / "own.pth"))
    backbone = build_backbone(config)
    load_pretrained(backbone, config)
    state = backbone.body.state_dict()
    assert len(state) >= 100
    assert all(torch.equal(tensor, weights[name]) for name, tensor in state.items())


def test_imagenets_weights_come_from_torchvision(weights: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(RESNET18, pretrained="imagenet")
    backbone = build_backbone(config)
    monkeypatch.setattr(ResNet18_Weights, "get_state_dict", lambda self, **options: weights)
    load_pretrained(backbone, config)
    assert torch.equal(backbone.body["conv1"].weight, weights["conv1.weight"])


def test_weights_that_cannot_be_had(weights: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with torch.device("meta"):
        backbone = build_backbone(RESNET18)

    def fail(self: object, **options: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(ResNet18_Weights, "get_state_dict", fail)
    with pytest.raises(DataError, match="could not be downloaded .no route to host.; give a file with --pretrained PATH, or none"):
        load_pretrained(backbone, replace(RESNET18, pretrained="imagenet"))
    with pytest.raises(ConfigurationError, match="no such weights for the backbone 'tiny'"):
        load_pretrained(backbone, replace(TINY, pretrained="imagenet"))
    with pytest.raises(DataError, match=r"absent\.pth: no such file"):
        load_pretrained(backbone, replace(RESNET18, pretrained=str(tmp_path / "absent.pth")))
    torch.save({name: tensor for name, tensor in weights.items() if name != "layer2.0.conv1.weight"}, tmp_path / "some.pth")
    with pytest.raises(DataError, match=r"some\.pth: not the weights .*: 1 are missing, 0 unknown; first: layer2\.0\.conv1\.weight"):
        load_pretrained(backbone, replace(RESNET18, pretrained=str(tmp_path / "some.pth")))


def test_none_changes_nothing() -> None:
    backbone = build_backbone(TINY)
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    load_pretrained(backbone, TINY)
    assert all(torch.equal(tensor, before[name]) for name, tensor in backbone.state_dict().items())
