"""What the formats share: small files read whole, names that stay below their folder, sizes from the headers of image files."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path, PurePosixPath
from typing import Any

import orjson
from PIL import Image

from amodalsynth.errors import DataError

_ORIENTATION, _QUARTER_TURNS = 0x0112, range(5, 9)  # of EXIF: the tag, and its values that swap width and height
MAX_BYTES = 1 << 28  # of a file that is read whole; those with more go through `CocoIndex`


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
    try:
        inside = path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # a name that is too long, a circle of links
        inside = False
    if not inside:
        raise DataError(f"{where}: expected a file below {root}, got {str(path)[:200]!r}, which leads out of it by a link")


def is_file(path: Path) -> bool:
    """Whether there is a file, also for names that no file can have."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def image_size(path: Path) -> tuple[int, int] | None:
    """(height, width) in an image file's header, turned upright by its EXIF orientation; None where the file is missing or no image."""
    if not is_file(path):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata and large sizes, which are checked by whoever decodes
            with Image.open(path) as picture:
                turned = picture.getexif().get(_ORIENTATION) in _QUARTER_TURNS
                return (picture.width, picture.height) if turned else (picture.height, picture.width)
    except (OSError, ValueError, SyntaxError, TypeError, struct.error, Image.DecompressionBombError):
        return None


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)
