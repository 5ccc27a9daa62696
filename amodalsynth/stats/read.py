"""COCO files read strictly: the first annotation that is broken is an error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import orjson

from amodalsynth.coco_index import CocoIndex, find_coco_files
from amodalsynth.errors import DataError
from amodalsynth.segmentation import VISIBLE_KEYS, amodal_segmentation, mask_areas, segmentation_spans
from amodalsynth.stats.counts import SplitStatistics, Statistics, Tally, add_up

Progress = Callable[[int, int], None]

_RATE_KEYS = ("occlude_rate", "occluded_rate")


def read_stats(path: Path, *, split: str = "all", progress: Progress | None = None) -> Statistics:
    """`compute_stats` of a data set folder, named by its dataset.json where it has one, or of a single COCO file."""
    files = find_coco_files(path, split)
    return compute_stats(files, name=_preset_name(Path(path) / "dataset.json"), progress=progress)


def compute_stats(coco_paths: Mapping[str, Path], *, name: str | None = None, progress: Progress | None = None) -> Statistics:
    """Count everything in the COCO file of each split. `progress(done, total)` counts the images of a split.

    Rates, layers and orders are read from the keys of our own files (`occlude_rate`, `layer`, `occluded_by`, `directly_occluded_by`); where
    an annotation has no rate, it follows from the areas of its amodal and visible masks. `DataError` names an annotation that is broken.
    """
    splits = {}
    for split, path in coco_paths.items():
        with CocoIndex.open(path) as index:
            splits[split] = _count(index, progress)
    return Statistics(name, splits, add_up(list(splits.values())))


def _count(index: CocoIndex, progress: Progress | None) -> SplitStatistics:
    names = {}
    for category in index.categories if isinstance(index.categories, list) else [index.categories]:
        if not isinstance(category, dict) or not isinstance(category.get("name"), str) or type(category.get("id")) is not int:
            raise DataError(f"{index.path}: expected categories with an integer id and a name, got {str(category)[:60]}")
        names[category["id"]] = category["name"]
    tally = Tally(names.values())
    for k in range(index.num_images):
        annotations = index.annotations(k)
        where = [f"{index.path}: annotation {annotation['id']}" for annotation in annotations]
        categories = [_category(annotation, names, place) for annotation, place in zip(annotations, where, strict=True)]
        areas, rates = _areas_and_rates(index.image(k), annotations, where) if annotations else ([], [])
        tally.add_image(
            categories,
            areas,
            rates=rates,
            layers=_layers(annotations, where),
            num_pairs=_num_named(annotations, "occluded_by", where),
            num_direct_pairs=_num_named(annotations, "directly_occluded_by", where),
        )
        if progress is not None:
            progress(k + 1, index.num_images)
    return tally.finish()


def _category(annotation: dict, names: Mapping[int, str], place: str) -> str:
    category = annotation.get("category_id")
    if type(category) is not int or category not in names:
        raise DataError(f"{place}: expected a category_id out of {str(sorted(names))[:200]}, got {str(category)[:60]}")
    return names[category]


def _areas_and_rates(image: dict, annotations: list[dict], where: list[str]) -> tuple[list[float], list[float] | None]:
    """Areas and occlusion rates, from the keys where every annotation of the image has them, else from the masks.

    Without the keys and without visible masks there are no rates.
    """
    size_hw = (image.get("height"), image.get("width"))
    areas = _recorded(annotations, ("area",), where)
    rates = _recorded(annotations, _RATE_KEYS, where)
    visible = [next((a[key] for key in VISIBLE_KEYS if key in a), None) for a in annotations]
    derive_rates = rates is None and None not in visible
    if areas is None or derive_rates:
        segmentations = [amodal_segmentation(annotation, place) for annotation, place in zip(annotations, where, strict=True)]
        amodal = mask_areas(segmentation_spans(segmentations, size_hw, where))
        areas = amodal.tolist() if areas is None else areas
        if derive_rates:
            if not amodal.all():
                raise DataError(f"{where[int(np.argmin(amodal))]}: expected an amodal mask with at least one pixel, got an empty one")
            rates = np.clip(1 - mask_areas(segmentation_spans(visible, size_hw, where)) / amodal, 0, 1).tolist()
    for rate, place in zip(rates or (), where):
        if not 0 <= rate <= 1:
            raise DataError(f"{place}: expected an occlusion rate from 0 to 1, got {rate}")
    return areas, rates


def _recorded(annotations: list[dict], keys: tuple[str, ...], where: list[str]) -> list[float] | None:
    """The number that each annotation has under the first of `keys`; None where one has none."""
    values = [next((a[key] for key in keys if key in a), None) for a in annotations]
    if None in values:
        return None
    for value, place in zip(values, where, strict=True):
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
            raise DataError(f"{place}: expected a number from 0 under '{keys[0]}', got {str(value)[:60]}")
    return values


def _layers(annotations: list[dict], where: list[str]) -> list[int] | None:
    """The layer of each annotation; None where one has none."""
    layers = [annotation.get("layer") for annotation in annotations]
    for layer, place in zip(layers, where, strict=True):
        if layer is not None and not (type(layer) is int and layer >= 0):
            raise DataError(f"{place}: expected an integer from 0 under 'layer', got {str(layer)[:60]}")
    return None if None in layers else layers


def _num_named(annotations: list[dict], key: str, where: list[str]) -> int | None:
    """How many ids the lists under `key` hold; None where an annotation has no such list."""
    for annotation, place in zip(annotations, where, strict=True):
        if not isinstance(annotation.get(key, []), list):
            raise DataError(f"{place}: expected a list of annotation ids under '{key}', got {str(annotation[key])[:60]}")
    return sum(len(annotation[key]) for annotation in annotations) if all(key in annotation for annotation in annotations) else None


def _preset_name(path: Path) -> str | None:
    if not path.is_file():
        return None
    try:
        return str(orjson.loads(path.read_bytes())["preset"]["name"])
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise DataError(f"{path}: expected JSON with preset.name, got a fault: {error}") from None
