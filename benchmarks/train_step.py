"""`make bench-train`: training steps and inference of our models beside torchvision's Mask R-CNN, in turns, in one run on one machine.

    python -m benchmarks.train_step [--device auto] [--rounds 5] [--out FILE]

All see the same scenes at the same size, in the same precision, with the same optimizer, and the data are given. Ours learns from points, with
clipping and a moving average in its step; torchvision's learns from full masks, without either. Torchvision's is measured as it comes, and with
as many proposals, regions and detections as ours has. Inference ends with masks of the frame's size; its time grows with the detections, so
their number is told. A figure is the median over the rounds of what one round shows, and the first round warms up.
"""

from __future__ import annotations

import argparse
import statistics
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN, maskrcnn_resnet50_fpn
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops import roi_align

from amodalsynth.baselines.backbones import build_backbone
from amodalsynth.baselines.batch import Batch
from amodalsynth.baselines.config import MethodConfig, get_config
from amodalsynth.baselines.devices import autocast, resolve_device
from amodalsynth.baselines.loader import TrainingLoader
from amodalsynth.baselines.paste import paste_masks
from amodalsynth.baselines.plin import PLIn
from amodalsynth.baselines.pooling import pool_regions
from amodalsynth.baselines.synthesis import LiveExamples
from amodalsynth.presets import PRESETS
from benchmarks.run import ROOT, source_arguments
from benchmarks.steps import TrainingStep, command, describe_machine, seconds_of, write_results

BATCH_SIZES = {"small": 8, "r50": 8}  # of `small`, what each of two processes trains on; of `r50`, what a CPU can hold
GOAL = 2.0  # times torchvision's training images a second
_AT_LEAST = 1.0  # seconds of each measurement


@dataclass(frozen=True, slots=True)
class Contestant:
    """`train` makes a step; `infer` predicts the batch with masks of the frame's size, and returns the number of detections."""

    name: str
    train: Callable[[], object]
    infer: Callable[[], int]


