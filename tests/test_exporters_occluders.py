"""Formats with the occluders' polygons, read by the rules of their readers."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from pycocotools import mask as coco_mask

from amodalsynth.exporters.driver import export_dataset
from tests.formats_support import labelled_scenes, write_scenes
from tests.test_masks import picture

# Three bars. The middle one lies over the others, the lower one under all; the small one touches nothing.
#   far        middle     near       seen
SCENE = np.stack(
    [
        picture("...##...", "...##...", "...##...", "...##...", "...##..#", "........"),
        picture("........", ".######.", "........", "........", "........", "........"),
        picture("........", "........", "........", "........", "........", "#......."),
        picture("....#...", "....#...", "........", "........", "........", "........"),
    ]
)


@pytest.fixture(scope="module")
def literal(tmp_path_factory) -> Path:
    empty = (np.zeros((0, 5, 7), bool), np.zeros(0, np.int64))
    return write_scenes(tmp_path_factory.mktemp("occluders"), [(SCENE, np.array([1, 2, 1, 2])), empty])


def export(data: Path, to: Path, name: str) -> tuple[dict[int, dict], list[dict]]:
    export_dataset(name, data, to)
    content = json.loads((to / "annotations" / "instances_train.json").read_text())
    assert all((to / "images" / "train" / image["file_name"]).is_file() for image in content["images"])
    ids = [annotation["id"] for annotation in content["annotations"]]
    assert len(set(ids)) == len(ids) and all(ids)  # detectron2: unique, from 1
    return {image["id"]: image for image in content["images"]}, content["annotations"]


def polygon_masks(polygons: list, image: dict) -> np.ndarray:
    """detectron2's PolygonMasks and `polygons_to_bitmask`: lists of flat lists of at least three points, rasterised by pycocotools."""
    height, width = image["height"], image["width"]
    assert isinstance(polygons, list) and all(len(polygon) % 2 == 0 and len(polygon) >= 6 for polygon in polygons)
    if not polygons:
        return np.zeros((height, width), bool)
    return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, height, width))).astype(bool)


def within(box: list, mask: np.ndarray) -> np.ndarray:
    x, y, width, height = box
    inside = np.zeros_like(mask)
    inside[y : y + height, x : x + width] = True
    return mask & inside


KEYS = {
    "aisformer": ("segmentation", "i_segmentation", "bg_object_segmentation"),
    "bcnet": ("segmentation", None, "bg_object_segmentation"),
    "aistron": ("amodal_segm", "visible_segm", "occluder_segm"),
}


@pytest.mark.parametrize("name", KEYS)
def test_every_annotation_has_all_keys_and_they_are_polygons(name, literal, tmp_path):
    images, annotations = export(literal, tmp_path, name)
    amodal_key, visible_key, occluder_key = KEYS[name]
    visible = [SCENE[i] & ~SCENE[i + 1 :].any(axis=0) for i in range(4)]
    occluders = [[1, 3], [3], [], []]
    for i, annotation in enumerate(annotations):
        image = images[annotation["image_id"]]
        assert (polygon_masks(annotation[amodal_key], image) == SCENE[i]).all()
        assert annotation["iscrowd"] == 0 and annotation["area"] == SCENE[i].sum()
        if visible_key:
            assert (polygon_masks(annotation[visible_key], image) == visible[i]).all()
        seen = np.any([visible[j] for j in occluders[i]], axis=0) if occluders[i] else np.zeros((6, 8), bool)
        assert (polygon_masks(annotation[occluder_key], image) == within(annotation["bbox"], seen)).all()
    assert annotations[2][occluder_key] == [] and annotations[0][occluder_key] != []
    if visible_key:
        assert len(annotations[0][visible_key]) == 3  # torn by the bar over it; a fragment a polygon


def test_aistron_has_what_its_mapper_indexes_and_true_visible_boxes(literal, tmp_path):
    images, annotations = export(literal, tmp_path, "aistron")
    needed = {
        "amodal_bbox",
        "visible_bbox",
        "amodal_segm",
        "visible_segm",
        "background_objs_segm",
        "occluder_segm",
        "iscrowd",
        "bbox",
        "category_id",
    }
    assert all(needed <= annotation.keys() for annotation in annotations)
    first, second = annotations[:2]
    assert first["amodal_bbox"] == first["bbox"] and second["bbox"] == second["visible_bbox"] == [1, 1, 6, 1]
    assert first["visible_bbox"] == [3, 0, 5, 5]
    # All neighbours within the box, whether they occlude or lie below: of the middle bar also what is seen of the far one, of which none is.
    others = [SCENE[3], SCENE[0] & ~SCENE[1] & ~SCENE[3], SCENE[2]]
    background = polygon_masks(second["background_objs_segm"], images[second["image_id"]])
    assert (background == within(second["bbox"], np.any(others, axis=0))).all()


@settings(deadline=None, max_examples=15)
@given(scene=labelled_scenes())
def test_polygons_of_any_scene_give_its_masks_back(scene, tmp_path_factory):
    amodal, _ = scene
    folder = tmp_path_factory.mktemp("any")
    images, annotations = export(write_scenes(folder, [scene]), folder / "to", "aisformer")
    assert len(annotations) == len(amodal)
    for annotation, (i, mask) in itertools.zip_longest(annotations, enumerate(amodal)):
        image = images[annotation["image_id"]]
        assert (polygon_masks(annotation["segmentation"], image) == mask).all()
        assert (polygon_masks(annotation["i_segmentation"], image) == (mask & ~amodal[i + 1 :].any(axis=0))).all()


def test_bridged_holes_are_counted(tmp_path):
    ring = picture("####", "#..#", "#..#", "####")[None]
    report = export_dataset("bcnet", write_scenes(tmp_path, [(ring, np.array([1]))]), tmp_path / "to")
    assert sum(report.losses.values()) == 1 and "holes bridged" in next(iter(report.losses))
