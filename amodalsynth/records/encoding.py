"""Pixels to bytes: PNG, JPEG and WebP files, and tar archives, each written the fastest way that keeps the promise.

The PNG writer is our own because deflating is most of a generator's time: one filter for all rows and ISA-L's deflate are some twenty times
as fast as the usual libraries at about the same size. Any reader opens the files.
"""

from __future__ import annotations

import io
import struct
import tarfile
import zlib
from typing import BinaryIO

import numpy as np
import simplejpeg
from isal import isal_zlib

IMAGE_FORMATS = ("jpg", "png", "webp")

_UP = 2  # PNG filter type: each byte minus the one above it
_COLOR_TYPE = {3: 2, 4: 6}  # channels -> PNG colour type
_BLOCK = tarfile.BLOCKSIZE


def encode_png(pixels: np.ndarray) -> bytes:
    """(h, w, 3 or 4) uint8 RGB or RGBA, straight alpha -> a PNG file."""
    height, width, channels = pixels.shape
    rows = pixels.reshape(height, width * channels)
    filtered = np.empty((height, 1 + width * channels), np.uint8)
    filtered[:, 0] = _UP
    filtered[:1, 1:] = rows[:1]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOR_TYPE[channels], 0, 0, 0)
    compressed = isal_zlib.compress(filtered, 1)
    return b"".join((b"\x89PNG\r\n\x1a\n", _chunk(b"IHDR", header), _chunk(b"IDAT", compressed), _chunk(b"IEND", b"")))


def encode_image(image: np.ndarray, image_format: str, *, jpeg_quality: int = 95, jpeg_chroma: str = "444") -> bytes:
    """(H, W, 3) uint8 RGB -> a file in one of `IMAGE_FORMATS`; png and webp are lossless, jpg has full ("444") or halved ("420") chroma."""
    if image_format == "jpg":
        return simplejpeg.encode_jpeg(image, quality=jpeg_quality, colorspace="RGB", colorsubsampling=jpeg_chroma)
    if image_format == "png":
        return encode_png(image)
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "webp", lossless=True, quality=0, method=0)
    return buffer.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return b"".join((struct.pack(">I", len(data)), kind, data, struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))))


class TarWriter:
    """Writes plain files into an uncompressed tar archive, with no owner and no time.

    Takes one header from `tarfile` and changes name, size and checksum in it, which costs a tenth of making each anew.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._header = bytearray(tarfile.TarInfo("").tobuf(tarfile.USTAR_FORMAT))
        self._header[148:156] = b" " * 8

    def add(self, name: str, content: bytes) -> None:
        """Append a file; `name` is ASCII and at most 100 characters."""
        header = self._header
        header[0:100] = name.encode("ascii").ljust(100, b"\0")
        header[124:136] = b"%011o\0" % len(content)
        checksum = b"%06o\0 " % sum(header)
        self._file.write(header[:148] + checksum + header[156:])
        self._file.write(content)
        self._file.write(bytes(-len(content) % _BLOCK))

    def close(self) -> None:
        """Write the end of the archive; the file itself stays open."""
        self._file.write(bytes(-(self._file.tell() + 2 * _BLOCK) % tarfile.RECORDSIZE + 2 * _BLOCK))
