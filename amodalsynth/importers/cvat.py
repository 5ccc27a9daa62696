"""CVAT for images 1.1: an XML file with polygons and masks; a larger `z_order` is nearer, shapes at one are left open.

Polygons of one label and group are pieces of one instance, as in CVAT's own export to COCO.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.parsers import expat

import numpy as np

from amodalsynth.errors import DataError
from amodalsynth.importers.polygons import Drawn, group
from amodalsynth.importers.reading import is_file
from amodalsynth.importers.source import OpenedSource, SourceImage
from amodalsynth.segmentation import MAX_PIXELS

_SHAPES = frozenset({"polygon", "mask", "box", "polyline", "points", "ellipse", "cuboid", "skeleton"})
_CHUNK = 1 << 16
_MAX_DEPTH = 16


def open_source(path: Path, *, format: str, images: Path | None, split: str | None) -> OpenedSource:
    """An XML file, or the folder with annotations.xml and images/ that CVAT's export unpacks to."""
    file = path / "annotations.xml" if path.is_dir() else path
    labels: set[str] = set()
    first, count = None, 0
    for image in _images(file):
        labels.update(shape.get("label") or "object" for _, shape in image.shapes)
        first, count = first or image, count + 1
    folders = (file.parent / "images", file.parent)
    found = next((folder for folder in folders if first is not None and is_file(folder / first.attributes.get("name", ""))), None)

    def read() -> Iterator[SourceImage]:
        return map(_image, _images(file))

    return OpenedSource(format, file, images or found, {label: label for label in sorted(labels)}, count, read)


@dataclass(slots=True)
class _Element:
    """An <image> and the shapes in it, as text."""

    attributes: dict[str, str]
    shapes: list[tuple[str, dict[str, str]]] = field(default_factory=list)


def _images(file: Path) -> Iterator[_Element]:
    """The images of a file, read a chunk at a time. A file with a document type is refused, as entities are defined there."""
    done: list[_Element] = []
    path: list[str] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        if len(path) == _MAX_DEPTH or (not path and name != "annotations"):
            raise DataError(
                f"{file}: expected CVAT's XML of the form <annotations><image><polygon>, got <{name[:60]}> at depth {len(path)}"
            )
        path.append(name)
        if path == ["annotations", "image"]:
            done.append(_Element(attributes))
        elif path[:-1] == ["annotations", "image"] and name in _SHAPES:
            done[-1].shapes.append((name, attributes))

    def end(name: str) -> None:
        path.pop()

    def refuse(*_: Any) -> None:
        raise DataError(f"{file}: expected XML without a document type, got a DOCTYPE; remove it")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler, parser.StartDoctypeDeclHandler = start, end, refuse
    try:
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                parser.Parse(chunk, False)
                whole = done if path[:2] != ["annotations", "image"] else done[:-1]
                yield from whole
                del done[: len(whole)]
            parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise DataError(f"{file}: expected XML, got a fault: {error}") from None
    except OSError as error:
        raise DataError(f"{file}: expected a readable file, got: {error.strerror or error}") from None
    yield from done


def _image(element: _Element) -> SourceImage:
    attributes = element.attributes
    where = f"image {attributes.get('id', attributes.get('name', '?'))[:60]}"
    size_hw = tuple(_integer(attributes.get(side)) for side in ("height", "width"))
    shapes = [_drawn(kind, shape, size_hw) for kind, shape in element.shapes]
    return SourceImage(where, _integer(attributes.get("id")), attributes.get("name"), size_hw, group(where, shapes))


def _drawn(kind: str, shape: dict[str, str], size_hw: tuple[Any, Any]) -> Drawn:
    mask = [_points(shape)] if kind == "polygon" else _mask(shape, size_hw) if kind == "mask" else None
    joined = _integer(shape.get("group_id"))
    return Drawn(shape.get("label") or "object", mask, joined or None, _integer(shape.get("z_order")), kind)


def _points(shape: dict[str, str]) -> list[Any]:
    """A flat list of numbers, of "x,y;x,y"; texts stay where they are no numbers, for the rasteriser to refuse."""
    return [_number(text) for text in shape.get("points", "").replace(";", ",").split(",")]


def _mask(shape: dict[str, str], size_hw: tuple[Any, Any]) -> dict[str, Any] | None:
    """COCO's run-length code of CVAT's: lengths, zeros first, along the rows of the rectangle at `left`, `top`.

    None where it does not fit the frame.
    """
    values = [_integer(shape.get(key)) for key in ("left", "top", "width", "height")]
    lengths = [_integer(text) for text in shape.get("rle", "").split(",")]
    if None in (*values, *lengths, *size_hw) or min(*values, *lengths, *size_hw) < 0 or size_hw[0] * size_hw[1] > MAX_PIXELS:
        return None
    left, top, width, height = values
    if left + width > size_hw[1] or top + height > size_hw[0] or sum(lengths) != width * height:
        return None
    crop = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(height, width)
    column, row = np.nonzero(crop.T)
    position = (column + left) * size_hw[0] + row + top
    first = np.flatnonzero(np.diff(position, prepend=-2) != 1)  # of each span of pixels in a column
    last = np.append(first[1:] - 1, len(position) - 1)[: len(first)]
    edges = np.stack([position[first], position[last] + 1], axis=1).ravel()
    return {"size": list(size_hw), "counts": np.diff(edges, prepend=0, append=size_hw[0] * size_hw[1]).tolist()}


def _integer(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if text.lstrip("-").isdecimal() and len(text) <= 18 else None


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text
