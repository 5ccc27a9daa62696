"""Values of other people's files as the page may have them: JSON that every browser reads, whatever the file holds."""

from __future__ import annotations

from typing import Any

_LARGEST_INTEGER = 1 << 53  # a number of JavaScript is exact up to here


def text_for_page(text: str) -> str:
    """The text with "?" in place of lone surrogates, which no UTF-8 file can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def id_for_page(value: Any) -> int | str | None:
    """An id or a name where it is an integer of at most 2**53 or a text, else None."""
    if isinstance(value, str):
        return text_for_page(value)
    return value if type(value) is int and abs(value) <= _LARGEST_INTEGER else None
