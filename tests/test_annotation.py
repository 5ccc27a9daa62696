"""Annotation: what follows from the masks, and the scenes that are refused."""

import numpy as np
import pytest
from hypothesis import given, settings

from amodalsynth.annotation import Annotation, annotate, map_instances
from amodalsynth.compositing import draw_appearances, render
from amodalsynth.errors import SceneRejected
from amodalsynth.types import Placement, Scene
from tests.strategies import DrawnPool, amodal_masks


def placement(asset_id: str, x: float, y: float, scale: float = 1.0) -> Placement:
    return Placement(asset_id, 1, (x, y), scale, 0.0, False)


@settings(deadline=None)
@given(amodal_masks())
def test_from_masks_gives_the_masks_back(amodal):
    annotation = Annotation.from_masks(np.ones(len(amodal), np.int64), amodal)
    assert (annotation.amodal_mask == amodal).all()
    assert ((annotation.visible_mask | annotation.invisible_mask) == amodal).all()
    assert not (annotation.visible_mask & annotation.invisible_mask).any()
    rate = annotation.invisible_mask.sum((1, 2)) / np.maximum(amodal.sum((1, 2)), 1)
    filled = amodal.any((1, 2))
    assert np.allclose(annotation.occlusion_rate[filled], rate[filled])
    assert ((annotation.layer_order == 0) >= ~annotation.occlusion_order.any(axis=1)).all()


def test_arrays_are_read_only_and_checked():
    annotation = Annotation.from_masks(np.ones(1, np.int64), np.ones((1, 2, 2), bool))
    with pytest.raises(ValueError):
        annotation.instance_map[0, 0] = 0
    with pytest.raises(ValueError, match="expected bool"):
        Annotation.from_masks(np.ones(1, np.int64), np.ones((1, 2, 2), np.uint8))


def test_the_mask_is_where_alpha_is_128_or_more():
    pool = DrawnPool()
    scene = Scene("plain/dark.png", pool.size_hw, (placement("red/a.png", 30.25, 31.6), placement("green/a.png", 60.0, 5.0)))
    rendering = render(scene, pool)
    instance_map = map_instances(rendering.appearances, pool.size_hw)
    for i, appearance in enumerate(rendering.appearances):
        (x, y), (height, width) = appearance.offset_xy, appearance.rgba.shape[:2]
        full = np.zeros(pool.size_hw, np.uint8)
        full[y : y + height, x : x + width] = appearance.rgba[..., 3]
        assert ((instance_map >> i & 1) == (full >= 128)).all()


def test_a_hidden_instance_is_refused():
    pool = DrawnPool()
    hidden = Scene("plain/dark.png", pool.size_hw, (placement("green/a.png", 32, 32, 0.5), placement("red/a.png", 32, 32, 1.5)))
    with pytest.raises(SceneRejected):
        annotate(hidden, draw_appearances(hidden, pool))
    outside = Scene("plain/dark.png", pool.size_hw, (placement("green/a.png", -80, 32),))
    with pytest.raises(SceneRejected):
        annotate(outside, draw_appearances(outside, pool))
    beside = Scene("plain/dark.png", pool.size_hw, (placement("green/a.png", 20, 20), placement("red/a.png", 44, 44)))
    shown = annotate(beside, draw_appearances(beside, pool)).visible_area.min()
    with pytest.raises(SceneRejected):
        annotate(beside, draw_appearances(beside, pool), min_visible_pixels=int(shown) + 1)
    annotate(beside, draw_appearances(beside, pool), min_visible_pixels=int(shown))
