"""What a run trains on, as run.json says it, and how each process opens it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from amodalsynth.baselines.ahead import make_ahead
from amodalsynth.baselines.batch import Batch
from amodalsynth.baselines.config import MethodConfig
from amodalsynth.baselines.data import StoredExamples, prepare_points
from amodalsynth.baselines.loader import TrainingLoader
from amodalsynth.baselines.parallel import Team
from amodalsynth.baselines.synthesis import LiveExamples, parse_data
from amodalsynth.errors import ConfigurationError, DataError
from amodalsynth.presets import get_preset

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class DataSpec:
    """What to train on. `data` is a data set folder, a COCO file, synth:PRESET or synth-gpu:PRESET; foregrounds and backgrounds serve the latter
    two, and images, the folder of a COCO file's images, the file."""

    data: str
    split: str = "train"
    images: str | None = None
    foregrounds: str | None = None
    backgrounds: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields that are set."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @property
    def kind(self) -> str:
        """stored, synth or synth-gpu."""
        return parse_data(self.data)[0]


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Opened data: what the model must know of it, and where the batches come from.

    categories, category_ids: names and ids in the data, in the order of the trained categories from 0. epoch_images: images that count as an
    epoch. points_drawn: the file that points were drawn into, or None.
    """

    categories: tuple[str, ...]
    category_ids: tuple[int, ...]
    has_layers: bool
    max_instances: int
    epoch_images: int
    points_drawn: Path | None
    examples: StoredExamples | LiveExamples


def open_data(
    spec: DataSpec, config: MethodConfig, seed: int, run: Path, *, again: bool = False, progress: Progress | None = None
) -> TrainingData:
    """Open what `spec` says for the frame and points of `config`. Points that are missing are drawn into the folder `run`, or found there `again`.

    `ConfigurationError` where the data cannot be trained on, `DataError` and `AssetError` where it cannot be read.
    """
    kind, name = parse_data(spec.data)
    if kind == "stored":
        for option in ("foregrounds", "backgrounds"):
            if getattr(spec, option) is not None:
                raise ConfigurationError(f"--{option}: serves --data synth:PRESET only, and --data is {spec.data}")
        images = None if spec.images is None else Path(spec.images)
        coco, folder, drawn = prepare_points(
            Path(name), spec.split, run, num_points=config.num_points, seed=seed, images=images, again=again, progress=progress
        )
        examples = StoredExamples(coco, folder, image_size=config.image_size)
        ids, count = examples.category_ids, len(examples)
        if not examples.max_instances:
            raise DataError(f"{spec.data}: expected instances to train on, got {count} images without any")
    else:
        preset, drawn, coco = get_preset(name), False, None
        examples = LiveExamples.open(
            preset,
            spec.split,
            image_size=config.image_size,
            seed=seed,
            num_points=config.num_points,
            foregrounds=spec.foregrounds,
            backgrounds=spec.backgrounds,
            progress=progress,
        )
        ids, count = tuple(range(1, len(examples.category_names) + 1)), max(preset.num_images(spec.split), 1)
    if config.layers != "none" and not examples.has_layers:
        raise ConfigurationError(
            f"{spec.data}: layer priors need the layer of every instance (key 'layer'), and some have none; train without with --set layers=none"
        )
    return TrainingData(
        tuple(examples.category_names), ids, examples.has_layers, examples.max_instances, count, coco if drawn else None, examples
    )


def batches(
    data: TrainingData,
    spec: DataSpec,
    config: MethodConfig,
    seed: int,
    team: Team,
    device: torch.device,
    *,
    start_step: int,
    num_workers: int,
) -> Iterator[Batch]:
    """Endless batches on `device`, from that of `start_step` on: this process's part of each."""
    shared = {
        "batch_size": config.batch_size,
        "points_per_iteration": config.points_per_iteration,
        "rank": team.rank,
        "world_size": team.size,
        "start_step": start_step,
        "num_workers": num_workers,
    }
    if spec.kind == "synth-gpu":
        from amodalsynth.baselines.gpu_synthesis import GpuScenes

        scenes = data.examples.scenes
        made = GpuScenes(scenes.preset, scenes.pool, spec.split, seed, device=device, num_points=config.num_points, **shared)
        with closing(make_ahead(made, device) if device.type == "cuda" else made) as source:
            yield from source
        return
    loader = TrainingLoader(
        data.examples,
        seed=seed,
        max_instances=data.max_instances,
        flips=config.flips,
        quarter_turns=config.quarter_turns,
        pin_memory=device.type == "cuda",
        **shared,
    )
    for batch in loader:
        yield batch.to(device)
