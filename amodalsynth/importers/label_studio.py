"""Label Studio: the JSON export, a task a photo, with polygons in percent of the image. Their order is left open.

Of a task that was annotated several times, the first annotation that was not cancelled counts. Brushes, boxes and other kinds of region
are no polygons.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from amodalsynth.errors import DataError
from amodalsynth.importers.polygons import Drawn, group
from amodalsynth.importers.reading import is_file, is_number, read_json
from amodalsynth.importers.source import OpenedSource, SourceImage

_LOCAL_FILES = "/data/local-files/"


def open_source(path: Path, *, format: str, images: Path | None, split: str | None) -> OpenedSource:
    """An export in the format that Label Studio calls JSON."""
    tasks = read_json(path) if path.is_file() else None
    if not isinstance(tasks, list) or not all(isinstance(task, dict) and "data" in task for task in tasks):
        raise DataError(f"{path}: expected Label Studio's export JSON, a list of tasks with 'data' and 'annotations'; JSON-MIN lacks sizes")
    labels = {drawn.label for task in tasks for drawn in _drawn(task)}

    def read() -> Iterator[SourceImage]:
        for i, task in enumerate(tasks, start=1):
            where = f"task {str(task.get('id', i))[:60]}"
            yield SourceImage(where, task.get("id"), _file_name(task), _size(task), group(where, _drawn(task)))

    folder = images or next((f for f in (path.parent, path.parent / "images") if tasks and is_file(f / str(_file_name(tasks[0])))), None)
    return OpenedSource(format, path, folder, {label: label for label in sorted(labels)}, len(tasks), read)


def _file_name(task: dict[str, Any]) -> str | None:
    """Of an upload or a URL the last part, of a local file its path below the storage's root."""
    data = task["data"] if isinstance(task["data"], dict) else {}
    name = next((value for value in (data.get("image"), data.get("img"), *data.values()) if isinstance(value, str)), None)
    if name is None:
        return None
    url = urlsplit(name)
    if url.path.startswith(_LOCAL_FILES) and "d" in (query := parse_qs(url.query)):
        return query["d"][0]
    return PurePosixPath(unquote(url.path)).name


def _regions(task: dict[str, Any]) -> list[dict[str, Any]]:
    """The regions of the annotation that counts; relations and choices have no value of their own on the image."""
    annotations = task.get("annotations")
    usable = [a for a in annotations if isinstance(a, dict) and not a.get("was_cancelled")] if isinstance(annotations, list) else []
    results = usable[0].get("result") if usable else None
    regions = [r for r in results if isinstance(r, dict) and isinstance(r.get("value"), dict)] if isinstance(results, list) else []
    return [region for region in regions if "original_width" in region]


def _size(task: dict[str, Any]) -> tuple[Any, Any] | None:
    return next(((region.get("original_height"), region["original_width"]) for region in _regions(task)), None)


def _drawn(task: dict[str, Any]) -> list[Drawn]:
    return [_region(region) for region in _regions(task)]


def _region(region: dict[str, Any]) -> Drawn:
    value, kind = region["value"], str(region.get("type"))
    labels = value.get(kind) if isinstance(value.get(kind), list) else value.get("labels")
    label = str(labels[0]) if isinstance(labels, list) and labels else "object"
    points = value.get("points")
    scale = (region["original_width"], region.get("original_height"))
    pairs = isinstance(points, list) and all(isinstance(p, list) and len(p) == 2 and all(map(is_number, p)) for p in points)
    if not pairs or not all(map(is_number, scale)):
        return Drawn(label, None, kind=kind[:30])
    return Drawn(label, [[share * side / 100 for point in points for share, side in zip(point, scale)]])
