"""What an import did beside copying: what was derived, by which rule, and what was left out; counted, with the first examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

MAX_EXAMPLES = 3

# kind -> clause for people, "COUNT clause"
DERIVED = {
    "visible": "visible masks derived from the amodal masks and the paint order",
    "by_visible": "pairs ordered by their visible masks",
    "cycles": "pairs turned round, as the order runs in a circle",
    "undetermined": "overlapping pairs whose order the source leaves open, ordered by their place in the frame",
    "amodal": "amodal masks that are missing, taken to be the visible ones",
    "trimmed": "visible masks that left their amodal mask, cut to it",
    "image_ids": "image ids replaced by 1, 2, ..., as some are no integers from 1 or not unique",
    "category_ids": "category ids replaced by 1, 2, ..., as some are no integers from 1",
    "no_category": "instances without a category in a file without categories, named 'object'",
}
LEFT_OUT = {
    "fault": "ids, categories or other values of the file that are wrong",
    "no_image": "annotations left out, as the file has no image with their image_id",
    "reference": "references to instances that the image does not have, ignored",
    "crowd": "crowds left out",
    "no_mask": "instances without a mask left out",
    "empty": "instances with an empty mask left out",
    "hidden": "instances without a visible pixel left out",
    "broken": "instances that cannot be read left out",
    "image": "images that cannot be used left out",
}


@dataclass(slots=True)
class Tally:
    """Counts by kind with the first examples of each, in memory that does not grow with the data."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, number: int = 1, example: str = "") -> None:
        self.counts[kind] += number
        if number and example and len(self.examples.setdefault(kind, [])) < MAX_EXAMPLES:
            self.examples[kind].append(example)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What was written and how. derived, left_out: kind -> number, of the kinds above that occurred; examples: kind -> the first of them."""

    num_images: int
    num_instances: int
    num_pairs: int
    derived: Mapping[str, int]
    left_out: Mapping[str, int]
    examples: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, tally: Tally, num_images: int, num_instances: int, num_pairs: int) -> ImportReport:
        found = {kind: count for kind, count in tally.counts.items() if count}
        return cls(
            num_images,
            num_instances,
            num_pairs,
            {kind: found[kind] for kind in DERIVED if kind in found},
            {kind: found[kind] for kind in LEFT_OUT if kind in found},
            {kind: tuple(tally.examples[kind]) for kind in found if kind in tally.examples},
        )
