"""Evaluate amodal instance segmentation: everything that can be said of a results list against a COCO file, in two passes over its images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from amodalsynth.coco_index import CocoIndex
from amodalsynth.evaluation.average_precision import UNMATCHED, Matching, Overlaps, Ranking, match, precision_by_class, summarise
from amodalsynth.evaluation.detections import Detections, read_results
from amodalsynth.evaluation.ground_truth import GroundTruth, read_category_ids, read_category_names
from amodalsynth.evaluation.occlusion import Kept, OcclusionTally, amodal_miou, keep, layer_accuracy, unknown_order
from amodalsynth.evaluation.passes import Pairs, Progress, find_overlaps, tally_occlusion

# Name in percent -> the rate lies above the first and up to the second.
OCCLUSION_BINS = {"0": (-1.0, 0.0), "0-25": (0.0, 0.25), "25-50": (0.25, 0.5), "50-75": (0.5, 0.75), "75-100": (0.75, 1.0)}
_PAPER_LAYERS = 5  # L0 to L4 (Table 4), reported also where there are none


def evaluate_results(coco: Path, results: Path | Sequence[dict[str, Any]], *, progress: Progress | None = None) -> dict[str, Any]:
    """Evaluate a COCO results list, or its JSON file, against a COCO file with amodal masks; percent, None where undefined.

    The returned dict, ready for JSON; {AP} stands for {"AP", "AP50", "AP75"}, which are COCO's (area "all", 100 detections an image and class):

        box, mask, visible    {AP} of boxes, amodal masks and visible masks, by category
        mask_by_layer         {"L0": {AP}, ...}: the class is the layer, whatever the category (paper, Table 4); L0 to L4 at least
        mask_category_layer   {AP}: the class is the pair of category and layer
        mask_by_occlusion     {"0", "0-25", "25-50", "50-75", "75-100"} -> {AP} by category over the instances whose occlusion rate in percent is
                              exactly 0, or above the first number and up to the second. The others are ignored, as COCO ignores those of
                              another area: a detection matched with one counts neither way. Nobody knows the occlusion rate of a detection that
                              matches nothing, so it counts as wrong in every bin; a rare bin bears the same errors with fewer
                              instances, so compare methods within a bin, not bins with each other.
        layer_accuracy        share of the matched detections with the layer of their instance
        order                 {"precision", "recall", "f1"} over ordered pairs (i is occluded by j, eq. 1); see `OcclusionTally`
        miou                  {"amodal", "invisible"}: over all instances, and over those with an invisible part; unmatched ones count 0. The
                              invisible mask of a detection is its amodal mask without its visible one or, without visible masks, what
                              its layer implies
        recall_by_layer       {"L0": ...}: share of the instances of a layer whose box is matched at IoU 0.5, among all detections
        score_threshold       the score from which on detections are kept for layer_accuracy, order and miou (see `occlusion`); not in percent
        num_images            images of the file, with detections or without

    What needs `layer`, `occlude_rate` (or a visible mask), `occluded_by` or a visible mask is None where an instance lacks it, and so is
    what needs a layer or a visible mask of detections. A box that a file lacks is that of the amodal mask. `iscrowd` instances are ignored as
    COCO does, and beyond AP everywhere. `progress(done, total)` counts images, each of them twice. `DataError` names the entry or
    annotation that is broken. Memory grows with the run-length codes of the results, not with pixels.
    """
    return examine_results(coco, results, progress=progress).evaluation


@dataclass(frozen=True, slots=True)
class Examination:
    """An evaluation and what it rests on, for whoever looks at single images and detections.

    evaluation: what `evaluate_results` returns. image_ids (n,) int64, in file order. category_ids (K,) int64, sorted, and category_names,
    what the file calls them. detections (D) and truths (G): both sides as columns. matching: of the amodal masks, by category. matched (D,)
    int64: the instance that each detection is matched with at mask IoU 0.5, an index into the G, or UNMATCHED; iou (D,) float64: of those
    two, NaN where unmatched. ignored (D,) bool: matched with a crowd, or beyond the MAX_DETECTIONS of its image and category, and so neither
    right nor wrong; `matched` is UNMATCHED there. kept: the detections that layers, order and the quality of an image are judged on.
    """

    evaluation: dict[str, Any]
    image_ids: np.ndarray
    category_ids: np.ndarray
    category_names: tuple[str, ...]
    detections: Detections
    truths: GroundTruth
    matching: Matching
    matched: np.ndarray
    iou: np.ndarray
    ignored: np.ndarray
    kept: Kept


def examine_results(coco: Path, results: Path | Sequence[dict[str, Any]], *, progress: Progress | None = None) -> Examination:
    """Evaluate as `evaluate_results` does, with the same errors, and keep what is known of every image and detection."""
    with CocoIndex.open(Path(coco)) as index:
        category_ids = read_category_ids(index)
        detections = read_results(results, index.image_ids, category_ids)
        truths, pairs = find_overlaps(index, detections, progress)
        by_category = Ranking.of(detections, detections.category)
        matching = _match_by_category(pairs.amodal, by_category, truths)
        kept = keep(matching, detections.score)
        tally = tally_occlusion(index, detections, truths, kept, progress)
    matched, ignored = _judge(matching)
    iou = np.full(len(detections), np.nan)
    chosen = matched[pairs.amodal.detection] == pairs.amodal.truth
    iou[pairs.amodal.detection[chosen]] = pairs.amodal.iou[chosen]
    return Examination(
        evaluation=_evaluation(detections, truths, pairs, matching, kept, tally),
        image_ids=index.image_ids,
        category_ids=category_ids,
        category_names=read_category_names(index),
        detections=detections,
        truths=truths,
        matching=matching,
        matched=matched,
        iou=iou,
        ignored=ignored,
        kept=kept,
    )


def _evaluation(
    detections: Detections, truths: GroundTruth, pairs: Pairs, mask_matching: Matching, kept: Kept, tally: OcclusionTally | None
) -> dict[str, Any]:
    """The dict of `evaluate_results`."""
    masks, by_category = pairs.amodal, mask_matching.ranking
    box_matching = _match_by_category(pairs.boxes, by_category, truths)
    visible_matching = None if pairs.visible is None else _match_by_category(pairs.visible, by_category, truths)
    known = detections.layer is not None and truths.layer is not None
    present = [] if truths.layer is None else truths.layer[~truths.crowd].tolist()
    layers = {layer: f"L{layer}" for layer in sorted({*range(_PAPER_LAYERS), *present})}
    by_layer = _precision_by_layer(masks, detections, truths) if known else {}
    return {
        "box": summarise(precision_by_class(box_matching).values()),
        "mask": summarise(precision_by_class(mask_matching).values()),
        "visible": summarise([] if visible_matching is None else precision_by_class(visible_matching).values()),
        "mask_by_layer": {name: summarise([by_layer[i]] if i in by_layer else []) for i, name in layers.items()},
        "mask_by_occlusion": {
            name: summarise(_precision_in_bin(masks, by_category, truths, *rates).values()) for name, rates in OCCLUSION_BINS.items()
        },
        "mask_category_layer": summarise(_precision_by_pair(masks, detections, truths).values() if known else []),
        "layer_accuracy": layer_accuracy(kept, detections, truths),
        "order": unknown_order() if tally is None else tally.order,
        "miou": {"amodal": amodal_miou(kept, masks, detections, truths), "invisible": None if tally is None else tally.invisible_miou},
        "recall_by_layer": {name: _recall(box_matching, truths, i) for i, name in layers.items()},
        "score_threshold": kept.threshold,
        "num_images": truths.num_images,
    }


def _match_by_category(overlaps: Overlaps, ranking: Ranking, truths: GroundTruth) -> Matching:
    return match(overlaps, ranking, truths, truth_class=truths.category, ignored=truths.crowd)


def _judge(matching: Matching) -> tuple[np.ndarray, np.ndarray]:
    """`matched` and `ignored` of an Examination."""
    truth = matching.truth[:, 0].astype(np.int64)
    of_crowd = np.append(matching.ignored, False)[truth]  # one more, where UNMATCHED points
    return np.where(of_crowd, UNMATCHED, truth), of_crowd | ~matching.ranking.evaluated


def _precision_by_layer(masks: Overlaps, detections: Detections, truths: GroundTruth) -> dict[int, np.ndarray]:
    ranking = Ranking.of(detections, detections.layer)
    return precision_by_class(match(masks, ranking, truths, truth_class=truths.layer, ignored=truths.crowd))


def _precision_by_pair(masks: Overlaps, detections: Detections, truths: GroundTruth) -> dict[int, np.ndarray]:
    num_layers = 1 + max(int(layer.max(initial=0)) for layer in (detections.layer, truths.layer))
    of_detections, of_truths = (side.category * num_layers + side.layer for side in (detections, truths))
    return precision_by_class(match(masks, Ranking.of(detections, of_detections), truths, truth_class=of_truths, ignored=truths.crowd))


def _precision_in_bin(masks: Overlaps, ranking: Ranking, truths: GroundTruth, above: float, up_to: float) -> dict[int, np.ndarray]:
    if truths.rate is None:
        return {}
    ignored = ~truths.in_bin(above, up_to)
    return precision_by_class(match(masks, ranking, truths, truth_class=truths.category, ignored=ignored))


def _recall(box_matching: Matching, truths: GroundTruth, layer: int) -> float | None:
    if truths.layer is None:
        return None
    matched = np.zeros(len(truths) + 1, bool)  # one more, where UNMATCHED points
    matched[box_matching.truth[:, 0]] = True
    of_layer = (truths.layer == layer) & ~truths.crowd
    return 100 * float(matched[:-1][of_layer].mean()) if of_layer.any() else None
