"""The way of a data set into a format: each image is read once and given to the format's writer, and the whole is moved into place at the end."""

from __future__ import annotations

import contextlib
import filecmp
import math
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from amodalsynth.coco_index import CocoIndex, find_coco_files
from amodalsynth.errors import ConfigurationError, DataError, OutputConflict, OutputError
from amodalsynth.exporters import get_exporter
from amodalsynth.exporters.base import About, Exporter, ExportOptions, Job
from amodalsynth.files import locked, place_file
from amodalsynth.labelled import LabelledImage, read_labelled
from amodalsynth.records.description import read_description
from amodalsynth.records.layout import Layout
from amodalsynth.records.reader import DatasetReader, Record

Progress = Callable[[int, int], None]

_FEW = 6  # files of a kind in a folder that a report names one by one
_CHOICES = {"images": ("copy", "link", "none"), "segmentation": ("amodal", "visible"), "rle": ("compressed", "uncompressed", "polygon")}


@dataclass(frozen=True, slots=True)
class SplitReport:
    """What was written of one split. losses: how often something could not be held, by what it is; `About` has what a format never holds."""

    num_images: int
    num_annotations: int
    losses: Counter[str]


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was written. files: relative to the target, a pattern such as "images/train/*.jpg" in place of many of a kind."""

    about: About
    splits: dict[str, SplitReport]
    files: tuple[str, ...]

    @property
    def losses(self) -> Counter[str]:
        """Of all splits together."""
        return sum((report.losses for report in self.splits.values()), Counter())


def export_dataset(
    name: str,
    out: str | Path,
    to: str | Path,
    *,
    splits: tuple[str, ...] | None = None,
    options: ExportOptions | None = None,
    progress: Progress | None = None,
) -> ExportReport:
    """Write the data set `out` (its folder, or one COCO file with the keys of docs/format.md) below `to` in the format `name`.

    `splits`: by default those that are finished. `progress(done, total)` counts the images of a split. Everything is written to a hidden
    folder in `to` first and moved when it is whole, so an interrupted export leaves nothing behind. A file that is there already with the same
    bytes is kept; with others it is an `OutputConflict`. `ConfigurationError` names an unknown format, or an option that the format does not obey.
    """
    exporter, options = get_exporter(name), options or ExportOptions()
    _check_options(exporter.about, options)
    out, to = Path(out), Path(to)
    sources = _sources(out, splits)
    description = read_description(Layout(out)) if Layout(out).dataset.is_file() else {"name": out.resolve().stem}
    reports: dict[str, SplitReport] = {}
    try:
        with _workplace(to) as work:
            for split, coco in sources.items():
                (work / split).mkdir()
                reports[split] = _export_split(exporter, _Source(coco, split, out, options.images, work / split, to), options, progress)
            parts = [work / split for split in sources]
            for part in parts:
                _refuse_conflicts(part, to)
            files = _patterns(parts)
            for part in parts:
                _move(part, to)
            report = ExportReport(exporter.about, reports, files)
            from amodalsynth.exporters.croissant import write_croissant

            write_croissant(to, exporter.about, description)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"{error.filename or to}: the export could not be written: {error.strerror or error}") from None
    return report


def _check_options(about: About, options: ExportOptions) -> None:
    usual = ExportOptions()
    for field in fields(ExportOptions):
        value = getattr(options, field.name)
        if field.name in _CHOICES and value not in _CHOICES[field.name]:
            raise ConfigurationError(f"{field.name}: expected {', '.join(_CHOICES[field.name])}, got {value!r}")
        if value != getattr(usual, field.name) and field.name not in about.options:
            obeyed = ", ".join(f"--{option}" for option in about.options) or "none"
            raise ConfigurationError(f"--{field.name} {value}: the format {about.name} does not obey it; it obeys {obeyed}")
    if options.seed < 0:
        raise ConfigurationError(f"seed: expected 0 or more, got {options.seed}")
    if not 0 <= options.tolerance < math.inf:
        raise ConfigurationError(f"tolerance: expected a finite number of pixels, 0 or more, got {options.tolerance}")


def _sources(out: Path, splits: tuple[str, ...] | None) -> dict[str, Path]:
    """The COCO file of each split that is wanted and finished."""
    if out.is_dir() and Layout(out).dataset.is_file():
        finished = read_description(Layout(out))["splits"]
        missing = [split for split in splits or () if split not in finished]
        if missing or not finished:
            wanted = f"split '{missing[0]}'" if missing else "split"
            raise DataError(f"{out}: no finished {wanted}; finished: {', '.join(finished) or 'none'}")
        return {split: Layout(out).annotations(split) for split in splits or finished}
    if splits is None or out.is_file():
        return find_coco_files(out, "all" if splits is None else splits[0])
    return {split: file for wanted in splits for split, file in find_coco_files(out, wanted).items()}


class _Source:
    """One split of a data set where it lies, and what becomes of its images."""

    def __init__(self, coco: Path, split: str, out: Path, images: str, work: Path, to: Path) -> None:
        self.coco, self.split = coco, split
        root = coco.parent.parent if coco.parent.name == "annotations" else coco.parent
        folder = Layout(root).images(split)
        self._out, self._images = out, folder if folder.is_dir() else coco.parent
        self.work, self._to, self._how = work, to, images
        self._reader: DatasetReader | None = None

    def image_file(self, image: LabelledImage) -> Path:
        path = self._images / image.file_name
        if not path.is_file():
            raise DataError(
                f"{path}: image {image.image_id} is not there; give the data set's folder, or --images none where the format obeys it"
            )
        return path

    def read_image(self, image: LabelledImage) -> bytes:
        return self.image_file(image).read_bytes()

    def place_image(self, image: LabelledImage, path: Path) -> None:
        if self._how != "none":
            place_file(self.image_file(image), path, self._how)

    def read_appearances(self, image: LabelledImage) -> tuple:
        if self._reader is None:
            self._reader = DatasetReader(self._out, self.split)
        return Record(self._reader, image.entry, image.entries).appearances


def _export_split(exporter: Exporter, source: _Source, options: ExportOptions, progress: Progress | None) -> SplitReport:
    with CocoIndex.open(source.coco) as index:
        job = Job(
            source=source.coco,
            split=source.split,
            to=source.work,
            num_images=index.num_images,
            categories=_categories(index),
            info={key: index.header[key] for key in ("info", "licenses") if key in index.header},
            options=options,
            read_image=source.read_image,
            place_image=source.place_image,
            read_appearances=source.read_appearances,
        )
        writer = exporter.begin(job)
        for done, image in enumerate(read_labelled(index), start=1):
            for annotation_id, category in zip(image.annotation_id.tolist(), image.category_id.tolist()):
                if category not in job.categories:
                    raise DataError(
                        f"{index.path}: annotation {annotation_id}: the file has no category {category}; see `amodalsynth validate`"
                    )
            writer.add(image)
            if done == 1:
                _refuse_conflicts(source.work, source._to)  # rather now than after the last image
            if progress is not None:
                progress(done, index.num_images)
        writer.finish()
        return SplitReport(index.num_images, index.num_annotations, +job.losses)


def _categories(index: CocoIndex) -> dict[int, str]:
    try:
        return {category["id"]: category["name"] for category in index.categories}
    except (KeyError, TypeError):
        raise DataError(f"{index.path}: expected categories with 'id' and 'name', got {str(index.categories)[:80]}") from None


@contextmanager
def _workplace(to: Path) -> Iterator[Path]:
    """A hidden folder in `to` that this export alone uses; what an earlier one that was killed has left in it is removed."""
    there = to.is_dir()
    work = to / ".amodalsynth-export"
    work.mkdir(parents=True, exist_ok=True)
    try:
        with locked(work / "lock", OutputConflict(f"{to}: another export is writing there; wait for it, or choose another folder")):
            try:
                for left in work.iterdir():
                    if left.is_dir():
                        shutil.rmtree(left)
                yield work
            finally:
                shutil.rmtree(work, ignore_errors=True)
    finally:
        if not there:
            with contextlib.suppress(OSError):
                to.rmdir()  # only if nothing was written


def _refuse_conflicts(part: Path, to: Path) -> None:
    for folder, _, names in os.walk(part):
        place = to / Path(folder).relative_to(part)
        if not place.exists():
            continue
        for name in sorted(names):
            if os.path.lexists(place / name) and not _same(Path(folder, name), place / name):
                raise OutputConflict(f"{place / name} is there already; remove it, or choose another folder with --to")


def _same(first: Path, second: Path) -> bool:
    return second.is_file() and filecmp.cmp(first, second, shallow=False)


def _move(source: Path, target: Path) -> None:
    """Move what is in the folder `source` into `target`, by whole folders where `target` has none of that name."""
    for child in sorted(source.iterdir()):
        place = target / child.name
        if child.is_dir() and place.is_dir():
            _move(child, place)
        else:
            child.replace(place)


def _patterns(parts: list[Path]) -> tuple[str, ...]:
    """The files below the folders; in place of many of one suffix in one folder, a pattern."""
    found: dict[tuple[str, str], tuple[int, list[str]]] = {}
    for part in parts:
        for folder, _, names in os.walk(part):
            place = Path(folder).relative_to(part)
            for name in names:
                count, first = found.get((str(place), Path(name).suffix), (0, []))
                found[str(place), Path(name).suffix] = count + 1, [*first, str(place / name)][: _FEW + 1]
    listed = [first if count <= _FEW else [str(Path(folder) / f"*{suffix}")] for (folder, suffix), (count, first) in found.items()]
    return tuple(sorted(name for names in listed for name in names))
