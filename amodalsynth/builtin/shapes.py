"""The twenty shapes of the built-in pack: the ten categories of Intra-AFruit, then the ten of ACom.

A category's place in this table is its number, from which all draws of its objects follow: new categories go to the end.
"""

from __future__ import annotations

from amodalsynth.builtin.recipe import Part
from amodalsynth.builtin.shapes_food import ANISE, BISCUIT, CANDY, DONUT
from amodalsynth.builtin.shapes_fruit import GOLDEN, PEAR, PINK_LADY, RED_DELICIOUS
from amodalsynth.builtin.shapes_things import BOTTLE, CONCH, FIRE_EXTINGUISHER, HAMMER, HAT, TOOTHPASTE
from amodalsynth.builtin.shapes_vegetables import CABBAGE, CARROT, CUCUMBER1, CUCUMBER3, EGGPLANT, ZUCCHINI

SHAPES: dict[str, tuple[Part, ...]] = {
    "golden": GOLDEN,
    "pear": PEAR,
    "pink_lady": PINK_LADY,
    "red_delicious": RED_DELICIOUS,
    "zucchini": ZUCCHINI,
    "carrot": CARROT,
    "cabbage": CABBAGE,
    "eggplant": EGGPLANT,
    "cucumber1": CUCUMBER1,
    "cucumber3": CUCUMBER3,
    "anise": ANISE,
    "biscuit": BISCUIT,
    "bottle": BOTTLE,
    "candy": CANDY,
    "conch": CONCH,
    "donut": DONUT,
    "fire_extinguisher": FIRE_EXTINGUISHER,
    "hammer": HAMMER,
    "hat": HAT,
    "toothpaste": TOOTHPASTE,
}
