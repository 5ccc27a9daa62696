"""What an examination of results shows beyond the numbers: precision-recall curves, categories, the layers confused, the worst images.

n images, K categories, L layers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amodalsynth.evaluation.average_precision import IOU_THRESHOLDS, UNMATCHED, curves_by_class, precision_by_class, summarise
from amodalsynth.evaluation.evaluate import Examination

DEEPEST_LAYER = 15  # of a confusion matrix: it also counts what lies deeper, so that no number in a file decides about memory
_AP50, _AP75 = (int(np.flatnonzero(np.isclose(IOU_THRESHOLDS, iou))[0]) for iou in (0.5, 0.75))


@dataclass(frozen=True, slots=True)
class Curve:
    """A precision-recall curve: precision (101,) float64 in percent, at a recall of i percent for i from 0.

    category_id: None for the mean over all categories with an instance that counts. iou: the mask IoU from which on a detection is right.
    """

    category_id: int | None
    iou: float
    precision: np.ndarray


def precision_recall(examination: Examination) -> list[Curve]:
    """COCO's interpolated precision-recall curves of amodal masks: the means at IoU 0.5 and 0.75, then each category at IoU 0.5.

    The mean precision of the first two is AP50 and AP75 of the evaluation. Empty where no instance counts.
    """
    chosen = (_AP50, _AP75)
    by_category = curves_by_class(examination.matching, chosen)
    if not by_category:
        return []
    mean = np.mean(list(by_category.values()), axis=0)
    return [
        *(Curve(None, float(IOU_THRESHOLDS[i]), 100 * precision) for i, precision in zip(chosen, mean, strict=True)),
        *(Curve(int(examination.category_ids[k]), float(IOU_THRESHOLDS[_AP50]), 100 * curves[0]) for k, curves in by_category.items()),
    ]


def average_precision_by_category(examination: Examination) -> dict[int, dict[str, float | None]]:
    """Category id -> COCO's "AP", "AP50" and "AP75" of its amodal masks in percent; of all K, None without an instance that counts."""
    scores = precision_by_class(examination.matching)
    return {category_id: summarise([scores[k]] if k in scores else []) for k, category_id in enumerate(examination.category_ids.tolist())}


def layer_confusion(examination: Examination) -> np.ndarray | None:
    """(L + 1, L + 1) int64: instances and kept detections by their layers (eq. 2), matched by category at mask IoU 0.5.

    [i, j]: instances of layer i that are found in layer j. The last column counts the instances that are missed, the last row the detections
    that match no instance; the last of both is 0. L is one more than the deepest layer on either side, but at most DEEPEST_LAYER + 1. None
    where either side lacks layers.
    """
    kept, truths = examination.kept, examination.truths
    if examination.detections.layer is None or truths.layer is None:
        return None
    true_layer = np.minimum(truths.layer, DEEPEST_LAYER)
    found_layer = np.minimum(examination.detections.layer[kept.index], DEEPEST_LAYER)
    missed = ~truths.crowd
    right = kept.truth != UNMATCHED
    missed[kept.truth[right]] = False
    size = 1 + max(int(layer.max(initial=-1)) for layer in (true_layer[~truths.crowd], found_layer))
    confusion = np.zeros((size + 1, size + 1), np.int64)
    np.add.at(confusion, (true_layer[kept.truth[right]], found_layer[right]), 1)
    np.add.at(confusion, (size, found_layer[~right]), 1)
    np.add.at(confusion, (true_layer[missed], size), 1)
    return confusion


def image_quality(examination: Examination) -> np.ndarray:
    """(n,) float64: the panoptic quality in percent of each image, over its kept detections; NaN without any of them and any instance.

    The sum of the IoUs of matched pairs / (TP + FP / 2 + FN / 2) (Kirillov et al., CVPR 2019, eq. 1), of amodal masks, and over all categories at
    once, as a category has few instances in an image. Amodal masks overlap, so an IoU above 0.5 does not make a match unique as it does
    there: pairs are those of COCO's matching by score. Crowds and the detections matched with them do not count.
    """
    kept, truths = examination.kept, examination.truths
    order = np.argsort(examination.image_ids)
    image_id = examination.detections.image_id[kept.index]
    image = order[np.searchsorted(examination.image_ids, image_id, sorter=order)]
    sum_iou = np.bincount(image, np.nan_to_num(examination.iou[kept.index]), truths.num_images)
    # TP + FP / 2 + FN / 2 is half of all detections and instances, as a pair has one of each.
    whole = (np.bincount(image, minlength=truths.num_images) + np.bincount(truths.image[~truths.crowd], minlength=truths.num_images)) / 2
    return np.divide(100 * sum_iou, whole, out=np.full(truths.num_images, np.nan), where=whole > 0)
