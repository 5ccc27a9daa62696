"""A trained model evaluated on a data set: its detections as a COCO results file, and what `amodalsynth.evaluation` says of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from amodalsynth.baselines.data import locate_data, read_annotated
from amodalsynth.baselines.point_table import read_categories, read_image_entry
from amodalsynth.baselines.predict import Predictor, coco_results
from amodalsynth.coco_index import CocoIndex
from amodalsynth.errors import DataError
from amodalsynth.evaluation import evaluate_results, write_results
from amodalsynth.files import write_file

Progress = Callable[[int, int], None]

_THREADS = 2  # that read images and encode masks beside the model


def evaluate_run(
    run: str | Path,
    data: str | Path,
    *,
    split: str = "test",
    images: Path | None = None,
    device: str = "auto",
    batch_size: int = 16,
    tta: bool = False,
    assignments: Iterable[str] = (),
    to: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Evaluate the model of a run on a split of a data set, or on any COCO file with amodal masks, at the resolution of its masks.

    Categories are matched by name. Returns what `evaluate_results` does, in percent, with "fps" (images a second through fitting, model and
    pasting, without reading and encoding), "batch_size", "device", "tta", "postprocess" and "detections_per_image". Writes the results and
    the evaluation into the folder `to`, by default that of the run, in place of earlier ones: results-<split>.json and evaluation-<split>.json.
    `DataError`, before anything is predicted, where the annotations cannot be read or share no category with the run.
    """
    run = Path(run)
    predictor = Predictor(run, device=device, tta=tta, assignments=assignments)
    coco, folder = locate_data(Path(data), split, images)
    to = Path(to or run)
    results, seconds, done = [], 0.0, 0
    with CocoIndex.open(coco) as index, ThreadPoolExecutor(_THREADS) as threads:
        category_ids = _category_ids(predictor.description.categories, index)
        if not index.num_annotations:
            raise DataError(f"{coco}: expected annotations to evaluate on, got {index.num_images} images without any")
        for k in range(index.num_images):
            read_image_entry(index, k)
        evaluate_results(coco, [])  # a fault in the annotations should not wait until all images are predicted
        to.mkdir(parents=True, exist_ok=True)
        for entries, pictures in _read_ahead(index, folder, batch_size, threads):
            began = time.perf_counter()
            predictions = predictor.predict(pictures)
            seconds += time.perf_counter() - began
            of_image = threads.map(lambda image, seen: coco_results(seen, image["id"], category_ids), entries, predictions)
            results += [entry for of_one in of_image for entry in of_one]
            done += len(entries)
            if progress is not None:
                progress(done, index.num_images)
        num_images = index.num_images
    evaluation = evaluate_results(coco, results)
    about = {
        "fps": num_images / max(seconds, 1e-9),
        "batch_size": batch_size,
        "device": str(predictor.device),
        "tta": tta,
        "postprocess": predictor.config.postprocess,
        "detections_per_image": len(results) / max(num_images, 1),
    }
    write_results(to / f"results-{split}.json", results)
    write_file(to / f"evaluation-{split}.json", orjson.dumps(evaluation | about, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return evaluation | about


def _category_ids(names: tuple[str, ...], index: CocoIndex) -> list[int]:
    """For each category of a model its id in the data; -1 for those that the data lack, whose detections do not count."""
    categories = read_categories(index)
    ids = {name: category_id for category_id, name in categories.items()}
    if len(ids) < len(categories):
        raise DataError(f"{index.path}: expected categories of different names, got {len(categories)} with {len(ids)} names")
    if not ids.keys() & set(names):
        raise DataError(f"{index.path}: expected some category of the model's ({_some(names)}), got {_some(ids)}")
    return [ids.get(name, -1) for name in names]


def _some(names: Collection[str]) -> str:
    """The first of the names."""
    return ", ".join(list(names)[:5]) + (", ..." if len(names) > 5 else "")


def _read_ahead(
    index: CocoIndex, folder: Path, batch_size: int, threads: ThreadPoolExecutor
) -> Iterator[tuple[list[dict[str, Any]], list[np.ndarray]]]:
    """The images of a COCO file in batches, entries and pixels; the next batch is read while one is used."""

    def start(first: int) -> tuple[list[dict[str, Any]], list[Future[np.ndarray]]]:
        entries = [index.image(k) for k in range(first, min(first + batch_size, index.num_images))]
        sizes_hw = [(entry["height"], entry["width"]) for entry in entries]
        return entries, [threads.submit(read_annotated, folder / e["file_name"], hw, index.path) for e, hw in zip(entries, sizes_hw)]

    entries, pictures = start(0)
    for first in range(batch_size, index.num_images + batch_size, batch_size):
        following = start(first)
        yield entries, [picture.result() for picture in pictures]
        entries, pictures = following
