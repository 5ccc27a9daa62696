"""The main path: a preset, a pool and a seed -> samples -> a data set on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import cv2
import orjson

from amodalsynth import card
from amodalsynth.annotation import Sample, annotate
from amodalsynth.compositing import compose, draw_appearances, surely_hidden
from amodalsynth.errors import ConfigurationError, OutputConflict, OutputError, SceneRejected
from amodalsynth.files import write_file
from amodalsynth.pool import AssetPool
from amodalsynth.presets import DatasetPreset
from amodalsynth.records import assemble, description
from amodalsynth.records.layout import PART_SIZE, Layout, background_names
from amodalsynth.records.lock import writing
from amodalsynth.records.part import DEFAULT_OUTPUT, OutputOptions, Target, read_sidecar, write_part
from amodalsynth.rng import scene_rng
from amodalsynth.scenes import sample_scene
from amodalsynth.workers import run_parts


def generate_sample(preset: DatasetPreset, pool: AssetPool, split: str, index: int, seed: int) -> Sample:
    """Image `index` (from 0) of a split: the first attempt whose scene shows enough of every instance.

    Depends on nothing but its arguments. `ConfigurationError` where `preset.max_attempts` scenes were all rejected, or where the pool is of
    another split.
    """
    check_split(pool, split)
    for attempt in range(preset.max_attempts):
        scene = sample_scene(preset, pool, scene_rng(seed, split, index, attempt))
        if surely_hidden(scene, pool):
            continue
        appearances = draw_appearances(scene, pool)
        try:
            annotation = annotate(scene, appearances, min_visible_pixels=preset.min_visible_pixels)
        except SceneRejected:
            continue
        return Sample(index, attempt, scene, compose(pool.background(scene.background_id), appearances), annotation)
    raise impossible(preset, index)


def impossible(preset: DatasetPreset, index: int) -> ConfigurationError:
    """The error of a preset whose scenes for an image were all rejected."""
    return ConfigurationError(
        f"preset '{preset.name}': image {index + 1}: in {preset.max_attempts} scenes some instance showed fewer than {preset.min_visible_pixels} "
        "pixels each time; lower min_visible_pixels, instances or scale, or widen center"
    )


def check_split(pool: AssetPool, split: str) -> None:
    """`ConfigurationError` unless the pool is of `split`: photos of one split must not get into another."""
    if pool.split != split:
        raise ConfigurationError(
            f"split '{split}': the pool holds the assets of split '{pool.split}'; load one with load_pool(preset, '{split}')"
        )


class SampleMaker(Protocol):
    """Makes the sample of an index; it travels to the worker processes."""

    def __call__(self, index: int) -> Sample: ...


@dataclass(frozen=True, slots=True)
class Sampler:
    """Makes samples by drawing scenes."""

    preset: DatasetPreset
    pool: AssetPool
    split: str
    seed: int

    def __call__(self, index: int) -> Sample:
        return generate_sample(self.preset, self.pool, self.split, index, self.seed)


@dataclass(frozen=True, slots=True)
class Generated:
    """What `generate_dataset` did: "made", or "finished" where everything was there already."""

    out: Path
    split: str
    num_images: int
    num_instances: int
    status: str


def generate_dataset(
    preset: DatasetPreset,
    pool: AssetPool,
    out: str | Path,
    *,
    split: str,
    num_images: int,
    seed: int,
    num_workers: int = 1,
    options: OutputOptions = DEFAULT_OUTPUT,
    resume: bool = False,
    make: SampleMaker | None = None,
    progress: Callable[[int], None] | None = None,
) -> Generated:
    """Write one split of a data set (docs/format.md), part by part.

    The same arguments give the same bytes, whatever `num_workers` and however often it was interrupted and resumed. `progress(n)` is called as
    n more images are there. `make` makes the samples, by default by drawing scenes. `OutputConflict` where `out` holds something
    else, or unfinished work without `resume`; `OutputError` (or `OSError`) where it cannot be written.
    """
    check_split(pool, split)
    if num_images < 1:
        raise ConfigurationError(f"split {split}: expected at least 1 image, got {num_images}")
    preset = replace(preset, categories=pool.categories)
    layout = Layout(Path(out))
    _refuse_strangers(layout)
    with writing(layout):
        target, about, finished = _begin(layout, preset, pool, split, num_images, seed, options, resume)
        if finished:
            return Generated(layout.root, split, num_images, about["splits"][split]["num_instances"], "finished")
        job = _PartJob(target, make or Sampler(preset, pool, split, seed), num_images)
        sidecars = _make_parts(job, num_workers, progress)
        assemble.write_split_files(target, sidecars, about)
        num_instances = sum(sidecar["num_instances"] for sidecar in sidecars)
        about = description.finish_split(about, split, num_images, num_instances)
        write_file(layout.card, card.dataset_card(layout, about).encode())
        description.write_description(layout, about)
        return Generated(layout.root, split, num_images, num_instances, "made")


@dataclass(frozen=True, slots=True)
class _PartJob:
    """Makes one part; travels to the worker processes."""

    target: Target
    make: SampleMaker | None
    num_images: int

    def __call__(self, number: int, checkpoint: Callable[[], None]) -> int:
        cv2.setNumThreads(1)  # the parts run side by side already
        indices = self.indices(number)
        write_part(self.target, number, map(self.make, indices), checkpoint)
        return len(indices)

    def indices(self, number: int) -> range:
        return range(number * PART_SIZE, min((number + 1) * PART_SIZE, self.num_images))

    @property
    def num_parts(self) -> int:
        return -(-self.num_images // PART_SIZE)


def _make_parts(job: _PartJob, num_workers: int, progress: Callable[[int], None] | None) -> list[dict[str, Any]]:
    """Make the parts that are missing; returns the sidecars of all."""
    sidecars = {number: read_sidecar(job.target, number, job.indices(number)) for number in range(job.num_parts)}
    report = progress or (lambda count: None)
    report(sum(sidecar["num_images"] for sidecar in sidecars.values() if sidecar))
    missing = [number for number, sidecar in sidecars.items() if sidecar is None]
    with _one_thread_each():
        for number, count in run_parts(job, missing, min(num_workers, max(len(missing), 1))):
            sidecars[number] = read_sidecar(job.target, number, job.indices(number))
            report(count)
    if None in sidecars.values():
        raise OutputError(
            f"{job.target.layout.root}: files of this run were removed or changed while it went on; run it again with --resume"
        )
    return [sidecars[number] for number in range(job.num_parts)]


def _is_whole(job: _PartJob) -> bool:
    """Whether a finished split still has its files. Where our own state was deleted, as it may be, the images are only counted."""
    layout, split = job.target.layout, job.target.split
    if not all(path.is_file() for path in (layout.annotations(split), layout.recipes(split), layout.card)):
        return False
    if layout.parts(split).is_dir():
        return all(read_sidecar(job.target, number, job.indices(number)) for number in range(job.num_parts))
    images = layout.images(split)
    return images.is_dir() and sum(1 for _ in images.iterdir()) >= job.num_images


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Give OpenCV's number of threads back to a caller whose process made the parts itself."""
    threads = cv2.getNumThreads()
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def _refuse_strangers(layout: Layout) -> None:
    """Refuse a folder that is neither empty nor a data set of ours."""
    if layout.root.exists() and not layout.root.is_dir():
        raise OutputConflict(f"{layout.root}: is a file; expected a folder to write to")
    if layout.root.is_dir() and not layout.dataset.exists() and {entry.name for entry in layout.root.iterdir()} - {layout.state.name}:
        raise OutputConflict(f"{layout.root}: is not empty and holds no data set of amodalsynth; give an empty or new folder with --out")


