"""`make train-curve`: what `small` reaches in one, two and five minutes on real cutouts, on this machine.

    python -m benchmarks.train_curve [--minutes 1 2 5] [--train-images 10000] [--test-images 500] [--out FILE]

Each length is a run of its own, as the learning rate follows from it. An interrupted benchmark goes on where it was; remove --scratch to begin anew.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from amodalsynth.baselines.data_spec import DataSpec
from amodalsynth.baselines.devices import resolve_device
from amodalsynth.baselines.metrics import read_metrics
from benchmarks.run import ROOT, source_arguments
from benchmarks.runs import RULES, Assets, config_of, settings_of, summary, train_and_evaluate, training_arguments
from benchmarks.steps import command, describe_machine, write_results

GOALS = {"soft": {"AP": 62, "AP50": 85}, "paper": {"AP": 59, "AP50": 82}}  # of masks after five minutes on two cores
LOSS_ROWS = 100


def main() -> None:
    arguments = parse()
    assets, data = Assets(arguments.foregrounds, arguments.backgrounds), arguments.scratch / "data"
    for split, num_images in (("train", arguments.train_images), ("test", arguments.test_images)):
        assets.write_split(data, split, num_images)
    config = config_of(arguments, "small")
    rows = [
        train_and_evaluate(settings_of(arguments, DataSpec(str(data)), config, minutes), run_folder(arguments.scratch, minutes), data)
        for minutes in arguments.minutes
    ]
    longest = max(arguments.minutes)
    results = {
        "command": command("train_curve", "make train-curve"),
        "machine": describe_machine(resolve_device(arguments.device)),
        "data": {"train_images": arguments.train_images, "test_images": arguments.test_images, "separate_backgrounds": True},
        "goals_of_masks": GOALS,
        "runs": rows,
        "loss": {"minutes": longest, "rows": thinned(read_metrics(run_folder(arguments.scratch, longest)), LOSS_ROWS)},
    }
    print(report(rows))
    write_results(arguments.out, results)
    print(f"\nwritten to {arguments.out}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, nargs="+", default=[1.0, 2.0, 5.0])
    parser.add_argument("--train-images", type=int, default=10_000)
    parser.add_argument("--test-images", type=int, default=500)
    source_arguments(parser)
    parser.add_argument("--scratch", type=Path, default=ROOT / "scratch" / "train-curve", help="folder of the data set and the runs")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "train-curve.json")
    training_arguments(parser)
    return parser.parse_args()


def run_folder(scratch: Path, minutes: float) -> Path:
    return scratch / f"{minutes:g}-minutes"


def thinned(rows: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """About `count` of the rows at even distances, the first and the last among them."""
    last = len(rows) - 1
    return [rows[k] for k in sorted({round(last * i / (count - 1)) for i in range(count)})] if last > 0 else rows


def report(rows: list[dict[str, Any]]) -> str:
    lines = [f"{row['minutes']:g} min, {row['images']:,} images, {rule}: {summary(row[rule])}" for row in rows for rule in RULES]
    goals = "; ".join(f"{rule} mask AP {goal['AP']}, AP50 {goal['AP50']}" for rule, goal in GOALS.items())
    return "\n".join([*lines, f"goals after 5 minutes on two cores: {goals}"])


if __name__ == "__main__":
    main()
