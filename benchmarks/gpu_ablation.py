"""`make gpu-ablation`: the rows of the paper's Table 3, and their control rows, under one budget, with scenes made on the device.

    python -m benchmarks.gpu_ablation [--trainings NAME ...] [--minutes 3] [--config small]

Needs what `gpu_bench` needs. Two trainings in a command keep it below ten minutes; what is finished is kept, and what is not goes on when it is
given again.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from amodalsynth.baselines.ablation import AblationEvent, AblationSettings, run_ablation
from amodalsynth.baselines.ablation_rows import ROWS, override_shared
from amodalsynth.baselines.ablation_tables import make_table
from amodalsynth.baselines.config import get_config
from amodalsynth.baselines.devices import resolve_device
from benchmarks.gpu_bench import device_arguments, test_set
from benchmarks.runs import SPEAK_EVERY, assets_of_pack, record, rounded, settings_of, summary
from benchmarks.steps import command, describe_machine

TRAININGS = tuple(dict.fromkeys(row.training for row in ROWS if row.paper))


def main() -> None:
    arguments = parse()
    assets = assets_of_pack(arguments.pack)
    config = override_shared(get_config(arguments.config), arguments.set)
    training = settings_of(arguments, assets.on_device(arguments.scratch), config, arguments.minutes)
    rows = tuple(row for row in ROWS if row.training in arguments.trainings)
    settings = AblationSettings(training, test_set(arguments, assets), rows=rows, num_seeds=1)
    outcome = run_ablation(settings, arguments.scratch / f"ablation-{arguments.config}", resume=True, report=reporter())
    about = {
        "command": command("gpu_ablation", "make gpu-ablation"),
        "machine": describe_machine(resolve_device(arguments.device)),
        "config": arguments.config,
        "minutes": arguments.minutes,
        "test_images": arguments.test_images,
    }
    for row in outcome["rows"]:
        if row["training"] in arguments.trainings:
            trained = row["seeds"]["0"]["trained"]
            results = {name: value["mean"] for name, value in row["summary"].items()}
            kept = {name: row[name] for name in ("changes", "assignments", "tta", "paper")}
            record(arguments.out, "ablation", row["name"], values=about | kept | rounded({"trained": trained, "results": results}))
    print(f"{make_table(outcome, 3).text()}\nwritten to {arguments.out}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trainings", nargs="+", choices=TRAININGS, default=TRAININGS)
    parser.add_argument("--minutes", type=float, default=3.0, help="how long each model trains")
    parser.add_argument("--config", default="small")
    device_arguments(parser)
    return parser.parse_args()


def reporter() -> Callable[[str, int, AblationEvent], None]:
    """Says now and then how far a training or an evaluation is, and what a row has reached."""
    spoken = time.monotonic()

    def report(name: str, seed: int, event: AblationEvent) -> None:
        nonlocal spoken
        if event.evaluation is not None:
            print(f"{name}: {summary(event.evaluation)}", flush=True)
        elif time.monotonic() - spoken >= SPEAK_EVERY:
            spoken = time.monotonic()
            print(f"{name}: {event.stage}, {event.share:.0%}", flush=True)

    return report


if __name__ == "__main__":
    main()
