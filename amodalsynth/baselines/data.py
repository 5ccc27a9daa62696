"""Stored data for training: any COCO file with point annotations, whose masks are never read, and the file of points to train on.

S is the side of the square frame, N the instances of an image, M those of the file, P the largest number of points an instance has.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from amodalsynth.baselines.example import Example, fit_image
from amodalsynth.baselines.image_cache import ImageCache
from amodalsynth.baselines.point_table import read_categories, read_image_entry, read_point_table
from amodalsynth.coco_index import CocoIndex, find_coco_files, image_folders
from amodalsynth.errors import AssetError, DataError
from amodalsynth.imagefiles import read_image
from amodalsynth.points import points_path, write_points
from amodalsynth.records.layout import Layout

CACHE_BYTES = 2 << 30


class StoredExamples:
    """The images of a COCO file with `point_coords` and `point_labels`: `len(examples)` of them, `examples[k]` an `Example`.

    coco: the file; of its annotations only `bbox`, `category_id`, `layer`, `iscrowd` and the points are read, so masks make no difference. Crowds
    and annotations with an empty box are left out. images: the folder that `file_name` is relative to. image_size: S; an image of another size is
    fitted (`example.fit_image`). cache_bytes: the memory for fitted images, which loader processes share; without room for all, the
    rest is decoded again each time.

    category_ids, category_names: of the file's categories sorted by id, which the example's categories from 0 stand for. has_layers: whether
    the layer of every instance is known. max_instances: the largest number in an image. num_points: P.

    `DataError` names the file and the image or annotation: on opening for everything in the COCO file, on access for an image file.
    """

    def __init__(self, coco: Path, images: Path, *, image_size: int, cache_bytes: int = CACHE_BYTES) -> None:
        self.coco, self.images, self.image_size = Path(coco), Path(images), image_size
        with CocoIndex.open(self.coco) as index:
            categories = read_categories(index)
            self._table = table = read_point_table(index, tuple(categories), image_size)
        if not table.files:
            raise DataError(f"{self.coco}: expected at least one image, got none")
        self.category_ids, self.category_names = tuple(categories), tuple(categories.values())
        self.has_layers = bool((table.layer >= 0).all())
        self.max_instances = int(np.diff(table.split).max())
        self.num_points = table.point_label.shape[1]
        self._cache = ImageCache(len(self), image_size, cache_bytes)

    def __len__(self) -> int:
        return len(self._table.files)

    def __getitem__(self, k: int) -> Example:
        k, table = range(len(self))[k], self._table
        those = slice(table.split[k], table.split[k + 1])
        frame = self._cache.get(k)
        if frame is None:
            frame = self._read_frame(k)
            self._cache.put(k, frame)
        return Example(
            frame,
            table.box[those],
            table.category[those],
            table.layer[those],
            table.point_xy[those],
            table.point_label[those],
            name=f"{self.coco}: image {table.files[k]}",
        )

    def _read_frame(self, k: int) -> np.ndarray:
        image = read_annotated(self.images / self._table.files[k], self._table.sizes_hw[k], self.coco)
        return fit_image(image, self.image_size)[0]


def read_annotated(path: Path, size_hw: tuple[int, int], coco: Path) -> np.ndarray:
    """An image of the file `coco`, (H, W, 3) uint8 RGB; `DataError` where it cannot be read or is not of the size that is annotated."""
    try:
        image = read_image(path)[..., :3]
    except AssetError as error:
        raise DataError(f"{path}: {error}; expected an image of {coco}") from None
    if image.shape[:2] != size_hw:
        expected, got = (f"{width} x {height}" for height, width in (size_hw, image.shape[:2]))
        raise DataError(f"{path}: expected {expected} pixels, as {coco} has it, got {got}")
    return np.ascontiguousarray(image)


class PointsFile(NamedTuple):
    """What to train on: a COCO file with points, the folder of its images, and whether the points were drawn just now."""

    coco: Path
    images: Path
    drawn: bool


def prepare_points(
    data: Path,
    split: str,
    run_folder: Path,
    *,
    num_points: int = 10,
    seed: int = 0,
    images: Path | None = None,
    again: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> PointsFile:
    """Find or draw the points of a split of a data set folder, or of any single COCO file.

    Where the annotations have points, these are used; else the file that `amodalsynth points` wrote beside them with as many points; else
    `num_points` are drawn, as `amodalsynth points` would with the same seed, into a file without masks in the existing folder `run_folder`; with
    `again`, those that an earlier call drew there are used. `images` is as for `locate_data`. `progress(done, total)` counts images as points are
    drawn.

    `DataError` where the data, or the folder of images, is not found, or where the points beside the file were drawn for other images.
    """
    coco, folder = locate_data(data, split, images)
    with CocoIndex.open(coco) as index:
        own_points, image_ids = _has_points(index), index.image_ids
    if own_points:
        return PointsFile(coco, folder, False)
    beside = points_path(coco, num_points)
    if beside.is_file():
        with CocoIndex.open(beside) as index:
            if not np.array_equal(index.image_ids, image_ids):
                raise DataError(
                    f"{beside}: expected points for the images of {coco.name}, got other images; run `amodalsynth points` again"
                )
        return PointsFile(beside, folder, False)
    drawn = Path(run_folder) / beside.name
    if again and drawn.is_file():
        return PointsFile(drawn, folder, True)
    write_points(coco, drawn, num_points=num_points, seed=seed, progress=progress)
    return PointsFile(drawn, folder, True)


def locate_data(data: Path, split: str, images: Path | None = None) -> tuple[Path, Path]:
    """The COCO file and the folder of images of a split of a data set folder, or of any single COCO file.

    `images` is that folder; without it a data set has its own, and that of a single file is looked for beside the file, beside its folder, and in
    `images` and `images/<split>` of either. `DataError` where the data or the folder is not found.
    """
    data = Path(data)
    coco = data if data.is_file() else find_coco_files(data, split)[split]
    with CocoIndex.open(coco) as index:
        first_image = read_image_entry(index, 0)[0] if index.num_images else ""
    folders = [Path(images)] if images else [Layout(data).images(split)] if data.is_dir() else image_folders(coco, split)
    folder = next((folder for folder in folders if (folder / first_image).exists()), None)
    if folder is None:
        raise DataError(
            f"{coco}: its first image '{first_image}' is in none of {', '.join(map(str, folders))}; name the folder of the images with --images"
        )
    return coco, folder


def _has_points(index: CocoIndex) -> bool:
    """Whether the first annotation that counts has points."""
    annotations = (annotation for k in range(index.num_images) for annotation in index.annotations(k))
    first = next((annotation for annotation in annotations if not annotation.get("iscrowd")), {})
    return "point_coords" in first
