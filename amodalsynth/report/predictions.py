"""A model's detections beside the ground truth of one split: as tables, as curves, and image by image for the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from amodalsynth.errors import DataError
from amodalsynth.evaluation import Examination, examine_results
from amodalsynth.evaluation.average_precision import MAX_DETECTIONS
from amodalsynth.evaluation.evaluate import OCCLUSION_BINS
from amodalsynth.evaluation.examine import Curve, average_precision_by_category, image_quality, layer_confusion, precision_recall
from amodalsynth.evaluation.ground_truth import GroundTruth
from amodalsynth.evaluation.report import PRECISION, PrecisionTable, describe_kept, format_percent, other_facts, precision_tables
from amodalsynth.masks import run_lengths
from amodalsynth.report.values import text_for_page
from amodalsynth.segmentation import segmentation_spans
from amodalsynth.stats import Section

# What has to be known to read each of the tables of `precision_tables`.
_NOTES = (
    "COCO's average precision over IoUs of 0.5 to 0.95, at 0.5 and at 0.75. Of the last row the class is the pair of category and layer.",
    "The class is the layer, whatever the category (the paper's Table 4).",
    "A bin holds the rates above its first number and up to its second. A wrong detection counts in every bin: compare models within a bin.",
)


@dataclass(frozen=True, slots=True)
class Predictions:
    """The detections of one results list on the n images of a COCO file.

    name: of the run's folder, or of the results file without its ending. quality (n,) float64: `image_quality`, percent, NaN where undefined.
    curves: `precision_recall`. confusion: `layer_confusion`, None where either side lacks layers.
    """

    name: str
    examination: Examination
    quality: np.ndarray
    curves: tuple[Curve, ...]
    confusion: np.ndarray | None

    @property
    def threshold(self) -> float | None:
        """The score from which on detections are kept (largest F1); None where no detection is right."""
        return self.examination.kept.threshold

    def of_image(self, k: int, categories: Mapping[int, int], place: Sequence[int], size_hw: tuple[int, int]) -> list[dict[str, Any]]:
        """The detections of image k (from 0, in file order) as the page's JSON: the MAX_DETECTIONS best at most, by falling score.

        categories: category id -> the page's index. place: for each instance of the page its position among the image's annotations. size_hw:
        the frame that the image's masks are given in. "ignored" detections, matched with a crowd, are neither right nor wrong.
        """
        examination, detections = self.examination, self.examination.detections
        rows = detections.of_image(int(examination.image_ids[k]))
        best = rows.start + np.argsort(-detections.score[rows], kind="stable")[:MAX_DETECTIONS]
        chosen = best.tolist()
        amodal = segmentation_spans([detections.amodal[d] for d in chosen], size_hw, [detections.where(d) for d in chosen])
        codes = run_lengths(amodal)
        number = {int(examination.truths.start[k]) + position: i for i, position in enumerate(place)}
        return [
            {
                "category": categories.get(int(examination.category_ids[detections.category[d]])),
                "score": float(detections.score[d]),
                "layer": None if detections.layer is None else int(detections.layer[d]),
                "amodal": codes[n]["counts"],
                "ignored": bool(examination.ignored[d]),
                "instance": number.get(int(examination.matched[d])),
                "iou": None if np.isnan(examination.iou[d]) else round(float(examination.iou[d]), 4),
            }
            for n, d in enumerate(chosen)
        ]

    def tables(self) -> tuple[Section, ...]:
        """The numbers of `evaluate_results` as tables, and average precision by category; percent, "-" where undefined."""
        examination, evaluation = self.examination, self.examination.evaluation
        counted = examination.truths.category[~examination.truths.crowd]
        instances = np.bincount(counted, minlength=len(examination.category_ids)).tolist()
        by_category = average_precision_by_category(examination).values()
        categories = (
            (text_for_page(name), f"{count:,}", *(format_percent(scores[column]) for column in PRECISION))
            for name, count, scores in zip(examination.category_names, instances, by_category, strict=True)
        )
        precision = zip(precision_tables(evaluation), _instances_of(examination.truths), _NOTES, strict=True)
        return (
            *(Section(_capitalised(table.title), note, _rows(table, counts)) for table, counts, note in precision),
            Section("Mask by category", rows=(("category", "instances", *PRECISION), *categories)),
            Section("Layers, order and mIoU, %", describe_kept(evaluation), (("", "value"), *other_facts(evaluation).items())),
        )


def _instances_of(truths: GroundTruth) -> tuple[dict[str, int], ...]:
    """For each of `precision_tables`: row -> how many instances it is about; empty where that is not told."""
    layers = {} if truths.layer is None else Counter(f"L{layer}" for layer in truths.layer[~truths.crowd].tolist())
    bins = {} if truths.rate is None else {name: np.count_nonzero(truths.in_bin(*rates)) for name, rates in OCCLUSION_BINS.items()}
    return {}, layers, bins


def _rows(table: PrecisionTable, instances: Mapping[str, int]) -> tuple[tuple[str, ...], ...]:
    scores = ((name, tuple(map(format_percent, row))) for name, row in table.rows)
    if not instances:
        return (("", *PRECISION), *((name, *values) for name, values in scores))
    return (("", "instances", *PRECISION), *((name, f"{instances.get(name, 0):,}", *values) for name, values in scores))


def read_predictions(coco: Path, results: Path, split: str, *, progress: Callable[[int, int], None] | None = None) -> Predictions:
    """Evaluate the detections of a results file, or of a run's folder with `results-<split>.json`, on a COCO file with amodal masks.

    `progress(done, total)` counts images, each of them twice. `DataError` where the run has no results of this split, and as of `evaluate_results`.
    """
    results = Path(results)
    file = results / f"results-{split}.json" if results.is_dir() else results
    if not file.is_file() and file != results:
        raise DataError(
            f"{file}: expected the results of split '{split}', found none; "
            f"run `amodalsynth evaluate {results} --data OUT --split {split}`, or give a results file"
        )
    examination = examine_results(coco, file, progress=progress)
    return Predictions(
        text_for_page(results.resolve().stem if results.is_file() else results.resolve().name),
        examination,
        image_quality(examination),
        tuple(precision_recall(examination)),
        layer_confusion(examination),
    )


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
