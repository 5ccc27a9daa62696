"""The outcome of an ablation as the paper's Tables 3 and 4, with the paper's numbers beside: means and spreads over seeds, as text and Markdown.

Loads no torch: an outcome is what `ablation.run_ablation` returns, or table.json.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from amodalsynth.baselines.ablation_rows import LAYERS, Row, rows_of_table

_ABSENT = "-"
_TITLES = {3: "LP x cascade x TTA", 4: "mask AP by layer, whatever the category"}


def measure(evaluation: Mapping[str, Any]) -> dict[str, float | None]:
    """The numbers of an evaluation (`evaluate_run`) that are averaged over seeds: AP in percent, images a second, detections an image."""
    scores = {f"{kind}_{name}": evaluation[kind][name] for kind in ("box", "mask") for name in ("AP", "AP50", "AP75")}
    by_layer = {layer: evaluation["mask_by_layer"][layer]["AP"] for layer in LAYERS}
    return scores | by_layer | {name: evaluation[name] for name in ("layer_accuracy", "fps", "detections_per_image")}


def summarise_seeds(evaluations: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, float | int | None]]:
    """Each number of `measure` over the evaluations of several seeds: {"mean", "sd", "n"}.

    sd is the sample standard deviation, None for one seed; an undefined number does not count, and without any the mean is None. Empty
    without evaluations.
    """
    measured = [measure(evaluation) for evaluation in evaluations]
    return {name: _summary([values[name] for values in measured if values[name] is not None]) for name in (measured[0] if measured else ())}


def _summary(values: list[float]) -> dict[str, float | int | None]:
    return {
        "mean": statistics.fmean(values) if values else None,
        "sd": statistics.stdev(values) if len(values) > 1 else None,
        "n": len(values),
    }


@dataclass(frozen=True, slots=True)
class Table:
    """Cells of text under a title, with notes beneath; the first `num_paper_rows` are the paper's own."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    num_paper_rows: int
    notes: tuple[str, ...]

    def text(self) -> str:
        """For a terminal, columns aligned; the control rows stand apart."""
        widths = [max(map(len, column)) for column in zip(self.head, *self.rows)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in (self.head, *self.rows)]
        paper, controls = lines[: 1 + self.num_paper_rows], lines[1 + self.num_paper_rows :]
        return "\n".join([self.title, "", *paper, *(["", *controls] if controls else []), "", *self.notes]) + "\n"

    def markdown(self) -> str:
        """As a section with a Markdown table."""
        lines = [f"| {' | '.join(row)} |" for row in (self.head, ["---"] * len(self.head), *self.rows)]
        return "\n".join([f"## {self.title}", "", *lines, "", *(f"- {note}" for note in self.notes)]) + "\n"


def make_table(outcome: Mapping[str, Any], number: int) -> Table:
    """Table 3 or 4 of an outcome; "-" is what was not measured, or is undefined."""
    rows = sorted(rows_of_table(number), key=lambda row: row.paper is None)
    summaries = {row["name"]: row["summary"] for row in outcome["rows"]}
    columns = _table_3 if number == 3 else _table_4
    cells = [columns(row, summaries.get(row.name, {})) for row in rows]
    return Table(
        f"Table {number}: {_TITLES[number]}",
        tuple(cells[0]),
        tuple(tuple(row.values()) for row in cells),
        sum(row.paper is not None for row in rows),
        _notes(outcome),
    )


def _table_3(row: Row, summary: Mapping[str, Any]) -> dict[str, str]:
    paper = row.paper
    return _what(row) | {
        "box AP": _mean(summary, "box_AP"),
        "[box AP]": _paper(paper and paper.box),
        "mask AP": _mean(summary, "mask_AP"),
        "[mask AP]": _paper(paper and paper.mask),
        "FPS": _mean(summary, "fps"),
        "[FPS]": _paper(paper and paper.fps),
        "detections an image": _mean(summary, "detections_per_image"),
        "n": _count(summary),
    }


def _table_4(row: Row, summary: Mapping[str, Any]) -> dict[str, str]:
    cells = _what(row)
    for k, layer in enumerate(LAYERS):
        cells |= {layer: _mean(summary, layer), f"[{layer}]": _paper(row.paper and row.paper.by_layer[k])}
    return cells | {"n": _count(summary)}


def _what(row: Row) -> dict[str, str]:
    return {
        "row": row.name,
        "LP": {"none": "", "product": "yes"}.get(row.layers, row.layers),
        "cascade": "yes" if row.cascade else "",
        "TTA": "yes" if row.tta else "",
        "rule": row.rule,
    }


def _mean(summary: Mapping[str, Any], name: str) -> str:
    """ "46.0 ± 0.4", or "46.0" of one seed."""
    values = summary.get(name, {"mean": None})
    if values["mean"] is None:
        return _ABSENT
    return f"{values['mean']:.1f}" + ("" if values["sd"] is None else f" ± {values['sd']:.1f}")


def _paper(value: float | None) -> str:
    return "" if value is None else f"[{value:.3f}]"


def _count(summary: Mapping[str, Any]) -> str:
    return str(summary["fps"]["n"]) if summary else "0"  # the one number that is never undefined


def _notes(outcome: Mapping[str, Any]) -> tuple[str, ...]:
    settings = outcome["settings"]
    kind, amount = settings["limit"]
    evaluations = [run["evaluation"] for row in outcome["rows"] for run in row["seeds"].values()]
    at_once = evaluations[0]["batch_size"] if evaluations else _ABSENT
    images = f"{evaluations[0]['num_images']:,}" if evaluations else _ABSENT
    return (
        "AP in percent over IoU 0.5 to 0.95; mean ± sample standard deviation over n seeds; in brackets the paper's, of longer trainings on its "
        "own data.",
        f"Each training: configuration {settings['config']['name']}, {amount:g} {kind} on {settings['train']['data']} "
        f"({settings['train']['split']}). Evaluated on {images} images of {settings['test']['data']} ({settings['test']['split']}).",
        "LP: layer priors; factor: a head for the layer of its own. Rows of one training (the name's beginning) share their weights, so they "
        "compare best.",
        "Rule: how detections are chosen. paper: suppression within each {category, layer} pair, then the layer is dropped. Soft-NMS and NMS 0.7: "
        "within each category, whose score is the sum over its layers.",
        f"FPS: images a second on {outcome['device']}, {at_once} at once; the paper's machine is not known.",
    )
