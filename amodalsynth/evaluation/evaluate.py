"""Evaluate amodal instance segmentation: everything that can be said of a results list against a COCO file, in two passes over its images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from amodalsynth.coco_index import CocoIndex
from amodalsynth.evaluation.average_precision import UNMATCHED, Matching, Overlaps, match, precision_by_class, summarise
from amodalsynth.evaluation.detections import Detections, read_results
from amodalsynth.evaluation.ground_truth import GroundTruth, decode_images, read_blocks, read_category_ids
from amodalsynth.evaluation.occlusion import Kept, OcclusionTally, amodal_miou, keep, layer_accuracy, unknown_order
from amodalsynth.masks import run_lengths
from amodalsynth.segmentation import mask_areas

Progress = Callable[[int, int], None]

# Name in percent -> the rate lies above the first and up to the second.
OCCLUSION_BINS = {"0": (-1.0, 0.0), "0-25": (0.0, 0.25), "25-50": (0.25, 0.5), "50-75": (0.5, 0.75), "75-100": (0.75, 1.0)}
_PAPER_LAYERS = 5  # L0 to L4 (Table 4), reported also where there are none


def evaluate_results(coco: Path, results: Path | Sequence[dict[str, Any]], *, progress: Progress | None = None) -> dict[str, Any]:
    """Evaluate a COCO results list, or its JSON file, against a COCO file with amodal masks; percent, None where undefined.

    The returned dict, ready for JSON; {AP} stands for {"AP", "AP50", "AP75"}, which are COCO's (area "all", 100 detections an image and class):

        box, mask             {AP} of boxes and of amodal masks, by category
        mask_by_layer         {"L0": {AP}, ...}: the class is the layer, whatever the category (paper, Table 4); L0 to L4 at least
        mask_category_layer   {AP}: the class is the pair of category and layer
        mask_by_occlusion     {"0", "0-25", "25-50", "50-75", "75-100"} -> {AP} by category over the instances whose occlusion rate in percent is
                              exactly 0, or above the first number and up to the second. The others are ignored, as COCO ignores those of
                              another area: a detection matched with one counts neither way. Nobody knows the occlusion rate of a detection that
                              matches nothing, so it counts as wrong in every bin; a rare bin bears the same errors with fewer
                              instances, so compare methods within a bin, not bins with each other.
        layer_accuracy        share of the matched detections with the layer of their instance
        order                 {"precision", "recall", "f1"} over ordered pairs (i is occluded by j, eq. 1); see `OcclusionTally`
        miou                  {"amodal", "invisible"}: over all instances, and over those with an invisible part; unmatched ones count 0
        recall_by_layer       {"L0": ...}: share of the instances of a layer whose box is matched at IoU 0.5, among all detections
        score_threshold       the score from which on detections are kept for layer_accuracy, order and miou (see `occlusion`); not in percent
        num_images            images of the file, with detections or without

    What needs `layer`, `occlude_rate` (or a visible mask), `occluded_by` or a visible mask is None where an instance lacks it, and so is
    what needs the layer of detections. `iscrowd` instances are ignored as COCO does, and beyond AP everywhere. `progress(done, total)`
    counts images, each of them twice. `DataError` names the entry or annotation that is broken. Memory grows with the run-length
    codes of the results, not with pixels.
    """
    with CocoIndex.open(Path(coco)) as index:
        detections = read_results(results, index.image_ids, read_category_ids(index))
        truths, boxes, masks = _overlap(index, detections, progress)
        categories = (detections.category, truths.category)
        box_matching, mask_matching = (
            match(overlaps, detections, truths, classes=categories, ignored=truths.crowd) for overlaps in (boxes, masks)
        )
        kept = keep(mask_matching, detections.score)
        tally = _tally_occlusion(index, detections, truths, kept, progress)
    known = detections.layer is not None and truths.layer is not None
    present = [] if truths.layer is None else truths.layer[~truths.crowd].tolist()
    layers = {layer: f"L{layer}" for layer in sorted({*range(_PAPER_LAYERS), *present})}
    by_layer = _precision_by_layer(masks, detections, truths) if known else {}
    return {
        "box": summarise(precision_by_class(box_matching, detections.score).values()),
        "mask": summarise(precision_by_class(mask_matching, detections.score).values()),
        "mask_by_layer": {name: summarise([by_layer[i]] if i in by_layer else []) for i, name in layers.items()},
        "mask_by_occlusion": {
            name: summarise(_precision_in_bin(masks, detections, truths, *rates).values()) for name, rates in OCCLUSION_BINS.items()
        },
        "mask_category_layer": summarise(_precision_by_pair(masks, detections, truths).values() if known else []),
        "layer_accuracy": layer_accuracy(kept, detections, truths),
        "order": unknown_order() if tally is None else tally.order,
        "miou": {"amodal": amodal_miou(kept, masks, detections, truths), "invisible": None if tally is None else tally.invisible_miou},
        "recall_by_layer": {name: _recall(box_matching, truths, i) for i, name in layers.items()},
        "score_threshold": kept.threshold,
        "num_images": index.num_images,
    }


def _overlap(index: CocoIndex, detections: Detections, progress: Progress | None) -> tuple[GroundTruth, Overlaps, Overlaps]:
    """The first pass: the ground truth as columns, and the overlaps of boxes and of masks."""
    category_ids = read_category_ids(index)
    columns: list[tuple[np.ndarray, ...]] = []
    boxes, masks, start = [], [], [0]
    for block in read_blocks(index):
        rows_of = [detections.of_image(int(index.image_ids[k])) for k, _ in block]
        segmentations = [[*image.amodal_segmentations, *detections.segmentation[rows]] for (_, image), rows in zip(block, rows_of)]
        where = [[*image.where, *map(detections.where, range(rows.start, rows.stop))] for (_, image), rows in zip(block, rows_of)]
        decoded = decode_images(segmentations, block[0][1].size_hw, where)
        for (k, image), rows, codes, spans in zip(block, rows_of, segmentations, decoded):
            count = len(image.annotations)
            crowd, box = image.crowd(), image.box_xywh()
            rate = image.occlusion_rate(mask_areas(spans)[:count])
            columns.append((image.category(category_ids), crowd, image.layer(), rate))
            if count and rows.stop > rows.start:
                if not all(isinstance(code, dict) and isinstance(code["counts"], str | bytes) for code in codes):
                    codes = run_lengths(spans)
                box_iou = coco_mask.iou(detections.box_xywh[rows], box, crowd)
                mask_iou = coco_mask.iou(codes[count:], codes[:count], crowd)
                boxes.append(Overlaps.from_matrix(box_iou, rows.start, start[-1]))
                masks.append(Overlaps.from_matrix(mask_iou, rows.start, start[-1]))
            start.append(start[-1] + count)
            if progress is not None:
                progress(k + 1, 2 * index.num_images)
    return GroundTruth.join(columns, start), Overlaps.join(boxes), Overlaps.join(masks)


def _tally_occlusion(
    index: CocoIndex, detections: Detections, truths: GroundTruth, kept: Kept, progress: Progress | None
) -> OcclusionTally | None:
    """The second pass: what the layers of the kept detections imply; None where the detections have no layer."""
    if detections.layer is None:
        return None
    tally = OcclusionTally()
    for block in read_blocks(index):
        rows_of = [_between(kept.index, detections.of_image(int(index.image_ids[k]))) for k, _ in block]
        segmentations, where = [], []
        for (_, image), rows in zip(block, rows_of):
            truth = [] if (visible := image.visible_segmentations) is None else [*image.amodal_segmentations, *visible]
            segmentations.append([*(detections.segmentation[i] for i in kept.index[rows].tolist()), *truth])
            where.append([*map(detections.where, kept.index[rows].tolist()), *(image.where * 2 if truth else ())])
        for (k, image), rows, masks in zip(block, rows_of, decode_images(segmentations, block[0][1].size_hw, where)):
            matched = np.where(kept.truth[rows] == UNMATCHED, UNMATCHED, kept.truth[rows] - truths.start[k])
            tally.add(image, matched, detections.layer[kept.index[rows]], masks)
            if progress is not None:
                progress(index.num_images + k + 1, 2 * index.num_images)
    return tally


def _between(index: np.ndarray, rows: slice) -> slice:
    """Where the numbers of an ascending `index` lie that are in `rows`."""
    return slice(*np.searchsorted(index, [rows.start, rows.stop]).tolist())


def _precision_by_layer(masks: Overlaps, detections: Detections, truths: GroundTruth) -> dict[int, np.ndarray]:
    matching = match(masks, detections, truths, classes=(detections.layer, truths.layer), ignored=truths.crowd)
    return precision_by_class(matching, detections.score)


def _precision_by_pair(masks: Overlaps, detections: Detections, truths: GroundTruth) -> dict[int, np.ndarray]:
    num_layers = 1 + max(int(layer.max(initial=0)) for layer in (detections.layer, truths.layer))
    of_detections, of_truths = (side.category * num_layers + side.layer for side in (detections, truths))
    matching = match(masks, detections, truths, classes=(of_detections, of_truths), ignored=truths.crowd)
    return precision_by_class(matching, detections.score)


def _precision_in_bin(masks: Overlaps, detections: Detections, truths: GroundTruth, above: float, up_to: float) -> dict[int, np.ndarray]:
    if truths.rate is None:
        return {}
    ignored = truths.crowd | ~((truths.rate > above) & (truths.rate <= up_to))
    matching = match(masks, detections, truths, classes=(detections.category, truths.category), ignored=ignored)
    return precision_by_class(matching, detections.score)


def _recall(box_matching: Matching, truths: GroundTruth, layer: int) -> float | None:
    if truths.layer is None:
        return None
    matched = np.zeros(len(truths) + 1, bool)  # one more, where UNMATCHED points
    matched[box_matching.truth[:, 0]] = True
    of_layer = (truths.layer == layer) & ~truths.crowd
    return 100 * float(matched[:-1][of_layer].mean()) if of_layer.any() else None
