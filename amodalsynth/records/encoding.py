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
_COLOR_TYPE = {1: 0, 3: 2, 4: 6}  # channels -> PNG colour type
_HEAD = 16  # bytes: the longest input that ISA-L leaves to its careful loop
_BLOCK = tarfile.BLOCKSIZE


def encode_png(pixels: np.ndarray) -> bytes:
    """(h, w, 1, 3 or 4) uint8 grey, RGB or RGBA, straight alpha -> a PNG file."""
    height, width, channels = pixels.shape
    rows = pixels.reshape(height, width * channels)
    filtered = np.empty((height, 1 + width * channels), np.uint8)
    filtered[:, 0] = _UP
    filtered[:1, 1:] = rows[:1]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOR_TYPE[channels], 0, 0, 0)
    return b"".join((b"\x89PNG\r\n\x1a\n", _chunk(b"IHDR", header), _chunk(b"IDAT", _deflate(filtered.reshape(-1))), _chunk(b"IEND", b"")))


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


def _deflate(data: np.ndarray) -> bytes:
    """(n,) uint8 -> a zlib stream that depends on these bytes alone.

    The head goes into a block of its own, because ISA-L must not begin a stream with its fast loop: there it takes the third byte's place in
    the hash table from a register that still holds the address of the stream (ISA-L 2.32, `.write_first_byte` in igzip_icf_body_h1_gr_bt.asm),
    so one process in some hundreds found other matches than the rest. The careful loop encodes the head, the fast one goes on from there.
    That costs some 7 bytes a file and a twentieth of the deflating.
    """
    stream = isal_zlib.compressobj(1)
    head = (stream.compress(data[:_HEAD]), stream.flush(isal_zlib.Z_SYNC_FLUSH))
    return b"".join((*head, stream.compress(data[_HEAD:]), stream.flush()))


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
