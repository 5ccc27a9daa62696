"""Images, backgrounds and appearances of a data set, as the files they are or made smaller for the page.

Everything here may be called from several threads; Pillow drops the interpreter's lock while it decodes, resizes and encodes.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from PIL import Image, ImageOps

from amodalsynth.errors import DataError
from amodalsynth.imagefiles import MAX_PIXELS
from amodalsynth.importers.reading import UNREADABLE, open_picture, read_header
from amodalsynth.importers.source import SourceImage, SourceInstance
from amodalsynth.records.archives import Archives
from amodalsynth.records.layout import Layout
from amodalsynth.validate.block import is_number

MAX_BYTES = 64 << 20  # of a file

# By Pillow's names of formats; MPO is a JPEG that more pictures follow. What is read and not shown as it is, is decoded.
_SHOWN = {"JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}
_TURNED = frozenset({"JPEG", "MPO", "PNG"})  # of which Chromium heeds the EXIF orientation; WebP it shows as it is stored
_READ = frozenset({*_SHOWN, "AVIF", "BMP", "JPEG2000", "PPM", "TIFF"})
_THUMBNAIL_QUALITY = 70
_EFFORT = 2  # of WebP's 0 to 6: half the time of the default 4 for 3 % more bytes


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture: the bytes of a file, its media type ("image/png"), and the (height, width) in which a browser shows it."""

    content: bytes
    media_type: str
    size_hw: tuple[int, int]


class Pictures:
    """The picture files of one split; a context manager, as it keeps archives open.

    images: the folder that the names of images start from, None where it is not known. layout: of a data set in the layout of docs/format.md,
    which has backgrounds and appearances. What is absent, leads out of its folder, has more than `MAX_BYTES` bytes or `imagefiles.MAX_PIXELS`
    pixels, or is no image that can be read, is None.
    """

    def __init__(self, images: Path | None, layout: Layout | None, split: str) -> None:
        self._images = images
        self._backgrounds = layout and layout.backgrounds
        self._appearances = layout and layout.appearances(split)
        self._archives = Archives()

    def image(self, image: SourceImage) -> Picture | None:
        return self._read(self._images, image.file_name)

    def background(self, image: SourceImage) -> Picture | None:
        return self._read(self._backgrounds, _value(image.background, "file_name"))

    def appearance(self, instance: SourceInstance) -> Picture | None:
        """None also where `appearance.offset` is not [x, y] in integers, without which it has no place."""
        offset = _value(instance.appearance, "offset")
        if not isinstance(offset, list) or len(offset) != 2 or not all(type(value) is int and is_number(value) for value in offset):
            return None
        return self._read(self._appearances, _value(instance.appearance, "file_name"))

    def _read(self, base: Path | None, name: Any) -> Picture | None:
        if base is None:
            return None
        try:
            return _as_shown(self._archives.read(base, name, max_bytes=MAX_BYTES))
        except DataError:
            return None

    def close(self) -> None:
        self._archives.close()

    def __enter__(self) -> Pictures:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def encode_for_page(picture: Picture, *, largest: int, quality: int) -> Picture:
    """WebP of `quality` 0 to 100 with the longer side at most `largest` pixels (of WebP's 16,383), upright; alpha is kept without loss.

    A file that ends early, or is damaged otherwise behind its header, comes back as it is: browsers show what they can of it.
    """
    try:
        return _encode(_decode(picture.content, largest), "WEBP", quality=quality, method=_EFFORT)
    except DataError:
        return picture


def thumbnail(picture: Picture, side: int = 160) -> Picture:
    """What the gallery shows: the same with the longer side at most `side` pixels."""
    return encode_for_page(picture, largest=side, quality=_THUMBNAIL_QUALITY)


def data_url(picture: Picture) -> str:
    """The picture as a URL that holds it."""
    return f"data:{picture.media_type};base64,{base64.b64encode(picture.content).decode('ascii')}"


def _as_shown(content: bytes) -> Picture:
    """An image file as a picture that browsers show; `DataError` where that cannot be."""
    header = read_header(io.BytesIO(content))
    height, width = header.size_hw
    if height * width > MAX_PIXELS:
        raise DataError(f"expected at most {MAX_PIXELS >> 20} megapixels, got {width} x {height} pixels")
    if header.format in _SHOWN and (not header.turned or header.format in _TURNED):
        return Picture(content, _SHOWN[header.format], header.size_hw)
    if header.format not in _READ:
        raise DataError(f"expected one of {', '.join(sorted(_READ))}, got {header.format}")
    return _encode(_decode(content, max(height, width)), "PNG", compress_level=1)


def _decode(content: bytes, largest: int) -> Image.Image:
    """RGB or RGBA, upright, with the longer side at most `largest`; `DataError` for pixels that cannot be decoded."""
    with open_picture(io.BytesIO(content)) as picture:
        try:
            picture.draft(None, (2 * largest, 2 * largest))  # a JPEG may be decoded at a fraction of its size, if no smaller than that
            ImageOps.exif_transpose(picture, in_place=True)
            upright = _to_rgb(picture)
        except UNREADABLE as error:
            raise DataError(f"a damaged image: {error}") from None
    upright.thumbnail((largest, largest), Image.Resampling.HAMMING)
    return upright


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):  # 16-bit grey, which Pillow would clip at 255
        picture = picture.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    return picture.convert("RGBA" if picture.has_transparency_data else "RGB")


def _encode(picture: Image.Image, name: str, **options: int) -> Picture:
    """A file of Pillow's format `name`, of the pixels alone."""
    picture.info.clear()  # a colour profile could be larger than all the rest
    file = io.BytesIO()
    picture.save(file, name, **options)
    return Picture(file.getvalue(), _SHOWN[name], (picture.height, picture.width))


def _value(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None
