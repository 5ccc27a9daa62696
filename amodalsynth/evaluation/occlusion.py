"""What detections say about each other: layers, occlusion order and invisible masks, judged on those that a user would keep.

AP ranks every detection; an order or an invisible mask needs one answer for an image. Detections are *kept* from the score on at which the F1 of
detection (the one-to-one matching of COCO, by category, at mask IoU 0.5) is largest over the whole data set, the "optimal data set scale" of
contour benchmarks (Arbelaez et al., PAMI 2011). So scores need no calibration, and a flood of detections with low scores changes nothing.

A kept detections of all images; in one image P kept detections, N instances and K cells of the frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amodalsynth.evaluation.average_precision import UNMATCHED, Matching, Overlaps
from amodalsynth.evaluation.detections import Detections
from amodalsynth.evaluation.ground_truth import GroundTruth, ImageTruth
from amodalsynth.masks import MaskSpans

_BITS = np.left_shift(1, np.arange(8)).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Kept:
    """All kept detections: index (A,) int64, ascending, and truth (A,) int64, the instance each is matched with or UNMATCHED.

    threshold: the lowest score among them; None where nothing is kept, as no detection is right.
    """

    index: np.ndarray
    truth: np.ndarray
    threshold: float | None


def keep(matching: Matching, score: np.ndarray) -> Kept:
    """Keep from the score of the largest F1 on, the highest such score; a detection that is matched with an ignored instance is left out."""
    truth = matching.truth[:, 0].astype(np.int64)
    ignored = np.append(matching.ignored, False)  # one more, where UNMATCHED points
    counted = np.flatnonzero(matching.ranking.evaluated & ~ignored[truth])
    by_score = counted[np.argsort(-score[counted], kind="stable")]
    num_right = np.cumsum(truth[by_score] != UNMATCHED)
    f1 = 2 * num_right / (np.arange(1, len(by_score) + 1) + np.count_nonzero(~matching.ignored))
    f1[:-1][np.diff(score[by_score]) == 0] = 0  # equal scores are kept together
    if not f1.any():
        return Kept(np.zeros(0, np.int64), np.zeros(0, np.int64), None)
    threshold = float(score[by_score[np.argmax(f1)]])
    index = counted[score[counted] >= threshold]
    return Kept(index, truth[index], threshold)


def layer_accuracy(kept: Kept, detections: Detections, truths: GroundTruth) -> float | None:
    """Percent of the kept, matched detections whose layer is that of their instance; None where there are none or layers are not known."""
    matched = kept.truth != UNMATCHED
    if detections.layer is None or truths.layer is None or not matched.any():
        return None
    return 100 * float(np.mean(detections.layer[kept.index[matched]] == truths.layer[kept.truth[matched]]))


def amodal_miou(kept: Kept, overlaps: Overlaps, detections: Detections, truths: GroundTruth) -> float | None:
    """Percent, the mean over all instances of the mask IoU with their kept detection, 0 where there is none."""
    matched = np.full(len(detections), UNMATCHED)
    matched[kept.index] = kept.truth
    total = overlaps.iou[matched[overlaps.detection] == overlaps.truth].sum()
    return _percent(total, np.count_nonzero(~truths.crowd))


@dataclass(slots=True)
class OcclusionTally:
    """Sums over images of what kept detections say of occlusion; `order_known` and `visible_known` fall where an image lacks the truth.

    The implied order: i is occluded by j where their amodal masks overlap and the layer of j is smaller (eq. 1; by eq. 2 an occluder's
    layer is the smaller one). The invisible mask of i: its amodal mask without its visible one; of results without visible masks, its part
    under the amodal masks of kept detections with a smaller layer.
    """

    order_known: bool = True
    visible_known: bool = True
    num_pairs: int = 0
    num_true_pairs: int = 0
    num_right_pairs: int = 0
    num_occluded: int = 0
    sum_invisible_iou: float = 0.0

    def add(self, image: ImageTruth, matched: np.ndarray, layer: np.ndarray | None, masks: MaskSpans, *, with_visible: bool) -> None:
        """Add an image with P kept detections: the instance of the image that each is matched with, or UNMATCHED, and its layer, (P,) int64.

        masks: the amodal masks of the detections, `with_visible` their visible masks too, and, where the image has visible masks, the amodal
        and the visible masks of its N instances.
        """
        crowd, order = image.crowd(), image.occlusion_order()
        size, inside = _cells(masks)
        count, first = len(matched), len(matched) * (1 + with_visible)
        mask, truth = inside[:count], inside[first:]  # (P, K) and (2 N, K)
        self.order_known &= order is not None and layer is not None
        self.visible_known &= image.visible_segmentations is not None
        nearer = None if layer is None else layer[:, None] > layer  # (P, P): j is nearer than i
        if self.order_known:
            self._add_order(nearer & (mask @ (mask * size).T > 0), order & ~crowd & ~crowd[:, None], matched)
        if self.visible_known:
            hidden = mask & (~inside[count:first] if with_visible else nearer.astype(np.float32) @ mask > 0)
            amodal_mask, visible_mask = truth[: len(crowd)], truth[len(crowd) :]  # (N, K) each
            self._add_invisible(size, hidden, amodal_mask & ~visible_mask & ~crowd[:, None], matched)

    def _add_order(self, implied: np.ndarray, order: np.ndarray, matched: np.ndarray) -> None:
        i, j = np.nonzero(implied)
        both = (matched[i] != UNMATCHED) & (matched[j] != UNMATCHED)
        self.num_pairs += len(i)
        self.num_true_pairs += np.count_nonzero(order)
        self.num_right_pairs += np.count_nonzero(order[matched[i[both]], matched[j[both]]])

    def _add_invisible(self, size: np.ndarray, hidden: np.ndarray, invisible: np.ndarray, matched: np.ndarray) -> None:
        has_invisible = invisible @ size > 0
        self.num_occluded += np.count_nonzero(has_invisible)
        detection = np.flatnonzero(matched != UNMATCHED)
        detection = detection[has_invisible[matched[detection]]]
        hidden, invisible = hidden[detection], invisible[matched[detection]]
        self.sum_invisible_iou += float((((hidden & invisible) @ size) / ((hidden | invisible) @ size)).sum())

    @property
    def order(self) -> dict[str, float | None]:
        """Precision, recall and F1 in percent over ordered pairs; a pair with an instance or a detection that is not matched is an error."""
        if not self.order_known:
            return unknown_order()
        return {
            "precision": _percent(self.num_right_pairs, self.num_pairs),
            "recall": _percent(self.num_right_pairs, self.num_true_pairs),
            "f1": _percent(2 * self.num_right_pairs, self.num_pairs + self.num_true_pairs),
        }

    @property
    def invisible_miou(self) -> float | None:
        """Percent, the mean over all instances with an invisible part of the IoU of the invisible masks, 0 where no detection is matched."""
        return _percent(self.sum_invisible_iou, self.num_occluded) if self.visible_known else None


def unknown_order() -> dict[str, float | None]:
    return dict.fromkeys(("precision", "recall", "f1"))


def _cells(masks: MaskSpans) -> tuple[np.ndarray, np.ndarray]:
    """Cut the frame wherever one of M masks begins or ends: size (K,) float64 in pixels, perhaps 0, and inside (M, K) bool of each cell."""
    num_masks, num_spans = len(masks.split) - 1, len(masks.begin)
    position = np.concatenate([masks.begin, masks.end])
    order = np.argsort(position, kind="stable")  # quick, as every mask is sorted already
    size = np.diff(position[order], append=position[order[-1:]]).astype(np.float64)
    # A bit for each mask, eight in a byte, which turns where the mask begins or ends.
    span = np.where(order < num_spans, order, order - num_spans)
    mask = np.repeat(np.arange(num_masks), np.diff(masks.split))[span]
    turns = np.zeros(((num_masks + 7) // 8, len(order)), np.uint8)
    turns[mask >> 3, np.arange(len(order))] = _BITS[mask & 7]
    inside = np.bitwise_xor.accumulate(turns, axis=1)[:, None] & _BITS[:, None] != 0  # (M / 8, 8, K)
    return size, inside.reshape(8 * len(turns), len(order))[:num_masks]


def _percent(part: float, whole: int) -> float | None:
    return float(100 * part / whole) if whole else None
