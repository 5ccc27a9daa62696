"""Scenes: what an image shows, drawn from a preset's ranges, without any pixel."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from amodalsynth.presets import DatasetPreset
from amodalsynth.types import Placement, Scene


class Assets(Protocol):
    """What `sample_scene` must know of a pool: names and sizes."""

    cutouts: tuple[tuple[str, ...], ...]
    """Asset ids of the cutouts of each category, in the order of the preset's categories."""
    backgrounds: tuple[str, ...]
    """Asset ids of the textures."""

    def cutout_size_hw(self, asset_id: str) -> tuple[int, int]:
        """(height, width) of a cutout in its own pixels."""


_DRAWS_PER_SCENE, _DRAWS_PER_INSTANCE = 3, 7


def sample_scene(preset: DatasetPreset, assets: Assets, rng: np.random.Generator) -> Scene:
    """Draw a scene (paper, section 3.1): how many instances, which category, a texture, and where each cutout goes, farthest first.

    Takes a fixed number of uniform numbers from `rng`, whatever they decide. Places are rounded to a thousandth of a pixel or degree and scales to
    a millionth, so that recipes stay short.
    """
    draws = rng.random(_DRAWS_PER_SCENE + _DRAWS_PER_INSTANCE * preset.instances[1]).tolist()
    count = _draw_count(preset, draws[0])
    background = _pick(assets.backgrounds, draws[1])
    scene_category = int(draws[2] * len(assets.cutouts))
    height, width = preset.size_hw
    placements = []
    for i in range(count):
        u = draws[_DRAWS_PER_SCENE + _DRAWS_PER_INSTANCE * i :]
        category = scene_category if preset.one_category else int(u[0] * len(assets.cutouts))
        asset_id = _pick(assets.cutouts[category], u[1])
        cutout_hw = assets.cutout_size_hw(asset_id)
        scale = round(_between(preset.scale, u[2]) * min(height, width) / max(cutout_hw), 6)
        rotation = round(_between(preset.rotation_deg, u[3]), 3)
        center = _between(preset.center, u[4]) * width, _between(preset.center, u[5]) * height
        if preset.inside_frame:
            reach = rotated_extent(cutout_hw, scale, rotation)
            center = _keep_inside(center[0], reach[0], width), _keep_inside(center[1], reach[1], height)
        center = round(center[0], 3), round(center[1], 3)
        placements.append(Placement(asset_id, category + 1, center, scale, rotation, u[6] < preset.flip))
    return Scene(background, (height, width), tuple(placements))


def rotated_extent(size_hw: tuple[int, int], scale: float, rotation_deg: float) -> tuple[float, float]:
    """Half the width and half the height, in frame pixels, of the box around a scaled and rotated (height, width) rectangle."""
    turn = math.radians(rotation_deg)
    cos, sin = abs(math.cos(turn)), abs(math.sin(turn))
    height, width = size_hw
    return scale * (width * cos + height * sin) / 2, scale * (width * sin + height * cos) / 2


def _draw_count(preset: DatasetPreset, u: float) -> int:
    low, high = preset.instances
    weights = preset.instance_weights or (1.0,) * (high - low + 1)
    left = u * sum(weights)
    for count, weight in enumerate(weights, start=low):
        if left < weight:
            return count
        left -= weight
    return high  # only where rounding leaves a rest


def _pick(items: tuple[str, ...], u: float) -> str:
    return items[int(u * len(items))]


def _between(limits: tuple[float, float], u: float) -> float:
    return limits[0] + (limits[1] - limits[0]) * u


def _keep_inside(center: float, reach: float, side: int) -> float:
    """The place nearest to `center` where an extent of `reach` to both sides stays within 0..side; the middle if it cannot."""
    return side / 2 if 2 * reach >= side else min(max(center, reach), side - reach)
