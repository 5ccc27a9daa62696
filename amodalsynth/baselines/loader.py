"""Batches for training: the same for a seed and a step, whatever the number of loader processes and of trainers, and after a restart.

B images of the batch of all trainers together, S the side of the square frame, G slots for instances, P points an instance and iteration.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch

from amodalsynth.baselines.augmentation import augment
from amodalsynth.baselines.batch import EMPTY, Batch
from amodalsynth.baselines.example import Example
from amodalsynth.baselines.steps import iterate_steps
from amodalsynth.baselines.synthesis import LiveExamples
from amodalsynth.errors import ConfigurationError, DataError
from amodalsynth.rng import training_rng

_ORDER, _AUGMENTATION = 0, 1  # what a random number of the loader is for


class Examples(Protocol):
    """What batches are made of: `StoredExamples`, `LiveExamples`, or any sequence of examples that can be pickled."""

    def __len__(self) -> int: ...

    def __getitem__(self, k: int) -> Example: ...


class TrainingLoader:
    """Endless batches of fixed shapes: `for batch in loader` begins at `start_step`, and each batch is that of the next step.

    The batch of a step consists of `batch_size` examples that follow from the seed and the step alone. Stored examples come in an order of
    their own in each epoch; a batch that an epoch cannot fill takes the first ones of the next. Live examples come one after the other, so
    each is new. Of `world_size` trainers, number `rank` gets every `world_size`-th example, so together they see the same batches as one.

    max_instances: G. flips, quarter_turns, points_per_iteration (P): as in `augment`. num_workers: loader processes, spawned when the iteration
    begins; with 0, batches are made when they are asked for. pin_memory: for a GPU.

    `DataError` where an image has more than G instances, and as the examples raise it.
    """

    def __init__(
        self,
        examples: Examples,
        *,
        batch_size: int,
        seed: int,
        max_instances: int,
        points_per_iteration: int,
        flips: bool = False,
        quarter_turns: bool = False,
        start_step: int = 0,
        rank: int = 0,
        world_size: int = 1,
        num_workers: int = 0,
        pin_memory: bool = False,
    ) -> None:
        if batch_size % world_size or batch_size < 1:
            raise ConfigurationError(f"batch_size: expected a multiple of the {world_size} trainers, got {batch_size}")
        self._batches = _Batches(
            examples, range(rank, batch_size, world_size), batch_size, seed, max_instances, points_per_iteration, flips, quarter_turns
        )
        self._start_step, self._num_workers, self._pin_memory = start_step, num_workers, pin_memory

    def __iter__(self) -> Iterator[Batch]:
        return iterate_steps(self._batches, start_step=self._start_step, num_workers=self._num_workers, pin_memory=self._pin_memory)


@dataclass
class _Batches:
    """A trainer's part of the batch of each step, by step; travels to the loader processes."""

    examples: Examples
    slots: range
    batch_size: int
    seed: int
    max_instances: int
    points_per_iteration: int
    flips: bool
    quarter_turns: bool
    _order: dict[int, np.ndarray] = field(default_factory=dict)  # of the epoch last asked for

    def __getitem__(self, step: int) -> Batch:
        return stack_examples([self._example(step, slot) for slot in self.slots], self.max_instances)

    def _example(self, step: int, slot: int) -> Example:
        return augment(
            self.examples[self._index(step * self.batch_size + slot)],
            training_rng(self.seed, _AUGMENTATION, step, slot),
            flips=self.flips,
            quarter_turns=self.quarter_turns,
            points_per_iteration=self.points_per_iteration,
        )

    def _index(self, position: int) -> int:
        """Which example stands at a position of the endless sequence of all batches."""
        if isinstance(self.examples, LiveExamples):
            return position
        epoch, place = divmod(position, len(self.examples))
        if epoch not in self._order:
            numbers = training_rng(self.seed, _ORDER, epoch).random(len(self.examples))
            self._order = {epoch: np.argsort(numbers, kind="stable")}
        return int(self._order[epoch][place])


def stack_examples(examples: Sequence[Example], max_instances: int) -> Batch:
    """B examples of one frame size and number of points -> a batch with G = `max_instances` slots; `DataError` where one has more instances."""
    side, num_points = examples[0].image.shape[0], examples[0].point_label.shape[1]
    shape = (len(examples), max_instances)
    image = np.empty((len(examples), 3, side, side), np.uint8)
    box = np.zeros((*shape, 4), np.float32)
    category, layer = np.full(shape, EMPTY, np.int64), np.full(shape, EMPTY, np.int64)
    point_xy = np.zeros((*shape, num_points, 2), np.float32)
    point_label = np.full((*shape, num_points), EMPTY, np.int8)
    for b, example in enumerate(examples):
        count = len(example)
        if count > max_instances:
            raise DataError(f"{example.name}: expected at most {max_instances} instances in an image, got {count}; raise max_instances")
        image[b] = example.image.transpose(2, 0, 1)  # (S, S, 3) -> (3, S, S)
        box[b, :count], category[b, :count], layer[b, :count] = example.box, example.category, example.layer
        point_xy[b, :count], point_label[b, :count] = example.point_xy, example.point_label
    return Batch(*map(torch.from_numpy, (image, box, category, layer, point_xy, point_label)))
