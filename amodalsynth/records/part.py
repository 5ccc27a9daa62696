"""A part of a data set: some hundred images, written under temporary names, moved into place, committed by its sidecar last."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson

from amodalsynth.annotation import Sample
from amodalsynth.files import write_file
from amodalsynth.presets import DatasetPreset
from amodalsynth.records import entries
from amodalsynth.records.encoding import TarWriter, encode_image, encode_png
from amodalsynth.records.layout import Layout, appearance_name, image_name, part_name

_BATCH_BYTES = 32 * 256 * 256 * 3  # of images held at once; larger frames are taken one by one
SECTIONS = ("images", "annotations", "recipes")  # of a part's payload, in this order


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """How a data set is written: image_format is "jpg", "png" or "webp"; layout, of the appearances, is "tar" or "files"."""

    image_format: str = "jpg"
    layout: str = "tar"
    appearances: bool = True


DEFAULT_OUTPUT = OutputOptions()


@dataclass(frozen=True, slots=True)
class Target:
    """Where and how the parts of a split are written; the same for each of them.

    As many annotation ids are set aside for each image as the preset can have instances in it, so an image's ids depend on no other image.
    """

    layout: Layout
    split: str
    options: OutputOptions
    preset: DatasetPreset
    background_names: Mapping[str, str]
    sha256: Mapping[str, Mapping[str, str]]
    config: str


class EncodedSample(NamedTuple):
    """The bytes of one image: its file, its appearances by name, and its JSON by section."""

    file_name: str
    image: bytes
    appearances: list[tuple[str, bytes]]
    sections: tuple[bytes, bytes, bytes]


def encode_sample(target: Target, number: int, sample: Sample) -> EncodedSample:
    """Everything that is written of one sample of part `number`."""
    options, rendering, image_id = target.options, sample.rendering, sample.image_id
    file_name = image_name(image_id, options.image_format)
    annotations = entries.annotation_entries(sample.index * target.preset.instances[1] + 1, image_id, sample.annotation)
    appearances = []
    if options.appearances:
        folder = f"{part_name(number)}.tar" if options.layout == "tar" else part_name(number)
        for i, appearance in enumerate(rendering.appearances):
            name = appearance_name(image_id, i)
            annotations[i]["appearance"] = {"file_name": f"{folder}/{name}", "offset": appearance.offset_xy}
            appearances.append((name, encode_png(appearance.rgba)))
    background = target.background_names[sample.scene.background_id]
    recipe = entries.recipe_entry(image_id, sample.attempt, sample.scene, rendering, target.sha256)
    sections = (
        orjson.dumps(entries.image_entry(image_id, file_name, sample.scene.size_hw, background)),
        b",\n".join(map(orjson.dumps, annotations)),
        orjson.dumps(recipe),
    )
    preset = target.preset
    image = encode_image(rendering.image, options.image_format, jpeg_quality=preset.jpeg_quality, jpeg_chroma=preset.jpeg_chroma)
    return EncodedSample(file_name, image, appearances, sections)


def write_part(target: Target, number: int, samples: Iterable[Sample], checkpoint: Callable[[], None]) -> None:
    """Write part `number`. `checkpoint` is called before each image and may raise to drop the part: then nothing of it stays."""
    work = target.layout.temporary() / f"{target.split}-{part_name(number)}-{os.getpid()}"
    work.mkdir(parents=True)
    try:
        _write_part(target, number, samples, checkpoint, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _write_part(target: Target, number: int, samples: Iterable[Sample], checkpoint: Callable[[], None], work: Path) -> None:
    layout, split = target.layout, target.split
    work_images = work / "images"
    work_images.mkdir()
    archived = target.options.appearances and target.options.layout == "tar"
    store = _TarAppearances(work) if archived else _LooseAppearances(work)
    sections: tuple[list[bytes], ...] = ([], [], [])
    image_bytes = num_instances = 0
    textures: set[str] = set()
    for sample, encoded in _encoded(target, number, samples, checkpoint):
        write_background(target, sample.scene.background_id, sample.rendering.background)
        textures.add(target.background_names[sample.scene.background_id])
        with open(f"{work_images}/{encoded.file_name}", "wb") as file:  # noqa: PTH123 - a tenth of the time of Path.open
            file.write(encoded.image)
        image_bytes += len(encoded.image)
        num_instances += len(sample.annotation)
        for name, content in encoded.appearances:
            store.add(name, content)
        for section, content in zip(sections, encoded.sections):
            section.append(content)
    appearance_bytes = store.close()
    _move_files(work_images, layout.images(split))
    if target.options.appearances:
        store.move(layout.appearances(split), part_name(number))
    payload = [b",\n".join(sections[0]), b",\n".join(sections[1]), b"".join(line + b"\n" for line in sections[2])]
    write_file(layout.part_payload(split, number), payload, durable=False)
    sidecar = {
        "config": target.config,
        "num_images": len(sections[0]),
        "image_bytes": image_bytes,
        "appearance_bytes": appearance_bytes,
        "backgrounds": sorted(textures),
        "section_bytes": [len(section) for section in payload],
        "num_instances": num_instances,
        "sha256": hashlib.sha256(b"".join(payload)).hexdigest(),
    }
    write_file(layout.part_sidecar(split, number), orjson.dumps(sidecar), durable=False)


def _encoded(
    target: Target, number: int, samples: Iterable[Sample], checkpoint: Callable[[], None]
) -> Iterator[tuple[Sample, EncodedSample]]:
    """Each sample with its bytes. Samples are made and encoded in turns of some images, so that each task finds its code and tables in the
    processor's cache, which saves a sixth of the time."""
    batch: list[Sample] = []
    held = 0
    for sample in samples:
        checkpoint()
        batch.append(sample)
        held += sample.rendering.image.nbytes
        if held >= _BATCH_BYTES:
            yield from ((made, encode_sample(target, number, made)) for made in batch)
            batch, held = [], 0
    yield from ((made, encode_sample(target, number, made)) for made in batch)


