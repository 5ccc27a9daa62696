"""Presets from text: `--set field=value` and TOML files with the same fields."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from amodalsynth.errors import ConfigurationError
from amodalsynth.presets.preset import DatasetPreset
from amodalsynth.settings import Fields

_FIELDS = Fields(
    DatasetPreset,
    "a preset",
    "amodalsynth presets show NAME",
    {
        "image_size": "640x480",
        "instances": "2-15",
        "scale": "0.1-0.4",
        "center": "0.25-0.75",
        "rotation_deg": "0-360",
        "categories": "apple,pear",
        "instance_weights": "1,2,2,1",
        "split_fractions": "0.7,0.15,0.15",
    },
)


def override(preset: DatasetPreset, assignments: Iterable[str]) -> DatasetPreset:
    """`preset` with fields replaced by assignments "field=value": "image_size=640x480", "instances=2-15", "scale=0.1-0.4"."""
    return _replace(preset, _FIELDS.parse_assignments(assignments))


def load_preset_file(path: str | Path, presets: Mapping[str, DatasetPreset]) -> DatasetPreset:
    """The preset that a TOML file describes: `base = "intra-afruit"` (optional) and the fields that differ from it."""
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: no such file; expected a TOML file with a preset's fields") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path}: not a readable TOML file: {error}") from None
    base = values.pop("base", "intra-afruit")
    if base not in presets:
        raise ConfigurationError(f"{path}: base = {base!r}: expected one of {', '.join(presets)}")
    values.setdefault("name", path.stem)
    return _replace(presets[base], _FIELDS.convert_all(values, str(path)))


def preset_from_values(values: Mapping[str, Any], where: str) -> DatasetPreset:
    """The preset whose `to_json` gave `values`; `ConfigurationError` naming `where` otherwise."""
    missing = _FIELDS.missing(values)
    if missing:
        raise ConfigurationError(f"{where}: the preset lacks the fields {', '.join(missing)}; was it made by another release?")
    return DatasetPreset(**_FIELDS.convert_all(values, where))


def _replace(preset: DatasetPreset, changes: dict[str, Any]) -> DatasetPreset:
    if "instances" in changes:
        changes.setdefault("instance_weights", ())  # the old weights belong to the old range
    return dataclasses.replace(preset, **changes)
