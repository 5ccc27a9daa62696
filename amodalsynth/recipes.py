"""Recipes: a data set made again from `scenes/<split>.jsonl`, dataset.json and the same assets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from amodalsynth.annotation import Sample, annotate
from amodalsynth.compositing import render
from amodalsynth.errors import AssetMissing, DataError, SceneRejected
from amodalsynth.pool import AssetPool
from amodalsynth.presets import DatasetPreset, preset_from_values
from amodalsynth.records.description import read_description
from amodalsynth.records.entries import HASH_DIGITS, pixel_hash, scene_from_recipe
from amodalsynth.records.layout import PART_SIZE, Layout
from amodalsynth.records.part import OutputOptions
from amodalsynth.rng import SPLITS
from amodalsynth.workers import run_parts


@dataclass(frozen=True, slots=True)
class RecipeBook:
    """A published data set without its images: the preset, the seed and the options of dataset.json, and the recipe files by split."""

    preset: DatasetPreset
    seed: int
    options: OutputOptions
    files: dict[str, Path]


@dataclass(slots=True)
class RecipeReader:
    """The recipes of one file, read by index. Can be sent to other processes."""

    path: Path
    size_hw: tuple[int, int]
    _begin: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self._begin = [0]
        with self.path.open("rb") as lines:
            for line in lines:
                self._begin.append(self._begin[-1] + len(line))

    def __len__(self) -> int:
        return len(self._begin) - 1

    def recipe(self, index: int) -> dict[str, Any]:
        """The recipe of image `index` (from 0); `DataError` naming the line where it is not one."""
        with self.path.open("rb") as lines:
            lines.seek(self._begin[index])
            line = lines.read(self._begin[index + 1] - self._begin[index])
        try:
            recipe = orjson.loads(line)
            scene_from_recipe(recipe, self.size_hw)
            if recipe["image_id"] != index + 1:
                raise DataError(f"{self.path}, line {index + 1}: expected image_id {index + 1}, got {recipe['image_id']}")
            used_assets(recipe)
        except (orjson.JSONDecodeError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise DataError(f"{self.path}, line {index + 1}: not a recipe ({type(error).__name__}: {error}); see docs/format.md") from None
        return recipe


@dataclass(frozen=True, slots=True)
class Replayer:
    """Makes samples from recipes."""

    pool: AssetPool
    recipes: RecipeReader

    def __call__(self, index: int) -> Sample:
        recipe = self.recipes.recipe(index)
        differing = asset_differences(recipe, self.pool)
        if differing:
            raise AssetMissing(f"{self.recipes.path}, line {index + 1}: {differing[0]}; give the folders that the data set was made from")
        scene = scene_from_recipe(recipe, self.recipes.size_hw)
        rendering = render(scene, self.pool)
        try:
            return Sample(index, recipe["attempt"], scene, rendering, annotate(scene, rendering.appearances))
        except SceneRejected:
            raise DataError(f"{self.recipes.path}, line {index + 1}: an instance has no visible pixel") from None


def open_recipes(path: str | Path) -> RecipeBook:
    """Open a folder with dataset.json and scenes/, or one of the files in its scenes/."""
    path = Path(path)
    root = path.parent.parent if path.suffix == ".jsonl" else path
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; expected dataset.json and scenes/<split>.jsonl of a data set")
    layout, about = Layout(root), read_description(Layout(root))
    files = {split: layout.recipes(split) for split in SPLITS if layout.recipes(split).is_file() and path in (root, layout.recipes(split))}
    for split, file in files.items():
        expected = about["splits"].get(split, {}).get("num_images")
        with file.open("rb") as lines:
            there = sum(1 for _ in lines)
        if there != expected:
            raise DataError(
                f"{file}: expected {expected} recipes, as dataset.json says, got {there}; it is truncated or of another data set"
            )
    if not files:
        raise DataError(f"{path}: no recipes: expected scenes/train.jsonl, val.jsonl or test.jsonl beside dataset.json")
    try:
        options = OutputOptions(**about["output"])
    except TypeError:
        raise DataError(f"{layout.dataset}: field output: expected image_format, layout and appearances, got {about['output']}") from None
    return RecipeBook(preset_from_values(about["preset"], str(layout.dataset)), about["seed"], options, files)


def used_assets(recipe: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(kind, asset id, first digits of the content's hash) of each asset that a recipe uses."""
    yield "backgrounds", recipe["background"]["asset"], recipe["background"]["sha256"]
    for instance in recipe["instances"]:
        yield "foregrounds", instance["asset"], instance["sha256"]


def asset_differences(recipe: dict[str, Any], pool: AssetPool) -> list[str]:
    """What a recipe asks of the assets and does not find in `pool`, in words."""
    differing = []
    for kind, asset_id, sha256 in used_assets(recipe):
        there = pool.sha256[kind].get(asset_id)
        if there is None:
            differing.append(f"{kind[:-1]} {asset_id} is missing")
        elif there[:HASH_DIGITS] != sha256:
            differing.append(f"{kind[:-1]} {asset_id} has other content: expected sha256 {sha256}..., got {there[:HASH_DIGITS]}...")
    return differing


@dataclass(frozen=True, slots=True)
class _VerifyJob:
    """Makes the images of one part in memory and compares them with their recipes; travels to the worker processes."""

    replay: Replayer

    def __call__(self, number: int, checkpoint: Callable[[], None]) -> list[tuple[int, list[str]]]:
        indices = range(number * PART_SIZE, min((number + 1) * PART_SIZE, len(self.replay.recipes)))
        return [(index + 1, self._differences(index, checkpoint)) for index in indices]

    def _differences(self, index: int, checkpoint: Callable[[], None]) -> list[str]:
        checkpoint()
        recipe = self.replay.recipes.recipe(index)
        differing = asset_differences(recipe, self.replay.pool)
        if not differing and pixel_hash(self.replay(index).rendering) != recipe["pixels"]:
            differing = [
                "pixels differ, though the assets are the same: the recipe was edited, or another processor or version rounds otherwise"
            ]
        return differing


def verify_recipes(
    pool: AssetPool, recipes: RecipeReader, *, num_workers: int = 1, progress: Callable[[int], None] | None = None
) -> dict[str, list[int]]:
    """Make every image again in memory; returns what differs, in words, and for each the ids of the images concerned, ascending."""
    found: dict[str, list[int]] = {}
    for _, images in run_parts(_VerifyJob(Replayer(pool, recipes)), range(-(-len(recipes) // PART_SIZE)), num_workers):
        for image_id, differing in images:
            for what in differing:
                found.setdefault(what, []).append(image_id)
        if progress:
            progress(len(images))
    return {what: sorted(set(image_ids)) for what, image_ids in sorted(found.items())}


def differing_recipes(first: Path, second: Path) -> int:
    """How many lines of two recipe files differ: images whose pixels came out otherwise."""
    with first.open("rb") as ours, second.open("rb") as theirs:
        return sum(a != b for a, b in zip(ours, theirs, strict=True))
