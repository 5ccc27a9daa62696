"""The table of shapes, vegetables."""

from __future__ import annotations

from amodalsynth.builtin.outlines import STICK, ball, circle, dots, rod, stem
from amodalsynth.builtin.recipe import Between, Draw, Layer, Loft, Mask, Part, Scatter


def _gourd(profile: Draw, color: Draw, layers: tuple[Layer, ...], ridges: float, warts: float, bend: Draw, gloss: float) -> Part:
    """The body of a zucchini or cucumber."""
    loft = Loft(profile, bend=bend, lobes=((Between(6, 9), ridges, 20),), lumps=warts, lump_frequency=7, grid=(90, 64))
    return Part(loft, color, layers, gloss=gloss, bump=0.1, bump_frequency=7)


ZUCCHINI = (
    _gourd(
        Between(
            ((0, 0.95), (0.12, 0.94), (0.17, 0.8), (0.2, 0.3), (0.23, -0.4), (0.21, -0.8), (0.1, -0.94), (0, -0.95)),
            ((0, 0.95), (0.12, 0.94), (0.17, 0.8), (0.19, 0.3), (0.28, -0.4), (0.26, -0.8), (0.12, -0.94), (0, -0.95)),
        ),
        Between((52, 92, 38), (34, 70, 32)),
        (
            Layer((112, 148, 76), (Mask("streaks", 0.55, 0.85, frequency=(5, 5, 2)),), 0.55),
            dots((176, 196, 126), 30, 0.7, rare=0.78),
            Layer((140, 160, 90), (Mask("along", 0.94, 1.0),), 0.7),
        ),
        ridges=0.035,
        warts=0.0,
        bend=Between(4, 28),
        gloss=0.4,
    ),
    Part(
        Loft(((0.16, 0.88), (0.11, 0.94), (0.085, 1.04), (0.1, 1.16), (0.08, 1.18), (0, 1.17)), lobes=((5, 0.16, 0),), grid=(24, 40)),
        (150, 164, 96),
        (Layer((92, 120, 58), (Mask("stripes", 0.5, 0.9, frequency=5),), 0.7), Layer((206, 204, 150), (Mask("along", 0.82, 0.9),), 0.9)),
        gloss=0.1,
        bump=0.2,
        bump_frequency=8,
        at=(Between(0.0, 0.03), 0, 0),
    ),
)

_CUCUMBER_LONG = ((0, 1), (0.08, 0.98), (0.13, 0.85), (0.16, 0.4), (0.165, -0.3), (0.15, -0.8), (0.09, -0.97), (0, -1))

_CUCUMBER_SHORT = ((0, 0.9), (0.14, 0.87), (0.25, 0.66), (0.3, 0.1), (0.3, -0.3), (0.24, -0.72), (0.12, -0.88), (0, -0.9))

CUCUMBER1 = (
    _gourd(
        Between(_CUCUMBER_LONG, tuple((1.2 * r, z) for r, z in _CUCUMBER_LONG)),
        Between((62, 112, 44), (42, 88, 40)),
        (
            Layer((128, 164, 80), (Mask("stripes", 0.72, 1.0, frequency=9, wobble=0.1, wobble_frequency=3), Mask("along", 0.25, 0.8)), 0.7),
            Layer((150, 176, 92), (Mask("along", 0.86, 1.0, wobble=0.05),), 0.7),
            Layer((24, 60, 30), (Mask("along", 0.3, 0.0, wobble=0.1),), 0.6),
        ),
        ridges=0.03,
        warts=0.06,
        bend=Between(6, 40),
        gloss=0.4,
    ),
    stem(0.96, 1.1, 0.03, color=(120, 140, 80)),
)

CUCUMBER3 = (
    _gourd(
        Between(_CUCUMBER_SHORT, tuple((1.15 * r, z) for r, z in _CUCUMBER_SHORT)),
        Between((98, 142, 52), (74, 118, 46)),
        (
            Layer(
                (186, 200, 120), (Mask("stripes", 0.6, 1.0, frequency=8, wobble=0.12, wobble_frequency=3), Mask("along", 0.15, 0.7)), 0.75
            ),
            Layer((206, 208, 136), (Mask("along", 0.82, 1.0, wobble=0.08),), 0.8),
            Layer((44, 90, 36), (Mask("along", 0.35, 0.0, wobble=0.1),), 0.6),
        ),
        ridges=0.02,
        warts=0.05,
        bend=Between(4, 22),
        gloss=0.35,
    ),
    stem(0.86, 1.02, 0.04, color=(120, 140, 80)),
    Part(
        Loft(((0, 0.03), (0.014, 0.022), (0.026, 0.008), (0.045, -0.015), (0, -0.02)), grid=(8, 10)),
        (170, 190, 112),
        (Layer((226, 226, 190), (Mask("along", 0.25, 0.05),), 0.9),),
        gloss=0.3,
        scatter=Scatter(Between(46, 70), 0, 0.08, high=0.94),
    ),
)

