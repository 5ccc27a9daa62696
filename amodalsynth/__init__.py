"""Data sets for amodal instance segmentation of objects that occlude each other.

    import amodalsynth

    preset = amodalsynth.PRESETS["intra-afruit"]
    pool = amodalsynth.load_pool(preset, "train")
    sample = amodalsynth.generate_sample(preset, pool, "train", index=0, seed=0)

    data = amodalsynth.open("intra-afruit", "train")
    data[0].annotation.amodal_mask

The names below load their modules when they are first used, so importing the package is quick.
"""

from __future__ import annotations

import importlib
from typing import Any

# public name -> module and its name there, in the order a reader meets them
_PUBLIC = {
    "PRESETS": ("presets", "PRESETS"),
    "DatasetPreset": ("presets", "DatasetPreset"),
    "get_preset": ("presets", "get_preset"),
    "with_folders": ("pool_sources", "with_folders"),
    "load_pool": ("pool", "load_pool"),
    "AssetPool": ("pool", "AssetPool"),
    "sample_scene": ("scenes", "sample_scene"),
    "Scene": ("types", "Scene"),
    "Placement": ("types", "Placement"),
    "render": ("compositing", "render"),
    "Rendering": ("types", "Rendering"),
    "Appearance": ("types", "Appearance"),
    "annotate": ("annotation", "annotate"),
    "Annotation": ("annotation", "Annotation"),
    "Sample": ("annotation", "Sample"),
    "generate_sample": ("generate", "generate_sample"),
    "generate_dataset": ("generate", "generate_dataset"),
    "OutputOptions": ("records.part", "OutputOptions"),
    "open": ("records.reader", "open_dataset"),
    "export_dataset": ("exporters.driver", "export_dataset"),
    "ExportOptions": ("exporters.base", "ExportOptions"),
    "AmodalSynthError": ("errors", "AmodalSynthError"),
}

__all__ = [*_PUBLIC]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("amodalsynth")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'amodalsynth' has no attribute '{name}'")
    module, attribute = _PUBLIC[name]
    return getattr(importlib.import_module(f"amodalsynth.{module}"), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
