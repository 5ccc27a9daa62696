"""COCOA: one annotation a photo, with a list of regions, their depth order and the pairs that occlude each other.

`order` counts regions from 1, nearest first; `depth_constraint` is "a-b,...": region a, counted from 1, in front of region b. Visible and
invisible masks are there for occluded regions only. MP3D-Amodal has the same nesting, with run-length codes and `category_id`. Single
photos, as the annotation tool writes them, are a file each with `regions` at the top and their image beside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from amodalsynth.coco_index import CocoIndex
from amodalsynth.errors import DataError
from amodalsynth.imagefiles import IMAGE_SUFFIXES
from amodalsynth.importers.coco import find_images, is_dataset, locate, read_categories
from amodalsynth.importers.reading import image_size, is_file, is_number, read_json
from amodalsynth.importers.source import Faults, OpenedSource, SourceImage, SourceInstance

_PAIR = re.compile(r"\s*(\d{1,9})\s*-\s*(\d{1,9})\s*")


def open_source(path: Path, *, format: str, images: Path | None, split: str | None) -> OpenedSource:
    """A COCOA file, or the one of a split of a data set folder; the file of a single photo, or a folder of such."""
    if path.is_dir() and not is_dataset(path):
        files = [file for file in sorted(path.rglob("*.json")) if file.is_file() and "regions" in _photo(file)]
        if not files:
            raise DataError(f"{path}: expected JSON files with 'regions', found none; of a COCOA release, give the one file")
        return _open_photos(path, files, images or path)
    path, images, split = locate(path, images, split)
    faults = Faults()
    try:
        index = CocoIndex.open(path, on_fault=faults.add)
    except DataError:
        if "regions" not in _photo(path):
            raise
        return _open_photos(path, [path], images or path.parent)
    try:
        categories = read_categories(index.categories, faults)
        names = {} if categories else _names(_regions(index, k) for k in range(index.num_images))
        for k in range(index.num_images):
            _check_constraints(index, k, faults)
    except BaseException:
        index.close()
        raise

    def read_at(k: int) -> SourceImage:
        image, regions = index.image(k), _regions(index, k)
        where, size_hw = f"image {str(image.get('id'))[:60]}", _size(image)
        constraint = _annotation(index, k).get("depth_constraint")
        pairs = tuple(_pairs(constraint, len(regions)))
        return SourceImage(where, image.get("id"), image.get("file_name"), size_hw, _instances(where, regions, names), pairs)

    return OpenedSource(
        format,
        path,
        images or find_images(index, split),
        categories or names,
        index.num_images,
        read=lambda: map(read_at, range(index.num_images)),
        faults=faults,
        on_close=index.close,
        read_at=read_at,
    )


def _open_photos(path: Path, files: list[Path], images: Path) -> OpenedSource:
    names = _names(_photo_regions(_photo(file)) for file in files)

    def read() -> Iterator[SourceImage]:
        for file in files:
            photo = _photo(file)
            regions = _photo_regions(photo)
            name = _photo_image(file, photo, images)
            where = f"{file.name}"
            pairs = tuple(_pairs(photo.get("depth_constraint"), len(regions)))
            size_hw = image_size(images / name) or _code_size(regions)
            yield SourceImage(where, photo.get("image_id"), name, size_hw, _instances(where, regions, names), pairs)

    return OpenedSource("cocoa", path, images, names, len(files), read)


def _photo(file: Path) -> dict[str, Any]:
    document = read_json(file)
    return document if isinstance(document, dict) else {}


def _photo_image(file: Path, photo: dict[str, Any], images: Path) -> str:
    """The image of a single photo's file: the one of its name beside it, else the one that its URL names."""
    for suffix in sorted(IMAGE_SUFFIXES):
        beside = file.with_suffix(suffix)
        if is_file(beside) and beside.is_relative_to(images):
            return str(beside.relative_to(images))
        if is_file(images / beside.name):
            return beside.name
    return PurePosixPath(str(photo.get("url") or file.with_suffix(".jpg").name)).name


