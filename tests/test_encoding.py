"""Encoding: our PNG and tar files read back by others to the bit."""

import io
import tarfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from amodalsynth.records.encoding import IMAGE_FORMATS, TarWriter, encode_image, encode_png
from tests.strategies import disc


@settings(deadline=None, max_examples=60)
@given(st.sampled_from([3, 4]).flatmap(lambda c: hnp.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20), st.just(c)))))
def test_png_round_trip(pixels):
    with Image.open(io.BytesIO(encode_png(pixels))) as picture:
        picture.load()
        assert (np.asarray(picture) == pixels).all()


@pytest.mark.parametrize("image_format", IMAGE_FORMATS)
def test_image_formats(image_format):
    image = np.ascontiguousarray(disc(90, 70, (200, 120, 60))[..., :3])
    with Image.open(io.BytesIO(encode_image(image, image_format))) as picture:
        assert picture.format == {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}[image_format]
        difference = np.abs(np.asarray(picture.convert("RGB")).astype(int) - image)
    assert difference.mean() < 2 if image_format == "jpg" else difference.max() == 0


@settings(deadline=None, max_examples=30)
@given(st.lists(st.binary(max_size=2000), max_size=8))
def test_tar_round_trip(contents):
    buffer = io.BytesIO()
    writer = TarWriter(buffer)
    for i, content in enumerate(contents):
        writer.add(f"{i:09d}.0.png", content)
    writer.close()
    assert len(buffer.getvalue()) % tarfile.RECORDSIZE == 0
    with tarfile.open(fileobj=io.BytesIO(buffer.getvalue())) as archive:
        members = archive.getmembers()
        assert [archive.extractfile(member).read() for member in members] == contents
        assert all((m.mtime, m.uid, m.gid, m.uname, m.gname) == (0, 0, 0, "", "") and m.isfile() for m in members)
