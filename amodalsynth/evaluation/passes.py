"""The two passes over the images of an evaluation: the overlaps of everything, then what the kept detections say of occlusion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from amodalsynth.coco_index import CocoIndex
from amodalsynth.evaluation.average_precision import UNMATCHED, Overlaps
from amodalsynth.evaluation.detections import Detections
from amodalsynth.evaluation.ground_truth import GroundTruth, ImageTruth, boxes_xywh, decode_images, read_blocks, read_category_ids
from amodalsynth.evaluation.occlusion import Kept, OcclusionTally
from amodalsynth.masks import MaskSpans, run_lengths

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Pairs:
    """The overlaps of a data set: of boxes, of amodal masks, and of visible masks, None where the results or an image lack them."""

    boxes: Overlaps
    amodal: Overlaps
    visible: Overlaps | None


def find_overlaps(index: CocoIndex, detections: Detections, progress: Progress | None) -> tuple[GroundTruth, Pairs]:
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
    pairs = Pairs(Overlaps.join(boxes), Overlaps.join(amodal), None if visible is None else Overlaps.join(visible))
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


def tally_occlusion(
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
