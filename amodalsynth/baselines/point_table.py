"""The instances of a COCO file with point annotations, read and checked once, as arrays in the coordinates of a square frame.

S is the side of the square frame, K the number of images of the file, M that of its instances, P the largest number of points an instance has. Of an
annotation only `bbox`, `category_id`, `layer`, `iscrowd` and the points are looked at: masks make no difference.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from amodalsynth.baselines.example import Fit
from amodalsynth.coco_index import CocoIndex
from amodalsynth.errors import DataError

_BLOCK = 256  # images whose annotations become arrays together, in less than half the time


@dataclass(frozen=True, slots=True)
class PointTable:
    """The images of a file and their instances; those of image k are split[k]:split[k + 1].

    files, sizes_hw: of the K images. split (K + 1,) int64. box (M, 4) float32, xyxy; category (M,) int64 from 0; layer (M,) int64, -1 where
    unknown; point_xy (M, P, 2) float32; point_label (M, P) int8, -1 where an instance has fewer than P points.
    """

    files: list[str]
    sizes_hw: list[tuple[int, int]]
    split: np.ndarray
    box: np.ndarray
    category: np.ndarray
    layer: np.ndarray
    point_xy: np.ndarray
    point_label: np.ndarray


class _Row(NamedTuple):
    """An annotation and the image it is of."""

    image: int
    fit: Fit
    annotation: dict[str, Any]


class _Columns(NamedTuple):
    """What a table has of m rows, with the points of all of them one after the other: point_xy (T, 2), point_label (T,)."""

    image: np.ndarray
    box: np.ndarray
    category: np.ndarray
    layer: np.ndarray
    num_points: np.ndarray
    point_xy: np.ndarray
    point_label: np.ndarray


def read_categories(index: CocoIndex) -> dict[int, str]:
    """The names of a file's categories by id, sorted by id; `DataError` where it has none."""
    categories = index.categories
    if not categories or not all(type(category) is dict and type(category.get("id")) is int for category in categories):
        raise DataError(f"{index.path}: expected 'categories', each with an integer 'id', got {str(categories)[:60]}")
    return {category["id"]: str(category.get("name", category["id"])) for category in sorted(categories, key=lambda entry: entry["id"])}


def read_image_entry(index: CocoIndex, k: int) -> tuple[str, tuple[int, int]]:
    """The file name and the (height, width) of image k."""
    image = index.image(k)
    name, size_hw, where = image.get("file_name"), (image.get("height"), image.get("width")), f"{index.path}: image {image['id']}"
    if type(name) is not str or not name or name.startswith("/") or ".." in name.split("/"):
        raise DataError(f"{where}: expected 'file_name', a path below the folder of images, got {name!r}")
    if not all(type(side) is int and side > 0 for side in size_hw):
        raise DataError(f"{where}: expected 'height' and 'width' in pixels, got {size_hw[0]!r} and {size_hw[1]!r}")
    return name, size_hw


def read_point_table(index: CocoIndex, category_ids: tuple[int, ...], image_size: int) -> PointTable:
    """Read a file for frames of side S = `image_size`; crowds and instances with an empty box are left out.

    The category from 0 is the place in `category_ids`. `DataError` names the image or the annotation that is wrong.
    """
    files, sizes_hw, blocks = [], [], []
    for first in range(0, index.num_images, _BLOCK):
        rows = []
        for k in range(first, min(first + _BLOCK, index.num_images)):
            name, size_hw = read_image_entry(index, k)
            files.append(name)
            sizes_hw.append(size_hw)
            fit = Fit.of(size_hw, image_size)
            rows += [_Row(k, fit, annotation) for annotation in index.annotations(k) if not annotation.get("iscrowd")]
        blocks.append(_checked_columns(f"{index.path}: annotation", rows, category_ids))
    columns = _Columns(*map(np.concatenate, zip(*blocks))) if blocks else _columns("", [], category_ids)
    present = np.arange(columns.num_points.max(initial=0)) < columns.num_points[:, None]  # (M, P)
    point_xy = np.zeros((*present.shape, 2), np.float32)
    point_label = np.full(present.shape, -1, np.int8)
    point_xy[present], point_label[present] = columns.point_xy, columns.point_label
    split = np.searchsorted(columns.image, np.arange(len(files) + 1))
    return PointTable(files, sizes_hw, split, columns.box, columns.category, columns.layer, point_xy, point_label)


