"""Reading a data set back by index, without holding its annotations in memory."""

from __future__ import annotations

import html
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from amodalsynth import drawing
from amodalsynth.annotation import Annotation
from amodalsynth.coco_index import CocoIndex
from amodalsynth.compositing import compose
from amodalsynth.errors import DataError
from amodalsynth.masks import MAX_INSTANCES, pack_masks
from amodalsynth.records.archives import Archives
from amodalsynth.records.description import read_description
from amodalsynth.records.layout import Layout
from amodalsynth.rng import SPLITS
from amodalsynth.segmentation import decode_segmentation
from amodalsynth.types import Appearance

_SCENES_SHOWN = 6  # in a notebook


class DatasetReader:
    """One split of a data set: `len(reader)` records, `reader[k]` the k-th of them.

    Can be sent to other processes, which open the files anew. `categories` maps a category id to its name, `description` is dataset.json.
    """

    def __init__(self, out: str | Path, split: str) -> None:
        self.layout, self.split = Layout(Path(out)), split
        self.description = read_description(self.layout)
        if split not in self.description["splits"]:
            finished = ", ".join(self.description["splits"]) or "none"
            raise DataError(f"{out}: no finished split '{split}'; finished: {finished}")
        self._index = CocoIndex.open(self.layout.annotations(split), cache=self.layout.state / f"index-{split}.npz")
        self.categories: dict[int, str] = {category["id"]: category["name"] for category in self._index.categories}
        self._archives = Archives()

    def __reduce__(self) -> tuple:
        return DatasetReader, (self.layout.root, self.split)

    def __len__(self) -> int:
        return self._index.num_images

    def __getitem__(self, k: int) -> Record:
        if not -len(self) <= k < len(self):
            raise IndexError(f"record {k} of {len(self)}")
        k %= len(self)
        return Record(self, self._index.image(k), self._index.annotations(k))

    def __iter__(self) -> Iterator[Record]:
        return (self[k] for k in range(len(self)))

    def by_image_id(self, image_id: int) -> Record:
        """The record of an image id; `DataError` where there is none."""
        return self[self._index.position_of(image_id)]

    def _repr_html_(self) -> str:
        """A notebook shows the first scenes."""
        records = [self[k] for k in range(min(_SCENES_SHOWN, len(self)))]
        caption = f"{self.layout.root}, {self.split}: {len(self)} images, {len(self.categories)} categories"
        if not records:
            return html.escape(caption)
        scenes = [drawing.draw_scene(record.title, record.image, record.annotation) for record in records]
        return drawing.picture_html(drawing.contact_sheet(scenes), caption)

    def picture(self, base: Path, name: str, mode: str) -> np.ndarray:
        """A picture below `base`, (h, w, 3 or 4) uint8; what follows ".tar/" in its name is a member of that archive."""
        content = self._archives.read(base, name)
        try:
            with Image.open(io.BytesIO(content)) as picture:
                ImageOps.exif_transpose(picture, in_place=True)  # photos that were imported; a generated image has no orientation
                return np.array(picture.convert(mode))
        except OSError as error:
            raise DataError(f"{base / name}: cannot be read: {error}") from None


class Record:
    """One image of a data set with all that belongs to it; pixels and masks are read when asked for.

    `image_entry` and `entries` are its COCO values, the entries farthest instance first.
    """

    def __init__(self, reader: DatasetReader, image_entry: dict[str, Any], entries: list[dict[str, Any]]) -> None:
        self._reader = reader
        self.image_entry = image_entry
        self.entries = sorted(entries, key=lambda entry: entry["paint_order"])

    @property
    def image_id(self) -> int:
        """The image's id, from 1."""
        return self.image_entry["id"]

    @property
    def size_hw(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.image_entry["height"], self.image_entry["width"]

    @property
    def title(self) -> str:
        """What pictures of it are called: the image's file name."""
        return self.image_entry["file_name"]

    def _repr_html_(self) -> str:
        """A notebook shows the scene and its instances."""
        annotation = self.annotation
        rows = drawing.instance_rows(annotation, self._reader.categories)
        return drawing.picture_html(
            drawing.draw_scene(self.title, self.image, annotation), f"{self._reader.split}, image {self.image_id}", rows
        )

    @property
    def image(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        return self._reader.picture(self._reader.layout.images(self._reader.split), self.image_entry["file_name"], "RGB")

    @property
    def background(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB: the scene without any instance; `DataError` where the data set was imported and has none."""
        if "background" not in self.image_entry:
            raise DataError(f"{self._reader.layout.root}: has no backgrounds: it was imported, not generated")
        return self._reader.picture(self._reader.layout.backgrounds, self.image_entry["background"]["file_name"], "RGB")

    @property
    def annotation(self) -> Annotation:
        """Masks, orders and layers of the N instances, derived from the amodal masks and the paint order; `DataError` above 64 instances."""
        if len(self.entries) > MAX_INSTANCES:
            found = f"image {self.image_id} has {len(self.entries)} instances"
            raise DataError(f"{self._reader.layout.root}: {found}, expected at most {MAX_INSTANCES}; read them with amodalsynth.labelled")
        masks = [decode_segmentation(e["segmentation"], self.size_hw, f"annotation {e['id']}") for e in self.entries]
        amodal = np.stack(masks) if masks else np.zeros((0, *self.size_hw), bool)
        return Annotation.from_instance_map(np.array([e["category_id"] for e in self.entries], np.int64), pack_masks(amodal))

    @property
    def appearances(self) -> tuple[Appearance, ...]:
        """The full appearance of each instance; `DataError` where the data set was written without them."""
        if not all("appearance" in entry for entry in self.entries):
            raise DataError(f"{self._reader.layout.root}: was written without appearances (--no-appearances)")
        base = self._reader.layout.appearances(self._reader.split)
        stored = [entry["appearance"] for entry in self.entries]
        return tuple(Appearance(tuple(a["offset"]), self._reader.picture(base, a["file_name"], "RGBA")) for a in stored)

    def peeled(self, num_layers: int) -> np.ndarray:
        """(H, W, 3) uint8: the scene without the instances of its first `num_layers` layers (eq. 2), painted from the appearances.

        0 gives the image as it was before it was encoded; more layers than there are give the background.
        """
        deeper = [appearance for entry, appearance in zip(self.entries, self.appearances) if entry["layer"] >= num_layers]
        return compose(self.background, deeper).image


def open_dataset(out: str | Path, split: str | None = None) -> DatasetReader:
    """Open a split of a data set for reading, by default the first of train, val and test that is there.

    `DataError` where there is no data set, no such split, or a file that cannot be read.
    """
    if split is None:
        there = read_description(Layout(Path(out)))["splits"]
        split = next((name for name in SPLITS if name in there), SPLITS[0])
    return DatasetReader(out, split)
