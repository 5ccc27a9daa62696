"""Configurations: described, checked field by field, overridden by text, and read back from JSON; without torch."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import pytest

from amodalsynth.baselines import METHODS
from amodalsynth.baselines.config import (
    CONFIGS,
    PREDICTION_FIELDS,
    MethodConfig,
    config_from_values,
    get_config,
    override_config,
    override_prediction,
)
from amodalsynth.errors import ConfigurationError

FIELDS = [spec.name for spec in dataclasses.fields(MethodConfig)]


def test_every_field_is_described() -> None:
    described = MethodConfig.describe()
    assert list(described) == FIELDS
    assert all(len(text) > 10 and not text.endswith(".") for text in described.values())
    assert len(set(described.values())) == len(FIELDS)
    assert set(PREDICTION_FIELDS) <= set(FIELDS)


def test_configurations_have_their_names_and_come_back_from_json() -> None:
    assert list(CONFIGS) == ["paper", "r50", "small"]
    for name, config in CONFIGS.items():
        assert config.name == name
        assert config_from_values(json.loads(json.dumps(config.to_json())), "run.json") == config
        assert hash(config) == hash(dataclasses.replace(config))


def test_the_paper_is_detectron2s() -> None:
    """shared/facts/model.md, section 1."""
    paper = get_config("paper")
    assert (paper.backbone, paper.pretrained, paper.fpn_channels) == ("resnet50", "imagenet", 256)
    assert (paper.anchor_sizes, paper.anchor_levels, paper.rpn_samples) == ((32, 64, 128, 256, 512), (2, 3, 4, 5, 6), 256)
    assert (paper.pre_nms, paper.rpn_nms, paper.rois, paper.roi_positives) == ((2000, 1000), 0.7, 512, 128)
    assert (paper.cascade_ious, paper.layers, paper.num_layers, paper.box_channels) == ((0.5, 0.6, 0.7), "product", 5, 1024)
    assert (paper.point_grid, paper.point_channels, paper.point_layers, paper.position_channels) == (14, 256, 3, 256)
    assert (paper.num_points, paper.points_per_iteration, paper.subdivisions, paper.category_agnostic) == (10, 5, 3, False)
    assert (paper.postprocess, paper.score_threshold, paper.box_nms, paper.detections) == ("paper", 0.05, 0.5, 100)
    assert (paper.optimizer, paper.learning_rate, paper.batch_size, paper.weight_decay) == ("sgd", 0.02, 16, 1e-4)


def test_methods_differ_in_the_cascade_and_the_layers() -> None:
    for name in CONFIGS:
        assert get_config(name) == get_config(name, "plin") == CONFIGS[name]
        baseline = get_config(name, method="implicit-pointrend")
        assert dataclasses.replace(baseline, layers="product", cascade_ious=(0.5, 0.6, 0.7)) == CONFIGS[name]
        assert (baseline.layers, baseline.cascade_ious) == ("none", (0.5,))
    for method in METHODS:
        get_config("small", method)
    with pytest.raises(ConfigurationError, match="^no configuration 'smal': expected one of paper, r50, small$"):
        get_config("smal")
    with pytest.raises(ConfigurationError, match="^no method 'plan': expected one of plin, implicit-pointrend$"):
        get_config("small", "plan")


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("backbone", "resnet101", "one of tiny, resnet18, resnet50"),
        ("norm", "group", "one of auto, batch, frozen"),
        ("norm", "frozen", "'batch' or 'auto' where nothing is pretrained"),
        ("layers", "pairs", "one of none, product, factor"),
        ("postprocess", "hard", "one of paper, marginal, soft"),
        ("optimizer", "adam", "one of sgd, adamw"),
        ("schedule", "flat", "one of steps, cosine"),
        ("image_size", 100, "a multiple of 64"),
        ("image_size", 0, "a multiple of 64"),
        ("anchor_sizes", (32, 64), "one size a level"),
        ("anchor_sizes", (0, 32, 64), "1 or more"),
        ("anchor_levels", (3, 5, 6), "consecutive levels within 2 to 6"),
        ("anchor_levels", (5, 6, 7), "consecutive levels within 2 to 6"),
        ("anchor_ratios", (), "finite scalars of 0 or more, or tuples of them"),
        ("anchor_ratios", (0.5, 0.0), "more than 0"),
        ("roi_levels", (1, 2), "consecutive levels within 2 to 5"),
        ("roi_levels", (5, 6), "consecutive levels within 2 to 5"),
        ("rois", 8, "at most rois"),
        ("pre_nms", (0, 5), "1 or more"),
        ("detections", 0, "1 or more"),
        ("batch_size", 0, "1 or more"),
        ("point_grid", 7, "an even number"),
        ("position_channels", 5, "an even number"),
        ("points_per_iteration", 11, "at most num_points"),
        ("subdivisions", 4, "0 to 3"),
        ("cascade_ious", (0.5, 1.0), "one to three overlaps"),
        ("cascade_ious", (0.3, 0.4, 0.5, 0.6), "one to three overlaps"),
        ("box_nms", 1.0, "less than 1"),
        ("average", 1.0, "less than 1"),
        ("learning_rate", 0.0, "more than 0"),
        ("learning_rate", float("nan"), "finite scalars of 0 or more"),
        ("weight_decay", -1.0, "finite scalars of 0 or more"),
        ("soft_sigma", 0.0, "more than 0"),
        ("epochs", 0.0, "more than 0"),
    ],
)
def test_wrong_values_are_named(field: str, value: object, expected: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^configuration 'small', field [^:]*: expected {expected}[^\n]*, got [^\n]+$") as caught:
        dataclasses.replace(CONFIGS["small"], **{field: value})
    assert field in str(caught.value) or (field, expected) == ("rois", "at most rois")


def test_fields_are_overridden_by_text() -> None:
    small = get_config("small")
    changed = override_config(small, ["learning_rate=0.001", "cascade_ious=0.5", "proposals=50,40", "quarter_turns=yes", "layers=none"])
    assert changed == dataclasses.replace(
        small, learning_rate=0.001, cascade_ious=(0.5,), proposals=(50, 40), quarter_turns=True, layers="none"
    )
    for assignment, message in {
        "learning_rate": "^--set learning_rate: expected FIELD=VALUE",
        "learning_rte=1": "^--set: a configuration has no field 'learning_rte'; did you mean 'learning_rate'",
        "rois=many": "^--set: field rois: expected int, got 'many'",
        "proposals=1,2,3": "^--set: field proposals: expected a list, such as proposals=96,64",
        "flips=perhaps": "^--set: field flips: expected bool",
        "image_size=100": "field image_size: expected a multiple of 64",
    }.items():
        with pytest.raises(ConfigurationError, match=message):
            override_config(small, [assignment])


def test_a_trained_model_keeps_what_it_was_trained_with() -> None:
    small = get_config("small")
    assert override_prediction(small, ["postprocess=paper", "detections=7"]) == dataclasses.replace(
        small, postprocess="paper", detections=7
    )
    with pytest.raises(ConfigurationError, match="--set rois: is fixed by training; what can change afterwards: postprocess, "):
        override_prediction(small, ["postprocess=paper", "rois=7"])


def test_values_of_another_release_are_refused() -> None:
    values = get_config("small").to_json()
    with pytest.raises(ConfigurationError, match=r"^run\.json: .*no field 'colour'"):
        config_from_values(values | {"colour": 1}, "run.json")
    del values["rois"], values["norm"]
    with pytest.raises(
        ConfigurationError, match=r"^run\.json: the configuration lacks the fields norm, rois; was it made by another release\?$"
    ):
        config_from_values(values, "run.json")


def test_no_torch_is_loaded() -> None:
    code = "import sys, amodalsynth.baselines.config as c; c.override_config(c.get_config('small'), ['rois=48']); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
