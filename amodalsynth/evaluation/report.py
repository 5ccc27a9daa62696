"""An evaluation as tables, and as text for the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

PRECISION = ("AP", "AP50", "AP75")


@dataclass(frozen=True, slots=True)
class PrecisionTable:
    """COCO's three numbers of several things: rows of a name and its values under PRECISION, in percent, None where undefined."""

    title: str
    rows: tuple[tuple[str, tuple[float | None, ...]], ...]

    @classmethod
    def of(cls, title: str, scores: Iterable[tuple[str, dict[str, float | None]]]) -> PrecisionTable:
        return cls(title, tuple((name, tuple(score[column] for column in PRECISION)) for name, score in scores))


def precision_tables(evaluation: dict[str, Any]) -> tuple[PrecisionTable, ...]:
    """Of the dict of `evaluate_results`: by what is compared, by layer, by occlusion rate."""
    compared = {"box": "box", "mask": "mask", "visible mask": "visible", "mask, category and layer": "mask_category_layer"}
    return (
        PrecisionTable.of("average precision, %", ((name, evaluation[key]) for name, key in compared.items())),
        PrecisionTable.of("mask by layer, any category", evaluation["mask_by_layer"].items()),
        PrecisionTable.of("mask by occlusion rate, %", evaluation["mask_by_occlusion"].items()),
    )


def other_facts(evaluation: dict[str, Any]) -> dict[str, str]:
    """What is no average precision: name -> value as text, percent with one decimal."""
    order, miou = evaluation["order"], evaluation["miou"]
    return {
        "box recall at IoU 0.5": ", ".join(f"{name} {format_percent(recall)}" for name, recall in evaluation["recall_by_layer"].items()),
        "layer accuracy": format_percent(evaluation["layer_accuracy"]),
        "occlusion order": ", ".join(
            f"{name} {format_percent(order[key])}" for name, key in (("precision", "precision"), ("recall", "recall"), ("F1", "f1"))
        ),
        "mIoU": f"amodal {format_percent(miou['amodal'])}, invisible {format_percent(miou['invisible'])}",
        "images": f"{evaluation['num_images']:,}",
    }


def describe_kept(evaluation: dict[str, Any]) -> str:
    """Which detections layers, order and mIoU are judged on, as a sentence."""
    threshold = evaluation["score_threshold"]
    kept = "nothing, as no detection is right" if threshold is None else f"detections of a score of at least {threshold:.3g}"
    return f"Layers, order and mIoU are those of {kept} (largest F1 at mask IoU 0.5)."


def format_evaluation(evaluation: dict[str, Any]) -> str:
    """The dict of `evaluate_results` as plain text, percent with one decimal; "-" is undefined. Keys that it does not know are left out."""
    first, *others = precision_tables(evaluation)
    rows: list[tuple[str, tuple[float | None, ...]]] = [*first.rows]
    for table in others:
        rows += [(table.title, ()), *((f"  {name}", values) for name, values in table.rows)]
    width = max(len(name) for name, _ in rows)
    lines = [" " * width + "".join(f"{column:>8}" for column in PRECISION)]
    lines += [(name.ljust(width) if values else name) + "".join(f"{format_percent(value):>8}" for value in values) for name, values in rows]
    facts = (f"{name.ljust(width)}  {value}" for name, value in other_facts(evaluation).items())
    return "\n".join([*lines, "", *facts, describe_kept(evaluation)]) + "\n"


def format_percent(value: float | None) -> str:
    """With one decimal; "-" where it is undefined."""
    return "-" if value is None else f"{value:.1f}"
