"""Point annotations: pixels drawn in the amodal box of each instance, labelled by its amodal mask (paper, section 3.1, figure 3).

PointSup's convention (Cheng et al., CVPR 2022): a COCO file without any mask, in which each annotation has `point_coords`, integer pixels
with x first, and `point_labels`, 1 where the amodal mask is, seen or not, and 0 elsewhere in the box.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from amodalsynth import masks
from amodalsynth.coco_index import CocoIndex, find_coco_files
from amodalsynth.errors import ConfigurationError, DataError, OutputError
from amodalsynth.files import replacing
from amodalsynth.rng import points_rng
from amodalsynth.segmentation import MASK_KEYS, amodal_segmentation, masks_at, segmentation_spans

Progress = Callable[[int, int], None]

_BLOCK = 64  # images whose masks are decoded together, in half the time


@dataclass(frozen=True, slots=True)
class PointsSummary:
    """What `write_points` wrote: the file, and how many images, instances and points it has and how many points are on an instance."""

    path: Path
    num_images: int
    num_instances: int
    num_points: int
    num_positive: int


def draw_points(
    rng: np.random.Generator, boxes_xyxy: np.ndarray, amodal_mask_at: Callable[[np.ndarray, np.ndarray], np.ndarray], *, num_points: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw `num_points` pixels in each of N amodal boxes and label them.

    boxes_xyxy (N, 4) int, half open, none empty. amodal_mask_at(x, y) takes (N, P) int columns and rows, row n belonging to instance
    n, and gives (N, P) bool; for masks (N, H, W) it is `lambda x, y: mask[np.arange(len(mask))[:, None], y, x]`. Returns point_coords
    (N, P, 2) int64, x first, and point_labels (N, P) int64 of 0 and 1. One call of `rng.random`.
    """
    return _place_points(rng.random((len(boxes_xyxy), num_points, 2)), boxes_xyxy, amodal_mask_at)


