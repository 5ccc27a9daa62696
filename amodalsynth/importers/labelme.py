"""labelme: a JSON file a photo, with the shapes that a person drew. Their order is left open; several polygons of one `group_id` are one instance."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from amodalsynth.errors import DataError
from amodalsynth.importers.polygons import Drawn, group
from amodalsynth.importers.reading import read_json
from amodalsynth.importers.source import OpenedSource, SourceImage


def open_source(path: Path, *, format: str, images: Path | None, split: str | None) -> OpenedSource:
    """A folder of labelme files, searched with the folders in it, or one such file."""
    root = path if path.is_dir() else path.parent
    files = [file for file in sorted(root.rglob("*.json")) if file.is_file() and "shapes" in _photo(file)] if path.is_dir() else [path]
    if not files or "shapes" not in _photo(files[0]):
        raise DataError(f"{path}: expected labelme files, JSON with 'shapes', found none")
    labels = {drawn.label for file in files for drawn in _drawn(_photo(file))}

    def read() -> Iterator[SourceImage]:
        for file in files:
            photo, where = _photo(file), file.relative_to(root).as_posix()
            size_hw = (photo.get("imageHeight"), photo.get("imageWidth"))
            name = _file_name(file, photo, root, images)
            yield SourceImage(where, None, name, None if None in size_hw else size_hw, group(where, _drawn(photo)))

    return OpenedSource(format, path, images or root, {label: label for label in sorted(labels)}, len(files), read)


def _photo(file: Path) -> dict[str, Any]:
    document = read_json(file)
    return document if isinstance(document, dict) else {}


def _file_name(file: Path, photo: dict[str, Any], root: Path, images: Path | None) -> Any:
    """`imagePath` is relative to the JSON file, with backslashes where Windows wrote it; of it, a folder of images given apart has the name alone."""
    name = photo.get("imagePath")
    if not isinstance(name, str):
        return name
    name = name.replace("\\", "/")
    return Path(name).name if images is not None else Path(os.path.normpath(file.parent.relative_to(root) / name)).as_posix()


def _drawn(photo: dict[str, Any]) -> list[Drawn]:
    shapes = photo["shapes"] if isinstance(photo.get("shapes"), list) else []
    return [_shape(shape if isinstance(shape, dict) else {}) for shape in shapes]


def _shape(shape: dict[str, Any]) -> Drawn:
    """Of the kinds of shape, polygons are masks; the others have none."""
    points, kind = shape.get("points"), shape.get("shape_type", "polygon")
    mask = None
    if kind == "polygon" and isinstance(points, list):
        mask = [[value for point in points for value in (point if isinstance(point, list) else [point])]]
    return Drawn(str(shape.get("label") or "object"), mask, shape.get("group_id"), kind=str(kind)[:30])
