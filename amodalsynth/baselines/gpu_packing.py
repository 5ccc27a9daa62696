"""Scenes as tensors of fixed shape: where the pixels of each instance come from, and the warp that takes them to the frame.

B images, I slots for instances, farthest first and then the empty ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from amodalsynth.baselines.batch import EMPTY
from amodalsynth.baselines.gpu_assets import AssetTable
from amodalsynth.compositing import PYRAMID_LEVELS
from amodalsynth.errors import ConfigurationError
from amodalsynth.types import Scene

MAX_SLOTS = 63  # bits of an int64 that do not turn it negative
_EMPTY_SIDE = 2  # a level as small as bilinear lookup can read; the first pixels of the assets, which are border and clear


@dataclass(frozen=True, slots=True)
class PackedScenes:
    """B scenes with I slots each.

    background (B,) int64: row of the texture. category (B, I) int64, from 0, EMPTY in an empty slot. start (B, I) int64 and level_hw (B, I, 2)
    int64: the level that the instance is read from. origin_xy (B, I, 2) float32: whole pixels near the instance's centre. inverse
    (B, I, 2, 3) float32: the affine map from pixel indices of the frame, less `origin_xy`, to pixel indices (x, y) of the level.
    """

    background: Tensor
    category: Tensor
    start: Tensor
    level_hw: Tensor
    origin_xy: Tensor
    inverse: Tensor

    def to(self, device: torch.device | str) -> PackedScenes:
        """The same scenes on another device."""
        return PackedScenes(*(getattr(self, spec.name).to(device, non_blocking=True) for spec in fields(self)))

    def pin_memory(self) -> PackedScenes:
        """The same scenes in pinned memory; called by torch's data loader."""
        return PackedScenes(*(getattr(self, spec.name).pin_memory() for spec in fields(self)))

    def __len__(self) -> int:
        return len(self.background)


def pack_scenes(scenes: Sequence[Scene], table: AssetTable, *, num_slots: int) -> PackedScenes:
    """Scenes to tensors on the host, with `num_slots` slots an image.

    `ConfigurationError` where a scene has more instances than slots, or another size than the assets' frame.
    """
    if num_slots > MAX_SLOTS:
        raise ConfigurationError(f"scenes for the device: expected at most {MAX_SLOTS} slots an image, got {num_slots}; lower instances")
    for scene in scenes:
        _check(scene, table, num_slots)
    rows = [
        (
            image,
            slot,
            table.cutout_row[placement.asset_id],
            placement.category_id - 1,
            *placement.center_xy,
            placement.scale,
            placement.rotation_deg,
            placement.flip,
        )
        for image, scene in enumerate(scenes)
        for slot, placement in enumerate(scene.placements)
    ]
    columns = np.array(rows, np.float64).reshape(-1, 9).T  # whole numbers below 2 ** 53 stay exact
    image, slot, cutout, category = columns[:4].astype(np.int64)
    center_xy, (scale, rotation_deg, flip) = columns[4:6], columns[6:]
    # floor(-log2(scale)) as compositing has it: the level whose pixels are the smallest that are no smaller than the frame's
    level = (scale[:, None] <= 0.5 ** np.arange(1, PYRAMID_LEVELS)).sum(axis=1)
    origin_xy = np.floor(center_xy)
    shape = len(scenes), num_slots
    packed = {
        "category": np.full(shape, EMPTY, np.int64),
        "start": np.zeros(shape, np.int64),
        "level_hw": np.full((*shape, 2), _EMPTY_SIDE, np.int64),
        "origin_xy": np.zeros((*shape, 2), np.float32),
        "inverse": np.zeros((*shape, 2, 3), np.float32),
    }
    packed["category"][image, slot] = category
    packed["start"][image, slot] = table.start[cutout, level]
    packed["level_hw"][image, slot] = table.level_hw[cutout, level]
    packed["origin_xy"][image, slot] = origin_xy.T
    packed["inverse"][image, slot] = _inverse(
        origin_xy - center_xy, scale, rotation_deg, flip, table.cutout_hw[cutout].T, table.level_hw[cutout, level].T, level
    )
    background = torch.tensor([table.texture_row[scene.background_id] for scene in scenes])
    return PackedScenes(background, **{name: torch.from_numpy(array) for name, array in packed.items()})


def _check(scene: Scene, table: AssetTable, num_slots: int) -> None:
    if scene.size_hw != table.size_hw:
        height, width = table.size_hw
        raise ConfigurationError(
            f"scenes for the device: expected frames of {width} x {height} pixels, as the assets have, got {scene.size_hw[1]} x "
            f"{scene.size_hw[0]}; load the pool with the preset that the scenes are drawn from"
        )
    if len(scene.placements) > num_slots:
        raise ConfigurationError(
            f"scenes for the device: expected at most {num_slots} instances an image, got {len(scene.placements)}; raise the number of slots"
        )


def _inverse(
    from_center_xy: np.ndarray,
    scale: np.ndarray,
    rotation_deg: np.ndarray,
    flip: np.ndarray,
    cutout_hw: np.ndarray,
    level_hw: np.ndarray,
    level: np.ndarray,
) -> np.ndarray:
    """(M, 2, 3) float64 affine maps of M placements; `from_center_xy` (2, M) is where pixel index 0 lies, as an offset from the centre.

    Undoes flip, counter-clockwise turn (y points down) and scale, as `compositing.draw_appearance` does, and halves `level` times.
    """
    shrink, mirror = 1 / (scale * 2.0**level), np.where(flip > 0, -1.0, 1.0)
    cos, sin = shrink * np.cos(np.radians(rotation_deg)), shrink * np.sin(np.radians(rotation_deg))
    dx, dy = from_center_xy + 0.5  # centre of the pixel
    border_y, border_x = (level_hw - np.ceil(cutout_hw / 2.0**level)) / 2
    middle_y, middle_x = cutout_hw / 2.0 ** (level + 1) - 0.5
    rows = (
        (mirror * cos, -mirror * sin, mirror * (cos * dx - sin * dy) + middle_x + border_x),
        (sin, cos, sin * dx + cos * dy + middle_y + border_y),
    )
    return np.array(rows).transpose(2, 0, 1)