def _checked_columns(where: str, rows: list[_Row], category_ids: tuple[int, ...]) -> _Columns:
    """The columns of rows; the error of a row that is wrong names that row."""
    try:
        return _columns(where, rows, category_ids)
    except DataError:
        for row in rows:
            _columns(where, [row], category_ids)
        raise


def _columns(where: str, rows: list[_Row], category_ids: tuple[int, ...]) -> _Columns:
    """The columns of rows; an error says that the first of them is wrong, which is so where there is but one."""
    where = f"{where} {rows[0].annotation['id']}" if rows else where

    bbox = [row.annotation.get("bbox") for row in rows]
    box = _numbers(bbox, (4,), f"{where}: expected 'bbox' of 4 numbers").reshape(-1, 2, 2)  # (m, 4) -> (m, 2, 2)
    box = box.cumsum(axis=1).clip(0, np.array([row.fit.size_hw[::-1] for row in rows]).reshape(-1, 1, 2))  # corners, inside the image
    filled = (box[:, 0] < box[:, 1]).all(axis=1)
    rows, box = list(itertools.compress(rows, filled)), box[filled]
    scale = np.array([row.fit.scale_xy for row in rows]).reshape(-1, 2)

    place = {category_id: i for i, category_id in enumerate(category_ids)}
    ids = [row.annotation.get("category_id") for row in rows]
    if not all(type(category_id) is int and category_id in place for category_id in ids):
        raise DataError(f"{where}: expected the 'category_id' of a category of this file, got {ids[0]!r}")
    layers = [row.annotation.get("layer") for row in rows]
    if not all(layer is None or (type(layer) is int and layer >= 0) for layer in layers):
        raise DataError(f"{where}: expected a 'layer' of 0 or more, or none, got {layers[0]!r}")

    coords, labels = ([row.annotation.get(key) for row in rows] for key in ("point_coords", "point_labels"))
    if not all(type(xy) is type(label) is list and 0 < len(xy) == len(label) for xy, label in zip(coords, labels)):
        got = f"{str(coords[0])[:60]} and {str(labels[0])[:60]}"
        raise DataError(f"{where}: expected 'point_coords' and as many 'point_labels', got {got}; `amodalsynth points` draws them")
    num_points = np.array([len(label) for label in labels], np.int64)
    xy = _numbers(list(itertools.chain(*coords)), (2,), f"{where}: expected 'point_coords', pairs of numbers")
    label = _numbers(list(itertools.chain(*labels)), (), f"{where}: expected 'point_labels' of 0 and 1")
    if not ((label == 0) | (label == 1)).all():
        raise DataError(f"{where}: expected 'point_labels' of 0 and 1, got {labels[0]}")
    if not ((xy >= 0) & (xy < np.repeat([row.fit.size_hw[::-1] for row in rows], num_points, axis=0).reshape(-1, 2))).all():
        height, width = rows[0].fit.size_hw
        raise DataError(f"{where}: expected points within the image of {width} x {height} pixels, got {coords[0]}")

    return _Columns(
        image=np.array([row.image for row in rows], np.int64),
        box=(box * scale[:, None]).reshape(-1, 4).astype(np.float32),
        category=np.array([place[category_id] for category_id in ids], np.int64),
        layer=np.array([-1 if layer is None else layer for layer in layers], np.int64),
        num_points=num_points,
        point_xy=((xy + 0.5) * np.repeat(scale, num_points, axis=0)).astype(np.float32),
        point_label=label.astype(np.int8),
    )


def _numbers(values: list[Any], shape: tuple[int, ...], expected: str) -> np.ndarray:
    """`values`, each a number or lists of numbers of `shape`, as float64; an error says what the first of them is."""
    try:
        array = np.array(values) if values else np.zeros((0, *shape))
    except ValueError:  # lists of several lengths
        array = np.array(None)
    if array.dtype.kind not in "iuf" or array.shape != (len(values), *shape):
        raise DataError(f"{expected}, got {str(values[0] if len(values) == 1 else values)[:60]}")
    return array.astype(np.float64)
