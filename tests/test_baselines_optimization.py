"""Schedules at given progress, what is decayed, and the moving average, against the formulas written out."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from amodalsynth.baselines.config import get_config
from amodalsynth.baselines.optimization import WeightAverage, build_optimizer, learning_rate
from tests.tiny_runs import TINY

STEPS = replace(TINY, schedule="steps", learning_rate=0.02, warmup=0.01)
COSINE = replace(TINY, schedule="cosine", learning_rate=0.02, warmup=0.1)


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, bias=True), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))


@pytest.mark.parametrize(
    ("config", "progress", "expected"),
    [
        (STEPS, 0.0, 0.02e-3),
        (STEPS, 0.005, 0.02 * (0.001 + 0.999 / 2)),
        (STEPS, 0.01, 0.02),
        (STEPS, 0.77, 0.02),  # 210,000 of 270,000 iterations are 0.7778
        (STEPS, 0.78, 0.002),
        (STEPS, 0.92, 0.002),  # 250,000 are 0.9259
        (STEPS, 0.93, 0.0002),
        (STEPS, 1.0, 0.0002),
        (COSINE, 0.0, 0.02e-3),
        (COSINE, 0.1, 0.02),
        (COSINE, 0.1 + 0.9 / 3, 0.015),
        (COSINE, 0.55, 0.01),
        (COSINE, 1.0, 0.0),
        (replace(COSINE, warmup=0.0), 0.0, 0.02),
    ],
)
def test_the_rate_at_some_progress(config, progress: float, expected: float) -> None:
    assert learning_rate(config, progress) == pytest.approx(expected, rel=1e-9, abs=1e-15)


@given(st.sampled_from(["small", "r50", "paper"]), st.floats(0, 1), st.floats(0, 1))
@settings(deadline=None)
def test_the_rate_rises_in_the_warm_up_and_falls_after_it(name: str, first: float, second: float) -> None:
    config = get_config(name)
    first, second = sorted((first, second))
    rates = learning_rate(config, first), learning_rate(config, second)
    assert all(0 <= rate <= config.learning_rate for rate in rates)
    if second <= config.warmup:
        assert rates[0] <= rates[1] + 1e-12
    if first >= config.warmup:
        assert rates[0] >= rates[1] - 1e-12


@pytest.mark.parametrize(("optimizer", "kind"), [("sgd", torch.optim.SGD), ("adamw", torch.optim.AdamW)])
def test_norms_and_biases_are_not_decayed(optimizer: str, kind: type) -> None:
    net = model()
    net[3].weight.requires_grad_(False)
    built = build_optimizer(net, replace(TINY, optimizer=optimizer, weight_decay=0.3))
    assert isinstance(built, kind)
    decay = {id(parameter): group["weight_decay"] for group in built.param_groups for parameter in group["params"]}
    assert {name: decay.get(id(parameter)) for name, parameter in net.named_parameters()} == {
        "0.weight": 0.3, "0.bias": 0.0, "1.weight": 0.0, "1.bias": 0.0, "3.weight": None, "3.bias": 0.0
    }  # fmt: skip


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_sgd_is_the_papers(layout: torch.memory_format) -> None:
    """v = 0.9 v + g + decay w; w = w - rate v, whatever the memory format."""
    net = model().to(memory_format=layout)
    built = build_optimizer(net, replace(TINY, optimizer="sgd", learning_rate=0.1, weight_decay=0.01))
    weight, velocity = net[0].weight.detach().clone(), torch.zeros_like(net[0].weight)
    for _ in range(3):
        built.zero_grad()
        net(torch.rand(2, 3, 4, 4)).square().sum().backward()
        velocity = 0.9 * velocity + net[0].weight.grad + 0.01 * weight
        weight = weight - 0.1 * velocity
        built.step()
        assert torch.allclose(net[0].weight, weight, atol=1e-5, rtol=1e-4)


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=30), st.sampled_from([0.5, 0.9, 0.998]))
@settings(deadline=None)
def test_the_average_is_the_formula(values: list[float], decay: float) -> None:
    net = nn.Linear(1, 1, bias=False)
    nn.init.constant_(net.weight, 0.7)
    average, expected = WeightAverage(net, decay), 0.7
    for step, value in enumerate(values):
        nn.init.constant_(net.weight, value)
        average.update(net, step)
        kept = min(decay, (1 + step) / (10 + step))
        expected = kept * expected + (1 - kept) * value
    assert average.state["weight"].item() == pytest.approx(expected, abs=1e-5)
    assert net.weight.item() == pytest.approx(values[-1])


def test_the_average_has_the_norms_statistics_and_forgets_how_it_began() -> None:
    net = model()
    average = WeightAverage(net, 0.99)
    assert set(average.state) == {name for name in net.state_dict() if not name.endswith("num_batches_tracked")}
    with torch.no_grad():
        for tensor in net.state_dict().values():
            tensor.fill_(2)
    for step in range(1500):
        average.update(net, step)
    for tensor in average.state.values():
        assert torch.allclose(tensor, torch.full_like(tensor, 2), atol=1e-3)
    assert math.isclose(average.decay, 0.99)
