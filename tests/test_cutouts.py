"""Cutouts: photos drawn here with known alpha, pictures with alpha, what is refused, and real fruit."""

import io

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from amodalsynth.cutouts import CutoutSettings, make_cutout
from amodalsynth.errors import CutoutError
from amodalsynth.imagefiles import read_image

RED, GREEN, BLACK, SHADE = (170, 30, 40), (70, 150, 40), (12, 12, 14), (120, 110, 100)
WHOLE = CutoutSettings(max_side=4096)
SIZE = (200, 240)
FINE = 8  # subpixels per side


def coverage(inside, size_hw=SIZE):
    """(h, w) float: the part of each pixel in the shape `inside(x, y)`, by supersampling."""
    y, x = (np.indices((size_hw[0] * FINE, size_hw[1] * FINE)) + 0.5) / FINE
    return inside(x, y).reshape(size_hw[0], FINE, size_hw[1], FINE).mean((1, 3))


def ellipse(cx=120.0, cy=100.0, rx=90.0, ry=70.0):
    return lambda x, y: ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 <= 1


def rectangle(x0, y0, x1, y1):
    return lambda x, y: (x0 <= x) & (x < x1) & (y0 <= y) & (y < y1)


def photo(*shapes, size_hw=SIZE, white=255, quality=None):
    """A photo on white of (coverage, colour) pairs, painted in order; with `quality`, as JPEG gives it back."""
    pixels = np.full((*size_hw, 3), float(white))
    for alpha, colour in shapes:
        pixels += alpha[..., None] * (np.array(colour) - pixels)
    picture = Image.fromarray((pixels + 0.5).astype(np.uint8))
    if quality:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality)
        picture = Image.open(file)
    return np.asarray(picture)


def area(rgba):
    return int((rgba[..., 3] >= 128).sum())


def on_frame(rgba, alpha):
    """`rgba` put back where the shape of coverage `alpha` has its box."""
    top, left = np.flatnonzero((alpha > 0.02).any(1))[0], np.flatnonzero((alpha > 0.02).any(0))[0]
    frame = np.zeros((*alpha.shape, 4), np.uint8)
    frame[top : top + rgba.shape[0], left : left + rgba.shape[1]] = rgba
    return frame


@pytest.mark.parametrize("colour", [RED, GREEN, BLACK, (235, 200, 90), (200, 200, 200)], ids=str)
@pytest.mark.parametrize(("quality", "tolerance"), [(None, 0.02), (90, 0.12)])
def test_alpha_and_colour_are_recovered(colour, quality, tolerance):
    alpha = coverage(ellipse())
    rgba = make_cutout(photo((alpha, colour), quality=quality), WHOLE)
    assert abs(area(rgba) - (alpha >= 0.5).sum()) <= 0.005 * alpha.sum()
    if quality is None:  # JPEG's noise may move the box by a pixel
        error = on_frame(rgba, alpha)[..., 3] / 255 - alpha
        too_white = 10 / (255 - min(colour))  # alpha up to this leaves 245 or more in every channel, which is background
        assert np.abs(error).mean() < 0.001 and np.abs(error).max() < 0.06 + too_white
    edge = (rgba[..., 3] > 25) & (rgba[..., 3] < 250)
    assert edge.sum() > 200, "the contour is not anti-aliased"
    brighter = rgba[edge][:, :3].mean(0) - colour
    assert np.abs(brighter).max() < 255 * tolerance, "white is left in the contour"


def test_jpeg_noise_in_the_background_is_no_object():
    alpha = coverage(ellipse())
    rgba = make_cutout(photo((alpha, RED), quality=75), WHOLE)
    assert abs(rgba.shape[0] - 140) <= 6 and abs(rgba.shape[1] - 180) <= 6
    assert abs(area(rgba) - alpha.sum()) < 0.01 * alpha.sum()


def test_a_highlight_stays_opaque():
    y, x = np.indices(SIZE)
    glow = np.clip(1.6 - np.hypot(x - 90, y - 70) / 14, 0, 1)  # fully white in the middle, fading into the skin
    alpha = coverage(ellipse())
    rgba = on_frame(make_cutout(photo((alpha, RED), (glow, (255, 255, 255))), WHOLE), alpha)
    assert (glow == 1).sum() > 200
    np.testing.assert_array_equal(rgba[glow > 0, 3], 255)
    assert rgba[70, 90].tolist() == [255, 255, 255, 255]