def _annotation(index: CocoIndex, k: int) -> dict[str, Any]:
    """The one annotation of image k; empty where it has none."""
    return next(iter(index.annotations(k)), {})


def _regions(index: CocoIndex, k: int) -> list[Any]:
    return [region for annotation in index.annotations(k) for region in _photo_regions(annotation)]


def _photo_regions(annotation: dict[str, Any]) -> list[Any]:
    regions = annotation.get("regions")
    return regions if isinstance(regions, list) else []


def _names(regions: Iterable[list[Any]]) -> dict[str, str]:
    """The names of regions as categories, sorted; the annotators typed them freely, so only spaces round them are taken off."""
    names = {_name(region) for each in regions for region in each}
    return {name: name for name in sorted(names)}


def _name(region: Any) -> str:
    name = region.get("name") if isinstance(region, dict) else None
    return " ".join(name.split()) or "object" if isinstance(name, str) else "object"


def _size(image: dict[str, Any]) -> tuple[Any, Any] | None:
    return (image.get("height"), image.get("width")) if "height" in image or "width" in image else None


def _code_size(regions: list[Any]) -> tuple[int, int] | None:
    """The size that the run-length codes of the regions declare; None where there are none."""
    codes = [region.get("visible_mask") for region in regions if isinstance(region, dict)]
    sizes = [code["size"] for code in codes if isinstance(code, dict) and "size" in code]
    usable = [size for size in sizes if isinstance(size, list) and len(size) == 2 and all(type(side) is int for side in size)]
    return tuple(usable[0]) if usable else None


def _instances(image: str, regions: list[Any], names: dict[str, str]) -> tuple[SourceInstance, ...]:
    count = len(regions)
    instances = []
    for i, region in enumerate(regions):
        where = f"{image}, region {i + 1}"
        if not isinstance(region, dict):
            instances.append(SourceInstance(where))
            continue
        order, amodal = region.get("order"), region.get("segmentation")
        instances.append(
            SourceInstance(
                where,
                category=_name(region) if names else region.get("category_id"),
                amodal=[amodal] if isinstance(amodal, list) and amodal and is_number(amodal[0]) else amodal,
                visible=region.get("visible_mask"),
                invisible=region.get("invisible_mask"),
                area=region.get("area"),
                rate=region.get("occlude_rate"),
                paint_order=count - order if type(order) is int else None,
            )
        )
    return tuple(instances)


def _pairs(constraint: Any, count: int) -> Iterator[tuple[int, int]]:
    """The pairs of a depth constraint, from 0; what is no pair of `count` regions is left out."""
    for piece in constraint.split(",") if isinstance(constraint, str) else ():
        match = _PAIR.fullmatch(piece)
        if match and 1 <= int(match[1]) <= count and 1 <= int(match[2]) <= count:
            yield int(match[1]) - 1, int(match[2]) - 1


def _check_constraints(index: CocoIndex, k: int, faults: Faults) -> None:
    """What is wrong with the annotations of image k as a whole: not one of them, no regions, a constraint that names no pairs."""
    where = f"image {index.image_ids[k]}"
    annotations = index.annotations(k)
    if len(annotations) != 1:
        faults.add("schema", where, f"expected one annotation with all regions of the image, got {len(annotations)}")
    for annotation in annotations:
        if not isinstance(annotation.get("regions"), list):
            faults.add("schema", where, f"expected a list under 'regions', got {str(annotation.get('regions', 'no such key'))[:60]}")
        constraint = annotation.get("depth_constraint", "")
        if not isinstance(constraint, str):
            faults.add("schema", where, f"expected a text under 'depth_constraint', got {str(constraint)[:60]}")
        elif constraint and (wrong := len(constraint.split(",")) - sum(1 for _ in _pairs(constraint, len(_photo_regions(annotation))))):
            faults.add(
                "order", where, f"expected pairs of regions as '1-2' in 'depth_constraint', got {wrong} others in {constraint[:60]!r}"
            )
