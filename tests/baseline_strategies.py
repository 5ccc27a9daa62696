"""Tiny configurations, random batches and pinned numbers that the tests of the model share.

B images, S the side of the frame, N boxes an image, G slots of ground truth, P points an instance.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from amodalsynth.baselines.batch import EMPTY, Batch
from amodalsynth.baselines.config import MethodConfig

torch.set_num_threads(1)  # the test processes run side by side

# every part of `small`, and as little of it as still works; on its own, so that `small` can be tuned without other numbers here
TINY = MethodConfig(
    name="tiny",
    image_size=64,
    backbone="tiny",
    fpn_channels=16,
    anchor_sizes=(16, 32, 56),
    anchor_levels=(3, 4, 5),
    rpn_samples=32,
    pre_nms=(32, 32),
    proposals=(24, 20),
    num_layers=3,
    rois=16,
    roi_positives=8,
    roi_levels=(2,),
    box_channels=32,
    parameter_channels=32,
    point_channels=8,
    point_layers=2,
    position_channels=16,
    category_agnostic=True,
    postprocess="soft",
    detections=6,
    subdivisions=1,
    optimizer="adamw",
    learning_rate=2e-3,
    schedule="cosine",
    warmup=0.02,
    weight_decay=0.05,
)
NUM_CATEGORIES = 2


def random_boxes(num_images: int, count: int, side: float, *, seed: int, smallest: float = 1.0) -> Tensor:
    """(B, N, 4) boxes within a frame, their sides uniform from `smallest` to the frame's."""
    generator = torch.Generator().manual_seed(seed)
    unit = torch.rand(2, num_images, count, 2, generator=generator)
    size = smallest + unit[0] * (side - smallest)
    low = unit[1] * (side - size)
    return torch.cat((low, low + size), dim=-1)


def random_batch(*, num_images: int = 2, count: int = 3, num_empty: int = 1, side: int = 64, num_points: int = 5, seed: int = 0) -> Batch:
    """A batch of noise: `count` instances an image, then `num_empty` slots without one; some points are to be ignored."""
    generator = torch.Generator().manual_seed(seed)

    def integers(high: int, *shape: int) -> Tensor:
        return torch.randint(high, (num_images, *shape), generator=generator)

    box = random_boxes(num_images, count, float(side), seed=seed + 1, smallest=8.0)
    inside = torch.rand(num_images, count, num_points, 2, generator=generator)
    batch = Batch(
        integers(256, 3, side, side).to(torch.uint8),
        box,
        integers(NUM_CATEGORIES, count),
        integers(3, count),
        box[:, :, None, :2] + inside * (box[..., 2:] - box[..., :2])[:, :, None],
        (integers(5, count, num_points) % 3 - 1).to(torch.int8),
    )
    return with_empty_slots(batch, num_empty)


def with_empty_slots(batch: Batch, number: int) -> Batch:
    """The batch with `number` more slots without an instance."""
    values = {}
    for name, filler in {"box": 0, "category": EMPTY, "layer": EMPTY, "point_xy": 0, "point_label": EMPTY}.items():
        value = getattr(batch, name)
        values[name] = torch.cat((value, value.new_full((len(batch), number, *value.shape[2:]), filler)), dim=1)
    return replace(batch, **values)


def stirred(module: nn.Module, *, seed: int = 0) -> nn.Module:
    """The module with all weights drawn anew so that every output is of order one, where the usual start keeps some near zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=parameter[0].numel() ** -0.5 if parameter.dim() > 1 else 0.1, generator=generator)
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.weight.add_(1)
    return module


def gradients(module: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    """The gradients of a scalar by the names of the parameters; fails where a parameter has none or one that is not finite."""
    module.zero_grad(set_to_none=True)
    loss.backward()
    found = {name: parameter.grad for name, parameter in module.named_parameters() if parameter.requires_grad}
    for name, gradient in found.items():
        assert gradient is not None, f"{name} has no gradient"
        assert gradient.isfinite().all(), f"the gradient of {name} is not finite"
        assert gradient.any(), f"the gradient of {name} is zero"
    return found


def assert_pinned(losses: dict[str, Tensor], pinned: dict[str, float]) -> None:
    """Compare losses with numbers that a test holds. Where a change of the model alters them on purpose, put in what the message shows."""
    got = {name: float(f"{loss.item():.6g}") for name, loss in losses.items()}
    assert got.keys() == pinned.keys(), got
    assert all(abs(got[name] - value) <= 1e-4 * value for name, value in pinned.items()), got
