"""One scan of a COCO file into byte offsets per image; everything that reads annotations goes through it.

A COCO file of a gigabyte makes five gigabytes of dictionaries. `CocoIndex` keeps where each image and annotation stands in the file,
a few integers each, and parses those of one image when they are asked for. The scan reads the file in chunks: it finds quotes and brackets,
leaves out what stands inside strings, and counts how deep the brackets nest. The file is {"images": [{...}, ...], ...}, so arrays
at depth 2 are top-level values and objects at depth 3 are their elements. What lies around the arrays and every element is
then parsed as JSON once, so a file that opens is whole.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import orjson

from amodalsynth.errors import ConfigurationError, DataError
from amodalsynth.files import replacing
from amodalsynth.rng import SPLITS

CHUNK_BYTES = 1 << 18  # the scan's arrays then stay in the processor's cache; larger chunks are slower
_BATCH_BYTES = 1 << 15  # objects parsed at a time: enough to be quick, few enough for the cache and the garbage collector
_CACHE_VERSION = 1
_QUOTE, _BACKSLASH, _OPEN_ARRAY = b'"'[0], b"\\"[0], b"["[0]
_INT64 = np.iinfo(np.int64)


@dataclass(frozen=True, slots=True)
class _Spans:
    """Where values begin (their bracket) and end (one past their bracket): (N,) int64 bytes each."""

    begin: np.ndarray
    end: np.ndarray

    def within(self, begin: int, end: int) -> _Spans:
        inside = slice(*np.searchsorted(self.begin, [begin, end]))
        return _Spans(self.begin[inside], self.end[inside])

    def take(self, order: np.ndarray) -> _Spans:
        return _Spans(self.begin[order], self.end[order])


class _Scanner:
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

    def finish(self) -> tuple[_Spans, _Spans, str]:
        """The arrays, the elements, and what is still open where the file ends ("" where nothing is)."""
        found = {name: np.concatenate(parts) if parts else np.zeros(0, np.int64) for name, parts in self._found.items()}
        unclosed = "a string" if self._in_string else f"{self._depth} brackets" if self._depth > 0 else ""
        begin, ends = found["array begin"], found["array end"]
        # Objects end at the same depth as arrays do; the end of an array is the first that follows its begin.
        which = np.searchsorted(ends, begin, side="right")
        arrays = _Spans(begin[which < len(ends)], ends[which[which < len(ends)]])
        count = min(len(found["element begin"]), len(found["element end"]))
        return arrays, _Spans(found["element begin"][:count], found["element end"][:count]), unclosed


class _Document:
    """A file in memory-mapped bytes, and its faults told by byte offset."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                self.size, self.mtime_ns = status.st_size, status.st_mtime_ns
                if not self.size:
                    raise self.fault(0, "expected a JSON object with 'images' and 'annotations', got an empty file")
                self.bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise DataError(f"{path}: expected a readable COCO file, got: {error.strerror or error}") from None

    def fault(self, offset: int, what: str) -> DataError:
        return DataError(f"{self.path}, byte {offset}: {what}")

    def parse(self, *pieces: bytes | tuple[int, int]) -> Any:
        """Parse the concatenation of `pieces`: spans of the file, and bytes that stand for what is left out."""
        parts = [piece if isinstance(piece, bytes) else self.bytes[piece[0] : piece[1]] for piece in pieces]
        try:
            return orjson.loads(b"".join(parts))
        except orjson.JSONDecodeError as error:
            left = len(error.doc[: error.pos].encode())
            offset = 0
            for piece, part in zip(pieces, parts, strict=True):
                if isinstance(piece, tuple):
                    offset = piece[0] + min(left, len(part))
                if left < len(part):
                    break
                left -= len(part)
            raise self.fault(offset, f"expected JSON, got a fault: {error.msg.split(': line')[0]}") from None

    def batches(self, name: str, array: tuple[int, int], elements: _Spans) -> Iterator[list[dict]]:
        """The elements of an array as parsed objects, some at a time; together they cover every byte of the array."""
        done, end = 0, array[0]
        while True:
            last = max(done + 1, int(np.searchsorted(elements.end, end + _BATCH_BYTES)))
            final = last >= len(elements.end)
            span = (end, array[1] if final else int(elements.end[last - 1]))
            head, tail = b"" if done == 0 else b"[0", b"" if final else b"]"
            values = self.parse(head, span, tail)[1 if done else 0 :]
            if len(values) != min(last, len(elements.end)) - done or not all(type(value) is dict for value in values):
                strange = next((i for i, value in enumerate(values) if type(value) is not dict), 0)
                raise self.fault(span[0], f"{name}[{done + strange}]: expected an object, got {str(values[strange])[:60]}")
            yield values
            if final:
                return
            done, end = last, span[1]

    def integers(self, name: str, array: tuple[int, int], elements: _Spans, keys: tuple[str, ...]) -> np.ndarray:
        """(keys, N) int64: the integer that each element has under each of `keys`."""
        result = np.empty((len(keys), len(elements.begin)), np.int64)
        done = 0
        for batch in self.batches(name, array, elements):
            for row, key in zip(result, keys, strict=True):
                values = [value.get(key) for value in batch]
                if set(map(type, values)) - {int} or (values and not _INT64.min <= min(values) <= max(values) <= _INT64.max):
                    i = next(i for i, v in enumerate(values) if type(v) is not int or not _INT64.min <= v <= _INT64.max)
                    got = repr(values[i])[:60] if key in batch[i] else "no such key"
                    what = f"{name}[{done + i}]: expected an integer '{key}' of 64 bits, got {got}"
                    raise self.fault(int(elements.begin[done + i]), what)
                row[done : done + len(batch)] = values
            done += len(batch)
        return result


