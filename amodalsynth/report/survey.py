"""One pass over the images of a source: what can be said of all of them together, and the little that is kept of each.

Nothing here stops at a fault: what is broken is counted as such, and what it hides is not known; all else counts. Memory grows with the
number of images by some hundred bytes each, and not with what they hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from amodalsynth.importers.source import SourceImage
from amodalsynth.report.measures import Measures, measure
from amodalsynth.report.ordering import Ordering, order_image
from amodalsynth.report.values import text_for_page
from amodalsynth.segmentation import mask_areas
from amodalsynth.stats.counts import SplitStatistics, Tally
from amodalsynth.validate import KINDS
from amodalsynth.validate.block import NO_FRAME, Block
from amodalsynth.validate.judge import Judge
from amodalsynth.validate.report import Fault, Validation
from amodalsynth.validate.report import Tally as FaultTally

Progress = Callable[[int, int], None]

RATE_EDGES = np.arange(21) / 20  # the upper edges of the bins of occlusion rates, each of which holds its own
MAP_BINS = 24
MAX_EXAMPLES = 20  # of each kind of fault
_BIT = {kind: 1 << k for k, kind in enumerate(KINDS)}


@dataclass(frozen=True, slots=True)
class Columns:
    """What is kept of each of I images, in the order of the source.

    image_id, file_name: as the file has them, of whatever type. size_hw (I, 2) int64: the frame that masks are in, zeros where nothing tells
    it. num_instances (I,) int64. categories: indices into `Survey.category_names`, ascending and distinct. deepest_layer (I,) int64: -1 where
    no layer is known. largest_rate (I,) float64: NaN where no occlusion rate is known. fault_kinds (I,) uint32: bit k for a fault of
    `KINDS[k]` of the image or of its instances.
    """

    image_id: list[Any]
    file_name: list[Any]
    size_hw: np.ndarray
    num_instances: np.ndarray
    categories: list[tuple[int, ...]]
    deepest_layer: np.ndarray
    largest_rate: np.ndarray
    fault_kinds: np.ndarray


@dataclass(frozen=True, slots=True)
class Survey:
    """What there is in a source.

    statistics: of all instances of which each value is known; a value is not recorded where none has it. validation: what `validate` says.
    category_names: each once, in the order of the source. rate_histogram (21,) int64: instances by occlusion rate, those with 0, then those
    in (0, 5 %], (5 %, 10 %], ...; None where no rate is known. size_map (24, 24) int64: [i, j] instances whose amodal box has height / frame
    height in bin i of [0, 1], and width / frame width in bin j; position_map (24, 24) int64: [row, column] of the amodal box's centre in the
    frame; both clipped. num_derived_images: how many had their order and layers derived.
    """

    statistics: SplitStatistics
    validation: Validation
    category_names: tuple[str, ...]
    rate_histogram: np.ndarray | None
    size_map: np.ndarray
    position_map: np.ndarray
    num_derived_images: int
    columns: Columns


def survey(judge: Judge, *, progress: Progress | None = None) -> Survey:
    """Read and judge all images of the judge's source; `progress(done, total)` counts images.

    `DataError` only where the source cannot be read on.
    """
    counter = _Counter(judge)
    for block, faults in judge.blocks():
        counter.add(block, faults)
        if progress is not None:
            progress(counter.num_images, len(judge.source))
    return counter.finish()


class _Counter:
    def __init__(self, judge: Judge) -> None:
        self._source = judge.source
        named = {key: text_for_page(name) for key, name in self._source.categories.items()}
        self._names = tuple(dict.fromkeys(named.values()))
        index = {name: i for i, name in enumerate(self._names)}
        self._category_of_key = {key: index[name] for key, name in named.items()}
        self._tally, self._faults = Tally(self._names), FaultTally(MAX_EXAMPLES)
        self._faults.add_source(self._source.faults)
        self._rates = np.zeros(len(RATE_EDGES), np.int64)
        self._sizes, self._positions = np.zeros((MAP_BINS, MAP_BINS), np.int64), np.zeros((MAP_BINS, MAP_BINS), np.int64)
        self._num_derived = 0
        self._shared: dict[tuple[int, ...], tuple[int, ...]] = {}
        self._rows: list[tuple[Any, ...]] = []

    @property
    def num_images(self) -> int:
        return self._faults.num_images

    def add(self, block: Block, faults: list[list[Fault]]) -> None:
        measures = measure(block)
        if block.size_hw is not None:
            self._add_boxes(measures.box, block.size_hw)
        for g, image in enumerate(block.images):
            self._add_image(image, block, g, measures, faults[g])
        rates = measures.rate[~np.isnan(measures.rate)]
        self._rates += np.bincount(np.searchsorted(RATE_EDGES, rates), minlength=len(RATE_EDGES))

    def _add_boxes(self, box: np.ndarray, size_hw: tuple[int, int]) -> None:
        corners = box[~np.isnan(box[:, 0])].reshape(-1, 2, 2)[:, :, ::-1] / size_hw  # (n, 2, 2): two corners, y before x
        self._sizes += _map(corners[:, 1] - corners[:, 0])
        self._positions += _map(corners.mean(axis=1))

    def _add_image(self, image: SourceImage, block: Block, g: int, measures: Measures, faults: list[Fault]) -> None:
        own = slice(int(block.first[g]), int(block.first[g + 1]))
        categories = [self._category(instance.category) for instance in image.instances]
        ordering = order_image(image, block.size_hw or NO_FRAME)
        if ordering.visible is not None:
            measures.rate[own] = _derived_rates(measures.rate[own], measures.area[own], ordering)
        areas, rates = ([value for value in values[own].tolist() if value == value] for values in (measures.area, measures.rate))
        layers = [layer for layer in ordering.layer if layer is not None]
        self._tally.add_image(
            [None if category is None else self._names[category] for category in categories],
            areas,
            rates=rates or None,
            layers=layers or None,
            num_pairs=sum(map(len, ordering.occluded_by)) if layers else None,
            num_direct_pairs=sum(map(len, ordering.directly_occluded_by)) if layers else None,
        )
        self._num_derived += ordering.derived
        self._faults.num_images += 1
        self._faults.num_annotations += len(image.instances)
        self._faults.add_all(faults)
        distinct = tuple(sorted({category for category in categories if category is not None}))
        self._rows.append(
            (
                image.image_id,
                image.file_name,
                block.size_hw or (0, 0),
                len(image.instances),
                self._shared.setdefault(distinct, distinct),
                max(layers, default=-1),
                max(rates, default=np.nan),
                sum({_BIT[fault.kind] for fault in faults}),
            )
        )

    def _category(self, key: Any) -> int | None:
        return self._category_of_key.get(key) if type(key) in (int, str) else None

    def finish(self) -> Survey:
        statistics = self._tally.finish(partial=True)
        ids, names, sizes, counts, categories, layers, rates, kinds = zip(*self._rows, strict=True) if self._rows else ((),) * 8
        columns = Columns(
            list(ids),
            list(names),
            np.array(sizes, np.int64).reshape(-1, 2),
            np.array(counts, np.int64),
            list(categories),
            np.array(layers, np.int64),
            np.array(rates, np.float64),
            np.array(kinds, np.uint32),
        )
        return Survey(
            statistics,
            self._faults.finish(self._source.format),
            self._names,
            None if statistics.num_rated is None else self._rates,
            self._sizes,
            self._positions,
            self._num_derived,
            columns,
        )


def _derived_rates(rate: np.ndarray, area: np.ndarray, ordering: Ordering) -> np.ndarray:
    """(N,) occlusion rates of an image, those that its file leaves open from the visible masks that were derived."""
    visible = np.empty(len(rate))
    visible[list(ordering.place)] = mask_areas(ordering.visible)
    known = np.isnan(rate) & (area > 0) & (visible > 0)
    return np.where(known, np.clip(1 - visible / np.where(area > 0, area, 1), 0, 1), rate)


def _map(fractions: np.ndarray) -> np.ndarray:
    """(n, 2) float64 -> (24, 24) int64: how many fall into each bin of [0, 1] by [0, 1]; what lies outside is counted at the edge."""
    row, column = np.clip(np.floor(fractions * MAP_BINS), 0, MAP_BINS - 1).astype(np.int64).T
    return np.bincount(row * MAP_BINS + column, minlength=MAP_BINS**2).reshape(MAP_BINS, MAP_BINS)
