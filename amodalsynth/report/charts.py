"""What the charts of the page show, computed: the templates draw these numbers as SVG, beside a table of the same values.

Lengths are in units of the drawing, whose origin is at the top left. Every mark has a `label` that says what it stands for in words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from amodalsynth.report.values import shortened

_WIDTH, _HEIGHT = 460.0, 240.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 8.0, 12.0, 30.0
_BAND_SHARE = 0.8  # of a place on the axis that its bars take
_TURNED_FROM, _FITTING = 7, 60  # labels on the axis are turned where there are more, or more characters in all, than fit side by side
_LONGEST_LABEL, _CHARACTER_DEPTH = 18, 5.2  # characters of a label; how far a character of a turned one reaches down


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled place on an axis."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle of the series number `series`."""

    x: float
    y: float
    width: float
    height: float
    series: int
    label: str


@dataclass(frozen=True, slots=True)
class Line:
    """A curve of the series number `series` as SVG's `points`; `style` is "solid", "dashed", or "faint", which has one look whatever the series."""

    points: str
    series: int
    label: str
    style: str


@dataclass(frozen=True, slots=True)
class Curve:
    """What is drawn as a `Line`: values (K,) float64 in [0, 1] at K places evenly from 0 to 1."""

    name: str
    values: np.ndarray
    series: int = 0
    style: str = "solid"


@dataclass(frozen=True, slots=True)
class Cell:
    """A square of a heat map; `heat` in (0, 1]."""

    x: float
    y: float
    width: float
    height: float
    heat: float
    label: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a legend: the name of a series or of a style of lines."""

    name: str
    series: int
    style: str = "solid"


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart: `kind` is "bars", "lines" or "heat". table: the same values, its first row the heading. legend: none where it has one series.

    The marks lie in the frame (left, top, right, bottom) of a drawing of width x height.
    """

    kind: str
    key: str
    title: str
    note: str
    x_title: str
    y_title: str
    width: float
    height: float
    frame: tuple[float, float, float, float]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    marks: tuple[Bar | Line | Cell, ...]
    legend: tuple[Entry, ...]
    table: tuple[tuple[str, ...], ...]
    turned: bool = False

    @property
    def summary(self) -> str:
        """One sentence for whoever does not see the chart."""
        note = f" {self.note}" if self.note else ""
        return f"{self.title}.{note} The values are in the table below."


def bar_chart(
    key: str,
    title: str,
    x_title: str,
    series: Mapping[str, Mapping[str, int] | None],
    *,
    labels: Sequence[str],
    what: str,
    note: str = "",
    as_shares: bool = False,
) -> Chart:
    """Bars for counts: series name -> {label: count}, None for a series of which nothing is known; `labels` is their order along the x axis.

    `what` is counted ("images"). `as_shares`: each series as shares of its own sum, under its name, to compare several.
    """
    sums = {name: sum((counts or {}).values()) for name, counts in series.items()}
    unit = {name: 100 / sums[name] if as_shares and sums[name] else 1.0 for name in series}
    highest = max((unit[name] * count for name, counts in series.items() for count in (counts or {}).values()), default=0)
    turned = (len(labels) > _TURNED_FROM and max(map(len, labels)) > 3) or sum(map(len, labels)) > _FITTING
    depth = min(_LONGEST_LABEL, max(map(len, labels))) * _CHARACTER_DEPTH if turned else 0
    bottom, height = _BOTTOM + depth, _HEIGHT + depth
    ticks = nice_ticks(highest, whole=not as_shares)
    frame = (_LEFT, _TOP, _WIDTH - _RIGHT, height - bottom)
    place = (frame[2] - frame[0]) / max(1, len(labels))
    band = place * _BAND_SHARE / max(1, len(series))
    bars = []
    for s, (name, counts) in enumerate(series.items()):
        for i, label in enumerate(labels if counts is not None else ()):
            count = counts.get(label, 0)
            tall = (frame[3] - frame[1]) * unit[name] * count / ticks[-1]
            said = f"{label}: {count:,} {what} ({_share(count, sums[name]):.1%})" + (f", {name}" if as_shares else "")
            left = frame[0] + place * (i + (1 - _BAND_SHARE) / 2) + band * s
            bars.append(Bar(_round(left), _round(frame[3] - tall), _round(band), _round(tall), s, said))
    heading = (x_title, *(cell for name in series for cell in (name if as_shares else what, "%")))
    rows = [(label, *(cell for name, counts in series.items() for cell in _count_cells(counts, label, sums[name]))) for label in labels]
    return Chart(
        "bars",
        key,
        title,
        note,
        x_title,
        f"share of {what}, %" if as_shares else what,
        _WIDTH,
        height,
        frame,
        tuple(Tick(_round(frame[0] + place * (i + 0.5)), shortened(label, _LONGEST_LABEL)) for i, label in enumerate(labels)),
        _y_ticks(ticks, frame),
        tuple(bars),
        tuple(Entry(name if counts is not None else f"{name} (not recorded)", s) for s, (name, counts) in enumerate(series.items()))
        if as_shares
        else (),
        (heading, *rows),
        turned,
    )


