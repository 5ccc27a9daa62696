"""One image as the page's JSON: masks to the pixel, declared numbers where they can be used, derived ones where not, and hostile files."""

import math
from dataclasses import replace

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from amodalsynth.annotation import Annotation
from amodalsynth.importers import open_source
from amodalsynth.importers.source import SourceImage, SourceInstance
from amodalsynth.masks import run_lengths, scan, spans
from amodalsynth.report.scene import describe_scene
from amodalsynth.validate.judge import Judge
from amodalsynth.validate.report import Fault
from tests.formats_support import labelled_scenes, write_scenes

SQUARE = [[0, 0, 4, 0, 4, 4, 0, 4]]  # 16 pixels
NEARER = [[2, 0, 6, 0, 6, 4, 2, 4]]  # half of it covers half of the other


def pixels(counts, values):
    size = [values["height"], values["width"]]
    return coco_mask.decode({"size": size, "counts": counts.encode()}).astype(bool)


def code(mask):
    found = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(mask.shape), "counts": found["counts"].decode()}


def image_of(*instances, size_hw=(8, 8), **values):
    return SourceImage(
        "image 1", 1, "a.png", size_hw, tuple(SourceInstance(f"annotation {i}", **v) for i, v in enumerate(instances)), **values
    )


def only(image, faults=(), categories=None):
    (instance,) = describe_scene(image, faults, categories or {}).values["instances"]
    return instance


@settings(deadline=None, max_examples=40)
@given(labelled_scenes())
def test_our_own_format_comes_out_as_it_is(tmp_path_factory, scene):
    masks, category_ids = scene
    path = write_scenes(tmp_path_factory.mktemp("scene"), [scene])
    expected = Annotation.from_masks(category_ids, masks)
    with open_source(path) as source:
        image = source.at(0)
        shuffled = replace(image, instances=image.instances[::-1])
        described = describe_scene(shuffled, Judge(source).judge_image(shuffled), {1: 5, 2: 7})
    values, count = described.values, len(masks)
    assert (values["height"], values["width"]) == masks.shape[1:] and not values["faults"] and not values["derived"]
    assert described.place == tuple(range(count))[::-1]
    for i, instance in enumerate(values["instances"]):
        assert instance["id"] == i + 1 and instance["category"] == {1: 5, 2: 7}[category_ids[i]]
        assert (pixels(instance["amodal"], values) == masks[i]).all()
        assert (pixels(instance["visible"], values) == expected.visible_mask[i]).all()
        assert instance["area"] == masks[i].sum() and instance["visibleArea"] == expected.visible_mask[i].sum()
        assert instance["rate"] == pytest.approx(expected.occlusion_rate[i], abs=1e-6)
        for key, box in (("box", expected.amodal_box[i]), ("visibleBox", expected.visible_box[i])):
            x0, y0, x1, y1 = box.tolist()
            assert instance[key] == [x0, y0, x1 - x0, y1 - y0]
        assert instance["layer"] == expected.layer_order[i]
        assert instance["occludedBy"] == np.flatnonzero(expected.occlusion_order[i]).tolist()
        assert instance["directlyOccludedBy"] == np.flatnonzero(expected.direct_occlusion[i]).tolist()


@settings(deadline=None, max_examples=40)
@given(labelled_scenes(), st.booleans())
def test_what_the_file_lacks_is_derived(scene, says_invisible):
    masks, _ = scene
    codes = run_lengths(spans(scan(Annotation.from_masks(np.ones(len(masks), np.int64), masks).instance_map, len(masks))))
    count = len(masks)
    instances = [{"amodal": codes[i], "paint_order": i} for i in range(count)]
    if says_invisible:
        instances = [values | {"invisible": codes[2 * count + i]} for i, values in enumerate(instances)]
    values = describe_scene(image_of(*instances, size_hw=masks.shape[1:]), [], {}).values
    assert values["derived"] == (count > 0)
    for i, instance in enumerate(values["instances"]):
        assert (instance["amodal"], instance["visible"]) == (codes[i]["counts"], codes[count + i]["counts"])
        nearer = masks[i + 1 :].any(axis=0) & masks[i]
        assert instance["visibleArea"] == masks[i].sum() - nearer.sum()
        assert instance["rate"] == pytest.approx(nearer.sum() / masks[i].sum(), abs=1e-6)
        assert instance["occludedBy"] == [j for j in range(i + 1, count) if (masks[i] & masks[j]).any()]


