"""One scan of a COCO file into byte offsets per image; everything that reads annotations goes through it.

A COCO file of a gigabyte makes five gigabytes of dictionaries. `CocoIndex` keeps where each image and annotation stands in the file,
a few integers each, and parses those of one image when they are asked for. The scan (`coco_scan`) reads the file in chunks. What lies around the
arrays and every element is then parsed as JSON once, so a file that opens is whole.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import orjson

from amodalsynth.coco_scan import Scanner, Spans
from amodalsynth.errors import ConfigurationError, DataError
from amodalsynth.files import replacing
from amodalsynth.rng import SPLITS

CHUNK_BYTES = 1 << 18  # the scan's arrays then stay in the processor's cache; larger chunks are slower
_BATCH_BYTES = 1 << 15  # objects parsed at a time: enough to be quick, few enough for the cache and the garbage collector
_CACHE_VERSION = 1
_INT64 = np.iinfo(np.int64)
_STAND_INS = _INT64.min + (1 << 62)  # what stands for a value that is no integer is below

OnFault = Callable[[str, str, str], None]  # the kind of fault ("id", "reference"), where it is, and what is wrong


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

    def check_whole(self) -> None:
        """`DataError` where the file has been cut since it was opened: reading what is gone from mapped memory would end the process."""
        if self.bytes.size() < self.size:
            raise DataError(
                f"{self.path}: expected {self.size} bytes, as when it was opened, got {self.bytes.size()}: was it written anew?"
            )

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

    def batches(self, name: str, array: tuple[int, int], elements: Spans) -> Iterator[list[dict]]:
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

    def integers(
        self, name: str, array: tuple[int, int], elements: Spans, keys: tuple[str, ...], on_fault: OnFault | None = None
    ) -> np.ndarray:
        """(keys, N) int64: the integer that each element has under each of `keys`.

        With `on_fault`, a value that is none is told; 1.0 stands for 1 then, and anything else as a number below `_STAND_INS`, of its own.
        """
        result = np.empty((len(keys), len(elements.begin)), np.int64)
        done = 0
        for batch in self.batches(name, array, elements):
            for column, (row, key) in enumerate(zip(result, keys, strict=True)):
                values = [value.get(key) for value in batch]
                if set(map(type, values)) - {int} or (values and not _INT64.min <= min(values) <= max(values) <= _INT64.max):
                    for i in [i for i, v in enumerate(values) if type(v) is not int or not _INT64.min <= v <= _INT64.max]:
                        place = f"{name}[{done + i}]"
                        got = repr(values[i])[:60] if key in batch[i] else "no such key"
                        what = f"expected an integer '{key}' of 64 bits, got {got}"
                        if on_fault is None:
                            raise self.fault(int(elements.begin[done + i]), f"{place}: {what}")
                        whole = type(values[i]) is float and values[i].is_integer() and abs(values[i]) < 1 << 53
                        on_fault("id" if key == "id" or whole else "reference", place, what)
                        values[i] = int(values[i]) if whole else _INT64.min + (column << 61) + done + i
                row[done : done + len(batch)] = values
            done += len(batch)
        return result


class CocoIndex:
    """Random access to the images of a COCO file, k from 0 in file order, without holding the file in memory.

    header: every top-level value but `images` and `annotations`. image_ids (num_images,) int64, in file order. Use it as a context
    manager, or `close` it. `DataError` names the file, the place and the fault, from `open` on as the whole file is checked there.
    """

    def __init__(
        self, document: _Document, header: dict[str, Any], images: Spans, image_ids: np.ndarray, annotations: Spans, split: np.ndarray
    ):
        self._document = document
        self.header = header
        self.image_ids = image_ids
        self._images = images
        self._annotations = annotations  # those of image k are split[k]:split[k + 1]
        self._split = split
        self._by_id = np.argsort(image_ids)

    @classmethod
    def open(cls, path: Path, *, cache: Path | None = None, chunk_bytes: int = CHUNK_BYTES, on_fault: OnFault | None = None) -> CocoIndex:
        """Index the COCO file at `path`, read `chunk_bytes` at a time.

        With `cache`, the index is kept in that file and used again while the size and modification time of the COCO file stay the
        same; a cache that is stale, damaged or cannot be written is no error.

        With `on_fault`, which excludes a cache, ids that are missing, no integers or not unique and annotations of no image are told to
        on_fault(kind, where, message) in place of a `DataError`. Of images with one id the first stays, with the annotations of all; annotations
        of no image are set aside.
        """
        assert cache is None or on_fault is None, "a cache would not tell the faults again"
        document = _Document(Path(path))
        try:
            if cache is not None and (cached := _load_cache(cache, document)) is not None:
                return cls(document, *cached)
            index = cls(document, *_build(document, chunk_bytes, on_fault))
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
        self._document.check_whole()
        return self._document.parse((int(self._images.begin[k]), int(self._images.end[k])))

    def annotations(self, k: int) -> list[dict[str, Any]]:
        """The annotations of image k, parsed, in file order."""
        self._document.check_whole()
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


def _build(document: _Document, chunk_bytes: int, on_fault: OnFault | None) -> tuple[dict[str, Any], Spans, np.ndarray, Spans, np.ndarray]:
    """Scan, check and group: header, images, image ids, annotations sorted by image, and where each image's begin."""
    scanner = Scanner()
    for offset in range(0, document.size, chunk_bytes):
        scanner.feed(document.bytes[offset : offset + chunk_bytes])
    arrays, elements, unclosed = scanner.finish()
    if document.bytes[:3] == b"\xef\xbb\xbf":
        raise document.fault(0, "expected JSON, got a byte order mark before it; save the file as UTF-8 without one")
    if not document.bytes[:4096].lstrip(b" \t\r\n").startswith(b"{"):
        raise document.fault(0, f"expected a JSON object with 'images' and 'annotations', got {document.bytes[:20]!r}")
    if unclosed:
        raise document.fault(
            document.size, f"expected the end of the JSON object, got the end of the file inside {unclosed}: is it truncated?"
        )
    header, own = _parse_header(document, arrays)

    image_spans = elements.within(*own["images"])
    (image_ids,) = document.integers("images", own["images"], image_spans, ("id",), on_fault)
    again = _duplicates(document, "image", image_ids, image_spans, on_fault)
    if len(again):
        image_spans, image_ids = image_spans.take(np.delete(np.arange(len(image_ids)), again)), np.delete(image_ids, again)
    by_id = np.argsort(image_ids, kind="stable")

    spans = elements.within(*own["annotations"])
    annotation_ids, owners = document.integers("annotations", own["annotations"], spans, ("id", "image_id"), on_fault)
    _duplicates(document, "annotation", annotation_ids, spans, on_fault)
    place = np.searchsorted(image_ids, owners, sorter=by_id)
    known = place < len(image_ids)
    known[known] = image_ids[by_id[place[known]]] == owners[known]
    for i in np.flatnonzero(~known & (owners >= _STAND_INS if on_fault else True)).tolist():
        what = f"expected the id of an image of this file, got image_id {owners[i]}"
        if on_fault is None:
            raise document.fault(int(spans.begin[i]), f"annotation {annotation_ids[i]}: {what}")
        on_fault("reference", f"annotation {annotation_ids[i]}", what)
    kept = np.flatnonzero(known)
    position = by_id[place[kept]]
    order = np.argsort(position, kind="stable")
    split = np.searchsorted(position[order], np.arange(len(image_ids) + 1))
    return header, image_spans, image_ids, spans.take(kept[order]), split