def test_a_hole_is_seen_through():
    hole = coverage(ellipse(rx=25, ry=20))
    alpha = coverage(ellipse()) - hole
    rgba = on_frame(make_cutout(photo((alpha, RED), quality=95), WHOLE), alpha)
    assert rgba[100, 120, 3] == 0
    assert abs(area(rgba) - alpha.sum()) < 0.01 * alpha.sum()


def test_small_white_marks_are_no_holes():
    alpha = coverage(ellipse())
    mark = coverage(ellipse(rx=6, ry=6))
    assert abs(area(make_cutout(photo((alpha - mark, RED)), WHOLE)) - alpha.sum()) < 30  # the mark has 113 pixels


@pytest.mark.parametrize("shaft", [BLACK, (180, 180, 190)], ids=["dark", "pale"])
def test_the_shaft_s_end_is_dropped(shaft):
    fruit = coverage(ellipse(cy=110))  # its lower end is at y = 180, the photo ends at 192
    stub = coverage(rectangle(108, 170, 132, 200))
    rgba = make_cutout(photo((stub, shaft), (fruit, RED), quality=95)[:192], WHOLE)
    alone = make_cutout(photo((fruit, RED), quality=95)[:192], WHOLE)
    assert abs(rgba.shape[0] - alone.shape[0]) <= 4 and rgba.shape[0] < 150
    assert abs(area(rgba) - area(alone)) < 0.005 * area(alone)


@pytest.mark.parametrize(
    ("part", "colour"),
    [
        (rectangle(108, 170, 132, 200), GREEN),  # a green stalk
        (rectangle(70, 150, 170, 200), BLACK),  # a broad base
        (rectangle(108, 170, 132, 186), BLACK),  # ends above the photo's edge
    ],
    ids=["coloured", "broad", "inside"],
)
def test_other_parts_below_the_object_are_kept(part, colour):
    fruit, extra = coverage(ellipse(cy=110)), coverage(part)
    pixels = photo((extra, colour), (fruit, RED))[:192]
    expected = (np.maximum(fruit, extra)[:192] >= 0.5).sum()
    assert abs(area(make_cutout(pixels, WHOLE)) - expected) < 0.003 * expected


def test_specks_are_dropped_and_large_parts_kept():
    one, two = coverage(ellipse(70, 100, 50, 50)), coverage(ellipse(185, 100, 30, 30))
    speck = coverage(ellipse(225, 15, 4, 4))
    rgba = make_cutout(photo((one, RED), (two, RED), (speck, BLACK)), WHOLE)
    assert abs(area(rgba) - one.sum() - two.sum()) < 30
    assert rgba.shape[:2] == (100, 195)


@pytest.mark.parametrize("sides", ["left", "top", "bottom", "all"])
def test_an_object_at_the_photo_s_edge_is_kept_whole(sides):
    alpha = coverage(ellipse())
    rows = slice(30 if sides in ("top", "all") else 0, 170 if sides in ("bottom", "all") else None)
    columns = slice(30 if sides in ("left", "all") else 0, 210 if sides == "all" else None)
    rgba = make_cutout(photo((alpha, RED))[rows, columns], WHOLE)
    assert abs(area(rgba) - alpha.sum()) < 0.005 * alpha.sum()


def test_an_object_cut_off_by_the_photo_keeps_its_corners():
    alpha = coverage(ellipse(cy=110))[:172]  # so flat there that a disc does not reach into the corners
    assert abs(area(make_cutout(photo((coverage(ellipse(cy=110)), BLACK))[:172], WHOLE)) - alpha.sum()) < 0.001 * alpha.sum()


def test_a_thin_stalk_keeps_its_colour():
    stalk, fruit = coverage(rectangle(118.3, 10, 121.3, 60)), coverage(ellipse(cy=120, ry=70))
    rgba = make_cutout(photo((stalk, GREEN), (fruit, RED)), WHOLE)
    column = rgba[5:30, rgba[10, :, 3].argmax()]
    assert (column[:, 3] > 230).all() and np.abs(column[:, :3].astype(int) - GREEN).max() < 20