def test_polygons_and_uncompressed_codes():
    values = describe_scene(image_of({"amodal": SQUARE}, {"amodal": {"size": [8, 8], "counts": [8, 3, 53]}}), [], {}).values
    square, column = values["instances"]
    assert pixels(square["amodal"], values)[:4, :4].all() and square["area"] == 16 and square["box"] == [0, 0, 4, 4]
    assert pixels(column["amodal"], values)[:3, 1].all() and column["area"] == 3


def test_a_frame_that_nothing_says():
    values = describe_scene(image_of({"amodal": None}, size_hw=None), [], {}).values
    assert (values["width"], values["height"]) == (1, 1)
    values = describe_scene(image_of({"amodal": NEARER}, size_hw=None), [], {}).values
    assert (values["width"], values["height"], values["instances"][0]["area"]) == (6, 4, 16)
    assert describe_scene(image_of(size_hw=("a", math.nan)), [], {}).values["instances"] == []


def test_a_broken_mask_hides_no_other():
    broken = {"size": [8, 8], "counts": "Zzz"}
    described = describe_scene(image_of({"amodal": SQUARE}, {"amodal": broken, "visible": SQUARE, "area": 7.4}, {"amodal": NEARER}), [], {})
    by_source = dict(zip(described.place, described.values["instances"]))
    assert sorted(by_source) == [0, 1, 2]
    assert by_source[1]["amodal"] is None and by_source[1]["area"] == 7.4 and by_source[1]["visibleArea"] == 16
    assert by_source[1]["rate"] is None and by_source[1]["box"] is None and by_source[1]["visibleBox"] == [0, 0, 4, 4]
    assert by_source[0]["area"] == by_source[2]["area"] == 16


def test_a_declared_order_without_visible_masks_leaves_them_unknown():
    orders = {"occluded_by": [], "directly_occluded_by": [], "layer": 0}
    instance = only(image_of({"amodal": SQUARE, **orders}))
    assert instance["amodal"] and instance["visible"] is None and instance["visibleArea"] is None and instance["rate"] is None


def test_a_visible_mask_outside_the_amodal_one_gives_a_rate_nonetheless():
    outside = np.zeros((8, 8), bool)
    outside[:, 2:] = True
    assert only(image_of({"amodal": SQUARE, "visible": code(outside)}))["rate"] == 0.5


@pytest.mark.parametrize("rate", [-0.1, 1.5, "0.5", True, None, math.nan, [0.5]])
def test_a_rate_that_is_none_is_taken_from_the_masks(rate):
    half = {"amodal": SQUARE, "visible": [[0, 0, 2, 0, 2, 4, 0, 4]]}
    assert only(image_of(half | {"rate": rate}))["rate"] == 0.5
    assert only(image_of(half | {"rate": 0.25}))["rate"] == 0.25  # wrong, and a fault, but of the right type


@pytest.mark.parametrize("box", [None, [1, 2, 3], [1, 2, 3, math.inf], [1, 2, 3, "4"], "1234", {"x": 1}, [1, 2, 3, True]])
def test_a_box_that_is_none_is_taken_from_the_mask(box):
    instance = only(image_of({"amodal": SQUARE, "visible": SQUARE, "box": box, "visible_box": box}))
    assert instance["box"] == instance["visibleBox"] == [0, 0, 4, 4]
    assert only(image_of({"amodal": SQUARE, "box": [1, 2.5, 3, 4]}))["box"] == [1, 2.5, 3, 4]


