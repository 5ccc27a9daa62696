"""Each format read from a literal file, what the driver makes of it, hostile files, and the way out and back."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import amodalsynth
from amodalsynth.coco_index import CocoIndex
from amodalsynth.drawing import draw_scene
from amodalsynth.errors import ConfigurationError, DataError, OutputConflict
from amodalsynth.importers import _MODULES, FORMATS, open_source
from amodalsynth.importers.driver import import_dataset
from amodalsynth.importers.report import ImportReport
from amodalsynth.importers.source import Faults
from amodalsynth.labelled import read_labelled
from amodalsynth.records.layout import Layout
from amodalsynth.segmentation import decode_segmentation
from amodalsynth.stats import read_stats
from tests.conftest import SHARED
from tests.strategies import SMALL, DrawnPool, judge, tree

SIZE = {"width": 8, "height": 6}
BACK = [[0, 0, 4, 0, 4, 4, 0, 4]]  # a square of 4 x 4 in the corner
FRONT = [[2, 2, 6, 2, 6, 6, 2, 6]]  # another, two down and right: they share 2 x 2


def box_mask(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    mask = np.zeros((SIZE["height"], SIZE["width"]), bool)
    mask[y0:y1, x0:x1] = True
    return mask


def code(mask: np.ndarray) -> dict[str, Any]:
    """Uncompressed run-length code."""
    flat = np.concatenate([[0], mask.ravel(order="F").astype(int), [0]])
    edges = np.flatnonzero(np.diff(flat))
    return {"size": list(mask.shape), "counts": np.diff(np.concatenate([[0], edges, [mask.size]])).tolist()}


BACK_SEEN, FRONT_SEEN = code(box_mask(0, 0, 4, 4) & ~box_mask(2, 2, 6, 6)), code(box_mask(2, 2, 6, 6))
BACK_ALONE, FRONT_CUT = code(box_mask(0, 0, 4, 4)), code(box_mask(2, 2, 6, 6) & ~box_mask(0, 0, 4, 4))


def coco(*annotations: dict[str, Any], **changes: Any) -> dict[str, Any]:
    entries = [{"id": i, "image_id": 7, "category_id": 1, **annotation} for i, annotation in enumerate(annotations, start=11)]
    image = {"id": 7, "file_name": "a.png", **SIZE}
    categories = [{"id": 1, "name": "plum"}, {"id": 2, "name": "lime"}]
    return {"images": [image], "annotations": entries, "categories": categories, **changes}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the image a.png."""
    source = tmp_path / "source"
    source.mkdir()
    Image.new("RGB", (8, 6), (90, 90, 90)).save(source / "a.png")
    return source


def write(folder: Path, document: Any, name: str = "a.json") -> Path:
    path = folder / name
    path.write_bytes(document if isinstance(document, bytes) else json.dumps(document).encode())
    return path


def run(path: Path, out: Path, format: str = "auto", **options: Any) -> ImportReport:
    with open_source(path, format=format) as source:
        return import_dataset(source, out, **options)


def read(out: Path, split: str = "train") -> list[Any]:
    with CocoIndex.open(Layout(out).annotations(split)) as index:
        return list(read_labelled(index))


def assert_back_then_front(out: Path, swapped: bool = False) -> None:
    """Of the two squares, the front one hides a corner of the other; `swapped`, it is the one in the frame's corner."""
    (image,) = read(out)
    order = [box_mask(2, 2, 6, 6), box_mask(0, 0, 4, 4)] if swapped else [box_mask(0, 0, 4, 4), box_mask(2, 2, 6, 6)]
    amodal, visible, invisible = (np.stack([decode_segmentation(c, image.size_hw, "") for c in codes]) for codes in image.codes)
    assert np.array_equal(amodal, order) and np.array_equal(visible, [order[0] & ~order[1], order[1]])
    assert np.array_equal(invisible, amodal & ~visible)
    assert image.occlusion_order.tolist() == image.direct_occlusion.tolist() == [[False, True], [False, False]]
    assert image.layer_order.tolist() == [1, 0] and image.entries[0]["occlude_rate"] == 0.25