def test_a_backdrop_may_darken_towards_the_photo_s_edge():
    y, x = np.indices(SIZE)
    distance = np.minimum.reduce([x, y, SIZE[1] - 1 - x, SIZE[0] - 1 - y])
    alpha = coverage(ellipse(rx=80, ry=60))
    pixels = photo((alpha, RED)).astype(int) - (np.clip(10 - distance, 0, None) * 1.5).astype(int)[..., None]
    assert area(make_cutout(pixels.astype(np.uint8), WHOLE)) == (alpha >= 0.5).sum()


def test_a_pale_object_is_not_eaten():
    alpha = coverage(ellipse())
    grain = np.random.default_rng(1).uniform(-6, 6, (*SIZE, 1)).round() * alpha[..., None]
    pixels = (photo((alpha, (234, 236, 232))) + grain).clip(0, 255).astype(np.uint8)
    rgba = on_frame(make_cutout(pixels, WHOLE), alpha)
    assert abs(area(rgba) - alpha.sum()) < 0.02 * alpha.sum()
    inside = cv2.erode((alpha == 1).astype(np.uint8), np.ones((3, 3))) > 0
    assert rgba[inside, 3].min() > 200, "the grain is taken for transparency"


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (np.full((50, 60, 3), 255, np.uint8), "white throughout"),
        (np.full((50, 60, 4), 255, np.uint8), "white throughout"),
        (photo((coverage(ellipse(rx=2, ry=2)), RED)), "white throughout"),
        (np.full((50, 60, 3), 90, np.uint8), "a rectangle is no cutout"),
        (np.full((50, 60, 4), (9, 9, 9, 255), np.uint8), "neither transparency nor a white edge: 0%"),
        (np.vstack((np.full((20, 60, 3), 255, np.uint8), np.full((40, 60, 3), 90, np.uint8))), "a rectangle is no cutout"),  # a white sky
        (np.zeros((50, 60, 4), np.uint8), "transparent throughout"),
        (np.full((50, 60, 4), 127, np.uint8), "transparent throughout"),
    ],
    ids=["white", "white-rgba", "a-dot", "texture", "opaque-rgba", "sky", "clear", "faint"],
)
def test_what_is_no_cutout_is_refused(pixels, reason):
    with pytest.raises(CutoutError, match=reason):
        make_cutout(pixels, CutoutSettings())


def test_the_threshold_is_a_setting():
    pixels = photo((coverage(ellipse()), RED), white=225)
    with pytest.raises(CutoutError, match="245 or more"):
        make_cutout(pixels, CutoutSettings())
    expected = coverage(ellipse()).sum()
    assert abs(area(make_cutout(pixels, CutoutSettings(white_threshold=215))) - expected) < 0.005 * expected


def drawn_rgba():
    rgba = np.zeros((60, 80, 4), np.uint8)
    rgba[..., :3] = 200  # colour under transparent pixels must not come through
    rgba[10:40, 20:50] = (250, 250, 250, 255)
    rgba[10:40, 50] = (250, 10, 20, 90)
    rgba[30:36, 60:70] = (*GREEN, 200)
    return rgba


def test_alpha_is_kept_as_it_is():
    rgba = drawn_rgba()
    rgba[2, 2, 3], rgba[5, 70:75, 3] = 255, 40  # dust: a pixel, and something faint
    expected = drawn_rgba()[10:40, 20:70]
    expected[expected[..., 3] == 0] = 0
    cutout = make_cutout(rgba, WHOLE)
    np.testing.assert_array_equal(cutout, expected)
    assert cutout.base is None or not np.shares_memory(cutout, rgba)


def test_an_opaque_alpha_channel_makes_a_photo():
    pixels = photo((coverage(ellipse()), RED))
    opaque = np.dstack((pixels, np.full(SIZE, 255, np.uint8)))
    np.testing.assert_array_equal(make_cutout(opaque, WHOLE), make_cutout(pixels, WHOLE))


@pytest.mark.parametrize("max_side", [40, 97])
def test_large_cutouts_are_shrunk(max_side):
    alpha = coverage(ellipse())
    rgba = np.dstack((photo((np.ones(SIZE), RED)), (255 * alpha + 0.5).astype(np.uint8)))
    rgba[alpha == 0] = (255, 255, 255, 0)
    for pixels in (photo((alpha, RED)), rgba):
        cutout = make_cutout(pixels, CutoutSettings(max_side=max_side))
        assert cutout.shape == (round(140 * max_side / 180), max_side, 4)
        assert abs(area(cutout) / alpha.sum() / (max_side / 180) ** 2 - 1) < 0.03
        assert np.abs(cutout[cutout[..., 3] > 40][:, :3].astype(int) - RED).max() < 25, "white mixed into the colour"


