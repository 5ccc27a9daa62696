"""What other people's annotations leave out, derived from their amodal masks: paint order, visible masks, both orders, layers.

The order of a pair of instances whose amodal masks overlap is decided by the first of these that tells it:

(a) the source's own order of the pair;
(b) visible masks: the one that is seen in more of the pair's overlap is nearer. In an image with visible masks, an instance without
    one counts as wholly visible, as COCOA leaves the key out there;
(c) the place in the frame: where one amodal mask lies within the other, it is nearer, as nothing of it would be seen otherwise; else the one whose
    amodal mask reaches lower, and of two that reach as low, the later one.

Where these pairs run in a circle, it is broken at the pair decided by the latest of the three rules, and of several at that with the
smallest overlap. Pairs that do not overlap have no order; among them, the source's paint order or else the order of the file stands.

N instances come in, in the source's order; M of them come out, farthest first.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from amodalsynth import masks, orders
from amodalsynth.segmentation import mask_areas

_SOURCE, _VISIBLE, _PLACE = 3, 2, 1  # how an order was decided; 0 where the masks do not overlap


@dataclass(frozen=True, slots=True)
class Derived:
    """One image's annotation, farthest instance first, and how it was found.

    order (M,) int64: which of the N instances each is. category_id (M,) int64. spans: 3 M masks, the amodal ones, then the visible ones,
    then the invisible ones. occlusion_order (M, M) bool: eq. 1 on the amodal masks; direct_occlusion (M, M) bool; layer_order (M,) int64:
    eq. 2.

    hidden: which of the N were left out because nothing of them is seen. trimmed: which of the N had a visible mask that left the amodal
    one, and was cut to it. num_pairs: pairs whose amodal masks overlap, of which num_by_visible were decided by rule (b) and
    num_undetermined by rule (c). num_cycles: pairs turned round to break a circle.
    """

    order: np.ndarray
    category_id: np.ndarray
    spans: masks.MaskSpans
    occlusion_order: np.ndarray
    direct_occlusion: np.ndarray
    layer_order: np.ndarray
    hidden: tuple[int, ...]
    trimmed: tuple[int, ...]
    num_pairs: int
    num_by_visible: int
    num_undetermined: int
    num_cycles: int

    def __len__(self) -> int:
        return len(self.order)

    @property
    def amodal_area(self) -> np.ndarray:
        """(M,) int64 pixels."""
        return mask_areas(self.spans)[: len(self)]

    @property
    def visible_area(self) -> np.ndarray:
        """(M,) int64 pixels."""
        return mask_areas(self.spans)[len(self) : 2 * len(self)]


def derive(
    category_id: np.ndarray,
    amodal: masks.MaskSpans,
    *,
    visible: masks.MaskSpans | None = None,
    has_visible: np.ndarray | None = None,
    in_front: np.ndarray | None = None,
    paint_rank: np.ndarray | None = None,
) -> Derived:
    """Derive the annotation of an image from N amodal masks, none of them empty, of any number.

    category_id (N,) int64. visible: N masks, of which those count where has_visible (N,) bool is set; they are kept, cut to the amodal
    mask, and the other ones are what no nearer amodal mask covers. in_front (N, N) bool: [i, j] says that the source has i in front of j;
    both ways is as good as neither. paint_rank (N,) float64: the source's paint order, a larger one painted later, for instances that do
    not overlap.
    """
    count = len(category_id)
    given = np.zeros(count, bool) if visible is None or has_visible is None else has_visible
    shown, trimmed = _shown(amodal, visible, given)
    overlap, seen_in_overlap = _overlaps(amodal, shown)
    nearer, decided = _decide(amodal, overlap, seen_in_overlap, np.zeros((count, count), bool) if in_front is None else in_front)
    rank = np.arange(count, dtype=np.float64) if paint_rank is None else paint_rank
    order, num_cycles = _paint_order(nearer, decided, overlap, rank)

    seen = _final_visible(amodal, shown, given, order)
    visible_area = mask_areas(seen)
    hidden = np.sort(order[visible_area == 0])
    if len(hidden):
        order = order[visible_area > 0]
        seen = _final_visible(amodal, shown, given, order)
    ordered = masks.select(amodal, order)
    occlusion_order = orders.occlusion_order(overlap[np.ix_(order, order)])
    pairs = np.triu(decided, k=1)
    return Derived(
        order,
        category_id[order],
        masks.concatenate([ordered, seen, masks.difference(ordered, seen)]),
        occlusion_order,
        _direct(ordered, seen) & occlusion_order,
        orders.layer_order(occlusion_order),
        tuple(hidden.tolist()),
        trimmed,
        int((pairs > 0).sum()),
        int((pairs == _VISIBLE).sum()),
        int((pairs == _PLACE).sum()),
        num_cycles,
    )


def _shown(amodal: masks.MaskSpans, visible: masks.MaskSpans | None, given: np.ndarray) -> tuple[masks.MaskSpans | None, tuple[int, ...]]:
    """N masks, the source's visible ones cut to the amodal ones and those without one whole, or None without any; and which ones were cut."""
    if not given.any():
        return None, ()
    outside = masks.difference(visible, amodal)
    cut = masks.difference(visible, outside) if len(outside.begin) else visible
    count = len(given)
    shown = masks.select(masks.concatenate([amodal, cut]), np.where(given, np.arange(count) + count, np.arange(count)))
    return shown, tuple(np.flatnonzero(given & (mask_areas(outside) > 0)).tolist())


