"""What the tests of image files share: small files in any format."""

import io
import zlib

import numpy as np
from PIL import Image

RAMP = np.linspace(0, 255, 20 * 30 * 3).astype(np.uint8).reshape(20, 30, 3)


def encoded(name="PNG", pixels=RAMP, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, name, **options)
    return file.getvalue()


def exif(orientation):
    values = Image.Exif()
    values[0x0112] = orientation
    return values


def bomb():
    """A PNG whose header says 60,000 x 60,000 pixels."""
    small = encoded("PNG", np.zeros((1, 1), np.uint8))
    header = small[:16] + (60_000).to_bytes(4, "big") * 2 + small[24:29]
    return header + zlib.crc32(header[12:29]).to_bytes(4, "big") + small[33:]