def _begin(
    layout: Layout, preset: DatasetPreset, pool: AssetPool, split: str, num_images: int, seed: int, options: OutputOptions, resume: bool
) -> tuple[Target, dict[str, Any], bool]:
    """Compare with what is there, write dataset.json and the folders; returns what the parts share, the description, and whether all is done."""
    about = description.describe(preset, pool, split, seed, options)
    if layout.dataset.exists():
        about = description.merge(layout, description.read_description(layout), about, split)
    finished = about["splits"].get(split, {}).get("num_images", 0)
    goal_file = layout.parts(split) / "goal.json"
    _check_goal(layout, split, num_images, finished, orjson.loads(goal_file.read_bytes()) if goal_file.exists() else finished, resume)
    target = Target(
        layout,
        split,
        options,
        preset,
        background_names(pool.backgrounds),
        pool.sha256,
        description.configuration_hash(about, split),
    )
    if finished == num_images and _is_whole(_PartJob(target, None, num_images)):
        return target, about, True
    folders = [
        layout.images(split),
        layout.parts(split),
        layout.backgrounds,
        layout.annotations(split).parent,
        layout.recipes(split).parent,
    ]
    for folder in [*folders, *([layout.appearances(split)] if options.appearances else [])]:
        folder.mkdir(parents=True, exist_ok=True)
    description.write_description(layout, about)
    write_file(goal_file, orjson.dumps(num_images))
    return target, about, False


def _check_goal(layout: Layout, split: str, num_images: int, finished: int, goal: int, resume: bool) -> None:
    """Refuse to shrink a split of which `finished` images are there and `goal` were last asked for, or to go on with it unasked."""
    if num_images < max(goal, finished):
        what = "holds" if finished == goal else "was begun with"
        raise OutputConflict(
            f"{layout.root}: split {split} {what} {max(goal, finished)} images, {num_images} were asked for; a split can grow but not shrink: "
            "ask for as many or more, or write to another folder"
        )
    if goal > finished and not resume:
        raise OutputConflict(
            f"{layout.root}: split {split} is unfinished ({goal} images were asked for); go on with --resume, or write to another folder"
        )
