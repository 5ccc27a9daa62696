"""The asset pool of one split: which cutouts and textures there are, and their pixels, mapped from the prepared files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from math import ceil
from pathlib import Path

import numpy as np
import orjson

from amodalsynth.assets import store
from amodalsynth.assets.sources import AssetFile
from amodalsynth.compositing import WarpCutout, level_shapes
from amodalsynth.cutouts import CutoutSettings
from amodalsynth.errors import AssetError, OutputError
from amodalsynth.files import write_file
from amodalsynth.pool_sources import Source, list_backgrounds, list_foregrounds, resolve_sources
from amodalsynth.prepared import Group, PreparedAsset, TextureSettings, is_prepared, load_prepared, prepare
from amodalsynth.presets import DatasetPreset
from amodalsynth.workers import run_parts

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class AssetPool:
    """The cutouts and textures of one split.

    split: "train", "val" or "test". categories: names, in the order of their ids. cutouts: for each category the asset ids of its cutouts;
    backgrounds: those of the textures, sorted. sha256: for "foregrounds" and "backgrounds", asset id -> hash of the file's
    content. skipped: asset id -> why it is unusable. sources: where the two came from. The pool can be sent to worker processes;
    each maps the pixels for itself.
    """

    split: str
    categories: tuple[str, ...]
    cutouts: tuple[tuple[str, ...], ...]
    backgrounds: tuple[str, ...]
    sha256: Mapping[str, Mapping[str, str]]
    skipped: Mapping[str, str]
    sources: Mapping[str, Source]
    _prepared_cutouts: Mapping[str, PreparedAsset]
    _prepared_backgrounds: Mapping[str, PreparedAsset]
    _mapped: dict[Path, np.ndarray] = field(default_factory=dict)
    _cutouts: dict[str, WarpCutout] = field(default_factory=dict)

    def __reduce__(self) -> tuple:
        return AssetPool, tuple(getattr(self, spec.name) for spec in fields(self) if spec.default_factory is MISSING)

    def cutout_size_hw(self, asset_id: str) -> tuple[int, int]:
        """(height, width) of a prepared cutout in its own pixels."""
        return self._prepared_cutouts[asset_id].size_hw

    def cutout(self, asset_id: str) -> WarpCutout:
        """A cutout ready for warping; its pixels are read-only."""
        if asset_id not in self._cutouts:
            asset = self._prepared_cutouts[asset_id]
            pixels, offset, levels = self._map(asset.pixels), asset.offset, []
            for shape in level_shapes(asset.size_hw):
                size = shape[0] * shape[1] * 4
                levels.append(pixels[offset : offset + size].reshape(shape))
                offset += size
            self._cutouts[asset_id] = WarpCutout(asset.size_hw, tuple(levels), asset.outline, asset.core)
        return self._cutouts[asset_id]

    def background(self, asset_id: str) -> np.ndarray:
        """(H, W, 3) uint8 RGB texture at the frame's size; read-only."""
        asset = self._prepared_backgrounds[asset_id]
        height, width = asset.size_hw
        return self._map(asset.pixels)[asset.offset : asset.offset + height * width * 3].reshape(height, width, 3)

    def _map(self, path: Path) -> np.ndarray:
        if path not in self._mapped:
            self._mapped[path] = np.asarray(np.memmap(path, np.uint8, mode="r"))
        return self._mapped[path]


def load_pool(
    preset: DatasetPreset,
    split: str,
    *,
    foregrounds: str | Path | None = None,
    backgrounds: str | Path | None = None,
    num_workers: int = 1,
    progress: Progress | None = None,
) -> AssetPool:
    """Find, check and prepare the assets of one split.

    `foregrounds` and `backgrounds` take anybody's folders in place of the preset's assets, or "builtin" for the built-in pack. `progress(done,
    total)` counts the files being prepared; nothing is prepared twice. `AssetMissing` where a source or a whole category is
    absent, `AssetError` where a category has no usable file.
    """
    sources = resolve_sources(preset, foregrounds, backgrounds, num_workers=num_workers, progress=progress)
    files = {
        "foregrounds": list_foregrounds(preset, sources["foregrounds"], split),
        "backgrounds": list_backgrounds(preset, sources["backgrounds"], split),
    }
    longest = min(preset.max_cutout_side, ceil(preset.scale[1] * min(preset.image_size)))
    settings = {
        "foregrounds": CutoutSettings(white_threshold=preset.white_threshold, max_side=longest),
        "backgrounds": TextureSettings(preset.size_hw, preset.background_fit),
    }
    folder = _prepared_folder()
    hashes = {kind: _content_hashes(sources[kind].root, files[kind]) for kind in files}
    groups = {
        kind: {category: _group(members, hashes[kind], settings[kind]) for category, members in files[kind].items()} for kind in files
    }
    missing = [group for of_kind in groups.values() for group in of_kind.values() if not is_prepared(group, folder)]
    _prepare_all(missing, folder, num_workers, progress)
    cutouts = {category: _load(files["foregrounds"][category], group, folder) for category, group in groups["foregrounds"].items()}
    textures = {category: _load(files["backgrounds"][category], group, folder) for category, group in groups["backgrounds"].items()}
    for category, loaded in cutouts.items():
        _require_some(loaded, f"{sources['foregrounds'].root}, category '{category}'")
    all_cutouts, all_textures = _merged(cutouts), _merged(textures)
    _require_some(all_textures, f"{sources['backgrounds'].root}")
    return AssetPool(
        split=split,
        categories=tuple(cutouts),
        cutouts=tuple(tuple(loaded.usable) for loaded in cutouts.values()),
        backgrounds=tuple(sorted(all_textures.usable)),
        sha256={
            kind: {asset_id: hashes[kind][asset_id] for asset_id in sorted(loaded.usable)}
            for kind, loaded in (("foregrounds", all_cutouts), ("backgrounds", all_textures))
        },
        skipped={**all_cutouts.skipped, **all_textures.skipped},
        sources=sources,
        _prepared_cutouts=all_cutouts.usable,
        _prepared_backgrounds=all_textures.usable,
    )


