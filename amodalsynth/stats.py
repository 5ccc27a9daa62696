"""Statistics of a data set beside the paper's: its Tables 1 and 2 and Figure 4.

Everything is counted in one pass over the annotations of each split, so memory does not grow with the data set. What a file does not
record is derived from its masks where that can be done, and is None ("not recorded") elsewhere.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from amodalsynth.coco_index import CocoIndex, find_coco_files
from amodalsynth.errors import DataError
from amodalsynth.segmentation import VISIBLE_KEYS, amodal_segmentation, mask_areas, segmentation_spans

Progress = Callable[[int, int], None]

# The paper's numbers: images, instances, occluded instances and mean occlusion rate in % (None where it says nothing).
_PAPER_TABLE_1 = {
    "Intra-AFruit, train + test": (255_000, 819_856, 521_772, 30.6),
    "COCOA": (5_073, 46_314, 28_106, 18.8),
    "D2SA": (5_600, 28_720, 16_337, 15.0),
    "KINS": (14_991, 190_626, 99_964, 19.8),
}
_PAPER_SPLITS = {  # section 3.2
    "intra-afruit": {
        "Intra-AFruit, train": (210_000, 675_115, None, None),
        "Intra-AFruit, val": (45_000, 144_542, None, None),
        "Intra-AFruit, test": (45_000, 144_741, None, None),
    },
    "inter-amix": {"Inter-AMix, test": (8_067, 26_508, None, None)},
    "acom": {"ACom, train": (10_000, 36_276, None, None), "ACom, test": (2_500, 9_209, None, None)},
}
_PAPER_TABLE_2 = {  # instances in train and in test, ratio in %
    "Golden": (69_195, 14_847, 10.25),
    "Pear": (71_522, 15_179, 10.58),
    "Pink Lady": (71_479, 15_220, 10.57),
    "Red Delicious": (71_701, 15_375, 10.62),
    "Zucchini": (64_498, 13_904, 9.56),
    "Carrot": (65_065, 14_022, 9.65),
    "Cabbage": (69_967, 15_001, 10.36),
    "Eggplant": (57_439, 12_284, 8.50),
    "Cucumber1": (69_531, 14_832, 10.29),
    "Cucumber3": (64_718, 14_077, 9.61),
}
_NOT_RECORDED = "not recorded"

_RATE_KEYS = ("occlude_rate", "occluded_rate")
_SIZES = {"small": 32**2, "medium": 96**2, "large": math.inf}  # COCO's: the first that the area is below


@dataclass(frozen=True, slots=True)
class SplitStatistics:
    """What was counted in one split, or in all; sums rather than means, so that splits add up.

    histogram: instances in an image -> images. categories: name -> instances. num_occluded: instances with an occlusion rate above 0.
    sum_rate: sum of the occlusion rates. layers: layer -> instances. num_pairs: (i, j) with i occluded by j, and of them num_direct_pairs
    directly. sizes: COCO's small, medium and large -> instances; areas are amodal, in pixels. None means not recorded.
    """

    num_images: int
    num_instances: int
    histogram: dict[int, int]
    categories: dict[str, int]
    num_occluded: int | None
    sum_rate: float | None
    layers: dict[int, int] | None
    num_pairs: int | None
    num_direct_pairs: int | None
    sizes: dict[str, int]
    sum_area: float
    min_area: float | None
    max_area: float | None

    @property
    def instances_per_image(self) -> float | None:
        return _ratio(self.num_instances, self.num_images)

    @property
    def occluded_share(self) -> float | None:
        return _ratio(self.num_occluded, self.num_instances)

    @property
    def mean_rate(self) -> float | None:
        """Mean occlusion rate over all instances, which is what the paper's 30.6 % is."""
        return _ratio(self.sum_rate, self.num_instances)

    @property
    def mean_rate_occluded(self) -> float | None:
        """Mean occlusion rate over the occluded instances alone."""
        return _ratio(self.sum_rate, self.num_occluded)

    @property
    def num_indirect_pairs(self) -> int | None:
        return None if self.num_pairs is None or self.num_direct_pairs is None else self.num_pairs - self.num_direct_pairs

    @property
    def mean_area(self) -> float | None:
        return _ratio(self.sum_area, self.num_instances)

    def to_json(self) -> dict[str, Any]:
        """Counts and what follows from them, as JSON values; shares and rates are fractions, and null is not recorded."""
        return {
            "num_images": self.num_images,
            "num_instances": self.num_instances,
            "instances_per_image": self.instances_per_image,
            "instances_per_image_histogram": {str(n): count for n, count in self.histogram.items()},
            "num_occluded_instances": self.num_occluded,
            "occluded_share": self.occluded_share,
            "mean_occlusion_rate": self.mean_rate,
            "mean_occlusion_rate_of_occluded": self.mean_rate_occluded,
            "categories": {
                name: {"num_instances": count, "ratio": _ratio(count, self.num_instances)} for name, count in self.categories.items()
            },
            "layers": None if self.layers is None else {str(layer): count for layer, count in self.layers.items()},
            "num_occlusion_pairs": self.num_pairs,
            "num_direct_pairs": self.num_direct_pairs,
            "num_indirect_pairs": self.num_indirect_pairs,
            "amodal_area": {"mean": self.mean_area, "min": self.min_area, "max": self.max_area, **self.sizes},
        }


