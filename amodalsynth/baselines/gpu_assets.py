"""The assets of a pool on a device: every cutout at every level and every texture, in two tensors.

T textures, C cutouts, L levels of a cutout, N pixels of all levels of all cutouts, H and W the frame's sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from amodalsynth.compositing import Pixels, level_shapes
from amodalsynth.errors import ConfigurationError
from amodalsynth.scenes import Assets
from amodalsynth.types import read_only

MAX_BYTES = 4 * 2**30


class Pool(Assets, Pixels, Protocol):
    """What the device's assets are made from: an `AssetPool`, or anything like it."""

    split: str


@dataclass(frozen=True, slots=True)
class AssetTable:
    """Where each asset lies in `DeviceAssets`; it holds no pixels, so worker processes get it cheaply.

    cutout_row and texture_row: asset id -> row. Of the cutouts: cutout_hw (C, 2) int64, the sides in their own pixels; level_hw (C, L, 2)
    int64, those of each level with its border; start (C, L) int64, the level's first pixel. size_hw: (H, W) of the textures.
    """

    size_hw: tuple[int, int]
    cutout_row: dict[str, int]
    texture_row: dict[str, int]
    cutout_hw: np.ndarray
    level_hw: np.ndarray
    start: np.ndarray

    @classmethod
    def of(cls, pool: Pool) -> AssetTable:
        """The table of a pool; the same pool gives the same table in every process."""
        cutouts = _unique([asset_id for category in pool.cutouts for asset_id in category])
        cutout_hw = np.array([pool.cutout_size_hw(asset_id) for asset_id in cutouts], np.int64)
        level_hw = np.array([[shape[:2] for shape in level_shapes(size_hw)] for size_hw in cutout_hw.tolist()], np.int64)
        areas = level_hw.prod(axis=2)
        start = (areas.cumsum() - areas.ravel()).reshape(areas.shape)
        size_hw = pool.background(pool.backgrounds[0]).shape[:2]
        return cls(size_hw, cutouts, _unique(pool.backgrounds), read_only(cutout_hw), read_only(level_hw), read_only(start))

    @property
    def num_pixels(self) -> int:
        """N: pixels of all levels of all cutouts."""
        return int(self.level_hw.prod(axis=2).sum())

    @property
    def num_bytes(self) -> int:
        """Bytes that the pixels of all assets take."""
        return 4 * self.num_pixels + 3 * len(self.texture_row) * self.size_hw[0] * self.size_hw[1]


@dataclass(frozen=True, slots=True)
class DeviceAssets:
    """A pool's pixels. pixels (N,) int32: level after level, row by row, the four bytes of each being premultiplied RGBA, so that a lookup reads
    one number; textures (T, H, W, 3) uint8 RGB."""

    table: AssetTable
    pixels: Tensor
    textures: Tensor

    @classmethod
    def from_pool(cls, pool: Pool, *, max_bytes: int = MAX_BYTES) -> DeviceAssets:
        """Read every asset of a pool into the host's memory; `ConfigurationError` where they take more than `max_bytes`."""
        table = AssetTable.of(pool)
        if table.num_bytes > max_bytes:
            width, height = table.size_hw[::-1]
            raise ConfigurationError(
                f"assets for the device: expected at most {max_bytes / 2**20:.0f} MiB, got {table.num_bytes / 2**20:.0f} MiB of "
                f"{len(table.cutout_row)} cutouts and {len(table.texture_row)} textures of {width} x {height} pixels; give folders with fewer "
                "photos, lower image_size or max_cutout_side, or raise max_bytes where the device has the memory"
            )
        pixels = np.empty((table.num_pixels, 4), np.uint8)
        for asset_id, row in table.cutout_row.items():
            for start, level in zip(table.start[row].tolist(), pool.cutout(asset_id).levels, strict=True):
                pixels[start : start + level.shape[0] * level.shape[1]] = level.reshape(-1, 4)
        textures = np.stack([pool.background(asset_id) for asset_id in table.texture_row])
        return cls(table, torch.from_numpy(pixels.view(np.int32)[:, 0]), torch.from_numpy(textures))

    def to(self, device: torch.device | str) -> DeviceAssets:
        """The same assets on another device."""
        return DeviceAssets(self.table, self.pixels.to(device), self.textures.to(device))


def _unique(asset_ids: Sequence[str]) -> dict[str, int]:
    """Asset id -> row, in order; an asset of two categories has one row."""
    return {asset_id: row for row, asset_id in enumerate(dict.fromkeys(asset_ids))}
