"""The table of shapes, things: bottle, conch, fire extinguisher, hammer, hat, toothpaste."""

from __future__ import annotations

from amodalsynth.builtin.outlines import ball, rod, spiral
from amodalsynth.builtin.recipe import Between, Layer, Loft, Mask, OneOf, Part, Shared

_BOTTLE_CAP = Shared("cap", OneOf(((190, 160, 60), (200, 40, 40), (236, 236, 236), (30, 60, 140), (40, 40, 44))))

BOTTLE = (
    Part(
        Loft(
            Between(
                (
                    (0, 0.98),
                    (0.11, 0.98),
                    (0.115, 0.55),
                    (0.15, 0.42),
                    (0.3, 0.2),
                    (0.33, 0.05),
                    (0.33, -0.92),
                    (0.29, -0.99),
                    (0.1, -0.96),
                    (0, -0.95),
                ),
                (
                    (0, 0.98),
                    (0.14, 0.98),
                    (0.15, 0.72),
                    (0.2, 0.58),
                    (0.36, 0.42),
                    (0.4, 0.28),
                    (0.4, -0.92),
                    (0.36, -0.99),
                    (0.1, -0.96),
                    (0, -0.95),
                ),
            ),
            sharp=True,
            grid=(90, 44),
        ),
        OneOf((Between((34, 92, 48), (60, 120, 66)), Between((96, 54, 22), (120, 70, 30)), Between((120, 176, 204), (90, 150, 190)))),
        (Layer((220, 236, 226), (Mask("stripes", 0.86, 1.0, frequency=2), Mask("along", 0.1, 0.2), Mask("along", 0.72, 0.65)), 0.3),),
        gloss=1.0,
    ),
    Part(
        Loft(rod(0.41, -0.72, -0.05, round_off=0.004), sharp=True, grid=(60, 44)),
        OneOf(((236, 228, 204), (240, 240, 240), (226, 190, 70), (196, 40, 44))),
        (
            Layer(OneOf(((170, 30, 36), (30, 70, 130), (30, 100, 60))), (Mask("height", 0.2, 0.21), Mask("height", 0.26, 0.25)), 1),
            Layer(
                OneOf(((40, 40, 50), (30, 70, 130), (150, 110, 30))),
                (Mask("stripes", 0.55, 0.62, frequency=2), Mask("height", 0.29, 0.3), Mask("height", 0.42, 0.41)),
                1,
            ),
        ),
        gloss=0.15,
    ),
    Part(Loft(rod(0.155, 0.82, 1.06, round_off=0.02), sharp=True, lobes=((22, 0.035, 0),), grid=(24, 110)), _BOTTLE_CAP, gloss=0.4),
)

_SHELL_COLOR = Shared("shell", OneOf((Between((230, 202, 164), (214, 170, 130)), (236, 216, 196), (222, 160, 120))))

_LIP = Shared("lip", Between((244, 170, 146), (236, 134, 124)))
_SHELL_MARKS = (
    Layer((160, 98, 60), (Mask("noise", 0.5, 0.75, frequency=2.6),), 0.7),
    Layer((248, 232, 208), (Mask("rings", 0.6, 0.9, frequency=18, wobble=0.1, wobble_frequency=2),), 0.4),
)

