"""Labels and {category, layer} pairs, there and back."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from amodalsynth.baselines.config import MethodConfig
from amodalsynth.baselines.labels import LAYER_MODES, LabelCodec


def test_the_modes_are_the_configurations() -> None:
    for mode in LAYER_MODES:
        assert MethodConfig(name="x", layers=mode).layers == mode


@given(st.integers(1, 12), st.integers(1, 6))
@settings(deadline=None)
def test_pairs_come_back(num_categories: int, num_layers: int) -> None:
    codec = LabelCodec("product", num_categories, num_layers)
    assert codec.num_labels == codec.background == num_categories * num_layers
    category = torch.arange(num_categories)[:, None].expand(-1, num_layers)
    layer = torch.arange(num_layers).expand(num_categories, -1)
    label = codec.encode(category, layer)
    assert sorted(label.flatten().tolist()) == list(range(codec.num_labels))
    back = codec.decode(label)
    assert torch.equal(back[0], category)
    assert torch.equal(back[1], layer)


def test_layers_that_have_no_label() -> None:
    codec = LabelCodec("product", 4, 3)
    assert codec.encode(torch.tensor([2, 2, 2]), torch.tensor([-1, 2, 7])).tolist() == [6, 8, 8]


@pytest.mark.parametrize("mode", ["none", "factor"])
def test_labels_are_categories(mode: str) -> None:
    codec, category = LabelCodec(mode, 4, 3), torch.tensor([3, 0])
    assert codec.num_labels == codec.background == 4
    assert torch.equal(codec.encode(category, torch.tensor([1, 2])), category)
    back, layer = codec.decode(category)
    assert torch.equal(back, category)
    assert layer.tolist() == [-1, -1]


def test_marginal_scores() -> None:
    pairs = torch.tensor([[[0.1, 0.3, 0.05, 0.2, 0.0, 0.15], [0.0, 0.0, 0.4, 0.0, 0.3, 0.2]]])  # (B, N, 2 categories x 3 layers)
    score, layer = LabelCodec("product", 2, 3).marginal(pairs, None)
    assert torch.allclose(score, torch.tensor([[[0.45, 0.35], [0.4, 0.5]]]))
    assert layer.tolist() == [[[1, 0], [2, 1]]]
    score, layer = LabelCodec("factor", 6, 3).marginal(pairs, torch.tensor([[[0.1, 0.2, 0.7], [0.5, 0.3, 0.2]]]))
    assert torch.equal(score, pairs)
    assert layer.tolist() == [[[2] * 6, [0] * 6]]
    score, layer = LabelCodec("none", 6, 3).marginal(pairs, None)
    assert torch.equal(score, pairs)
    assert layer.tolist() == [[[-1] * 6] * 2]
    assert layer.dtype == torch.int64
