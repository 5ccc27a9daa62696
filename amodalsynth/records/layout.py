"""Where everything of a data set lies on disk (docs/format.md)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

PART_SIZE = 128  # images in a part: the unit of work, of resume and of the appearance archives


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one data set below `root`."""

    root: Path

    @property
    def dataset(self) -> Path:
        return self.root / "dataset.json"

    @property
    def card(self) -> Path:
        return self.root / "README.md"

    @property
    def backgrounds(self) -> Path:
        return self.root / "backgrounds"

    @property
    def state(self) -> Path:
        """What only the generator needs: safe to delete when the data set is finished."""
        return self.root / ".amodalsynth"

    @property
    def lock(self) -> Path:
        return self.state / "lock"

    def images(self, split: str) -> Path:
        return self.root / "images" / split

    def appearances(self, split: str) -> Path:
        return self.root / "appearances" / split

    def recipes(self, split: str) -> Path:
        return self.root / "scenes" / f"{split}.jsonl"

    def annotations(self, split: str) -> Path:
        return self.root / "annotations" / f"instances_{split}.json"

    def parts(self, split: str) -> Path:
        return self.state / split

    def part_sidecar(self, split: str, number: int) -> Path:
        return self.parts(split) / f"{part_name(number)}.json"

    def part_payload(self, split: str, number: int) -> Path:
        return self.parts(split) / f"{part_name(number)}.bin"

    def temporary(self) -> Path:
        """Work in hand; removed at the start and at the end of a run."""
        return self.state / "tmp"


def part_name(number: int) -> str:
    """Name of part `number`, counted from 0."""
    return f"part-{number:05d}"


def image_name(image_id: int, image_format: str) -> str:
    """File name of an image."""
    return f"{image_id:09d}.{image_format}"


def appearance_name(image_id: int, paint_order: int) -> str:
    """Name of an appearance within its part."""
    return f"{image_id:09d}.{paint_order}.png"


def background_names(asset_ids: Iterable[str]) -> dict[str, str]:
    """Texture asset id -> file name below `backgrounds/`: "<category>/<texture>.png".

    Textures of one name and several suffixes keep their suffix, so that no two share a file.
    """
    asset_ids = list(asset_ids)
    stems = [str(PurePosixPath(asset_id).with_suffix("")) for asset_id in asset_ids]
    clashing = {stem for stem in stems if stems.count(stem) > 1} if len(set(stems)) < len(stems) else set()
    names = {}
    for asset_id, stem in zip(asset_ids, stems):
        name = f"{asset_id if stem in clashing else stem}.png"
        names[asset_id] = name if "/" in name else f"textures/{name}"
    return names
