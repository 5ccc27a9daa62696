"""Flat COCO with amodal masks under any known spelling of the keys: COCOA-cls, D2SA, KINS, UOAIS, SAIL-VOS, AISFormer, AIStron, our own layout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from amodalsynth.coco_index import CocoIndex, find_coco_files, image_folders
from amodalsynth.importers.reading import is_file
from amodalsynth.importers.source import Faults, OpenedSource, SourceImage, SourceInstance
from amodalsynth.records.layout import Layout
from amodalsynth.rng import SPLITS
from amodalsynth.segmentation import AMODAL_KEYS, INVISIBLE_KEYS, VISIBLE_KEYS

# field of SourceInstance -> its spellings, of which the first that an annotation has counts
SPELLINGS: dict[str, tuple[str, ...]] = {
    "instance_id": ("id",),
    "category": ("category_id",),
    "amodal": AMODAL_KEYS,
    "visible": VISIBLE_KEYS,
    "invisible": INVISIBLE_KEYS,
    "box": ("amodal_bbox", "a_bbox", "bbox"),
    "visible_box": ("visible_bbox", "bbox_visible", "i_bbox", "inmodal_bbox"),
    "area": ("a_area", "area"),
    "visible_area": ("i_area", "area_visible"),
    "rate": ("occlude_rate", "occluded_rate"),
    "crowd": ("iscrowd",),
    **{
        key: (key,) for key in ("paint_order", "occluded_by", "directly_occluded_by", "layer", "point_coords", "point_labels", "appearance")
    },
}


def open_source(path: Path, *, format: str, images: Path | None, split: str | None) -> OpenedSource:
    """A COCO file, or one split of a data set folder."""
    coco, images, split = locate(path, images, split)
    faults = Faults()
    index = CocoIndex.open(coco, on_fault=faults.add)
    return OpenedSource(
        format,
        coco,
        images or find_images(index, split),
        read_categories(index.categories, faults),
        index.num_images,
        read=lambda: (_read(index, k) for k in range(index.num_images)),
        faults=faults,
        on_close=index.close,
        read_at=lambda k: _read(index, k),
    )


def is_dataset(folder: Path) -> bool:
    """Whether a folder has COCO files where our own layout, and COCO's releases, have them."""
    return any((folder / "annotations" / f"instances_{split}.json").is_file() for split in SPLITS)


def locate(path: Path, images: Path | None, split: str | None) -> tuple[Path, Path | None, str | None]:
    """The file, the folder of its images where that follows, and the split: of a data set folder the one given, or the first there is."""
    if not path.is_dir():
        return path, images, split
    files = find_coco_files(path, split or "all")
    split = next(name for name in SPLITS if name in files)
    return files[split], images or Layout(path).images(split), split


def find_images(index: CocoIndex, split: str | None) -> Path | None:
    """The folder with the first image of a single COCO file, where such files usually have it; None where it is not found."""
    name = index.image(0).get("file_name") if index.num_images else None
    if not isinstance(name, str):
        return None
    return next((folder for folder in image_folders(index.path, split) if is_file(folder / name)), None)


def read_categories(entries: Any, faults: Faults) -> dict[Any, str]:
    """Category id -> name of a COCO file's `categories`; what is wrong with them goes to `faults`."""
    categories: dict[Any, str] = {}
    for i, entry in enumerate(entries if isinstance(entries, list) else [entries]):
        where = f"categories[{i}]"
        key = entry.get("id") if isinstance(entry, dict) else None
        if type(key) is not int:
            faults.add("category", where, f"expected an object with an integer 'id', got {str(entry)[:60]}")
        elif key in categories:
            faults.add("category", where, f"expected every category to have an id of its own, got id {key} twice")
        else:
            name = entry.get("name")
            if not isinstance(name, str) or not name:
                faults.add("category", where, f"expected a text 'name', got {str(name)[:60]}")
                name = str(key)
            categories[key] = name
    return categories


def _read(index: CocoIndex, k: int) -> SourceImage:
    image = index.image(k)
    annotations = index.annotations(k)
    instances = tuple(_instance(annotation, f"annotation {str(annotation.get('id'))[:60]}") for annotation in annotations)
    where = f"image {str(image.get('id'))[:60]}"
    size_hw = (image.get("height"), image.get("width")) if "height" in image or "width" in image else None
    return SourceImage(where, image.get("id"), image.get("file_name"), size_hw, instances, _clusters(annotations), image.get("background"))


def _instance(annotation: Mapping[str, Any], where: str) -> SourceInstance:
    values = {field: next((annotation[key] for key in keys if key in annotation), None) for field, keys in SPELLINGS.items()}
    return SourceInstance(where, **values)


def _clusters(annotations: list[dict[str, Any]]) -> tuple[tuple[int, int], ...]:
    """The order of KINS 2020: in a cluster of overlapping instances (`oco_id`), a smaller `ico_id` is nearer; 0 is an instance that overlaps none."""
    clusters: dict[Any, list[tuple[int, int]]] = {}
    for i, annotation in enumerate(annotations):
        cluster, order = annotation.get("oco_id"), annotation.get("ico_id")
        if type(cluster) is int and type(order) is int and order > 0:
            clusters.setdefault(cluster, []).append((order, i))
    return tuple((i, j) for members in clusters.values() for near, i in members for far, j in members if near < far)