CONCH = (
    Part(
        Loft(
            ((0, 0.14), (0.3, 0.1), (0.62, 0.0), (0.79, -0.14), (0.74, -0.32), (0.5, -0.66), (0.28, -0.95), (0.14, -1.2), (0, -1.26)),
            lumps=0.03,
            lump_frequency=3,
            grid=(60, 60),
        ),
        _SHELL_COLOR,
        _SHELL_MARKS,
        gloss=0.4,
        bump=0.15,
        bump_frequency=7,
    ),
    Part(
        Loft(
            ((0, 0), (0.36, 0.84), (0.39, 0.93), (0.3, 0.98), (0, 1)),
            sharp=True,
            path=Between(spiral(5, 1.75, 0.3, drop=1.0), spiral(5, 1.75, 0.3, drop=1.25)),
            lumps=0.04,
            lump_frequency=4,
            grid=(200, 34),
        ),
        _SHELL_COLOR,
        (*_SHELL_MARKS[:1], Layer((248, 232, 208), (Mask("stripes", 0.6, 0.9, frequency=9),), 0.5)),
        gloss=0.4,
        bump=0.15,
        bump_frequency=7,
    ),
    Part(
        Loft(((0, 0.26), (0.05, 0.16), (0.13, -0.04), (0, -0.08)), grid=(16, 18)),
        _SHELL_COLOR,
        gloss=0.4,
        turn=(0, Between(66, 80), 0),
        at=(0.75, 0, -0.12),
        copies=9,
    ),
    Part(
        Loft(ball(0.15, 0.56), aspect=(Between(1.5, 1.9),), grid=(30, 40)),
        _LIP,
        gloss=0.8,
        turn=(0, 33, 0),
        at=(0.46, 0, -0.56),
    ),
    Part(Loft(ball(0.15, 0.44), aspect=(0.75,), grid=(30, 40)), (122, 50, 46), gloss=0.3, turn=(0, 33, 0), at=(0.485, -0.05, -0.58)),
    Part(
        Loft(
            ((0, 0), (0.1, 0.06), (0.13, 0.3), (0.11, 0.6), (0.05, 0.9), (0, 1)),
            path=((0.62, 0.2, 0.0), (0.74, 0.3, -0.3), (0.52, 0.26, -0.72), (0.2, 0.1, -1.2)),
            lumps=0.1,
            lump_frequency=4,
            grid=(40, 24),
        ),
        _LIP,
        (Layer((240, 216, 186), (Mask("noise", 0.4, 0.7, frequency=3),), 0.6),),
        gloss=0.7,
    ),
)

_METAL = (Layer((120, 124, 130), (Mask("noise", 0.4, 0.8, frequency=3),), 0.4),)

_RED = Shared("red", Between((214, 26, 30), (184, 18, 26)))

FIRE_EXTINGUISHER = (
    Part(
        Loft(
            ((0, 0.56), (0.1, 0.555), (0.2, 0.52), (0.28, 0.45), (0.31, 0.36), (0.31, -0.94), (0.29, -1.0), (0.2, -1.02), (0, -1.0)),
            sharp=True,
            grid=(80, 44),
        ),
        _RED,
        (
            Layer(
                (236, 234, 224),
                (Mask("height", 0.2, 0.21), Mask("height", 0.52, 0.51), Mask("around", 0.06, 0.07), Mask("around", 0.44, 0.43)),
                1,
            ),
            Layer(
                (50, 50, 60),
                (
                    Mask("rings", 0.5, 0.6, frequency=26),
                    Mask("height", 0.23, 0.24),
                    Mask("height", 0.4, 0.39),
                    Mask("around", 0.1, 0.11),
                    Mask("around", 0.4, 0.39),
                ),
                0.8,
            ),
            Layer(
                (60, 90, 170),
                (Mask("height", 0.43, 0.44), Mask("height", 0.49, 0.48), Mask("around", 0.1, 0.11), Mask("around", 0.4, 0.39)),
                1,
            ),
            Layer((60, 16, 18), (Mask("height", 0.045, 0.03),), 0.8),
        ),
        gloss=0.9,
    ),
    Part(Loft(rod(0.09, 0.5, 0.76, round_off=0.01), sharp=True, grid=(20, 24)), (176, 160, 110), _METAL, gloss=0.7),
    Part(
        Loft(
            tuple((0.055 * r, t) for r, t in ((0, 0), (1, 0.01), (1, 0.99), (0, 1))),
            sharp=True,
            path=((-0.14, 0, 0.74), (0.12, 0, 0.78), (0.34, 0, 0.82), (0.5, 0, Between(0.78, 0.88))),
            square=(5,),
            grid=(40, 24),
        ),
        (34, 34, 38),
        gloss=0.5,
    ),
    Part(
        Loft(
            tuple((0.055 * r, t) for r, t in ((0, 0), (1, 0.01), (1, 0.99), (0, 1))),
            sharp=True,
            path=((-0.14, 0, 0.8), (0.06, 0, 0.92), (0.3, 0, 1.0), (0.52, 0, Between(1.02, 1.14))),
            square=(5,),
            grid=(40, 24),
        ),
        OneOf(((34, 34, 38), (200, 30, 34))),
        gloss=0.5,
    ),
    Part(
        Loft(
            tuple((0.04 * r, t) for r, t in ((0, 0), (1, 0.01), (1, 0.8), (1.1, 0.81), (1.7, 0.99), (0, 1))),
            sharp=True,
            path=(
                (-0.05, 0, 0.7),
                (-0.24, 0, 0.74),
                (-0.4, 0, 0.5),
                (-0.4, 0, 0.0),
                (-0.38, 0, -0.3),
                (Between(-0.4, -0.34), 0, Between(-0.62, -0.45)),
            ),
            grid=(80, 20),
        ),
        (36, 36, 40),
        gloss=0.4,
    ),
    Part(
        Loft(rod(0.09, -0.02, 0.03, round_off=0.01), sharp=True, grid=(14, 26)),
        (226, 226, 220),
        (Layer((50, 140, 70), (Mask("along", 0.2, 0.15),), 1),),
        gloss=0.6,
        turn=(90, 0, 0),
        at=(0, -0.1, 0.66),
    ),
)

