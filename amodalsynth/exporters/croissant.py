"""croissant.json beside an export: what the files are, in the Croissant 1.0 vocabulary that data set searches and `mlcroissant` read.

Single files are listed with their hash, folders of many files as one file set. Annotation files in COCO's layout and Parquet tables are
described as tables, so `mlcroissant` can iterate over them. It tells what lies in the folder, so splits that are exported one after the
other are all in it; it holds no clock. Date, address and creator of a publication are for the publisher to add.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import orjson

from amodalsynth.exporters.base import About
from amodalsynth.files import write_file

NAME = "croissant.json"

_FORMATS = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".txt": "text/plain",
    ".json": "application/json",
    ".tar": "application/x-tar",
    ".yaml": "application/yaml",
    ".parquet": "application/x-parquet",
}
_ONE_OF_MANY = frozenset({".jpg", ".jpeg", ".png", ".webp", ".txt"})  # files of an image, or of an instance

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    **{
        name: f"cr:{name}"
        for name in (
            *("citeAs", "column", "extract", "field", "fileObject", "fileProperty", "fileSet", "format", "includes", "isLiveDataset"),
            *("jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex", "repeated", "replace", "separator"),
            *("samplingRate", "source", "subField", "transform", "equivalentProperty"),
        )
    },
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
}

_COCO_KEYS = {"id": "sc:Integer", "image_id": "sc:Integer", "category_id": "sc:Integer", "area": "sc:Float"}
_PARQUET_COLUMNS = {"image_id": "sc:Integer", "width": "sc:Integer", "height": "sc:Integer"}


def write_croissant(to: Path, about: About, description: Mapping[str, Any]) -> None:
    """Describe the files below `to`, an export in the format `about` of the data set whose dataset.json is `description`, {} if it has none."""
    name = description.get("name", "amodal data set")
    singles, patterns = _found(to)
    objects = [_file_object(to, path) for path in sorted(singles)]
    tables = [_coco_table(path) for path in sorted(singles) if path.match("annotations/instances_*.json")]
    for pattern in sorted({f"{path.parent}/{path.name.split('-')[0]}-*.parquet" for path in singles if path.suffix == ".parquet"}):
        patterns.add(pattern)
        tables.append(_parquet_table(pattern))
    content = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": name,
        "description": f"{name}: images for amodal instance segmentation. {about.title} (format {about.name} of amodalsynth).",
        **_rights(description),
        "isLiveDataset": False,
        "distribution": [*objects, *map(_file_set, sorted(patterns))],
        "recordSet": tables,
    }
    write_file(to / NAME, orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _found(root: Path) -> tuple[list[PurePosixPath], set[str]]:
    """Every file below `root`, relative to it, but hidden ones and the description itself: single ones, and patterns of many."""
    singles: list[PurePosixPath] = []
    patterns: set[str] = set()
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        below = PurePosixPath(folder).relative_to(root)
        for path in (below / name for name in names if not name.startswith(".")):
            pattern = _pattern(path)
            if pattern:
                patterns.add(pattern)
            elif path != PurePosixPath(NAME):
                singles.append(path)
    return singles, patterns


def _pattern(path: PurePosixPath) -> str:
    """What stands for all files of the kind of this one, if there are many; else "".

    Numbered folders are alike; so are the files of images and instances in one folder.
    """
    parts = ["*" if part.isdecimal() else part for part in path.parent.parts]
    if path.suffix in _ONE_OF_MANY:
        return "/".join([*parts, f"*{path.suffix}"])
    return "/".join([*parts, path.name]) if "*" in parts else ""


def _file_object(root: Path, path: PurePosixPath) -> dict[str, Any]:
    with (root / path).open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "@type": "cr:FileObject",
        "@id": str(path),
        "name": str(path),
        "contentUrl": str(path),
        "contentSize": f"{(root / path).stat().st_size} B",
        "encodingFormat": _encoding(path),
        "sha256": sha256,
    }


def _file_set(pattern: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": pattern,
        "name": pattern,
        "includes": pattern,
        "encodingFormat": _encoding(PurePosixPath(pattern)),
    }


def _encoding(path: PurePosixPath) -> str:
    return _FORMATS.get(path.suffix, "application/octet-stream")


def _coco_table(path: PurePosixPath) -> dict[str, Any]:
    """The annotations of a COCO file; mlcroissant reads all tables of a file together and needs them of one length, so its images are left out."""
    source = {"fileObject": {"@id": str(path)}}
    keys = {key: (kind, source | {"extract": {"jsonPath": f"$.annotations[*].{key}"}}) for key, kind in _COCO_KEYS.items()}
    return _table(f"{path.stem.removeprefix('instances_')}_annotations", keys)


def _parquet_table(pattern: str) -> dict[str, Any]:
    source = {"fileSet": {"@id": pattern}}
    pixels = source | {"extract": {"column": "image"}, "transform": {"jsonPath": "bytes"}}
    columns = {key: (kind, source | {"extract": {"column": key}}) for key, kind in _PARQUET_COLUMNS.items()}
    split = PurePosixPath(pattern).name.split("-")[0]
    return _table(f"{split}_images", {"image": ("sc:ImageObject", pixels)} | columns)


def _table(name: str, fields: dict[str, tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "field": [
            {"@type": "cr:Field", "@id": f"{name}/{key}", "name": f"{name}/{key}", "dataType": kind, "source": source}
            for key, (kind, source) in fields.items()
        ],
    }


def _rights(description: Mapping[str, Any]) -> dict[str, Any]:
    """Licences and citations of what the images were made from; all of them hold."""
    sources = [kind["source"] for kind in description.get("assets", {}).values()]
    rights: dict[str, Any] = {"license": list(dict.fromkeys(source.get("licence") or "not stated" for source in sources)) or ["not stated"]}
    citations = list(dict.fromkeys(source["citation"] for source in sources if source.get("citation")))
    return rights | ({"citeAs": " ".join(citations)} if citations else {})
