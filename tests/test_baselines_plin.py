"""The whole model: losses and gradients in every mode, what it makes of an empty image, and that it can learn eight images by heart."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import orjson
import pytest
import torch

from amodalsynth.baselines.config import MethodConfig, get_config
from amodalsynth.baselines.example import Example
from amodalsynth.baselines.loader import TrainingLoader
from amodalsynth.baselines.optimization import build_optimizer, learning_rate
from amodalsynth.baselines.paste import paste_masks
from amodalsynth.baselines.plin import PLIn, total
from amodalsynth.baselines.postprocess import Detections
from amodalsynth.baselines.predict import Prediction, coco_results
from amodalsynth.baselines.synthesis import SyntheticScenes
from amodalsynth.evaluation import evaluate_results
from amodalsynth.masks import run_lengths
from tests.baseline_strategies import NUM_CATEGORIES, TINY, assert_pinned, gradients, random_batch, stirred, with_empty_slots
from tests.strategies import SMALL, DrawnPool

ALL = replace(TINY, rois=40, roi_positives=40)  # as many regions as there are candidates, so nothing is left to chance


def model_of(config: MethodConfig) -> PLIn:
    torch.manual_seed(4)  # the frequencies of the point head's encoding
    return stirred(PLIn(config, NUM_CATEGORIES))


# fmt: off
PINNED: dict[str, tuple[MethodConfig, dict[str, float]]] = {
    "none, single": (
        replace(ALL, layers="none", cascade_ious=(0.5,)),
        {
            "rpn_objectness": 1.05124, "rpn_box": 0.505016, "points": 0.970853, "weights": 2.48813e-06,
            "stage1_label": 1.06456, "stage1_box": 0.605296,
        },
    ),
    "product, single": (
        replace(ALL, cascade_ious=(0.5,)),
        {
            "rpn_objectness": 1.05124, "rpn_box": 0.505016, "points": 1.28759, "weights": 2.49066e-06,
            "stage1_label": 2.06168, "stage1_box": 0.566502,
        },
    ),
    "none, cascade": (
        replace(ALL, layers="none"),
        {
            "rpn_objectness": 1.05124, "rpn_box": 0.505016, "points": 0.932254, "weights": 3.20326e-06,
            "stage1_label": 1.06456, "stage1_box": 0.605296,
            "stage2_label": 1.96135, "stage2_box": 0.568046,
            "stage3_label": 0.950888, "stage3_box": 0.708597,
        },
    ),
    "product, cascade": (
        ALL,
        {
            "rpn_objectness": 1.05124, "rpn_box": 0.505016, "points": 1.42241, "weights": 3.60784e-06,
            "stage1_label": 2.06168, "stage1_box": 0.566502,
            "stage2_label": 1.96045, "stage2_box": 0.656676,
            "stage3_label": 2.89701, "stage3_box": 0.462672,
        },
    ),
    "factor, cascade": (
        replace(ALL, layers="factor"),
        {
            "rpn_objectness": 1.05124, "rpn_box": 0.505016, "points": 0.551694, "weights": 1.19662e-06,
            "stage1_label": 1.06456, "stage1_box": 0.605296, "stage1_layer": 0.152126,
            "stage2_label": 1.56176, "stage2_box": 0.837561, "stage2_layer": 0.200996,
            "stage3_label": 0.670845, "stage3_box": 0.292057, "stage3_layer": 0.0782344,
        },
    ),
    "all levels, a mask a label": (
        replace(ALL, roi_levels=(2, 3, 4, 5), anchor_levels=(2, 3, 4, 5, 6), anchor_sizes=(8, 16, 24, 32, 56), category_agnostic=False),
        {
            "rpn_objectness": 1.0929, "rpn_box": 0.252062, "points": 2.12948, "weights": 3.78794e-06,
            "stage1_label": 1.98304, "stage1_box": 0.464454,
            "stage2_label": 1.93732, "stage2_box": 0.869608,
            "stage3_label": 2.99767, "stage3_box": 0.462672,
        },
    ),
    "refined boxes": (
        replace(ALL, refined_boxes=True),
        {
            "rpn_objectness": 1.05124, "rpn_box": 0.505016, "points": 1.22659, "weights": 3.23239e-06,
            "stage1_label": 2.06168, "stage1_box": 0.566502,
            "stage2_label": 1.96045, "stage2_box": 0.656676,
            "stage3_label": 2.89701, "stage3_box": 0.462672,
        },
    ),
}
# fmt: on


@pytest.mark.parametrize("name", PINNED)
def test_losses(name: str) -> None:
    config, pinned = PINNED[name]
    model, batch = model_of(config), random_batch()
    torch.manual_seed(0)
    losses = model.losses(batch)
    assert all(loss.shape == () and loss.dtype == torch.float32 for loss in losses.values())
    assert_pinned(losses, pinned)
    expected = gradients(model, total(losses))

    # slots without an instance change nothing
    torch.manual_seed(0)
    again = model.losses(with_empty_slots(batch, 2))
    assert all(torch.isclose(again[key], loss, rtol=1e-4) for key, loss in losses.items())
    for key, gradient in gradients(model, total(again)).items():
        assert (gradient - expected[key]).norm() < 1e-3 * expected[key].norm() + 1e-6, key


def test_a_seed_decides_all() -> None:
    model, batch = model_of(TINY), random_batch()
    outcomes = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        outcomes.append(model.losses(batch))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0] != outcomes[2]


@pytest.mark.parametrize("layers", ["none", "product", "factor"])
@torch.no_grad()
def test_detections_are_complete_and_in_order(layers: str) -> None:
    model = model_of(replace(TINY, layers=layers, score_threshold=0.0)).eval()
    found = model(random_batch().image)
    shapes = {"box": (2, 6, 4), "score": (2, 6), "category": (2, 6), "layer": (2, 6), "label": (2, 6), "mask": (2, 6, 56, 56)}
    assert {spec.name: tuple(getattr(found, spec.name).shape) for spec in fields(Detections)} == shapes
    assert ((found.box >= 0) & (found.box <= 64)).all()
    assert (found.score.diff(dim=1) <= 0).all() and (found.score > 0).all() and (found.score <= 1).all()
    assert ((found.category >= 0) & (found.category < NUM_CATEGORIES)).all()
    assert torch.equal(found.label, model.codec.encode(found.category, found.layer))
    assert ((found.layer == -1) if layers == "none" else (found.layer >= 0) & (found.layer < 3)).all()
    each = [model(image[None]) for image in random_batch().image]
    assert torch.allclose(torch.cat([alone.box for alone in each]), found.box, atol=1e-3)


@pytest.mark.parametrize("rule", ["paper", "marginal", "soft"])
@torch.no_grad()
def test_an_untrained_model_survives_an_empty_image(rule: str) -> None:
    torch.manual_seed(0)
    model = PLIn(replace(TINY, postprocess=rule), NUM_CATEGORIES).eval()
    found = model(torch.zeros(2, 3, 64, 64, dtype=torch.uint8))
    assert all(getattr(found, name).isfinite().all() for name in ("box", "score", "mask"))
    nothing = PLIn(replace(TINY, postprocess=rule, score_threshold=0.99), NUM_CATEGORIES).eval()(
        torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    )
    assert not nothing.score.any()
    assert nothing.mask.shape == (1, 6, 56, 56)


def test_images_without_instances_train_the_background() -> None:
    losses = model_of(TINY).losses(random_batch(count=0, num_empty=2))
    assert all(loss.isfinite() for loss in losses.values())
    assert {name for name, loss in losses.items() if loss > 0} == {"rpn_objectness", "stage1_label", "stage2_label", "stage3_label"}


NUM_IMAGES = 8


class Scenes:
    """Eight scenes of drawn discs, as examples, as images, and as a COCO file with their amodal masks."""

    def __init__(self, config: MethodConfig, file: Path) -> None:
        side = config.image_size
        preset = replace(SMALL, image_size=(side, side), categories=("red", "green"))
        scenes = SyntheticScenes(preset, DrawnPool(size_hw=(side, side)), "train", 3, num_points=config.num_points)
        self.examples: list[Example] = [scenes.example(k) for k in range(NUM_IMAGES)]
        images = torch.from_numpy(np.stack([example.image for example in self.examples]))
        self.images = images.permute(0, 3, 1, 2).contiguous()  # (B, S, S, 3) -> (B, 3, S, S)
        self.file, annotations = file, []
        for k in range(NUM_IMAGES):
            annotation = scenes._sample(k).annotation
            for n, (code, (x0, y0, x1, y1)) in enumerate(zip(run_lengths(annotation.spans), annotation.amodal_box.tolist())):
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": k + 1,
                        "category_id": int(annotation.category_id[n]),
                        "iscrowd": 0,
                        "area": int(annotation.amodal_area[n]),
                        "bbox": [x0, y0, x1 - x0, y1 - y0],
                        "layer": int(annotation.layer_order[n]),
                        "segmentation": code,
                    }
                )
        entries = [{"id": k + 1, "file_name": f"{k}.png", "height": side, "width": side} for k in range(NUM_IMAGES)]
        categories = [{"id": 1, "name": "red"}, {"id": 2, "name": "green"}]
        file.write_bytes(orjson.dumps({"images": entries, "annotations": annotations, "categories": categories}))

    @torch.inference_mode()
    def evaluate(self, model: PLIn) -> dict:
        """What `amodalsynth.evaluation` says of the model on these images."""
        found, size_hw, results = model.eval()(self.images), tuple(self.images.shape[-2:]), []
        for b in range(NUM_IMAGES):
            some = found.score[b] > 0
            columns = (getattr(found, name)[b, some] for name in ("box", "score", "category", "layer"))
            masks = paste_masks(found.mask[b, some], found.box[b, some], size_hw)
            results += coco_results(Prediction(*(column.numpy() for column in columns), masks.numpy()), b + 1, (1, 2))
        return evaluate_results(self.file, results)


def learn_by_heart(config: MethodConfig, scenes: Scenes, num_steps: int) -> PLIn:
    """The trainer's steps without its surroundings."""
    torch.manual_seed(0)
    model = PLIn(config, NUM_CATEGORIES).to(memory_format=torch.channels_last).train()
    optimizer = build_optimizer(model, config)
    options = {"points_per_iteration": config.points_per_iteration, "max_instances": max(map(len, scenes.examples))}
    loader = TrainingLoader(scenes.examples, batch_size=NUM_IMAGES, seed=0, **options)
    for step, batch in zip(range(num_steps), loader):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, step / num_steps)
        optimizer.zero_grad()
        total(model.losses(batch)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
    return model


def test_a_tiny_model_learns_eight_images_by_heart(tmp_path: Path) -> None:
    config = replace(
        TINY,
        num_layers=5,
        fpn_channels=32,
        box_channels=64,
        parameter_channels=64,
        position_channels=32,
        rois=24,
        detections=12,
        warmup=0.05,
    )
    scenes = Scenes(config, tmp_path / "scenes.json")
    evaluation = scenes.evaluate(learn_by_heart(config, scenes, 80))
    assert evaluation["mask"]["AP50"] > 80
    assert evaluation["layer_accuracy"] > 90


# A tiny backbone and a frame of 128 pixels, with as many regions as `small` trains on.
_LESS = {
    "image_size": 128,
    "backbone": "tiny",
    "pretrained": "none",
    "fpn_channels": 64,
    "anchor_sizes": (16, 32, 64, 96, 128),
    "pre_nms": (128, 128),
    "proposals": (96, 64),
    "rois": 48,
    "roi_positives": 16,
}
HEADS = {
    "small": get_config("small"),
    "r50": replace(get_config("r50"), **_LESS),
    # 218 million weights, three seconds a step. Its own optimizer, SGD, needs thousands of steps, so it borrows one.
    "paper": replace(get_config("paper"), **_LESS, optimizer="adamw", learning_rate=2e-4, schedule="cosine", warmup=0.05),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HEADS)
def test_eight_images_are_learned_from_ten_points(name: str, tmp_path: Path) -> None:
    scenes = Scenes(HEADS[name], tmp_path / "scenes.json")
    evaluation = scenes.evaluate(learn_by_heart(HEADS[name], scenes, 160))
    assert evaluation["mask"]["AP50"] > 95
    assert evaluation["layer_accuracy"] > 95


@pytest.mark.slow
@pytest.mark.parametrize("name", HEADS)
def test_eight_images_are_learned_from_dense_points(name: str, tmp_path: Path) -> None:
    config = replace(HEADS[name], num_points=196, points_per_iteration=196)
    scenes = Scenes(config, tmp_path / "scenes.json")
    evaluation = scenes.evaluate(learn_by_heart(config, scenes, 300))
    assert evaluation["mask"]["AP"] > 90
