"""Manifests: where each known asset comes from, how large it is, under which licence, and what its folders are called."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from amodalsynth.errors import ConfigurationError

# split -> names of its folder; case does not matter, and `_` and `-` are spaces
DEFAULT_SPLIT_FOLDERS: Mapping[str, tuple[str, ...]] = {
    "train": ("training", "train"),
    "val": ("validation", "val", "valid"),
    "test": ("test", "testing"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetManifest:
    """One asset, as `assets_manifest/<name>.toml` describes it.

    `kind` is "foregrounds" or "backgrounds". `url` is None where a login is needed (`login`): then `instructions` say how to get it.
    `size_bytes` is the archive's exact size and `sha256` its hash (64 hex digits), None where nobody publishes them; `size_note` says the
    size in words then. `root` is the folder inside the archive that holds the categories or the splits, perhaps with `*`.
    `categories` are pairs of a name and the folder names that serve for it, best first; empty means that every folder is one.
    `max_files` and `max_bytes` bound what the archive may unpack to.
    """

    name: str
    title: str
    kind: str
    homepage: str
    licence: str
    licence_note: str
    citation: str
    url: str | None = None
    file_name: str | None = None
    size_bytes: int | None = None
    size_note: str = ""
    sha256: str | None = None
    login: bool = False
    instructions: str = ""
    root: str = ""
    categories: tuple[tuple[str, tuple[str, ...]], ...] = ()
    split_folders: Mapping[str, tuple[str, ...]]
    max_files: int | None = None
    max_bytes: int | None = None

    @property
    def size(self) -> str:
        """The archive's size in words."""
        return f"{self.size_bytes / 1e6:,.0f} MB" if self.size_bytes else self.size_note


def manifest_names() -> tuple[str, ...]:
    """The names of the known assets, sorted."""
    files = resources.files("amodalsynth.assets_manifest").iterdir()
    return tuple(sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml")))


def load_manifest(name: str) -> AssetManifest:
    """The manifest called `name`.

    Raises `ConfigurationError` where there is none, with the names that there are.
    """
    if name not in manifest_names():
        raise ConfigurationError(f"unknown asset '{name}': expected one of {', '.join(manifest_names())}")
    table = tomllib.loads(resources.files("amodalsynth.assets_manifest").joinpath(f"{name}.toml").read_text("utf-8"))
    return AssetManifest(
        **{
            **table,
            "categories": tuple((category, tuple(folders)) for category, folders in table.get("categories", {}).items()),
            "split_folders": {split: tuple(folders) for split, folders in table.get("split_folders", DEFAULT_SPLIT_FOLDERS).items()},
        }
    )
