"""Intra-AFruit (paper, section 3): 2 to 5 fruits or vegetables of one category in an image."""

from amodalsynth.presets.preset import DatasetPreset

# Rotation and size are "random" in the paper, and its places are not stated. Measured on real fruit: with a longest side of 0.2 to 0.8 and a
# uniform count (12,000 scenes), 3.28 instances an image after redraws, 64.2 % of them occluded, a mean rate of 32.1 % over all
# instances; with the range and the weights below (300,000 images), 3.22, 63.3 % and 31.1 %. Table 1 has 3.215, 63.6 % and 30.6 %.
PRESET = DatasetPreset(
    name="intra-afruit",
    foregrounds="fruits360",
    backgrounds="dtd",
    categories=("Golden", "Pear", "Pink Lady", "Red Delicious", "Zucchini", "Carrot", "Cabbage", "Eggplant", "Cucumber1", "Cucumber3"),
    num_train=210_000,
    num_val=45_000,
    num_test=45_000,
    instance_weights=(1.0, 0.94, 0.88, 0.83),
    scale=(0.2, 0.78),
)