_STEEL = Between((150, 154, 162), (110, 114, 122))

_STEEL = Shared("steel", _STEEL)

HAMMER = (
    Part(
        Loft(
            ((0, 0.74), (0.07, 0.74), (0.075, 0.5), (0.07, 0.2), (0.08, -0.3), (0.1, -0.7), (0.11, -1.05), (0.085, -1.14), (0, -1.16)),
            aspect=(1.4,),
            grid=(70, 32),
        ),
        Between((206, 156, 92), (170, 110, 60)),
        (
            Layer((132, 84, 44), (Mask("noise", 0.45, 0.8, frequency=(9, 9, 0.9)),), 0.7),
            Layer(OneOf(((40, 40, 44), (190, 40, 36), (206, 160, 96), (40, 80, 150))), (Mask("height", 0.2, 0.19),), 0.9),
        ),
        gloss=0.3,
        bump=0.08,
        bump_frequency=6,
    ),
    Part(
        Loft(((0, 0.24), (0.14, 0.23), (0.15, 0.05), (0.14, -0.2), (0, -0.22)), square=(5,), aspect=(1.1,), sharp=True, grid=(36, 36)),
        _STEEL,
        _METAL,
        gloss=0.9,
        turn=(90, 0, 0),
        at=(0, 0, 0.6),
    ),
    Part(
        Loft(((0, 0.62), (0.15, 0.62), (0.17, 0.6), (0.17, 0.46), (0.12, 0.38), (0.11, 0.2), (0, 0.2)), sharp=True, grid=(50, 36)),
        _STEEL,
        (*_METAL, Layer((206, 208, 214), (Mask("along", 0.22, 0.2),), 0.7)),
        gloss=0.9,
        turn=(90, 0, 0),
        at=(0, 0, 0.6),
    ),
    *(
        Part(
            Loft(
                ((0, 0), (0.075, 0.02), (0.07, 0.4), (0.05, 0.85), (0.03, 0.98), (0, 1)),
                path=(
                    (0.05 * side, 0.12, 0.6),
                    (0.07 * side, 0.34, 0.58),
                    (0.1 * side, 0.54, 0.48),
                    (0.12 * side, Between(0.66, 0.72), Between(0.26, 0.34)),
                ),
                aspect=(1.6, 1.2, 0.7),
                grid=(40, 24),
            ),
            _STEEL,
            _METAL,
            gloss=0.9,
        )
        for side in (-1, 1)
    ),
)

_FELT = OneOf(
    (
        Between((92, 66, 44), (120, 88, 58)),
        Between((52, 54, 62), (76, 80, 88)),
        Between((176, 136, 84), (210, 176, 116)),
        Between((120, 36, 40), (86, 26, 34)),
    )
)

