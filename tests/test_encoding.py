"""Encoding: our PNG and tar files read back by others to the bit."""

import io
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from amodalsynth.records.encoding import IMAGE_FORMATS, TarWriter, encode_image, encode_png
from tests.strategies import disc


@settings(deadline=None, max_examples=60)
@given(st.sampled_from([1, 3, 4]).flatmap(lambda c: hnp.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20), st.just(c)))))
def test_png_round_trip(pixels):
    with Image.open(io.BytesIO(encode_png(pixels))) as picture:
        picture.load()
        assert (np.asarray(picture).reshape(pixels.shape) == pixels).all()


@pytest.mark.parametrize("levels", [1, 3, 256])
@pytest.mark.parametrize("shape", [(1, 5, 3), (1, 4, 4), (4, 4, 4), (148, 147, 3), (147, 149, 3), (200, 300, 4), (350, 320, 3)])
def test_png_round_trip_around_the_sizes_of_the_deflaters_buffers(shape, levels):
    pixels = np.random.default_rng(0).integers(0, levels, shape, dtype=np.uint8)
    with Image.open(io.BytesIO(encode_png(pixels))) as picture:
        assert (np.asarray(picture) == pixels).all()


def test_png_bytes_do_not_depend_on_memory_addresses():
    """Threads that live at once have stacks of their own, where ISA-L alone writes other bytes for some of these small images."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 2, (1, width, 4), dtype=np.uint8) for width in range(5, 12) for _ in range(60)]
    barrier = threading.Barrier(64)

    def encode(_):
        barrier.wait()
        return [encode_png(image) for image in images]

    with ThreadPoolExecutor(64) as threads:
        first, *others = threads.map(encode, range(64))
    assert all(other == first for other in others)


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
