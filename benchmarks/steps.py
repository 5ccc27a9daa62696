"""What the benchmarks of training share: a step as the trainer makes it, how its speed is measured, and the files of results."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
import torch
from torch import Tensor, nn

from amodalsynth.baselines.config import MethodConfig
from amodalsynth.baselines.devices import autocast
from amodalsynth.baselines.optimization import WeightAverage, build_optimizer, learning_rate
from amodalsynth.baselines.plin import total
from amodalsynth.files import write_file
from benchmarks.run import machine


class TrainingStep:
    """Forward, backward and the change of a model's weights: `step(lambda: model.losses(batch))`.

    In the precision of the trainer, with the optimizer, clipping and moving average of `config`, and at the rate of a run's beginning, so that
    any number of steps leaves the model about as it was.
    """

    def __init__(self, model: nn.Module, config: MethodConfig, device: torch.device) -> None:
        self.model, self.clip_norm, self.device = model, config.clip_norm, device
        self.optimizer = build_optimizer(model, config)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(config, 0.0)
        self.average = WeightAverage(model, config.average) if config.average else None
        self.count = 0

    def __call__(self, losses: Callable[[], dict[str, Tensor]]) -> None:
        with autocast(self.device):
            loss = total(losses())
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self.clip_norm:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_norm)
        self.optimizer.step()
        if self.average is not None:
            self.average.update(self.model, self.count)
        self.count += 1


def seconds_of(work: Callable[[], object], device: torch.device, *, at_least: float) -> float:
    """Seconds that `work` takes: the mean over as many times as fill `at_least` seconds, one at least."""
    wait(device)
    began, count = time.perf_counter(), 0
    while not count or time.perf_counter() - began < at_least:
        work()
        count += 1
    wait(device)
    return (time.perf_counter() - began) / count


def wait(device: torch.device) -> None:
    """Wait for what the device was given to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def describe_machine(device: torch.device) -> dict[str, Any]:
    """The processor, the device, how it computes, and the versions that decide its speed."""
    return machine() | {
        "torch": torch.__version__,
        "torchvision": version("torchvision"),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "precision": precision(device),
    }


def precision(device: torch.device) -> str:
    """What convolutions and matrix products are computed in."""
    with autocast(device):
        return "bfloat16 autocast" if torch.is_autocast_enabled(device.type) else "float32"


def loader_processes(device: torch.device) -> int:
    """As many as the trainer starts beside such a device."""
    return min(8, len(os.sched_getaffinity(0)) - 1) if device.type == "cuda" else 0


def command(module: str, target: str | None = None) -> str:
    """What made a result: the make target, where one stands for the module without arguments, or the command."""
    return target if target and len(sys.argv) == 1 else " ".join(["python -m", f"benchmarks.{module}", *sys.argv[1:]])


def write_results(path: Path, results: Mapping[str, Any]) -> None:
    """Write a file of results."""
    write_file(path, orjson.dumps(results, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