HAT = (
    Part(
        Loft(
            Between(
                (
                    (0, 0.5),
                    (0.2, 0.54),
                    (0.38, 0.56),
                    (0.46, 0.44),
                    (0.53, 0.0),
                    (0.56, -0.12),
                    (0.75, -0.18),
                    (1.02, -0.1),
                    (1.03, -0.13),
                    (0.75, -0.22),
                    (0.54, -0.18),
                    (0.49, 0.0),
                    (0.42, 0.4),
                    (0.2, 0.48),
                    (0, 0.46),
                ),
                (
                    (0, 0.72),
                    (0.2, 0.72),
                    (0.4, 0.68),
                    (0.48, 0.54),
                    (0.52, 0.0),
                    (0.55, -0.12),
                    (0.7, -0.16),
                    (0.86, -0.12),
                    (0.87, -0.15),
                    (0.7, -0.2),
                    (0.53, -0.18),
                    (0.48, 0.0),
                    (0.44, 0.48),
                    (0.2, 0.66),
                    (0, 0.66),
                ),
            ),
            aspect=(Between(0.8, 0.95),),
            lumps=0.04,
            lump_frequency=0.8,
            grid=(110, 64),
        ),
        _FELT,
        (
            Layer(OneOf(((240, 226, 190), (150, 110, 70), (60, 50, 46))), (Mask("rings", 0.3, 0.8, frequency=70),), OneOf((0, 0, 0.3))),
            Layer(OneOf(((30, 28, 30), (150, 30, 34), (240, 232, 210))), (Mask("along", 0.262, 0.266), Mask("along", 0.342, 0.338)), 1),
        ),
        gloss=0.05,
        bump=0.25,
        bump_frequency=10,
    ),
)

_PASTE_COLOR = Shared("brand", OneOf(((30, 90, 180), (200, 30, 44), (30, 150, 110), (230, 120, 30), (110, 60, 160))))

TOOTHPASTE = (
    Part(
        Loft(
            ((0, -0.72), (0.16, -0.72), (0.28, -0.64), (0.31, -0.58), (0.33, 0.0), (0.38, 0.6), (0.41, 0.86), (0.415, 1.0), (0, 1.0)),
            sharp=True,
            aspect=(1, 1, 1, 0.96, 0.84, 0.66, 0.48, 0.3, 0.12, 0.045, 0.04, 0.04),
            lumps=0.03,
            lump_frequency=1.6,
            grid=(100, 56),
        ),
        Between((246, 246, 244), (232, 236, 240)),
        (
            Layer(_PASTE_COLOR, (Mask("height", 0.4, 0.41), Mask("height", 0.8, 0.79)), 1),
            Layer((250, 250, 250), (Mask("height", 0.5, 0.51), Mask("height", 0.7, 0.69), Mask("stripes", 0.4, 0.45, frequency=2)), 1),
            Layer(_PASTE_COLOR, (Mask("height", 0.57, 0.58), Mask("height", 0.64, 0.63), Mask("stripes", 0.6, 0.65, frequency=2)), 1),
            Layer(
                OneOf(((240, 200, 60), (90, 190, 220), (240, 90, 90))),
                (Mask("height", 0.84, 0.85, wobble=0.03), Mask("height", 0.9, 0.89, wobble=0.03)),
                1,
            ),
            Layer((180, 184, 190), (Mask("rings", 0.4, 0.6, frequency=90), Mask("height", 0.95, 0.955)), 0.6),
        ),
        gloss=0.6,
        bump=0.03,
        bump_frequency=3,
    ),
    Part(
        Loft(
            ((0, -0.68), (0.15, -0.68), (0.165, -0.7), (0.14, -1.0), (0.12, -1.02), (0, -1.02)),
            sharp=True,
            lobes=((20, 0.035, 0),),
            grid=(30, 100),
        ),
        OneOf((_PASTE_COLOR, (240, 240, 240))),
        gloss=0.5,
    ),
)
