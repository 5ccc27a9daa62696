"""The table of shapes, fruit: three apples and the pear."""

from __future__ import annotations

from amodalsynth.builtin.outlines import dots, stem
from amodalsynth.builtin.recipe import Between, Draw, Layer, Loft, Mask, Part

_APPLE = (
    (0, 0.56),
    (0.1, 0.6),
    (0.3, 0.8),
    (0.55, 0.84),
    (0.85, 0.58),
    (0.98, 0.1),
    (0.85, -0.45),
    (0.55, -0.78),
    (0.25, -0.82),
    (0, -0.68),
)

_FLAT_APPLE = (
    (0, 0.44),
    (0.12, 0.5),
    (0.32, 0.66),
    (0.6, 0.7),
    (0.92, 0.46),
    (1.04, 0.02),
    (0.9, -0.46),
    (0.58, -0.7),
    (0.25, -0.72),
    (0, -0.58),
)

_TALL_APPLE = (
    (0, 0.64),
    (0.1, 0.68),
    (0.3, 0.9),
    (0.58, 0.92),
    (0.9, 0.6),
    (0.95, 0.12),
    (0.74, -0.5),
    (0.52, -0.88),
    (0.24, -0.94),
    (0, -0.76),
)


def _apple(
    profile: Draw, color: Draw, layers: tuple[Layer, ...], ends: tuple[float, float], lobes: Draw, lobe_growth: tuple[float, ...]
) -> tuple[Part, ...]:
    """An apple: the fruit, its stem and the dry flower at the bottom."""
    top, bottom = ends
    fruit = Loft(
        profile,
        lobes=((5, lobes, 0),),
        lobes_along=lobe_growth,
        lumps=0.035,
        lump_frequency=0.9,
        aspect=(Between(0.93, 1.05),),
        grid=(48, 56),
    )
    russet = Layer((150, 120, 60), (Mask("along", 0.17, 0.05, wobble=0.05, wobble_frequency=4),), 0.75)
    return (
        Part(fruit, color, (*layers, russet), gloss=0.45, bump=0.03, bump_frequency=7),
        stem(top, top + 0.42, 0.035),
        Part(
            Loft(((0, 0.02), (0.1, 0), (0.13, -0.05), (0.04, -0.03), (0, 0)), lobes=((5, 0.4, 0),), grid=(10, 30)),
            (70, 54, 34),
            at=(0, 0, bottom),
        ),
    )


GOLDEN = _apple(
    Between(_FLAT_APPLE, _APPLE),
    Between((222, 200, 84), (186, 196, 78)),
    (
        Layer((158, 178, 60), (Mask("noise", 0.4, 0.9, frequency=1.3),), 0.5),
        Layer(Between((226, 150, 70), (214, 120, 60)), (Mask("side", 0.62, 1.0, wobble=0.15, wobble_frequency=1.5),), Between(0.1, 0.6)),
        dots((140, 118, 56), 22, 0.55),
    ),
    ends=(0.48, -0.6),
    lobes=0.015,
    lobe_growth=(0.5, 1, 1),
)

PINK_LADY = _apple(
    Between(_APPLE, _FLAT_APPLE),
    Between((214, 198, 96), (196, 200, 96)),
    (
        Layer(Between((222, 74, 86), (206, 48, 64)), (Mask("side", 0.2, 0.62, wobble=0.25, wobble_frequency=1.6),), 0.9),
        Layer((186, 34, 56), (Mask("streaks", 0.5, 0.8, frequency=(7, 7, 1.2)), Mask("side", 0.2, 0.7, wobble=0.2)), 0.65),
        dots((246, 210, 160), 20, 0.6),
    ),
    ends=(0.48, -0.6),
    lobes=0.02,
    lobe_growth=(0.6, 1, 1),
)

RED_DELICIOUS = _apple(
    Between(_TALL_APPLE, tuple((1.05 * r, 0.94 * z) for r, z in _TALL_APPLE)),
    Between((150, 24, 34), (120, 14, 30)),
    (
        Layer((196, 60, 46), (Mask("streaks", 0.5, 0.85, frequency=(6, 6, 1)),), 0.6),
        Layer((208, 150, 70), (Mask("along", 0.72, 1.05, wobble=0.12), Mask("side", 0.4, 0.0)), 0.7),
        dots((226, 180, 120), 20, 0.6),
    ),
    ends=(0.6, -0.7),
    lobes=Between(0.07, 0.11),
    lobe_growth=(0.5, 0.1, 0.2, 1, 1),
)

_PEAR_BODY = Loft(
    Between(
        (
            (0, 0.92),
            (0.1, 0.95),
            (0.24, 0.84),
            (0.32, 0.5),
            (0.5, 0.08),
            (0.68, -0.35),
            (0.62, -0.72),
            (0.34, -0.94),
            (0.12, -0.95),
            (0, -0.88),
        ),
        (
            (0, 0.84),
            (0.12, 0.88),
            (0.32, 0.76),
            (0.42, 0.42),
            (0.6, 0.02),
            (0.76, -0.38),
            (0.68, -0.72),
            (0.38, -0.9),
            (0.12, -0.92),
            (0, -0.84),
        ),
    ),
    lumps=0.06,
    lump_frequency=0.8,
    bend=Between(5, 18),
    grid=(52, 48),
)

PEAR = (
    Part(
        _PEAR_BODY,
        Between((196, 190, 74), (164, 176, 66)),
        (
            Layer(Between((190, 110, 50), (200, 70, 50)), (Mask("side", 0.6, 1.0, wobble=0.2, wobble_frequency=1.5),), Between(0, 0.7)),
            Layer((150, 112, 54), (Mask("along", 0.2, 0.06, wobble=0.08, wobble_frequency=3),), 0.7),
            Layer((150, 112, 54), (Mask("noise", 0.62, 0.8, frequency=3.5),), 0.35),
            dots((110, 96, 44), 20, 0.7, rare=0.9),
        ),
        gloss=0.25,
        bump=0.06,
        bump_frequency=9,
    ),
    stem(0.8, 1.22, 0.04),
    Part(Loft(((0, 0.02), (0.1, 0), (0.11, -0.06), (0, -0.03)), lobes=((5, 0.4, 0),), grid=(10, 30)), (66, 50, 32), at=(0, 0, -0.88)),
)
