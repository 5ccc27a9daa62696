"""dataset.json: what a data set is and what it was made from. It holds no clock, host or path."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import orjson

from amodalsynth.errors import DataError, OutputConflict
from amodalsynth.files import write_file
from amodalsynth.records.layout import Layout
from amodalsynth.records.part import OutputOptions
from amodalsynth.rng import SPLITS

if TYPE_CHECKING:
    from amodalsynth.pool import AssetPool
    from amodalsynth.presets import DatasetPreset

FORMAT_VERSION = 1

# The packages whose release decides the bytes: drawing, warping, segmenting and encoding.
BYTES_DEPEND_ON = ("amodalsynth", "isal", "numpy", "opencv-python-headless", "pillow", "scikit-image", "simplejpeg")


def describe(preset: DatasetPreset, pool: AssetPool, split: str, seed: int, options: OutputOptions) -> dict[str, Any]:
    """The description of a data set of which no split is finished yet, with the assets of `split`."""
    return {
        "name": preset.name,
        "format_version": FORMAT_VERSION,
        "preset": preset.to_json(),
        "seed": seed,
        "output": {"image_format": options.image_format, "layout": options.layout, "appearances": options.appearances},
        "versions": {name: importlib.metadata.version(name) for name in BYTES_DEPEND_ON},
        "splits": {},
        "assets": {
            kind: {
                "source": {"name": pool.sources[kind].name, **pool.sources[kind].about},
                "files": {asset_id: {"sha256": sha256, "splits": [split]} for asset_id, sha256 in sorted(pool.sha256[kind].items())},
            }
            for kind in ("foregrounds", "backgrounds")
        },
    }


def read_description(layout: Layout) -> dict[str, Any]:
    """dataset.json of a data set; `DataError` where there is none or it cannot be read."""
    try:
        description = orjson.loads(layout.dataset.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"{layout.root}: no data set: expected a folder with dataset.json, as `amodalsynth generate` writes it") from None
    except (OSError, orjson.JSONDecodeError) as error:
        raise DataError(f"{layout.dataset}: cannot be read: {error}") from None
    if not isinstance(description, dict) or not {"preset", "seed", "splits", "output", "assets"} <= set(description):
        raise DataError(
            f"{layout.dataset}: expected an object with preset, seed, output, splits and assets; is it a data set of amodalsynth?"
        )
    return description


def write_description(layout: Layout, description: dict[str, Any]) -> None:
    """Write dataset.json."""
    write_file(layout.dataset, orjson.dumps(description, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def merge(layout: Layout, there: dict[str, Any], new: dict[str, Any], split: str) -> dict[str, Any]:
    """The description on disk with the assets of another split added; `OutputConflict` naming what differs in the configuration."""
    for path, old_value, new_value in _differences(configuration(there), configuration(new)):
        raise OutputConflict(
            f"{layout.root} was made with another configuration: {path} is {_short(old_value)} there, {_short(new_value)} here; "
            "give the same values, or write to another folder"
        )
    assets = {}
    for kind in ("foregrounds", "backgrounds"):
        files = {asset_id: dict(file) for asset_id, file in there["assets"][kind]["files"].items()}
        old = {asset_id: file["sha256"] for asset_id, file in files.items() if split in file["splits"]}
        fresh = {asset_id: file["sha256"] for asset_id, file in new["assets"][kind]["files"].items()}
        changed = sorted(asset_id for asset_id in old.keys() | fresh.keys() if old.get(asset_id) != fresh.get(asset_id))
        if old and changed:
            raise OutputConflict(
                f"{layout.root}: the {kind} of split {split} have changed since it was begun: {len(changed)} files differ, first {changed[0]}; "
                "bring back the same assets, or write to another folder"
            )
        for asset_id, sha256 in fresh.items():
            splits = {*files.get(asset_id, {}).get("splits", ()), split}
            files[asset_id] = {"sha256": sha256, "splits": sorted(splits, key=SPLITS.index)}
        assets[kind] = {"source": there["assets"][kind]["source"], "files": dict(sorted(files.items()))}
    return {**there, "assets": assets}


def finish_split(description: dict[str, Any], split: str, num_images: int, num_instances: int) -> dict[str, Any]:
    """The description with a split's counts, in the order train, val, test whatever was made first."""
    splits = {**description["splits"], split: {"num_images": num_images, "num_instances": num_instances}}
    return {**description, "splits": {name: splits[name] for name in SPLITS if name in splits}}


def configuration(description: dict[str, Any]) -> dict[str, Any]:
    """The part of a description that decides the bytes of every image, whatever the split."""
    return {
        **{key: description[key] for key in ("format_version", "preset", "seed", "output", "versions")},
        "assets": {kind: description["assets"][kind]["source"]["name"] for kind in ("foregrounds", "backgrounds")},
    }


def configuration_hash(description: dict[str, Any], split: str) -> str:
    """A hash of the configuration and of the assets of one split; the sidecars of its parts carry it."""
    assets = {
        kind: {asset_id: file["sha256"] for asset_id, file in description["assets"][kind]["files"].items() if split in file["splits"]}
        for kind in ("foregrounds", "backgrounds")
    }
    return hashlib.sha256(orjson.dumps([configuration(description), assets], option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


def _differences(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _differences(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    elif old != new:
        yield path, old, new


def _short(value: Any) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= 60 else f"{text[:57]}..."
