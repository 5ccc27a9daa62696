"""Live synthesis on a device (`--data synth-gpu:NAME`): endless batches of scenes composited where the model trains.

B images of a step in this process, I slots for instances, P points an instance, S the side of the square frame.

Worker processes draw scenes, which is cheap (no pixels): `SceneDrafts`. The device does the rest: `GpuScenes`. Image k of a run is the image k that
`amodalsynth generate` makes with the same seed, at the attempt whose instances all show enough pixels. Which attempt that is only the
device knows, so the host waits for it once for each round of redraws: about twice a batch, as a round tries several attempts of each image.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from amodalsynth.baselines.batch import EMPTY, Batch
from amodalsynth.baselines.gpu_annotation import annotate, place_points, visible_area
from amodalsynth.baselines.gpu_assets import MAX_BYTES, AssetTable, DeviceAssets, Pool
from amodalsynth.baselines.gpu_compositing import Composited, composite
from amodalsynth.baselines.gpu_packing import PackedScenes, pack_scenes
from amodalsynth.baselines.steps import iterate_steps
from amodalsynth.compositing import surely_hidden
from amodalsynth.errors import ConfigurationError
from amodalsynth.generate import check_split, impossible
from amodalsynth.presets import DatasetPreset
from amodalsynth.rng import points_rng, scene_rng, training_rng
from amodalsynth.scenes import sample_scene
from amodalsynth.types import Scene

_TRIES = 3  # attempts of an image that are composited in one round of redraws
_SUBSAMPLING = 1  # what a random number of the step is for, as in the loader


@dataclass(frozen=True, slots=True)
class Draft:
    """The scenes of a step before their pixels are known. attempt: of each scene; unit (B, I, P, 2) float64: its points in the unit square."""

    scenes: PackedScenes
    attempt: tuple[int, ...]
    unit: Tensor

    def pin_memory(self) -> Draft:
        """The same draft in pinned memory; called by torch's data loader."""
        return Draft(self.scenes.pin_memory(), self.attempt, self.unit.pin_memory())


@dataclass(frozen=True, slots=True)
class SceneDrafts:
    """Draws the scenes of a step; it travels to the worker processes.

    A step has `batch_size` images over all processes; `positions` are those of this process. The points of image k are those of the
    `points` command with the same seed, of which `points_per_iteration` are taken at each step (paper, section 4.3).
    """

    preset: DatasetPreset
    pool: Pool
    table: AssetTable
    split: str
    seed: int
    batch_size: int
    positions: range
    num_slots: int
    num_points: int
    points_per_iteration: int

    def __getitem__(self, step: int) -> Draft:
        """The draft of a step; errors are those of `candidates`."""
        scenes, attempt = zip(*(self.candidates(step * self.batch_size + position, 0, 1)[0] for position in self.positions))
        unit = np.stack([self._unit_points(step, position) for position in self.positions])
        return Draft(self.pack(scenes), attempt, torch.from_numpy(unit))

    def candidates(self, index: int, first_attempt: int, count: int) -> list[tuple[Scene, int]]:
        """The first `count` scenes of an image at or after an attempt that may be visible, with their attempts; fewer at the last attempts.

        `ConfigurationError` where all of the preset's attempts are used up.
        """
        drawn = []
        for attempt in range(first_attempt, self.preset.max_attempts):
            scene = sample_scene(self.preset, self.pool, scene_rng(self.seed, self.split, index, attempt))
            if not surely_hidden(scene, self.pool):
                drawn.append((scene, attempt))
                if len(drawn) == count:
                    return drawn
        if not drawn:
            raise impossible(self.preset, index)
        return drawn

    def pack(self, scenes: Sequence[Scene]) -> PackedScenes:
        """Scenes as tensors."""
        return pack_scenes(scenes, self.table, num_slots=self.num_slots)

    def _unit_points(self, step: int, position: int) -> np.ndarray:
        """(I, P, 2) float64. Numbers are drawn row by row, so those of slot i do not depend on how many slots follow."""
        unit = points_rng(self.seed, step * self.batch_size + position + 1).random((self.num_slots, self.num_points, 2))
        shuffled = training_rng(self.seed, _SUBSAMPLING, step, position).random((self.num_slots, self.num_points)).argsort(axis=1)
        taken = np.sort(shuffled[:, : self.points_per_iteration], axis=1)
        return np.take_along_axis(unit, taken[..., None], axis=1)


