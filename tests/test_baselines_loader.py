"""Batches follow from the seed and the step alone; augmentation moves image, boxes and points together."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from amodalsynth.baselines.augmentation import augment, mirrored, subsampled, turned
from amodalsynth.baselines.batch import Batch
from amodalsynth.baselines.data import StoredExamples
from amodalsynth.baselines.example import Example
from amodalsynth.baselines.loader import TrainingLoader, stack_examples
from amodalsynth.baselines.synthesis import LiveExamples, SyntheticScenes
from amodalsynth.errors import AmodalSynthError, ConfigurationError, DataError
from amodalsynth.rng import training_rng
from tests.strategies import SMALL, DrawnPool
from tests.test_baselines_data import SIZES_WH, document, picture, same, write

SIDE = 16


def example_of(number: int, count: int = 3, num_points: int = 6) -> Example:
    """An example whose pixels all differ, and which carries its number in its layers and its colours."""
    rng = np.random.default_rng(number)
    y, x = np.mgrid[:SIDE, :SIDE]
    image = np.stack([x * 16, y * 16, np.full_like(x, number % 256)], axis=-1).astype(np.uint8)
    low = rng.integers(0, SIDE - 4, (count, 2))
    high = np.minimum(low + rng.integers(1, SIDE, (count, 2)), SIDE)
    pixel = np.floor(low[:, None] + rng.random((count, num_points, 2)) * (high - low)[:, None])
    label = rng.integers(0, 2, (count, num_points)).astype(np.int8)
    for row in label:
        row[num_points - rng.integers(0, num_points) :] = -1
    return Example(
        image,
        np.concatenate([low, high], axis=1).astype(np.float32),
        rng.integers(0, 5, count),
        np.full(count, number),
        (pixel + 0.5).astype(np.float32),
        label,
        name=f"example {number}",
    )


@dataclass
class Numbered:
    """Examples by number, from 0."""

    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, k: int) -> Example:
        if k == 99:
            raise DataError("example 99: is broken")
        return example_of(k)


def colours(example: Example) -> np.ndarray:
    """(N, P, 3): the image's colour at each point."""
    x, y = np.moveaxis(np.floor(example.point_xy).astype(int), -1, 0)
    return example.image[y, x]


def batches_of(examples: object, **options: object) -> Iterator[Batch]:
    usual = {"batch_size": 4, "seed": 1, "max_instances": 5, "points_per_iteration": 5, "flips": True, "quarter_turns": True}
    return iter(TrainingLoader(examples, **(usual | options)))


def assert_equal(first: Batch, second: Batch) -> None:
    for spec in fields(Batch):
        assert torch.equal(getattr(first, spec.name), getattr(second, spec.name)), spec.name


def numbers(batch: Batch) -> list[int]:
    return batch.layer[:, 0].tolist()


@given(st.integers(0, 10**6), st.integers(0, 4), st.integers(1, 8))
@settings(deadline=None)
def test_symmetries_move_everything_together(number: int, count: int, num_points: int) -> None:
    example = example_of(number, count, num_points)
    assert same(mirrored(mirrored(example)), example)
    assert not same(turned(turned(example)), example)
    assert same(turned(turned(turned(turned(example)))), example)
    assert same(turned(mirrored(turned(example))), mirrored(example))
    for move in (mirrored, turned):
        moved = move(example)
        assert (colours(moved) == colours(example)).all()
        low, high = moved.box[:, None, :2], moved.box[:, None, 2:]
        assert ((low <= moved.point_xy) & (moved.point_xy < high)).all()
        assert np.allclose(np.sort(moved.box[:, 2:] - moved.box[:, :2]), np.sort(example.box[:, 2:] - example.box[:, :2]))


def test_a_mirror_and_a_quarter_turn() -> None:
    example = replace(example_of(0, 1, 1), box=np.array([[1, 2, 5, 4]], np.float32), point_xy=np.array([[[1.5, 3.5]]], np.float32))
    assert mirrored(example).box.tolist() == [[11, 2, 15, 4]]
    assert mirrored(example).point_xy.tolist() == [[[14.5, 3.5]]]
    assert turned(example).box.tolist() == [[2, 11, 4, 15]]
    assert turned(example).point_xy.tolist() == [[[3.5, 14.5]]]


