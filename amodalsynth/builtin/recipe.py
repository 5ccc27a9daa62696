"""The words in which `shapes` describes an object: a tuple of parts, each a lofted surface with layers of paint.

Anywhere in a description a `Between`, a `OneOf` or a `Shared` may stand for a value; `resolve` draws it, so that every object of a
category has its own proportions and colours. Lengths are in units of about half an object, angles in degrees, colours (red, green, blue) in
0 .. 255.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

Color = tuple[float, float, float]
Draw = Any  # a value, or a `Between`, `OneOf` or `Shared` in its place


@dataclass(frozen=True, slots=True)
class Between:
    """A value drawn uniformly between two numbers, or on the straight line between two tuples of the same form (two colours, two profiles)."""

    low: Any
    high: Any


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of several values, each as likely."""

    options: tuple


@dataclass(frozen=True, slots=True)
class Shared:
    """A value drawn once for an object and used by all its parts that name it."""

    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class Loft:
    """A closed cross-section swept along an axis; every surface of the pack is one.

    `profile` holds (radius, height) points, joined by a smooth curve or, when `sharp`, by straight lines; `ring` joins the last to the first (a
    donut). The axis is z, or bends into an arc of `bend` degrees, or follows the points of `path`, along which heights run from 0 to 1.
    The cross-section is a circle; a larger `square` than 2 makes it a rounded square, and `aspect` is its y radius over its x radius; both
    are lists of values spread evenly from the profile's start to its end. `lobes` are (count, depth, twist in degrees) waves around the axis that
    grow from the profile's start to its end by `lobes_along`; `lumps` is the depth of irregular dents of size 1 / `lump_frequency`.
    `grid` is the number of mesh rows along the profile and columns around it.
    """

    profile: tuple[tuple[float, float], ...]
    sharp: bool = False
    ring: bool = False
    bend: float = 0
    path: tuple[tuple[float, float, float], ...] = ()
    aspect: tuple[float, ...] = (1,)
    square: tuple[float, ...] = (2,)
    lobes: tuple[tuple[float, float, float], ...] = ()
    lobes_along: tuple[float, ...] = (1,)
    lumps: float = 0
    lump_frequency: float = 1.5
    grid: tuple[int, int] = (40, 56)


@dataclass(frozen=True, slots=True)
class Mask:
    """Where a layer of paint lies: `field` rescaled so that `low` gives 0 and `high` gives 1 (`low` may be the larger), smoothly.

    Fields, each in 0 .. 1 (`paint.FIELDS` computes them): `along` the profile; `around`, the angle; `height`, z from -1 to 1; `noise` with
    blotches 1 / `frequency` long; `streaks`, noise by angle and `along`; `rings` and `stripes`, waves with `frequency` crests along and
    around; `side`, how far the surface faces a direction drawn for the object. `wobble` adds that much noise of `wobble_frequency`.
    """

    field: str
    low: float
    high: float
    frequency: tuple[float, float, float] | float = 1
    wobble: float = 0
    wobble_frequency: float = 2


@dataclass(frozen=True, slots=True)
class Layer:
    """One coat of paint: `color` blended in with `opacity` where all `masks` say so."""

    color: Color
    masks: tuple[Mask, ...]
    opacity: float = 1


@dataclass(frozen=True, slots=True)
class Scatter:
    """Copies of a part set upright on the surface of part number `part`, at `count` random places with `low` <= along <= `high`."""

    count: int
    part: int
    low: float = 0
    high: float = 1


@dataclass(frozen=True, slots=True)
class Part:
    """A surface with its paint, turned about x, then y, then z, and moved to `at`.

    `copies` repeats it evenly around the z axis, `scatter` on another part's surface, each copy with draws of its own. `gloss` is 0 (chalk)
    to 1 (lacquer); `bump` roughens the shading with dents of size 1 / `bump_frequency`.
    """

    loft: Loft
    color: Color
    layers: tuple[Layer, ...] = ()
    gloss: float = 0.2
    bump: float = 0
    bump_frequency: float = 6
    turn: tuple[float, float, float] = (0, 0, 0)
    at: tuple[float, float, float] = (0, 0, 0)
    size: float = 1
    copies: int = 1
    scatter: Scatter | None = None


def resolve(value: Any, rng: np.random.Generator, shared: dict[str, Any]) -> Any:
    """`value` with a draw in the place of every `Between`, `OneOf` and `Shared`, at any depth; `shared` collects what the object's parts share."""
    if isinstance(value, Between):
        return _mix(resolve(value.low, rng, shared), resolve(value.high, rng, shared), rng.random())
    if isinstance(value, OneOf):
        return resolve(value.options[int(rng.random() * len(value.options))], rng, shared)
    if isinstance(value, Shared):
        if value.name not in shared:
            shared[value.name] = resolve(value.value, rng, shared)
        return shared[value.name]
    if isinstance(value, tuple):
        return tuple(resolve(item, rng, shared) for item in value)
    if is_dataclass(value):
        return replace(value, **{field.name: resolve(getattr(value, field.name), rng, shared) for field in fields(value)})
    return value


def _mix(low: Any, high: Any, t: float) -> Any:
    if isinstance(low, tuple):
        return tuple(_mix(a, b, t) for a, b in zip(low, high, strict=True))
    return low + (high - low) * t
