"""How weights change: the optimizer, the learning rate over a run, and the moving average of the weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from amodalsynth.baselines.config import MethodConfig

_MOMENTUM = 0.9
_WARMUP_START = 1e-3
_STEPS = (7 / 9, 25 / 27)  # where detectron2's 3x schedule divides the rate by 10: 210,000 and 250,000 of 270,000


def build_optimizer(model: nn.Module, config: MethodConfig) -> torch.optim.Optimizer:
    """The optimizer of a configuration; norms and biases are not decayed."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.dim() > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.dim() <= 1], "weight_decay": 0.0},
    ]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=_MOMENTUM, fused=True)
    return torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)


def learning_rate(config: MethodConfig, progress: float) -> float:
    """The rate when the share `progress` of a run, from 0 to 1, is done."""
    if progress < config.warmup:
        return config.learning_rate * (_WARMUP_START + (1 - _WARMUP_START) * progress / config.warmup)
    if config.schedule == "steps":
        return config.learning_rate * 0.1 ** sum(progress >= step for step in _STEPS)
    done = (progress - config.warmup) / (1 - config.warmup)
    return config.learning_rate * (1 + math.cos(math.pi * min(done, 1.0))) / 2


class WeightAverage:
    """An exponential moving average of a model's floating-point state, that of its norms included."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {name: tensor.detach().clone() for name, tensor in _floating(model).items()}

    def update(self, model: nn.Module, step: int) -> None:
        """Take in the weights after step `step` (from 0); early on they count for more, as the first ones are random."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.state.values()), [tensor.detach() for tensor in _floating(model).values()], 1 - decay)


def _floating(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in model.state_dict().items() if tensor.is_floating_point()}
