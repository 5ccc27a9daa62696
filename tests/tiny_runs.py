"""A data set, a configuration and a trained run so small that the trainer's tests take seconds; each is made once a test process."""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from amodalsynth_cli.main import main

from amodalsynth import generate_dataset
from amodalsynth.baselines import training
from amodalsynth.baselines.checkpoint import load_tensors
from amodalsynth.baselines.config import get_config
from amodalsynth.baselines.data_spec import DataSpec
from amodalsynth.baselines.train import train
from amodalsynth.baselines.training import TrainEvent, TrainSettings
from tests.strategies import SMALL, DrawnPool

torch.set_num_threads(1)  # the tests run side by side already

CHANGES = {
    "image_size": 64,
    "fpn_channels": 16,
    "anchor_sizes": (16, 32, 56),
    "rpn_samples": 32,
    "pre_nms": (32, 32),
    "proposals": (24, 24),
    "rois": 16,
    "roi_positives": 8,
    "box_channels": 32,
    "parameter_channels": 32,
    "point_channels": 8,
    "position_channels": 16,
    "detections": 10,
    "batch_size": 4,
}
TINY = replace(get_config("small"), **CHANGES)
TRAIN_IMAGES, TEST_IMAGES = 24, 8
RUN_EPOCHS = 12  # of `tiny_run`
STEPS_PER_EPOCH = TRAIN_IMAGES // TINY.batch_size
PRESET = replace(SMALL, image_size=(64, 64), instances=(2, 4), instance_weights=(), scale=(0.4, 0.9))
EVERYTHING = ("score_threshold=0.0",)  # so that also a model that has hardly learnt anything detects something

# `amodalsynth train-baseline` with the same configuration
FLAGS = tuple(
    part
    for name, value in CHANGES.items()
    for part in ("--set", f"{name}={','.join(map(str, value)) if isinstance(value, tuple) else value}")
)


@functools.cache
def tiny_data(base: Path) -> Path:
    """A data set of drawn discs below `base`: 24 images of 64 x 64 pixels to train on, 8 to test on."""
    out = base / "tiny" / "data"
    for split, count in (("train", TRAIN_IMAGES), ("test", TEST_IMAGES)):
        generate_dataset(PRESET, DrawnPool(split=split), out, split=split, num_images=count, seed=3)
    return out


@functools.cache
def tiny_run(base: Path) -> tuple[Path, tuple[TrainEvent, ...]]:
    """A finished run on `tiny_data` that has learnt a little, and what was reported meanwhile."""
    run, events = base / "tiny" / "run", []
    train(settings(tiny_data(base), epochs=RUN_EPOCHS), run, report=events.append)
    return run, tuple(events)


def settings(data: Path | str, *, epochs: float | None = 1.0, changes: dict[str, Any] | None = None, **more: Any) -> TrainSettings:
    """One process on the CPU; `changes` are of the tiny configuration, `more` of the settings."""
    spec = data if isinstance(data, DataSpec) else DataSpec(str(data))
    usual: dict[str, Any] = {"epochs": epochs, "device": "cpu", "num_processes": 1}
    return TrainSettings(spec, replace(TINY, **(changes or {})), **(usual | more))


def often(monkeypatch: pytest.MonkeyPatch, *, log_every: int = 1) -> None:
    """Log every few steps, and save whenever something is logged."""
    monkeypatch.setattr(training, "LOG_EVERY", log_every)
    monkeypatch.setattr(training, "_SAVE_EVERY", -1.0)
    monkeypatch.setattr(training, "_SAVE_SHARE", float("inf"))


def stop_at(step: int, how: Callable[[], None]) -> Callable[[TrainEvent], None]:
    """A `report` that does `how` when a step is reported."""

    def report(event: TrainEvent) -> None:
        if event.step == step:
            how()

    return report


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def same_files(first: Path, second: Path, name: str) -> bool:
    """Whether two runs have bit-equal tensors in the file `name`."""
    (ours, _), (theirs, _) = load_tensors(first / name), load_tensors(second / name)
    return ours.keys() == theirs.keys() and all(torch.equal(tensor, theirs[key]) for key, tensor in ours.items())


def same_runs(first: Path, second: Path) -> bool:
    """Whether two runs have bit-equal weights, averages and states of the optimizer."""
    return all(same_files(first, second, name) for name in ("weights.safetensors", "state.safetensors"))


def call(capsys: pytest.CaptureFixture[str], *arguments: object, status: int = 0) -> tuple[str, str]:
    """Run the command line in this process, which has torch loaded already; what it wrote to stdout and stderr."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
    finally:
        signal.signal(signal.SIGTERM, before)
    said = capsys.readouterr()
    assert ended.value.code == status, said.out + said.err
    return said.out, said.err