def main() -> None:
    arguments = parse()
    device = resolve_device(arguments.device)
    results: dict[str, Any] = {
        "command": command("train_step", "make bench-train"),
        "machine": describe_machine(device),
        "rounds": arguments.rounds,
    }
    for name, batch_size in BATCH_SIZES.items():
        config = get_config(name)
        examples = LiveExamples.open(
            PRESETS["intra-afruit"],
            "train",
            image_size=config.image_size,
            seed=0,
            num_points=config.num_points,
            foregrounds=arguments.foregrounds,
            backgrounds=arguments.backgrounds,
        )
        results[name] = compare(config, examples, batch_size, device, rounds=arguments.rounds)
        print(report(name, results[name]))
    if device.type == "cpu":
        results["pooling"] = {name: pooling(get_config(name), size, rounds=arguments.rounds) for name, size in BATCH_SIZES.items()}
        print(pooling_report(results["pooling"]))
    write_results(arguments.out, results)
    print(f"\nwritten to {arguments.out}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    source_arguments(parser)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "train-step.json")
    return parser.parse_args()


def compare(
    config: MethodConfig, examples: LiveExamples, batch_size: int, device: torch.device, *, rounds: int, at_least: float = _AT_LEAST
) -> dict[str, Any]:
    """Our model of a configuration and its rivals on the first `batch_size` scenes: images a second, and how many times a rival's ours has."""
    torch.manual_seed(0)
    contestants = [ours(config, examples, batch_size, device), *rivals(config, examples, batch_size, device)]
    seconds: dict[str, dict[str, list[float]]] = {c.name: {"training": [], "inference": []} for c in contestants}
    detections = {}
    for number in range(rounds + 1):
        for contestant in contestants:
            training = seconds_of(contestant.train, device, at_least=at_least)
            inference = seconds_of(contestant.infer, device, at_least=at_least)
            if number:
                seconds[contestant.name]["training"].append(training)
                seconds[contestant.name]["inference"].append(inference)
            detections[contestant.name] = round(contestant.infer() / batch_size, 1)
    own = seconds[contestants[0].name]
    rows = {}
    for name, taken in seconds.items():
        rows[name] = {f"{kind}_images_per_second": round(batch_size / statistics.median(taken[kind]), 2) for kind in taken}
        rows[name]["detections_per_image"] = detections[name]
        if name != contestants[0].name:
            ratios = {kind: statistics.median(theirs / mine for theirs, mine in zip(taken[kind], own[kind])) for kind in taken}
            rows[name] |= {f"ours_times_{kind}": round(ratio, 2) for kind, ratio in ratios.items()}
    return {"image_size": config.image_size, "batch_size": batch_size, "models": rows}


def ours(config: MethodConfig, examples: LiveExamples, batch_size: int, device: torch.device) -> Contestant:
    """PLIn as the trainer has it."""
    model = PLIn(config, len(examples.category_names)).to(device=device, memory_format=torch.channels_last)
    batch = given_batch(config, examples, batch_size).to(device)
    step = TrainingStep(model, config, device)
    frame = (config.image_size, config.image_size)

    def train() -> None:
        model.train()
        step(lambda: model.losses(batch))

    @torch.inference_mode()
    def infer() -> int:
        model.eval()
        with autocast(device):
            seen = model(batch.image)
        for b in range(batch_size):
            paste_masks(seen.mask[b], seen.box[b], frame)
        return int((seen.score > 0).sum())

    return Contestant(f"PLIn, {config.name}", train, infer)


def given_batch(config: MethodConfig, examples: LiveExamples, batch_size: int) -> Batch:
    """The first `batch_size` scenes as a batch."""
    loader = TrainingLoader(
        examples,
        batch_size=batch_size,
        seed=0,
        max_instances=examples.max_instances,
        points_per_iteration=config.points_per_iteration,
    )
    return next(iter(loader))


def rivals(config: MethodConfig, examples: LiveExamples, batch_size: int, device: torch.device) -> list[Contestant]:
    """Torchvision's Mask R-CNN on the same backbone, with its own defaults and with our numbers of regions; for `tiny` on ResNet-18 too."""
    num_classes, side = len(examples.category_names) + 1, config.image_size
    size = {"num_classes": num_classes, "min_size": side, "max_size": side}
    as_many = {
        "rpn_pre_nms_top_n_train": config.pre_nms[0],
        "rpn_pre_nms_top_n_test": config.pre_nms[1],
        "rpn_post_nms_top_n_train": config.proposals[0],
        "rpn_post_nms_top_n_test": config.proposals[1],
        "rpn_batch_size_per_image": config.rpn_samples,
        "box_batch_size_per_image": config.rois,
        "box_detections_per_img": config.detections,
    }
    if config.backbone == "resnet50":
        models = {
            "torchvision maskrcnn_resnet50_fpn": maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, **size),
            "the same with our number of regions": maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, **size, **as_many),
        }
    else:
        resnet18 = resnet_fpn_backbone(backbone_name="resnet18", weights=None, norm_layer=nn.BatchNorm2d, trainable_layers=5)
        models = {
            "torchvision MaskRCNN, resnet18-fpn": MaskRCNN(resnet18, **size),
            "torchvision MaskRCNN, our tiny backbone": MaskRCNN(NamedLevels(config), **size),
            "the same with our number of regions": MaskRCNN(NamedLevels(config), **size, **as_many),
        }
    scenes = [examples.scenes[k] for k in range(batch_size)]
    images = [(image / 255).to(device) for image, _ in scenes]
    targets = [{key: target[key].to(device) for key in ("boxes", "labels", "masks")} for _, target in scenes]
    plain = replace(config, clip_norm=0.0, average=0.0)
    return [_rival(name, model.to(device), plain, images, targets, device) for name, model in models.items()]


