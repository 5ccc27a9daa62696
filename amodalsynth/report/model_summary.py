"""What the templates show of the models' predictions: tables, precision-recall curves, layers confused, and two models beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from amodalsynth.evaluation.average_precision import IOU_THRESHOLDS
from amodalsynth.evaluation.examine import DEEPEST_LAYER
from amodalsynth.report import charts
from amodalsynth.report.build import Report
from amodalsynth.report.charts import Chart
from amodalsynth.stats.tables import Section

_SHADES = 9  # of the cells of a confusion matrix, besides none


@dataclass(frozen=True, slots=True)
class Confusion:
    """Which layers a model takes for which. rows: a name and, for each cell, a count and its shade from 0 to 9 by its share of the row."""

    heading: tuple[str, ...]
    rows: tuple[tuple[str, tuple[tuple[int, int], ...]], ...]


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """A model's results; curves and confusion are None where nothing is known of them."""

    name: str
    tables: tuple[Section, ...]
    curves: Chart | None
    confusion: Confusion | None


def summarise_models(report: Report) -> list[ModelSummary]:
    """The models of a report's first part."""
    summaries = []
    for number, (name, found) in enumerate(zip(report.model_names, report.parts[0].predictions)):
        curves = [
            charts.Curve(_category_name(report, curve.category_id), curve.precision / 100, style="faint")
            if curve.category_id is not None
            else charts.Curve(f"mean over categories, IoU {curve.iou:g}", curve.precision / 100, style=_style(curve.iou))
            for curve in found.curves
        ]
        chart = _curves_chart(f"curves-{number}", f"Precision and recall of {name}", curves)
        summaries.append(ModelSummary(name, found.tables(), chart, _confusion(found.confusion)))
    return summaries


def compare_models(report: Report, models: Sequence[ModelSummary]) -> tuple[list[Chart], list[Section]]:
    """Of two models: their mean curves in one chart, and their AP side by side with the difference; nothing of fewer."""
    if len(models) < 2:
        return [], []
    curves = [
        charts.Curve(f"{name}, IoU {curve.iou:g}", curve.precision / 100, series, _style(curve.iou))
        for series, (name, found) in enumerate(zip(report.model_names, report.parts[0].predictions))
        for curve in found.curves
        if curve.category_id is None
    ]
    chart = _curves_chart("compared-curves", "Precision and recall", curves)
    tables = [_beside(*both, [model.name for model in models]) for both in zip(*(model.tables for model in models))]
    return [chart] if chart else [], [table for table in tables if table is not None]


def _beside(first: Section, second: Section, names: Sequence[str]) -> Section | None:
    """The column AP of two tables and how much more the second has; None where they have no such column."""
    if not first.rows or "AP" not in first.rows[0] or first.rows[0] != second.rows[0]:
        return None
    column = first.rows[0].index("AP")
    other = {row[0]: row[column] for row in second.rows[1:]}
    rows = [(first.rows[0][0], *(f"{name}: AP" for name in names), f"{names[1]} − {names[0]}")]
    for row in first.rows[1:]:
        values = (row[column], other.get(row[0], "-"))
        rows.append((row[0], *values, "-" if "-" in values else f"{float(values[1]) - float(values[0]):+.1f}"))
    return Section(first.title, rows=tuple(rows))


def _curves_chart(key: str, title: str, curves: Sequence[charts.Curve]) -> Chart | None:
    note = "Amodal masks; interpolated as COCO does."
    faint = "each category, IoU 0.5"
    return charts.line_chart(key, title, curves, x_title="recall", y_title="precision", note=note, faint=faint) if curves else None


def _style(iou: float) -> str:
    return "solid" if iou == IOU_THRESHOLDS[0] else "dashed"


def _category_name(report: Report, category_id: int) -> str:
    place = report.category_places(0).get(category_id)
    return str(category_id) if place is None else report.categories[place]


def _confusion(counts: np.ndarray | None) -> Confusion | None:
    if counts is None:
        return None
    last = len(counts) - 1
    shade = np.ceil(_SHADES * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)).astype(int)
    layers = [f"{i} or deeper" if i == DEEPEST_LAYER else str(i) for i in range(last)]
    names = (*layers, "no instance")
    return Confusion(
        ("true layer \\ found in", *layers, "missed"),
        tuple((name, tuple(zip(counts[i].tolist(), shade[i].tolist()))) for i, name in enumerate(names)),
    )
