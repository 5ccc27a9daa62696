"""What a report holds: one or two data sets, their parts (splits) surveyed, predictions if any, and the images that it shows.

A *row* is an image that is shown: its number, from 0, is the same in the page, in the names of pieces beside it, and here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from amodalsynth.coco_index import CocoIndex
from amodalsynth.drawing import PALETTE
from amodalsynth.errors import ConfigurationError, DataError
from amodalsynth.importers import open_source
from amodalsynth.importers.source import Source, SourceImage
from amodalsynth.records.description import read_description
from amodalsynth.records.layout import Layout
from amodalsynth.report.ordering import order_image
from amodalsynth.report.pictures import Picture, Pictures
from amodalsynth.report.point_file import open_points, with_points
from amodalsynth.report.predictions import Predictions, read_predictions
from amodalsynth.report.rows import choose_rows, index_of, merge_categories
from amodalsynth.report.scene import describe_scene
from amodalsynth.report.survey import Survey, survey
from amodalsynth.report.values import text_for_page
from amodalsynth.stats import Statistics, add_up
from amodalsynth.validate import KINDS, find_splits
from amodalsynth.validate.block import NO_FRAME, frame_of
from amodalsynth.validate.judge import Judge

StepProgress = Callable[[str, int, int], None]  # what is being done, how far it is, of how many
ToUrl = Callable[
    [str, Picture], str
]  # the name of a picture of a row ("image", "background", "3") and the picture -> where the page finds it

_IMAGES = "images"  # what faults call the folder of the images: a report may go to others, and holds no path of the machine
_OTHER = "other"  # before the names of the parts of the data set that is compared with


@dataclass(frozen=True, slots=True)
class Part:
    """A split of a data set: `name` is what the page calls it, `set` whether it belongs to the first data set (0) or to the other one (1)."""

    name: str
    split: str
    set: int
    source: Source
    judge: Judge
    survey: Survey
    pictures: Pictures
    points: CocoIndex | None
    predictions: tuple[Predictions, ...]

    def with_points(self, image: SourceImage) -> SourceImage:
        """An image of the part with the points that were drawn for it."""
        return image if self.points is None else with_points(image, self.points)


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set as a whole. title: its folder's or file's name. description: its dataset.json, empty where it has none."""

    title: str
    description: dict[str, Any]
    statistics: Statistics