@given(st.integers(0, 10**6), st.integers(0, 4), st.integers(1, 8), st.integers(1, 8))
@settings(deadline=None)
def test_points_are_drawn_without_replacement(number: int, count: int, num_points: int, wanted: int) -> None:
    example = example_of(number, count, num_points)
    fewer = subsampled(example, np.random.default_rng(number), wanted)
    assert fewer.point_xy.shape == (count, wanted, 2)
    for before_xy, before, after_xy, after in zip(example.point_xy, example.point_label, fewer.point_xy, fewer.point_label, strict=True):
        there = [(*xy, label) for xy, label in zip(before_xy.tolist(), before.tolist(), strict=True) if label >= 0]
        kept = [(*xy, label) for xy, label in zip(after_xy.tolist(), after.tolist(), strict=True) if label >= 0]
        assert len(kept) == min(wanted, len(there))
        left = list(there)
        for point in kept:
            left.remove(point)  # fails where a point was drawn twice


def test_every_point_and_every_symmetry_comes_as_often() -> None:
    xy = np.stack([np.arange(10), np.zeros(10)], axis=-1)[None] + 0.5  # one instance, whose points tell by their x which they are
    example = replace(example_of(0, 1, 10), point_label=np.zeros((1, 10), np.int8), point_xy=xy.astype(np.float32))
    seen, symmetries = np.zeros(10), Counter()
    for k in range(800):
        seen[subsampled(example, training_rng(1, 1, k), 5).point_xy[0, :, 0].astype(int)] += 1
        symmetries[augment(example, training_rng(0, 1, k), flips=True, quarter_turns=True, points_per_iteration=5).image.tobytes()] += 1
    assert abs(seen - 400).max() < 71  # five standard deviations
    assert len(symmetries) == 8
    assert all(abs(times - 100) < 47 for times in symmetries.values())


def test_no_symmetry_unless_asked_for() -> None:
    example = example_of(1)
    for flips, quarter_turns, expected in ((False, False, 1), (True, False, 2), (False, True, 4)):
        options = {"flips": flips, "quarter_turns": quarter_turns, "points_per_iteration": 3}
        images = {augment(example, training_rng(0, 1, k), **options).image.tobytes() for k in range(40)}
        assert len(images) == expected
        assert example.image.tobytes() in images


def test_a_batch_has_slots() -> None:
    examples = [example_of(7, 2), example_of(8, 0), example_of(9, 3)]
    batch = stack_examples(examples, 3)
    found = {spec.name: (getattr(batch, spec.name).dtype, tuple(getattr(batch, spec.name).shape)) for spec in fields(Batch)}
    assert found == {
        "image": (torch.uint8, (3, 3, SIDE, SIDE)),
        "box": (torch.float32, (3, 3, 4)),
        "category": (torch.int64, (3, 3)),
        "layer": (torch.int64, (3, 3)),
        "point_xy": (torch.float32, (3, 3, 6, 2)),
        "point_label": (torch.int8, (3, 3, 6)),
    }
    for b, example in enumerate(examples):
        assert (batch.image[b].permute(1, 2, 0).numpy() == example.image).all()
        for spec in fields(Batch)[1:]:
            slots = getattr(batch, spec.name)[b].numpy()
            assert (slots[: len(example)] == getattr(example, spec.name)).all()
            assert (slots[len(example) :] == (0 if spec.name in ("box", "point_xy") else -1)).all()
    with pytest.raises(DataError, match="^example 9: expected at most 2 instances in an image, got 3; raise max_instances$"):
        stack_examples(examples, 2)


@given(st.integers(1, 9), st.integers(1, 12), st.integers(0, 5))
@settings(deadline=None, max_examples=30)
def test_each_epoch_shows_each_example_once(count: int, batch_size: int, seed: int) -> None:
    steps = math.ceil(3 * count / batch_size)
    batches = itertools.islice(batches_of(Numbered(count), batch_size=batch_size, seed=seed), steps)
    order = [number for batch in batches for number in numbers(batch)]
    for epoch in range(3):
        assert sorted(order[epoch * count : (epoch + 1) * count]) == list(range(count))


