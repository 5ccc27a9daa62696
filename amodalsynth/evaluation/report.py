"""An evaluation as text for the terminal."""

from __future__ import annotations

from typing import Any


def format_evaluation(evaluation: dict[str, Any]) -> str:
    """The dict of `evaluate_results` as plain text, percent with one decimal; "-" is undefined. Keys that it does not know are left out."""
    rows: list[tuple[str, dict | None]] = [
        ("box", evaluation["box"]),
        ("mask", evaluation["mask"]),
        ("visible mask", evaluation["visible"]),
        ("mask, category and layer", evaluation["mask_category_layer"]),
        ("mask by layer, any category", None),
        *((f"  {name}", scores) for name, scores in evaluation["mask_by_layer"].items()),
        ("mask by occlusion rate, %", None),
        *((f"  {name}", scores) for name, scores in evaluation["mask_by_occlusion"].items()),
    ]
    width = max(len(name) for name, _ in rows)
    columns = ("AP", "AP50", "AP75")
    lines = [" " * width + "".join(f"{column:>8}" for column in columns)]
    for name, scores in rows:
        lines.append(name if scores is None else name.ljust(width) + "".join(f"{_percent(scores[column]):>8}" for column in columns))
    order, miou, threshold = evaluation["order"], evaluation["miou"], evaluation["score_threshold"]
    facts = {
        "box recall at IoU 0.5": ", ".join(f"{name} {_percent(recall)}" for name, recall in evaluation["recall_by_layer"].items()),
        "layer accuracy": _percent(evaluation["layer_accuracy"]),
        "occlusion order": f"precision {_percent(order['precision'])}, recall {_percent(order['recall'])}, F1 {_percent(order['f1'])}",
        "mIoU": f"amodal {_percent(miou['amodal'])}, invisible {_percent(miou['invisible'])}",
        "images": f"{evaluation['num_images']:,}",
    }
    lines += ["", *(f"{name.ljust(width)}  {value}" for name, value in facts.items())]
    kept = "nothing, as no detection is right" if threshold is None else f"detections of a score of at least {threshold:.3g}"
    return "\n".join([*lines, f"Layers, order and mIoU are those of {kept} (largest F1 at mask IoU 0.5)."]) + "\n"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
