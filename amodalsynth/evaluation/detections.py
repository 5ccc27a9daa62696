"""COCO results: reading anybody's, checked value by value, and writing our own.

A results file is a list of detections, or an object with such a list under `annotations`: `image_id`, `category_id`, `score`, the amodal mask under
`segmentation` (best as a compressed run-length code of the image's size) and, where the model knows them, `bbox` [x, y, width, height] of
the amodal mask, the visible mask under `visible_mask`, and `layer` (eq. 2, 0 = unoccluded). Masks go by their names in other data sets too.
"""

from __future__ import annotations

import gc
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from amodalsynth.errors import DataError
from amodalsynth.files import write_file
from amodalsynth.segmentation import AMODAL_KEYS, VISIBLE_KEYS

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Detections:
    """D detections as columns, sorted by image id, those of one image in the order of the list.

    image_id (D,) int64. category (D,) int64: an index into the sorted category ids. score (D,) float64. box_xywh (D, 4) float64, layer (D,)
    int64, visible: None where the results have them not. amodal, visible: masks as the list has them, not yet decoded. entry (D,) int64: the
    place in the list, for errors. source: what the list is called in errors.
    """

    source: str
    image_id: np.ndarray
    category: np.ndarray
    score: np.ndarray
    box_xywh: np.ndarray | None
    layer: np.ndarray | None
    amodal: list[Any]
    visible: list[Any] | None
    entry: np.ndarray

    def __len__(self) -> int:
        return len(self.score)

    def of_image(self, image_id: int) -> slice:
        """Where the detections of one image stand."""
        return slice(*(int(np.searchsorted(self.image_id, image_id, side)) for side in ("left", "right")))

    def where(self, i: int) -> str:
        return _where(self.source, int(self.entry[i]))


def read_results(results: Path | Sequence[dict[str, Any]], image_ids: np.ndarray, category_ids: np.ndarray) -> Detections:
    """Check a results list, or the JSON file that holds it, and make columns of it; masks are checked when they are decoded.

    image_ids and category_ids (any order, int64) are those of the ground truth. `bbox`, `layer` and the visible mask stand in every entry or
    in none, each. `DataError` names the file, the entry (from 0) and the fault.
    """
    source = "results"
    if isinstance(results, str | Path):
        source, results = str(results), _load(Path(results))
    if isinstance(results, dict) and "annotations" in results:
        results = results["annotations"]
    if not isinstance(results, list | tuple):
        raise DataError(f"{source}: expected a list of detections, got {_short(results)}")
    for i, result in enumerate(results):
        if not isinstance(result, dict):
            raise DataError(f"{_where(source, i)}: expected an object, got {_short(result)}")
    columns = _Columns(source, results)
    image_id = columns.known_ids("image_id", image_ids)
    category = np.searchsorted(np.sort(category_ids), columns.known_ids("category_id", category_ids))
    score = np.array(columns.required(["score"], _is_number, "a finite number"), np.float64)
    box = columns.optional(["bbox"], _is_box, "four finite numbers [x, y, width, height]")
    layer = columns.optional(["layer"], _is_layer, "an integer from 0")
    amodal = columns.required(AMODAL_KEYS, _is_mask, "an amodal mask")
    visible = columns.optional(VISIBLE_KEYS, _is_mask, "a visible mask")
    order = np.argsort(image_id, kind="stable")
    return Detections(
        source,
        image_id[order],
        category[order],
        score[order],
        None if box is None else np.fromiter(itertools.chain.from_iterable(box), np.float64, 4 * len(box)).reshape(-1, 4)[order],
        None if layer is None else np.array(layer, np.int64)[order],
        [amodal[i] for i in order.tolist()],
        None if visible is None else [visible[i] for i in order.tolist()],
        order,
    )


def write_results(path: Path, results: Iterable[dict[str, Any]]) -> None:
    """Write a COCO results file, a detection a line, under a temporary name first. Numpy numbers and arrays are written as JSON's."""

    def pieces() -> Iterable[bytes]:
        separator = b"[\n"
        for result in results:
            yield separator + orjson.dumps(result, option=orjson.OPT_SERIALIZE_NUMPY)
            separator = b",\n"
        yield b"[]\n" if separator == b"[\n" else b"\n]\n"

    write_file(Path(path), pieces())


class _Columns:
    """The values that the entries of a results list have under a key, checked; `DataError` names the first entry that is wrong."""

    def __init__(self, source: str, results: Sequence[dict[str, Any]]) -> None:
        self._source, self._results = source, results
        self._keys = frozenset().union(*results)

    def optional(self, keys: Sequence[str], is_right: Callable[[Any], bool], expected: str) -> list[Any] | None:
        """Under the first of `keys` that an entry has; None where no entry has one."""
        key = next((key for key in keys if key in self._keys), None)
        if key is None:
            return None if self._results else []
        values = [result.get(key, _ABSENT) for result in self._results]
        for i, value in enumerate(values):
            if value is _ABSENT:
                raise DataError(f"{_where(self._source, i)}: expected '{key}' in every entry or in none, got none here")
            if not is_right(value):
                raise DataError(f"{_where(self._source, i)}: expected {expected} under '{key}', got {_short(value)}")
        return values

    def required(self, keys: Sequence[str], is_right: Callable[[Any], bool], expected: str) -> list[Any]:
        values = self.optional(keys, is_right, expected)
        if values is None:
            got = ", ".join(self._results[0])
            raise DataError(f"{_where(self._source, 0)}: expected {expected} under '{keys[-1]}', got the keys {_short(got)}")
        return values

    def known_ids(self, key: str, known: np.ndarray) -> np.ndarray:
        """(D,) int64: the id that each entry has under `key`, one of `known`."""
        expected = set(known.tolist())
        listed = f", one of {str(sorted(expected))[:100]}," if len(expected) <= 20 else ""
        ids = self.required([key], lambda value: _is_integer(value) and value in expected, f"an id that the ground truth has{listed}")
        return np.array(ids, np.int64)


def _load(path: Path) -> Any:
    # Objects of JSON make no cycles, but the collector would walk them again and again while they grow in number: half of the time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        if path.exists() and not path.is_file():
            raise DataError(f"{path}: expected a results file, got a folder, a device or a pipe")
        return orjson.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: expected a readable results file, got: {error.strerror or error}") from None
    except orjson.JSONDecodeError as error:
        raise DataError(f"{path}: expected a JSON list of detections, got a fault: {error}") from None
    finally:
        if collecting:
            gc.enable()


def _where(source: str, entry: int) -> str:
    return f"{source}: entry {entry}"


def _is_integer(value: Any) -> bool:
    return type(value) is int or isinstance(value, np.integer)


def _is_number(value: Any) -> bool:
    return (type(value) in (float, int) or isinstance(value, np.integer | np.floating)) and math.isfinite(value)


def _is_layer(value: Any) -> bool:
    return _is_integer(value) and 0 <= value < 1 << 31


def _is_box(value: Any) -> bool:
    return (
        isinstance(value, list | tuple | np.ndarray) and len(value) == 4 and all(map(_is_number, value)) and value[2] >= 0 and value[3] >= 0
    )


def _is_mask(value: Any) -> bool:
    return value is not None  # what it holds is checked when it is decoded


def _short(value: Any) -> str:
    return " ".join(str(value).split())[:60]