class Report:
    """A data set, or two, opened and surveyed; a context manager, as it holds files open.

    sets: one or two. parts: their splits. rows: (part, image of the part) of every image shown. categories: the names of all parts. model_names:
    those of the predictions. Everything is safe to call from several threads.
    """

    def __init__(self, sets: Sequence[DataSet], parts: Sequence[Part], stack: ExitStack, *, max_images: int | None, seed: int) -> None:
        self.sets, self.parts, self._stack = tuple(sets), tuple(parts), stack
        self.model_names = _distinct([found.name for found in parts[0].predictions])
        self.categories, self._places = merge_categories([part.survey.category_names for part in parts])
        self._category_of_key = [_keys_to_places(part, places) for part, places in zip(parts, self._places)]
        self.num_images = sum(len(part.survey.columns.num_instances) for part in parts)
        self.rows = self._choose(self.num_images if max_images is None else max_images, seed)

    def _choose(self, max_images: int, seed: int) -> list[tuple[int, int]]:
        """Shared evenly between two data sets; what one has no use for, the other gets."""
        places = [(p, k) for p, part in enumerate(self.parts) for k in range(len(part.survey.columns.num_instances))]
        of_set = np.array([self.parts[p].set for p, _ in places], np.int64)
        faulty = np.concatenate([np.zeros(0, bool), *(part.survey.columns.fault_kinds > 0 for part in self.parts)])
        quality = [np.concatenate([part.predictions[m].quality for part in self.parts]) for m in range(len(self.model_names))]
        counts = np.bincount(of_set, minlength=2)
        first = min(counts[0], max(max_images - counts[1], -(-max_images // 2)))
        chosen = []
        for number, limit in enumerate((first, max_images - first)):
            own = np.flatnonzero(of_set == number)
            chosen += own[choose_rows(faulty[own], [values[own] for values in quality], limit, seed)].tolist()
        return [places[i] for i in chosen]

    def parts_of(self, number: int) -> list[Part]:
        """The parts of the first data set (0), or of the other one (1)."""
        return [part for part in self.parts if part.set == number]

    def category_places(self, part: int) -> dict[Any, int]:
        """The keys of a part's categories -> indices into `categories`."""
        return self._category_of_key[part]

    @property
    def num_rows(self) -> int:
        return len(self.rows)

    @property
    def title(self) -> str:
        """The names of the data sets."""
        return " and ".join(data_set.title for data_set in self.sets)

    def data(self, store: dict[str, Any]) -> dict[str, Any]:
        """The `data` that the page's script works on; `store` says where scenes and thumbnails are."""
        index = index_of([part.survey.columns for part in self.parts], self._places, self.rows)
        quality = [[_rounded(self.parts[p].predictions[m].quality[k]) for p, k in self.rows] for m in range(len(self.model_names))]
        return {
            "title": self.title,
            "palette": ["#{:02x}{:02x}{:02x}".format(*color) for color in PALETTE],
            "categories": self.categories,
            "parts": [{"name": part.name} for part in self.parts],
            "models": self.model_names,
            "faultKinds": [*KINDS],
            "index": {**index, "quality": quality},
            "store": store,
            "thresholds": [found.threshold for found in self.parts[0].predictions],
        }

    def scene(self, row: int, to_url: ToUrl) -> dict[str, Any]:
        """The `scene` of a row, its pictures where `to_url` puts them. `DataError` where the source can no longer be read."""
        part, k, places = self._row(row)
        image = part.source.at(k)
        faults = part.judge.judge_image(image)  # points of another file are not judged
        image = part.with_points(image)
        described = describe_scene(image, faults, places)
        values = described.values
        for name, picture in (("image", part.pictures.image(image)), ("background", part.pictures.background(image))):
            values[name] = None if picture is None else to_url(name, picture)
        for number, (instance, place) in enumerate(zip(values["instances"], described.place)):
            source = image.instances[place]
            picture = part.pictures.appearance(source)
            instance["appearance"] = None
            if picture is not None:
                (x, y), (height, width) = source.appearance["offset"], picture.size_hw
                instance["appearance"] = {"url": to_url(str(number), picture), "x": x, "y": y, "width": width, "height": height}
        size_hw = (values["height"], values["width"])
        values["detections"] = [found.of_image(k, places, described.place, size_hw) for found in part.predictions]
        return values

    def picture(self, row: int, name: str) -> Picture | None:
        """A picture of a row by its name in `ToUrl`; None where there is none."""
        part, k, _ = self._row(row)
        image = part.source.at(k)
        if name in ("image", "background"):
            return getattr(part.pictures, name)(image)
        place = order_image(image, frame_of(image) or NO_FRAME).place
        return part.pictures.appearance(image.instances[place[int(name)]]) if name.isdecimal() and int(name) < len(place) else None

    def _row(self, row: int) -> tuple[Part, int, dict[Any, int]]:
        part, k = self.rows[row]
        return self.parts[part], k, self._category_of_key[part]

    def close(self) -> None:
        self._stack.close()

    def __enter__(self) -> Report:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def open_report(
    path: str | Path,
    *,
    format: str = "auto",
    split: str = "all",
    images: str | Path | None = None,
    results: Path | None = None,
    against: Path | None = None,
    max_images: int | None = None,
    seed: int = 0,
    progress: StepProgress | None = None,
) -> Report:
    """Open and survey the data set at `path`, whatever `validate` reads.

    format, images: as in `importers.open_source`. split: train, val, test, or "all". results: a COCO results file, or the folder of a run with
    results-<split>.json; the report is then of the one split that they are for, by default test. against: without results another data set,
    with them another model's results. max_images: how many images are shown at most, all of them by default; drawn with `seed` (see
    `rows.choose_rows`), while statistics cover all.

    `DataError` where something cannot be read at all; single faults are part of the report.
    """
    path = Path(path)
    found = [model for model in (results, against if results else None) if model is not None]
    if found and split == "all":
        split = _split_of_results(path)
    others = [Path(against)] if against is not None and results is None else []
    with ExitStack() as stack:
        sets, parts = [], []
        for number, own in enumerate([path, *others]):
            for name in find_splits(own, split):
                source = stack.enter_context(
                    open_source(own, format=format, images=None if number else images, split=name if own.is_dir() else None)
                )
                called = f"{_OTHER}/{name}" if number else name
                parts.append(_open_part(own, name, called, number, source, found, stack, progress))
            sets.append(_data_set(own, [part for part in parts if part.set == number]))
        return Report(sets, parts, stack.pop_all(), max_images=max_images, seed=seed)


def _open_part(
    path: Path, split: str, name: str, number: int, source: Source, results: Sequence[Path], stack: ExitStack, progress: StepProgress | None
) -> Part:
    def step(what: str) -> Callable[[int, int], None] | None:
        return None if progress is None else lambda done, total: progress(what, done, total)

    judge = Judge(source, folder=_IMAGES)
    layout = Layout(path) if (path / "dataset.json").is_file() else None
    pictures = stack.enter_context(Pictures(source.images, layout, split))
    surveyed = survey(judge, progress=step(f"reading {name}"))
    predictions = tuple(read_predictions(source.path, model, split, progress=step(f"judging {model.name}")) for model in results)
    points = open_points(source.path) if source.path.is_file() else None
    if points is not None:
        stack.enter_context(points)
    return Part(name, split, number, source, judge, surveyed, pictures, points, predictions)


def _split_of_results(path: Path) -> str:
    """Of a data set folder the test split, or else its only one; a single file has no choice."""
    if not path.is_dir():
        return "all"
    splits = find_splits(path)
    if "test" in splits or len(splits) == 1:
        return "test" if "test" in splits else splits[0]
    raise ConfigurationError(f"{path}: which split are the results for? give --split {' or '.join(splits)}")


def _data_set(path: Path, parts: Sequence[Part]) -> DataSet:
    description = _description(path)
    splits = {part.split: part.survey.statistics for part in parts}
    name = (description.get("preset") or {}).get("name")
    statistics = Statistics(name if isinstance(name, str) else None, splits, add_up(list(splits.values())))
    return DataSet(text_for_page(path.resolve().name), description, statistics)


def _description(path: Path) -> dict[str, Any]:
    """dataset.json; empty where there is none, or another tool's: a report does without."""
    try:
        description = read_description(Layout(path))
    except DataError:
        return {}
    return description if isinstance(description["preset"], dict) else {}


def _keys_to_places(part: Part, places: np.ndarray) -> dict[Any, int]:
    """The source's keys of categories -> indices into the page's categories."""
    index = {name: int(place) for name, place in zip(part.survey.category_names, places)}
    return {key: index[text_for_page(name)] for key, name in part.source.categories.items()}


def _distinct(names: Sequence[str]) -> list[str]:
    """Two models of one name are told apart by a number."""
    return [name if names.count(name) == 1 else f"{name} ({i + 1})" for i, name in enumerate(names)]


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 2)
