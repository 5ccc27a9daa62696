"""What the tests of exporters, importers and validate share: a small data set, scenes of masks as annotation files, and a reader of JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from amodalsynth.annotation import Annotation
from amodalsynth.generate import generate_dataset
from amodalsynth.records.entries import annotation_entries
from amodalsynth.records.part import OutputOptions
from tests.strategies import SMALL, DrawnPool

CATEGORIES = {1: "red", 2: "green"}
PRESET = replace(
    SMALL,
    name="drawn",
    image_size=(64, 64),
    instances=(2, 5),
    instance_weights=(),
    scale=(0.4, 0.9),
    one_category=False,
    foregrounds="folder",
    backgrounds="folder",
    categories=tuple(CATEGORIES.values()),
)

Scene = tuple[np.ndarray, np.ndarray]


def tiny_dataset(folder: Path, num_images: int = 6, appearances: bool = True, splits: tuple[str, ...] = ("train",)) -> Path:
    """A generated data set of drawn discs, 64 x 64 pixels, in the new folder `folder`."""
    for split in splits:
        pool = DrawnPool(split=split)
        generate_dataset(PRESET, pool, folder, split=split, num_images=num_images, seed=0, options=OutputOptions(appearances=appearances))
    return folder


@st.composite
def labelled_scenes(draw: st.DrawFn, max_instances: int = 5, max_side: int = 9) -> Scene:
    """(N, H, W) bool amodal masks, farthest first, each with a visible pixel, with holes and fragments, and (N,) int64 category ids."""
    count = draw(st.integers(0, max_instances))
    height, width = draw(st.integers(2, max_side)), draw(st.integers(3, max_side))
    masks = draw(hnp.arrays(bool, (count, height, width), elements=st.booleans()))
    for i in range(count):  # a pixel of its own in the first or second row, which no other instance has
        masks[:, i // width, i % width] = False
        masks[i, i // width, i % width] = True
    return masks, np.array(draw(st.lists(st.sampled_from(list(CATEGORIES)), min_size=count, max_size=count)), np.int64)


def write_scenes(folder: Path, scenes: list[Scene], split: str = "train") -> Path:
    """A COCO file of scenes in our own layout, with black images beside it, as `folder` would have it; the file's path."""
    images, annotations = [], []
    pictures = folder / "images" / split
    pictures.mkdir(parents=True, exist_ok=True)
    for image_id, (masks, category_id) in enumerate(scenes, start=1):
        height, width = masks.shape[1:]
        name = f"{image_id:09d}.png"
        Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(pictures / name)
        images.append({"id": image_id, "file_name": name, "width": width, "height": height})
        annotations += annotation_entries(len(annotations) + 1, image_id, Annotation.from_masks(category_id, masks))
    path = folder / "annotations" / f"instances_{split}.json"
    path.parent.mkdir(exist_ok=True)
    categories = [{"id": key, "name": name, "supercategory": ""} for key, name in CATEGORIES.items()]
    path.write_bytes(orjson.dumps({"info": {}, "licenses": [], "categories": categories, "images": images, "annotations": annotations}))
    return path


def read_json(path: Path) -> Any:
    return orjson.loads(path.read_bytes())


def by_image(document: dict[str, Any], key: Callable[[dict], Any] = lambda entry: entry["id"]) -> dict[int, list[dict[str, Any]]]:
    """Image id -> its annotations, sorted."""
    found: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in document["images"]}
    for entry in document["annotations"]:
        found[entry["image_id"]].append(entry)
    return {image_id: sorted(entries, key=key) for image_id, entries in found.items()}