@settings(deadline=None, max_examples=200)
@given(
    h=st.integers(1, 24),
    w=st.integers(1, 24),
    channels=st.sampled_from([3, 4]),
    seed=st.integers(0, 10**6),
    white=st.floats(0, 1),
    smooth=st.sampled_from([1, 5]),
    max_side=st.integers(1, 30),
    threshold=st.integers(128, 255),
)
def test_any_picture_gives_a_tight_cutout_or_an_error(h, w, channels, seed, white, smooth, max_side, threshold):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (h, w, channels), np.uint8)
    blank = cv2.blur(rng.random((h, w)), (smooth, smooth)) < white
    pixels[blank] = 255 if channels == 3 else 0
    before = pixels.copy()
    chosen = CutoutSettings(threshold, max_side)
    try:
        rgba = make_cutout(pixels, chosen)
    except CutoutError:
        return
    np.testing.assert_array_equal(pixels, before)
    np.testing.assert_array_equal(rgba, make_cutout(pixels, chosen))
    assert rgba.dtype == np.uint8 and rgba.ndim == 3 and rgba.shape[2] == 4 and rgba.flags.c_contiguous
    assert 0 < max(rgba.shape[:2]) <= max_side and area(rgba) > 0
    alpha = rgba[..., 3]
    assert alpha[0].any() and alpha[-1].any() and alpha[:, 0].any() and alpha[:, -1].any(), "not tight"
    assert not rgba[alpha == 0].any(), "colour where transparent"


def halo(rgba):
    """How much brighter the partly transparent contour is than the skin 4 to 7 pixels inside, in levels."""
    alpha = rgba[..., 3]
    depth = cv2.distanceTransform(np.pad((alpha > 0).astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    edge = (alpha > 0) & (alpha < 250)
    brightness = rgba[..., :3].mean(2)
    return np.average(brightness[edge], weights=alpha[edge]) - brightness[(depth > 4) & (depth <= 7)].mean()


def solidity(rgba):
    contours, _ = cv2.findContours((rgba[..., 3] >= 128).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = cv2.convexHull(np.vstack(contours))
    return area(rgba) / (cv2.contourArea(hull) + len(hull) / 2)


def test_real_fruit_has_neither_halo_nor_stub(shared_assets):
    folders = sorted((shared_assets / "fruits-360-original-size" / "Training").iterdir())
    assert len(folders) == 10
    for folder in folders:
        files = sorted(folder.glob("*.jpg"))
        for path in files[:: len(files) // 4]:
            rgba = make_cutout(read_image(path), CutoutSettings(max_side=205))
            where = f"{folder.name}/{path.name}"
            assert solidity(rgba) > (0.9 if "Onion" in folder.name else 0.96), where
            # The skin of these two mirrors the white room at its rim.
            assert halo(rgba) < (25 if folder.name in ("Cherry 3", "apple_red_delicios_1") else 14), where
            inside = cv2.erode(np.pad((rgba[..., 3] >= 128).astype(np.uint8), 1), np.ones((9, 9)))[1:-1, 1:-1] > 0
            assert (rgba[inside, 3] == 255).all(), f"{where}: a highlight is eaten"


def test_real_alpha_is_kept(shared_assets):
    for folder in sorted((shared_assets / "eth-80").iterdir()):
        rgba = read_image(sorted(folder.glob("*/*.png"))[5])
        cutout = make_cutout(rgba, WHOLE)
        assert 0.999 < (cutout[..., 3] > 0).sum() / (rgba[..., 3] > 0).sum() <= 1, folder.name


def test_real_textures_are_no_cutouts(shared_assets):
    refused = 0
    paths = sorted((shared_assets / "dtd" / "images" / "bumpy").glob("*.jpg"))[:10]
    for path in paths:
        try:
            make_cutout(read_image(path), CutoutSettings())
        except CutoutError:
            refused += 1
    assert refused == len(paths)