def _place_points(
    unit: np.ndarray, boxes_xyxy: np.ndarray, amodal_mask_at: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the unit square (N, P, 2) to pixels of the boxes and their labels."""
    low, high = boxes_xyxy[:, None, :2], boxes_xyxy[:, None, 2:]
    coords = np.floor(unit * (high - low) + low).astype(np.int64)
    coords = np.minimum(coords, high - 1)  # a number just below 1 can round up to the far side
    return coords, amodal_mask_at(coords[..., 0], coords[..., 1]).astype(np.int64)


def annotate_points(
    path: Path,
    *,
    split: str = "all",
    num_points: int = 10,
    seed: int = 0,
    out: Path | None = None,
    progress: Progress | None = None,
) -> list[PointsSummary]:
    """`write_points` for a COCO file or for the splits of a data set folder; `out` in place of the usual name, for one file only."""
    files = find_coco_files(path, split)
    if out is not None and len(files) > 1:
        raise ConfigurationError(f"--out {out}: expected one split for one file, got {', '.join(files)}; choose one with --split")
    return [
        write_points(file, out or points_path(file, num_points), num_points=num_points, seed=seed, progress=progress)
        for file in files.values()
    ]


def points_path(coco: Path, num_points: int) -> Path:
    """PointSup's name for the points of `coco`, beside it: instances_train.json gives instances_train_n10_v1_without_masks.json."""
    return coco.with_name(f"{coco.stem}_n{num_points}_v1_without_masks.json")


def write_points(coco: Path, out: Path, *, num_points: int = 10, seed: int = 0, progress: Progress | None = None) -> PointsSummary:
    """Write the COCO file `coco` to `out` with points in place of every mask, as a stream.

    The amodal box and the labels follow from the amodal mask (`segmentation`: run-length code or polygons). The points of an image
    follow from the seed, its id and the ids of its annotations, whatever their order in the file. `progress(done, total)` counts images.
    `DataError` names an annotation with no mask, an empty or a broken one; then `out` is left as it was.
    """
    coco, out = Path(coco), Path(out)
    if num_points < 1:
        raise ConfigurationError(f"num_points: expected 1 or more, got {num_points}")
    if seed < 0:
        raise ConfigurationError(f"seed: expected 0 or more, got {seed}")
    if coco.exists() and out.exists() and coco.samefile(out):
        raise ConfigurationError(f"{out}: the points must not replace the masks they are drawn from; choose another file")
    num_positive = 0
    with CocoIndex.open(coco) as index:
        try:
            with replacing(out) as file:
                header = _without_masks({key: index.header[key] for key in ("info", "licenses", "categories") if key in index.header})
                file.write(b"{" + b"".join(b"%b:%b," % (orjson.dumps(key), orjson.dumps(value)) for key, value in header.items()))
                file.write(b'"images":[')
                for k in range(index.num_images):
                    file.write((b",\n" if k else b"\n") + orjson.dumps(_without_masks(index.image(k))))
                file.write(b'\n],"annotations":[')
                separator = b"\n"
                for k, annotations in enumerate(_point_annotations(index, num_points, seed)):
                    for annotation in annotations:
                        num_positive += sum(annotation["point_labels"])
                        file.write(separator + orjson.dumps(annotation))
                        separator = b",\n"
                    if progress is not None:
                        progress(k + 1, index.num_images)
                file.write(b"\n]}\n")
        except OSError as error:
            raise OutputError(f"{out}: the points could not be written: {error.strerror or error}; nothing was changed") from None
        return PointsSummary(out, index.num_images, index.num_annotations, index.num_annotations * num_points, num_positive)


def _point_annotations(index: CocoIndex, num_points: int, seed: int) -> Iterator[list[dict[str, Any]]]:
    """The annotations of each image, in file order, with points in place of masks."""
    for first in range(0, index.num_images, _BLOCK):
        block = [(index.image(k), index.annotations(k)) for k in range(first, min(first + _BLOCK, index.num_images))]
        points: dict[int, dict[str, Any]] = {}
        filled = [entry for entry in block if entry[1]]
        for size_hw, group in itertools.groupby(filled, key=lambda entry: (entry[0].get("height"), entry[0].get("width"))):
            points |= _points_by_id(index.path, list(group), size_hw, num_points, seed)
        for _, those in block:
            yield [_without_masks(annotation) | points[annotation["id"]] for annotation in those]


def _points_by_id(
    path: Path, images: list[tuple[dict[str, Any], list[dict[str, Any]]]], size_hw: tuple[int, int], num_points: int, seed: int
) -> dict[int, dict[str, Any]]:
    """The points of each annotation of images of one size."""
    by_id, unit = [], []
    for image, those in images:
        if image["id"] < 0:
            raise DataError(f"{path}: image {image['id']}: expected an id of 0 or more, which the points' random numbers follow from")
        by_id += sorted(those, key=lambda annotation: annotation["id"])
        unit.append(points_rng(seed, image["id"]).random((len(those), num_points, 2)))
    where = [f"{path}: annotation {annotation['id']}" for annotation in by_id]
    segmentations = [amodal_segmentation(annotation, name) for annotation, name in zip(by_id, where, strict=True)]
    amodal = segmentation_spans(segmentations, size_hw, where)
    empty = np.flatnonzero(np.diff(amodal.split) == 0)
    if len(empty):
        raise DataError(f"{where[empty[0]]}: expected an amodal mask with at least one pixel, got an empty one")
    coords, labels = _place_points(np.concatenate(unit), masks.boxes(amodal), functools.partial(masks_at, amodal))
    return {
        annotation["id"]: {"point_coords": xy, "point_labels": label}
        for annotation, xy, label in zip(by_id, coords.tolist(), labels.tolist(), strict=True)
    }


def _without_masks(value: dict | list) -> Any:
    """`value` without masks, at any depth: known keys, and run-length codes under any key."""
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if key not in MASK_KEYS and not _is_mask(item)}
        return {key: _without_masks(item) if isinstance(item, dict | list) else item for key, item in kept.items()}
    return [_without_masks(item) if isinstance(item, dict | list) else item for item in value if not _is_mask(item)]


def _is_mask(value: Any) -> bool:
    return isinstance(value, dict) and "counts" in value and "size" in value
