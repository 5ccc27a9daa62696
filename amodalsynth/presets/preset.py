"""`DatasetPreset`: every choice that decides what an image looks like."""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass
from typing import Any

from amodalsynth import settings
from amodalsynth.errors import ConfigurationError
from amodalsynth.masks import MAX_INSTANCES
from amodalsynth.rng import SPLITS
from amodalsynth.settings import described


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetPreset:
    """What the images of a data set look like; scalars and tuples only, so it prints, compares and dumps to JSON.

    Ranges are (smallest, largest). `describe` lists what each field means. `ConfigurationError` names a field that cannot be.
    """

    name: str = described("name of the data set")
    foregrounds: str = described("asset that the cutouts come from: a manifest's name, 'builtin', or 'folder' for somebody's own")
    backgrounds: str = described("asset that the textures come from")
    categories: tuple[str, ...] = described("category names, in the order of their ids", ())
    num_train: int = described("images in the train split", 0)
    num_val: int = described("images in the val split", 0)
    num_test: int = described("images in the test split", 0)
    image_size: tuple[int, int] = described("(width, height) of the frame in pixels", (256, 256))
    instances: tuple[int, int] = described("range of the number of instances in an image", (2, 5))
    instance_weights: tuple[float, ...] = described("relative weight of each number of instances before redraws; empty is uniform", ())
    one_category: bool = described("all instances of an image belong to one category", True)
    scale: tuple[float, float] = described("range of an instance's longest side, as a fraction of the frame's shorter side", (0.2, 0.8))
    center: tuple[float, float] = described("range of an instance's centre, as a fraction of the frame's width and height", (0.25, 0.75))
    rotation_deg: tuple[float, float] = described("range of the rotation, degrees counter-clockwise", (0.0, 360.0))
    flip: float = described("probability that a cutout is mirrored", 0.0)
    inside_frame: bool = described("move instances so that they do not cross the frame, where they fit in it", False)
    min_visible_pixels: int = described("a scene in which an instance shows fewer pixels is drawn again as a whole", 1)
    max_attempts: int = described("how often a scene is drawn before the preset is called impossible", 1000)
    background_fit: str = described("'resize' a texture to the frame, as in the paper, or 'crop' it to the frame's aspect first", "resize")
    separate_backgrounds: bool = described("each split has textures of its own (the paper shares them)", False)
    split_fractions: tuple[float, float, float] = described(
        "train, val and test shares of a source without splits of its own", (0.7, 0.15, 0.15)
    )
    split_seed: int = described("seed of those splits, apart from the data set's own seed", 0)
    max_cutout_side: int = described("longest side to which cutouts are reduced when they are prepared, in pixels", 512)
    white_threshold: int = described("a photo's background is at least this bright in all three channels", 245)
    jpeg_quality: int = described("quality of jpg images", 95)
    jpeg_chroma: str = described(
        "colour resolution of jpg images: '444' is full, '420' is half, as cameras write it, and a fifth smaller", "444"
    )

    def __post_init__(self) -> None:
        self._check_types()
        for name in ("instances", "scale", "center", "rotation_deg"):
            low, high = getattr(self, name)
            self._require(low <= high, name, "a range (smallest, largest)")
        fraction = "fractions between 0 and 1"
        self._require(all(16 <= side <= 16384 for side in self.image_size), "image_size", "sides of 16 to 16384 pixels")
        self._require(1 <= self.instances[0] <= self.instances[1] <= MAX_INSTANCES, "instances", f"a range within 1 to {MAX_INSTANCES}")
        counts = self.instances[1] - self.instances[0] + 1
        weights = self.instance_weights
        self._require(
            not weights or (len(weights) == counts and min(weights) >= 0 < sum(weights)),
            "instance_weights",
            f"none or {counts} weights, some above 0",
        )
        self._require(self.scale[0] >= 0.001 and self.scale[1] <= 8, "scale", "a range within 0.001 to 8")
        self._require(all(-1 <= value <= 2 for value in self.center), "center", "fractions between -1 and 2")
        self._require(0 <= self.flip <= 1, "flip", "a probability")
        self._require(min(self.num_train, self.num_val, self.num_test) >= 0, "num_train, num_val, num_test", "counts of 0 or more")
        self._require(self.min_visible_pixels >= 1, "min_visible_pixels", "1 or more")
        self._require(self.max_attempts >= 1, "max_attempts", "1 or more")
        self._require(self.background_fit in ("resize", "crop"), "background_fit", "'resize' or 'crop'")
        self._require(all(0 <= f <= 1 for f in self.split_fractions) and sum(self.split_fractions) > 0, "split_fractions", fraction)
        self._require(16 <= self.max_cutout_side <= 8192, "max_cutout_side", "16 to 8192 pixels")
        self._require(128 <= self.white_threshold <= 255, "white_threshold", "128 to 255")
        self._require(1 <= self.jpeg_quality <= 100, "jpeg_quality", "1 to 100")
        self._require(self.jpeg_chroma in ("444", "420"), "jpeg_chroma", "'444' or '420'")
        self._require(len(set(self.categories)) == len(self.categories), "categories", "names that differ")

    def _check_types(self) -> None:
        folder = isinstance(self.name, str) and re.fullmatch(r"[^./\\\x00][^/\\\x00]*", self.name)
        self._require(bool(folder), "name", "a name that can be a folder's")
        for spec in dataclasses.fields(self):
            value = getattr(self, spec.name)
            values = value if isinstance(value, tuple) else (value,)
            finite = all(math.isfinite(v) for v in values if isinstance(v, float))
            bounded = all(abs(v) < 2**63 for v in values if isinstance(v, int))
            scalars = all(isinstance(v, str | bool | int | float) for v in values)
            self._require(scalars and finite and bounded, spec.name, "finite scalars, or tuples of them")
            if isinstance(spec.default, tuple) and len(spec.default) > 1:
                fits = isinstance(value, tuple) and len(value) == len(spec.default)
                self._require(fits, spec.name, f"a tuple of {len(spec.default)} values")

    def _require(self, condition: bool, name: str, expected: str) -> None:
        if not condition:
            got = ", ".join(str(getattr(self, part)) for part in name.split(", "))
            raise ConfigurationError(f"preset '{self.name}', field {name}: expected {expected}, got {got}")

    def num_images(self, split: str) -> int:
        """Images in `split` ("train", "val" or "test")."""
        return getattr(self, f"num_{split}")

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits with images."""
        return tuple(split for split in SPLITS if self.num_images(split))

    @property
    def size_hw(self) -> tuple[int, int]:
        """(height, width) of the frame."""
        return self.image_size[1], self.image_size[0]

    @classmethod
    def describe(cls) -> dict[str, str]:
        """Field name -> what it means."""
        return settings.describe(cls)

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values, tuples as lists."""
        return settings.to_json(self)
