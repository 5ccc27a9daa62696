"""Live scenes are those of the data set on disk, repeatable, each one new, and travel to other processes."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from amodalsynth.baselines.data import StoredExamples, prepare_points
from amodalsynth.baselines.synthesis import LiveExamples, SyntheticScenes, parse_data
from amodalsynth.errors import AssetMissing, ConfigurationError
from amodalsynth.generate import generate_dataset, generate_sample
from amodalsynth.records.part import OutputOptions
from tests.strategies import SMALL, DrawnPool
from tests.test_baselines_data import same

PRESET = replace(SMALL, image_size=(64, 64))


def scenes_of(seed: int = 3, **options: int) -> SyntheticScenes:
    return SyntheticScenes(PRESET, DrawnPool(), "train", seed, **options)


def test_live_examples_are_those_of_the_data_set_on_disk(drawn_assets: tuple[Path, Path], tmp_path: Path) -> None:
    foregrounds, backgrounds = drawn_assets
    live = LiveExamples.open(SMALL, "train", image_size=48, seed=7, num_points=4, foregrounds=foregrounds, backgrounds=backgrounds)
    scenes = live.scenes
    generate_dataset(
        scenes.preset, scenes.pool, tmp_path, split="train", num_images=12, seed=7, options=OutputOptions("png", appearances=False)
    )
    (tmp_path / "run").mkdir()
    points = prepare_points(tmp_path, "train", tmp_path / "run", num_points=4, seed=7)
    assert points.drawn
    stored = StoredExamples(points.coco, points.images, image_size=48)
    assert all(same(live[k], stored[k]) for k in range(12))
    assert live.category_names == stored.category_names == ("lime", "plum")
    assert live.max_instances >= stored.max_instances
    assert live[0].name.endswith("split 'train', seed 7: image 1")


def test_a_target_in_torchvisions_style() -> None:
    scenes = scenes_of(num_points=6)
    for k in range(5):
        image, target = scenes[k]
        sample = generate_sample(PRESET, DrawnPool(), "train", k, 3)
        count = len(sample.annotation)
        assert image.dtype == torch.uint8
        assert (image.permute(1, 2, 0).numpy() == sample.rendering.image).all()
        found = {name: (value.dtype, tuple(value.shape)) for name, value in target.items()}
        assert found == {
            "boxes": (torch.float32, (count, 4)),
            "labels": (torch.int64, (count,)),
            "masks": (torch.uint8, (count, 64, 64)),
            "visible_masks": (torch.uint8, (count, 64, 64)),
            "layers": (torch.int64, (count,)),
            "occlusion_order": (torch.bool, (count, count)),
            "occlusion_rate": (torch.float32, (count,)),
            "point_coords": (torch.int64, (count, 6, 2)),
            "point_labels": (torch.int64, (count, 6)),
            "image_id": (torch.int64, ()),
        }
        assert target["image_id"] == k + 1
        masks, visible = target["masks"].bool(), target["visible_masks"].bool()
        assert (masks.numpy() == sample.annotation.amodal_mask).all()
        assert (visible.sum(dim=0) == masks.any(dim=0)).all()
        for mask, seen, (x0, y0, x1, y1), rate in zip(masks, visible, target["boxes"].int(), target["occlusion_rate"], strict=True):
            assert mask.any(dim=0).nonzero()[[0, -1], 0].tolist() == [x0, x1 - 1]
            assert mask.any(dim=1).nonzero()[[0, -1], 0].tolist() == [y0, y1 - 1]
            assert torch.isclose(1 - seen.sum() / mask.sum(), rate)
        x, y = target["point_coords"].unbind(dim=-1)
        assert (masks[torch.arange(count)[:, None], y, x] == target["point_labels"].bool()).all()
        assert (target["layers"] == torch.from_numpy(sample.annotation.layer_order)).all()
        assert (target["labels"].numpy() == sample.annotation.category_id).all()


def test_an_example_is_the_target_without_masks() -> None:
    scenes = scenes_of()
    example, (image, target) = scenes.example(2), scenes[2]
    assert (example.image == image.permute(1, 2, 0).numpy()).all()
    assert (example.box == target["boxes"].numpy()).all()
    assert (example.category + 1 == target["labels"].numpy()).all()
    assert (example.layer == target["layers"].numpy()).all()
    assert (example.point_xy - 0.5 == target["point_coords"].numpy()).all()
    assert (example.point_label == target["point_labels"].numpy()).all()


def test_scenes_are_repeatable_and_differ() -> None:
    scenes, again = scenes_of(), pickle.loads(pickle.dumps(scenes_of()))
    order = [5, 0, 3, 1, 4, 2]
    assert all(same(scenes.example(k), again.example(k)) for k in order)
    images = {scenes.example(k).image.tobytes() for k in order} | {scenes_of(seed=4).example(0).image.tobytes()}
    assert len(images) == 7
    assert (scenes.example(6).point_xy != scenes_of(num_points=20).example(6).point_xy[:, :10]).any()


def test_its_length_is_declared() -> None:
    assert len(scenes_of()) == 2**31
    short = scenes_of(num_images=3)
    assert [int(target["image_id"]) for _, target in short] == [1, 2, 3]
    assert int(short[-1][1]["image_id"]) == 3
    batches = DataLoader(short, batch_size=2, collate_fn=lambda pairs: tuple(zip(*pairs, strict=True)))
    assert [len(images) for images, _ in batches] == [2, 1]


def test_targets_can_be_changed_in_place() -> None:
    _, target = scenes_of()[0]
    for name, value in target.items():
        assert not value.zero_().any(), name


def test_faults() -> None:
    with pytest.raises(ConfigurationError, match="pool holds the assets of split 'train'"):
        SyntheticScenes(PRESET, DrawnPool(), "test", 0)[0]
    oblong = SyntheticScenes(replace(PRESET, image_size=(64, 48)), DrawnPool(size_hw=(48, 64)), "train", 0)
    assert oblong[0][0].shape == (3, 48, 64)
    with pytest.raises(ConfigurationError, match="expected a square image_size to train on, got 64 x 48"):
        LiveExamples(oblong)
    with pytest.raises(AssetMissing, match="--foregrounds /absent: no such folder"):
        LiveExamples.open(SMALL, "train", image_size=32, seed=0, foregrounds="/absent")


def test_what_data_means() -> None:
    assert parse_data("synth:intra-afruit") == ("synth", "intra-afruit")
    assert parse_data("synth-gpu:my/own.toml") == ("synth-gpu", "my/own.toml")
    assert parse_data("intra-afruit") == ("stored", "intra-afruit")
    assert parse_data("synth") == ("stored", "synth")
    assert parse_data("a:b/c.json") == ("stored", "a:b/c.json")
    with pytest.raises(ConfigurationError, match="--data synth-gpu:: expected the name of a preset after the colon"):
        parse_data("synth-gpu:")


def test_points_are_uniform_in_the_boxes() -> None:
    scenes = scenes_of(num_points=40)
    inside = []
    for k in range(20):
        example = scenes.example(k)
        low, high = example.box[:, None, :2], example.box[:, None, 2:]
        inside.append(((example.point_xy - low) / (high - low)).reshape(-1, 2))
    assert abs(np.concatenate(inside).mean(axis=0) - 0.5).max() < 0.03
