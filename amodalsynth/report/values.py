"""Values of other people's files as the page may have them: JSON that every browser reads, whatever the file holds."""

from __future__ import annotations

from typing import Any

from amodalsynth.validate.block import is_number

_LONGEST_TEXT = 500  # characters
LARGEST_INTEGER = 1 << 53  # a number of JavaScript is exact up to here


def text_for_page(text: str) -> str:
    """The text with "?" in place of lone surrogates, which no UTF-8 file can hold; a very long one is cut, as browsers take minutes for its line."""
    return shortened(text, _LONGEST_TEXT).encode("utf-8", "replace").decode("utf-8")


def shortened(text: str, limit: int) -> str:
    """The text, or its beginning and an ellipsis where it has more than `limit` characters."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def id_for_page(value: Any) -> int | str | None:
    """An id or a name where it is an integer of at most 2**53 or a text, else None."""
    if isinstance(value, str):
        return text_for_page(value)
    return value if type(value) is int and abs(value) <= LARGEST_INTEGER else None


def declared_rate(value: Any) -> float | None:
    """A value that can be an occlusion rate, else None."""
    return value if is_number(value) and 0 <= value <= 1 else None


def declared_area(value: Any) -> float | None:
    """A value that can be an area, else None."""
    return value if is_number(value) and value >= 0 else None


def declared_box(value: Any) -> list[float] | None:
    """A value that can be a box [x, y, width, height], else None."""
    is_box = isinstance(value, list | tuple) and len(value) == 4 and all(map(is_number, value)) and min(value[2:]) >= 0
    return list(value) if is_box else None
