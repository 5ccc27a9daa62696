"""Masks are pasted as detectron2 pastes them: grid_sample at the centres of the pixels, nothing beyond the grid."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from amodalsynth.baselines.example import Fit
from amodalsynth.baselines.paste import paste_masks
from amodalsynth.baselines.point_head import cell_centres


def slow_probability(logits: Tensor, box: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """(M, M) over one box -> (H, W), as detectron2's `_do_paste_mask` interpolates it."""
    x0, y0, x1, y1 = box.double()
    y, x = (torch.arange(length, dtype=torch.float64) + 0.5 for length in size_hw)
    y, x = (y - y0) / (y1 - y0) * 2 - 1, (x - x0) / (x1 - x0) * 2 - 1
    grid = torch.stack((x.expand(len(y), -1), y[:, None].expand(-1, len(x))), dim=-1)
    return functional.grid_sample(logits.double().sigmoid()[None, None], grid[None], align_corners=False)[0, 0]


@given(st.integers(0, 4), st.integers(1, 30), st.integers(1, 30), st.sampled_from((1, 2, 7, 28)), st.integers(0, 2**16))
@settings(deadline=None)
def test_pasting_is_grid_sample(count: int, height: int, width: int, side: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, side, side, generator=generator) * 3 + 1
    low = torch.rand(count, 2, generator=generator) * torch.tensor((width, height)) - 2  # some reach beyond the image
    boxes = torch.cat((low, low + 0.5 + torch.rand(count, 2, generator=generator) * 30), dim=-1)
    pasted = paste_masks(logits, boxes, (height, width))
    assert pasted.shape == (count, height, width)
    assert pasted.dtype == torch.bool
    for mask, logit, box in zip(pasted, logits, boxes):
        probability = slow_probability(logit, box, (height, width))
        sure = (probability - 0.5).abs() > 1e-5
        assert torch.equal(mask[sure], (probability >= 0.5)[sure])


def test_a_full_box_is_filled() -> None:
    """At the border of the image too: the grid's outermost cells reach half their size beyond their centres, and then only by interpolation."""
    boxes = torch.tensor([[0.0, 0, 6, 4], [2, 1, 5, 3], [0, 0, 0, 0], [3, 3, 2, 2]])
    pasted = paste_masks(torch.full((4, 28, 28), 20.0), boxes, (4, 6))
    assert pasted[0].all()
    assert pasted[1].nonzero().tolist() == [[y, x] for y in (1, 2) for x in (2, 3, 4)]
    assert not pasted[2:].any()


def test_cells_of_the_grid_become_pixels() -> None:
    logits = torch.tensor([[[9.0, -9, 9], [-9, 9, -9], [-9, -9, 9]]])
    assert torch.equal(paste_masks(logits, torch.tensor([[1.0, 2, 4, 5]]), (6, 6))[0, 2:5, 1:4], logits[0] > 0)


@pytest.mark.parametrize("size_hw", [(40, 90), (90, 40), (64, 64), (200, 131)])
def test_a_mask_of_the_frame_comes_back_to_the_image(size_hw: tuple[int, int]) -> None:
    """A disc of the image, told as logits over its box in the frame, is the disc again once the fit is undone."""
    fit = Fit.of(size_hw, 64)
    centre, radius = np.array(size_hw[::-1]) * (0.5, 0.45), min(size_hw) * 0.4
    box = fit.to_frame(np.array([centre - radius, centre + radius])).reshape(1, 4).astype(np.float32)
    from_middle = (cell_centres(56, "cpu") - 0.5).norm(dim=-1).reshape(1, 56, 56)
    scale = torch.from_numpy(np.tile(fit.scale_xy, 2).astype(np.float32))
    mask = paste_masks((0.5 - from_middle) * 100, torch.from_numpy(box) / scale, size_hw)[0].numpy()
    y, x = np.mgrid[: size_hw[0], : size_hw[1]] + 0.5
    disc = np.hypot(x - centre[0], y - centre[1]) < radius
    assert (mask & disc).sum() / (mask | disc).sum() > 0.97
