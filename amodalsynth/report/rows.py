"""Which images a report shows, and what the gallery knows of them: the `index` of the page's data, a column for each value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from amodalsynth.report.values import id_for_page, text_for_page
from amodalsynth.rng import report_rng
from amodalsynth.validate import KINDS

if TYPE_CHECKING:
    from amodalsynth.report.survey import Columns

_CHOSEN_FIRST = 3  # at most one image in so many is there for its faults, and as many for its predictions


def choose_rows(faulty: np.ndarray, quality: Sequence[np.ndarray], max_images: int, seed: int) -> np.ndarray:
    """(R,) int64, ascending: which of n images are shown, all of them where n <= `max_images`.

    faulty (n,) bool. quality: for each model (n,) float64, NaN where it is undefined. A third of the places at most goes to faulty images and
    a third at most to those that the models do worst on; the others are drawn, with `seed`, from all that are left.
    """
    count = len(faulty)
    if count <= max_images:
        return np.arange(count)
    drawn = report_rng(seed).random(count)
    places = max_images // _CHOSEN_FIRST
    chosen = np.zeros(count, bool)
    faults = np.flatnonzero(faulty)
    chosen[faults[np.argsort(drawn[faults], kind="stable")[:places]]] = True
    for values in quality:
        worst = np.argsort(values, kind="stable")[: places // len(quality)]  # NaN comes last
        chosen[worst[~np.isnan(values[worst])]] = True
    rest = np.flatnonzero(~chosen)
    chosen[rest[np.argsort(drawn[rest], kind="stable")[: max_images - int(chosen.sum())]]] = True
    return np.flatnonzero(chosen)


def merge_categories(names: Sequence[Sequence[str]]) -> tuple[list[str], list[np.ndarray]]:
    """The category names of several parts in one list, each once, and for each part where its own are in it."""
    merged = {name: i for i, name in enumerate(dict.fromkeys(name for part in names for name in part))}
    return list(merged), [np.array([merged[name] for name in part], np.int64) for part in names]


def index_of(parts: Sequence[Columns], category_places: Sequence[np.ndarray], rows: Sequence[tuple[int, int]]) -> dict[str, list[Any]]:
    """The `index` without `quality`: an entry of each column for every (part, image of the part) of `rows`."""
    index: dict[str, list[Any]] = {
        key: [] for key in ("part", "id", "name", "width", "height", "instances", "categories", "layer", "rate", "faults")
    }
    kinds = {0: []}
    for part, k in rows:
        columns = parts[part]
        height, width = columns.size_hw[k].tolist()
        rate, mask = float(columns.largest_rate[k]), int(columns.fault_kinds[k])
        if mask not in kinds:
            kinds[mask] = [kind for kind in range(len(KINDS)) if mask >> kind & 1]
        values = (
            part,
            id_for_page(columns.image_id[k]),
            _name(columns.file_name[k]),
            width,
            height,
            int(columns.num_instances[k]),
            sorted({int(category_places[part][category]) for category in columns.categories[k]}),
            int(columns.deepest_layer[k]),
            None if np.isnan(rate) else rate,
            kinds[mask],
        )
        for column, value in zip(index.values(), values):
            column.append(value)
    return index


def _name(value: Any) -> str | None:
    return text_for_page(value) if isinstance(value, str) else None