@dataclass(frozen=True, slots=True)
class Statistics:
    """The statistics of a data set: `name` is its preset's, or None where that is not known."""

    name: str | None
    splits: dict[str, SplitStatistics]
    total: SplitStatistics

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "splits": {name: split.to_json() for name, split in self.splits.items()}, "total": self.total.to_json()}


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
    return Statistics(name, splits, _add_up(list(splits.values())))


@dataclass(slots=True)
class _Tally:
    """The counts of one split while they are made; a key that an annotation lacks is taken off `recorded`."""

    histogram: Counter = field(default_factory=Counter)
    categories: Counter = field(default_factory=Counter)
    layers: Counter = field(default_factory=Counter)
    sizes: Counter = field(default_factory=Counter)
    areas: list[float] = field(default_factory=lambda: [0.0, math.inf, -math.inf])
    num_occluded: int = 0
    sum_rate: float = 0.0
    pairs: Counter = field(default_factory=Counter)
    recorded: set[str] = field(default_factory=lambda: {"rate", "layer", "occluded_by", "directly_occluded_by"})


def _count(index: CocoIndex, progress: Progress | None) -> SplitStatistics:
    names = {}
    for category in index.categories if isinstance(index.categories, list) else [index.categories]:
        if not isinstance(category, dict) or not isinstance(category.get("name"), str) or type(category.get("id")) is not int:
            raise DataError(f"{index.path}: expected categories with an integer id and a name, got {str(category)[:60]}")
        names[category["id"]] = category["name"]
    tally = _Tally(categories=Counter(dict.fromkeys(names.values(), 0)))
    for k in range(index.num_images):
        annotations = index.annotations(k)
        where = [f"{index.path}: annotation {annotation['id']}" for annotation in annotations]
        tally.histogram[len(annotations)] += 1
        for annotation, place in zip(annotations, where, strict=True):
            category = annotation.get("category_id")
            if type(category) is not int or category not in names:
                raise DataError(f"{place}: expected a category_id out of {str(sorted(names))[:200]}, got {str(category)[:60]}")
            tally.categories[names[category]] += 1
        if annotations:
            _count_sizes_and_rates(tally, index.image(k), annotations, where)
            _count_orders(tally, annotations, where)
        if progress is not None:
            progress(k + 1, index.num_images)
    return _summarise(tally, index)


def _count_sizes_and_rates(tally: _Tally, image: dict, annotations: list[dict], where: list[str]) -> None:
    """Add areas and occlusion rates, from the keys where every annotation of the image has them, else from the masks."""
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
    for area in areas:
        tally.sizes[next(size for size, limit in _SIZES.items() if area < limit)] += 1
    total, smallest, largest = tally.areas
    tally.areas = [total + sum(areas), min(smallest, *areas), max(largest, *areas)]
    if rates is None:
        tally.recorded.discard("rate")
        return
    if not all(0 <= rate <= 1 for rate in rates):
        place, rate = next((w, r) for w, r in zip(where, rates, strict=True) if not 0 <= r <= 1)
        raise DataError(f"{place}: expected an occlusion rate from 0 to 1, got {rate}")
    tally.num_occluded += sum(rate > 0 for rate in rates)
    tally.sum_rate += sum(rates)


