"""Live synthesis: scenes made as they are asked for, endless and repeatable, with nothing on disk.

H, W are the frame's sides, N the number of instances of a scene, P the points an instance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from amodalsynth.annotation import Sample
from amodalsynth.baselines.example import Example
from amodalsynth.errors import ConfigurationError
from amodalsynth.generate import generate_sample
from amodalsynth.points import draw_points
from amodalsynth.pool import AssetPool, load_pool
from amodalsynth.pool_sources import with_folders
from amodalsynth.presets import DatasetPreset
from amodalsynth.rng import points_rng

ENDLESS = 2**31
_SYNTHETIC = ("synth", "synth-gpu")


class SyntheticScenes(Dataset):
    """Scenes of a preset as a map-style data set for any trainer: `scenes[k]` is an image and a target in torchvision's detection style.

    Scene k is image k + 1 of the data set that `generate_dataset` writes with the same preset, pool, split and seed, and its points are those of
    `amodalsynth points` with the same seed, whatever the process that makes it. `num_images` is the declared length. The data set can be
    sent to worker processes. `ConfigurationError` where the preset's scenes are impossible, or the pool is of another split.
    """

    def __init__(
        self, preset: DatasetPreset, pool: AssetPool, split: str, seed: int, *, num_points: int = 10, num_images: int = ENDLESS
    ) -> None:
        self.preset, self.pool, self.split, self.seed = preset, pool, split, seed
        self.num_points, self.num_images = num_points, num_images

    def __len__(self) -> int:
        return self.num_images

    def __getitem__(self, k: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Scene k: image (3, H, W) uint8 RGB, and a dictionary of

        boxes (N, 4) float32: amodal, x0 y0 x1 y1 in pixels, half open; labels (N,) int64: category ids from 1; masks (N, H, W) uint8: amodal;
        visible_masks (N, H, W) uint8; layers (N,) int64 (eq. 2); occlusion_order (N, N) bool (eq. 1), [i, j]: i is occluded by j;
        occlusion_rate (N,) float32 in [0, 1); point_coords (N, P, 2) int64 pixel indices, x first; point_labels (N, P) int64: 1 on the
        amodal mask; image_id () int64 from 1. Instances are in paint order, farthest first.
        """
        sample = self._sample(k)
        annotation, box = sample.annotation, sample.annotation.amodal_box
        point_coords, point_labels = self._points(sample, box)
        target = {
            "boxes": box.astype(np.float32),
            "labels": annotation.category_id.copy(),
            "masks": annotation.amodal_mask.view(np.uint8),
            "visible_masks": annotation.visible_mask.view(np.uint8),
            "layers": annotation.layer_order,
            "occlusion_order": annotation.occlusion_order,
            "occlusion_rate": annotation.occlusion_rate.astype(np.float32),
            "point_coords": point_coords,
            "point_labels": point_labels,
            "image_id": np.array(sample.image_id),
        }
        image = torch.from_numpy(np.ascontiguousarray(sample.rendering.image.transpose(2, 0, 1)))  # (H, W, 3) -> (3, H, W)
        return image, {name: torch.from_numpy(value) for name, value in target.items()}

    def example(self, k: int) -> Example:
        """Scene k without its masks: what our own trainers take."""
        sample = self._sample(k)
        annotation, box = sample.annotation, sample.annotation.amodal_box
        point_coords, point_labels = self._points(sample, box)
        return Example(
            sample.rendering.image,
            box.astype(np.float32),
            annotation.category_id - 1,
            annotation.layer_order,
            point_coords.astype(np.float32) + np.float32(0.5),
            point_labels.astype(np.int8),
            name=f"preset '{self.preset.name}', split '{self.split}', seed {self.seed}: image {sample.image_id}",
        )

    def _sample(self, k: int) -> Sample:
        return generate_sample(self.preset, self.pool, self.split, range(self.num_images)[k], self.seed)

    def _points(self, sample: Sample, box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The points of a sample whose amodal boxes are `box`: pixels (N, P, 2) and labels (N, P), int64."""
        instance_map = sample.annotation.instance_map
        one = instance_map.dtype.type(1)
        bit = np.arange(len(box), dtype=instance_map.dtype)[:, None]

        def amodal_mask_at(x: np.ndarray, y: np.ndarray) -> np.ndarray:
            return instance_map[y, x] >> bit & one  # the masks stay packed

        return draw_points(points_rng(self.seed, sample.image_id), box, amodal_mask_at, num_points=self.num_points)


class LiveExamples:
    """Scenes for our own trainers in a square frame: `examples[k]` is an `Example`, each index a new scene.

    category_names: in the order of the example's categories from 0. has_layers: always. max_instances: the largest number in a scene.
    """

    has_layers = True

    def __init__(self, scenes: SyntheticScenes) -> None:
        width, height = scenes.preset.image_size
        if width != height:
            raise ConfigurationError(f"preset '{scenes.preset.name}': expected a square image_size to train on, got {width} x {height}")
        self.scenes, self.image_size = scenes, width
        self.category_names = tuple(scenes.pool.categories)
        self.max_instances = scenes.preset.instances[1]
        self.num_points = scenes.num_points

    @classmethod
    def open(
        cls,
        preset: DatasetPreset,
        split: str,
        *,
        image_size: int,
        seed: int,
        num_points: int = 10,
        foregrounds: str | Path | None = None,
        backgrounds: str | Path | None = None,
        num_workers: int = 1,
        progress: Callable[[int, int], None] | None = None,
    ) -> LiveExamples:
        """Scenes of a preset with frames of `image_size` by `image_size` pixels, drawn from its own assets, or from the folders given in their place.

        The errors are those of `load_pool`, whose work `num_workers` and `progress` serve.
        """
        preset = replace(with_folders(preset, foregrounds, backgrounds), image_size=(image_size, image_size))
        pool = load_pool(preset, split, foregrounds=foregrounds, backgrounds=backgrounds, num_workers=num_workers, progress=progress)
        return cls(SyntheticScenes(preset, pool, split, seed, num_points=num_points))

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, k: int) -> Example:
        return self.scenes.example(k)


def parse_data(text: str) -> tuple[str, str]:
    """What `--data` means: "synth:NAME" -> ("synth", NAME), "synth-gpu:NAME" -> ("synth-gpu", NAME), a path -> ("stored", path)."""
    kind, colon, name = text.partition(":")
    if not colon or kind not in _SYNTHETIC:
        return "stored", text
    if not name:
        raise ConfigurationError(f"--data {text}: expected the name of a preset after the colon, as in {kind}:intra-afruit")
    return kind, name
