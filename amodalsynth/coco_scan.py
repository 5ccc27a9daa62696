"""Where the top-level arrays of a JSON file and their elements begin and end, found by one scan for quotes and brackets in chunks of bytes.

It leaves out what stands inside strings, and counts how deep the brackets nest: in {"images": [{...}, ...], ...}, arrays at depth 2 are
top-level values and objects at depth 3 are their elements.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_QUOTE, _BACKSLASH, _OPEN_ARRAY = b'"'[0], b"\\"[0], b"["[0]


@dataclass(frozen=True, slots=True)
class Spans:
    """Where values begin (their bracket) and end (one past their bracket): (N,) int64 bytes each."""

    begin: np.ndarray
    end: np.ndarray

    def within(self, begin: int, end: int) -> Spans:
        inside = slice(*np.searchsorted(self.begin, [begin, end]))
        return Spans(self.begin[inside], self.end[inside])

    def take(self, order: np.ndarray) -> Spans:
        return Spans(self.begin[order], self.end[order])


class Scanner:
    """Finds the spans of top-level arrays and of the elements in them; fed with chunks, it keeps its state from one to the next."""

    def __init__(self) -> None:
        self._offset = 0
        self._escaped = False  # the next byte follows a backslash that escapes it
        self._in_string = 0
        self._depth = 0
        self._found: dict[str, list[np.ndarray]] = {"array begin": [], "array end": [], "element begin": [], "element end": []}

    def feed(self, chunk: bytes) -> None:
        text = np.frombuffer(chunk, np.uint8)
        quote = text == _QUOTE
        self._drop_escaped(text, quote)
        bracket = text | 0x20  # "[" and "{" differ by this bit alone, as do "]" and "}"
        position = np.flatnonzero(quote | (bracket == 0x7B) | (bracket == 0x7D))
        is_quote = quote[position]
        inside = np.cumsum(is_quote, dtype=np.uint8) + np.uint8(self._in_string) & 1
        if len(inside):
            self._in_string = int(inside[-1])
        position = position[~is_quote & (inside == 0)]
        opens = bracket[position] == 0x7B
        depth = np.cumsum(np.where(opens, 1, -1)) + self._depth
        if len(depth):
            self._depth = int(depth[-1])
        outer = depth <= 3
        position, opens, depth = position[outer], opens[outer], depth[outer]
        where = position + self._offset
        self._found["array begin"].append(where[opens & (depth == 2) & (text[position] == _OPEN_ARRAY)])
        self._found["array end"].append(where[~opens & (depth == 1)] + 1)
        self._found["element begin"].append(where[opens & (depth == 3)])
        self._found["element end"].append(where[~opens & (depth == 2)] + 1)
        self._offset += len(chunk)

    def _drop_escaped(self, text: np.ndarray, quote: np.ndarray) -> None:
        """Clear escaped quotes: in a run of backslashes, every other one escapes what follows it, counted from the first."""
        if self._escaped:
            quote[0] = False
        backslash = np.flatnonzero(text == _BACKSLASH)
        if not len(backslash):
            self._escaped = False
            return
        starts = np.diff(backslash, prepend=-2) != 1
        first = backslash[starts]
        if self._escaped and first[0] == 0:
            first[0] = -1
        place = backslash - first[np.cumsum(starts) - 1]
        escaped = backslash[place % 2 == 0] + 1
        self._escaped = bool(len(escaped)) and int(escaped[-1]) == len(text)
        quote[escaped[:-1] if self._escaped else escaped] = False

    def finish(self) -> tuple[Spans, Spans, str]:
        """The arrays, the elements, and what is still open where the file ends ("" where nothing is)."""
        found = {name: np.concatenate(parts) if parts else np.zeros(0, np.int64) for name, parts in self._found.items()}
        unclosed = "a string" if self._in_string else f"{self._depth} brackets" if self._depth > 0 else ""
        begin, ends = found["array begin"], found["array end"]
        # Objects end at the same depth as arrays do; the end of an array is the first that follows its begin.
        which = np.searchsorted(ends, begin, side="right")
        arrays = Spans(begin[which < len(ends)], ends[which[which < len(ends)]])
        count = min(len(found["element begin"]), len(found["element end"]))
        return arrays, Spans(found["element begin"][:count], found["element end"][:count]), unclosed