def _recorded(annotations: list[dict], keys: tuple[str, ...], where: list[str]) -> list[float] | None:
    """The number that each annotation has under the first of `keys`; None where one has none."""
    values = [next((a[key] for key in keys if key in a), None) for a in annotations]
    if None in values:
        return None
    for value, place in zip(values, where, strict=True):
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
            raise DataError(f"{place}: expected a number from 0 under '{keys[0]}', got {str(value)[:60]}")
    return values


def _count_orders(tally: _Tally, annotations: list[dict], where: list[str]) -> None:
    for annotation, place in zip(annotations, where, strict=True):
        for key in ("occluded_by", "directly_occluded_by"):
            if key not in annotation:
                tally.recorded.discard(key)
            elif isinstance(annotation[key], list):
                tally.pairs[key] += len(annotation[key])
            else:
                raise DataError(f"{place}: expected a list of annotation ids under '{key}', got {str(annotation[key])[:60]}")
        layer = annotation.get("layer")
        if layer is None:
            tally.recorded.discard("layer")
        elif type(layer) is int and layer >= 0:
            tally.layers[layer] += 1
        else:
            raise DataError(f"{place}: expected an integer from 0 under 'layer', got {str(layer)[:60]}")


def _summarise(tally: _Tally, index: CocoIndex) -> SplitStatistics:
    total, smallest, largest = tally.areas
    has_rate = "rate" in tally.recorded
    return SplitStatistics(
        num_images=index.num_images,
        num_instances=index.num_annotations,
        histogram=dict(sorted(tally.histogram.items())),
        categories=dict(tally.categories),
        num_occluded=tally.num_occluded if has_rate else None,
        sum_rate=tally.sum_rate if has_rate else None,
        layers=dict(sorted(tally.layers.items())) if "layer" in tally.recorded else None,
        num_pairs=tally.pairs["occluded_by"] if "occluded_by" in tally.recorded else None,
        num_direct_pairs=tally.pairs["directly_occluded_by"] if "directly_occluded_by" in tally.recorded else None,
        sizes={size: tally.sizes[size] for size in _SIZES},
        sum_area=total,
        min_area=smallest if index.num_annotations else None,
        max_area=largest if index.num_annotations else None,
    )


def _add_up(splits: list[SplitStatistics]) -> SplitStatistics:
    def total(name: str) -> Any:
        values = [getattr(split, name) for split in splits]
        if None in values:
            return None
        if not isinstance(values[0], dict):
            return sum(values)
        merged: Counter = Counter()
        for value in values:
            merged.update(value)
        return dict(merged) if name in ("categories", "sizes") else dict(sorted(merged.items()))

    names = [name for name in SplitStatistics.__dataclass_fields__ if name not in ("min_area", "max_area")]
    return SplitStatistics(
        **{name: total(name) for name in names},
        min_area=min((split.min_area for split in splits if split.min_area is not None), default=None),
        max_area=max((split.max_area for split in splits if split.max_area is not None), default=None),
    )


