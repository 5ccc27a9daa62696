"""Presets: what the images of a data set look like. One module a data set, one line each in `PRESETS`."""

from __future__ import annotations

from amodalsynth.errors import ConfigurationError
from amodalsynth.presets import acom, inter_amix, intra_afruit
from amodalsynth.presets.preset import DatasetPreset
from amodalsynth.presets.settings import load_preset_file, override, preset_from_values

PRESETS: dict[str, DatasetPreset] = {
    "intra-afruit": intra_afruit.PRESET,
    "inter-amix": inter_amix.PRESET,
    "acom": acom.PRESET,
}

__all__ = ["PRESETS", "DatasetPreset", "get_preset", "load_preset_file", "override", "preset_from_values"]


def get_preset(name: str) -> DatasetPreset:
    """The preset called `name`, or the one that the TOML file `name` describes; `ConfigurationError` otherwise."""
    if name in PRESETS:
        return PRESETS[name]
    if name.endswith(".toml"):
        return load_preset_file(name, PRESETS)
    raise ConfigurationError(f"no preset '{name}': expected one of {', '.join(PRESETS)}, or a .toml file with a preset's fields")