class CocoIndex:
    """Random access to the images of a COCO file, k from 0 in file order, without holding the file in memory.

    header: every top-level value but `images` and `annotations`. image_ids (num_images,) int64, in file order. Use it as a context
    manager, or `close` it. `DataError` names the file, the place and the fault, from `open` on as the whole file is checked there.
    """

    def __init__(
        self, document: _Document, header: dict[str, Any], images: _Spans, image_ids: np.ndarray, annotations: _Spans, split: np.ndarray
    ):
        self._document = document
        self.header = header
        self.image_ids = image_ids
        self._images = images
        self._annotations = annotations  # those of image k are split[k]:split[k + 1]
        self._split = split
        self._by_id = np.argsort(image_ids)

    @classmethod
    def open(cls, path: Path, *, cache: Path | None = None, chunk_bytes: int = CHUNK_BYTES) -> CocoIndex:
        """Index the COCO file at `path`, read `chunk_bytes` at a time.

        With `cache`, the index is kept in that file and used again while the size and modification time of the COCO file stay the
        same; a cache that is stale, damaged or cannot be written is no error.
        """
        document = _Document(Path(path))
        try:
            if cache is not None and (cached := _load_cache(cache, document)) is not None:
                return cls(document, *cached)
            index = cls(document, *_build(document, chunk_bytes))
        except BaseException:
            document.bytes.close()
            raise
        if cache is not None:
            index._save_cache(cache)
        return index

    @property
    def path(self) -> Path:
        return self._document.path

    @property
    def categories(self) -> list[dict]:
        """The categories as the file has them; none where it has no such key."""
        return self.header.get("categories", [])

    @property
    def num_images(self) -> int:
        return len(self.image_ids)

    @property
    def num_annotations(self) -> int:
        return len(self._annotations.begin)

    def position_of(self, image_id: int) -> int:
        """The k of the image with this id; `DataError` where there is none."""
        place = int(np.searchsorted(self.image_ids, image_id, sorter=self._by_id))
        if place == self.num_images or self.image_ids[self._by_id[place]] != image_id:
            raise DataError(f"{self.path}: no image has id {image_id}")
        return int(self._by_id[place])

    def raw_image(self, k: int) -> bytes:
        """The JSON text of image k."""
        k = range(self.num_images)[k]
        return self._document.bytes[self._images.begin[k] : self._images.end[k]]

    def raw_annotations(self, k: int) -> list[bytes]:
        """The JSON texts of the annotations of image k, in file order."""
        return [self._document.bytes[begin:end] for begin, end in self._annotation_spans(k)]

    def image(self, k: int) -> dict[str, Any]:
        """Image k, parsed."""
        k = range(self.num_images)[k]
        return self._document.parse((int(self._images.begin[k]), int(self._images.end[k])))

    def annotations(self, k: int) -> list[dict[str, Any]]:
        """The annotations of image k, parsed, in file order."""
        return [self._document.parse(span) for span in self._annotation_spans(k)]

    def _annotation_spans(self, k: int) -> list[tuple[int, int]]:
        k = range(self.num_images)[k]
        those = slice(self._split[k], self._split[k + 1])
        return list(zip(self._annotations.begin[those].tolist(), self._annotations.end[those].tolist(), strict=True))

    def close(self) -> None:
        self._document.bytes.close()

    def __enter__(self) -> CocoIndex:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _save_cache(self, cache: Path) -> None:
        arrays = {
            "key": _cache_key(self._document),
            "header": np.frombuffer(orjson.dumps(self.header), np.uint8),
            "image_begin": self._images.begin,
            "image_end": self._images.end,
            "image_ids": self.image_ids,
            "annotation_begin": self._annotations.begin,
            "annotation_end": self._annotations.end,
            "split": self._split,
        }
        with contextlib.suppress(OSError), replacing(cache, durable=False) as file:
            np.savez(file, **arrays)


