"""The data set card: OUT/README.md, written anew whenever a split is finished."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from amodalsynth.records.layout import Layout
from amodalsynth.stats import SplitStatistics, Statistics, compute_stats


def dataset_card(layout: Layout, description: Mapping[str, Any]) -> str:
    """The card's Markdown: what the data set is, its statistics, its sources, the licence that results; no clock, host or path."""
    splits = list(description["splits"])
    stats = compute_stats({split: layout.annotations(split) for split in splits}, name=description["name"])
    preset = description["preset"]
    low, high = preset["instances"]
    width, height = preset["image_size"]
    kind = "of one category" if preset["one_category"] else "of mixed categories"
    sections = [
        f"# {description['name']}",
        f"Synthetic images for amodal instance segmentation, made by amodalsynth {description['versions']['amodalsynth']} with seed "
        f"{description['seed']}: {low} to {high} instances {kind} on one texture, {width} x {height} pixels. Each instance has its amodal, "
        "visible and invisible mask, its occlusion order and layer order"
        + (", and its full appearance." if description["output"]["appearances"] else "."),
        *_own_photos(description),
        "## Statistics",
        _statistics(stats),
        "## Categories",
        _categories(stats),
        "## Read it",
        f'```python\nimport amodalsynth\n\nrecord = amodalsynth.open("path/to/this/folder", "{splits[0]}")[0]\n'
        "record.image, record.annotation.amodal_mask\n```",
        "The annotation files are COCO; dataset.json lists every asset with its hash; scenes/ holds a recipe for each image, from which "
        "`amodalsynth render` makes the same data set again.",
        "## Sources and licence",
        _sources(description["assets"]),
        "## Configuration",
        f"```json\n{orjson.dumps(preset, option=orjson.OPT_INDENT_2).decode()}\n```",
    ]
    return "\n\n".join(sections) + "\n"


def _own_photos(description: Mapping[str, Any]) -> list[str]:
    """A paragraph that says so where the cutouts are not those of the preset's own asset."""
    source = description["assets"]["foregrounds"]["source"]
    if source["name"] not in ("builtin", "folder"):
        return []
    return [f"Its scenes follow the preset of that name, its cutouts come from {source['title']}: it is not a data set of the paper."]


def _statistics(stats: Statistics) -> str:
    columns: dict[str, SplitStatistics] = {**stats.splits, "all": stats.total}
    rows = {
        "images": lambda s: f"{s.num_images:,}",
        "instances": lambda s: f"{s.num_instances:,}",
        "instances per image": lambda s: f"{s.instances_per_image:.2f}",
        "occluded instances": lambda s: f"{s.num_occluded:,} ({s.occluded_share:.1%})",
        "mean occlusion rate": lambda s: f"{s.mean_rate:.1%}",
        "instances in layer 0, 1, 2, ...": lambda s: ", ".join(f"{count / s.num_instances:.1%}" for _, count in sorted(s.layers.items())),
    }
    return _table(["", *columns], [[name, *map(cell, columns.values())] for name, cell in rows.items()])


def _categories(stats: Statistics) -> str:
    names = stats.total.categories
    rows = [[name, *(f"{s.categories.get(name, 0):,}" for s in stats.splits.values())] for name in names]
    return _table(["category", *stats.splits], rows)


def _sources(assets: Mapping[str, Any]) -> str:
    lines = []
    for kind in ("foregrounds", "backgrounds"):
        source, count = assets[kind]["source"], len(assets[kind]["files"])
        lines.append(f"- {kind}: {source.get('title', source['name'])}, {count:,} files. Licence: {source.get('licence') or 'not stated'}.")
        lines += [f"  {source[key]}" for key in ("licence_note", "citation", "homepage") if source.get(key)]
    licences = dict.fromkeys(assets[kind]["source"].get("licence") or "not stated" for kind in ("foregrounds", "backgrounds"))
    lines.append(
        f"\nThe images are made from both, so what you may do with them is what both allow: {' and '.join(licences)}. "
        "A share-alike source asks the same of this data set; a research-only source keeps it to research."
    )
    return "\n".join(lines)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
