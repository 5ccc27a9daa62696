"""`make gpu-bench`: how fast our models train on a GPU, with scenes made there, and what `r50` reaches in some minutes.

    python -m benchmarks.gpu_bench throughput [--seconds 20]
    python -m benchmarks.gpu_bench train [--minutes 8] [--test-images 500]

It needs the repository and the pack of `make gpu-pack`. Each step is one command of less than ten minutes. `train` makes the test set, trains and
evaluates; it goes on where it was when it is given again. Results are put into --out, whose other entries stay.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from amodalsynth.baselines.config import MethodConfig
from amodalsynth.baselines.data_spec import DataSpec, batches, open_data
from amodalsynth.baselines.devices import resolve_device
from amodalsynth.baselines.parallel import Team
from amodalsynth.baselines.plin import PLIn
from benchmarks.run import ROOT
from benchmarks.runs import (
    SEED,
    Assets,
    assets_of_pack,
    config_of,
    pack_argument,
    record,
    settings_of,
    train_and_evaluate,
    training_arguments,
)
from benchmarks.steps import TrainingStep, command, describe_machine, loader_processes, seconds_of

GOALS = {"training_on_the_fly_images_per_second": 600, "mask_AP": 65}  # of r50 at 256 px on one H100


def main() -> None:
    arguments = parse()
    assets, device = assets_of_pack(arguments.pack), resolve_device(arguments.device)
    about = {"command": command("gpu_bench"), "machine": describe_machine(device)}
    if arguments.step == "throughput":
        for name in arguments.configs:
            config, spec = config_of(arguments, name), assets.on_device(arguments.scratch)
            workers = loader_processes(device) if arguments.workers is None else arguments.workers
            rates = throughput(config, spec, device, seconds=arguments.seconds, num_workers=workers)
            print(f"{name}: {rates}", flush=True)
            record(arguments.out, "throughput", name, values=about | rates)
    else:
        settings = settings_of(arguments, assets.on_device(arguments.scratch), config_of(arguments, "r50"), arguments.minutes)
        row = train_and_evaluate(settings, arguments.scratch / "r50", test_set(arguments, assets))
        record(arguments.out, "train", values=about | {"goals": GOALS, "test_images": arguments.test_images} | row)
    print(f"written to {arguments.out}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("step", choices=("throughput", "train"))
    parser.add_argument("--configs", nargs="+", default=["r50", "small"], help="what `throughput` measures")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement of `throughput`")
    parser.add_argument("--minutes", type=float, default=8.0, help="how long `train` trains")
    device_arguments(parser)
    return parser.parse_args()


def device_arguments(parser: argparse.ArgumentParser) -> None:
    """What the benchmarks on a GPU have in common."""
    parser.add_argument("--test-images", type=int, default=500)
    parser.add_argument("--scratch", type=Path, default=ROOT / "scratch" / "gpu-bench", help="folder of the test set and the runs")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "gpu.json")
    pack_argument(parser)
    training_arguments(parser)


def throughput(config: MethodConfig, spec: DataSpec, device: torch.device, *, seconds: float, num_workers: int) -> dict[str, Any]:
    """Images a second of making scenes on the device, of training steps with the data given, and of both one after the other."""
    data = open_data(spec, config, SEED, Path())
    source = batches(data, spec, config, SEED, Team(), device, start_step=0, num_workers=num_workers)
    given = next(source)
    model = PLIn(config, len(data.categories)).to(device=device, memory_format=torch.channels_last).train()
    step = TrainingStep(model, config, device)

    def train(batch: Any) -> None:
        step(lambda: model.losses(batch))

    ways = {
        "scenes": lambda: next(source),
        "training_given": lambda: train(given),
        "training_on_the_fly": lambda: train(next(source)),
    }
    rates = {f"{name}_images_per_second": round(config.batch_size / _steady(work, device, seconds), 1) for name, work in ways.items()}
    source.close()
    memory = {"peak_memory_gib": round(torch.cuda.max_memory_allocated(device) / 2**30, 2)} if device.type == "cuda" else {}
    return {"image_size": config.image_size, "batch_size": config.batch_size, "loader_processes": num_workers, **rates, **memory}


def _steady(work: Callable[[], object], device: torch.device, seconds: float) -> float:
    """Seconds that `work` takes once it is warm and what was made ahead is used up."""
    seconds_of(work, device, at_least=seconds / 4)
    return seconds_of(work, device, at_least=seconds)


def test_set(arguments: argparse.Namespace, assets: Assets) -> Path:
    """The folder of the stored test set, which is made where it is not there yet."""
    data = arguments.scratch / "data"
    assets.write_split(data, "test", arguments.test_images)
    return data


if __name__ == "__main__":
    main()
