"""What is on this machine: the assets that were fetched or added, under the user's cache folder or `AMODALSYNTH_HOME`.

    <home>/assets/<name>/asset.json   where the asset's root lies and what was found there
    <home>/assets/<name>/files.json   path -> sha256 of every file that the library uses
    <home>/assets/<name>/files/       what was unpacked; absent for a folder that was added

Such a folder is made under another name and renamed when it is complete, so one that is there is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from amodalsynth.assets.manifest import AssetManifest, load_manifest, manifest_names
from amodalsynth.assets.sources import describe_folders, scan_source
from amodalsynth.errors import AssetDamaged, AssetError, AssetMissing, ConfigurationError
from amodalsynth.files import locked

# progress(stage, done, total or None): stage "download" counts bytes, "unpack" and "check" count files
Progress = Callable[[str, int, int | None], None]

_RECORD, _LISTING, _FILES = "asset.json", "files.json", "files"


@dataclass(frozen=True, slots=True)
class InstalledAsset:
    """An asset on this machine.

    `root` holds its categories or splits. `url` and `archive_sha256` tell where it was fetched from and what came, None for a folder that
    was added. `num_files` and `num_bytes` count the files that the library uses; `listing_sha256` is the hash of their names and hashes.
    """

    name: str
    root: Path
    url: str | None
    archive_sha256: str | None
    num_files: int
    num_bytes: int
    listing_sha256: str


@dataclass(frozen=True, slots=True)
class AssetFault:
    """A file that is not as it was recorded: `what` is "missing", "changed" or "extra", `path` is relative to the asset's root."""

    what: str
    path: str


def home() -> Path:
    """The folder of assets and caches: `AMODALSYNTH_HOME`, or the user's cache folder. It need not exist."""
    if folder := os.environ.get("AMODALSYNTH_HOME"):
        return Path(folder).expanduser().absolute()
    import platformdirs

    return platformdirs.user_cache_path("amodalsynth")


def locate(name: str) -> Path:
    """The root folder of an asset that was fetched or added.

    Raises `AssetMissing`, saying what to fetch or add, from where, how large and under which licence.
    """
    manifest = load_manifest(name)
    asset = read_installed(name)
    if asset is None:
        raise missing(manifest)
    if not is_present(name):
        raise AssetMissing(f"{manifest.title}: {asset.root} is gone; put it back, or {_how_to_get(manifest)}")
    return asset.root


def is_present(name: str) -> bool:
    """Whether an asset was fetched or added and its root is there."""
    asset = read_installed(name)
    return asset is not None and asset.root.is_dir()


def installed() -> tuple[InstalledAsset, ...]:
    """The assets on this machine, sorted by name."""
    found = map(read_installed, manifest_names())
    return tuple(asset for asset in found if asset is not None)


def read_installed(name: str) -> InstalledAsset | None:
    """The record of an asset, or None where it was neither fetched nor added. Raises `AssetDamaged` for a record that cannot be read."""
    folder = _folder(name)
    try:
        record = json.loads((folder / _RECORD).read_bytes())
        return InstalledAsset(**{**record, "root": folder / record["root"]})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        raise AssetDamaged(f"{folder / _RECORD}: not a record of an asset; remove {folder}, and fetch or add '{name}' again") from None


def add(name: str, path: Path, *, progress: Progress | None = None) -> InstalledAsset:
    """Register a folder on disk as the asset `name`; it stays where it is. Adding again records what is there now.

    `path` may be the asset's root or a folder above it, as it comes out of the archive. Raises `AssetMissing` where the folder is not
    there or does not hold what the asset should, `ConfigurationError` where the asset was fetched already.
    """
    manifest = load_manifest(name)
    path = Path(path).expanduser().absolute()
    if not path.is_dir():
        raise AssetMissing(f"{path}: no such folder; expected {manifest.title}, unpacked")
    with staging(name) as stage:
        present = read_installed(name)
        if present is not None and present.url is not None and present.root.is_dir():
            raise ConfigurationError(
                f"'{name}' was fetched already and lies in {present.root}; remove {_folder(name)} to add another folder"
            )
        return publish(manifest, stage, path, progress=progress)


def absent_categories(asset: InstalledAsset) -> tuple[str, ...]:
    """The categories of an asset's manifest for which its folder holds nothing."""
    manifest = load_manifest(asset.name)
    there = scan_source(asset.root, categories=manifest.categories, split_folders=manifest.split_folders)
    return tuple(category for category, _ in manifest.categories if category not in there)