CARROT = (
    Part(
        Loft(
            Between(
                ((0, 0.88), (0.1, 0.93), (0.19, 0.88), (0.23, 0.72), (0.19, 0.1), (0.12, -0.5), (0.045, -0.85), (0.012, -1.06), (0, -1.08)),
                ((0, 0.88), (0.14, 0.93), (0.26, 0.88), (0.31, 0.72), (0.24, 0.1), (0.15, -0.5), (0.05, -0.82), (0.012, -0.98), (0, -1.0)),
            ),
            bend=Between(4, 34),
            lumps=0.07,
            lump_frequency=2.5,
            grid=(90, 40),
        ),
        Between((232, 124, 36), (214, 96, 30)),
        (
            Layer(
                (172, 74, 20),
                (
                    Mask("rings", 0.8, 1.0, frequency=Between(22, 30), wobble=0.25, wobble_frequency=5),
                    Mask("noise", 0.35, 0.6, frequency=4),
                ),
                0.75,
            ),
            Layer((244, 166, 84), (Mask("streaks", 0.55, 0.85, frequency=(4, 4, 3)),), 0.35),
            Layer((124, 128, 50), (Mask("along", 0.11, 0.03, wobble=0.04, wobble_frequency=5),), 0.85),
        ),
        gloss=0.25,
        bump=0.12,
        bump_frequency=8,
    ),
    Part(
        Loft(tuple((0.028 * r, t) for r, t in STICK), path=((0, 0, 0), (0.06, 0, 0.12), (0.14, 0, Between(0.24, 0.34))), grid=(14, 10)),
        Between((96, 138, 50), (122, 152, 66)),
        (Layer((60, 70, 30), (Mask("along", 0.8, 1.0),), 0.7),),
        gloss=0.1,
        at=(0.04, 0, 0.86),
        turn=(Between(-14, 14), Between(-14, 14), 0),
        copies=6,
    ),
)

_LEAF_COLOR = Between((150, 186, 98), (186, 208, 136))

_LEAF_VEINS = (
    Layer((116, 160, 78), (Mask("noise", 0.45, 0.95, frequency=1.6),), 0.5),
    Layer(
        (226, 234, 194),
        (Mask("stripes", 0.86, 1.0, frequency=26, wobble=0.16, wobble_frequency=2), Mask("along", 0.25, 0.5), Mask("along", 1.0, 0.8)),
        0.5,
    ),
    Layer((236, 241, 212), (Mask("stripes", 0.84, 1.0, frequency=8, wobble=0.16, wobble_frequency=1.5), Mask("along", 1.0, 0.5)), 0.9),
    Layer((236, 241, 212), (Mask("along", 0.2, 0.04, wobble=0.03),), 0.9),
)

_LEAF_RIM = Layer((206, 222, 158), (Mask("along", 0.93, 0.985),), 0.9)


def _leaf(size: float, reach: float, tilt: Draw, spin: Draw, veins: tuple[Layer, ...]) -> Part:
    """A leaf hugging the head: a cap of a ball around z with a wavy rim `reach` degrees from its middle."""
    loft = Loft(
        ((0, 1), *circle((0, 0), (1, 1), 80, last=90 - reach, steps=8)),
        lobes=((Between(4, 6), 0.02, 30), (Between(9, 12), 0.012, 90)),
        lobes_along=(0, 0, 0, 0.5, 1.5),
        lumps=0.012,
        lump_frequency=2,
        grid=(44, 90),
    )
    return Part(loft, _LEAF_COLOR, (*veins, _LEAF_RIM), gloss=0.2, bump=0.12, bump_frequency=3, turn=(tilt, 0, spin), size=size)


CABBAGE = (
    Part(Loft(ball(0.9, 0.9), lumps=0.02), (206, 222, 160), _LEAF_VEINS[:1], gloss=0.2, bump=0.12, bump_frequency=4),
    *(_leaf(0.93 + 0.03 * k, 70, Between(28, 45), spin=Between(180 * k, 180 * k + 60), veins=_LEAF_VEINS[:2]) for k in range(2)),
    *(_leaf(0.98 + 0.035 * k, 102, Between(158, 172), spin=Between(130 * k, 130 * k + 40), veins=_LEAF_VEINS) for k in range(3)),
    Part(
        Loft(rod(0.17, -1.12, -0.9, round_off=0.03), sharp=True, grid=(20, 28)),
        (222, 222, 184),
        (Layer((170, 160, 110), (Mask("along", 0.75, 0.95),), 0.6),),
    ),
)

EGGPLANT = (
    Part(
        Loft(
            Between(
                ((0, 0.82), (0.14, 0.8), (0.24, 0.6), (0.3, 0.2), (0.36, -0.3), (0.32, -0.72), (0.18, -0.94), (0, -1)),
                ((0, 0.8), (0.18, 0.77), (0.3, 0.55), (0.42, 0.12), (0.54, -0.34), (0.46, -0.74), (0.24, -0.92), (0, -0.96)),
            ),
            bend=Between(4, 40),
            lumps=0.03,
            grid=(60, 48),
        ),
        Between((56, 22, 64), (34, 14, 44)),
        (
            Layer((84, 38, 90), (Mask("streaks", 0.55, 0.9, frequency=(3, 3, 1)),), 0.3),
            Layer((130, 90, 120), (Mask("along", 0.2, 0.1),), 0.6),
        ),
        gloss=1.0,
    ),
    Part(
        Loft(
            ((0.06, 0.98), (0.14, 0.92), (0.24, 0.78), (0.33, 0.6), (0.345, 0.5), (0.24, 0.56), (0.1, 0.76)),
            lobes=((5, 0.24, 0),),
            lobes_along=(0, 0, 0.2, 0.7, 1, 0.6, 0),
            lumps=0.05,
            lump_frequency=4,
            grid=(36, 60),
        ),
        Between((92, 122, 58), (70, 104, 52)),
        (
            Layer((140, 156, 90), (Mask("streaks", 0.5, 0.8, frequency=(6, 6, 1)),), 0.5),
            Layer((70, 50, 60), (Mask("along", 0.45, 0.6),), 0.5),
        ),
        gloss=0.2,
        bump=0.25,
        bump_frequency=8,
        at=(0.02, 0, -0.03),
    ),
    stem(0.84, 1.25, 0.07, color=(104, 124, 66)),
)
