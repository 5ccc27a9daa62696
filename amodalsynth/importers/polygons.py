"""What people drew: shapes with a label, of which those of one group and label make one instance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from amodalsynth.importers.source import SourceInstance


@dataclass(frozen=True, slots=True)
class Drawn:
    """A shape. mask: polygons or run-length code, None where the shape is no mask. group: None where it stands alone. kind: its kind, for errors."""

    label: str
    mask: Any
    group: Any = None
    paint_order: Any = None
    kind: str = "polygon"


def group(image: str, shapes: Iterable[Drawn]) -> tuple[SourceInstance, ...]:
    """The instances of an image, in the order of their first shapes; polygons of one group and label are pieces of one, other masks stand alone."""
    instances: dict[Any, SourceInstance] = {}
    for i, shape in enumerate(shapes, start=1):
        where = f"{image}, shape {i}" + ("" if shape.kind == "polygon" else f" ({shape.kind})")
        joins = type(shape.group) in (int, str) and isinstance(shape.mask, list)
        key = (shape.group, shape.label) if joins else i
        mask = instances[key].amodal + shape.mask if key in instances else shape.mask
        where = instances[key].where if key in instances else where
        instances[key] = SourceInstance(where, category=shape.label, amodal=mask, paint_order=shape.paint_order)
    return tuple(instances.values())
