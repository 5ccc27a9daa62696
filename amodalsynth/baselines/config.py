"""`MethodConfig`: every choice that decides what a model is and how it is trained; and the configurations by name. Loads no torch."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from amodalsynth import settings
from amodalsynth.baselines import METHODS
from amodalsynth.errors import ConfigurationError
from amodalsynth.settings import Fields, described

PREDICTION_FIELDS = ("postprocess", "score_threshold", "box_nms", "soft_sigma", "detections", "subdivisions")


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodConfig:
    """A model and its training; scalars and tuples only, so it prints, compares and dumps to JSON.

    The values here are detectron2's, which the paper builds on; `describe` lists what each field means. `ConfigurationError` names a field that
    cannot be.
    """

    name: str = described("name of the configuration")
    image_size: int = described("side of the square frame in pixels; images are scaled to it", 256)
    # backbone
    backbone: str = described("'resnet50', 'resnet18', or 'tiny' for CPUs", "resnet50")
    pretrained: str = described("weights that the backbone starts from: 'imagenet', 'none' or a file", "none")
    norm: str = described("'batch' trains BatchNorm; 'frozen' keeps it, the stem and the first stage as pretrained; 'auto' chooses", "auto")
    fpn_channels: int = described("channels of the feature pyramid", 256)
    # proposals
    anchor_sizes: tuple[int, ...] = described("side of the anchors on each level, in pixels", (32, 64, 128, 256, 512))
    anchor_levels: tuple[int, ...] = described("pyramid levels with anchors", (2, 3, 4, 5, 6))
    anchor_ratios: tuple[float, ...] = described("height / width of the anchors", (0.5, 1.0, 2.0))
    rpn_samples: int = described("anchors that are trained on in each image, up to half of them positive", 256)
    pre_nms: tuple[int, int] = described("proposals per level before non-maximum suppression, in training and inference", (2000, 1000))
    proposals: tuple[int, int] = described("proposals per image after it", (1000, 1000))
    rpn_nms: float = described("overlap above which the worse of two proposals goes", 0.7)
    # box heads
    layers: str = described(
        "layer priors: 'product' labels are {category, layer} pairs, 'none', or 'factor' for a head of its own", "product"
    )
    num_layers: int = described("layers that are told apart; deeper ones count as the last", 5)
    cascade_ious: tuple[float, ...] = described(
        "overlap that makes a proposal positive, for each stage; one value is no cascade", (0.5, 0.6, 0.7)
    )
    rois: int = described("regions that the box heads are trained on in each image", 512)
    roi_positives: int = described("at most so many of them are instances; the point head is trained on these", 128)
    roi_levels: tuple[int, ...] = described("pyramid levels that regions are pooled from", (2, 3, 4, 5))
    box_bins: int = described("side of the pooled regions", 7)
    box_channels: int = described("width of the box heads' two layers", 1024)
    # point head
    point_grid: int = described("side of the regular grid that the point head's weights are generated from", 14)
    parameter_channels: int = described("width of the two layers that generate the weights", 1024)
    point_channels: int = described("width of the generated layers", 256)
    point_layers: int = described("generated layers before the last", 3)
    position_channels: int = described("channels of the positional encoding", 256)
    category_agnostic: bool = described("one mask output in place of one for each label", False)
    num_points: int = described("labelled points of an instance", 10)
    points_per_iteration: int = described("of which so many are drawn at each iteration (section 4.3)", 5)
    refined_boxes: bool = described("train the point head in the last stage's boxes, where it is used, not in the proposals", False)
    # inference
    postprocess: str = described("'paper', 'marginal' or 'soft' (see amodalsynth.baselines.postprocess)", "paper")
    score_threshold: float = described("detections below are dropped", 0.05)
    box_nms: float = described("overlap above which the worse of two detections of a label goes", 0.5)
    soft_sigma: float = described("sigma of Soft-NMS", 0.5)
    detections: int = described("detections per image at most", 100)
    subdivisions: int = described("steps of the subdivision from 28 x 28, each doubling the side", 3)
    # training
    optimizer: str = described("'sgd' with momentum 0.9, or 'adamw'", "sgd")
    learning_rate: float = described("largest learning rate, for the batch size below", 0.02)
    schedule: str = described("'steps' divides the rate by 10 at 7/9 and 25/27 of the run, 'cosine' lets it fall to 0", "steps")
    warmup: float = described("share of the run in which the rate rises from 0.1 %", 0.011)
    weight_decay: float = described("decay of weights, not of norms and biases", 1e-4)
    batch_size: int = described("images in a step, over all processes", 16)
    epochs: float = described("passes over the training images, where neither --epochs nor --minutes is given", 20.0)
    clip_norm: float = described("largest norm of the gradient; 0 does not clip", 0.0)
    average: float = described("decay of the moving average of the weights, which is what is evaluated; 0 keeps none", 0.0)
    flips: bool = described("mirror images left to right at random", True)
    quarter_turns: bool = described("turn images by quarters and mirror them top to bottom at random", False)

    def __post_init__(self) -> None:
        for spec in dataclasses.fields(self):
            value = getattr(self, spec.name)
            values = value if isinstance(value, tuple) else (value,)
            sound = all(isinstance(v, str | bool) or (isinstance(v, int | float) and math.isfinite(v) and v >= 0) for v in values)
            self._require(sound and values != (), spec.name, "finite scalars of 0 or more, or tuples of them")
        for name, choices in _CHOICES.items():
            self._require(getattr(self, name) in choices, name, f"one of {', '.join(choices)}")
        self._require(self.image_size % 64 == 0 and self.image_size >= 64, "image_size", "a multiple of 64")
        self._require(len(self.anchor_sizes) == len(self.anchor_levels), "anchor_sizes", "one size a level of anchor_levels")
        for name in ("anchor_levels", "roi_levels"):
            levels, last = getattr(self, name), 6 if name == "anchor_levels" else 5
            rising = list(levels) == list(range(levels[0], levels[0] + len(levels)))
            self._require(rising and levels[0] >= 2 and levels[-1] <= last, name, f"consecutive levels within 2 to {last}")
        for name in _COUNTS:
            values = getattr(self, name)
            self._require(all(v >= 1 for v in (values if isinstance(values, tuple) else (values,))), name, "1 or more")
        self._require(all(ratio > 0 for ratio in self.anchor_ratios), "anchor_ratios", "more than 0")
        self._require(self.roi_positives <= self.rois, "roi_positives", "at most rois")
        self._require(self.point_grid % 2 == 0, "point_grid", "an even number")
        self._require(self.position_channels % 2 == 0, "position_channels", "an even number")
        self._require(self.points_per_iteration <= self.num_points, "points_per_iteration", "at most num_points")
        self._require(self.subdivisions <= 3, "subdivisions", "0 to 3")
        self._require(
            all(0 < iou < 1 for iou in self.cascade_ious) and len(self.cascade_ious) <= 3, "cascade_ious", "one to three overlaps"
        )
        for name in ("rpn_nms", "box_nms", "average", "score_threshold"):
            self._require(getattr(self, name) < 1, name, "less than 1")
        self._require(self.norm != "frozen" or self.pretrained != "none", "norm", "'batch' or 'auto' where nothing is pretrained")
        self._require(self.learning_rate > 0 and self.soft_sigma > 0, "learning_rate, soft_sigma", "more than 0")
        self._require(self.epochs > 0, "epochs", "more than 0")

    def _require(self, condition: bool, name: str, expected: str) -> None:
        if not condition:
            got = ", ".join(str(getattr(self, part)) for part in name.split(", "))
            raise ConfigurationError(f"configuration '{self.name}', field {name}: expected {expected}, got {got}")

    @property
    def has_frozen_norm(self) -> bool:
        """Whether BatchNorm stays as pretrained; "auto" keeps it where there is something to keep."""
        return self.norm == "frozen" or (self.norm == "auto" and self.pretrained != "none")

    @classmethod
    def describe(cls) -> dict[str, str]:
        """Field name -> what it means."""
        return settings.describe(cls)

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values, tuples as lists."""
        return settings.to_json(self)


