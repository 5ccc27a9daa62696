"""What an instance says of itself, held against its own masks: box, area, rate, points, and the masks against each other."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np

from amodalsynth import masks
from amodalsynth.masks import MaskSpans
from amodalsynth.segmentation import mask_areas, masks_at
from amodalsynth.validate.block import Block, is_number, polygons_of
from amodalsynth.validate.report import Fault

_BOX_TOLERANCE, _POLYGON_BOX_TOLERANCE = 0.5, 2.0
_AREA_TOLERANCE = 0.5
_RATE_TOLERANCE = 1e-4
_NEIGHBOURS = np.array([(x, y) for y in (-1, 0, 1) for x in (-1, 0, 1)])

# What docs/format.md promises of every annotation; other formats may leave out any of them.
_REQUIRED = {
    "amodalsynth": (
        "category",
        "amodal",
        "visible",
        "invisible",
        "box",
        "visible_box",
        "area",
        "rate",
        "paint_order",
        "occluded_by",
        "directly_occluded_by",
        "layer",
        "crowd",
    )
}


def check_instances(block: Block, source_format: str, categories: Mapping[Any, str]) -> list[Fault]:
    """Kinds `id`, `category`, `crowd` and `schema`: what needs no mask."""
    faults = []
    required = _REQUIRED.get(source_format, ())
    for i, instance in enumerate(block.instances):
        missing = [name for name in required if getattr(instance, name) is None]
        if missing:
            faults.append(block.fault("schema", i, f"expected every key of docs/format.md, got none for {', '.join(missing)}"))
        elif instance.amodal is None and instance.visible is None and instance.box is None and instance.point_coords is None:
            faults.append(block.fault("schema", i, "expected a mask, a box or points, got none of them"))
        if (
            type(instance.instance_id) is int and instance.instance_id < 1
        ):  # what is no integer, or comes twice, is among the source's faults
            faults.append(block.fault("id", i, f"expected an id from 1, as pycocotools takes 0 for no match, got {instance.instance_id}"))
        category = instance.category
        if category is None and categories and "category" not in missing:
            faults.append(block.fault("schema", i, "expected a category, got none"))
        elif category is not None and (not isinstance(category, Hashable) or category not in categories):
            faults.append(block.fault("category", i, f"expected one of the file's {len(categories)} categories, got {category!r:.60}"))
        if instance.crowd is not None:
            if type(instance.crowd) is not int or instance.crowd not in (0, 1):
                faults.append(block.fault("crowd", i, f"expected iscrowd 0 or 1, got {instance.crowd!r:.60}"))
            elif instance.crowd and instance.amodal is not None:
                faults.append(block.fault("crowd", i, "expected no amodal mask of a crowd, which has no extent of its own, got one"))
    return faults


def check_masks(block: Block) -> list[Fault]:
    """Kinds `partition` and `hidden`: the masks of each instance against each other."""
    both = block.known[0] & block.known[1]
    outside = mask_areas(masks.difference(block.visible, block.amodal)) * both
    rest, hidden = mask_areas(block.rest), mask_areas(block.invisible)
    excess = mask_areas(masks.difference(block.invisible, block.rest)) * (block.known[0] & block.known[2] & block.seen)
    missing = (rest - hidden + excess) * (both & block.known[2])
    faults = []
    for i in np.flatnonzero((outside > block.slack) | (excess > block.slack) | (missing > block.slack)).tolist():
        wrong = ((outside, "visible but not amodal"), (excess, "invisible but visible, or not amodal"), (missing, "amodal but neither"))
        text = ", ".join(f"{counts[i]} {what}" for counts, what in wrong if counts[i])
        faults.append(
            block.fault("partition", i, f"expected visible and invisible mask to make the amodal mask, got pixels that are {text}")
        )
    empty = block.known[0] & (mask_areas(block.amodal) == 0)
    unseen = block.seen & (mask_areas(block.visible) == 0) & ~empty
    faults += [block.fault("hidden", i, "expected an amodal mask of at least one pixel, got none") for i in np.flatnonzero(empty).tolist()]
    faults += [block.fault("hidden", i, "expected at least one visible pixel, got none") for i in np.flatnonzero(unseen).tolist()]
    return faults


def check_measures(block: Block) -> list[Fault]:
    """Kinds `box`, `area` and `rate`: numbers that follow from the masks."""
    amodal_area, visible_area = mask_areas(block.amodal), mask_areas(block.visible)
    faults = _check_boxes(block, "box", "amodal", block.amodal, block.known[0])
    faults += _check_boxes(block, "visible_box", "visible", block.visible, block.known[1])
    for name, key, area, known in (
        ("area", "area", amodal_area, block.known[0]),
        ("visible_area", "visible area", visible_area, block.known[1]),
    ):
        faults += _check_numbers(block, name, "area", key, area, known, _AREA_TOLERANCE + block.slack)
    rate = mask_areas(block.rest) / np.maximum(amodal_area, 1)
    known = block.known[0] & block.seen & (amodal_area > 0)
    faults += _check_numbers(
        block, "rate", "rate", "occlusion rate", rate, known, _RATE_TOLERANCE + block.slack / np.maximum(amodal_area, 1)
    )
    for i, instance in enumerate(block.instances):
        if is_number(instance.rate) and not 0 <= instance.rate <= 1 and not known[i]:
            faults.append(block.fault("rate", i, f"expected an occlusion rate in [0, 1], got {instance.rate}"))
    return faults


def _declared(block: Block, name: str, is_right: Callable[[Any], bool], expected: str) -> tuple[list[int], list[Any], list[Fault]]:
    """The instances that have a value of this name, those values, and a fault for each that is of another type."""
    which, values, faults = [], [], []
    for i, instance in enumerate(block.instances):
        value = getattr(instance, name)
        if value is None:
            continue
        if is_right(value):
            which.append(i)
            values.append(value)
        else:
            faults.append(block.fault("schema", i, f"expected {expected}, got {value!r:.60}"))
    return which, values, faults


def _check_numbers(
    block: Block, name: str, kind: str, key: str, expected: np.ndarray, known: np.ndarray, tolerance: np.ndarray
) -> list[Fault]:
    which, values, faults = _declared(block, name, is_number, f"a number as {key}")
    which = np.array(which, np.int64)
    wrong = known[which] & (np.abs(np.array(values, np.float64) - expected[which]) > tolerance[which])
    for k in np.flatnonzero(wrong).tolist():
        faults.append(block.fault(kind, which[k], f"expected the {key} {expected[which[k]]:.6g} of the mask, got {values[k]}"))
    return faults


def _is_box(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 4 and all(is_number(side) for side in value)


def _check_boxes(block: Block, name: str, role: str, spans: MaskSpans, known: np.ndarray) -> list[Fault]:
    which, values, faults = _declared(block, name, _is_box, f"the {role} box as four numbers [x, y, width, height]")
    which = np.array(which, np.int64)
    edges = np.array(values, np.float64).reshape(-1, 4)
    edges[:, 2:] += edges[:, :2]
    of_masks = masks.boxes(spans)
    filled = known & (np.diff(spans.split) > 0)
    off = np.abs(edges - of_masks[which]).max(axis=1, initial=0)
    for k in np.flatnonzero(filled[which] & (off > _BOX_TOLERANCE)).tolist():
        i = which[k]
        segmentation = getattr(block.instances[i], role)
        if not (isinstance(segmentation, list) and _fits_polygons(edges[k], of_masks[i], segmentation)):
            x0, y0, x1, y1 = of_masks[i].tolist()
            faults.append(
                block.fault("box", i, f"expected {[x0, y0, x1 - x0, y1 - y0]}, the box of the {role} mask, got {list(values[k])}")
            )
    for k in np.flatnonzero((edges[:, 2:] < edges[:, :2]).any(axis=1) & ~filled[which]).tolist():
        faults.append(block.fault("box", which[k], f"expected a width and a height from 0, got {list(values[k])}"))
    return faults


def _fits_polygons(edges: np.ndarray, of_mask: np.ndarray, segmentation: list[Any]) -> bool:
    points = np.concatenate(list(polygons_of(segmentation)))
    of_points = np.concatenate([points.min(axis=0), points.max(axis=0)])
    return min(np.abs(edges - of_mask).max(), np.abs(edges - of_points).max()) <= _POLYGON_BOX_TOLERANCE


def check_points(block: Block, num_points: int | None) -> tuple[list[Fault], int | None]:
    """Kind `point`; `num_points` is that of the file's first instance with points, None before it."""
    faults = []
    which, coords, labels = [], [], []
    for i, instance in enumerate(block.instances):
        if instance.point_coords is None and instance.point_labels is None:
            continue
        xy, values = instance.point_coords, instance.point_labels
        if not (isinstance(xy, list) and all(isinstance(p, list | tuple) and len(p) == 2 and all(map(is_number, p)) for p in xy)):
            faults.append(block.fault("schema", i, f"expected points as a list of [x, y], got {xy!r:.60}"))
            continue
        if not isinstance(values, list) or len(values) != len(xy) or not all(type(v) is int and v in (0, 1) for v in values):
            faults.append(block.fault("point", i, f"expected a label 0 or 1 for each of {len(xy)} points, got {values!r:.60}"))
            continue
        num_points = len(xy) if num_points is None else num_points
        if len(xy) != num_points:
            faults.append(block.fault("point", i, f"expected {num_points} points as the file's first instance has, got {len(xy)}"))
        which += [i] * len(xy)
        coords += xy
        labels += values
    if which:
        faults += _check_places(block, np.array(which), np.floor(np.array(coords, np.float64)).astype(np.int64), np.array(labels))
    return faults, num_points


