"""One image of a source to a derived annotation: what can be used of it, its masks, and the order that it declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from amodalsynth import masks
from amodalsynth.derive import Derived, derive
from amodalsynth.errors import DataError
from amodalsynth.importers.reading import is_number
from amodalsynth.importers.report import Tally
from amodalsynth.importers.source import SourceImage, SourceInstance
from amodalsynth.segmentation import mask_areas, segmentation_spans


def derive_image(
    image: SourceImage, size_hw: tuple[int, int], category_ids: Mapping[Any, int], tally: Tally, *, path: str, skip_broken: bool
) -> Derived:
    """The annotation of an image of `size_hw`. What is derived or left out goes to `tally`.

    category_ids: a source's category -> ours; empty where the source has no categories. `DataError` starts with `path` and names the instance that is
    broken, unless `skip_broken` leaves those out.
    """
    chosen = [i for i, instance in enumerate(image.instances) if _usable(instance, tally, image.where)]
    if skip_broken:
        chosen = [i for i in chosen if _readable(image.instances[i], size_hw, category_ids, tally)]
    amodal, visible, has_visible = _masks([image.instances[i] for i in chosen], size_hw, path)
    filled = np.flatnonzero(mask_areas(amodal) > 0)
    for k in sorted(set(range(len(chosen))) - set(filled.tolist())):
        tally.add("empty", 1, image.instances[chosen[k]].where)
    chosen = [chosen[k] for k in filled.tolist()]
    instances = [image.instances[i] for i in chosen]
    in_front, paint_rank = _declared(instances, chosen, image, tally)
    derived = derive(
        np.array([_category(instance, category_ids, path) for instance in instances], np.int64),
        masks.select(amodal, filled),
        visible=masks.select(visible, filled),
        has_visible=has_visible[filled],
        in_front=in_front,
        paint_rank=paint_rank,
    )
    _count(derived, instances, has_visible[filled], image, bool(category_ids), tally)
    return derived


def _usable(instance: SourceInstance, tally: Tally, image: str) -> bool:
    kind = "crowd" if instance.crowd else "no_mask" if not instance.amodal and not instance.visible else None
    if kind is not None:
        tally.add(kind, 1, instance.where)
    elif not instance.amodal:
        tally.add("amodal", 1, instance.where)
    return kind is None


def _readable(instance: SourceInstance, size_hw: tuple[int, int], category_ids: Mapping[Any, int], tally: Tally) -> bool:
    try:
        _masks([instance], size_hw, "")
        _category(instance, category_ids, "")
    except DataError as error:
        tally.add("broken", 1, str(error).removeprefix(": "))
        return False
    return True


def _masks(instances: Sequence[SourceInstance], size_hw: tuple[int, int], path: str) -> tuple[masks.MaskSpans, masks.MaskSpans, np.ndarray]:
    """N amodal masks, N visible ones, and (N,) bool: which of the latter the source has, as such or by its invisible one."""
    amodal = [instance.amodal or instance.visible for instance in instances]
    seen = [instance.visible or instance.invisible for instance in instances]
    has_visible = np.array([bool(mask) for mask in seen], bool)
    by_invisible = np.array([not instance.visible and bool(instance.invisible) for instance in instances], bool)
    where = [f"{path}: {instance.where}" for instance in instances]
    both = segmentation_spans([*amodal, *(mask or other for mask, other in zip(seen, amodal))], size_hw, [*where, *where])
    count = np.arange(len(instances))
    whole, seen_spans = masks.select(both, count), masks.select(both, count + len(instances))
    if by_invisible.any():
        rest = masks.concatenate([seen_spans, masks.difference(whole, seen_spans)])
        seen_spans = masks.select(rest, np.where(by_invisible, count + len(instances), count))
    return whole, seen_spans, has_visible


def _category(instance: SourceInstance, category_ids: Mapping[Any, int], path: str) -> int:
    if not category_ids:
        return 1
    category = instance.category
    if type(category) not in (int, str) or category not in category_ids:
        raise DataError(f"{path}: {instance.where}: expected one of the file's categories, got {str(category)[:60]}")
    return category_ids[category]


def _declared(
    instances: Sequence[SourceInstance], chosen: Sequence[int], image: SourceImage, tally: Tally
) -> tuple[np.ndarray, np.ndarray | None]:
    """The source's order: (N, N) bool, [i, j] where i is in front of j, and (N,) float64 paint order, None unless all have one.

    Pairs that the source names count first, then the paint order, then the layers: by eq. 2 an instance has a larger layer than what occludes it.
    """
    count = len(instances)
    in_front = np.zeros((count, count), bool)
    place = {i: k for k, i in enumerate(chosen)}
    for near, far in image.in_front:
        if near in place and far in place:
            in_front[place[near], place[far]] = True
    known = {instance.instance_id for instance in image.instances if type(instance.instance_id) in (int, str)}
    ids = {instance.instance_id: k for k, instance in enumerate(instances) if type(instance.instance_id) in (int, str)}
    for k, instance in enumerate(instances):
        for other in instance.occluded_by if isinstance(instance.occluded_by, list) else ():
            if type(other) in (int, str) and other in ids:
                in_front[ids[other], k] = True
            elif type(other) not in (int, str) or other not in known:
                tally.add("reference", 1, f"{instance.where} to {str(other)[:60]}")
    paint = np.array([i.paint_order if is_number(i.paint_order) else np.nan for i in instances], np.float64)
    layer = np.array([i.layer if is_number(i.layer) else np.nan for i in instances], np.float64)
    for nearness in (paint, -layer):
        still_open = ~(in_front | in_front.T)
        in_front |= still_open & (nearness[:, None] > nearness[None, :])  # never true of NaN
    return in_front, None if np.isnan(paint).any() else paint


def _count(
    derived: Derived, instances: Sequence[SourceInstance], has_visible: np.ndarray, image: SourceImage, has_categories: bool, tally: Tally
) -> None:
    for i in derived.hidden:
        tally.add("hidden", 1, instances[i].where)
    for i in derived.trimmed:
        tally.add("trimmed", 1, instances[i].where)
    tally.add("visible", int((~has_visible[derived.order]).sum()))
    tally.add("by_visible", derived.num_by_visible, image.where)
    tally.add("undetermined", derived.num_undetermined, image.where)
    tally.add("cycles", derived.num_cycles, image.where)
    tally.add("no_category", 0 if has_categories else len(derived))
