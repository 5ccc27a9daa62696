"""What works here: versions, extras, assets, disk, and a write test."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from amodalsynth.assets import store
from amodalsynth.assets.manifest import load_manifest, manifest_names
from amodalsynth.errors import AssetMissing


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `ok` is None where nothing is wrong but something optional is absent."""

    subject: str
    ok: bool | None
    text: str


def examine(out: Path) -> list[Finding]:
    """Look at this machine, the caches and the folder `out`."""
    return [*_versions(), *_extras(), *_assets(), _folder("cache", store.home()), _folder("output", out)]


def _versions() -> Iterator[Finding]:
    yield Finding("python", True, f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    for name in _requirements(extra=None):
        yield _version(name, required=True)


def _extras() -> Iterator[Finding]:
    extras = importlib.metadata.metadata("amodalsynth").get_all("Provides-Extra") or []
    for extra in extras:
        missing = [name for name in _requirements(extra) if not _version(name, required=False).ok]
        text = f"not installed: {', '.join(missing)}; pip install 'amodalsynth[{extra}]'" if missing else "installed"
        yield Finding(f"extra {extra}", None if missing else True, text)


def _assets() -> Iterator[Finding]:
    for name in manifest_names():
        manifest = load_manifest(name)
        try:
            yield Finding(f"asset {name}", True, f"{store.locate(name)} ({manifest.licence})")
        except AssetMissing as error:
            yield Finding(f"asset {name}", None, str(error))


def _folder(subject: str, folder: Path) -> Finding:
    there = next(parent for parent in [folder, *folder.absolute().parents] if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"x" * 4096)
    except OSError as error:
        return Finding(subject, False, f"{folder}: cannot be written: {error.strerror}")
    return Finding(subject, True, f"{folder}: can be written, {shutil.disk_usage(there).free / 1e9:.1f} GB free")


def _requirements(extra: str | None) -> list[str]:
    lines = importlib.metadata.requires("amodalsynth") or []
    wanted = [line for line in lines if (f'extra == "{extra}"' in line if extra else "extra ==" not in line)]
    return [re.match(r"[\w.-]+", line)[0] for line in wanted]


def _version(name: str, *, required: bool) -> Finding:
    try:
        return Finding(name, True, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, False if required else None, "not installed")
