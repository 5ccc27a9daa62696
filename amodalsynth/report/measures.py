"""Area, occlusion rate and box of many instances at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amodalsynth import masks
from amodalsynth.report.values import declared_area, declared_box, declared_rate
from amodalsynth.segmentation import mask_areas
from amodalsynth.validate.block import Block


@dataclass(frozen=True, slots=True)
class Measures:
    """Of n instances, float64, NaN where not known: amodal area (n,) in pixels, occlusion rate (n,) in [0, 1], amodal box (n, 4) xyxy."""

    area: np.ndarray
    rate: np.ndarray
    box: np.ndarray


def measure(block: Block) -> Measures:
    """Areas and boxes are those of the amodal masks, and declared ones where there is none that can be read.

    A rate is the declared one where that is a number in [0, 1], else 1 - visible area / amodal area.
    """
    amodal, filled = mask_areas(block.amodal), np.diff(block.amodal.split) > 0
    area = amodal.astype(np.float64)
    if not block.known[0].all():
        unknown = np.flatnonzero(~block.known[0])
        area[unknown] = [_number(declared_area(block.instances[i].area)) for i in unknown.tolist()]
    rate = np.array([_number(declared_rate(instance.rate)) for instance in block.instances], np.float64)
    derived = np.isnan(rate) & block.known[0] & block.seen & filled
    if derived.any():
        rate[derived] = np.clip(1 - mask_areas(block.visible)[derived] / amodal[derived], 0, 1)
    box = masks.boxes(block.amodal).astype(np.float64)
    if not filled.all():
        empty = np.flatnonzero(~filled)
        declared = [_corners(None if block.known[0][i] else declared_box(block.instances[i].box)) for i in empty.tolist()]
        box[empty] = np.array(declared).reshape(-1, 4)
    return Measures(area, rate, box)


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def _corners(box: list[float] | None) -> tuple[float, float, float, float]:
    """The corners of a box [x, y, width, height], which are NaN where there is none."""
    if box is None:
        return (np.nan,) * 4
    x, y, width, height = box
    return x, y, x + width, y + height