def _parse_header(document: _Document, arrays: Spans) -> tuple[dict[str, Any], dict[str, tuple[int, int]]]:
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


def _duplicates(document: _Document, kind: str, ids: np.ndarray, spans: Spans, on_fault: OnFault | None) -> np.ndarray:
    """(D,) int64, sorted: the elements whose id an earlier one has; each is told, or the first refused."""
    order = np.argsort(ids, kind="stable")
    again = np.sort(order[np.flatnonzero(np.diff(ids[order]) == 0) + 1])
    for i in again.tolist():
        what = f"expected every {kind} to have an id of its own, got id {ids[i]} twice"
        if on_fault is None:
            raise document.fault(int(spans.begin[i]), what)
        on_fault("id", f"{kind} {ids[i]}", what)
    return again


def _cache_key(document: _Document) -> np.ndarray:
    return np.array([_CACHE_VERSION, document.size, document.mtime_ns], np.int64)


def _load_cache(cache: Path, document: _Document) -> tuple[dict[str, Any], Spans, np.ndarray, Spans, np.ndarray] | None:
    try:
        with np.load(cache, allow_pickle=False) as stored:
            if not np.array_equal(stored["key"], _cache_key(document)):
                return None
            images = Spans(stored["image_begin"], stored["image_end"])
            annotations = Spans(stored["annotation_begin"], stored["annotation_end"])
            return orjson.loads(stored["header"].tobytes()), images, stored["image_ids"], annotations, stored["split"]
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return None


def image_folders(coco: Path, split: str | None = None) -> list[Path]:
    """Where the images of a single COCO file may be: beside the file, beside its folder, and in `images`, `<split>` and `images/<split>` of either.

    The split is the one given and the one that the file's name tells.
    """
    names = [name for name in (split, re.sub(r"_n\d+_v1_without_masks$", "", coco.stem.removeprefix("instances_"))) if name]
    bases = (coco.parent, coco.parent.parent)
    return [base / below for base in bases for below in (".", "images", *(f"images/{name}" for name in names), *names)]


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
        others = ", ".join(find_coco_files(path)) if split != "all" and (path / "annotations").is_dir() else ""
        if others:
            raise DataError(f"{path}: no split '{split}'; there: {others}")
        wanted_files = f"annotations/instances_{'|'.join(wanted)}.json"
        raise DataError(
            f"{path}: expected a COCO file, or a folder with {wanted_files}, found neither; `amodalsynth generate` and `import` make one"
        )
    return found
