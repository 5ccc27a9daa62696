"""Importing: any source into the layout of docs/format.md, streamed, whole or not at all."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from amodalsynth.errors import ConfigurationError, DataError
from amodalsynth.files import place_file
from amodalsynth.importers.categories import Categories, choose_categories, describe_import, read_previous
from amodalsynth.importers.instances import derive_image
from amodalsynth.importers.reading import below, image_size, refuse_links_out
from amodalsynth.importers.report import ImportReport, Tally
from amodalsynth.importers.source import Source, SourceImage
from amodalsynth.records.description import finish_split, write_description
from amodalsynth.records.entries import annotation_entries
from amodalsynth.records.layout import Layout
from amodalsynth.records.lock import writing
from amodalsynth.rng import SPLITS

IMAGES = ("copy", "link", "none")
_LARGEST_ID = 1 << 53  # integers up to here survive any JSON reader


def import_dataset(
    source: Source,
    out: str | Path,
    *,
    split: str = "train",
    images: str = "copy",
    skip_broken: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> ImportReport:
    """Write `source` as one split of the data set `out` in the layout of docs/format.md, without backgrounds, appearances and recipes.

    Amodal masks are the source's, and so are visible masks where it has them; the rest is derived (`derive`). Left out, and counted, are
    crowds, and instances without a mask, with an empty one, or without a visible pixel, which the layout does not hold. Ids of images and
    categories stay where they are unique integers from 1; annotations are numbered anew. A further split can be added later; its categories
    must be among those of the first.

    images: "copy", "link" (hard links where the file system allows) or "none". skip_broken: leave out what cannot be read, and count it, in
    place of an error. progress(done, total) counts images.

    `DataError` names what cannot be read; `OutputConflict` where `out` holds something else. The same source gives the same bytes.
    """
    if split not in SPLITS:
        raise ConfigurationError(f"split: expected one of {', '.join(SPLITS)}, got '{split}'")
    if images not in IMAGES:
        raise ConfigurationError(f"images: expected one of {', '.join(IMAGES)}, got '{images}'")
    if images != "none" and source.images is None:
        first = next((image.file_name for image in source), None)
        raise DataError(
            f"{source.path}: its first image {first!r} was not found beside it or in a folder of images beside it; name the folder that the names "
            "start from with --image-root, or leave the images with --images none"
        )
    layout = Layout(Path(out))
    previous = read_previous(layout, split)
    tally = Tally()
    for kind, where, message in source.faults:
        tally.add("no_image" if kind == "reference" else "fault", 1, f"{where}: {message}")
    for kind, count in source.faults.more.items():
        tally.add("no_image" if kind == "reference" else "fault", count)
    categories = choose_categories(source, previous, layout, tally)
    with _removed_on_failure(layout.root), writing(layout):
        layout.temporary().mkdir(parents=True)
        with _Spool.open(layout.temporary()) as spool:
            for done, image in enumerate(source, start=1):
                _add(image, source, spool, categories, tally, images=images, skip_broken=skip_broken)
                if progress is not None:
                    progress(done, len(source))
            if not spool.usable_ids and any(image_id is not None for image_id in spool.image_ids):
                tally.add("image_ids", len(spool.image_ids))
            prepared = layout.temporary() / "annotations.json"
            with prepared.open("wb") as file:
                file.writelines(spool.coco(categories, source.format))
        if spool.folder.is_dir():
            layout.images(split).parent.mkdir(parents=True, exist_ok=True)
            spool.folder.rename(layout.images(split))
        layout.annotations(split).parent.mkdir(parents=True, exist_ok=True)
        prepared.replace(layout.annotations(split))
        description = previous or describe_import(source.format, categories)
        write_description(layout, finish_split(description, split, len(spool.image_ids), spool.num_instances))
    return ImportReport.of(tally, len(spool.image_ids), spool.num_instances, spool.num_pairs)


@contextlib.contextmanager
def _removed_on_failure(root: Path) -> Iterator[None]:
    """Remove the folder `root` where the block fails and the folder was not there before."""
    made_here = not root.exists()
    try:
        yield
    except BaseException:
        if made_here:
            shutil.rmtree(root, ignore_errors=True)
        raise


@dataclass(slots=True)
class _Spool:
    """What is written while the source is read: a line an image and a line an annotation, both still without the ids of images."""

    folder: Path
    images: BinaryIO
    annotations: BinaryIO
    image_ids: list[Any] = field(default_factory=list)
    num_annotations: list[int] = field(default_factory=list)
    num_instances: int = 0
    num_pairs: int = 0

    @classmethod
    @contextlib.contextmanager
    def open(cls, folder: Path) -> Iterator[_Spool]:
        with (folder / "images.jsonl").open("w+b") as images, (folder / "annotations.jsonl").open("w+b") as annotations:
            yield cls(folder / "images", images, annotations)

    @property
    def usable_ids(self) -> bool:
        """Whether the source's image ids can stay."""
        return all(type(i) is int and 1 <= i <= _LARGEST_ID for i in self.image_ids) and len(set(self.image_ids)) == len(self.image_ids)

    def coco(self, categories: Categories, source_format: str) -> Iterator[bytes]:
        """The annotation file, piece by piece."""
        info = {"description": f"imported from {source_format} by amodalsynth", "version": "1"}
        ids = self.image_ids if self.usable_ids else range(1, len(self.image_ids) + 1)
        yield b'{"info":' + orjson.dumps(info) + b',\n"licenses":[],\n"categories":' + orjson.dumps(categories.entries) + b',\n"images":[\n'
        self.images.seek(0)
        for i, (image_id, line) in enumerate(zip(ids, self.images)):
            yield b"%s{" % (b",\n" if i else b"") + b'"id":%d,' % image_id + line.rstrip(b"\n")[1:]
        yield b'\n],\n"annotations":[\n'
        self.annotations.seek(0)
        owners = (image_id for image_id, count in zip(ids, self.num_annotations) for _ in range(count))
        for i, (owner, line) in enumerate(zip(owners, self.annotations)):
            yield b"%s{" % (b",\n" if i else b"") + b'"id":%d,"image_id":%d,' % (i + 1, owner) + line.rstrip(b"\n")[1:]
        yield b"\n]}\n"


