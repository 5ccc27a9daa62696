"""`mend_dataset`: a sound copy of a faulty source, in the layout of docs/format.md.

Numbers, boxes and codes are derived anew in any case (`importers.driver`). What an image's instances say of each other is kept where it agrees.
Where it does not, one paint order of the image is derived from all that the source says (`derive`), and the visible masks, both orders and
the layers from that order and the amodal masks. What cannot be read, has no visible pixel or is a crowd is left out. The source is never
changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from amodalsynth import masks
from amodalsynth.derive import Derived
from amodalsynth.errors import DataError
from amodalsynth.importers.driver import import_dataset
from amodalsynth.importers.instances import derive_image
from amodalsynth.importers.report import ImportReport
from amodalsynth.importers.report import Tally as ImportTally
from amodalsynth.importers.source import Faults, Source, SourceImage, SourceInstance
from amodalsynth.segmentation import mask_areas, segmentation_spans
from amodalsynth.validate.block import frame_of, is_size
from amodalsynth.validate.judge import Judge, Progress
from amodalsynth.validate.pairs import overlap_areas
from amodalsynth.validate.report import KINDS, Fault, Tally, Validation

_RELATIONAL = {"partition", "overlap", "order", "layer"}  # faults of an image whose visible masks and orders are derived anew


@dataclass(frozen=True, slots=True)
class MendReport:
    """What was found in the source, and what became of it in the copy.

    mended, left_out: kind -> number of faults, of the kinds that were found; those left out went with their annotation or image.
    num_derived_anew: images whose visible masks, orders and layers were derived anew. written: what the import says of the copy.
    """

    validation: Validation
    mended: Mapping[str, int]
    left_out: Mapping[str, int]
    num_derived_anew: int
    written: ImportReport

    def to_json(self) -> dict[str, Any]:
        """JSON values: what became of the faults, and what was derived and left out in writing the copy."""
        return {
            "mended": dict(self.mended),
            "left_out": dict(self.left_out),
            "num_images_derived_anew": self.num_derived_anew,
            "num_images": self.written.num_images,
            "num_instances": self.written.num_instances,
            "written": {"derived": dict(self.written.derived), "left_out": dict(self.written.left_out)},
        }


def mend_dataset(
    source: Source,
    out: str | Path,
    *,
    split: str = "train",
    images: str = "copy",
    progress: Progress | None = None,
    max_examples: int = 3,
) -> MendReport:
    """Write a mended copy of `source` as one split of the data set `out`; the other arguments are those of `importers.driver.import_dataset`.

    One pass judges and mends, in bounded memory. `DataError` where the source cannot be read on, `OutputConflict` where `out` holds something else.
    """
    mending = _Mending(source, images != "none", max_examples)
    written = import_dataset(mending, out, split=split, images=images, skip_broken=True, progress=progress)
    found = mending.tally.finish(source.format)
    left_out = {kind: mending.left_out[kind] for kind in KINDS if mending.left_out[kind]}
    mended = {kind: count - mending.left_out[kind] for kind, count in found.counts.items() if count > mending.left_out[kind]}
    return MendReport(found, mended, left_out, mending.num_derived_anew, written)


class _Mending:
    """A source that gives the images of another one mended, and counts what was wrong with them."""

    def __init__(self, source: Source, needs_files: bool, max_examples: int) -> None:
        self.format, self.path, self.images, self.categories = source.format, source.path, source.images, source.categories
        self.faults = Faults()  # none: those of the source are told by `MendReport`
        self.tally = Tally(max_examples)
        self.left_out: Counter[str] = Counter()
        self.num_derived_anew = 0
        self._source = source
        self._needs_files = needs_files
        self.tally.add_source(source.faults)
        self.left_out["reference"] += self.tally.counts["reference"]  # annotations without an image are not among those of any

    def __len__(self) -> int:
        return len(self._source)

    def close(self) -> None:
        self._source.close()

    def __iter__(self) -> Iterator[SourceImage]:
        for image, faults in Judge(self._source):
            self.tally.num_images += 1
            self.tally.num_annotations += len(image.instances)
            self.tally.add_all(faults)
            yield self._mend(image, faults)

    def _mend(self, image: SourceImage, faults: list[Fault]) -> SourceImage:
        kinds = {fault.kind for fault in faults}
        frame = frame_of(image)
        if image.size_hw is not None and not is_size(image.size_hw):
            image = replace(image, size_hw=frame)
        if not faults and all(instance.amodal is not None and not instance.crowd for instance in image.instances):
            usable = dict(enumerate(image.instances))
        else:
            usable = self._usable(image, frame)
        sub = replace(image, instances=tuple(usable.values()), in_front=_renumbered(image.in_front, list(usable)))
        derived = derive_image(sub, frame or (1, 1), {}, ImportTally(), path=str(self.path), skip_broken=False)
        gone = set(range(len(image.instances))) - {list(usable)[k] for k in derived.order.tolist()}
        whole_image = frame is None or (self._needs_files and "image" in kinds)
        self.left_out.update(fault.kind for fault in faults if whole_image or fault.instance in gone)
        if not kinds & _RELATIONAL and not _contradicts(derived):
            return sub
        self.num_derived_anew += 1
        return _by_paint_order(sub, derived)

    def _usable(self, image: SourceImage, frame: tuple[int, int] | None) -> dict[int, SourceInstance]:
        """The instances of which something can be used, without masks that cannot be read, by their index in the image."""
        usable = {i: self._readable(instance, frame) for i, instance in enumerate(image.instances)} if frame is not None else {}
        return {i: instance for i, instance in usable.items() if instance is not None}

    def _readable(self, instance: SourceInstance, frame: tuple[int, int]) -> SourceInstance | None:
        """The instance without masks that cannot be read; None where nothing of it can be used."""
        if type(instance.crowd) is int and instance.crowd == 1:
            return None
        if self.categories and (type(instance.category) not in (int, str) or instance.category not in self.categories):
            return None
        amodal = instance.amodal if instance.amodal is not None else instance.visible
        visible_area = _area(instance.visible, frame)
        if not _area(amodal, frame) or visible_area == 0:
            return None
        visible = None if visible_area is None else instance.visible
        invisible = None if _area(instance.invisible, frame) is None else instance.invisible
        order = instance.paint_order if type(instance.paint_order) is int else None
        return replace(instance, amodal=amodal, visible=visible, invisible=invisible, crowd=0, paint_order=order)


def _area(mask: object, frame: tuple[int, int]) -> int | None:
    """Pixels of a segmentation; None where it is none, or cannot be read."""
    try:
        return None if mask is None else int(mask_areas(segmentation_spans([mask], frame, [""]))[0])
    except DataError:
        return None


def _renumbered(pairs: tuple[tuple[int, int], ...], kept: list[int]) -> tuple[tuple[int, int], ...]:
    place = {i: k for k, i in enumerate(kept)}
    return tuple((place[i], place[j]) for i, j in pairs if i in place and j in place)


def _contradicts(derived: Derived) -> bool:
    """Whether an instance is seen where a nearer one lies that is not seen there, so that no paint order gives these visible masks."""
    count = len(derived)
    both = masks.select(derived.spans, np.arange(2 * count))
    shared = overlap_areas(both, np.zeros(2 * count, np.int64), np.arange(2 * count), 1, 2 * count)[0]
    exposed = shared[count:, :count] - shared[count:, count:]
    return bool((exposed[derived.occlusion_order] > 0).any() or np.triu(shared[count:, count:], k=1).any())


def _by_paint_order(image: SourceImage, derived: Derived) -> SourceImage:
    """The image with nothing but amodal masks and the derived paint order."""
    instances = tuple(
        replace(
            image.instances[i],
            paint_order=place,
            visible=None,
            invisible=None,
            occluded_by=None,
            directly_occluded_by=None,
            layer=None,
        )
        for place, i in enumerate(derived.order.tolist())
    )
    return replace(image, instances=instances, in_front=())