def _overlaps(amodal: masks.MaskSpans, shown: masks.MaskSpans | None) -> tuple[np.ndarray, np.ndarray]:
    """(N, N) int64 pixels in the amodal masks of both, and [i, j] where i is shown in the amodal mask of j, zeros if that is not known."""
    if shown is None:
        overlap = masks.scan_spans(amodal).overlap_area
        return overlap, np.zeros_like(overlap)
    count = len(amodal.split) - 1
    both = masks.scan_spans(masks.concatenate([amodal, shown])).overlap_area
    return both[:count, :count], both[count:, :count]


def _decide(
    amodal: masks.MaskSpans, overlap: np.ndarray, seen_in_overlap: np.ndarray, in_front: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(N, N) bool, [i, j] where j is nearer than i and overlaps it, and (N, N) int8, symmetric: which rule said so."""
    place = masks.boxes(amodal)[:, 3] * (len(overlap) + 1) + np.arange(len(overlap))
    within = overlap == overlap.diagonal()[:, None]  # [i, j]: i lies within j
    only_within = within & ~within.T
    tells = [  # of each rule, [i, j]: j is in front of i
        (_SOURCE, in_front.T & ~in_front),
        (_VISIBLE, seen_in_overlap < seen_in_overlap.T),
        (_PLACE, only_within.T | (place[None, :] > place[:, None]) & ~only_within),
    ]
    nearer, decided = np.zeros(overlap.shape, bool), np.zeros(overlap.shape, np.int8)
    remaining = overlap > 0
    np.fill_diagonal(remaining, False)
    for rule, behind in tells:
        told = remaining & (behind | behind.T)
        nearer |= told & behind
        decided[told] = rule
        remaining = remaining & ~told
    return nearer, decided


def _paint_order(nearer: np.ndarray, decided: np.ndarray, overlap: np.ndarray, rank: np.ndarray) -> tuple[np.ndarray, int]:
    """(N,) int64, farthest first, and how many pairs had to be turned round."""
    order = _sorted(nearer, rank)
    if len(order) == len(rank):
        return order, 0
    acyclic = _without_cycles(nearer, decided, overlap)
    return _sorted(acyclic, rank), int(nearer.sum() - acyclic.sum())


def _sorted(nearer: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """Instances so that each follows all that are farther, by rank where that leaves a choice; fewer than N where they run in a circle."""
    farther = nearer.sum(axis=0)  # how many must be painted before each
    ready = [(rank[i], i) for i in np.flatnonzero(farther == 0).tolist()]
    heapq.heapify(ready)
    order = []
    while ready:
        _, i = heapq.heappop(ready)
        order.append(i)
        for j in np.flatnonzero(nearer[i]).tolist():
            farther[j] -= 1
            if not farther[j]:
                heapq.heappush(ready, (rank[j], j))
    return np.array(order, np.int64)


def _without_cycles(nearer: np.ndarray, decided: np.ndarray, overlap: np.ndarray) -> np.ndarray:
    """The pairs that remain when each, the surest first, is taken unless it closes a circle with those taken before."""
    far, near = np.nonzero(nearer)
    surest = np.lexsort((-overlap[far, near], -decided[far, near]))
    kept = np.zeros_like(nearer)
    reaches = np.eye(len(nearer), dtype=bool)  # [i, j]: j is i, or nearer by the pairs taken
    for i, j in zip(far[surest].tolist(), near[surest].tolist()):
        if reaches[j, i]:
            continue
        kept[i, j] = True
        reaches |= np.outer(reaches[:, i], reaches[j])
    return kept


def _final_visible(amodal: masks.MaskSpans, shown: masks.MaskSpans | None, given: np.ndarray, order: np.ndarray) -> masks.MaskSpans:
    """The visible masks in paint order: the source's where it has one, else what no nearer amodal mask covers."""
    if shown is not None and given[order].all():
        return masks.select(shown, order)
    count = len(order)
    derived = masks.select(masks.spans(masks.scan_spans(masks.select(amodal, order))), np.arange(count, 2 * count))
    if shown is None:
        return derived
    chosen = np.where(given[order], np.arange(count) + count, np.arange(count))
    return masks.select(masks.concatenate([derived, masks.select(shown, order)]), chosen)


def _direct(amodal: masks.MaskSpans, visible: masks.MaskSpans) -> np.ndarray:
    """(M, M) bool: [i, j] where the visible mask of j has pixels of i's amodal mask that i's visible mask has not."""
    count = len(amodal.split) - 1
    both = masks.scan_spans(masks.concatenate([amodal, visible])).overlap_area
    return both[:count, count:] > both[count:, count:]
