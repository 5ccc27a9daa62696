"""Profiles, paths and small parts that several shapes have in common."""

from __future__ import annotations

import math

from amodalsynth.builtin.recipe import Between, Color, Layer, Loft, Mask, Part

STICK = ((0, 0), (1, 0.01), (0.85, 0.5), (1.2, 0.96), (0, 1))


def circle(
    center: tuple[float, float], radii: tuple[float, float], first: float = 0, last: float = 360, steps: int = 12
) -> tuple[tuple[float, float], ...]:
    """Points on an ellipse from the angle `first` to `last`; a whole turn leaves out the point that would come twice."""
    whole = last - first == 360
    angles = [math.radians(first + (last - first) * k / (steps if whole else steps - 1)) for k in range(steps)]
    return tuple((center[0] + radii[0] * math.cos(a), center[1] + radii[1] * math.sin(a)) for a in angles)


def spiral(turns: float, growth: float, reach: float, drop: float) -> tuple[tuple[float, float, float], ...]:
    """A conical spiral from its tip to (`reach`, 0, 0), `growth` times larger each turn, its tip `drop` above its end."""
    points = []
    for k in range(round(turns * 12) + 1):
        turn = k / 12 - turns
        size, angle = growth**turn, 2 * math.pi * turn
        points.append((reach * size * math.cos(angle), reach * size * math.sin(angle), drop * (1 - size)))
    return tuple(points)


def rod(radius: float, low: float, high: float, round_off: float) -> tuple[tuple[float, float], ...]:
    """The sharp profile of a cylinder with its edges cut off."""
    inner = radius - round_off
    return ((0, high), (inner, high), (radius, high - round_off), (radius, low + round_off), (inner, low), (0, low))


def ball(radius: float, half_height: float) -> tuple[tuple[float, float], ...]:
    """The profile of an ellipsoid."""
    half = circle((0, 0), (radius, half_height), 90, last=-90, steps=9)
    return ((0, half_height), *half[1:-1], (0, -half_height))


def stem(start: float, end: float, thickness: float, color: Color = (92, 66, 36)) -> Part:
    """A stalk on the z axis from height `start` to `end`, leaning a little."""
    path = ((0, 0, start), (Between(-0.03, 0.03), 0, (start + end) / 2), (Between(0.02, 0.14), Between(-0.06, 0.06), end))
    profile = tuple((r * thickness, t) for r, t in STICK)
    return Part(
        Loft(profile, sharp=True, path=path, grid=(20, 12)),
        color,
        (Layer((40, 28, 16), (Mask("along", 0.7, 0.95),), 0.7),),
        gloss=0.1,
        bump=0.3,
        bump_frequency=9,
    )


def dots(color: Color, frequency: float, opacity: float, rare: float = 0.94) -> Layer:
    """Small dots; fewer with a larger `rare`."""
    return Layer(color, (Mask("noise", rare, rare + 0.08, frequency=frequency),), opacity)
