"""Intra-AFruit (paper, section 3): 2 to 5 fruits or vegetables of one category in an image."""

from amodalsynth.presets.preset import DatasetPreset

# Rotation and size are "random" in the paper and its places are not stated; these ranges reach Table 1: 3.215 instances
# an image after redraws, 63.6 % of them occluded, 30.6 % mean occlusion rate over all instances.
PRESET = DatasetPreset(
    name="intra-afruit",
    foregrounds="fruits360",
    backgrounds="dtd",
    categories=("Golden", "Pear", "Pink Lady", "Red Delicious", "Zucchini", "Carrot", "Cabbage", "Eggplant", "Cucumber1", "Cucumber3"),
    num_train=210_000,
    num_val=45_000,
    num_test=45_000,
)
