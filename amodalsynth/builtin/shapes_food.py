"""The table of shapes, food made by hand: anise, biscuit, candy, donut."""

from __future__ import annotations

from amodalsynth.builtin.outlines import ball, circle, dots, rod
from amodalsynth.builtin.recipe import Between, Layer, Loft, Mask, OneOf, Part, Scatter, Shared

ANISE = (
    Part(
        Loft(
            ((0, 0), (0.08, 0.04), (0.12, 0.2), (0.145, 0.45), (0.11, 0.72), (0.04, 0.92), (0, 1)),
            path=((0.06, 0, 0), (0.4, 0, -0.06), (0.75, 0, 0.0), (Between(0.88, 1.04), 0, Between(0.08, 0.24))),
            aspect=(1.1, 1.25, 1.4, 1.1),
            lumps=0.12,
            lump_frequency=5,
            grid=(40, 36),
        ),
        Between((134, 74, 38), (104, 54, 30)),
        (
            Layer((72, 36, 20), (Mask("noise", 0.45, 0.8, frequency=5),), 0.6),
            Layer(
                (214, 158, 96),
                (Mask("around", 0.15, 0.19), Mask("around", 0.35, 0.31), Mask("along", 0.1, 0.25), Mask("along", 0.9, 0.75)),
                0.9,
            ),
            Layer(
                (52, 26, 14),
                (Mask("around", 0.2, 0.225), Mask("around", 0.3, 0.275), Mask("along", 0.15, 0.25), Mask("along", 0.85, 0.7)),
                0.95,
            ),
        ),
        gloss=0.25,
        bump=0.35,
        bump_frequency=8,
        turn=(0, Between(-8, 8), Between(-5, 5)),
        copies=8,
    ),
    Part(
        Loft(ball(0.085, 0.14), grid=(16, 18)),
        Between((176, 106, 52), (146, 82, 40)),
        (),
        gloss=0.9,
        turn=(0, 90, 0),
        at=(Between(0.44, 0.52), 0, 0.1),
        copies=8,
    ),
    Part(Loft(ball(0.13, 0.16), lumps=0.1, lump_frequency=5, grid=(20, 20)), (92, 50, 28), (), gloss=0.2, bump=0.3, bump_frequency=8),
)

_BISCUIT_HOLE = Loft(rod(0.045, -0.135, 0.135, round_off=0.005), sharp=True, grid=(16, 14))

BISCUIT = (
    Part(
        Loft(
            ((0, 0.13), (0.76, 0.13), (0.82, 0.115), (0.86, 0.1), (0.93, 0.03), (0.93, -0.04), (0.88, -0.12), (0.8, -0.13), (0, -0.13)),
            sharp=True,
            square=(Shared("corners", OneOf((2.0, 2.0, 6.0))),),
            aspect=(Between(0.86, 1.0),),
            lobes=((OneOf((20, 28)), Between(0.025, 0.04), 0),),
            lobes_along=(0, 0, 1, 1.4, 1.4, 1, 0, 0),
            lumps=0.015,
            grid=(60, 170),
        ),
        Between((226, 182, 108), (208, 150, 82)),
        (
            Layer((184, 122, 60), (Mask("noise", 0.3, 1.0, frequency=1.6),), 0.5),
            Layer((158, 92, 40), (Mask("along", 0.3, 0.42, wobble=0.04), Mask("along", 0.7, 0.58, wobble=0.04)), 0.75),
            dots((146, 90, 44), 18, 0.5, rare=0.85),
        ),
        gloss=0.08,
        bump=0.3,
        bump_frequency=9,
    ),
    Part(_BISCUIT_HOLE, (104, 62, 28), gloss=0, at=(0.2, 0.2, 0), copies=4),
    Part(_BISCUIT_HOLE, (104, 62, 28), gloss=0, at=(0.54, 0.2, 0), copies=4),
    Part(_BISCUIT_HOLE, (104, 62, 28), gloss=0, at=(0.54, -0.2, 0), copies=4),
)

CANDY = (
    Part(
        Loft(
            (
                (0.02, 0.98),
                (0.34, Between(0.94, 1.04)),
                (0.2, 0.74),
                (0.08, 0.55),
                (0.2, 0.46),
                (0.36, 0.28),
                (Between(0.4, 0.46), 0),
                (0.36, -0.28),
                (0.2, -0.46),
                (0.08, -0.55),
                (0.2, -0.74),
                (0.34, Between(-1.04, -0.94)),
                (0.02, -0.98),
            ),
            aspect=(0.5, 0.5, 0.8, 1, 1, 1, 0.8, 0.5, 0.5),
            lobes=((7, 0.14, 160), (11, 0.08, -90)),
            lobes_along=(1.6, 1.4, 0.9, 0.15, 0, 0, 0, 0.15, 0.9, 1.4, 1.6),
            grid=(110, 90),
        ),
        OneOf(
            (
                Between((216, 40, 60), (236, 70, 90)),
                Between((50, 120, 200), (70, 150, 220)),
                Between((80, 170, 70), (60, 150, 90)),
                (240, 180, 40),
                (150, 60, 160),
            )
        ),
        (
            Layer(
                (250, 244, 236),
                (Mask("stripes", 0.5, 0.58, frequency=OneOf((4, 5, 6))), Mask("along", 0.28, 0.32), Mask("along", 0.72, 0.68)),
                OneOf((0, 1, 1)),
            ),
            Layer((250, 244, 236), (Mask("rings", 0.5, 0.6, frequency=26), Mask("height", 0.72, 0.78)), 0.6),
            Layer((250, 244, 236), (Mask("rings", 0.5, 0.6, frequency=26), Mask("height", 0.28, 0.22)), 0.6),
        ),
        gloss=0.9,
        bump=0.1,
        bump_frequency=6,
    ),
)

_ICING_COLOR = OneOf((Between((92, 50, 30), (70, 38, 26)), Between((240, 150, 180), (234, 120, 160)), (250, 240, 228), (246, 210, 110)))

DONUT = (
    Part(
        Loft(Between(circle((0.66, 0), (0.3, 0.26)), circle((0.66, 0), (0.34, 0.32))), ring=True, lumps=0.04, grid=(44, 80)),
        Between((206, 146, 78), (182, 118, 58)),
        (
            Layer((236, 196, 130), (Mask("height", 0.44, 0.47, wobble=0.02), Mask("height", 0.53, 0.5, wobble=0.02)), 0.7),
            Layer((158, 96, 44), (Mask("noise", 0.5, 0.8, frequency=3),), 0.4),
        ),
        gloss=0.15,
        bump=0.2,
        bump_frequency=9,
    ),
    Part(
        Loft(circle((0.66, 0.08), (0.32, 0.27)), ring=True, lumps=0.1, lump_frequency=2.6, grid=(44, 96)),
        _ICING_COLOR,
        gloss=0.8,
        bump=0.05,
        bump_frequency=3,
    ),
    Part(
        Loft(((0, 0.055), (0.017, 0.045), (0.017, -0.045), (0, -0.055)), grid=(10, 8)),
        OneOf(((236, 60, 70), (250, 210, 60), (80, 170, 90), (70, 130, 220), (250, 250, 250), (240, 130, 60))),
        gloss=0.5,
        turn=(90, 0, 0),
        scatter=Scatter(OneOf((0, 90, 120)), 1, 0.05, high=0.45),
    ),
)