_CHOICES = {
    "backbone": ("tiny", "resnet18", "resnet50"),
    "norm": ("auto", "batch", "frozen"),
    "layers": ("none", "product", "factor"),
    "postprocess": ("paper", "marginal", "soft"),
    "optimizer": ("sgd", "adamw"),
    "schedule": ("steps", "cosine"),
}
_COUNTS = (
    *(
        "fpn_channels",
        "anchor_sizes",
        "rpn_samples",
        "pre_nms",
        "proposals",
        "num_layers",
        "rois",
        "roi_positives",
        "box_bins",
        "box_channels",
    ),
    *("point_grid", "parameter_channels", "point_channels", "point_layers", "position_channels", "num_points", "points_per_iteration"),
    *("detections", "batch_size"),
)

# Implicit PointRend with a cascade and layer priors, as detectron2 has them and the paper says; frame and schedule are ours to choose (README).
_PAPER = MethodConfig(name="paper", pretrained="imagenet", epochs=20.6)

CONFIGS: dict[str, MethodConfig] = {
    "paper": _PAPER,
    # the same with heads that suit one GPU: the last layer of the paper's point head alone has 282 million weights
    "r50": dataclasses.replace(
        _PAPER,
        name="r50",
        pretrained="none",
        pre_nms=(400, 400),
        proposals=(256, 256),
        rois=128,
        roi_positives=32,
        point_channels=64,
        position_channels=128,
        category_agnostic=True,
        postprocess="soft",
        detections=30,
        optimizer="adamw",
        learning_rate=4e-4,
        schedule="cosine",
        warmup=0.02,
        weight_decay=0.05,
        batch_size=64,
        epochs=3.0,
        clip_norm=10.0,
        average=0.998,
        quarter_turns=True,
    ),
    # minutes on two CPU cores
    "small": dataclasses.replace(
        _PAPER,
        name="small",
        image_size=128,
        backbone="tiny",
        pretrained="none",
        fpn_channels=48,
        anchor_sizes=(32, 64, 112),
        anchor_levels=(3, 4, 5),
        rpn_samples=128,
        pre_nms=(128, 128),
        proposals=(96, 64),
        rois=48,
        roi_positives=16,
        roi_levels=(2,),
        box_channels=256,
        parameter_channels=256,
        point_channels=16,
        point_layers=2,
        position_channels=64,
        category_agnostic=True,
        refined_boxes=True,
        postprocess="soft",
        detections=20,
        subdivisions=1,
        optimizer="adamw",
        learning_rate=1.5e-3,
        schedule="cosine",
        warmup=0.02,
        weight_decay=0.05,
        epochs=3.0,
        clip_norm=10.0,
        average=0.99,
    ),
}