class GpuScenes(Iterator[Batch]):
    """Endless batches on `device`, the same for the same arguments, whatever `num_workers`.

    batch_size: images of a step over all `world_size` processes; step t has the images t * batch_size and on, and process `rank` gets every
    world_size-th of them. max_instances: slots, by default as many as the preset's largest scene needs. points_per_iteration: by default all
    `num_points`. start_step: the first step, to go on where a run stopped. num_workers: processes that draw scenes; 0 draws them here.
    max_bytes: what the assets may take on the device.

    `preset.image_size` must be square, and the pool loaded with it. `ConfigurationError` says which argument cannot be.
    """

    def __init__(
        self,
        preset: DatasetPreset,
        pool: Pool,
        split: str,
        seed: int,
        *,
        batch_size: int,
        device: torch.device | str,
        num_points: int = 10,
        points_per_iteration: int | None = None,
        max_instances: int | None = None,
        rank: int = 0,
        world_size: int = 1,
        start_step: int = 0,
        num_workers: int = 1,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        points_per_iteration = num_points if points_per_iteration is None else points_per_iteration
        num_slots = preset.instances[1] if max_instances is None else max_instances
        width, height = preset.image_size
        _require(width == height, f"preset '{preset.name}', field image_size", "a square frame", f"{width} x {height}")
        check_split(pool, split)
        _require(batch_size >= 1 and batch_size % world_size == 0, "batch_size", f"a multiple of {world_size} (processes)", batch_size)
        _require(num_slots >= preset.instances[1], "max_instances", f"at least the preset's {preset.instances[1]}", num_slots)
        _require(1 <= points_per_iteration <= num_points, "points_per_iteration", f"1 to num_points ({num_points})", points_per_iteration)
        self._device = torch.device(device)
        assets = DeviceAssets.from_pool(pool, max_bytes=max_bytes)
        self._drafts = SceneDrafts(
            preset=preset,
            pool=pool,
            table=assets.table,
            split=split,
            seed=seed,
            batch_size=batch_size,
            positions=range(rank, batch_size, world_size),
            num_slots=num_slots,
            num_points=num_points,
            points_per_iteration=points_per_iteration,
        )
        self._assets = assets.to(self._device)
        self._batches = self._make(start_step, num_workers)

    def __next__(self) -> Batch:
        return next(self._batches)

    def close(self) -> None:
        """End the worker processes; left to the garbage collector, each would be waited for."""
        self._batches.close()

    def _make(self, start_step: int, num_workers: int) -> Generator[Batch]:
        on_gpu = self._device.type == "cuda"
        drafts = iterate_steps(self._drafts, start_step=start_step, num_workers=num_workers, pin_memory=on_gpu)
        with closing(drafts):
            for step, draft in enumerate(drafts, start_step):
                yield self._batch(step, draft)

    @torch.no_grad()
    def _batch(self, step: int, draft: Draft) -> Batch:
        made, category = self._composite(step, draft)
        annotation = annotate(made.instance_map, self._drafts.num_slots)
        unit = draft.unit.to(self._device, non_blocking=True)
        point_xy, point_label = place_points(made.instance_map, annotation.amodal_box, unit)
        filled = category != EMPTY  # (B, I)
        return Batch(
            image=made.image,
            box=annotation.amodal_box.float(),
            category=category,
            layer=annotation.layer_order.where(filled, EMPTY),
            point_xy=(point_xy + 0.5).where(filled[..., None, None], 0.0),
            point_label=point_label.where(filled[..., None], EMPTY).to(torch.int8),
        )

    def _composite(self, step: int, draft: Draft) -> tuple[Composited, Tensor]:
        """The pixels and the categories (B, I) of a step's accepted scenes: those rejected are drawn again, as `generate_sample` does."""
        scenes = draft.scenes.to(self._device)
        made, category = composite(self._assets, scenes), scenes.category
        drafts, last_attempt = self._drafts, list(draft.attempt)
        again = self._rejected(made.instance_map, category)
        while again:
            tried: list[Scene] = []
            rows: list[int] = []  # of each of `tried`
            for row in again:
                candidates = drafts.candidates(step * drafts.batch_size + drafts.positions[row], last_attempt[row] + 1, _TRIES)
                last_attempt[row] = candidates[-1][1]
                tried += [scene for scene, _ in candidates]
                rows += [row] * len(candidates)
            scenes = drafts.pack(tried).to(self._device)
            redone = composite(self._assets, scenes)
            rejected = set(self._rejected(redone.instance_map, scenes.category))
            chosen = {row: i for i, row in reversed(list(enumerate(rows))) if i not in rejected}  # of each image the first
            to, of = (torch.tensor(values, device=self._device, dtype=torch.int64) for values in (list(chosen), list(chosen.values())))
            made.image[to], made.instance_map[to], category[to] = redone.image[of], redone.instance_map[of], scenes.category[of]
            again = [row for row in again if row not in chosen]
        return made, category

    def _rejected(self, instance_map: Tensor, category: Tensor) -> list[int]:
        """The images in which some instance shows too few pixels; waits for the device."""
        too_few = visible_area(instance_map, self._drafts.num_slots) < self._drafts.preset.min_visible_pixels
        return (too_few & (category != EMPTY)).any(dim=1).nonzero().flatten().tolist()


def _require(condition: bool, what: str, expected: str, got: object) -> None:
    if not condition:
        raise ConfigurationError(f"{what}: expected {expected}, got {got}")