def _add(
    image: SourceImage, source: Source, spool: _Spool, categories: Categories, tally: Tally, *, images: str, skip_broken: bool
) -> None:
    """Derive the annotation of one image, write its lines and place its file."""
    try:
        file, size_hw = _locate(image, source, images)
    except DataError as error:
        if not skip_broken:
            raise
        tally.add("image", 1, str(error))
        return
    derived = derive_image(image, size_hw, categories.ids, tally, path=str(source.path), skip_broken=skip_broken)
    if file is not None and not (target := spool.folder / image.file_name).exists():
        place_file(file, target, images)
    entry = {"file_name": image.file_name, "width": size_hw[1], "height": size_hw[0]}
    spool.images.write(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE))
    for values in annotation_entries(spool.num_instances + 1, 0, derived):
        del values["id"], values["image_id"]
        spool.annotations.write(orjson.dumps(values, option=orjson.OPT_APPEND_NEWLINE))
    spool.image_ids.append(image.image_id)
    spool.num_annotations.append(len(derived))
    spool.num_instances += len(derived)
    spool.num_pairs += derived.num_pairs


def _locate(image: SourceImage, source: Source, images: str) -> tuple[Path | None, tuple[int, int]]:
    """The image's file, None with images="none", and the size that its annotations are for, (height, width)."""
    where = f"{source.path}: {image.where}"
    root = source.images or Path()
    file = below(root, image.file_name, where)
    declared = image.size_hw
    if declared is not None and not all(type(side) is int and 1 <= side < 1 << 31 for side in declared):
        raise DataError(f"{where}: expected integers from 1 as height and width, got {str(declared)[:60]}")
    if images == "none" and declared is not None:
        return None, declared
    refuse_links_out(root, file, where)
    actual = image_size(file)
    if actual is None:
        raise DataError(
            f"{where}: expected an image at {file}, found none that can be read; name the folder of the images with --image-root"
        )
    if declared is not None and actual != declared:
        raise DataError(f"{where}: expected {declared[1]} x {declared[0]} pixels in {file}, got {actual[1]} x {actual[0]}")
    return (None if images == "none" else file), actual
