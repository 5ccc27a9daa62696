"""Arithmetic over all pairs of instances of many images at once: shared pixels, and eq. 2 with its cycles."""

from __future__ import annotations

import numpy as np

from amodalsynth.masks import MaskSpans, distinct

_MAX_CELLS = 1 << 22  # of runs times masks, held at a time
_FEW_SLOTS = 32  # up to which products of whole matrices are faster than naming pairs


def overlap_areas(spans: MaskSpans, image: np.ndarray, slot: np.ndarray, num_images: int, num_slots: int) -> np.ndarray:
    """Pixels that masks of the same image share, (G, S, S) int64 by image and slot; on the diagonal, areas.

    image, slot (M,) int64: the image of each mask, 0..G-1, and its place there, 0..S-1. Memory is that of the result and of a chunk of runs.
    """
    frame = spans.size_hw[0] * spans.size_hw[1]
    owner = np.repeat(np.arange(len(image)), np.diff(spans.split))
    shift, column = image[owner] * frame, slot[owner]  # an image after the other on one line
    edges = distinct(np.concatenate([spans.begin + shift, spans.end + shift, np.arange(num_images + 1) * frame]))
    begin, end = np.searchsorted(edges, spans.begin + shift), np.searchsorted(edges, spans.end + shift)
    length, image_of_run = np.diff(edges), edges[:-1] // frame
    shared = np.zeros((num_images, num_slots, num_slots))
    inside = np.zeros(num_slots, np.int8)
    step = max(1, _MAX_CELLS // max(num_slots, 1))
    for low in range(0, len(length), step):
        high = min(low + step, len(length))
        change = np.zeros((high - low, num_slots), np.int8)
        for rows, sign in ((begin, 1), (end, -1)):
            chosen = (rows >= low) & (rows < high)
            change[rows[chosen] - low, column[chosen]] += sign  # no two spans of a mask begin, or end, together
        change[0] += inside
        member = np.cumsum(change, axis=0, dtype=np.int8)
        inside = member[-1]
        count = member.sum(axis=1)
        if num_slots > _FEW_SLOTS and (count * count).sum() <= _MAX_CELLS:  # many masks, but few of them at any pixel
            index, row = _pairs_of_runs(member.astype(bool), count, image_of_run[low:high])
            shared += np.bincount(index, length[low:high][row], shared.size).reshape(shared.shape)
            continue
        member = member.astype(np.float64)  # whose products are fast, and exact below 2 ** 53
        weighted = member * length[low:high, None]
        for g in range(image_of_run[low], image_of_run[high - 1] + 1):
            own = slice(*np.searchsorted(image_of_run[low:high], [g, g + 1]))
            shared[g] += weighted[own].T @ member[own]
    return shared.astype(np.int64)


def _pairs_of_runs(member: np.ndarray, count: np.ndarray, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every pair of masks of every run: its place in (G, S, S), and its run. member (K, S) bool; count, image (K,) int64 of masks, and its image."""
    row, column = np.nonzero(member)
    partners = count[row]
    first = np.cumsum(count) - count
    left = np.repeat(np.arange(len(row)), partners)
    right = np.arange(len(left)) - np.repeat(np.cumsum(partners) - partners - first[row], partners)
    num_slots = member.shape[1]
    return (image[row[left]] * num_slots + column[left]) * num_slots + column[right], row[left]


def layer_order(occluded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eq. 2 for (G, N, N) bool, [g, i, j] saying that i is occluded by j: layers (G, N) int64, and (G,) bool where a cycle leaves them open."""
    num_images, size = occluded.shape[:2]
    layers = np.zeros((num_images, size), np.int64)
    active = np.flatnonzero(occluded.any(axis=(1, 2)))
    for _ in range(size):
        deeper = np.where(occluded[active], layers[active, None, :] + 1, 0).max(axis=2, initial=0)
        changed = (deeper != layers[active]).any(axis=1)
        layers[active] = deeper
        active = active[changed]
        if not len(active):
            break
    cyclic = np.zeros(num_images, bool)
    cyclic[active] = True
    return layers, cyclic


def reaching(occluded: np.ndarray, marked: np.ndarray) -> np.ndarray:
    """(G, N) bool: whether an instance is `marked` (G, N), or occluded by one that reaches a marked one."""
    while True:
        further = marked | (occluded & marked[:, None, :]).any(axis=2)
        if (further == marked).all():
            return further
        marked = further


def find_cycle(occluded: np.ndarray) -> list[int]:
    """Instances i0, i1, ... of one cycle, each occluded by the next and the last by the first; (N, N) bool with at least one cycle."""
    remaining = np.ones(len(occluded), bool)
    while True:
        free = remaining & ~(occluded & remaining).any(axis=1)  # nothing left occludes them
        if not free.any():
            break
        remaining &= ~free
    trail: list[int] = [int(np.argmax(remaining))]
    while True:
        following = int(np.argmax(occluded[trail[-1]] & remaining))
        if following in trail:
            return trail[trail.index(following) :]
        trail.append(following)