_METHOD_FIELDS: dict[str, dict[str, Any]] = {
    "plin": {},
    "implicit-pointrend": {"layers": "none", "cascade_ious": (0.5,)},
}


def get_config(name: str, method: str = "plin") -> MethodConfig:
    """The configuration called `name` for a method; `ConfigurationError` where either is unknown."""
    for kind, known, value in (("configuration", CONFIGS, name), ("method", METHODS, method)):
        if value not in known:
            raise ConfigurationError(f"no {kind} '{value}': expected one of {', '.join(known)}")
    return dataclasses.replace(CONFIGS[name], **_METHOD_FIELDS[method])


_FIELDS = Fields(
    MethodConfig,
    "a configuration",
    "amodalsynth train-baseline --show",
    {"learning_rate": "0.001", "cascade_ious": "0.5,0.6,0.7", "anchor_sizes": "32,64,112", "proposals": "96,64"},
)


def override_config(config: MethodConfig, assignments: Iterable[str]) -> MethodConfig:
    """`config` with fields replaced by assignments "field=value": "learning_rate=0.001", "cascade_ious=0.5"."""
    return dataclasses.replace(config, **_FIELDS.parse_assignments(assignments))


def config_from_values(values: Mapping[str, Any], where: str) -> MethodConfig:
    """The configuration whose `to_json` gave `values`; `ConfigurationError` naming `where` otherwise."""
    missing = _FIELDS.missing(values)
    if missing:
        raise ConfigurationError(f"{where}: the configuration lacks the fields {', '.join(missing)}; was it made by another release?")
    return MethodConfig(**_FIELDS.convert_all(values, where))


def override_prediction(config: MethodConfig, assignments: Iterable[str]) -> MethodConfig:
    """`override_config` for a trained model: only PREDICTION_FIELDS can change. `ConfigurationError` for the others."""
    changes = _FIELDS.parse_assignments(assignments)
    fixed = [name for name in changes if name not in PREDICTION_FIELDS]
    if fixed:
        raise ConfigurationError(f"--set {fixed[0]}: is fixed by training; what can change afterwards: {', '.join(PREDICTION_FIELDS)}")
    return dataclasses.replace(config, **changes)