def _check_places(block: Block, which: np.ndarray, xy: np.ndarray, labels: np.ndarray) -> list[Fault]:
    """which (P,): the instance of each point; xy (P, 2), labels (P,) int64."""
    boxes, known = masks.boxes(block.amodal), block.known[0].copy()
    for i in np.unique(which[~known[which]]).tolist():
        if _is_box(block.instances[i].box):
            x, y, width, height = block.instances[i].box
            boxes[i], known[i] = (np.floor(x), np.floor(y), np.ceil(x + width), np.ceil(y + height)), True
    margin = (block.slack > 0)[which, None]
    inside = ((xy >= boxes[which, :2] - margin) & (xy < boxes[which, 2:] + margin)).all(axis=1) | ~known[which]
    faults = [
        block.fault(
            "point", which[k], f"expected points in the amodal box {boxes[which[k]].tolist()} (x0, y0, x1, y1), got {xy[k].tolist()}"
        )
        for k in np.flatnonzero(~inside).tolist()
    ]
    labelled = np.flatnonzero(inside & block.known[0][which])
    if len(labelled):
        height, width = block.size_hw
        near = xy[labelled, None] + _NEIGHBOURS * margin[labelled, None]  # (P, 9, 2); nine times the point itself without slack
        near = near.clip(0, (width - 1, height - 1))
        own = masks.select(block.amodal, which[labelled])
        agrees = (masks_at(own, near[..., 0], near[..., 1]) == labels[labelled, None]).any(axis=1)
        for k in labelled[~agrees].tolist():
            expected = 1 - labels[k]
            faults.append(
                block.fault("point", which[k], f"expected label {expected} at {xy[k].tolist()}, as the amodal mask says, got {labels[k]}")
            )
    return faults