@dataclass(frozen=True, slots=True)
class _Loaded:
    """Prepared assets by asset id, and why others are unusable."""

    usable: dict[str, PreparedAsset]
    skipped: dict[str, str]


def _group(members: Sequence[AssetFile], hashes: Mapping[str, str], settings: CutoutSettings | TextureSettings) -> Group:
    return Group(tuple(file.path for file in members), tuple(hashes[file.asset_id] for file in members), settings)


def _load(members: Sequence[AssetFile], group: Group, folder: Path) -> _Loaded:
    loaded = _Loaded({}, {})
    for file, asset in zip(members, load_prepared(group, folder), strict=True):
        if isinstance(asset, PreparedAsset):
            loaded.usable[file.asset_id] = asset
        else:
            loaded.skipped[file.asset_id] = asset
    return loaded


def _merged(by_category: Mapping[str, _Loaded]) -> _Loaded:
    merged = _Loaded({}, {})
    for loaded in by_category.values():
        merged.usable.update(loaded.usable)
        merged.skipped.update(loaded.skipped)
    return merged


def _require_some(loaded: _Loaded, where: str) -> None:
    if not loaded.usable:
        first, reason = next(iter(loaded.skipped.items()))
        raise AssetError(f"{where}: none of the {len(loaded.skipped)} files is usable (first: {first}: {reason})")


def _prepared_folder() -> Path:
    folder = store.home() / "prepared"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot keep prepared assets there ({error.strerror}); set AMODALSYNTH_HOME to a folder that can be written"
        ) from None
    for leftover in folder.glob(".*.tmp"):  # of processes that were killed
        if not Path(f"/proc/{leftover.name.split('.')[-2]}").exists():
            leftover.unlink(missing_ok=True)
    return folder


@dataclass(frozen=True, slots=True)
class _PrepareJob:
    """Prepares one group; travels to the worker processes."""

    groups: list[Group]
    folder: Path

    def __call__(self, number: int, checkpoint: Callable[[], None]) -> int:
        checkpoint()
        prepare(self.groups[number], self.folder)
        return len(self.groups[number].paths)


def _prepare_all(groups: list[Group], folder: Path, num_workers: int, progress: Progress | None) -> None:
    total, done = sum(len(group.paths) for group in groups), 0
    few = total < 100  # starting processes would take longer
    for _, count in run_parts(_PrepareJob(groups, folder), range(len(groups)), 1 if few else num_workers):
        done += count
        if progress:
            progress(done, total)


def _content_hashes(root: Path, files: Mapping[str, Sequence[AssetFile]]) -> dict[str, str]:
    """Asset id -> sha256 of the file's content. A file is read again only when its size or time of change differs from the last time."""
    cache = store.home() / "prepared" / f"hashes-{hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]}.json"
    try:
        known = orjson.loads(cache.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        known = {}
    hashes, changed = {}, False
    for file in (file for members in files.values() for file in members):
        status = file.path.stat()
        stamp = [status.st_size, status.st_mtime_ns]
        if file.asset_id not in known or known[file.asset_id][:2] != stamp:
            with file.path.open("rb") as content:
                known[file.asset_id] = [*stamp, hashlib.file_digest(content, "sha256").hexdigest()]
            changed = True
        hashes[file.asset_id] = known[file.asset_id][2]
    if changed:
        write_file(cache, orjson.dumps(known), durable=False)
    return hashes
