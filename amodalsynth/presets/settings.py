"""Presets from text: `--set field=value` and TOML files with the same fields."""

from __future__ import annotations

import dataclasses
import difflib
import re
import tomllib
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from amodalsynth.errors import ConfigurationError
from amodalsynth.presets.preset import DatasetPreset

_TYPES = typing.get_type_hints(DatasetPreset)
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_EXAMPLES = {
    "image_size": "640x480",
    "instances": "2-15",
    "scale": "0.1-0.4",
    "center": "0.25-0.75",
    "rotation_deg": "0-360",
    "categories": "apple,pear",
    "instance_weights": "1,2,2,1",
    "split_fractions": "0.7,0.15,0.15",
}


def override(preset: DatasetPreset, assignments: Iterable[str]) -> DatasetPreset:
    """`preset` with fields replaced by assignments "field=value": "image_size=640x480", "instances=2-15", "scale=0.1-0.4"."""
    changes: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigurationError(f"--set {assignment}: expected FIELD=VALUE, such as image_size=640x480")
        name = _known(name.strip(), "--set")
        changes[name] = _parse(name, text.strip())
    return _replace(preset, changes)


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
    changes = {_known(name, str(path)): _convert(name, value, str(path)) for name, value in values.items()}
    return _replace(presets[base], changes)


def preset_from_values(values: Mapping[str, Any], where: str) -> DatasetPreset:
    """The preset whose `to_json` gave `values`; `ConfigurationError` naming `where` otherwise."""
    missing = sorted(_TYPES.keys() - values.keys())
    if missing:
        raise ConfigurationError(f"{where}: the preset lacks the fields {', '.join(missing)}; was it made by another release?")
    return DatasetPreset(**{_known(name, where): _convert(name, value, where) for name, value in values.items()})


def _replace(preset: DatasetPreset, changes: dict[str, Any]) -> DatasetPreset:
    if "instances" in changes:
        changes.setdefault("instance_weights", ())  # the old weights belong to the old range
    return dataclasses.replace(preset, **changes)


def _known(name: str, where: str) -> str:
    if name not in _TYPES:
        near = difflib.get_close_matches(name, _TYPES, n=1)
        hint = f"did you mean '{near[0]}'?" if near else "`amodalsynth presets show NAME` lists the fields"
        raise ConfigurationError(f"{where}: a preset has no field '{name}'; {hint}")
    return name


def _parse(name: str, text: str) -> Any:
    """Text to the field's type: pairs as 640x480 or 2-15, lists by commas, yes and no for switches."""
    hint = _TYPES[name]
    if typing.get_origin(hint) is not tuple:
        word = text.strip("\"'")
        return _convert(name, _WORDS.get(word.lower(), word) if hint is bool else word, "--set")
    text = text.removeprefix("[").removesuffix("]")  # as `presets show` prints it
    if text == "":
        return _convert(name, () if Ellipsis in typing.get_args(hint) else text, "--set")
    parts = [part.strip(" \"'") for part in text.split(",")]
    if len(parts) == 1 and len(typing.get_args(hint)) == 2 and Ellipsis not in typing.get_args(hint):
        number = r"\s*([+-]?[\d.]+(?:e[+-]?\d+)?)\s*"
        pair = re.fullmatch(f"{number}[x-]{number}", text)
        if pair is None:
            return _convert(name, text, "--set")
        parts = list(pair.groups())
    return _convert(name, parts, "--set")


def _convert(name: str, value: Any, where: str) -> Any:
    """A TOML value, a text or a list of texts to the field's type."""
    hint = _TYPES[name]
    items = typing.get_args(hint)
    try:
        if typing.get_origin(hint) is not tuple:
            return _scalar(hint, value)
        if not isinstance(value, list | tuple) or (Ellipsis not in items and len(value) != len(items)):
            raise ValueError
        return tuple(_scalar(items[0], part) for part in value)
    except (ValueError, TypeError):
        example = f", such as {name}={_EXAMPLES[name]}" if name in _EXAMPLES else ""
        kind = "a list" if typing.get_origin(hint) is tuple else hint.__name__
        raise ConfigurationError(f"{where}: field {name}: expected {kind}{example}, got {value!r}") from None


def _scalar(kind: type, value: Any) -> Any:
    if kind is bool:
        if not isinstance(value, bool):
            raise ValueError
        return value
    if isinstance(value, bool) or (kind is int and isinstance(value, float)) or (kind is str and not isinstance(value, str)):
        raise ValueError
    return kind(value)
