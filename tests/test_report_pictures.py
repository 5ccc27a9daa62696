"""Pictures of a report: files as they are, files that browsers do not show, small copies, and whatever is no picture."""

import base64
import io
import os
import tarfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from amodalsynth.errors import DataError
from amodalsynth.importers.reading import image_size
from amodalsynth.importers.source import SourceImage, SourceInstance
from amodalsynth.records.layout import Layout
from amodalsynth.report import pictures
from amodalsynth.report.pictures import Picture, Pictures, data_url, encode_for_page, thumbnail
from tests.formats_support import tiny_dataset
from tests.pictures_support import RAMP, bomb, encoded, exif


def decoded(picture):
    with Image.open(io.BytesIO(picture.content)) as image:
        assert image.get_format_mimetype() == picture.media_type and (image.height, image.width) == picture.size_hw
        return np.array(image)


def named(name, background=None):
    return SourceImage("image 1", 1, name, None, (), background=background)


def read(folder, content, name="a.jpg"):
    """What `Pictures` gives for a file of this content, whatever its name."""
    (folder / name).write_bytes(content)
    with Pictures(folder, None, "train") as found:
        return found.image(named(name))


@pytest.mark.parametrize(
    ("name", "media_type"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp"), ("GIF", "image/gif")]
)
def test_what_browsers_show_is_left_as_it_is(tmp_path, name, media_type):
    content = encoded(name)
    assert read(tmp_path, content) == Picture(content, media_type, (20, 30))


@pytest.mark.parametrize(("name", "options"), [("BMP", {}), ("TIFF", {}), ("PPM", {}), ("JPEG2000", {"quality_mode": "lossless"})])
def test_what_browsers_do_not_show_becomes_png(tmp_path, name, options):
    picture = read(tmp_path, encoded(name, **options))
    assert picture.media_type == "image/png"
    np.testing.assert_array_equal(decoded(picture), RAMP)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize(("orientation", "quarter_turns"), [(1, 0), (3, 2), (6, -1), (8, 1)])
def test_sizes_are_upright(tmp_path, name, orientation, quarter_turns):
    upright = np.rot90(RAMP, quarter_turns)
    content = encoded(name, exif=exif(orientation), **({"lossless": True} if name == "WEBP" else {}))
    picture = read(tmp_path, content)
    assert picture.size_hw == image_size(tmp_path / "a.jpg") == upright.shape[:2]
    shown_as_stored = name in ("JPEG", "PNG") or (name == "WEBP" and orientation == 1)
    assert (picture.content == content) == shown_as_stored
    small = encode_for_page(picture, largest=30, quality=100)
    assert small.size_hw == upright.shape[:2]
    assert np.abs(decoded(small).astype(int) - upright).mean() < 6


def test_sixteen_bits_are_scaled(tmp_path):
    deep = np.array([[0, 256 * 100, 0xFFFF]], np.uint16)
    picture = read(tmp_path, encoded("TIFF", deep))
    assert decoded(picture)[0, :, 0].tolist() == [0, 100, 255]


@pytest.mark.parametrize(
    "content", [b"", b"<script>alert(1)</script>", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", encoded("ICO")]
)
def test_other_files_are_no_pictures(tmp_path, content):
    assert read(tmp_path, content) is None


def test_large_files_and_bombs_are_refused(tmp_path, monkeypatch):
    assert read(tmp_path, bomb()) is None
    monkeypatch.setattr(pictures, "MAX_PIXELS", 599)
    assert read(tmp_path, encoded()) is None
    monkeypatch.setattr(pictures, "MAX_PIXELS", 600)
    assert read(tmp_path, encoded()) is not None
    monkeypatch.setattr(pictures, "MAX_BYTES", len(encoded()) - 1)
    assert read(tmp_path, encoded()) is None


@pytest.mark.parametrize(
    "name",
    [
        None,
        3,
        "",
        ".",
        "..",
        "../a.png",
        "/etc/passwd",
        "a\0b",
        "\ud800.png",
        "x" * 5000,
        ["a.png"],
        "pipe",
        "out.png",
        "loop",
        "out/a.png",
    ],
)
def test_names_that_are_no_picture_of_the_folder(tmp_path, name):
    inside = tmp_path / "inside"
    inside.mkdir()
    for place in (tmp_path, inside):
        (place / "a.png").write_bytes(encoded())
    (inside / "out.png").symlink_to(tmp_path / "a.png")
    (inside / "out").symlink_to(tmp_path)
    (inside / "loop").symlink_to("loop")
    os.mkfifo(inside / "pipe")
    with Pictures(inside, None, "train") as found:
        assert found.image(named(name)) is None
        assert found.image(named("a.png")).size_hw == (20, 30)
    with Pictures(None, None, "train") as unknown:
        assert unknown.image(named("a.png")) is None


@pytest.mark.parametrize(
    "background", [None, "a.png", {}, {"file_name": 3}, {"file_name": "../dataset.json"}, {"file_name": "../images/train/000000001.png"}]
)
def test_a_data_set_of_ours(tmp_path_factory, background):
    out = tmp_path_factory.getbasetemp() / "ours"
    layout = Layout(out if out.exists() else tiny_dataset(out, num_images=2))
    texture = next(layout.backgrounds.rglob("*.png"))
    with Pictures(layout.images("train"), layout, "train") as found:
        assert found.background(named("a", {"file_name": str(texture.relative_to(layout.backgrounds))})).content == texture.read_bytes()
        assert found.background(named("a", background)) is None
        name = {"file_name": "part-00000.tar/000000001.0.png"}
        with tarfile.open(layout.appearances("train") / "part-00000.tar") as archive:
            content = archive.extractfile("000000001.0.png").read()
        assert found.appearance(SourceInstance("i", appearance=name | {"offset": [3, 4]})).content == content
        for offset in (None, [3], [3, 4, 5], [3.5, 4], ["3", 4], [True, 4], [1 << 80, 4]):
            assert found.appearance(SourceInstance("i", appearance=name | {"offset": offset})) is None
        for broken in (None, 3, [], {"offset": [0, 0]}, {"offset": [0, 0], "file_name": "part-00000.tar/../../x"}):
            assert found.appearance(SourceInstance("i", appearance=broken)) is None


def test_small_copies_keep_shape_and_alpha():
    alpha = np.zeros((40, 90, 4), np.uint8)
    alpha[10:30, 20:70] = (200, 30, 40, 255)
    alpha[10:30, 70:75] = (200, 30, 40, 97)
    picture = Picture(encoded("PNG", alpha), "image/png", (40, 90))
    same = encode_for_page(picture, largest=90, quality=60)
    assert (same.media_type, same.size_hw) == ("image/webp", (40, 90))
    np.testing.assert_array_equal(decoded(same)[..., 3], alpha[..., 3])
    half = encode_for_page(picture, largest=45, quality=60)
    assert half.size_hw == (20, 45)
    inside = decoded(half)[6:14, 12:34]
    assert (inside[..., 3] == 255).all() and np.abs(inside[..., :3].astype(int) - (200, 30, 40)).max() < 30
    assert thumbnail(picture, 30).size_hw == (13, 30)
    assert thumbnail(picture).size_hw == (40, 90)  # nothing is made larger


def test_photos_are_shrunk_by_much():
    photo = np.kron(RAMP[::2, ::2], np.ones((50, 50, 1), np.uint8))  # 500 x 750
    small = thumbnail(Picture(encoded("JPEG", photo), "image/jpeg", (500, 750)))
    assert small.size_hw == (107, 160) and len(small.content) < 4000
    expected = np.array(Image.fromarray(photo).resize((160, 107), Image.Resampling.BOX)).astype(int)
    assert np.abs(decoded(small) - expected).mean() < 4


def test_colour_profiles_are_left_behind():
    content = encoded("PNG", icc_profile=bytes(50_000))
    assert len(thumbnail(Picture(content, "image/png", (20, 30))).content) < 1000


def test_what_ends_early_is_left_as_it_is(tmp_path):
    content = encoded("JPEG")
    picture = read(tmp_path, content[:-40])
    assert picture.size_hw == (20, 30)
    assert thumbnail(picture) is picture
    assert read(tmp_path, encoded("TIFF")[:-900]) is None


def test_data_urls():
    kind, _, content = data_url(Picture(b"\x00\xff<", "image/gif", (1, 1))).partition(",")
    assert kind == "data:image/gif;base64" and base64.b64decode(content) == b"\x00\xff<"


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "PPM"]), st.data())
def test_no_damage_raises(name, data):
    content = bytearray(encoded(name, exif=exif(6)) if name in ("JPEG", "PNG", "WEBP", "TIFF") else encoded(name))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, min(len(content) - 1, 400)))] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(1, len(content))) :]
    try:
        picture = pictures._as_shown(bytes(content))
    except DataError as error:
        assert "\n" not in str(error)
        return
    assert thumbnail(picture).content


def test_several_threads_share_pictures(tmp_path):
    tiny_dataset(tmp_path / "out", num_images=12)
    layout = Layout(tmp_path / "out")
    names = [{"file_name": f"part-00000.tar/{i:09d}.{k}.png", "offset": [0, 0]} for i in range(1, 13) for k in (0, 1)] * 8
    instances = [SourceInstance("i", appearance=name) for name in names]
    with Pictures(None, layout, "train") as found:
        expected = [found.appearance(instance).content for instance in instances]
        found.close()
        with ThreadPoolExecutor(8) as pool:
            assert [picture.content for picture in pool.map(found.appearance, instances)] == expected
            small = list(pool.map(lambda content: thumbnail(Picture(content, "image/png", (1, 1))).content, expected))
    assert small[:24] == small[24:48]
