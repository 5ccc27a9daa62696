"""What the formats share: small files read whole, names that stay below their folder, sizes from the headers of image files."""

from __future__ import annotations

import struct
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import orjson
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import IMAGELENGTH, IMAGEWIDTH, TiffImageFile

from amodalsynth.errors import DataError
from amodalsynth.records.archives import stays_within

MAX_BYTES = 1 << 28  # of a file that is read whole; those with more go through `CocoIndex`
UNREADABLE = (  # what Pillow raises for damaged files
    *(OSError, EOFError, ValueError, TypeError, SyntaxError, LookupError, ArithmeticError, MemoryError, RuntimeError, struct.error),
    Image.DecompressionBombError,
)
_ORIENTATION = 0x0112  # of EXIF; with the values of it that change the picture, and those that swap width and height
_TURNS, _QUARTER_TURNS = range(2, 9), range(5, 9)
_TIFF_SIZE = (IMAGEWIDTH, IMAGELENGTH)
_SILENCE = threading.Lock()


def read_json(path: Path) -> Any:
    """The value of a JSON file of at most `MAX_BYTES`; `DataError` where it is larger, unreadable or no JSON."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise DataError(f"{path}: expected a file of at most {MAX_BYTES >> 20} MiB, got {size >> 20} MiB; split it")
        return orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise DataError(f"{path}: expected JSON, got a fault: {error}") from None
    except OSError as error:
        raise DataError(f"{path}: expected a readable file, got: {error.strerror or error}") from None


def below(root: Path, name: Any, where: str) -> Path:
    """The file `name` below the folder `root`; `DataError` where the name leads out of it."""
    if not isinstance(name, str) or not name or "\0" in name:
        raise DataError(f"{where}: expected the name of an image file, got {str(name)[:60]!r}")
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or pure == PurePosixPath("."):
        raise DataError(f"{where}: expected a file name below {root}, got {name[:200]!r}; name the folder of the images with --image-root")
    return root / pure


def refuse_links_out(root: Path, path: Path, where: str) -> None:
    """`DataError` where a link on the way to `path` leads out of the folder `root`."""
    if not stays_within(root, path):
        raise DataError(f"{where}: expected a file below {root}, got {str(path)[:200]!r}, which leads out of it by a link")


def is_file(path: Path) -> bool:
    """Whether there is a file, also for names that no file can have."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What an image file says of itself.

    format: Pillow's name of it ("JPEG"). size_hw: (height, width) turned upright by the EXIF orientation. turned: whether that differs from
    how the pixels are stored, also where it turns by 180 degrees or mirrors.
    """

    format: str
    size_hw: tuple[int, int]
    turned: bool


def open_picture(source: Path | BinaryIO) -> Image.Image:
    """An image file of which the header has been read, and the pixels not yet; a context manager. Several threads may call it.

    `DataError` with the reason alone, as the caller knows the name. `ImageOps.exif_transpose` turns upright what it gives.
    """
    try:
        with _SILENCE, warnings.catch_warnings():  # which is one for all threads, so no two of them may be in it
            warnings.simplefilter("ignore")  # of odd metadata and large sizes, which are checked by whoever decodes
            picture = Image.open(source)
            _orientation(picture)  # Pillow keeps the values, and warns of them only now
            return picture
    except UnidentifiedImageError:
        raise DataError("no image of a known format") from None
    except UNREADABLE as error:
        raise DataError(f"a damaged image: {error}") from None


def read_header(source: Path | BinaryIO) -> ImageHeader:
    """The header of an image file, of which no pixel is decoded; `DataError` with the reason alone. Several threads may call it."""
    if isinstance(source, Path) and not is_file(source):
        raise DataError("no such file")
    with open_picture(source) as picture:
        # Some versions of Pillow give the size of a TIFF upright and others as it is stored; its tags hold the latter.
        width, height = (picture.tag_v2[tag] for tag in _TIFF_SIZE) if isinstance(picture, TiffImageFile) else picture.size
        orientation = _orientation(picture)
        size_hw = (width, height) if orientation in _QUARTER_TURNS else (height, width)
        return ImageHeader(picture.format, size_hw, orientation in _TURNS)


def _orientation(picture: Image.Image) -> int | None:
    """The EXIF orientation; None of a PNG without one before its pixels, as Pillow would decode these to look behind them."""
    if picture.format == "PNG" and "exif" not in picture.info:
        return None
    return picture.getexif().get(_ORIENTATION)


def image_size(path: Path) -> tuple[int, int] | None:
    """(height, width) in an image file's header, turned upright by its EXIF orientation; None where the file is missing or no image."""
    try:
        return read_header(path).size_hw
    except DataError:
        return None


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)
