"""What the templates show of a report: key numbers, tables, charts, faults, sources and configuration of each data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import orjson

from amodalsynth.presets import DatasetPreset
from amodalsynth.report import charts
from amodalsynth.report.build import DataSet, Part, Report
from amodalsynth.report.charts import Chart
from amodalsynth.report.model_summary import compare_models, summarise_models
from amodalsynth.report.values import text_for_page
from amodalsynth.stats import SplitStatistics
from amodalsynth.stats.paper import PAPER_SPLITS
from amodalsynth.stats.tables import Section, sections
from amodalsynth.validate import KINDS

VIEWS = {"overview": "Overview", "gallery": "Gallery", "predictions": "Predictions", "compare": "Compare", "image": "Viewer"}
_MAX_BARS = 24  # categories of a chart; numbers are all shown, but without gaps only up to so many
_RATE_LABELS = ("0", *(f"{5 * i}–{5 * i + 5}" for i in range(20)))
_SOURCE_KEYS = ("licence", "licence_note", "citation", "homepage")
_POSITIONS_NOTE = "Centres of the amodal boxes in the frame, as seen in the image."
_SIZES_NOTE = "Height and width of the amodal box as a share of the frame; the square root of the count sets the shade."


@dataclass(frozen=True, slots=True)
class Tile:
    """A key number and what it counts."""

    value: str
    name: str


@dataclass(frozen=True, slots=True)
class FaultKind:
    """Faults of a kind: how many, in how many images, what is checked, and the first (part, where, message) of each part."""

    kind: str
    count: int
    num_images: int
    meaning: str
    examples: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class SetSummary:
    """A data set in numbers.

    lacks_images: the folder of the images is unknown. is_papers: it has the name of one of the paper's. sources: (kind, title, number of files,
    further lines). configuration: (field, value, meaning).
    """

    title: str
    num_images: int
    num_rows: int
    tiles: tuple[Tile, ...]
    tables: tuple[Section, ...]
    charts: tuple[Chart, ...]
    faults: tuple[FaultKind, ...]
    num_faults: int
    num_derived_images: int
    lacks_images: bool
    is_papers: bool
    sources: tuple[tuple[str, str, int, tuple[str, ...]], ...]
    facts: tuple[tuple[str, str], ...]
    configuration: tuple[tuple[str, str, str], ...]
    part_names: tuple[str, ...]


def summarise(report: Report) -> dict[str, Any]:
    """The context of the templates, but for what `page.render_page` adds."""
    num_rows = Counter(report.parts[part].set for part, _ in report.rows)
    sets = [_summarise_set(data_set, report.parts_of(number), num_rows[number]) for number, data_set in enumerate(report.sets)]
    models = summarise_models(report)
    compared = len(sets) > 1
    curves, tables = compare_models(report, models)
    views = {
        name: label
        for name, label in VIEWS.items()
        if (name != "predictions" or models) and (name != "compare" or compared or len(models) > 1)
    }
    return {
        "title": report.title,
        "views": views,
        "sets": sets,
        "models": models,
        "compared_charts": _compared_charts(report) if compared else curves,
        "compared_tables": tables,
    }


def _summarise_set(data_set: DataSet, parts: Sequence[Part], num_rows: int) -> SetSummary:
    faults = _faults(parts)
    num_faults = sum(kind.count for kind in faults)
    return SetSummary(
        data_set.title,
        data_set.statistics.total.num_images,
        num_rows,
        _tiles(data_set.statistics.total, num_faults),
        sections(data_set.statistics),
        tuple(_charts({data_set.title: (data_set.statistics.total, parts)})),
        faults,
        num_faults,
        sum(part.survey.num_derived_images for part in parts),
        any(part.source.images is None and len(part.source) for part in parts),
        data_set.statistics.name in PAPER_SPLITS,
        _sources(data_set.description),
        _facts(data_set.description, parts),
        _configuration(data_set.description),
        tuple(part.name for part in parts),
    )


def _tiles(total: SplitStatistics, num_faults: int) -> tuple[Tile, ...]:
    tiles = [_counted(total.num_images, "image"), _counted(total.num_instances, "instance")]
    if total.instances_per_image is not None:
        tiles.append(Tile(f"{total.instances_per_image:.2f}", "instances an image"))
    if total.occluded_share is not None:
        tiles.append(Tile(f"{total.occluded_share:.1%}", "of the instances occluded"))
    if total.mean_rate is not None:
        tiles.append(Tile(f"{total.mean_rate:.1%}", "mean occlusion rate"))
    return (*tiles, _counted(num_faults, "fault"))


def _counted(count: int, noun: str) -> Tile:
    return Tile(f"{count:,}", noun if count == 1 else f"{noun}s")


def _charts(sets: Mapping[str, tuple[SplitStatistics, Sequence[Part]]]) -> list[Chart]:
    """The charts of a data set, or the bars of two side by side as shares."""
    shares = len(sets) > 1
    totals = {name: total for name, (total, _) in sets.items()}

    def bars(key: str, title: str, x_title: str, what: str, counts: Mapping[str, Mapping[Any, int] | None], note: str = "") -> list[Chart]:
        known = [values for values in counts.values() if values]
        if not known:
            return []
        places = list(dict.fromkeys(label for values in known for label in values))
        if all(isinstance(place, int) for place in places):
            filled = range(min(places), max(places) + 1)
            places = list(filled) if len(filled) <= _MAX_BARS else sorted(places)
        elif len(places) > _MAX_BARS:
            note = f"The {_MAX_BARS} most frequent of {len(places)}; all are in the table further down."
            places = sorted(places, key=lambda place: -sum(values.get(place, 0) for values in known))[:_MAX_BARS]
        series = {
            name: None if values is None else {str(place): count for place, count in values.items()} for name, values in counts.items()
        }
        return [charts.bar_chart(key, title, x_title, series, labels=[*map(str, places)], what=what, note=note, as_shares=shares)]

    drawn = bars("instances", "Instances in an image", "instances", "images", {name: total.histogram for name, total in totals.items()})
    drawn += bars("categories", "Categories", "category", "instances", {name: total.categories for name, total in totals.items()})
    layers = {name: total.layers for name, total in totals.items()}
    drawn += bars("layers", "Layers (Figure 4)", "layer", "instances", layers, note="Layer 0 is not occluded (eq. 2).")
    rates = {name: _rates(parts) for name, (_, parts) in sets.items()}
    drawn += bars("rates", "Occlusion rate", "invisible share of the amodal mask, %", "instances", rates)
    pairs = {name: _pairs(total) for name, total in totals.items()}
    note = "Direct: the nearer instance itself covers a part. Indirect: it lies in front, but a third covers the overlap."
    drawn += bars("pairs", "Direct and indirect occlusion", "ordered pairs", "pairs", pairs, note=note)
    if not shares:
        ((_, (_, parts)),) = sets.items()
        sizes, places = (sum(getattr(part.survey, name) for part in parts) for name in ("size_map", "position_map"))
        axes = {"x_title": "width", "y_title": "height", "note": _SIZES_NOTE}
        drawn.append(charts.heat_map("sizes", "Object size", sizes, what="instances", upwards=True, **axes))
        axes = {"x_title": "from the left", "y_title": "from the top", "note": _POSITIONS_NOTE}
        drawn.append(charts.heat_map("positions", "Object position", places, what="instances", **axes))
    return drawn


def _rates(parts: Sequence[Part]) -> dict[str, int] | None:
    histograms = [part.survey.rate_histogram for part in parts]
    if any(histogram is None for histogram in histograms):
        return None
    return dict(zip(_RATE_LABELS, np.sum(histograms, axis=0).tolist()))


def _pairs(total: SplitStatistics) -> dict[str, int] | None:
    if total.num_direct_pairs is None or total.num_indirect_pairs is None:
        return None
    return {"direct": total.num_direct_pairs, "indirect": total.num_indirect_pairs}


def _compared_charts(report: Report) -> list[Chart]:
    """The charts of both data sets; as they stand in the page a second time, they need keys of their own."""
    alike = len({data_set.title for data_set in report.sets}) == 1
    sets = {
        f"{data_set.title} ({number + 1})" if alike else data_set.title: (data_set.statistics.total, report.parts_of(number))
        for number, data_set in enumerate(report.sets)
    }
    return [replace(chart, key=f"compared-{chart.key}") for chart in _charts(sets)]


def _faults(parts: Sequence[Part]) -> tuple[FaultKind, ...]:
    counts = Counter()
    for part in parts:
        counts.update(part.survey.validation.counts)
    return tuple(
        FaultKind(
            kind,
            counts[kind],
            sum(int(np.count_nonzero(part.survey.columns.fault_kinds & (1 << bit))) for part in parts),
            meaning,
            tuple((part.name, where, message) for part in parts for where, message in part.survey.validation.examples.get(kind, ())),
        )
        for bit, (kind, meaning) in enumerate(KINDS.items())
    )


def _sources(description: Mapping[str, Any]) -> tuple[tuple[str, str, int, tuple[str, ...]], ...]:
    found = []
    for kind, asset in _mapping(description.get("assets")).items():
        source = _mapping(_mapping(asset).get("source"))
        title = str(source.get("title") or source.get("name") or "not stated")
        lines = tuple(f"{key.replace('_', ' ')}: {source[key]}" for key in _SOURCE_KEYS if source.get(key))
        found.append((str(kind), title, len(_mapping(_mapping(asset).get("files"))), lines))
    return tuple(found)


def _facts(description: Mapping[str, Any], parts: Sequence[Part]) -> tuple[tuple[str, str], ...]:
    facts = [("format", ", ".join(dict.fromkeys(part.source.format for part in parts)))]
    facts += [(key, _value(description[key])) for key in ("name", "seed") if description.get(key) is not None]
    facts += [(key, _value(value)) for key, value in _mapping(description.get("output")).items() if value is not None]
    versions = ", ".join(f"{name} {version}" for name, version in _mapping(description.get("versions")).items())
    return (*facts, *([("made with", versions)] if versions else []))


def _configuration(description: Mapping[str, Any]) -> tuple[tuple[str, str, str], ...]:
    meanings = DatasetPreset.describe()
    return tuple((str(key), _value(value), meanings.get(key, "")) for key, value in _mapping(description.get("preset")).items())


def _mapping(value: Any) -> Mapping[str, Any]:
    """A value of a file that ought to be an object; an empty one where it is not."""
    return value if isinstance(value, dict) else {}


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    return text_for_page(value if isinstance(value, str) else orjson.dumps(value).decode())
