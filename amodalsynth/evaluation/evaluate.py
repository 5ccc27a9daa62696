"""Evaluate amodal instance segmentation: everything that can be said of a results list against a COCO file, in two passes over its images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from amodalsynth.coco_index import CocoIndex
from amodalsynth.evaluation.average_precision import UNMATCHED, Matching, Overlaps, Ranking, match, precision_by_class, summarise
from amodalsynth.evaluation.detections import Detections, read_results
from amodalsynth.evaluation.ground_truth import GroundTruth, ImageTruth, boxes_xywh, decode_images, read_blocks, read_category_ids
from amodalsynth.evaluation.occlusion import Kept, OcclusionTally, amodal_miou, keep, layer_accuracy, unknown_order
from amodalsynth.masks import MaskSpans, run_lengths

Progress = Callable[[int, int], None]

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
    with CocoIndex.open(Path(coco)) as index:
        detections = read_results(results, index.image_ids, read_category_ids(index))
        truths, pairs = _overlap(index, detections, progress)
        masks, by_category = pairs.amodal, Ranking.of(detections, detections.category)
        box_matching, mask_matching, visible_matching = (
            None if overlaps is None else match(overlaps, by_category, truths, truth_class=truths.category, ignored=truths.crowd)
            for overlaps in (pairs.boxes, pairs.amodal, pairs.visible)
        )
        kept = keep(mask_matching, detections.score)
        tally = _tally_occlusion(index, detections, truths, kept, progress)
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
        "num_images": index.num_images,
    }


@dataclass(frozen=True, slots=True)
class _Pairs:
    """The overlaps of a data set: of boxes, of amodal masks, and of visible masks, None where the results or an image lack them."""

    boxes: Overlaps
    amodal: Overlaps
    visible: Overlaps | None


def _overlap(index: CocoIndex, detections: Detections, progress: Progress | None) -> tuple[GroundTruth, _Pairs]:
    """The first pass: the ground truth as columns, and the overlaps."""
    category_ids = read_category_ids(index)
    columns: list[tuple[np.ndarray, ...]] = []
    boxes, amodal, start = [], [], [0]
    visible: list[Overlaps] | None = None if detections.visible is None else []
    for block in read_blocks(index):
        rows_of = [detections.of_image(int(index.image_ids[k])) for k, _ in block]
        masks = _decode(block, [image.amodal_segmentations for _, image in block], detections, detections.amodal, rows_of)
        of_truth = [image.visible_segmentations for _, image in block]
        if None in of_truth:
            visible = None
        seen = [] if visible is None else _decode(block, of_truth, detections, detections.visible, rows_of)
        for n, ((k, image), rows) in enumerate(zip(block, rows_of)):
            count, first, spans = len(image.annotations), (rows.start, start[-1]), masks[n].spans
            crowd, box = image.crowd(), image.box_xywh(spans)
            columns.append((image.category(category_ids), crowd, image.layer(), image.occlusion_rate(spans)))
            if count and rows.stop > rows.start:
                found = boxes_xywh(spans)[count:] if detections.box_xywh is None else detections.box_xywh[rows]
                boxes.append(Overlaps.from_matrix(coco_mask.iou(found, box, crowd), *first))
                amodal.append(Overlaps.from_matrix(masks[n].iou(count, crowd), *first))
                if visible is not None:
                    visible.append(Overlaps.from_matrix(seen[n].iou(count, crowd), *first))
            start.append(start[-1] + count)
            if progress is not None:
                progress(k + 1, 2 * index.num_images)
    pairs = _Pairs(Overlaps.join(boxes), Overlaps.join(amodal), None if visible is None else Overlaps.join(visible))
    return GroundTruth.join(columns, start), pairs


@dataclass(frozen=True, slots=True)
class _Masks:
    """Masks of the instances of an image and, after them, of its detections, as the files have them and as spans."""

    segmentations: list[Any]
    spans: MaskSpans

    def iou(self, count: int, crowd: np.ndarray) -> np.ndarray:
        """(D, G) IoUs of the detections' masks with the first `count`, the instances'."""
        codes = self.segmentations
        if not all(type(code) is dict and type(code["counts"]) in (str, bytes) for code in codes):
            codes = run_lengths(self.spans)
        return coco_mask.iou(codes[count:], codes[:count], crowd)


def _decode(
    block: list[tuple[int, ImageTruth]], of_truth: list[list[Any]], detections: Detections, found: list[Any], rows_of: list[slice]
) -> list[_Masks]:
    segmentations = [[*truth, *found[rows]] for truth, rows in zip(of_truth, rows_of)]
    where = [[*image.where, *map(detections.where, range(rows.start, rows.stop))] for (_, image), rows in zip(block, rows_of)]
    return list(map(_Masks, segmentations, decode_images(segmentations, block[0][1].size_hw, where)))


def _tally_occlusion(
    index: CocoIndex, detections: Detections, truths: GroundTruth, kept: Kept, progress: Progress | None
) -> OcclusionTally | None:
    """The second pass: what the kept detections say of occlusion; None where they have neither layers nor visible masks."""
    if detections.layer is None and detections.visible is None:
        return None
    tally = OcclusionTally()
    for block in read_blocks(index):
        rows_of = [_between(kept.index, detections.of_image(int(index.image_ids[k]))) for k, _ in block]
        segmentations, where = [], []
        for (_, image), rows in zip(block, rows_of):
            chosen = kept.index[rows].tolist()
            found = [masks[i] for masks in (detections.amodal, detections.visible) if masks is not None for i in chosen]
            truth = [] if (visible := image.visible_segmentations) is None else [*image.amodal_segmentations, *visible]
            names = list(map(detections.where, chosen))
            segmentations.append([*found, *truth])
            where.append([*(names if detections.visible is None else names * 2), *(image.where * 2 if truth else ())])
        for (k, image), rows, masks in zip(block, rows_of, decode_images(segmentations, block[0][1].size_hw, where)):
            matched = np.where(kept.truth[rows] == UNMATCHED, UNMATCHED, kept.truth[rows] - truths.start[k])
            layer = None if detections.layer is None else detections.layer[kept.index[rows]]
            tally.add(image, matched, layer, masks, with_visible=detections.visible is not None)
            if progress is not None:
                progress(index.num_images + k + 1, 2 * index.num_images)
    return tally


def _between(index: np.ndarray, rows: slice) -> slice:
    """Where the numbers of an ascending `index` lie that are in `rows`."""
    return slice(*np.searchsorted(index, [rows.start, rows.stop]).tolist())


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
    ignored = truths.crowd | ~((truths.rate > above) & (truths.rate <= up_to))
    return precision_by_class(match(masks, ranking, truths, truth_class=truths.category, ignored=ignored))


def _recall(box_matching: Matching, truths: GroundTruth, layer: int) -> float | None:
    if truths.layer is None:
        return None
    matched = np.zeros(len(truths) + 1, bool)  # one more, where UNMATCHED points
    matched[box_matching.truth[:, 0]] = True
    of_layer = (truths.layer == layer) & ~truths.crowd
    return 100 * float(matched[:-1][of_layer].mean()) if of_layer.any() else None