def heat_map(
    key: str, title: str, counts: np.ndarray, *, x_title: str, y_title: str, what: str, note: str = "", upwards: bool = False
) -> Chart:
    """Squares for counts (R, C) int64 over [0, 100 %] on both axes; the darker, the more. `upwards`: row 0 is at the bottom."""
    rows, columns = counts.shape
    side = 264.0
    frame = (_LEFT, _TOP, _LEFT + side, _TOP + side)
    wide, tall = side / columns, side / rows
    highest, total = int(counts.max(initial=0)), int(counts.sum())
    cells = []
    for row, column in np.argwhere(counts > 0).tolist():
        count = int(counts[row, column])
        y = frame[3] - tall * (row + 1) if upwards else frame[1] + tall * row
        said = f"{x_title} {_bin(column, columns)}, {y_title} {_bin(row, rows)}: {count:,} {what} ({_share(count, total):.1%})"
        # The square root keeps rare cells visible beside frequent ones.
        heat = 0.06 + 0.94 * math.sqrt(count / highest)
        cells.append(Cell(_round(frame[0] + wide * column), _round(y), _round(wide), _round(tall), _round(heat), said))
    quarters = [(share, f"{share:.0%}") for share in (0, 0.25, 0.5, 0.75, 1)]
    coarse = counts.reshape(4, rows // 4, 4, columns // 4).sum(axis=(1, 3))  # the table is for reading aloud: sixteen numbers, not hundreds
    heading = (f"{y_title} \\ {x_title}", *(_bin(column, 4) for column in range(4)))
    table = [(_bin(row, 4), *(f"{count:,}" for count in coarse[row].tolist())) for row in range(4)]
    return Chart(
        "heat",
        key,
        title,
        note,
        x_title,
        y_title,
        frame[2] + 3 * _RIGHT,  # for half of the last label
        frame[3] + _BOTTOM + 6,
        frame,
        tuple(Tick(_round(frame[0] + side * share), text) for share, text in quarters),
        tuple(Tick(_round(frame[3] - side * share if upwards else frame[1] + side * share), text) for share, text in quarters),
        tuple(cells),
        (),
        (heading, *table),
    )


def line_chart(key: str, title: str, curves: Sequence[Curve], *, x_title: str, y_title: str, note: str = "", faint: str = "") -> Chart:
    """Curves in the unit square; `faint` is what the legend calls all those of this style together."""
    frame = (_LEFT, _TOP, _WIDTH - _RIGHT, 300.0 - _BOTTOM)
    lines = []
    for curve in sorted(curves, key=lambda curve: curve.style != "faint"):  # below the others
        x = np.linspace(frame[0], frame[2], len(curve.values))
        y = frame[3] - (frame[3] - frame[1]) * np.clip(curve.values, 0, 1)
        points = " ".join(f"{_round(a):g},{_round(b):g}" for a, b in zip(x, y))
        lines.append(Line(points, curve.series, f"{curve.name}: mean {curve.values.mean():.1%}", curve.style))
    legend = [Entry(curve.name, curve.series, curve.style) for curve in curves if curve.style != "faint"]
    if len(legend) < len(curves):
        legend.append(Entry(faint, 0, "faint"))
    ticks = [(share, f"{share:g}") for share in (0, 0.2, 0.4, 0.6, 0.8, 1)]
    heading = (x_title, *(curve.name for curve in curves))
    table = [(text, *(f"{curve.values[round(share * (len(curve.values) - 1))]:.3f}" for curve in curves)) for share, text in ticks]
    return Chart(
        "lines",
        key,
        title,
        note,
        x_title,
        y_title,
        _WIDTH,
        frame[3] + _BOTTOM + 6,
        frame,
        tuple(Tick(_round(frame[0] + (frame[2] - frame[0]) * share), text) for share, text in ticks),
        tuple(Tick(_round(frame[3] - (frame[3] - frame[1]) * share), text) for share, text in ticks),
        tuple(lines),
        tuple(legend),
        (heading, *table),
    )


def nice_ticks(highest: float, wanted: int = 5, *, whole: bool = False) -> list[float]:
    """From 0 to at least `highest` in steps of 1, 2 or 5 times a power of ten, about `wanted` of them; [0, 1] for no values.

    `whole`: the steps are whole numbers.
    """
    if not highest > 0:
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(highest / wanted))
    step = next(step * power for step in (1, 2, 5, 10) if step * power * wanted >= highest)
    step = max(1.0, step) if whole else step
    return [step * i for i in range(math.ceil(highest / step - 1e-9) + 1)]


def _y_ticks(ticks: Sequence[float], frame: tuple[float, float, float, float]) -> tuple[Tick, ...]:
    size, suffix = next((size for size in ((1e6, "M"), (1e3, "k")) if ticks[-1] >= 10 * size[0]), (1, ""))
    texts = [f"{value / size:,g}{suffix if value else ''}" for value in ticks]
    return tuple(Tick(_round(frame[3] - (frame[3] - frame[1]) * value / ticks[-1]), text) for value, text in zip(ticks, texts))


def _count_cells(counts: Mapping[str, int] | None, label: str, total: int) -> tuple[str, str]:
    if counts is None:
        return "-", "-"
    count = counts.get(label, 0)
    return f"{count:,}", f"{100 * _share(count, total):.1f}"


def _bin(index: int, of: int) -> str:
    return f"{100 * index / of:.0f} to {100 * (index + 1) / of:.0f} %"


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _round(value: float) -> float:
    return round(float(value), 2)
