"""Headers of image files: sizes turned upright, read without a pixel, by several threads, and damaged in any way."""

import io
import os
import warnings
from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from amodalsynth.errors import DataError
from amodalsynth.importers import open_source
from amodalsynth.importers.driver import import_dataset
from amodalsynth.importers.reading import image_size, read_header
from amodalsynth.validate import validate_source
from tests.pictures_support import RAMP, bomb, encoded, exif


@pytest.mark.parametrize("name", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(10))
def test_sizes_are_upright(tmp_path, name, orientation):
    path = tmp_path / "a"
    path.write_bytes(encoded(name, exif=exif(orientation)))
    header = read_header(path)
    assert header.format == name and header.turned == (2 <= orientation <= 8)
    assert header.size_hw == image_size(path) == ((30, 20) if 5 <= orientation <= 8 else (20, 30))


def test_no_pixel_is_decoded(monkeypatch):
    before = encoded("PNG", exif=exif(6))
    start = before.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(before[start : start + 4], "big")
    behind = before[:start] + before[end:-12] + before[start:end] + before[-12:]
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: pytest.fail("was decoded"))
    assert read_header(io.BytesIO(before)).size_hw == (30, 20)
    assert read_header(io.BytesIO(behind)).size_hw == (20, 30)  # so do browsers show it


def test_what_is_no_image_is_said(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "text").write_text("no image")
    for path, reason in {"gone": "no such file", "pipe": "no such file", ".": "no such file", "text": "no image of a known format"}.items():
        with pytest.raises(DataError, match=reason):
            read_header(tmp_path / path)
        assert image_size(tmp_path / path) is None
    with pytest.raises(DataError, match="damaged image: .* decompression bomb"):
        read_header(io.BytesIO(bomb()))


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "PPM"]), st.data())
def test_no_damage_is_another_error(name, data):
    content = bytearray(encoded(name, exif=exif(6)) if name in ("JPEG", "PNG", "WEBP", "TIFF") else encoded(name))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, min(len(content) - 1, 200)))] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(1, len(content))) :]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            assert len(read_header(io.BytesIO(content)).size_hw) == 2
        except DataError as error:
            assert "\n" not in str(error)


def test_threads_leave_warnings_as_they_were():
    before, content = list(warnings.filters), encoded()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: read_header(io.BytesIO(content)), range(200)))
    assert warnings.filters == before


@pytest.mark.parametrize("name", ["photo.jpg", "photo.tif"])
@pytest.mark.parametrize(("declared", "num_faults"), [((30, 20), 0), ((20, 30), 1)])
def test_validate_and_import_agree_on_turned_photos(tmp_path, name, declared, num_faults):
    Image.fromarray(RAMP).save(tmp_path / name, exif=exif(6))
    image = {"id": 1, "file_name": name, "height": declared[0], "width": declared[1]}
    (tmp_path / "a.json").write_bytes(orjson.dumps({"images": [image], "annotations": [], "categories": []}))
    with open_source(tmp_path / "a.json", images=tmp_path) as source:
        assert validate_source(source).counts["image"] == num_faults
        if num_faults:
            with pytest.raises(DataError, match="expected 30 x 20 pixels in .*, got 20 x 30"):
                import_dataset(source, tmp_path / "out")
        else:
            import_dataset(source, tmp_path / "out")
