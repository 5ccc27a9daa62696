"""Image files to arrays: every mode, transparency, orientation, and files that are no images."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from amodalsynth import imagefiles
from amodalsynth.errors import AssetError
from amodalsynth.imagefiles import IMAGE_SUFFIXES, read_image

RGB = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3) * 3


def save(picture, path, **options):
    picture.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff", ".webp"])
def test_lossless_formats_keep_their_pixels(tmp_path, suffix):
    options = {"lossless": True} if suffix == ".webp" else {}
    pixels = read_image(save(Image.fromarray(RGB), tmp_path / f"a{suffix}", **options))
    assert pixels.dtype == np.uint8 and pixels.flags.c_contiguous and pixels.flags.writeable
    np.testing.assert_array_equal(pixels, RGB)
    assert suffix in IMAGE_SUFFIXES


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK", "YCbCr", "RGB"])
def test_modes_without_transparency_become_rgb(tmp_path, mode):
    grey = np.full((4, 6, 3), 255, np.uint8)
    path = tmp_path / ("a.jpg" if mode in ("CMYK", "YCbCr") else "a.png")
    pixels = read_image(save(Image.fromarray(grey).convert(mode), path))
    assert pixels.shape == (4, 6, 3) and pixels.min() >= 253


def test_alpha_is_kept(tmp_path):
    rgba = np.dstack((RGB, RGB[..., 0]))
    np.testing.assert_array_equal(read_image(save(Image.fromarray(rgba), tmp_path / "a.png")), rgba)
    grey = read_image(save(Image.fromarray(rgba).convert("LA"), tmp_path / "b.png"))
    np.testing.assert_array_equal(grey[..., 3], rgba[..., 3])


@pytest.mark.parametrize("mode", ["P", "RGB", "L"])
def test_a_transparent_colour_becomes_alpha(tmp_path, mode):
    picture = Image.new(mode, (3, 2), 1 if mode != "RGB" else (1, 1, 1))
    picture.putpixel((0, 0), 0 if mode != "RGB" else (0, 0, 0))
    pixels = read_image(save(picture, tmp_path / "a.png", transparency=0 if mode != "RGB" else (0, 0, 0)))
    assert pixels.shape == (2, 3, 4)
    assert pixels[0, 0, 3] == 0 and (pixels[..., 3] == 255).sum() == 5


def test_sixteen_bits_are_scaled(tmp_path):
    deep = np.array([[0, 256, 0x8000, 0xFFFF]], np.uint16)
    assert read_image(save(Image.fromarray(deep), tmp_path / "a.png"))[0, :, 0].tolist() == [0, 1, 128, 255]


def test_floating_point_is_refused(tmp_path):
    with pytest.raises(AssetError, match="floating-point"):
        read_image(save(Image.fromarray(np.ones((2, 2), np.float32)), tmp_path / "a.tif"))


@pytest.mark.parametrize(("orientation", "expected"), [(3, RGB[::-1, ::-1]), (6, np.rot90(RGB, -1)), (8, np.rot90(RGB))])
def test_exif_orientation_is_applied(tmp_path, orientation, expected):
    exif = Image.Exif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(read_image(save(Image.fromarray(RGB), tmp_path / "a.png", exif=exif)), expected)


def encoded(format_name="PNG", size=(64, 48)):
    file = io.BytesIO()
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (*size[::-1], 3), np.uint8)).save(file, format_name)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"<html>not an image</html>", "no image in JPEG"),
        (b"GIF89a" + bytes(40), "no image in JPEG"),
        (encoded("GIF"), "no image in JPEG"),  # a real image of a format that is not read
        (encoded("JPEG")[:900], "truncated"),
        (encoded("PNG")[:900], "image"),
        (encoded("PNG")[:60] + bytes(50) + encoded("PNG")[110:], "image"),
    ],
    ids=["empty", "text", "broken-gif", "gif", "cut-jpeg", "cut-png", "damaged-png"],
)
def test_what_is_no_image_is_named(tmp_path, content, reason):
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(AssetError, match=reason) as caught:
        read_image(path)
    assert "\n" not in str(caught.value) and str(path) not in str(caught.value)


def test_a_missing_file_and_a_folder(tmp_path):
    for path in (tmp_path / "none.png", tmp_path):
        with pytest.raises(AssetError):
            read_image(path)


def test_the_size_is_checked_before_decoding(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    content = bytearray(encoded())
    for side in (10_000, 40_000):  # below and above where Pillow itself refuses
        content[16:24] = struct.pack(">II", side, side)
        header = bytes(content[12:29])
        content[29:33] = struct.pack(">I", zlib.crc32(header))
        path.write_bytes(content)
        with pytest.raises(AssetError, match="64 megapixels"):
            read_image(path)
    monkeypatch.setattr(imagefiles, "MAX_PIXELS", 24)
    read_image(save(Image.fromarray(RGB), tmp_path / "b.png"))
    monkeypatch.setattr(imagefiles, "MAX_PIXELS", 23)
    with pytest.raises(AssetError, match="6 x 4 pixels"):
        read_image(tmp_path / "b.png")


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    format_name=st.sampled_from(["PNG", "JPEG", "WEBP", "BMP", "TIFF"]),
    damage=st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_damage_gives_pixels_or_an_asset_error(tmp_path, format_name, damage):
    content = bytearray(encoded(format_name, (12, 10)))
    for place, value in damage:
        content[place % len(content)] = value
    path = tmp_path / "a"
    path.write_bytes(content)
    try:
        pixels = read_image(path)
    except AssetError:
        return
    assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] in (3, 4)


def test_real_files(shared_assets):
    for folder, channels in (("fruits-360-original-size/Training/Cherry 3", 3), ("dtd/images/banded", 3), ("eth-80/cup/cup_01", 4)):
        path = next(p for p in sorted((shared_assets / folder).iterdir()) if p.suffix in IMAGE_SUFFIXES)
        with Image.open(path) as picture:
            assert read_image(path).shape == (picture.height, picture.width, channels)