def read_sidecar(target: Target, number: int, indices: range) -> dict[str, Any] | None:
    """The sidecar of a part that is there whole, for just these image indices and this configuration; None if the part must be made."""
    layout, split = target.layout, target.split
    try:
        sidecar = orjson.loads(layout.part_sidecar(split, number).read_bytes())
        if sidecar["config"] != target.config or sidecar["num_images"] != len(indices):
            return None
        if layout.part_payload(split, number).stat().st_size != sum(sidecar["section_bytes"]):
            return None
        if not all((layout.backgrounds / name).is_file() for name in sidecar["backgrounds"]):
            return None
        images = layout.images(split)
        sizes = [(images / image_name(index + 1, target.options.image_format)).stat().st_size for index in indices]
        if 0 in sizes or sum(sizes) != sidecar["image_bytes"] or _appearance_bytes(target, number) != sidecar["appearance_bytes"]:
            return None
    except (OSError, orjson.JSONDecodeError, KeyError):
        return None
    return sidecar


def _appearance_bytes(target: Target, number: int) -> int:
    folder, name = target.layout.appearances(target.split), part_name(number)
    if not target.options.appearances:
        return 0
    if target.options.layout == "tar":
        return (folder / f"{name}.tar").stat().st_size
    return sum(file.stat().st_size for file in (folder / name).iterdir())


def write_background(target: Target, asset_id: str, texture: np.ndarray) -> None:
    """Write a texture once; where two workers write it at once, they write the same bytes."""
    path = target.layout.backgrounds / target.background_names[asset_id]
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, encode_png(texture), durable=False)


def _move_files(source: Path, target: Path) -> None:
    for name in os.listdir(source):  # noqa: PTH208 - names are all that is needed
        os.replace(f"{source}/{name}", f"{target}/{name}")  # noqa: PTH105 - likewise


class _TarAppearances:
    """The appearances of a part in one archive."""

    def __init__(self, work: Path) -> None:
        self._path = work / "appearances.tar"
        self._file = self._path.open("wb")
        self._tar = TarWriter(self._file)

    def add(self, name: str, content: bytes) -> None:
        self._tar.add(name, content)

    def close(self) -> int:
        """Finish; returns the bytes written."""
        self._tar.close()
        self._file.close()
        return self._path.stat().st_size

    def move(self, folder: Path, name: str) -> None:
        self._path.replace(folder / f"{name}.tar")


class _LooseAppearances:
    """The appearances of a part as files in a folder."""

    def __init__(self, work: Path) -> None:
        self._folder = work / "appearances"
        self._folder.mkdir()
        self._bytes = 0

    def add(self, name: str, content: bytes) -> None:
        (self._folder / name).write_bytes(content)
        self._bytes += len(content)

    def close(self) -> int:
        """Finish; returns the bytes written."""
        return self._bytes

    def move(self, folder: Path, name: str) -> None:
        (folder / name).mkdir(exist_ok=True)
        _move_files(self._folder, folder / name)
