"""The rows of the paper's ablation (section 5.2, Tables 3 and 4), and control rows that tell what the post-processing does. Loads no torch.

A row is a training, shared by the rows that name the same one, and a way to make detections of its weights. The paper's own rows use its
rule: every {category, layer} pair is suppressed by itself, then the layer is dropped. The paper argues that layer priors make up for what
non-maximum suppression removes among overlapping instances, so each model is held against gentler suppression of the same weights too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from amodalsynth.baselines.config import MethodConfig, override_config
from amodalsynth.errors import ConfigurationError

LAYERS = ("L0", "L1", "L2", "L3", "L4")  # the columns of Table 4


@dataclass(frozen=True, slots=True)
class PaperNumbers:
    """What the paper reports: AP of boxes and masks in percent and images a second (Table 3), mask AP of L0 to L4 in percent (Table 4)."""

    box: float
    mask: float
    fps: float
    by_layer: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the tables.

    training: the name of the training whose weights are used; changes: the fields in which its configuration differs from what all rows share,
    and method: what its run.json calls it. rule: what tables call the way to choose detections; assignments: the same as "field=value" changes
    of the prediction; tta: with test-time augmentation. paper: None in a control row, of which the paper says nothing.
    """

    name: str
    training: str
    changes: Mapping[str, Any]
    rule: str
    assignments: tuple[str, ...]
    tta: bool
    method: str
    paper: PaperNumbers | None

    @property
    def layers(self) -> str:
        """The layer priors: none, product (the paper's) or factor."""
        return self.changes["layers"]

    @property
    def cascade(self) -> bool:
        """Whether there is more than one box stage."""
        return len(self.changes["cascade_ious"]) > 1


_SINGLE, _CASCADE = (0.5,), (0.5, 0.6, 0.7)
_METHODS = {"baseline": "implicit-pointrend"}
_CHANGES = {
    "baseline": {"layers": "none", "cascade_ious": _SINGLE},
    "lp": {"layers": "product", "cascade_ious": _SINGLE},
    "cascade": {"layers": "none", "cascade_ious": _CASCADE},
    "lp-cascade": {"layers": "product", "cascade_ious": _CASCADE},
    "factor-cascade": {"layers": "factor", "cascade_ious": _CASCADE},
}
_RULES = {  # tables call them -> the prediction's fields
    "paper": ("postprocess=paper",),
    "Soft-NMS": ("postprocess=soft",),
    "NMS 0.7": ("postprocess=marginal", "box_nms=0.7"),
}
_PAPER = {  # Table 3 (box AP, mask AP, FPS) and Table 4 (mask AP of L0 to L4)
    "baseline": PaperNumbers(71.984, 74.995, 67.107),
    "lp": PaperNumbers(80.656, 84.202, 67.204, (92.710, 78.325, 52.682, 29.079, 16.212)),
    "cascade": PaperNumbers(82.892, 80.911, 57.768),
    "lp-cascade": PaperNumbers(88.668, 86.187, 22.126, (94.432, 80.831, 56.487, 34.010, 19.551)),
    "lp-cascade-tta": PaperNumbers(88.722, 87.410, 2.841, (95.487, 83.176, 58.208, 35.330, 20.821)),
}


def _row(training: str, rule: str = "paper", suffix: str = "", *, tta: bool = False) -> Row:
    name = training + suffix
    return Row(
        name,
        training,
        _CHANGES[training],
        rule=rule,
        assignments=_RULES[rule],
        tta=tta,
        method=_METHODS.get(training, "plin"),
        paper=_PAPER.get(name),
    )


ROWS: tuple[Row, ...] = (
    *(_row(training) for training in ("baseline", "lp", "cascade", "lp-cascade")),
    _row("lp-cascade", suffix="-tta", tta=True),
    _row("factor-cascade"),
    *(_row(training, "Soft-NMS", "-soft") for training in _CHANGES),
    *(_row(training, "NMS 0.7", "-nms-0.7") for training in ("baseline", "cascade")),
)
DECIDED_BY_ROWS = frozenset(
    {name for changes in _CHANGES.values() for name in changes} | {part.partition("=")[0] for rule in _RULES.values() for part in rule}
)


def rows_of_table(number: int) -> tuple[Row, ...]:
    """The rows of Table 3: all; or of Table 4: those with layer priors."""
    return tuple(row for row in ROWS if number == 3 or row.layers != "none")


def override_shared(config: MethodConfig, assignments: Iterable[str]) -> MethodConfig:
    """`override_config` for what all rows share; `ConfigurationError` for a field in which they differ."""
    assignments = tuple(assignments)
    changed = override_config(config, assignments)
    decided = [name for name in (assignment.partition("=")[0].strip() for assignment in assignments) if name in DECIDED_BY_ROWS]
    if decided:
        raise ConfigurationError(f"--set {decided[0]}: is what the rows of the table differ in; expected a field that they share")
    return changed