def test_only_points_that_are_some():
    coordinates = [[1, 2], [3.5, 4], [math.nan, 1], [1], [1, 2], [1, 2], "12", [5, 6], [7, 8]]
    labels = [1, 0, 1, 1, 2, True, 1, 0]
    assert only(image_of({"point_coords": coordinates, "point_labels": labels}))["points"] == [[1, 2, 1], [3.5, 4, 0], [5, 6, 0]]
    for coords, marks in ((None, labels), (coordinates, None), ("ab", "ab"), ({}, {})):
        assert only(image_of({"point_coords": coords, "point_labels": marks}))["points"] is None


@pytest.mark.parametrize(
    ("given_id", "shown"),
    [
        (7, 7),
        (-(2**53), -(2**53)),
        (2**53 + 1, None),
        ("</script>", "</script>"),
        ("a\ud800", "a?"),
        (1.5, None),
        (True, None),
        ([1], None),
    ],
)
def test_ids(given_id, shown):
    assert only(image_of({"instance_id": given_id}))["id"] == shown


@pytest.mark.parametrize(
    ("category", "shown"), [(3, 0), ("x", 1), (4, None), (True, None), (3.0, None), ([3], None), ({}, None), (None, None)]
)
def test_categories(category, shown):
    assert only(image_of({"category": category}), categories={3: 0, "x": 1, 1: 2})["category"] == shown


def test_faults_name_the_page_s_instances():
    image = image_of({"amodal": SQUARE, "paint_order": 1}, {"amodal": NEARER, "paint_order": 0})
    faults = [Fault("box", "annotation 0", "<b>\ud800", 0, 0), Fault("rle", "annotation 1", "x", 0, 1), Fault("image", "image 1", "y", 0)]
    described = describe_scene(image, faults, {})
    assert described.place == (1, 0)
    assert described.values["faults"] == [
        {"kind": "box", "where": "annotation 0", "message": "<b>?", "instance": 1},
        {"kind": "rle", "where": "annotation 1", "message": "x", "instance": 0},
        {"kind": "image", "where": "image 1", "message": "y", "instance": None},
    ]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 70), 1 << 70) | st.floats() | st.sampled_from(["", "\ud800", "</script>", "1"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["size", "counts", "file_name"]), inner),
    max_leaves=6,
)
SENSIBLE = {
    "amodal": [SQUARE, NEARER, {"size": [8, 8], "counts": [8, 3, 53]}, {"size": [8, 8], "counts": [64]}],
    "visible": [SQUARE, None],
    "instance_id": [1, 2],
    "layer": [0, 1],
    "paint_order": [0, 1],
    "occluded_by": [[], [1], [2, 2]],
    "directly_occluded_by": [[], [1]],
    "box": [[0, 0, 4, 4]],
    "rate": [0.5],
}
INSTANCES = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(SENSIBLE.get(name, [None])) | ANYTHING for name in SourceInstance.__slots__ if name != "where"}
)


@settings(deadline=None, max_examples=150)
@given(st.lists(INSTANCES, max_size=4), st.just((8, 8)) | st.tuples(ANYTHING, ANYTHING) | st.none())
def test_nothing_raises_and_everything_is_json(instances, size_hw):
    image = image_of(*instances, size_hw=size_hw)
    described = describe_scene(image, [], {1: 0})
    assert sorted(described.place) == list(range(len(instances)))
    assert_fit_for_a_page(described.values)
    assert orjson.loads(orjson.dumps(described.values)) == described.values
    for instance in described.values["instances"]:
        assert set(instance["occludedBy"]) | set(instance["directlyOccludedBy"]) <= set(range(len(instances)))
        for key in ("amodal", "visible"):
            if instance[key] is not None:
                assert pixels(instance[key], described.values).shape == (described.values["height"], described.values["width"])


def assert_fit_for_a_page(value):
    """Numbers finite and exact in JavaScript, texts that UTF-8 can hold."""
    if isinstance(value, dict):
        assert all(type(key) is str for key in value)
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            assert_fit_for_a_page(each)
    elif isinstance(value, str):
        value.encode()
    else:
        assert value is None or (type(value) in (bool, int, float) and abs(value) <= 2**53)