def test_the_order_follows_from_the_seed_and_differs_by_epoch() -> None:
    def order(seed: int) -> list[int]:
        return [n for batch in itertools.islice(batches_of(Numbered(20), seed=seed), 10) for n in numbers(batch)]

    assert order(1) == order(1) != order(2)
    assert order(1)[:20] != order(1)[20:]


def test_each_step_and_slot_is_augmented_in_its_own_way() -> None:
    batches = list(itertools.islice(batches_of(Numbered(1)), 4))
    assert len({batch.point_xy[slot].numpy().tobytes() for batch in batches for slot in range(4)}) == 16


@given(st.integers(0, 12), st.integers(1, 7))
@settings(deadline=None, max_examples=20)
def test_a_restart_goes_on_where_it_was(start_step: int, count: int) -> None:
    whole = itertools.islice(batches_of(Numbered(count)), start_step, start_step + 3)
    for batch, again in zip(whole, batches_of(Numbered(count), start_step=start_step)):
        assert_equal(batch, again)


@pytest.mark.parametrize("world_size", [2, 4])
def test_trainers_together_see_the_batches_of_one(world_size: int) -> None:
    ranks = [batches_of(Numbered(7), rank=rank, world_size=world_size) for rank in range(world_size)]
    for whole, *parts in itertools.islice(zip(batches_of(Numbered(7)), *ranks), 5):
        for spec in fields(Batch):
            part = torch.stack([getattr(batch, spec.name) for batch in parts], dim=1)
            assert torch.equal(part.flatten(0, 1), getattr(whole, spec.name))


def live_examples() -> LiveExamples:
    return LiveExamples(SyntheticScenes(replace(SMALL, image_size=(32, 32)), DrawnPool(size_hw=(32, 32)), "train", 0))


def test_live_examples_are_each_new() -> None:
    live = live_examples()
    batches = list(itertools.islice(batches_of(live, flips=False, quarter_turns=False, start_step=2), 3))
    expected = [live[k].image.tobytes() for k in range(8, 20)]
    assert [image.permute(1, 2, 0).numpy().tobytes() for batch in batches for image in batch.image] == expected
    assert len(set(expected)) == 12


def test_loader_processes_change_nothing(tmp_path: Path) -> None:
    for image_id in SIZES_WH:
        Image.fromarray(picture(image_id)).save(tmp_path / f"{image_id}.png")
    stored = StoredExamples(write(tmp_path / "a.json", document()), tmp_path, image_size=32)
    for examples, num_workers in ((stored, 2), (live_examples(), 1)):
        alone, helped = batches_of(examples), batches_of(examples, num_workers=num_workers)
        for first, second in itertools.islice(zip(alone, helped, strict=True), 8):
            assert_equal(first, second)


def test_an_error_of_a_loader_process_keeps_its_line() -> None:
    for num_workers in (0, 1):
        with pytest.raises(DataError, match="^example 99: is broken$"):
            list(batches_of(Numbered(100), num_workers=num_workers))


class Fatal(Numbered):
    """Ends its process at once, as the system does for want of memory."""

    def __getitem__(self, k: int) -> Example:
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(k)


def test_a_loader_process_that_is_killed() -> None:
    with pytest.raises(AmodalSynthError, match=r"^a loader process ended unexpectedly, .*try fewer --workers .*$"):
        next(batches_of(Fatal(10), num_workers=1))


def test_the_trainers_own_randomness_is_left_alone() -> None:
    before = torch.get_rng_state()
    next(batches_of(Numbered(10)))
    assert torch.equal(before, torch.get_rng_state())


def test_sizes_that_cannot_be() -> None:
    for batch_size, world_size in ((5, 2), (0, 1)):
        with pytest.raises(ConfigurationError, match=f"batch_size: expected a multiple of the {world_size} trainers, got {batch_size}"):
            TrainingLoader(Numbered(3), batch_size=batch_size, world_size=world_size, seed=0, max_instances=3, points_per_iteration=5)
