"""Backbones with a feature pyramid: images -> P2 to P5, and P6 where the proposals want it.

B images, C channels of the pyramid. Level k has stride 2**k.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from amodalsynth.baselines.checkpoint import fill, read_weights
from amodalsynth.baselines.config import MethodConfig
from amodalsynth.baselines.devices import constant
from amodalsynth.errors import ConfigurationError, DataError

_TINY_CHANNELS = (24, 32, 64, 128, 160)
IMAGENET_MEAN, IMAGENET_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def build_backbone(config: MethodConfig) -> nn.Module:
    """The backbone of a configuration: (B, 3, S, S) normalised images -> [P2, P3, P4, P5, P6], each (B, C, S / 2**k, S / 2**k)."""
    if config.backbone == "tiny":
        return PyramidBackbone(TinyResNet(), _TINY_CHANNELS[1:], config.fpn_channels)
    from torchvision.models import resnet
    from torchvision.models._utils import IntermediateLayerGetter
    from torchvision.ops import FrozenBatchNorm2d

    frozen = config.has_frozen_norm
    body = getattr(resnet, config.backbone)(weights=None, norm_layer=FrozenBatchNorm2d if frozen else nn.BatchNorm2d)
    last = body.fc.in_features
    body = IntermediateLayerGetter(body, {f"layer{k}": f"C{k + 1}" for k in range(1, 5)})
    if frozen:  # detectron2's FREEZE_AT=2: what ImageNet taught the stem and the first stage stays
        for name in ("conv1", "layer1"):
            body[name].requires_grad_(False)
    return PyramidBackbone(body, tuple(last // 2**k for k in (3, 2, 1, 0)), config.fpn_channels)


def load_pretrained(backbone: PyramidBackbone, config: MethodConfig) -> None:
    """Start the body of a backbone from `config.pretrained`: ImageNet's weights, by torchvision, or a file of them (.pth or .safetensors).

    `ConfigurationError` where there are none for this backbone, `DataError` where they cannot be had or do not fit.
    """
    if config.pretrained == "none":
        return
    if config.pretrained == "imagenet":
        from torchvision.models import get_model_weights

        if config.backbone == "tiny":
            raise ConfigurationError(
                "--pretrained imagenet: there are no such weights for the backbone 'tiny'; train it with --pretrained none"
            )
        try:
            tensors = get_model_weights(config.backbone).DEFAULT.get_state_dict(progress=False)
        except OSError as error:
            raise DataError(
                f"--pretrained imagenet: the weights could not be downloaded ({error}); give a file with --pretrained PATH, or none"
            ) from None
    else:
        tensors = read_weights(Path(config.pretrained))
    body = backbone.body.state_dict()
    named = {
        name: tensor
        for name, tensor in tensors.items()
        if not name.startswith("fc.") and (name in body or not name.endswith("num_batches_tracked"))
    }
    fill(body, named, f"--pretrained {config.pretrained}")


class PyramidBackbone(nn.Module):
    """A body that gives C2 to C5, and the feature pyramid on it (Lin et al., CVPR 2017)."""

    def __init__(self, body: nn.Module, body_channels: tuple[int, ...], channels: int) -> None:
        super().__init__()
        self.body = body
        self.lateral = nn.ModuleList(nn.Conv2d(num, channels, 1) for num in body_channels)
        self.output = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in body_channels)
        for conv in [*self.lateral, *self.output]:
            nn.init.kaiming_uniform_(conv.weight, a=1)
            nn.init.zeros_(conv.bias)

    def forward(self, image: Tensor) -> list[Tensor]:
        maps = list(self.body(image).values())
        merged = self.lateral[-1](maps[-1])
        levels = [self.output[-1](merged)]
        for k in reversed(range(len(maps) - 1)):
            merged = self.lateral[k](maps[k]) + functional.interpolate(merged, scale_factor=2.0, mode="nearest")
            levels.insert(0, self.output[k](merged))
        return [*levels, functional.max_pool2d(levels[-1], 1, stride=2)]


class TinyResNet(nn.Module):
    """A residual network of five blocks for CPUs: 0.9 million weights."""

    def __init__(self) -> None:
        super().__init__()
        stem, *stages = _TINY_CHANNELS
        self.stem = nn.Sequential(nn.Conv2d(3, stem, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(stem), nn.ReLU(inplace=True))
        self.stages = nn.ModuleList(_Block(before, after) for before, after in zip([stem, *stages], stages))

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        features, maps = self.stem(image), OrderedDict()
        for k, stage in enumerate(self.stages):
            features = stage(features)
            maps[f"C{k + 2}"] = features
        return maps


class _Block(nn.Module):
    """A basic residual block that halves the resolution."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
        )
        self.second = nn.Sequential(nn.Conv2d(after, after, 3, padding=1, bias=False), nn.BatchNorm2d(after))
        self.shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride=2, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.second(self.first(x)) + self.shortcut(x))


def normalise(image: Tensor) -> Tensor:
    """(B, 3, S, S) uint8 RGB -> float32 with ImageNet's mean and deviation, channels last."""
    mean, std = (constant(values, image.device)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    return ((image - mean) / std).contiguous(memory_format=torch.channels_last)
