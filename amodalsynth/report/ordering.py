"""The order and the layers of an image's instances: as declared where all of them are, else derived as `import` does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from amodalsynth import masks
from amodalsynth.derive import Derived
from amodalsynth.errors import DataError
from amodalsynth.importers.instances import derive_image
from amodalsynth.importers.report import Tally
from amodalsynth.importers.source import SourceImage, SourceInstance
from amodalsynth.masks import MaskSpans
from amodalsynth.report.values import LARGEST_INTEGER
from amodalsynth.validate.block import is_integer

MAX_DERIVED = 256  # instances of an image whose order is derived; what is held for them takes some 500 MB


@dataclass(frozen=True, slots=True)
class Ordering:
    """N instances of an image, farthest first; an instance's *number* is its index here.

    place: where in the image's instances each is; those of which nothing is known come first. layer: eq. 2, or None. occluded_by (eq. 1),
    directly_occluded_by: the numbers of the instances that each is occluded by, ascending. derived: whether all this was derived;
    visible, then: N visible masks that follow from it, empty where nothing is known.
    """

    place: tuple[int, ...]
    layer: tuple[int | None, ...]
    occluded_by: tuple[tuple[int, ...], ...]
    directly_occluded_by: tuple[tuple[int, ...], ...]
    derived: bool
    visible: MaskSpans | None = None


def order_image(image: SourceImage, size_hw: tuple[int, int]) -> Ordering:
    """The order of the instances of an image whose masks are given in a frame of `size_hw`, (height, width).

    It is declared where every instance has a layer and both lists of ids; names of others than the image's instances are passed over,
    and without a paint order a larger layer is farther. Else it is derived by `derive`'s rules; what cannot be read, crowds and instances
    without a visible pixel then have no layer, and neither has any instance of an image with more than `MAX_DERIVED`. No input is an error.
    """
    return declared_order(image) or _derived_order(image, size_hw)


def declared_order(image: SourceImage) -> Ordering | None:
    """`order_image` where nothing has to be derived, else None."""
    instances = image.instances
    if not all(map(_is_declared, instances)):
        return None
    painted = all(is_integer(instance.paint_order) for instance in instances)
    depth = [instance.paint_order if painted else -instance.layer for instance in instances]
    place = sorted(range(len(instances)), key=depth.__getitem__)
    ordered = [instances[i] for i in place]
    number = _numbers(ordered)
    return Ordering(
        tuple(place),
        tuple(instance.layer for instance in ordered),
        tuple(_named(instance.occluded_by, k, number) for k, instance in enumerate(ordered)),
        tuple(_named(instance.directly_occluded_by, k, number) for k, instance in enumerate(ordered)),
        derived=False,
    )


def _is_declared(instance: SourceInstance) -> bool:
    lists = type(instance.occluded_by) is list and type(instance.directly_occluded_by) is list
    return lists and is_integer(instance.layer) and instance.layer < LARGEST_INTEGER


def _numbers(instances: Sequence[SourceInstance]) -> dict[Any, int]:
    """Id -> index; an id that comes twice names none."""
    ids = [instance.instance_id if type(instance.instance_id) in (int, str) else None for instance in instances]
    times = Counter(ids)
    return {name: k for k, name in enumerate(ids) if name is not None and times[name] == 1}


def _named(names: Iterable[Any], own: int, number: Mapping[Any, int]) -> tuple[int, ...]:
    """The numbers of the instances that a list names, but for the one whose list it is."""
    found = {number[name] for name in names if type(name) in (int, str) and name in number}
    return tuple(sorted(found - {own}))


def _derived_order(image: SourceImage, size_hw: tuple[int, int]) -> Ordering:
    count = len(image.instances)
    if count > MAX_DERIVED:
        nothing = ((),) * count
        return Ordering(tuple(range(count)), (None,) * count, nothing, nothing, derived=True, visible=_empty(size_hw, count))
    # Each instance's place stands in for its category, so that what comes out names where it came from.
    named = replace(image, instances=tuple(replace(instance, category=i) for i, instance in enumerate(image.instances)))
    derived = _derive(named, size_hw)
    known = derived.category_id.tolist()
    unknown = sorted(set(range(count)) - set(known))
    first = len(unknown)
    seen = masks.select(derived.spans, np.arange(len(known), 2 * len(known)))
    return Ordering(
        (*unknown, *known),
        (*(None,) * first, *derived.layer_order.tolist()),
        _listed(derived.occlusion_order, first),
        _listed(derived.direct_occlusion, first),
        derived=True,
        visible=masks.concatenate([_empty(size_hw, first), seen]),
    )


def _derive(image: SourceImage, size_hw: tuple[int, int]) -> Derived:
    """What can be read of an image whose categories are the places of its instances; it is read twice only where something is broken."""
    places = {i: i for i in range(len(image.instances))}
    try:
        return derive_image(image, size_hw, places, Tally(), path="", skip_broken=False)
    except DataError:
        return derive_image(image, size_hw, places, Tally(), path="", skip_broken=True)


def _listed(occluded: np.ndarray, first: int) -> tuple[tuple[int, ...], ...]:
    """(M, M) bool, [i, j] that i is occluded by j, as a tuple for each of M instances, after `first` ones of which nothing is known."""
    return ((),) * first + tuple(tuple((np.flatnonzero(row) + first).tolist()) for row in occluded)


def _empty(size_hw: tuple[int, int], count: int) -> MaskSpans:
    """`count` masks without a pixel."""
    return MaskSpans(size_hw, np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(count + 1, np.int64))