class NamedLevels(nn.Module):
    """Our backbone as torchvision's detectors take one: levels by name, and the number of their channels."""

    def __init__(self, config: MethodConfig) -> None:
        super().__init__()
        self.levels, self.out_channels = build_backbone(config), config.fpn_channels

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        return OrderedDict(zip(("0", "1", "2", "3", "pool"), self.levels(image)))


def _rival(
    name: str, model: nn.Module, config: MethodConfig, images: list[Tensor], targets: list[dict[str, Tensor]], device: torch.device
) -> Contestant:
    step = TrainingStep(model, config, device)

    def train() -> None:
        model.train()
        step(lambda: model(images, targets))

    @torch.inference_mode()
    def infer() -> int:
        model.eval()
        with autocast(device):
            return sum(len(seen["scores"]) for seen in model(images))

    return Contestant(name, train, infer)


def pooling(config: MethodConfig, batch_size: int, *, rounds: int, at_least: float = _AT_LEAST) -> dict[str, Any]:
    """Pooling of the regions of a training step from P2, forward and backward: two matrix products beside `torchvision.ops.roi_align`."""
    generator = torch.Generator().manual_seed(0)
    side = config.image_size // 4
    features = torch.rand((batch_size, config.fpn_channels, side, side), generator=generator)
    corner = torch.rand((batch_size, config.rois, 2), generator=generator) * side / 2
    boxes = torch.cat((corner, corner + side / 2 * torch.rand(corner.shape, generator=generator)), dim=-1)
    device, bins = torch.device("cpu"), config.box_bins
    rois = torch.cat((torch.arange(batch_size).repeat_interleave(config.rois)[:, None].float(), boxes.flatten(0, 1)), dim=1)

    def products(dtype: torch.dtype) -> Callable[[], None]:
        own = features.to(dtype, memory_format=torch.channels_last).requires_grad_()
        return lambda: pool_regions(own, boxes, bins).sum().backward()

    def operator() -> None:
        roi_align(theirs, rois, (bins, bins), sampling_ratio=2, aligned=True).sum().backward()

    theirs = features.clone().requires_grad_()
    ways = {"products_float32": products(torch.float32), "products_bfloat16": products(torch.bfloat16), "roi_align_float32": operator}
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, work in ways.items():
            seconds = seconds_of(work, device, at_least=at_least)
            if number:
                taken[name].append(seconds)
    ratios = {
        name: statistics.median(slow / fast for slow, fast in zip(taken["roi_align_float32"], taken[name]))
        for name in ways
        if name.startswith("products")
    }
    return {
        "features": list(features.shape),
        "regions_per_image": config.rois,
        "bins": bins,
        "milliseconds": {name: round(1000 * statistics.median(values), 2) for name, values in taken.items()},
        "times_roi_align": {name: round(ratio, 2) for name, ratio in ratios.items()},
    }


def report(name: str, compared: dict[str, Any]) -> str:
    lines = [f"{name}, {compared['image_size']} px, {compared['batch_size']} images a step: images a second (times torchvision's)"]
    for model, row in compared["models"].items():
        figures = []
        for kind in ("training", "inference"):
            ratio = f" (x {row[f'ours_times_{kind}']})" if f"ours_times_{kind}" in row else ""
            figures.append(f"{kind} {row[f'{kind}_images_per_second']}{ratio}")
        lines.append(f"  {model}: {', '.join(figures)}, {row['detections_per_image']} detections an image")
    return "\n".join([*lines, f"  goal: {GOAL} times torchvision's training on a CPU"])


def pooling_report(pooled: dict[str, Any]) -> str:
    return "\n".join(
        f"pooling {row['bins']} x {row['bins']} from {row['features']}, {row['regions_per_image']} regions an image, forward and backward: "
        f"{row['milliseconds']} ms; {row['times_roi_align']} times roi_align"
        for row in pooled.values()
    )


if __name__ == "__main__":
    main()
