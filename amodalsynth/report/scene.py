"""One image of a source as the page shows it: its instances farthest first, their masks as run-length codes, their numbers, its faults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from amodalsynth import masks
from amodalsynth.importers.source import SourceImage, SourceInstance
from amodalsynth.report.ordering import Ordering, order_image
from amodalsynth.report.values import declared_area, declared_box, declared_rate, id_for_page, text_for_page
from amodalsynth.segmentation import mask_areas
from amodalsynth.validate.block import NO_FRAME, Block, frame_of, is_number, read_block
from amodalsynth.validate.report import Fault


@dataclass(frozen=True, slots=True)
class SceneDescription:
    """What the page is told of an image. values: JSON values, without the places of pictures and without detections. place: for each of the
    page's instances, its position in `SourceImage.instances`; every position occurs once.
    """

    values: dict[str, Any]
    place: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Masks:
    """N masks of one kind in the page's order, and for each of them what the page is told: COCO's compressed counts, the pixels, and the box
    [x, y, width, height]. These are None for a mask that is not known, which is empty in `spans`; an empty mask has no box either.
    """

    spans: masks.MaskSpans
    counts: list[str | None]
    area: list[int | None]
    box: list[list[int] | None]

    @classmethod
    def of(cls, spans: masks.MaskSpans, known: np.ndarray) -> _Masks:
        """known: (N,) bool."""
        codes = iter(masks.run_lengths(masks.select(spans, np.flatnonzero(known))))
        corners = masks.boxes(spans)
        corners[:, 2:] -= corners[:, :2]
        return cls(
            spans,
            [next(codes)["counts"] if there else None for there in known.tolist()],
            [area if there else None for area, there in zip(mask_areas(spans).tolist(), known.tolist())],
            [box if box[2] else None for box in corners.tolist()],
        )


def describe_scene(image: SourceImage, faults: Sequence[Fault], categories: Mapping[Any, int]) -> SceneDescription:
    """Describe an image for the page. faults: those of `validate` in this image. categories: a key of the source -> its number in the page.

    What the file declares is shown as declared, right or wrong, if it is of the right type; areas are those of the masks where these can be
    read. Orders, layers, and visible masks are derived where the file does not record them. What is neither known nor derived is None. Nothing
    raises: a mask that cannot be read is None, and said in a fault by whoever judged the image.
    """
    size_hw = frame_of(image) or NO_FRAME
    block, _ = read_block([image], size_hw)
    ordering = order_image(image, size_hw)
    place = np.array(ordering.place, np.int64)
    amodal = _Masks.of(masks.select(block.amodal, place), block.known[0][place])
    visible = _visible(block, ordering, place)
    invisible_area = mask_areas(masks.difference(amodal.spans, visible.spans)).tolist()
    number = {position: i for i, position in enumerate(ordering.place)}
    instances = []
    for i, position in enumerate(ordering.place):
        values = _instance(image.instances[position], i, amodal, visible, invisible_area[i])
        orders = {
            "category": _category(image.instances[position].category, categories),
            "layer": ordering.layer[i],
            "occludedBy": list(ordering.occluded_by[i]),
            "directlyOccludedBy": list(ordering.directly_occluded_by[i]),
        }
        instances.append(values | orders)
    values = {
        "width": size_hw[1],
        "height": size_hw[0],
        "derived": ordering.derived,
        "faults": [_fault(fault, number) for fault in faults],
        "instances": instances,
    }
    return SceneDescription(values, ordering.place)


def _visible(block: Block, ordering: Ordering, place: np.ndarray) -> _Masks:
    """The visible masks: declared as such or by the invisible one, else derived."""
    declared, seen = masks.select(block.visible, place), block.seen[place]
    if ordering.visible is None:
        return _Masks.of(declared, seen)
    count = np.arange(len(place))
    chosen = masks.select(masks.concatenate([declared, ordering.visible]), np.where(seen, count, count + len(count)))
    return _Masks.of(chosen, seen | (mask_areas(chosen) > 0))


def _fault(fault: Fault, number: Mapping[int, int]) -> dict[str, Any]:
    return {
        "kind": fault.kind,
        "where": text_for_page(fault.where),
        "message": text_for_page(fault.message),
        "instance": number.get(fault.instance),
    }


def _instance(instance: SourceInstance, i: int, amodal: _Masks, visible: _Masks, invisible_area: int) -> dict[str, Any]:
    """What concerns the instance alone, which is number i of the page."""
    return {
        "id": id_for_page(instance.instance_id),
        "rate": _rate(instance.rate, amodal.area[i], visible.area[i], invisible_area),
        "amodal": amodal.counts[i],
        "visible": visible.counts[i],
        "box": declared_box(instance.box) or amodal.box[i],
        "visibleBox": declared_box(instance.visible_box) or visible.box[i],
        "area": declared_area(instance.area) if amodal.area[i] is None else amodal.area[i],
        "visibleArea": declared_area(instance.visible_area) if visible.area[i] is None else visible.area[i],
        "points": _points(instance.point_coords, instance.point_labels),
        "crowd": bool(instance.crowd),
    }


def _category(key: Any, categories: Mapping[Any, int]) -> int | None:
    return categories.get(key) if type(key) in (int, str) else None


def _rate(declared: Any, amodal_area: int | None, visible_area: int | None, invisible_area: int) -> float | None:
    """The occlusion rate: as declared if it is one, else invisible area / amodal area where both masks are known."""
    if declared_rate(declared) is not None:
        return declared
    return None if not amodal_area or visible_area is None else round(invisible_area / amodal_area, 6)


def _points(coordinates: Any, labels: Any) -> list[list[float]] | None:
    """[x, y, label] of the points that are well-formed; None where no points are declared."""
    if not isinstance(coordinates, list) or not isinstance(labels, list):
        return None
    pairs = zip(coordinates, labels)
    return [[*xy, label] for xy, label in pairs if _is_position(xy) and type(label) is int and label in (0, 1)]


def _is_position(xy: Any) -> bool:
    return isinstance(xy, list) and len(xy) == 2 and all(map(is_number, xy))
