"""Telling a format by what a file or folder holds."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from amodalsynth.coco_index import CocoIndex
from amodalsynth.errors import DataError
from amodalsynth.importers import FORMATS
from amodalsynth.importers.coco import is_dataset, locate
from amodalsynth.importers.reading import MAX_BYTES, read_json
from amodalsynth.records.layout import Layout

_LOOK_AT = 20  # files of a folder, or images of a COCO file


def tell_format(path: Path) -> str:
    """The name, in `FORMATS`, of what lies at `path`; `DataError` that lists what can be read where it is none of them."""
    found = _tell_folder(path) if path.is_dir() else _tell_file(path)
    if found is None:
        raise DataError(f"{path}: expected annotations in one of the formats {', '.join(FORMATS)}, recognised none; name it with --format")
    return found


def _tell_folder(path: Path) -> str | None:
    if is_dataset(path):
        return "amodalsynth" if Layout(path).dataset.is_file() else _tell_file(locate(path, None, None)[0])
    if Layout(path).state.is_dir():
        raise DataError(f"{path}: this data set is not finished; run the same `amodalsynth generate` with --resume first")
    if (path / "annotations.xml").is_file():
        return "cvat"
    files = islice((file for file in sorted(path.rglob("*.json")) if file.is_file() and file.stat().st_size <= MAX_BYTES), _LOOK_AT)
    return next((found for file in files if (found := _tell_small(file)) is not None), None)


def _tell_file(path: Path) -> str | None:
    with path.open("rb") as file:
        head = file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(b"<"):
        return "cvat"
    if head.startswith(b"["):
        return "label-studio"
    try:
        with CocoIndex.open(path, on_fault=lambda *fault: None) as index:
            annotations = (annotation for k in range(min(index.num_images, _LOOK_AT)) for annotation in index.annotations(k))
            return "cocoa" if any("regions" in annotation for annotation in annotations) else "coco"
    except DataError:
        small = _tell_small(path) if path.stat().st_size <= MAX_BYTES else None
        if small is None:
            raise
        return small


def _tell_small(path: Path) -> str | None:
    """The format of one photo's file; None where it is no JSON or none of them."""
    try:
        document = read_json(path)
    except DataError:
        return None
    if not isinstance(document, dict):
        return None
    return "labelme" if "shapes" in document else "cocoa" if "regions" in document else None
