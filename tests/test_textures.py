"""Textures brought to the frame."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amodalsynth.textures import fit_texture

SIDE = st.integers(1, 40)


@settings(deadline=None)
@given(SIDE, SIDE, SIDE, SIDE, st.sampled_from(["resize", "crop"]), st.sampled_from([3, 4]))
def test_any_texture_fits_any_frame(h, w, height, width, fit, channels):
    pixels = np.full((h, w, channels), 77, np.uint8)
    pixels[..., 3:] = 255
    fitted = fit_texture(pixels, (height, width), fit)
    assert fitted.shape == (height, width, 3) and fitted.dtype == np.uint8 and fitted.flags.c_contiguous
    assert (fitted == 77).all()


def test_shrinking_averages():
    fine = np.zeros((64, 64, 3), np.uint8)
    fine[::2] = 200  # a stripe a row: what is sampled instead of averaged is black or bright
    np.testing.assert_array_equal(fit_texture(fine, (16, 16), "resize"), np.full((16, 16, 3), 100))
    assert np.abs(fit_texture(fine, (16, 100), "resize").astype(int) - 100).max() <= 1  # one side shrinks, the other grows


def test_a_texture_of_the_frame_s_size_is_unchanged():
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    for fit in ("resize", "crop"):
        np.testing.assert_array_equal(fit_texture(pixels, (9, 7), fit), pixels)


def test_resize_keeps_the_margins_and_crop_cuts_them():
    wide = np.full((40, 80, 3), 50, np.uint8)
    wide[:, :20], wide[:, 60:] = 255, 255
    assert fit_texture(wide, (40, 40), "resize")[0, 0, 0] == 255
    np.testing.assert_array_equal(fit_texture(wide, (40, 40), "crop"), np.full((40, 40, 3), 50))
    np.testing.assert_array_equal(fit_texture(wide.transpose(1, 0, 2), (20, 20), "crop"), np.full((20, 20, 3), 50))


def test_white_shows_through_what_is_transparent():
    rgba = np.zeros((4, 4, 4), np.uint8)
    rgba[2:, :, 3], rgba[0, :, 3] = 255, 51
    fitted = fit_texture(rgba, (4, 4), "resize")
    assert fitted[:, 0, 0].tolist() == [204, 255, 0, 0]


def test_an_unknown_fit_is_refused():
    with pytest.raises(ValueError, match="'resize' or 'crop', got 'tile'"):
        fit_texture(np.zeros((4, 4, 3), np.uint8), (4, 4), "tile")


def test_the_real_textures(shared_assets):
    from amodalsynth.imagefiles import read_image

    for folder in sorted((shared_assets / "dtd" / "images").iterdir()):
        pixels = read_image(next(iter(sorted(folder.glob("*.jpg")))))
        fitted = fit_texture(pixels, (256, 256), "resize")
        assert np.abs(fitted.mean((0, 1)) - pixels.mean((0, 1))).max() < 1
