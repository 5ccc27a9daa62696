"""Formats of others that a data set can be exported to."""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING

from amodalsynth.errors import ConfigurationError

if TYPE_CHECKING:
    from amodalsynth.exporters.base import About, Exporter

# name -> the module of this package that offers it as EXPORTER
FORMATS = {
    "coco": "coco",
    "coco-points": "coco_points",
    "cocoa": "cocoa",
    "cocoa-cls": "cocoa_cls",
    "kins": "kins",
    "kins2020": "kins2020",
    "aisformer": "aisformer",
    "bcnet": "bcnet",
    "aistron": "aistron",
    "uoais": "uoais",
    "sail-vos": "sail_vos",
    "mp3d-amodal": "mp3d_amodal",
    "instaorder": "instaorder",
    "tao-amodal": "tao_amodal",
    "pix2gestalt": "pix2gestalt",
    "bop": "bop",
    "yolo-seg": "yolo_seg",
    "webdataset": "webdataset",
    "parquet": "parquet",
}


def get_exporter(name: str) -> Exporter:
    """The exporter of a format; `ConfigurationError` with the nearest name where there is none."""
    if name not in FORMATS:
        near = difflib.get_close_matches(name, FORMATS, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(FORMATS)}"
        raise ConfigurationError(f"unknown format '{name}'; {hint}")
    return importlib.import_module(f"{__name__}.{FORMATS[name]}").EXPORTER


def abouts() -> list[About]:
    """What each format says of itself, in the order of `FORMATS`."""
    return [get_exporter(name).about for name in FORMATS]
