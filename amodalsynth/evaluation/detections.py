"""COCO results: reading anybody's, checked entry by entry, and writing our own.

A results file is a list of detections: `image_id`, `category_id`, `bbox` [x, y, width, height], `score`, `segmentation` (the amodal mask,
best as a compressed run-length code of the image's size) and, where the model knows it, `layer` (eq. 2, 0 = unoccluded).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from amodalsynth.errors import DataError
from amodalsynth.files import write_file

_REQUIRED = ("image_id", "category_id", "bbox", "score", "segmentation")


@dataclass(frozen=True, slots=True)
class Detections:
    """D detections as columns, sorted by image id, those of one image in the order of the list.

    image_id (D,) int64. category (D,) int64: an index into the sorted category ids. score (D,) float64. box_xywh (D, 4) float64.
    layer (D,) int64, or None where the results have it not. segmentation: as the list has it, not yet decoded. entry (D,) int64: the place in
    the list, for errors. source: what the list is called in errors.
    """

    source: str
    image_id: np.ndarray
    category: np.ndarray
    score: np.ndarray
    box_xywh: np.ndarray
    layer: np.ndarray | None
    segmentation: list[Any]
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

    image_ids and category_ids (any order, int64) are those of the ground truth. `layer` stands in every entry or in none. `DataError` names
    the file, the entry (from 0) and the fault.
    """
    source = "results"
    if isinstance(results, str | Path):
        source, results = str(results), _load(Path(results))
    if not isinstance(results, list | tuple):
        raise DataError(f"{source}: expected a list of detections, got {_short(results)}")
    with_layer = not results or (isinstance(results[0], dict) and "layer" in results[0])
    for i, result in enumerate(results):
        _check_entry(result, with_layer, _where(source, i))
    image_id = _known_ids(results, "image_id", image_ids, source)
    order = np.argsort(image_id, kind="stable")
    category = np.searchsorted(np.sort(category_ids), _known_ids(results, "category_id", category_ids, source))
    return Detections(
        source,
        image_id[order],
        category[order],
        np.array([result["score"] for result in results], np.float64)[order],
        np.array([result["bbox"] for result in results], np.float64).reshape(-1, 4)[order],
        np.array([result["layer"] for result in results], np.int64)[order] if with_layer else None,
        [results[i]["segmentation"] for i in order.tolist()],
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


def _load(path: Path) -> Any:
    try:
        return orjson.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: expected a readable results file, got: {error.strerror or error}") from None
    except orjson.JSONDecodeError as error:
        raise DataError(f"{path}: expected a JSON list of detections, got a fault: {error}") from None


def _check_entry(result: Any, with_layer: bool, where: str) -> None:
    if not isinstance(result, dict):
        raise DataError(f"{where}: expected an object, got {_short(result)}")
    missing = [key for key in _REQUIRED if key not in result]
    if missing:
        raise DataError(f"{where}: expected the keys {', '.join(_REQUIRED)}, got none of the name '{missing[0]}'")
    if not _is_number(result["score"]):
        raise DataError(f"{where}: expected a finite number under 'score', got {_short(result['score'])}")
    box = result["bbox"]
    if not isinstance(box, list | tuple | np.ndarray) or len(box) != 4 or not all(map(_is_number, box)) or box[2] < 0 or box[3] < 0:
        raise DataError(f"{where}: expected four finite numbers [x, y, width, height] under 'bbox', got {_short(box)}")
    if ("layer" in result) != with_layer:
        raise DataError(f"{where}: expected 'layer' in every entry or in none, got {'one' if 'layer' in result else 'none'} here")
    if with_layer and not (_is_integer(result["layer"]) and 0 <= result["layer"] < 1 << 31):
        raise DataError(f"{where}: expected an integer from 0 under 'layer', got {_short(result['layer'])}")


def _known_ids(results: Sequence[dict], key: str, known: np.ndarray, source: str) -> np.ndarray:
    """(D,) int64: the id that each entry has under `key`, one of `known`."""
    expected = set(known.tolist())
    for i, result in enumerate(results):
        if not _is_integer(result[key]) or result[key] not in expected:
            listed = f": one of {str(sorted(expected))[:100]}" if len(expected) <= 20 else ""
            raise DataError(f"{_where(source, i)}: expected {key} to be known to the ground truth{listed}, got {_short(result[key])}")
    return np.array([result[key] for result in results], np.int64)


def _where(source: str, entry: int) -> str:
    return f"{source}: entry {entry}"


def _is_integer(value: Any) -> bool:
    return type(value) is int or isinstance(value, np.integer)


def _is_number(value: Any) -> bool:
    return (type(value) in (float, int) or isinstance(value, np.integer | np.floating)) and math.isfinite(value)


def _short(value: Any) -> str:
    return " ".join(str(value).split())[:60]