def _build(document: _Document, chunk_bytes: int) -> tuple[dict[str, Any], _Spans, np.ndarray, _Spans, np.ndarray]:
    """Scan, check and group: header, images, image ids, annotations sorted by image, and where each image's begin."""
    scanner = _Scanner()
    for offset in range(0, document.size, chunk_bytes):
        scanner.feed(document.bytes[offset : offset + chunk_bytes])
    arrays, elements, unclosed = scanner.finish()
    if not document.bytes[:4096].lstrip(b" \t\r\n").startswith(b"{"):
        raise document.fault(0, f"expected a JSON object with 'images' and 'annotations', got {document.bytes[:20]!r}")
    if unclosed:
        raise document.fault(
            document.size, f"expected the end of the JSON object, got the end of the file inside {unclosed}: is it truncated?"
        )
    header, own = _parse_header(document, arrays)

    image_spans = elements.within(*own["images"])
    (image_ids,) = document.integers("images", own["images"], image_spans, ("id",))
    by_id = np.argsort(image_ids, kind="stable")
    _refuse_duplicates(document, "image", image_ids, by_id, image_spans)

    spans = elements.within(*own["annotations"])
    annotation_ids, owners = document.integers("annotations", own["annotations"], spans, ("id", "image_id"))
    _refuse_duplicates(document, "annotation", annotation_ids, np.argsort(annotation_ids, kind="stable"), spans)
    place = np.searchsorted(image_ids, owners, sorter=by_id)
    known = place < len(image_ids)
    known[known] = image_ids[by_id[place[known]]] == owners[known]
    if not known.all():
        i = int(np.argmin(known))
        raise document.fault(
            int(spans.begin[i]), f"annotation {annotation_ids[i]}: expected the id of an image of this file, got image_id {owners[i]}"
        )
    position = by_id[place]
    order = np.argsort(position, kind="stable")
    split = np.searchsorted(position[order], np.arange(len(image_ids) + 1))
    return header, image_spans, image_ids, spans.take(order), split


def _parse_header(document: _Document, arrays: _Spans) -> tuple[dict[str, Any], dict[str, tuple[int, int]]]:
    """The top-level values but images and annotations, and the spans of those two."""
    spans = list(zip(arrays.begin.tolist(), arrays.end.tolist(), strict=True))
    pieces: list[bytes | tuple[int, int]] = []
    end = 0
    for i, span in enumerate(spans):
        pieces += [(end, span[0]), b"[%d]" % i]  # in its place, the number of the array
        end = span[1]
    header = document.parse(*pieces, (end, document.size))
    if sum(isinstance(value, list) for value in header.values()) != len(spans):
        raise document.fault(0, "expected every key to stand once, got a top-level array whose key comes twice")
    own: dict[str, tuple[int, int]] = {}
    for key, value in header.items():
        if isinstance(value, list) and key in ("images", "annotations"):
            own[key] = spans[value[0]]
        elif isinstance(value, list):
            header[key] = document.parse(spans[value[0]])
    for key in ("images", "annotations"):
        if key not in own:
            got = type(header[key]).__name__ if key in header else f"the keys {', '.join(sorted(header))[:200] or '(none)'}"
            raise document.fault(0, f"expected a COCO file with an array '{key}', got {got}")
        del header[key]
    return header, own


def _refuse_duplicates(document: _Document, kind: str, ids: np.ndarray, order: np.ndarray, spans: _Spans) -> None:
    again = np.flatnonzero(np.diff(ids[order]) == 0)
    if len(again):
        i = int(order[again[0] + 1])
        raise document.fault(int(spans.begin[i]), f"expected every {kind} to have an id of its own, got id {ids[i]} twice")


def _cache_key(document: _Document) -> np.ndarray:
    return np.array([_CACHE_VERSION, document.size, document.mtime_ns], np.int64)


def _load_cache(cache: Path, document: _Document) -> tuple[dict[str, Any], _Spans, np.ndarray, _Spans, np.ndarray] | None:
    try:
        with np.load(cache, allow_pickle=False) as stored:
            if not np.array_equal(stored["key"], _cache_key(document)):
                return None
            images = _Spans(stored["image_begin"], stored["image_end"])
            annotations = _Spans(stored["annotation_begin"], stored["annotation_end"])
            return orjson.loads(stored["header"].tobytes()), images, stored["image_ids"], annotations, stored["split"]
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return None


def find_coco_files(path: Path, split: str = "all") -> dict[str, Path]:
    """The COCO files of a data set folder by split, in the order train, val, test; or the one file that `path` is.

    A folder has them where COCO's own releases do: annotations/instances_<split>.json. A single file goes by its split where it is
    called that, else by its stem. `DataError` where there is none.
    """
    path = Path(path)
    if path.is_file():
        if split != "all":
            raise ConfigurationError(f"{path}: --split {split} chooses from a data set's folder, got a single file; leave it out")
        return {path.stem.removeprefix("instances_"): path}
    wanted = SPLITS if split == "all" else (split,)
    found = {name: file for name in wanted if (file := path / "annotations" / f"instances_{name}.json").is_file()}
    if not found:
        wanted_files = f"annotations/instances_{'|'.join(wanted)}.json"
        raise DataError(f"{path}: expected a COCO file, or a folder with {wanted_files}, found neither; `amodalsynth generate` makes one")
    return found
