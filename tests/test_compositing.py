"""Compositing: geometry, exact painting, and what an edge looks like."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amodalsynth.annotation import annotate
from amodalsynth.compositing import (
    WarpCutout,
    compose,
    draw_appearance,
    draw_appearances,
    level_shapes,
    prepare_cutout,
    render,
    surely_hidden,
)
from amodalsynth.errors import SceneRejected
from amodalsynth.types import Appearance, Placement, Scene
from tests.strategies import DrawnPool, disc

FRAME = (80, 90)


def place(**changes: object) -> Placement:
    values = {"asset_id": "x", "category_id": 1, "center_xy": (45.0, 40.0), "scale": 1.0, "rotation_deg": 0.0, "flip": False}
    return Placement(**{**values, **changes})


def corner_marked() -> np.ndarray:
    """An opaque 20 x 30 cutout, grey, with a red top left corner."""
    rgba = np.full((20, 30, 4), (90, 90, 90, 255), np.uint8)
    rgba[:8, :8, :3] = (255, 0, 0)
    return rgba


def red_center(appearance: Appearance) -> tuple[float, float]:
    """Centre of the red pixels, continuous frame coordinates."""
    red = (appearance.rgba[..., 0] > 200) & (appearance.rgba[..., 1] < 60) & (appearance.rgba[..., 3] > 200)
    y, x = np.nonzero(red)
    return x.mean() + 0.5 + appearance.offset_xy[0], y.mean() + 0.5 + appearance.offset_xy[1]


def test_a_cutout_at_scale_one_is_copied():
    rgba = disc(30, 21, (200, 120, 40))
    rgba[rgba[..., 3] < 255] = 0  # without partial alpha premultiplying loses nothing
    appearance = draw_appearance(prepare_cutout(rgba), place(center_xy=(45.5, 40.0)), FRAME)
    y, x = np.nonzero(rgba[..., 3])
    assert (appearance.rgba == rgba[y.min() : y.max() + 1, x.min() : x.max() + 1]).all()
    assert appearance.offset_xy == (45.5 - 21 / 2 + x.min(), 40 - 15 + y.min())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (45 - 11, 40 - 6)),
        ({"rotation_deg": 90.0}, (45 - 6, 40 + 11)),  # counter-clockwise: the top left goes to the bottom left
        ({"rotation_deg": 180.0}, (45 + 11, 40 + 6)),
        ({"flip": True}, (45 + 11, 40 - 6)),
        ({"flip": True, "rotation_deg": 90.0}, (45 - 6, 40 - 11)),
        ({"scale": 2.0}, (45 - 22, 40 - 12)),
        ({"scale": 0.5}, (45 - 5.5, 40 - 3)),
    ],
)
def test_where_a_corner_goes(changes, expected):
    appearance = draw_appearance(prepare_cutout(corner_marked()), place(**changes), FRAME)
    assert red_center(appearance) == pytest.approx(expected, abs=0.3 * max(1, changes.get("scale", 1)))


@pytest.mark.parametrize("scale", [0.13, 0.3, 0.6, 1.0, 1.7])
def test_area_follows_the_scale(scale):
    rgba = disc(120, 100, (200, 120, 40))
    for rotation in (0.0, 33.0, 90.0, 211.5):
        appearance = draw_appearance(prepare_cutout(rgba), place(center_xy=(200.0, 200.0), scale=scale, rotation_deg=rotation), (400, 400))
        area = appearance.rgba[..., 3].sum() / 255
        assert area == pytest.approx(np.pi / 4 * 120 * 100 * scale**2, rel=0.03)


def test_edges_keep_their_colour():
    """No dark or white fringe: partly transparent pixels have the object's colour, at every scale."""
    rgba = disc(101, 101, (250, 250, 250))
    rgba[rgba[..., 3] > 0, :3] = (40, 200, 90)
    for scale in (0.2, 0.5, 0.9, 1.4):
        appearance = draw_appearance(prepare_cutout(rgba), place(center_xy=(100.0, 100.0), scale=scale, rotation_deg=17.0), (200, 200))
        edge = appearance.rgba[(appearance.rgba[..., 3] > 40) & (appearance.rgba[..., 3] < 255)]
        assert len(edge)
        assert np.abs(edge[:, :3].astype(int) - (40, 200, 90)).max() <= 6


