"""The orders that a file declares, as they stand there: lists of ids, ordered pairs, paint order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from amodalsynth.importers.source import SourceImage
from amodalsynth.validate.block import Block, is_integer
from amodalsynth.validate.report import Fault


@dataclass(frozen=True, slots=True)
class Declared:
    """What a file says of G images of up to N instances. [g, i, j] of occluded, direct, in_front (G, N, N) bool: that i is occluded by j.

    listed, direct_listed (G, N) bool: whether instance i has a list `occluded_by`, `directly_occluded_by`, all of whose names are known.
    unresolved (G, N) bool: whether it has a list `occluded_by` with others. in_front: the format's ordered pairs. place (G, N) int64: the
    paint order, -1 for none.
    """

    listed: np.ndarray
    occluded: np.ndarray
    direct_listed: np.ndarray
    direct: np.ndarray
    unresolved: np.ndarray
    in_front: np.ndarray
    place: np.ndarray


def read_declared(block: Block, size: int, faults: list[Fault]) -> Declared:
    """What the images of a block declare, padded to `size` instances; what is wrong with it in itself goes to `faults`."""
    one, all_pairs = (len(block.images), size), (len(block.images), size, size)
    declared = Declared(
        listed=np.zeros(one, bool),
        occluded=np.zeros(all_pairs, bool),
        direct_listed=np.zeros(one, bool),
        direct=np.zeros(all_pairs, bool),
        unresolved=np.zeros(one, bool),
        in_front=np.zeros(all_pairs, bool),
        place=np.full(one, -1),
    )
    for g, image in enumerate(block.images):
        places = _places_by_id(image)
        for i, instance in enumerate(image.instances):
            at = int(block.first[g]) + i
            for key, listed, pairs in (
                ("occluded_by", declared.listed, declared.occluded),
                ("directly_occluded_by", declared.direct_listed, declared.direct),
            ):
                names = getattr(instance, key)
                if names is not None:
                    listed[g, i] = _read_list(block, at, key, names, places, pairs[g, i], faults)
                    if pairs[g, i, i]:
                        pairs[g, i, i] = False
                        faults.append(block.fault("order", at, f"expected other instances in {key}, got itself"))
        declared.unresolved[g, : len(image.instances)] = [it.occluded_by is not None for it in image.instances]
        declared.place[g, : len(image.instances)] = list(_paint_order(block, g, faults))
        declared.unresolved[g] &= ~declared.listed[g]
        faults += [Fault(kind, image.where, message, g) for kind, message in _read_pairs(image, declared.in_front[g])]
    return declared


def _places_by_id(image: SourceImage) -> dict[Any, int | None]:
    """Id -> index in the image; None for an id that comes twice, which names neither."""
    places: dict[Any, int | None] = {}
    for i, instance in enumerate(image.instances):
        if isinstance(instance.instance_id, int | str):
            places[instance.instance_id] = None if instance.instance_id in places else i
    return places


def _read_list(block: Block, at: int, key: str, names: Any, places: dict[Any, int | None], row: np.ndarray, faults: list[Fault]) -> bool:
    """Mark in `row` which instances of the image a list names; whether all of its names are known, so that the row says it all."""
    if not isinstance(names, list | tuple) or not all(isinstance(name, int | str) for name in names):
        faults.append(block.fault("schema", at, f"expected {key} as a list of ids, got {names!r:.60}"))
        return False
    for name in names:
        if places.get(name) is not None:
            row[places[name]] = True
        elif name not in places:
            faults.append(block.fault("reference", at, f"expected ids of this image's annotations in {key}, got {name!r:.60}"))
    return all(places.get(name) is not None for name in names)


def _paint_order(block: Block, g: int, faults: list[Fault]) -> Iterable[int]:
    """The paint order of each instance of image g, -1 for none."""
    image = block.images[g]
    given = [instance.paint_order for instance in image.instances]
    broken = [i for i, value in enumerate(given) if value is not None and not is_integer(value)]
    first = int(block.first[g])
    faults += [block.fault("schema", first + i, f"expected paint_order as an integer from 0, got {given[i]!r:.60}") for i in broken]
    found = sorted(value for value in given if is_integer(value))
    if found and not broken and found != list(range(len(given))):
        faults.append(Fault("order", image.where, f"expected the paint_order 0 to {len(given) - 1}, each once, got {found!s:.60}", g))
    return (value if is_integer(value) else -1 for value in given)


def _read_pairs(image: SourceImage, in_front: np.ndarray) -> Iterable[tuple[str, str]]:
    """Mark the format's ordered pairs in `in_front`, [i, j] that i is behind j; kind and message of those that are none."""
    count = len(image.instances)
    for i, j in image.in_front:
        if not (0 <= i < count and 0 <= j < count):
            yield "reference", f"expected an order of its {count} instances, got one of {i + 1} and {j + 1}"
        elif i == j:
            yield "order", f"expected an order of two instances, got instance {i + 1} in front of itself"
        else:
            in_front[j, i] = True
