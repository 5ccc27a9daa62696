"""`make bench-formats`: time and memory of export, import, validate and evaluate-results, and evaluate-results beside pycocotools.

    python -m benchmarks.formats [--num-images 20000] [--evaluated 5000] [--rounds 5] [--out FILE]

A data set is generated and its annotations are repeated under new ids, so that files of any size cost nothing to make and need no images. Every
figure is of a whole command in a process of its own, start included; memory is the largest private memory seen, ten times a second. Detections are
perturbed ground truth, twenty an image. pycocotools loads the same two files and evaluates boxes and masks, in turns with ours on one pinned core,
and has to agree.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import psutil
from pycocotools import mask as coco_mask

from amodalsynth.coco_index import CocoIndex
from amodalsynth.evaluation import write_results
from amodalsynth.files import write_file
from amodalsynth.segmentation import decode_segmentation
from benchmarks.run import ROOT, machine, run_command, source_arguments, watch_memory

WITHOUT_IMAGES = ("coco", "cocoa", "cocoa-cls", "kins", "aisformer")
WITH_IMAGES = ("yolo-seg", "webdataset", "parquet")
DETECTIONS = 20  # an image
GOAL = 3.0  # times pycocotools


def main() -> None:
    arguments = parse()
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as folder:
        scratch = Path(folder)
        run_command(arguments, scratch / "data", arguments.evaluated, len(os.sched_getaffinity(0))).wait()
        generated = scratch / "data" / "annotations" / "instances_train.json"
        repeated = scratch / "annotations" / "instances_train.json"
        repeated.parent.mkdir()
        repeat(generated, repeated, arguments.num_images)
        write_results(scratch / "results.json", detections(generated))
        results = {
            "command": "make bench-formats" if len(sys.argv) == 1 else f"python -m benchmarks.formats {' '.join(sys.argv[1:])}",
            "machine": machine(),
            "evaluate_results": evaluate(generated, scratch / "results.json", arguments.rounds),
            "commands": dict(commands(scratch, repeated, arguments)),
        }
    write_file(arguments.out, orjson.dumps(results, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    print(report(results))
    print(f"\nwritten to {arguments.out}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    source_arguments(parser)
    parser.add_argument("--num-images", type=int, default=20_000, help="images of the repeated annotations")
    parser.add_argument("--evaluated", type=int, default=5_000, help="images generated, and evaluated beside pycocotools")
    parser.add_argument("--rounds", type=int, default=5, help="of the comparison with pycocotools")
    parser.add_argument("--scratch", type=Path, default=ROOT, help="existing folder for what is made, which is removed afterwards")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "formats.json")
    return parser.parse_args()


def repeat(coco: Path, to: Path, num_images: int, *, rename: bool = True) -> None:
    """Write the annotations of `num_images` images: those of a file again and again, each time with the ids that follow.

    `rename`: with file names of their own too, which no files have.
    """
    with CocoIndex.open(coco) as index:
        last = max(annotation["id"] for k in range(index.num_images) for annotation in index.annotations(k))

        def images() -> Iterator[bytes]:
            for n in range(num_images):
                name = {"file_name": f"{n + 1:09d}.jpg"} if rename else {}
                yield orjson.dumps(index.image(n % index.num_images) | {"id": n + 1, **name})

        def annotations() -> Iterator[bytes]:
            for n in range(num_images):
                shift = last * (n // index.num_images)
                for annotation in index.annotations(n % index.num_images):
                    moved = {key: [i + shift for i in annotation[key]] for key in ("occluded_by", "directly_occluded_by")}
                    yield orjson.dumps(annotation | moved | {"id": annotation["id"] + shift, "image_id": n + 1})

        def pieces() -> Iterator[bytes]:
            yield orjson.dumps(index.header)[:-1]
            for name, entries in (("images", images()), ("annotations", annotations())):
                yield b',"' + name.encode() + b'":[\n' + next(entries)
                yield from (b",\n" + entry for entry in entries)
                yield b"\n]"
            yield b"}\n"

        write_file(to, pieces())


def detections(coco: Path) -> Iterator[dict[str, Any]]:
    """Of each image, every instance a little moved with a high score, then others further away with a low one; half of all are cut."""
    with CocoIndex.open(coco) as index:
        category_ids = [category["id"] for category in index.categories]
        for k in range(index.num_images):
            rng, image, annotations = np.random.default_rng(k), index.image(k), index.annotations(k)
            size_hw = (image["height"], image["width"])
            masks = [decode_segmentation(annotation["segmentation"], size_hw, str(coco)) for annotation in annotations]
            for n in range(DETECTIONS):
                near = n < len(masks)
                i = n if near else int(rng.random() * len(masks))
                shift = np.floor((rng.random(2) - 0.5) * (8 if near else 40)).astype(int)
                mask = np.roll(masks[i], tuple(shift), (0, 1))
                if rng.random() < 0.5:
                    mask[:, : annotations[i]["bbox"][0] + int(rng.random() * 10)] = False
                code = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
                right = rng.random(2) < (0.8, 0.6)
                yield {
                    "image_id": image["id"],
                    "category_id": annotations[i]["category_id"] if right[0] else category_ids[int(rng.random() * len(category_ids))],
                    "layer": annotations[i]["layer"] if right[1] else int(rng.random() * 5),
                    "score": round(rng.random() * 0.5 + (0.5 if near else 0), 3),
                    "bbox": (coco_mask.toBbox(code) + 2 * rng.random(4)).round(2).tolist(),
                    "segmentation": {"size": list(size_hw), "counts": code["counts"].decode("ascii")},
                }


def evaluate(coco: Path, results: Path, rounds: int) -> dict[str, Any]:
    """Seconds of evaluate-results and of pycocotools, in turns on one core, and how many times faster ours is."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:1])
    ways = {
        "ours": ["-m", "amodalsynth_cli", "evaluate-results", str(results), "--gt", str(coco), "--json"],
        "pycocotools": ["-m", "benchmarks.pycoco", str(coco), str(results)],
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    said = {}
    for number in range(rounds + 1):
        for name, command in ways.items():
            began = time.perf_counter()
            said[name] = orjson.loads(subprocess.run([sys.executable, *command], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)
            if number:  # the first round warms up
                seconds[name].append(time.perf_counter() - began)
    os.sched_setaffinity(0, cores)
    for name, score in said["pycocotools"].items():
        assert abs(said["ours"][name]["AP"] - score) < 1e-9, f"{name} AP: {said['ours'][name]['AP']} is not pycocotools' {score}"
    return {
        "images": said["ours"]["num_images"],
        "detections_per_image": DETECTIONS,
        "seconds": {name: round(statistics.median(values), 2) for name, values in seconds.items()},
        "times_pycocotools": round(statistics.median(t / o for t, o in zip(seconds["pycocotools"], seconds["ours"])), 2),
        "AP": {name: round(score, 3) for name, score in said["pycocotools"].items()},
    }


def commands(scratch: Path, repeated: Path, arguments: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each command with its images, seconds, images a second and memory."""
    data, count = scratch / "data", arguments.num_images
    rows = [
        *((f"export {name}", repeated, count, ["--to", scratch / name, "--images", "none"]) for name in WITHOUT_IMAGES),
        *((f"export {name}", data, arguments.evaluated, ["--to", scratch / name]) for name in WITH_IMAGES),
        ("validate", repeated, count, []),
        ("import coco", repeated, count, ["--out", scratch / "masks", "--images", "none"]),
        ("import kins", scratch / "kins" / "annotations" / repeated.name, count, ["--out", scratch / "polygons", "--images", "none"]),
        ("evaluate-results", scratch / "results.json", arguments.evaluated, ["--gt", data, "--split", "train"]),
    ]
    for name, path, num_images, options in rows:
        began = time.perf_counter()
        command = [sys.executable, "-m", "amodalsynth_cli", *name.split(), *map(str, (path, *options))]
        memory = watch_memory(psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        seconds = time.perf_counter() - began
        yield (
            name,
            {
                "images": num_images,
                "seconds": round(seconds, 1),
                "images_per_second": round(num_images / seconds),
                "private_mib": round(memory["parent"] / 2**20),
            },
        )


def report(results: dict[str, Any]) -> str:
    judged = results["evaluate_results"]
    lines = [
        f"evaluate-results, {judged['images']} images of {judged['detections_per_image']} detections: {judged['seconds']['ours']} s, "
        f"pycocotools {judged['seconds']['pycocotools']} s: {judged['times_pycocotools']} times faster (goal {GOAL})",
        *(
            f"{name}: {row['images']} images in {row['seconds']} s ({row['images_per_second']} a second), {row['private_mib']} MiB"
            for name, row in results["commands"].items()
        ),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
