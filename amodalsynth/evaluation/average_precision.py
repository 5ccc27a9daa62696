"""COCO's average precision: matching at ten IoUs and precision at 101 recalls, for any classes and any ignored part of the ground truth.

The same numbers as pycocotools (area "all", 100 detections an image and class), which the tests hold it to. COCO takes detections one by
one; here the first of every image and class are matched together, then the second ones and so on, which is the same because neither image nor class
share an instance. Only pairs with an IoU of 0.5 can ever match, so nothing else is kept: an evaluation costs little once the IoUs are known,
and the same IoUs serve every choice of classes.

D detections, G ground truth instances, P pairs, T IoU thresholds, C the most candidates that a detection has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from amodalsynth.evaluation.detections import Detections
from amodalsynth.evaluation.ground_truth import GroundTruth

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
MAX_DETECTIONS = 100  # of an image and class; the ones with lower scores are left out
UNMATCHED = -1
_RECALLS = np.linspace(0, 1, 101)
_LEAST_IOU = np.minimum(IOU_THRESHOLDS, 1 - 1e-10)  # as pycocotools has it, so that an IoU of 1 passes whatever its rounding


@dataclass(frozen=True, slots=True)
class Overlaps:
    """The pairs of a detection and an instance of one image with an IoU of at least 0.5: detection, truth (P,) int64; iou (P,) float64."""

    detection: np.ndarray
    truth: np.ndarray
    iou: np.ndarray

    @classmethod
    def from_matrix(cls, iou: np.ndarray, first_detection: int, first_truth: int) -> Overlaps:
        """Of the (d, g) IoUs of one image, whose detections and instances begin at these indices."""
        detection, truth = np.nonzero(iou >= IOU_THRESHOLDS[0])
        return cls(detection + first_detection, truth + first_truth, iou[detection, truth])

    @classmethod
    def join(cls, parts: Iterable[Overlaps]) -> Overlaps:
        empty = tuple(np.zeros(0, dtype) for dtype in (np.int64, np.int64, np.float64))
        return cls(*map(np.concatenate, zip(empty, *((part.detection, part.truth, part.iou) for part in parts), strict=True)))


@dataclass(frozen=True, slots=True)
class Ranking:
    """The detections by image and class, and by falling score in each; what every matching by the same classes shares.

    detection_class (D,) int64. position (D,) int64: of each detection in that order. group (D,) int64: its image and class. evaluated (D,) bool:
    not beyond MAX_DETECTIONS. by_score: the evaluated detections by class, and by falling score in each.
    """

    detection_class: np.ndarray
    position: np.ndarray
    group: np.ndarray
    evaluated: np.ndarray
    by_score: np.ndarray

    @classmethod
    def of(cls, detections: Detections, detection_class: np.ndarray) -> Ranking:
        order = np.lexsort((-detections.score, detection_class, detections.image_id))
        first = _starts(detections.image_id[order], detection_class[order])
        position, group = np.empty((2, len(order)), np.int64)
        position[order], group[order] = np.arange(len(order)), np.cumsum(first)
        evaluated = np.empty(len(order), bool)
        evaluated[order] = _place_in_run(first) < MAX_DETECTIONS
        by_score = np.lexsort((-detections.score, detection_class))
        return cls(detection_class, position, group, evaluated, by_score[evaluated[by_score]])


@dataclass(frozen=True, slots=True)
class Matching:
    """Which instance each detection is matched with: truth (D, T) int32, or UNMATCHED.

    ranking, truth_class (G,) int64 and ignored (G,) bool: what was matched.
    """

    truth: np.ndarray
    ranking: Ranking
    truth_class: np.ndarray
    ignored: np.ndarray


def match(overlaps: Overlaps, ranking: Ranking, truths: GroundTruth, *, truth_class: np.ndarray, ignored: np.ndarray) -> Matching:
    """Match the detections of each image and class one to one with its instances, by falling score, each with the highest IoU left.

    The classes of detections and instances, integers, have to be equal. ignored (G,) bool holds every crowd: such an instance is
    taken only where no other is left, and its detection counts neither as right nor as wrong; a crowd can be taken again and again.
    """
    detection_class, position, evaluated = ranking.detection_class, ranking.position, ranking.evaluated
    fits = (detection_class[overlaps.detection] == truth_class[overlaps.truth]) & evaluated[overlaps.detection]
    detection, truth, iou = overlaps.detection[fits], overlaps.truth[fits], overlaps.iou[fits]
    # Best candidate first: one that counts, then the higher IoU, then the later in the file.
    by_choice = np.lexsort((-truth, -iou, ignored[truth], position[detection]))
    detection, truth, iou = detection[by_choice], truth[by_choice], iou[by_choice]
    new = _starts(detection)
    place, row, rows = _place_in_run(new), np.cumsum(new) - 1, detection[new]
    candidates = (len(rows), int(place.max(initial=-1)) + 1)
    candidate = np.full(candidates, len(truth_class))  # (rows, C), filled up with an instance that there is not
    candidate_iou = np.zeros(candidates)
    candidate[row, place], candidate_iou[row, place] = truth, iou

    turn = _place_in_run(_starts(ranking.group[rows]))
    by_turn = np.argsort(turn, kind="stable")
    matched = np.full((len(position), len(_LEAST_IOU)), UNMATCHED, np.int32)
    taken = np.zeros((len(truth_class) + 1, len(_LEAST_IOU)), bool)
    for now in np.split(by_turn, np.flatnonzero(np.diff(turn[by_turn])) + 1):
        possible = (candidate_iou[now][..., None] >= _LEAST_IOU) & ~taken[candidate[now]]  # (rows of this turn, C, T)
        if not possible.size:
            continue
        chosen = np.take_along_axis(candidate[now], possible.argmax(axis=1), axis=1)
        found = possible.any(axis=1)
        matched[rows[now]] = np.where(found, chosen, UNMATCHED)
        at, threshold = np.nonzero(found)
        at = chosen[at, threshold]
        once = ~truths.crowd[at]
        taken[at[once], threshold[once]] = True
    return Matching(matched, ranking, truth_class, ignored)


def precision_by_class(matching: Matching) -> dict[int, np.ndarray]:
    """Average precision in percent, (T,) float64, of every class with an instance that counts; 0 for a class without a detection."""
    return {label: 100 * curves.mean(axis=1) for label, curves in curves_by_class(matching).items()}


def curves_by_class(matching: Matching, thresholds: Sequence[int] = range(len(IOU_THRESHOLDS))) -> dict[int, np.ndarray]:
    """Interpolated precision in [0, 1], (T, 101) float64, at recalls of 0, 0.01, ..., 1, of every class with an instance that counts.

    COCO's, as in PASCAL VOC (Everingham et al., IJCV 2010, section 4.2): the highest precision at this recall or a higher one, 0 where that recall is
    not reached. `thresholds`: the T places in IOU_THRESHOLDS.
    """
    classes, num_instances = np.unique(matching.truth_class[~matching.ignored], return_counts=True)
    order = matching.ranking.by_score
    begin, end = (np.searchsorted(matching.ranking.detection_class[order], classes, side=side) for side in ("left", "right"))
    ignored = np.append(matching.ignored, False)  # one more, where UNMATCHED points
    result = {}
    for label, count, rows in zip(classes.tolist(), num_instances, map(slice, begin, end)):
        chosen = matching.truth[order[rows]].T[list(thresholds)]
        unmatched = chosen == UNMATCHED
        right = ~unmatched & ~ignored[chosen]
        result[label] = np.array([_interpolated(hit, miss, count) for hit, miss in zip(right, unmatched)])
    return result


def _interpolated(right: np.ndarray, wrong: np.ndarray, num_instances: int) -> np.ndarray:
    """(101,) float64: precision at COCO's recalls, of detections by falling score that are right or wrong or (ignored) neither."""
    num_right = np.cumsum(right, dtype=np.float64)
    precision = num_right / (num_right + np.cumsum(wrong) + np.spacing(1))
    best = np.maximum.accumulate(precision[::-1])[::-1]  # at this recall or a higher one
    reached = np.searchsorted(num_right / num_instances, _RECALLS)
    return np.append(best, 0)[reached]


def summarise(precisions: Iterable[np.ndarray]) -> dict[str, float | None]:
    """COCO's three numbers as the mean over classes; None where there is no class."""
    precisions = list(precisions)
    if not precisions:
        return {"AP": None, "AP50": None, "AP75": None}
    mean = np.mean(precisions, axis=0)
    return {"AP": float(mean.mean()), "AP50": float(mean[0]), "AP75": float(mean[5])}


def _starts(*keys: np.ndarray) -> np.ndarray:
    """(N,) bool: where a run of equal keys begins."""
    starts = np.ones(len(keys[0]), bool)
    starts[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    return starts


def _place_in_run(starts: np.ndarray) -> np.ndarray:
    """(N,) bool, true where a run begins (also at 0) -> (N,) int64: how far into its run each element is."""
    index = np.arange(len(starts))
    return index - np.maximum.accumulate(np.where(starts, index, 0))
