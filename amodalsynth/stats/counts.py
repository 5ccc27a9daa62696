"""What is counted of a data set, and the counter."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

_SIZES = {"small": 32**2, "medium": 96**2, "large": math.inf}  # COCO's: the first that the area is below


@dataclass(frozen=True, slots=True)
class SplitStatistics:
    """What was counted in one split, or in all; sums rather than means, so that splits add up.

    histogram: instances in an image -> images. categories: name -> instances. num_rated: instances whose occlusion rate is known, of which
    num_occluded have one above 0; sum_rate: the sum of the rates. layers: layer -> instances. num_pairs: (i, j) with i occluded by j, and of
    them num_direct_pairs directly. sizes: COCO's small, medium and large -> instances; areas are amodal, in pixels. None means not recorded.
    """

    num_images: int
    num_instances: int
    histogram: dict[int, int]
    categories: dict[str, int]
    num_rated: int | None
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
        return ratio(self.num_instances, self.num_images)

    @property
    def occluded_share(self) -> float | None:
        return ratio(self.num_occluded, self.num_rated)

    @property
    def mean_rate(self) -> float | None:
        """Mean occlusion rate over all instances, which is what the paper's 30.6 % is."""
        return ratio(self.sum_rate, self.num_rated)

    @property
    def mean_rate_occluded(self) -> float | None:
        """Mean occlusion rate over the occluded instances alone."""
        return ratio(self.sum_rate, self.num_occluded)

    @property
    def num_indirect_pairs(self) -> int | None:
        return None if self.num_pairs is None or self.num_direct_pairs is None else self.num_pairs - self.num_direct_pairs

    @property
    def mean_area(self) -> float | None:
        return ratio(self.sum_area, sum(self.sizes.values()))

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
                name: {"num_instances": count, "ratio": ratio(count, self.num_instances)} for name, count in self.categories.items()
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


class Tally:
    """The counter of one split, to which its images are added one by one.

    categories: the names of the split's categories, which are counted in this order also where nothing is of them; equal names are one.
    """

    def __init__(self, categories: Iterable[str]) -> None:
        self._histogram: Counter[int] = Counter()
        self._categories: Counter[str] = Counter(dict.fromkeys(categories, 0))
        self._sizes: Counter[str] = Counter()
        self._layers: Counter[int] = Counter()
        self._num_rated = self._num_occluded = self._num_pairs = self._num_direct_pairs = 0
        self._sum_rate, self._sum_area = 0.0, 0.0
        self._min_area, self._max_area = math.inf, -math.inf
        self._having: set[str] = set()
        self._lacking: set[str] = set()

    def add_image(
        self,
        categories: Sequence[str | None],
        areas: Sequence[float],
        *,
        rates: Sequence[float] | None,
        layers: Sequence[int] | None,
        num_pairs: int | None,
        num_direct_pairs: int | None,
    ) -> None:
        """Add an image.

        categories: the name of each instance's category, None where it is not known. areas (amodal, in pixels), rates (in [0, 1]), layers
        (from 0): one for each instance of which it is known. None: the image does not record it, which of an image without instances says
        nothing.
        """
        self._histogram[len(categories)] += 1
        if not categories:
            return
        self._categories.update(name for name in categories if name is not None)
        if areas:
            self._sizes.update(next(size for size, limit in _SIZES.items() if area < limit) for area in areas)
            self._sum_area += sum(areas)
            self._min_area, self._max_area = min(self._min_area, *areas), max(self._max_area, *areas)
        for name, values in (("rate", rates), ("layer", layers), ("pair", num_pairs), ("direct pair", num_direct_pairs)):
            (self._lacking if values is None else self._having).add(name)
        if rates is not None:
            self._num_rated += len(rates)
            self._num_occluded += sum(rate > 0 for rate in rates)
            self._sum_rate += sum(rates)
        self._layers.update(layers or ())
        self._num_pairs += num_pairs or 0
        self._num_direct_pairs += num_direct_pairs or 0

    def finish(self, *, partial: bool = False) -> SplitStatistics:
        """The counts. What an image lacks is not recorded for the whole split; with `partial`, only what every image lacks."""
        rated, layered, paired, directly = (
            name not in self._lacking or (partial and name in self._having) for name in ("rate", "layer", "pair", "direct pair")
        )
        measured = bool(self._sizes)
        return SplitStatistics(
            num_images=self._histogram.total(),
            num_instances=sum(count * images for count, images in self._histogram.items()),
            histogram=dict(sorted(self._histogram.items())),
            categories=dict(self._categories),
            num_rated=self._num_rated if rated else None,
            num_occluded=self._num_occluded if rated else None,
            sum_rate=self._sum_rate if rated else None,
            layers=dict(sorted(self._layers.items())) if layered else None,
            num_pairs=self._num_pairs if paired else None,
            num_direct_pairs=self._num_direct_pairs if directly else None,
            sizes={size: self._sizes[size] for size in _SIZES},
            sum_area=self._sum_area,
            min_area=self._min_area if measured else None,
            max_area=self._max_area if measured else None,
        )


def add_up(splits: Sequence[SplitStatistics]) -> SplitStatistics:
    """The statistics of all splits together, at least one; what one of them does not record, neither does the whole."""

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


def ratio(part: float | None, whole: float | None) -> float | None:
    """None where either is not known, or the whole is nothing."""
    return None if part is None or not whole else part / whole
