"""The files of a whole split, joined from its parts as a stream: the COCO annotation file and the recipes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from amodalsynth.files import write_file
from amodalsynth.records.part import SECTIONS, Target


def write_split_files(target: Target, sidecars: Sequence[dict[str, Any]], description: dict[str, Any]) -> None:
    """Write `annotations/instances_<split>.json` and `scenes/<split>.jsonl` from the parts, in order."""
    layout, split = target.layout, target.split
    write_file(layout.recipes(split), _section(target, sidecars, "recipes"))
    write_file(layout.annotations(split), _coco(target, sidecars, description))


def _coco(target: Target, sidecars: Sequence[dict[str, Any]], description: dict[str, Any]) -> Iterator[bytes]:
    sources = [description["assets"][kind]["source"] for kind in ("foregrounds", "backgrounds")]
    licences = [{"id": i, "name": f"{s['title']}: {s['licence']}", "url": s.get("homepage") or ""} for i, s in enumerate(sources, start=1)]
    info = {
        "description": f"{description['name']}, {target.split} split, made by amodalsynth",
        "version": str(description["format_version"]),
    }
    categories = [{"id": i, "name": name, "supercategory": ""} for i, name in enumerate(description["preset"]["categories"], start=1)]
    yield b'{"info":' + orjson.dumps(info) + b',\n"licenses":' + orjson.dumps(licences)
    yield b',\n"categories":' + orjson.dumps(categories) + b',\n"images":[\n'
    yield from _joined(_section(target, sidecars, "images"))
    yield b'\n],\n"annotations":[\n'
    yield from _joined(_section(target, sidecars, "annotations"))
    yield b"\n]}\n"


def _section(target: Target, sidecars: Sequence[dict[str, Any]], section: str) -> Iterator[bytes]:
    at = SECTIONS.index(section)
    for number, sidecar in enumerate(sidecars):
        sizes = sidecar["section_bytes"]
        with target.layout.part_payload(target.split, number).open("rb") as payload:
            payload.seek(sum(sizes[:at]))
            yield payload.read(sizes[at])


def _joined(pieces: Iterator[bytes]) -> Iterator[bytes]:
    for i, piece in enumerate(pieces):
        yield b",\n" + piece if i else piece
