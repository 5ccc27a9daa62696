"""Scenes: what is drawn stays within the preset's ranges and follows from the random numbers alone."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amodalsynth.rng import scene_rng
from amodalsynth.scenes import rotated_extent, sample_scene
from tests.strategies import SMALL, DrawnPool

POOL = DrawnPool()
PRESET = replace(SMALL, image_size=(80, 64), scale=(0.2, 0.8), instance_weights=(), categories=POOL.categories)


def scenes(preset, count=300):
    return [sample_scene(preset, POOL, scene_rng(0, "train", index, 0)) for index in range(count)]


@settings(deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["train", "val", "test"]), st.integers(0, 10**6), st.integers(0, 50))
def test_the_same_place_gives_the_same_scene(seed, split, index, attempt):
    first = sample_scene(PRESET, POOL, scene_rng(seed, split, index, attempt))
    assert first == sample_scene(PRESET, POOL, scene_rng(seed, split, index, attempt))
    assert first != sample_scene(PRESET, POOL, scene_rng(seed + 1, split, index, attempt))
    assert first != sample_scene(PRESET, POOL, scene_rng(seed, split, index, attempt + 1))


def test_ranges():
    for scene in scenes(PRESET):
        assert 2 <= len(scene.placements) <= 5
        assert scene.background_id in POOL.backgrounds
        assert len({p.category_id for p in scene.placements}) == 1
        for p in scene.placements:
            assert p.asset_id in POOL.cutouts[p.category_id - 1]
            assert 0.2 * 64 - 0.01 <= p.scale * max(POOL.cutout_size_hw(p.asset_id)) <= 0.8 * 64 + 0.01
            assert 20 <= p.center_xy[0] <= 60 and 16 <= p.center_xy[1] <= 48
            assert 0 <= p.rotation_deg <= 360 and not p.flip


def test_mixed_categories_and_flips():
    drawn = scenes(replace(PRESET, one_category=False, flip=0.5))
    mixed = np.mean([len({p.category_id for p in scene.placements}) > 1 for scene in drawn])
    assert mixed > 0.5
    assert 0.4 < np.mean([p.flip for scene in drawn for p in scene.placements]) < 0.6


@pytest.mark.parametrize(("weights", "mean"), [((), 3.5), ((1.0, 0.0, 0.0, 0.0), 2), ((0.0, 0.0, 1.0, 3.0), 4.75)])
def test_count_weights(weights, mean):
    counts = [len(scene.placements) for scene in scenes(replace(PRESET, instance_weights=weights), 800)]
    assert np.mean(counts) == pytest.approx(mean, abs=0.15)


def test_inside_frame():
    for scene in scenes(replace(PRESET, inside_frame=True, scale=(0.3, 0.9), center=(0.0, 1.0))):
        for p in scene.placements:
            reach = rotated_extent(POOL.cutout_size_hw(p.asset_id), p.scale, p.rotation_deg)
            for center, extent, side in zip(p.center_xy, reach, (80, 64)):
                fits = 2 * extent < side
                assert not fits or (center - extent >= -0.01 and center + extent <= side + 0.01)


def test_many_instances():
    assert {len(scene.placements) for scene in scenes(replace(PRESET, instances=(30, 40)))} == set(range(30, 41))
