"""Reading other people's annotations: one small module a format, each giving the same `source.Source`.

Adding a format is a module with `open_source(path, *, images, split)` and a line in `FORMATS`.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from amodalsynth.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    from amodalsynth.importers.source import Source

# format -> what is read, for people
FORMATS = {
    "amodalsynth": "A data set of amodalsynth: a folder with annotations/instances_<split>.json.",
    "coco": "One COCO file with amodal masks under any known spelling of the keys.",
    "cocoa": "COCOA: regions with polygons, depth order and depth_constraint; one file, one photo, or a folder of photos.",
    "cocoa-cls": "COCOA-cls and D2SA, flat COCO with visible_mask and invisible_mask.",
    "kins": "KINS, of both versions: inmodal_seg, or a_segm, i_segm, oco_id and ico_id.",
    "uoais": "UOAIS: visible_mask, occluded_mask and occluded_rate.",
    "labelme": "labelme: a folder of JSON files with polygons, one a photo.",
    "cvat": "CVAT for images 1.1: an XML file with polygons and masks; z_order is the order.",
    "label-studio": "Label Studio: a JSON export with polygons in percent.",
}

_MODULES = {"amodalsynth": "coco", "cocoa-cls": "coco", "kins": "coco", "uoais": "coco", "label-studio": "label_studio"}


def open_source(path: str | Path, *, format: str = "auto", images: str | Path | None = None, split: str | None = None) -> Source:
    """Open annotations for reading; use the result as a context manager.

    format: a name of `FORMATS`, or "auto" to tell by the content. images: the folder that the file names are relative to; without it, it
    is looked for where such a data set has it, and may stay unknown. split: which one, of a data set folder with several; by default the
    first of train, val and test that is there, and of a single file no matter.

    `ConfigurationError` for an unknown format, `DataError` where the path cannot be read at all; what can be told of single ids is in
    `Source.faults`.
    """
    path = Path(path)
    if format not in ("auto", *FORMATS):
        raise ConfigurationError(f"unknown format '{format}'; known: {', '.join(FORMATS)}")
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; expected annotations in one of the formats {', '.join(FORMATS)}")
    if not (path.is_file() or path.is_dir()):
        raise DataError(f"{path}: expected a file or a folder, got a device, a pipe or a socket")
    if images is not None and not Path(images).is_dir():
        raise DataError(f"{images}: expected the folder of the images, found no folder")
    if format == "auto":
        from amodalsynth.importers.sniff import tell_format

        format = tell_format(path)
    module = importlib.import_module(f"amodalsynth.importers.{_MODULES.get(format, format)}")
    return module.open_source(path, format=format, images=None if images is None else Path(images), split=split)
