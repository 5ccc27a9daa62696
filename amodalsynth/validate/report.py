"""What `validate` says: the kinds of fault, the faults of an image, and the counts with first examples of a file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from amodalsynth.importers.source import Faults

# kind -> what is checked, and how near is near enough. "Slack" is the length of a polygon's outline in pixels, as rasterising may change each
# pixel on it; the slack of a run-length code is 0.
KINDS = {
    "partition": "visible and invisible mask are disjoint and make the amodal mask, except for the slack",
    "overlap": "visible masks of two instances share no pixel, except for the slack of both",
    "box": "boxes are those of the masks: each side within 0.5 pixels, of polygons within 2 pixels of the mask's box or the outline's",
    "area": "areas are those of the masks within 0.5 pixels, except for the slack",
    "rate": "the occlusion rate is invisible area / amodal area, in [0, 1], within 0.0001 and slack / amodal area",
    "order": "no cycle; occluded_by is eq. 1 on the amodal masks and the paint order; directly_occluded_by is what visible parts cover; "
    "no instance is seen where one that is in front of it lies, except for the slack; paint_order is 0..N-1",
    "layer": "layers are eq. 2 of the occlusion order",
    "id": "ids of annotations are integers from 1, those of images from 0, none comes twice",
    "reference": "every image_id, occluded_by and directly_occluded_by names what the file, or the image, has",
    "category": "every category is one of the file's, and these have ids of their own",
    "point": "points lie in the amodal box, carry 1 on the amodal mask and 0 elsewhere (polygons: within a pixel), and every instance has as many",
    "image": "the image's file is there and has the size that is declared (its header is read, where the folder is known)",
    "rle": "run-length codes have the image's size, fill it exactly, and hold size and counts only",
    "hidden": "every instance has a visible pixel",
    "crowd": "iscrowd is 0, or 1 without an amodal mask",
    "schema": "values have the type of their key, polygons at least three points, and no key is missing that the format must have",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of `kind` at `where`; `image` is a position in the block of images judged together, `instance` one in the image's instances."""

    kind: str
    where: str
    message: str
    image: int
    instance: int | None = None


@dataclass(frozen=True, slots=True)
class Validation:
    """What was found in one file: `counts` of faults for all kinds, in the order of `KINDS`, and the first `examples` (where, message) of some."""

    format: str
    num_images: int
    num_annotations: int
    counts: dict[str, int]
    examples: dict[str, tuple[tuple[str, str], ...]]

    @property
    def num_faults(self) -> int:
        return sum(self.counts.values())

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "format": self.format,
            "num_images": self.num_images,
            "num_annotations": self.num_annotations,
            "num_faults": self.num_faults,
            "faults": {
                kind: {"count": count, "examples": [{"where": where, "message": text} for where, text in self.examples.get(kind, ())]}
                for kind, count in self.counts.items()
            },
        }


class Tally(Faults):
    """The faults of a file and how much was looked at."""

    def __init__(self, max_examples: int) -> None:
        super().__init__(max_examples)
        self.num_images = 0
        self.num_annotations = 0

    def add_source(self, faults: Faults) -> None:
        """Those of the file as a whole."""
        for fault in faults:
            self.add(*fault)
        self.counts += faults.more

    def add_all(self, faults: Iterable[Fault]) -> None:
        for fault in faults:
            self.add(fault.kind, fault.where, fault.message)

    def finish(self, source_format: str) -> Validation:
        counts = {kind: self.counts[kind] for kind in KINDS}
        examples = {kind: tuple(self.examples[kind]) for kind in KINDS if kind in self.examples}
        return Validation(source_format, self.num_images, self.num_annotations, counts, examples)


def format_validation(name: str, validation: Validation) -> str:
    """A table by kind, with the first examples of each."""
    lines = [
        f"{name} ({validation.format}): {validation.num_images:,} images, {validation.num_annotations:,} annotations, "
        f"{validation.num_faults:,} faults"
    ]
    for kind, count in validation.counts.items():
        lines.append(f"  {kind:<10}{count:>10,}" if count else f"  {kind:<10}{'-':>10}")
        lines += [f"      {where}: {message}" for where, message in validation.examples.get(kind, ())]
    return "\n".join(lines)