def test_outside_the_frame():
    rgba = disc(30, 30, (200, 120, 40))
    assert draw_appearance(prepare_cutout(rgba), place(center_xy=(-40.0, 10.0)), FRAME).rgba.shape == (0, 0, 4)
    clipped = draw_appearance(prepare_cutout(rgba), place(center_xy=(0.0, 80.0)), FRAME)
    assert clipped.offset_xy[0] == 0
    assert clipped.offset_xy[1] + clipped.rgba.shape[0] == FRAME[0]
    assert 0.2 < (clipped.rgba[..., 3] >= 128).sum() / (np.pi * 15**2) < 0.3  # a quarter


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 40), st.integers(1, 40))
def test_level_shapes(height, width):
    levels = prepare_cutout(np.full((height, width, 4), 200, np.uint8)).levels
    assert [level.shape for level in levels] == level_shapes((height, width))
    for level in levels:
        assert not level[0].any() and not level[-1].any() and not level[:, 0].any() and not level[:, -1].any()
        assert (level[..., :3] <= level[..., 3:]).all()


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
def test_painting_is_the_stated_formula(color, alpha, below):
    appearance = Appearance((0, 0), np.array([[[color, color, color, alpha]]], np.uint8))
    image = compose(np.full((1, 1, 3), below, np.uint8), [appearance]).image
    a = alpha / 255
    assert (image == np.floor(color * a + below * (1 - a) + 0.5)).all()


def test_the_image_is_the_appearances_painted_in_order():
    pool = DrawnPool()
    scene = Scene(
        "plain/light.png",
        pool.size_hw,
        (
            Placement("red/a.png", 1, (20.3, 30.1), 1.1, 40.0, False),
            Placement("red/b.png", 1, (40.0, 33.3), 0.9, 130.0, True),
            Placement("green/a.png", 2, (30.5, 50.5), 0.7, 0.0, False),
        ),
    )
    rendering = render(scene, pool)
    canvas = rendering.background.astype(float)
    for appearance in rendering.appearances:
        (x, y), (height, width) = appearance.offset_xy, appearance.rgba.shape[:2]
        a = appearance.rgba[..., 3:] / 255
        view = canvas[y : y + height, x : x + width]
        view[:] = np.floor(appearance.rgba[..., :3] * a + view * (1 - a) + 0.5)
        assert appearance.rgba[..., 3].any(axis=0)[[0, -1]].all() and appearance.rgba[..., 3].any(axis=1)[[0, -1]].all()  # cropped
    assert (canvas == rendering.image).all()


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 359), st.floats(0.05, 2.5), st.floats(-20, 110), st.floats(-20, 100), st.booleans())
def test_the_outline_leaves_nothing_out(rotation, scale, x, y, flip):
    """Warping only the region around the outline gives what warping the whole frame gives."""
    rgba = disc(31, 64, (200, 120, 40))
    rgba[:, :20] = 0
    cutout = prepare_cutout(rgba)
    everything = WarpCutout(
        cutout.size_hw,
        cutout.levels,
        core=cutout.core,
        outline=np.array([[-999.0, -999.0], [999.0, -999.0], [999.0, 999.0], [-999.0, 999.0]]),
    )
    placement = place(center_xy=(x, y), scale=scale, rotation_deg=float(rotation), flip=flip)
    alphas = []
    for appearance in (draw_appearance(cutout, placement, FRAME), draw_appearance(everything, placement, FRAME)):
        (left, top), (height, width) = appearance.offset_xy, appearance.rgba.shape[:2]
        alphas.append(np.zeros(FRAME, int))
        alphas[-1][top : top + height, left : left + width] = appearance.rgba[..., 3]
    assert np.abs(alphas[0] - alphas[1]).max() <= 16  # OpenCV rounds source positions to a 32nd of a pixel


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_what_is_surely_hidden_shows_no_pixel(data):
    pool = DrawnPool()
    draw = lambda low, high: data.draw(st.floats(low, high))
    placements = tuple(
        place(
            asset_id=data.draw(st.sampled_from(["red/a.png", "red/b.png", "green/a.png"])),
            center_xy=(draw(20, 44), draw(20, 44)),
            scale=draw(0.1, 0.4) if far else draw(0.5, 3),
            rotation_deg=draw(0, 360),
            flip=data.draw(st.booleans()),
        )
        for far in (True, False)
    )
    scene = Scene("plain/dark.png", pool.size_hw, placements)
    if surely_hidden(scene, pool):
        with pytest.raises(SceneRejected):
            annotate(scene, draw_appearances(scene, pool))


def test_a_small_disc_behind_a_large_one_is_surely_hidden():
    pool = DrawnPool()
    small, large = (
        place(asset_id="green/a.png", center_xy=(32, 32), scale=0.2),
        place(asset_id="green/a.png", center_xy=(33, 31), scale=1.5),
    )
    assert surely_hidden(Scene("plain/dark.png", pool.size_hw, (small, large)), pool)
    assert not surely_hidden(Scene("plain/dark.png", pool.size_hw, (large, small)), pool)
