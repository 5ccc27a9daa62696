"""The floor: the same output files, encoded and written from what is in memory already."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson

from amodalsynth.annotation import Sample
from amodalsynth.records.encoding import TarWriter, encode_image, encode_png
from amodalsynth.records.part import Target, encode_sample


class Prepared(NamedTuple):
    """What is written of one sample: its file's name, its pixels, its appearances by name, and the values of its JSON."""

    file_name: str
    image: np.ndarray
    appearances: list[tuple[str, np.ndarray]]
    values: tuple[Any, Any, Any]


def prepare(target: Target, number: int, sample: Sample) -> Prepared:
    """Compute everything but the bytes."""
    encoded = encode_sample(target, number, sample)
    names = [name for name, _ in encoded.appearances]
    pixels = [appearance.rgba for appearance in sample.rendering.appearances]
    image_entry, annotations, recipe = encoded.sections
    values = orjson.loads(image_entry), orjson.loads(b"[" + annotations + b"]"), orjson.loads(recipe)
    return Prepared(encoded.file_name, sample.rendering.image, list(zip(names, pixels)), values)


def _encode(target: Target, image: np.ndarray) -> bytes:
    preset = target.preset
    return encode_image(image, target.options.image_format, jpeg_quality=preset.jpeg_quality, jpeg_chroma=preset.jpeg_chroma)


def write(target: Target, number: int, prepared: list[Prepared], out: Path) -> None:
    """Encode and write a part."""
    sections: list[bytes] = []
    with (out / f"{number}.tar").open("wb") as file:
        archive = TarWriter(file)
        for sample in prepared:
            (out / sample.file_name).write_bytes(_encode(target, sample.image))
            for name, rgba in sample.appearances:
                archive.add(name, encode_png(rgba))
            sections += map(orjson.dumps, sample.values)
        archive.close()
    (out / f"{number}.json").write_bytes(b"".join(sections))
