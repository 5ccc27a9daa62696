"""What the benchmarks of whole training runs share: their assets and data sets, a run with its evaluations, and the file of results."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from amodalsynth.baselines.config import MethodConfig, get_config, override_config
from amodalsynth.baselines.data_spec import DataSpec
from amodalsynth.baselines.evaluate import evaluate_run
from amodalsynth.baselines.train import train
from amodalsynth.baselines.training import TrainEvent, TrainSettings
from amodalsynth.files import write_file
from amodalsynth.generate import generate_dataset
from amodalsynth.pool import load_pool
from amodalsynth.pool_sources import with_folders
from amodalsynth.presets import PRESETS
from amodalsynth.records.part import OutputOptions
from benchmarks.run import ROOT
from benchmarks.steps import write_results

RULES = ("soft", "paper")  # of post-processing, that a run is evaluated with
SEED = 0
_PRESET = "intra-afruit"
_KEPT = ("box", "mask", "mask_by_layer", "layer_accuracy", "detections_per_image", "fps", "batch_size", "device")
SPEAK_EVERY = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class Assets:
    """Folders of cutouts and textures, or "builtin". Their train and test photos differ, and so do the textures, other than in the paper."""

    foregrounds: str
    backgrounds: str

    def write_split(self, out: Path, split: str, num_images: int) -> None:
        """Make a split of a stored data set where it is not there yet."""
        preset = replace(with_folders(PRESETS[_PRESET], self.foregrounds, self.backgrounds), separate_backgrounds=True)
        cores = len(os.sched_getaffinity(0))
        pool = load_pool(preset, split, foregrounds=self.foregrounds, backgrounds=self.backgrounds, num_workers=cores)
        options = OutputOptions(appearances=False)
        generate_dataset(preset, pool, out, split=split, num_images=num_images, seed=SEED, num_workers=cores, options=options, resume=True)

    def on_device(self, folder: Path) -> DataSpec:
        """Scenes made on the device that trains; the preset that says so is written into `folder`."""
        preset = folder / f"{_PRESET}.toml"
        folder.mkdir(parents=True, exist_ok=True)
        write_file(preset, f'base = "{_PRESET}"\nseparate_backgrounds = true\n'.encode())
        return DataSpec(f"synth-gpu:{preset}", foregrounds=self.foregrounds, backgrounds=self.backgrounds)


def pack_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pack", type=Path, default=ROOT / "scratch" / "gpu-pack", help="what `make gpu-pack` made")


def assets_of_pack(pack: Path) -> Assets:
    if not pack.is_dir():
        sys.exit(f"Error: {pack}: no such folder; `make gpu-pack` makes it where ../shared/assets is, and it travels from there")
    return Assets(str(pack / "foregrounds"), str(pack / "backgrounds"))


def training_arguments(parser: argparse.ArgumentParser) -> None:
    """--set, --device, --processes and --workers, which `config_of` and `settings_of` read."""
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="change a field of the configuration")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--processes", type=int, help="training processes on a CPU (default: one a core)")
    parser.add_argument("--workers", type=int, help="loader processes of each")


def config_of(arguments: argparse.Namespace, name: str) -> MethodConfig:
    return override_config(get_config(name), arguments.set)


def settings_of(arguments: argparse.Namespace, data: DataSpec, config: MethodConfig, minutes: float) -> TrainSettings:
    return TrainSettings(
        data,
        config,
        seed=SEED,
        minutes=minutes,
        device=arguments.device,
        num_processes=arguments.processes,
        num_workers=arguments.workers,
    )


def train_and_evaluate(settings: TrainSettings, run: Path, data: Path) -> dict[str, Any]:
    """Train into the folder `run`, or go on where that was interrupted, and evaluate on the test split of `data` with each of RULES."""
    done = train(settings, run, resume=True, report=speaker(run.name))
    row: dict[str, Any] = {
        "minutes": settings.minutes,
        "steps": done.steps,
        "images": done.images,
        "images_per_second": round(done.images / done.seconds, 1),
        "config": settings.config.name,
    }
    for rule in RULES:
        to = run / rule
        to.mkdir(exist_ok=True)
        evaluation = evaluate_run(run, data, device=settings.device, assignments=[f"postprocess={rule}"], to=to)
        row[rule] = {name: rounded(evaluation[name]) for name in _KEPT}
        print(f"{run.name}, {rule}: {summary(row[rule])}", flush=True)
    return row


def summary(evaluation: Mapping[str, Any]) -> str:
    """The averages of an evaluation on one line."""
    box, mask = ({name: value or 0.0 for name, value in evaluation[kind].items()} for kind in ("box", "mask"))
    return f"mask AP {mask['AP']:.1f}, AP50 {mask['AP50']:.1f}; box AP {box['AP']:.1f}, AP50 {box['AP50']:.1f}"


def rounded(value: Any) -> Any:
    """Numbers to two decimals, at any depth."""
    if isinstance(value, dict):
        return {name: rounded(part) for name, part in value.items()}
    return round(value, 2) if isinstance(value, float) else value


def speaker(name: str) -> Callable[[TrainEvent], None]:
    """Says how far a run is, now and then."""
    spoken = time.monotonic()

    def speak(event: TrainEvent) -> None:
        nonlocal spoken
        if time.monotonic() - spoken >= SPEAK_EVERY:
            spoken = time.monotonic()
            print(f"{name}: {event.progress:.0%}, {event.images_per_second:.0f} images/s, loss {event.loss:.2f}", flush=True)

    return speak


def record(path: Path, *keys: str, values: Mapping[str, Any]) -> None:
    """Put `values` under `keys` into a JSON file of results, and leave the rest of it as it is."""
    results = orjson.loads(path.read_bytes()) if path.exists() else {}
    place = results
    for key in keys[:-1]:
        place = place.setdefault(key, {})
    place[keys[-1]] = values
    write_results(path, results)