SPELLINGS = {
    "ours": ({"segmentation": BACK_ALONE, "visible_mask": BACK_SEEN}, {"segmentation": FRONT_SEEN, "visible_mask": FRONT_SEEN}),
    "kins": ({"segmentation": BACK, "inmodal_seg": BACK_SEEN}, {"segmentation": FRONT, "inmodal_seg": FRONT_SEEN}),
    "kins2020": ({"a_segm": BACK, "oco_id": 1, "ico_id": 2}, {"a_segm": FRONT, "oco_id": 1, "ico_id": 1}),
    "uoais": ({"segmentation": BACK, "visible_mask": BACK_SEEN, "occluded_mask": code(box_mask(2, 2, 4, 4))}, {"segmentation": FRONT}),
    "invisible only": ({"segmentation": BACK, "invisible_mask": code(box_mask(2, 2, 4, 4))}, {"segmentation": FRONT}),
    "aisformer": ({"segmentation": BACK, "i_segmentation": BACK_SEEN}, {"segmentation": FRONT, "i_segmentation": FRONT}),
    "aistron": ({"segmentation": FRONT, "amodal_segm": BACK, "visible_segm": BACK_SEEN}, {"amodal_segm": FRONT, "visible_segm": FRONT}),
    "occluded_by": ({"segmentation": BACK, "occluded_by": [12]}, {"segmentation": FRONT, "occluded_by": []}),
    "paint_order": ({"segmentation": BACK, "paint_order": 3}, {"segmentation": FRONT, "paint_order": 4}),
    "layer": ({"segmentation": BACK, "layer": 1}, {"segmentation": FRONT, "layer": 0}),
    "nothing": ({"segmentation": BACK}, {"segmentation": FRONT}),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_coco_under_any_spelling(folder, tmp_path, spelling):
    report = run(write(folder, coco(*SPELLINGS[spelling])), tmp_path / "out")
    assert_back_then_front(tmp_path / "out")
    assert report.derived.get("undetermined", 0) == (spelling == "nothing")
    judge(tmp_path / "out", "train", "--bare", "--no-appearances", "--min", "1", "--max", "9")


def test_the_sources_order_is_kept_against_the_rules(folder, tmp_path):
    run(write(folder, coco({"segmentation": BACK, "layer": 0}, {"segmentation": FRONT, "layer": 1})), tmp_path / "out")
    assert_back_then_front(tmp_path / "out", swapped=True)


def region(polygon: list, order: int, **values: Any) -> dict[str, Any]:
    return {"segmentation": polygon[0], "name": " plum ", "order": order, "isStuff": 0, **values}


COCOA = {
    "order": ([region(FRONT, 1), region(BACK, 2)], ""),
    "constraint": ([region(BACK, 1), region(FRONT, 2)], "2-1"),  # against `order`
    "masks": ([region(FRONT, None), region(BACK, None, visible_mask=BACK_SEEN, invisible_mask=code(box_mask(2, 2, 4, 4)))], ""),
}


@pytest.mark.parametrize("case", COCOA)
@pytest.mark.parametrize("single", [False, True])
def test_cocoa(folder, tmp_path, case, single):
    regions, constraint = COCOA[case]
    annotation = {"id": 1, "image_id": 7, "depth_constraint": constraint, "regions": regions}
    path = write(
        folder, annotation if single else coco(images=[{"id": 7, "file_name": "a.png", **SIZE}], annotations=[annotation], categories=[])
    )
    with open_source(path) as source:
        assert (source.format, dict(source.categories), list(source.faults)) == ("cocoa", {"plum": "plum"}, [])
    assert run(path, tmp_path / "out").derived.get("undetermined", 0) == 0
    assert_back_then_front(tmp_path / "out")


def test_labelme(folder, tmp_path):
    def shape(points: list, **values: Any) -> dict[str, Any]:
        return {"label": "plum", "points": np.reshape(points, (-1, 2)).tolist(), "shape_type": "polygon", "group_id": None, **values}

    left, right = [[2, 2, 4, 2, 4, 6, 2, 6]], [[4, 2, 6, 2, 6, 6, 4, 6]]
    shapes = [
        shape(left, group_id=3),
        shape(BACK),
        shape(right, group_id=3),
        {"label": "way", "points": [[0, 0], [1, 1]], "shape_type": "line"},
    ]
    write(folder, {"imagePath": ".\\a.png", "imageHeight": 6, "imageWidth": 8, "shapes": shapes})
    report = run(folder, tmp_path / "out")
    assert_back_then_front(tmp_path / "out")
    assert (report.derived, report.left_out) == ({"visible": 2, "undetermined": 1}, {"no_mask": 1})
    assert report.examples["no_mask"] == ("a.json, shape 4 (line)",)


CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
  <image id="0" name="a.png" width="8" height="6">
    <{front}/>
    <polygon label="plum" points="0,0;4,0;4,4;0,4" z_order="-1"/>
    <box label="plum" xtl="1" ytl="1" xbr="2" ybr="2" z_order="0"/>
  </image>
</annotations>"""


@pytest.mark.parametrize(
    "front",
    [
        'polygon label="lime" points="2.0,2.0;6,2;6,6;2,6" z_order="3"',
        'mask label="lime" rle="0, 16" left="2" top="2" width="4" height="4" z_order="3"',
        'mask label="lime" rle="7,4,2,4,2,4,2,4,1" left="1" top="1" width="6" height="5" z_order="0"',
    ],
)
def test_cvat(folder, tmp_path, front):
    report = run(write(folder, CVAT.format(front=front).encode(), "annotations.xml"), tmp_path / "out")
    assert_back_then_front(tmp_path / "out")
    assert report.derived == {"visible": 2, "image_ids": 1} and report.left_out == {"no_mask": 1}
    assert amodalsynth.open(tmp_path / "out").categories == {1: "lime", 2: "plum"}


def test_label_studio(folder, tmp_path):
    def result(polygon: list, kind: str = "polygonlabels") -> dict[str, Any]:
        points = (np.reshape(polygon, (-1, 2)) * 100 / [8, 6]).tolist()
        return {"original_width": 8, "original_height": 6, "type": kind, "value": {"points": points, kind: ["plum"]}}

    brush = {
        "original_width": 8,
        "original_height": 6,
        "type": "brushlabels",
        "value": {"format": "rle", "rle": [1], "brushlabels": ["plum"]},
    }
    cancelled, counts = {"was_cancelled": True, "result": [result(FRONT)]}, {"result": [result(BACK), result(FRONT), brush]}
    path = write(folder, [{"id": 5, "data": {"image": "/data/upload/1/a.png"}, "annotations": [cancelled, counts]}])
    report = run(path, tmp_path / "out")
    assert_back_then_front(tmp_path / "out")
    assert report.left_out == {"no_mask": 1} and report.examples["no_mask"] == ("task 5, shape 3 (brushlabels)",)
    assert amodalsynth.open(tmp_path / "out")[0].image_id == 5


def test_what_is_left_out_is_counted(folder, tmp_path):
    empty, hidden = code(box_mask(0, 0, 0, 0)), code(box_mask(3, 3, 4, 4))
    document = coco(
        {"segmentation": BACK, "occluded_by": [12, 99]},
        {"segmentation": FRONT},
        {"segmentation": BACK_ALONE, "iscrowd": 1},
        {"bbox": [1, 2, 3, 4]},
        {"segmentation": empty},
        {"segmentation": hidden, "visible_mask": empty},
        {"visible_mask": code(box_mask(7, 5, 8, 6))},
    )
    document["annotations"].append({"id": 99, "image_id": 1234, "segmentation": BACK})
    report = run(write(folder, document), tmp_path / "out")
    assert report.num_instances == 3
    assert report.left_out == {"no_image": 1, "reference": 1, "crowd": 1, "no_mask": 1, "empty": 1, "hidden": 1}
    assert report.derived["amodal"] == 1 and report.examples["hidden"] == ("annotation 16",)


def test_ids_stay_where_they_can(folder, tmp_path):
    plum, lime = {"id": 18, "name": "plum"}, {"id": 3, "name": "lime"}
    run(write(folder, coco({"segmentation": BACK, "category_id": 18}, categories=[plum, lime])), tmp_path / "kept")
    data = amodalsynth.open(tmp_path / "kept")
    assert data[0].image_id == 7 and data.categories == {18: "plum", 3: "lime"} and data[0].entries[0]["category_id"] == 18
    document = coco({"segmentation": BACK, "category_id": 0, "image_id": 0}, categories=[{"id": 0, "name": "plum"}])
    document["images"][0]["id"] = 0
    report = run(write(folder, document), tmp_path / "numbered")
    data = amodalsynth.open(tmp_path / "numbered")
    assert data[0].image_id == 1 and data.categories == {1: "plum"} and data[0].entries[0]["category_id"] == 1
    assert report.derived == {"visible": 1, "image_ids": 1, "category_ids": 1}


def test_a_file_without_categories_has_one(folder, tmp_path):
    document = coco({"segmentation": BACK})
    del document["categories"]
    assert run(write(folder, document), tmp_path / "out").derived["no_category"] == 1
    assert amodalsynth.open(tmp_path / "out").categories == {1: "object"}


def test_a_second_split_has_the_same_categories(folder, tmp_path):
    out = tmp_path / "out"
    run(write(folder, coco({"segmentation": BACK})), out)
    run(write(folder, coco({"segmentation": BACK}, categories=[{"id": 1, "name": "plum"}])), out, split="val", images="link")
    assert list(amodalsynth.open(out).description["splits"]) == ["train", "val"]
    assert amodalsynth.open(out, "val").categories == {1: "plum", 2: "lime"}
    with pytest.raises(OutputConflict, match="'pear' of .* is not among them"):
        run(write(folder, coco(categories=[{"id": 2, "name": "pear"}])), out, split="test")
    with pytest.raises(OutputConflict, match="has a split 'val' already"):
        run(write(folder, coco()), out, split="val")


def test_another_folder_is_never_touched(folder, tmp_path):
    path = write(folder, coco({"segmentation": BACK}))
    with pytest.raises(OutputConflict, match="holds something else"):
        run(path, folder)
    amodalsynth.generate_dataset(replace(SMALL, image_size=(64, 64)), DrawnPool(), tmp_path / "made", split="train", num_images=1, seed=0)
    with pytest.raises(OutputConflict, match="holds the generated data set"):
        run(path, tmp_path / "made", split="val")
    with pytest.raises(ConfigurationError, match="split: expected one of"):
        run(path, tmp_path / "out", split="dev")


def test_the_same_source_gives_the_same_bytes_and_nothing_stays_of_a_failure(folder, tmp_path):
    path = write(folder, coco(*SPELLINGS["uoais"]))
    for name in ("a", "b"):
        run(path, tmp_path / name)
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    with pytest.raises(DataError, match="a.json: annotation 12, polygon 0: expected a flat list"):
        run(write(folder, coco({"segmentation": BACK}, {"segmentation": [[1, 2]]})), tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_what_needs_backgrounds_says_that_there_are_none(folder, tmp_path):
    run(write(folder, coco({"segmentation": BACK})), tmp_path / "out")
    record = amodalsynth.open(tmp_path / "out")[0]
    assert record.image.shape == (6, 8, 3)
    for attribute in ("background", "appearances"):
        with pytest.raises(DataError, match="has no backgrounds|without appearances"):
            getattr(record, attribute)


BROKEN: dict[str, tuple[Callable[[dict], None], str]] = {
    "absolute": (lambda d: d["images"][0].update(file_name="/etc/passwd"), "expected a file name below"),
    "parent": (lambda d: d["images"][0].update(file_name="../a.png"), "expected a file name below"),
    "no name": (lambda d: d["images"][0].update(file_name=None), "expected the name of an image file"),
    "nul": (lambda d: d["images"][0].update(file_name="a\0.png"), "expected the name of an image file"),
    "long": (lambda d: d["images"][0].update(file_name="a" * 5000), "leads out of it|expected an image at|folder of its images"),
    "missing": (lambda d: d["images"][0].update(file_name="b.png"), "expected an image at|folder of its images"),
    "link": (lambda d: d["images"][0].update(file_name="out.png"), "leads out of it by a link"),
    "size": (lambda d: d["images"][0].update(width=9), "expected 9 x 6 pixels"),
    "huge": (lambda d: d["images"][0].update(width=10**9, height=10**9), "expected 1000000000 x 1000000000 pixels"),
    "text size": (lambda d: d["images"][0].update(width="8"), "expected integers from 1 as height and width"),
    "category": (lambda d: d["annotations"][0].update(category_id=[3]), "annotation 11: expected one of the file's categories"),
    "counts": (lambda d: d["annotations"][0].update(segmentation={"size": [6, 8], "counts": [10**9]}), "annotation 11"),
    "text": (lambda d: d["annotations"][0].update(segmentation="mask"), "annotation 11: expected a run-length code"),
    "points": (
        lambda d: d["annotations"][0].update(segmentation=[[0, 0, 1e308, 0, 1e308, 1]]),
        "annotation 11, polygon 0: expected finite",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_hostile_values_are_named_and_can_be_left_out(folder, tmp_path, case):
    change, message = BROKEN[case]
    Image.new("RGB", (8, 6)).save(tmp_path / "out.png")
    (folder / "out.png").symlink_to(tmp_path / "out.png")
    document = coco({"segmentation": BACK}, {"segmentation": FRONT})
    change(document)
    path = write(folder, document)
    with pytest.raises(DataError, match=message), open_source(path, images=folder) as source:
        import_dataset(source, tmp_path / "data")
    with open_source(path, images=folder) as source:
        report = import_dataset(source, tmp_path / "data", skip_broken=True)
    assert report.left_out in ({"image": 1}, {"broken": 1}) and report.num_instances == 1 - report.left_out.get("image", 0)


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.json", b"", "empty file"),
        ("a.json", b'{"images":[', "truncated"),
        ("a.json", b'{"images":[],"annotations":[{"id":1,"image_id":1,"x":' + b"[" * 5000 + b"]" * 5000 + b"}]}", "fault"),
        ("a.json", b"[1,2]", "Label Studio's export"),
        ("a.json", b'{"hello":1}', "COCO file with an array"),
        ("a.xml", b'<!DOCTYPE a [<!ENTITY b "c">]><annotations>&b;</annotations>', "got a DOCTYPE"),
        ("a.xml", b"<annotations><image", "expected XML"),
        ("a.xml", b"<html></html>", "expected CVAT's XML"),
        ("a.xml", b"<annotations>" + b"<image>" * 100, "at depth 16"),
    ],
)
def test_files_that_are_none(folder, tmp_path, name, content, message):
    with pytest.raises(DataError, match=message):
        run(write(folder, content, name), tmp_path / "out")


def test_what_cannot_be_opened(folder, tmp_path):
    with pytest.raises(DataError, match="no such file or folder; expected annotations in one of the formats amodalsynth, coco"):
        open_source(tmp_path / "nothing")
    with pytest.raises(DataError, match="recognised none"):
        open_source(folder)
    with pytest.raises(ConfigurationError, match="unknown format 'voc'"):
        open_source(folder, format="voc")
    with pytest.raises(DataError, match="found no folder"):
        open_source(folder, images=folder / "b")


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3)


@given(st.recursive(SCALARS, lambda values: st.lists(values, max_size=3)), st.data())
@settings(deadline=None, max_examples=80)
def test_any_value_anywhere_is_an_error_of_ours_or_none(tmp_path_factory, value, data):
    folder = tmp_path_factory.mktemp("any")
    Image.new("RGB", (8, 6)).save(folder / "a.png")
    document = coco(*SPELLINGS["uoais"])
    part = data.draw(st.sampled_from([document["images"][0], *document["annotations"], document["categories"][0]]))
    keys = [*part, "occluded_by", "layer", "paint_order", "oco_id", "ico_id", "iscrowd", "regions"]
    part[data.draw(st.sampled_from(keys))] = value
    try:
        run(write(folder, document), folder / "out")
    except DataError as error:
        assert str(folder) in str(error)


def test_every_format_has_a_module():
    modules = {path.stem for path in Path(amodalsynth.importers.__file__).parent.glob("*.py")}
    shared = {"__init__", "categories", "driver", "instances", "polygons", "reading", "report", "sniff", "source"}
    assert {_MODULES.get(name, name) for name in FORMATS} == modules - shared


@pytest.fixture(scope="module")
def cocoa_photos() -> Path:
    folder = SHARED / "real" / "cocoa"
    if not folder.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"CI must have {folder}")
        pytest.skip(f"needs the real photos in {folder}")
    return folder


def test_real_photos_of_cocoa(cocoa_photos, tmp_path):
    """The rates that follow from the order are those that the annotators' file has, so the order and the masks are read as they were meant."""
    report = run(cocoa_photos, tmp_path / "out")
    assert (report.num_images, report.num_instances, report.left_out) == (3, 32, {}) and "undetermined" not in report.derived
    judge(tmp_path / "out", "train", "--bare", "--no-appearances", "--min", "1", "--max", "99")
    for image, file in zip(read(tmp_path / "out"), sorted(cocoa_photos.glob("*.json"))):
        regions = sorted(json.loads(file.read_text())["regions"], key=lambda region: -region["order"])
        assert image.occlusion_rate == pytest.approx([region["occlude_rate"] for region in regions], abs=2e-6)
        assert image.areas[0].tolist() == [region["area"] for region in regions]
    stats = read_stats(tmp_path / "out")
    assert (stats.total.num_instances, stats.total.num_occluded) == (32, 16)
    record = amodalsynth.open(tmp_path / "out")[2]
    assert draw_scene(record.title, record.image, record.annotation).ndim == 3


def test_a_photo_is_read_upright(folder, tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (6, 8)).save(folder / "a.png", exif=turned)
    run(write(folder, coco({"segmentation": BACK})), tmp_path / "out")
    assert amodalsynth.open(tmp_path / "out")[0].image.shape == (6, 8, 3)


LABELME = {
    "imagePath": "a.png",
    "imageHeight": 6,
    "imageWidth": 8,
    "shapes": [{"label": "plum", "points": [[0, 0], [4, 0], [4, 4]], "group_id": 1}],
}
LABEL_STUDIO_VALUE = {"points": [[0, 0], [50, 0], [50, 50]], "polygonlabels": ["plum"]}
LABEL_STUDIO_RESULT = [{"original_width": 8, "original_height": 6, "type": "polygonlabels", "value": LABEL_STUDIO_VALUE}]
WHOLE = {
    "labelme": LABELME,
    "label-studio": [{"id": 5, "data": {"image": "a.png"}, "annotations": [{"result": LABEL_STUDIO_RESULT}]}],
    "cocoa": {
        "image_id": 7,
        "url": "a.png",
        "depth_constraint": "2-1",
        "regions": [region(BACK, 1), region(FRONT, 2, visible_mask=FRONT_SEEN)],
    },
}


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key or index) within a JSON value."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [found for key in keys for found in [(value, key), *places(value[key])]]


