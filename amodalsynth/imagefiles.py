"""Image files to arrays: named formats only, a cap on pixels, and one kind of error for whatever is wrong with a file."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from amodalsynth.errors import AssetError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
MAX_PIXELS = 64 * 1024 * 1024

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")


def read_image(path: Path) -> np.ndarray:
    """Read an image file, turned upright by its EXIF orientation.

    Returns (h, w, 4) uint8 RGBA with straight alpha if the file has an alpha channel or a transparent colour, else (h, w, 3) uint8 RGB;
    grey, 16-bit, CMYK and palette images are converted, of an animation the first frame is taken. The array is contiguous and writeable.

    Raises `AssetError` with the reason alone (the caller names the file) for a file that is missing, empty, truncated, damaged, larger
    than `MAX_PIXELS`, or no image of the formats JPEG, PNG, WebP, BMP and TIFF.
    """
    try:
        if not path.stat().st_size:
            raise AssetError("the file is empty")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata; the size is checked below
            with Image.open(path, formats=_FORMATS) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise AssetError(f"{picture.width} x {picture.height} pixels, expected at most {MAX_PIXELS >> 20} megapixels")
                upright = ImageOps.exif_transpose(picture)
                return np.array(_to_rgb(upright))
    except AssetError:
        raise
    except UnidentifiedImageError:
        raise AssetError("no image in JPEG, PNG, WebP, BMP or TIFF format") from None
    except Image.DecompressionBombError:
        raise AssetError(f"expected at most {MAX_PIXELS >> 20} megapixels, got far more") from None
    except OSError as error:
        raise AssetError(f"the image cannot be read: {error.strerror or error}") from None
    except (ValueError, SyntaxError, TypeError, IndexError, KeyError, EOFError, OverflowError, MemoryError, struct.error) as error:
        # What Pillow's parsers let through for damaged headers and metadata.
        raise AssetError(f"the image is damaged: {error}") from None


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode == "F":
        raise AssetError("the pixels are floating-point numbers; save the image with 8 bits a channel")
    if picture.mode.startswith("I"):  # 16-bit grey, which Pillow would clip at 255 instead of scaling
        picture = Image.fromarray((np.asarray(picture).clip(0, 0xFFFF) >> 8).astype(np.uint8))
    return picture.convert("RGBA" if picture.has_transparency_data else "RGB")
