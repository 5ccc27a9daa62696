"""The categories of an imported data set, the same for all of its splits, and its dataset.json."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amodalsynth.errors import OutputConflict
from amodalsynth.importers.report import Tally
from amodalsynth.importers.source import Source
from amodalsynth.records.description import FORMAT_VERSION, read_description
from amodalsynth.records.layout import Layout

_WITHOUT = "object"  # the one category of a source that has none


@dataclass(frozen=True, slots=True)
class Categories:
    """names: our id, from 1 -> name. ids: the source's key -> our id; empty where the source has no categories."""

    names: Mapping[int, str]
    ids: Mapping[Any, int]

    @property
    def entries(self) -> list[dict[str, Any]]:
        """COCO's `categories`."""
        return [{"id": key, "name": name, "supercategory": ""} for key, name in self.names.items()]


def read_previous(layout: Layout, split: str) -> dict[str, Any] | None:
    """The description of an imported data set to which `split` can be added, None where the folder is new or empty; else `OutputConflict`."""
    if not layout.dataset.exists():
        if layout.root.exists() and (not layout.root.is_dir() or any(file != layout.state for file in layout.root.iterdir())):
            raise OutputConflict(f"{layout.root}: holds something else than a data set; write to a new folder")
        return None
    description = read_description(layout)
    if "category_ids" not in description["preset"]:
        raise OutputConflict(f"{layout.root}: holds the generated data set '{description.get('name')}'; write to a new folder")
    if split in description["splits"] or layout.images(split).exists():
        raise OutputConflict(f"{layout.root}: has a split '{split}' already; write to a new folder, or choose another split with --split")
    return description


def choose_categories(source: Source, previous: Mapping[str, Any] | None, layout: Layout, tally: Tally) -> Categories:
    """The categories of the data set: the source's, under their own ids where these are integers from 1, else numbered in its order.

    With a data set that is there already, its categories, among which those of the source must be; `OutputConflict` naming one that is not.
    """
    named = dict(source.categories) or {None: _WITHOUT}
    kept = all(type(key) is int and key >= 1 for key in named)
    if not kept and any(type(key) is int for key in named):
        tally.add("category_ids", len(named))
    ids = {key: key if kept else i for i, key in enumerate(named, start=1)}
    names = {ids[key]: name for key, name in named.items()}
    if previous is not None:
        there = dict(zip(previous["preset"]["category_ids"], previous["preset"]["categories"]))
        by_name = {name: key for key, name in there.items()}
        if not kept:
            ids = {key: by_name.get(name) for key, name in named.items()}
        strange = next((name for key, name in named.items() if there.get(ids[key]) != name), None)
        if strange is not None:
            raise OutputConflict(
                f"{layout.root}: its categories are {', '.join(there.values())[:200]}, and '{strange}' of {source.path} is not among them under "
                "the same id; import the split that has all categories first, or write to another folder"
            )
        names = there
    return Categories(names, ids if source.categories else {})


def describe_import(source_format: str, categories: Categories) -> dict[str, Any]:
    """dataset.json of an imported data set of which no split is finished yet."""
    name = f"{source_format} (imported)"
    source = {"name": "import", "title": f"imported from {source_format}", "licence": "that of the source"}
    return {
        "name": name,
        "format_version": FORMAT_VERSION,
        "imported": {"format": source_format},
        "preset": {"name": name, "categories": list(categories.names.values()), "category_ids": list(categories.names)},
        "seed": None,
        "output": {"image_format": None, "layout": None, "appearances": False},
        "versions": {"amodalsynth": importlib.metadata.version("amodalsynth")},
        "splits": {},
        "assets": {kind: {"source": source, "files": {}} for kind in ("foregrounds", "backgrounds")},
    }
