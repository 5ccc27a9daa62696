"""What the paper says of its data sets: its Tables 1 and 2, and section 3.2."""

from __future__ import annotations

# Images, instances, occluded instances and mean occlusion rate in % (None where the paper says nothing).
PAPER_TABLE_1 = {
    "Intra-AFruit, train + test": (255_000, 819_856, 521_772, 30.6),
    "COCOA": (5_073, 46_314, 28_106, 18.8),
    "D2SA": (5_600, 28_720, 16_337, 15.0),
    "KINS": (14_991, 190_626, 99_964, 19.8),
}
PAPER_SPLITS = {  # section 3.2
    "intra-afruit": {
        "Intra-AFruit, train": (210_000, 675_115, None, None),
        "Intra-AFruit, val": (45_000, 144_542, None, None),
        "Intra-AFruit, test": (45_000, 144_741, None, None),
    },
    "inter-amix": {"Inter-AMix, test": (8_067, 26_508, None, None)},
    "acom": {"ACom, train": (10_000, 36_276, None, None), "ACom, test": (2_500, 9_209, None, None)},
}
PAPER_TABLE_2 = {  # instances in train and in test, ratio in %
    "Golden": (69_195, 14_847, 10.25),
    "Pear": (71_522, 15_179, 10.58),
    "Pink Lady": (71_479, 15_220, 10.57),
    "Red Delicious": (71_701, 15_375, 10.62),
    "Zucchini": (64_498, 13_904, 9.56),
    "Carrot": (65_065, 14_022, 9.65),
    "Cabbage": (69_967, 15_001, 10.36),
    "Eggplant": (57_439, 12_284, 8.50),
    "Cucumber1": (69_531, 14_832, 10.29),
    "Cucumber3": (64_718, 14_077, 9.61),
}