def _ratio(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole


def _preset_name(path: Path) -> str | None:
    if not path.is_file():
        return None
    try:
        return str(orjson.loads(path.read_bytes())["preset"]["name"])
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise DataError(f"{path}: expected JSON with preset.name, got a fault: {error}") from None


def format_stats(stats: Statistics) -> str:
    """Tables 1 and 2 and Figure 4 as text, with the paper's numbers beside those of `stats`, and what else was counted."""
    parts = stats.splits if len(stats.splits) == 1 else {**stats.splits, "total": stats.total}
    sections = {
        f"Statistics of {stats.name or 'this data set'}": "Rows and columns in brackets are the paper's.",
        "Table 1. Occlusion; the mean rate is over all instances, as the paper's 30.6 %, then over the occluded": _table_1(stats, parts),
        "Table 2. Categories: instances and their share": _table_2(stats, parts),
        "Figure 4. Layers: instances and their share (the paper prints no numbers)": _counts_table(
            "layer", parts, "layers", "num_instances"
        ),
        "Instances in an image: images and their share": _counts_table("instances", parts, "histogram", "num_images"),
        "Pairs (i is occluded by j): j covers a part of i itself (direct), or only behind others (indirect)": _pairs_table(parts),
        "Object size: amodal area in pixels; small is below 32 x 32, medium below 96 x 96, as in COCO": _sizes_table(parts),
    }
    return "\n\n".join(f"{title}\n{table}" for title, table in sections.items()) + "\n"


def _table_1(stats: Statistics, parts: dict[str, SplitStatistics]) -> str:
    rows = [["", "images", "instances", "per image", "occluded", "occluded %", "mean rate %", "of occluded %"]]
    for name, part in parts.items():
        rate = ["-" if part.num_instances == 0 else _NOT_RECORDED] * 4
        if part.num_occluded is not None and part.num_instances:
            rate = [f"{part.num_occluded:,}", _percent(part.occluded_share), _percent(part.mean_rate), _percent(part.mean_rate_occluded)]
        rows.append([name, f"{part.num_images:,}", f"{part.num_instances:,}", _decimal(part.instances_per_image), *rate])
    for name, (images, instances, occluded, rate) in {**_PAPER_SPLITS.get(stats.name or "", {}), **_PAPER_TABLE_1}.items():
        known = ["-"] * 3 if occluded is None else [f"{occluded:,}", _percent(occluded / instances), f"{rate:.1f}"]
        rows.append([f"[{name}]", f"{images:,}", f"{instances:,}", _decimal(instances / images), *known, "-"])
    return _table(rows)


def _table_2(stats: Statistics, parts: dict[str, SplitStatistics]) -> str:
    paper = _PAPER_TABLE_2 if stats.name == "intra-afruit" else {}
    rows = [["category", *parts, "share %", *(["[train]", "[test]", "[share %]"] if paper else [])]]
    for category, count in stats.total.categories.items():
        counts = [f"{part.categories.get(category, 0):,}" for part in parts.values()]
        row = [category, *counts, _percent(_ratio(count, stats.total.num_instances), 2)]
        if paper:
            train, test, ratio = paper.get(category, (None, None, None))
            row += ["-"] * 3 if ratio is None else [f"{train:,}", f"{test:,}", f"{ratio:.2f}"]
        rows.append(row)
    return _table(rows)


def _counts_table(title: str, parts: dict[str, SplitStatistics], counts: str, whole: str) -> str:
    keys = sorted({key for part in parts.values() for key in getattr(part, counts) or ()})
    rows = [[title, *(heading for name in parts for heading in (name, "%"))]]
    for key in keys:
        row = [str(key)]
        for part in parts.values():
            count = None if getattr(part, counts) is None else getattr(part, counts).get(key, 0)
            row += [_NOT_RECORDED, "-"] if count is None else [f"{count:,}", _percent(_ratio(count, getattr(part, whole)))]
        rows.append(row)
    return _table(rows) if keys else _NOT_RECORDED


def _pairs_table(parts: dict[str, SplitStatistics]) -> str:
    rows = [["", "pairs", "direct", "indirect"]]
    for name, part in parts.items():
        counts = (part.num_pairs, part.num_direct_pairs, part.num_indirect_pairs)
        rows.append([name, *(_NOT_RECORDED if count is None else f"{count:,}" for count in counts)])
    return _table(rows)


def _sizes_table(parts: dict[str, SplitStatistics]) -> str:
    rows = [["", "mean", "smallest", "largest", *(f"{size} %" for size in _SIZES)]]
    for name, part in parts.items():
        areas = ["-" if area is None else f"{area:,.0f}" for area in (part.mean_area, part.min_area, part.max_area)]
        rows.append([name, *areas, *(_percent(_ratio(part.sizes[size], part.num_instances)) for size in _SIZES)])
    return _table(rows)


def _percent(fraction: float | None, digits: int = 1) -> str:
    return "-" if fraction is None else f"{100 * fraction:.{digits}f}"


def _decimal(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _table(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [[row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))] for row in rows]
    return "\n".join(f"  {'  '.join(line)}".rstrip() for line in lines)
