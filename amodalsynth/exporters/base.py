"""What an exporter is: what it says of itself, what it is given, and what it does with an image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from amodalsynth.labelled import LabelledImage
from amodalsynth.types import Appearance


@dataclass(frozen=True, slots=True)
class About:
    """What `amodalsynth formats` says of a format.

    name: what the command line calls it. reader: whose rules it follows. files: what is written below the target, in a few words. losses: what
    the format cannot hold, one short clause each; empty where it holds everything. options: the fields of `ExportOptions` that it obeys.
    """

    name: str
    title: str
    reader: str
    files: str
    losses: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What the flags of `amodalsynth export` say.

    images: "copy", "link" or "none". segmentation: "amodal" or "visible", of what `segmentation` is in flat COCO. rle: "compressed",
    "uncompressed" or "polygon", how masks are written there. seed: of points that are drawn.
    tolerance: pixels by which outlines may be simplified where masks are written as polygons; 0 keeps them exact.
    """

    images: str = "copy"
    segmentation: str = "amodal"
    rle: str = "compressed"
    seed: int = 0
    tolerance: float = 0.0


@dataclass(frozen=True, slots=True)
class Job:
    """One split of a data set on its way into a format.

    source: the split's COCO file. to: a new folder to write below; the driver moves its content to the target when the export is whole.
    categories: id -> name, in the order of the file. info: `info` and `licenses` of the source's annotation file. read_image: the bytes of the
    image's file, as it is stored. place_image: puts the image's file at a path below `to`, as options.images says; nothing with "none".
    read_appearances: tuple of `types.Appearance`; `DataError` where the data set has none. losses: counts what could not be held, by a
    clause that a person understands; the driver reports it.
    """

    source: Path
    split: str
    to: Path
    num_images: int
    categories: Mapping[int, str]
    info: Mapping[str, Any]
    options: ExportOptions
    read_image: Callable[[LabelledImage], bytes]
    place_image: Callable[[LabelledImage, Path], None]
    read_appearances: Callable[[LabelledImage], tuple[Appearance, ...]]
    losses: Counter[str] = field(default_factory=Counter)


class Writer(Protocol):
    """Writes one split: each image once, in file order; then `finish`, which writes what remains."""

    def add(self, image: LabelledImage) -> None: ...

    def finish(self) -> None: ...


class Exporter(Protocol):
    """What a module of this package offers under the name EXPORTER."""

    about: About

    def begin(self, job: Job) -> Writer: ...
