"""Where a preset's cutouts and textures lie: a manifest's asset, the built-in pack or somebody's own folder; and its files by category."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amodalsynth.assets import store
from amodalsynth.assets.manifest import load_manifest
from amodalsynth.assets.sources import AssetFile, list_source
from amodalsynth.errors import AssetMissing, ConfigurationError
from amodalsynth.presets import DatasetPreset

BUILTIN, FOLDER = "builtin", "folder"


@dataclass(frozen=True, slots=True)
class Source:
    """One source of assets. `name` is a manifest's, "builtin" or "folder"; `about` says what the data set card and dataset.json tell of it."""

    name: str
    root: Path
    categories: tuple[tuple[str, tuple[str, ...]], ...] = ()
    split_folders: Mapping[str, tuple[str, ...]] | None = None
    about: Mapping[str, Any] = field(default_factory=dict)


def with_folders(preset: DatasetPreset, foregrounds: str | Path | None, backgrounds: str | Path | None) -> DatasetPreset:
    """`preset` with its sources replaced by folders or the built-in pack. A folder of foregrounds brings its own categories."""
    changes: dict[str, Any] = {}
    for kind, given in (("foregrounds", foregrounds), ("backgrounds", backgrounds)):
        if given is not None:
            changes[kind] = BUILTIN if str(given) == BUILTIN else FOLDER
    if changes.get("foregrounds") == FOLDER and preset.foregrounds != FOLDER:
        changes["categories"] = ()
    return dataclasses.replace(preset, **changes)


def resolve_sources(
    preset: DatasetPreset,
    foregrounds: str | Path | None,
    backgrounds: str | Path | None,
    *,
    num_workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Source]:
    """The two sources of a preset, checked to exist: where the preset names them, or in the folders given.

    A preset made by `with_folders` takes what is given as somebody's own folders; any other expects its own assets there. `num_workers` and
    `progress` serve for making the built-in pack where it is wanted and not there yet.
    """
    given = {"foregrounds": foregrounds, "backgrounds": backgrounds}
    if BUILTIN in (preset.foregrounds, preset.backgrounds):
        from amodalsynth import builtin

        builtin.builtin_folders(store.home(), num_workers=num_workers, progress=progress)
    return {kind: _resolve(preset, kind, getattr(preset, kind), path) for kind, path in given.items()}


def list_foregrounds(preset: DatasetPreset, source: Source, split: str) -> dict[str, tuple[AssetFile, ...]]:
    """Category -> the files of its cutouts in `split`."""
    options = {} if source.split_folders is None else {"split_folders": source.split_folders}
    return list_source(
        source.root, split, categories=source.categories, fractions=preset.split_fractions, seed=preset.split_seed, **options
    )


def list_backgrounds(preset: DatasetPreset, source: Source, split: str) -> dict[str, tuple[AssetFile, ...]]:
    """Texture category -> its files, the same for every split unless the preset separates them."""
    return list_source(
        source.root,
        split,
        fractions=preset.split_fractions,
        seed=preset.split_seed,
        shared_by_splits=not preset.separate_backgrounds,
    )


def _resolve(preset: DatasetPreset, kind: str, name: str, path: str | Path | None) -> Source:
    wanted = tuple((category, (category,)) for category in preset.categories) if kind == "foregrounds" else ()
    if name == BUILTIN:
        from amodalsynth import builtin

        roots = dict(zip(("foregrounds", "backgrounds"), builtin.builtin_folders(store.home())))
        return Source(BUILTIN, roots[kind], wanted, about=builtin.about(kind))
    if name == FOLDER and path is None:
        raise ConfigurationError(f"preset '{preset.name}' takes its {kind} from a folder: give it with --{kind} PATH")
    root = None if path is None else Path(path).expanduser()
    if str(path) == BUILTIN:
        raise ConfigurationError(
            f"preset '{preset.name}' takes its {kind} from '{name}', not from the built-in pack; change it with with_folders(preset, ...) first"
        )
    if root is not None and not root.is_dir():
        raise AssetMissing(f"--{kind} {path}: no such folder; expected a folder per category, with images at any depth below, or 'builtin'")
    if name == FOLDER:
        return Source(FOLDER, root, wanted, about={"title": "a folder of the user's own", "licence": "not stated"})
    manifest = load_manifest(name)
    if manifest.kind != kind:
        raise ConfigurationError(f"preset '{preset.name}', field {kind}: '{name}' is an asset of {manifest.kind}")
    aliases = dict(manifest.categories)
    wanted = tuple((category, aliases.get(category, own)) for category, own in wanted)
    about = {key: getattr(manifest, key) for key in ("title", "homepage", "licence", "licence_note", "citation")}
    return Source(name, root or store.locate(name), wanted, manifest.split_folders or None, about)
