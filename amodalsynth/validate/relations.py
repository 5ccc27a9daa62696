"""What the instances of an image say of each other: kinds `overlap`, `order`, `layer` and `reference`.

G images of a block, each padded to N instances, so that all pairs of all images are compared at once: [g, i, j] is about instances i and
j of image g.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amodalsynth import masks
from amodalsynth.validate.block import Block, is_integer
from amodalsynth.validate.declared import Declared, read_declared
from amodalsynth.validate.pairs import find_cycle, layer_order, overlap_areas, reaching
from amodalsynth.validate.report import Fault

MAX_PAIRED = 1024  # instances in an image whose pairs are compared; what is held for them takes some 300 MB


@dataclass(frozen=True, slots=True)
class _Measured:
    """What the masks say, (G, N, N) but for `single`.

    amodal, visible: pixels shared by the amodal masks, by the visible ones; sight: by the visible mask of i and the amodal one of j. single
    (G, N) bool: whether i is no crowd and its amodal mask is known; comparable: whether that holds of both. seen: whether the visible mask
    of i is known. slack: the pixels by which polygons of the two may be wrong.
    """

    amodal: np.ndarray
    visible: np.ndarray
    sight: np.ndarray
    single: np.ndarray
    comparable: np.ndarray
    seen: np.ndarray
    slack: np.ndarray


def check_relations(block: Block) -> list[Fault]:
    """All pairs of all images of a block; of images with more than `MAX_PAIRED` instances only says so (`schema`)."""
    counts = np.diff(block.first)
    size = int(counts.max(initial=0))
    if size > MAX_PAIRED:
        message = f"expected at most {MAX_PAIRED} instances, whose pairs can be compared, got {size}"
        return [Fault("schema", block.images[g].where, message, g) for g in np.flatnonzero(counts == size).tolist()]
    faults: list[Fault] = []
    declared = read_declared(block, size, faults)
    measured = _measure(block, size)
    stated = declared.occluded | declared.in_front | (_touching(measured) & _nearer(declared.place) & ~declared.listed[:, :, None])
    for kind, wrong, message in _contradictions(declared, measured, stated):
        for g, i, j in np.argwhere(wrong).tolist():
            other, first = block.images[g].instances[j].where, int(block.first[g])
            pixels = int(measured.visible[g, i, j]) if kind == "overlap" else int((measured.sight - measured.visible)[g, i, j])
            faults.append(block.fault(kind, first + i, message.format(other=other, pixels=pixels)))
    return faults + _check_layers(block, declared, measured, stated)


def _contradictions(declared: Declared, measured: _Measured, stated: np.ndarray) -> list[tuple[str, np.ndarray, str]]:
    """Kind, (G, N, N) bool, and what is wrong with i and j there; stated (G, N, N) bool: that i is behind j by any of what the file says."""
    comparable, slack = measured.comparable, measured.slack
    exact = slack == 0
    both_seen = measured.seen & _flip(measured.seen)
    overlapping = comparable & both_seen & (measured.visible > slack)
    lists = declared.listed[:, :, None] & declared.listed[:, None, :]
    open_pairs = _touching(measured) & lists & ~declared.occluded & ~_flip(declared.occluded)
    exposed = measured.sight - measured.visible  # visible pixels of i in the amodal mask of j where j itself is not seen
    covered = _flip(measured.sight)  # pixels of i that the visible part of j covers
    judged = comparable & declared.direct_listed[:, :, None] & _flip(measured.seen)
    return [
        ("overlap", np.triu(overlapping), "expected visible masks that share no pixel, got {pixels} shared with {other}"),
        (
            "order",
            comparable & exact & declared.occluded & (measured.amodal == 0),
            "occluded_by names {other}, but their amodal masks share no pixel",
        ),
        ("order", np.triu(open_pairs), "its amodal mask overlaps that of {other}, but neither has the other in occluded_by (eq. 1)"),
        ("order", declared.occluded & _flip(_nearer(declared.place)), "occluded_by names {other}, whose paint_order is smaller"),
        (
            "order",
            comparable & stated & measured.seen & (exposed > slack),
            "is said to be behind {other}, but shows {pixels} pixels where that lies",
        ),
        ("order", judged & exact & declared.direct & (covered == 0), "directly_occluded_by names {other}, which covers no pixel of it"),
        (
            "order",
            judged & ~declared.direct & (covered > slack) & ~overlapping,
            "directly_occluded_by lacks {other}, which covers a part of it",
        ),
    ]


def _flip(pairs: np.ndarray) -> np.ndarray:
    return pairs.transpose(0, 2, 1)


def _touching(measured: _Measured) -> np.ndarray:
    return measured.comparable & (measured.amodal > measured.slack)


def _nearer(place: np.ndarray) -> np.ndarray:
    """(G, N, N) bool: j is painted after i."""
    return (place[:, None, :] > place[:, :, None]) & (place >= 0)[:, :, None] & (place >= 0)[:, None, :]


def _measure(block: Block, size: int) -> _Measured:
    slot = block.slot
    both = masks.concatenate([block.amodal, block.visible])
    shared = overlap_areas(both, np.tile(block.owner, 2), np.concatenate([slot, slot + size]), len(block.images), 2 * size)

    def padded(values: np.ndarray) -> np.ndarray:
        result = np.zeros((len(block.images), size), values.dtype)
        result[block.owner, slot] = values
        return result

    crowd = np.array([instance.crowd == 1 for instance in block.instances], bool)
    single, slack = padded(block.known[0] & ~crowd), padded(block.slack)
    return _Measured(
        amodal=shared[:, :size, :size],
        visible=shared[:, size:, size:],
        sight=shared[:, size:, :size],
        single=single,
        comparable=single[:, :, None] & single[:, None, :] & ~np.eye(size, dtype=bool),
        seen=np.repeat(padded(block.seen)[:, :, None], size, axis=2),
        slack=slack[:, :, None] + slack[:, None, :],
    )


def _check_layers(block: Block, declared: Declared, measured: _Measured, stated: np.ndarray) -> list[Fault]:
    """Cycles, and eq. 2 where nothing is left open: the lists are whole, or there are none, but a paint order and all masks."""
    faults: list[Fault] = []
    layers, cyclic = layer_order(stated)
    for g in np.flatnonzero(cyclic).tolist():
        ring = find_cycle(stated[g])
        names = [block.images[g].instances[i].where for i in [*ring, ring[0]]]
        message = f"expected an order without cycle, got {' behind '.join(names)[:200]}"
        faults.append(Fault("order", block.images[g].where, message, g, ring[0]))
    real = np.zeros(declared.listed.shape, bool)
    real[block.owner, block.slot] = True
    painted = ((declared.place >= 0) & measured.single | ~real).all(axis=1) & (measured.slack == 0).all(axis=(1, 2))
    open_ended = ~(declared.listed | (painted[:, None] & ~declared.unresolved))
    certain = ~(reaching(stated, open_ended) | cyclic[:, None])
    for i, (instance, g, slot) in enumerate(zip(block.instances, block.owner.tolist(), block.slot.tolist(), strict=True)):
        if instance.layer is not None and not is_integer(instance.layer):
            faults.append(block.fault("schema", i, f"expected layer as an integer from 0, got {instance.layer!r:.60}"))
        elif instance.layer is not None and certain[g, slot] and instance.layer != layers[g, slot]:
            faults.append(block.fault("layer", i, f"expected layer {layers[g, slot]} (eq. 2), got {instance.layer}"))
    return faults