@pytest.mark.parametrize("format", WHOLE)
@given(st.recursive(SCALARS, lambda values: st.lists(values, max_size=3)), st.data())
@settings(deadline=None, max_examples=60)
def test_any_value_in_a_drawing_is_an_error_of_ours_or_none(tmp_path_factory, format, value, data):
    folder = tmp_path_factory.mktemp("any")
    Image.new("RGB", (8, 6)).save(folder / "a.png")
    document = json.loads(json.dumps(WHOLE[format]))
    container, key = data.draw(st.sampled_from(places(document)))
    container[key] = value
    try:
        run(write(folder, document), folder / "out", format)
    except DataError as error:
        assert str(folder) in str(error)


NUMBERS = st.sampled_from(["", "x", "-1", "0", "1e9", "99999999999999999999", "nan", "3", "0,1", "7,4,2", ";,;"])


@given(st.dictionaries(st.sampled_from(["points", "rle", "left", "top", "width", "height", "z_order", "group_id"]), NUMBERS), st.booleans())
@settings(deadline=None, max_examples=60)
def test_any_text_in_a_shape_of_cvat_is_an_error_of_ours_or_none(tmp_path_factory, attributes, as_mask):
    folder = tmp_path_factory.mktemp("any")
    Image.new("RGB", (8, 6)).save(folder / "a.png")
    shape = " ".join(["mask" if as_mask else "polygon", 'label="plum"', *(f'{key}="{text}"' for key, text in attributes.items())])
    try:
        run(write(folder, CVAT.format(front=shape).encode(), "a.xml"), folder / "out")
    except DataError as error:
        assert str(folder) in str(error)


def test_of_faults_without_end_the_first_are_kept_and_the_rest_counted():
    faults = Faults()
    for number in range(1000):
        faults.add("id", f"annotation {number}", "a duplicate")
    faults.add("reference", "annotation 5", "no such image")
    assert len(list(faults)) == 101 and faults.more == {"id": 900}


def test_ids_that_are_whole_floats_count_and_annotations_of_no_image_are_told(tmp_path: Path) -> None:
    square = {"size": [4, 4], "counts": [5, 2, 2, 2, 5]}
    entry = {"category_id": 1, "segmentation": square}
    coco = {
        "images": [{"id": 1, "file_name": "a.png", "height": 4, "width": 4}],
        "categories": [{"id": 1, "name": "plum"}],
        "annotations": [{"id": 1, "image_id": 1.0} | entry, {"id": 2, "image_id": "x7"} | entry, {"id": 3, "image_id": 9} | entry],
    }
    (tmp_path / "a.json").write_text(json.dumps(coco))
    with open_source(tmp_path / "a.json") as source:
        report = import_dataset(source, tmp_path / "out", images="none")
    assert report.num_instances == 1 and (report.left_out["no_image"], report.left_out["fault"]) == (2, 1)  # 1.0 is told, and taken for 1