def verify(name: str, *, progress: Progress | None = None) -> tuple[AssetFault, ...]:
    """Compare an asset's files with those recorded when it was fetched or added; the faults, sorted by path.

    Raises `AssetMissing` for an asset that is not here and `AssetDamaged` where the recorded listing itself was altered.
    """
    root, asset = locate(name), read_installed(name)
    assert asset is not None
    listing = _folder(name) / _LISTING
    content = listing.read_bytes() if listing.is_file() else b""
    if hashlib.sha256(content).hexdigest() != asset.listing_sha256:
        raise AssetDamaged(
            f"{listing}: altered or gone, so '{name}' cannot be verified; remove {listing.parent}, and fetch or add it again"
        )
    recorded: dict[str, str] = json.loads(content)
    now, _ = _list_files(load_manifest(name), root, progress)
    faults = [AssetFault("missing" if now.get(path) is None else "changed", path) for path in recorded if now.get(path) != recorded[path]]
    return tuple(sorted(faults + [AssetFault("extra", path) for path in now.keys() - recorded.keys()], key=lambda fault: fault.path))


def missing(manifest: AssetManifest) -> AssetMissing:
    """The error for an asset that is not on this machine."""
    return AssetMissing(f"{manifest.title} is not on this machine: {_how_to_get(manifest)}")


@contextmanager
def staging(name: str) -> Iterator[Path]:
    """An empty folder in which one process at a time prepares the asset `name`; removed afterwards, also what a killed process left.

    Raises `AssetError` while another process holds it.
    """
    stage = _folder(name).with_name(f".{name}.partial")
    stage.parent.mkdir(parents=True, exist_ok=True)
    busy = AssetError(f"another process is fetching or adding '{name}'; wait until it has finished")
    with locked(stage.with_name(f".{name}.lock"), busy):
        shutil.rmtree(stage, ignore_errors=True)
        stage.mkdir()
        try:
            yield stage
        finally:
            shutil.rmtree(stage, ignore_errors=True)


def publish(
    manifest: AssetManifest,
    stage: Path,
    source: Path,
    *,
    url: str | None = None,
    archive_sha256: str | None = None,
    progress: Progress | None = None,
) -> InstalledAsset:
    """Record the asset in `source`, a folder inside `stage` or anywhere, and give it its final name in one step.

    Raises `AssetMissing` where no root of the asset lies in `source`, with the folders that do.
    """
    root = _find_root(manifest, source, url or str(source))
    final, new = _folder(manifest.name), stage / "new"
    new.mkdir()
    listing, num_bytes = _list_files(manifest, root, progress)
    if source.is_relative_to(stage):
        root = Path(_FILES) / root.relative_to(source)
        source.rename(new / _FILES)
    content = json.dumps(listing, indent=0).encode()
    record = {
        "name": manifest.name,
        "root": str(root),
        "url": url,
        "archive_sha256": archive_sha256,
        "num_files": len(listing),
        "num_bytes": num_bytes,
        "listing_sha256": hashlib.sha256(content).hexdigest(),
    }
    (new / _LISTING).write_bytes(content)
    (new / _RECORD).write_text(json.dumps(record, indent=2) + "\n", "utf-8")
    if final.exists():
        final.rename(stage / "old")
    new.rename(final)
    asset = read_installed(manifest.name)
    assert asset is not None
    return asset


def _folder(name: str) -> Path:
    return home() / "assets" / name


def _how_to_get(manifest: AssetManifest) -> str:
    terms = f"{manifest.size}; licence: {manifest.licence}, {manifest.licence_note}"
    adding = f"`amodalsynth assets add {manifest.name} PATH`"
    if manifest.url is None:
        return f"it must be downloaded by hand from {manifest.homepage} ({terms}): {manifest.instructions}, then run {adding}"
    return f"run `amodalsynth assets fetch {manifest.name}` to download it from {manifest.url} ({terms}), or {adding} if you have it"


def _find_root(manifest: AssetManifest, folder: Path, origin: str) -> Path:
    """The asset's root in `folder`, which may be the root, or any of the folders that the archive has above it."""
    parts = PurePosixPath(manifest.root).parts
    for skip in range(len(parts) + 1):
        for root in sorted(folder.glob("/".join(parts[skip:]))) if skip < len(parts) else [folder]:
            if root.is_dir() and scan_source(root, categories=manifest.categories, split_folders=manifest.split_folders):
                return root
    wanted = ", ".join([(*names, category)[0] for category, names in manifest.categories[:4]])
    found = describe_folders(folder)
    raise AssetMissing(f"{origin}: not {manifest.title}: expected folders with images, called {wanted} and so on; found {found}")


def _list_files(manifest: AssetManifest, root: Path, progress: Progress | None) -> tuple[dict[str, str], int]:
    """Path -> sha256 of every file that the library uses, and their bytes in all."""
    found = scan_source(root, categories=manifest.categories, split_folders=manifest.split_folders)
    files = sorted((file for files in found.values() for file in files), key=lambda file: file.asset_id)
    listing, num_bytes = {}, 0
    for done, file in enumerate(files, start=1):
        with file.path.open("rb") as content:
            listing[file.asset_id] = hashlib.file_digest(content, "sha256").hexdigest()
            num_bytes += content.tell()
        if progress is not None:
            progress("check", done, len(files))
    return listing, num_bytes
