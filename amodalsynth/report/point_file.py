"""The point annotations that `amodalsynth points` wrote beside a COCO file, joined with the instances of an image by their ids."""

from __future__ import annotations

import glob
from dataclasses import replace
from pathlib import Path

from amodalsynth.coco_index import CocoIndex
from amodalsynth.errors import DataError
from amodalsynth.importers.source import SourceImage


def open_points(coco: Path) -> CocoIndex | None:
    """The file of points beside `coco`, of several the one with the fewest points an instance; None where none can be read."""
    found = coco.parent.glob(f"{glob.escape(coco.stem)}_n*_v1_without_masks.json")
    for path in sorted(found, key=lambda path: (len(path.name), path.name)):
        try:
            return CocoIndex.open(path)
        except DataError:
            continue  # it may be somebody else's, or half copied: a report does without points
    return None


def with_points(image: SourceImage, index: CocoIndex) -> SourceImage:
    """The image with the points of those of its instances that have none of their own, as far as the file has them."""
    try:
        entries = index.annotations(index.position_of(image.image_id))
    except (DataError, TypeError):
        return image
    points = {entry["id"]: (entry.get("point_coords"), entry.get("point_labels")) for entry in entries}
    instances = []
    for instance in image.instances:
        coordinates, labels = points.get(instance.instance_id, (None, None)) if type(instance.instance_id) is int else (None, None)
        own = instance.point_coords is not None or coordinates is None
        instances.append(instance if own else replace(instance, point_coords=coordinates, point_labels=labels))
    return replace(image, instances=tuple(instances))
