"""The survey of a source: it agrees with `stats` and `validate`, with a count by hand, and no broken annotation hides another."""

import copy
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amodalsynth.exporters.base import ExportOptions
from amodalsynth.exporters.driver import export_dataset
from amodalsynth.importers import open_source
from amodalsynth.importers.source import Faults, OpenedSource, SourceImage, SourceInstance
from amodalsynth.report import ordering
from amodalsynth.report.ordering import declared_order, order_image
from amodalsynth.report.survey import MAX_EXAMPLES, Survey, survey
from amodalsynth.segmentation import decode_segmentation, mask_areas
from amodalsynth.stats import compute_stats
from amodalsynth.validate import KINDS, validate_source
from amodalsynth.validate.block import frame_of
from amodalsynth.validate.judge import Judge
from tests.formats_support import labelled_scenes, read_json, tiny_dataset, write_scenes
from tests.test_validate import code

FEW = settings(deadline=None, max_examples=15)
SCENES = st.lists(labelled_scenes(), min_size=1, max_size=4)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_dataset(tmp_path_factory.mktemp("survey") / "data", num_images=70)


@pytest.fixture(scope="module")
def coco(data: Path) -> dict:
    return read_json(data / "annotations" / "instances_train.json")


@pytest.fixture(scope="module")
def whole(data: Path) -> Survey:
    return surveyed(data)


def surveyed(path: Path, **options: object) -> Survey:
    with open_source(path, **options) as source:
        return survey(Judge(source))


def of_document(folder: Path, document: dict, format: str = "amodalsynth") -> Survey:
    path = folder / "file.json"
    path.write_bytes(orjson.dumps(document))
    return surveyed(path, format=format)


def source_of(*images: SourceImage, categories: dict | None = None) -> OpenedSource:
    return OpenedSource("coco", Path("file.json"), None, categories or {1: "plum"}, len(images), lambda: iter(images), Faults())


def without(document: dict, *keys: str) -> dict:
    return document | {"annotations": [{k: v for k, v in a.items() if k not in keys} for a in document["annotations"]]}


def test_of_our_own_data_it_says_what_stats_and_validate_say(data, coco):
    path = data / "annotations" / "instances_train.json"
    calls = []
    with open_source(data) as source:
        found = survey(Judge(source), progress=lambda done, total: calls.append((done, total)))
        assert found.validation == validate_source(source, max_examples=MAX_EXAMPLES)
    assert found.validation.num_faults == 0 and (found.validation.num_images, calls[-1]) == (70, (70, 70))
    assert found.statistics == compute_stats({"train": path}).splits["train"]
    assert found.num_derived_images == 0
    assert found.category_names == tuple(category["name"] for category in coco["categories"])


def test_columns_and_maps_are_a_count_by_hand(whole, coco):
    columns = whole.columns
    histogram, sizes, positions = np.zeros(21, int), np.zeros((24, 24), int), np.zeros((24, 24), int)
    for k, image in enumerate(coco["images"]):
        own = [a for a in coco["annotations"] if a["image_id"] == image["id"]]
        assert (columns.image_id[k], columns.file_name[k]) == (image["id"], image["file_name"])
        assert (tuple(columns.size_hw[k]), columns.num_instances[k], columns.fault_kinds[k]) == ((64, 64), len(own), 0)
        assert columns.categories[k] == tuple(sorted({a["category_id"] - 1 for a in own}))
        assert columns.deepest_layer[k] == max(a["layer"] for a in own)
        assert columns.largest_rate[k] == max(a["occlude_rate"] for a in own)
        for a in own:
            y, x = np.nonzero(decode_segmentation(a["segmentation"], (64, 64), ""))
            height, width = y.max() + 1 - y.min(), x.max() + 1 - x.min()
            sizes[min(height * 24 // 64, 23), min(width * 24 // 64, 23)] += 1
            positions[(y.min() + y.max() + 1) * 24 // 128, (x.min() + x.max() + 1) * 24 // 128] += 1
            histogram[next(bin for bin in range(21) if a["occlude_rate"] <= bin / 20)] += 1
    np.testing.assert_array_equal(whole.rate_histogram, histogram)
    np.testing.assert_array_equal(whole.size_map, sizes)
    np.testing.assert_array_equal(whole.position_map, positions)
    assert histogram[0] > 0 and histogram[1:].sum() > 0


@FEW
@given(SCENES)
def test_what_is_derived_is_what_is_declared(scenes):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = write_scenes(folder / "data", scenes)
        declared = surveyed(path)
        bare = without(read_json(path), "occlude_rate", "layer", "occluded_by", "directly_occluded_by", "area", "invisible_mask")
        derived = of_document(folder, bare, format="coco")
    assert declared.num_derived_images == 0
    assert derived.num_derived_images == sum(len(masks) > 0 for masks, _ in scenes)
    assert replace(derived.statistics, sum_rate=declared.statistics.sum_rate) == declared.statistics
    assert derived.statistics.sum_rate == pytest.approx(declared.statistics.sum_rate, abs=1e-4)
    np.testing.assert_array_equal(derived.columns.deepest_layer, declared.columns.deepest_layer)
    np.testing.assert_array_equal(derived.size_map, declared.size_map)
    np.testing.assert_allclose(derived.columns.largest_rate, declared.columns.largest_rate, atol=1e-6)


@FEW
@given(SCENES)
def test_both_orders_are_one(scenes):
    with tempfile.TemporaryDirectory() as name, open_source(write_scenes(Path(name) / "data", scenes)) as source:
        for image in source:
            size_hw = frame_of(image) or (1, 1)
            bare = replace(image, instances=tuple(replace(instance, layer=None) for instance in image.instances))
            known, found = order_image(image, size_hw), order_image(bare, size_hw)
            assert known == declared_order(image) and not known.derived and found.derived == bool(image.instances)
            assert replace(found, derived=False, visible=None) == known
            if image.instances:
                areas = [int(decode_segmentation(image.instances[i].visible, size_hw, "").sum()) for i in found.place]
                assert mask_areas(found.visible).tolist() == areas


FAR, NEAR = code("###.", "###.", "...."), code("..##", "..##", "....")


def test_of_what_is_not_known_the_order_says_so():
    crowd, broken = SourceInstance("", amodal=NEAR, crowd=1), SourceInstance("", amodal={"size": [3, 4], "counts": "oo"})
    near, far = SourceInstance("", amodal=NEAR, paint_order=5), SourceInstance("", amodal=FAR, paint_order=2)
    boxed = SourceInstance("", box=[0, 0, 3, 2])
    found = order_image(SourceImage("", 1, None, (3, 4), (near, crowd, broken, far, boxed)), (3, 4))
    assert found.place == (1, 2, 4, 3, 0)
    assert found.layer == (None, None, None, 1, 0)
    assert found.occluded_by == ((), (), (), (4,), ()) == found.directly_occluded_by
    assert found.derived and mask_areas(found.visible).tolist() == [0, 0, 0, 4, 4]


def test_declared_orders_follow_the_paint_order_or_the_layers_and_name_none_but_the_images_instances():
    def instance(key, layer, names, paint_order=None):
        return SourceInstance("", key, layer=layer, occluded_by=names, directly_occluded_by=[], paint_order=paint_order)

    image = SourceImage("", 1, None, (3, 4), (instance(7, 0, []), instance(8, 2, [7, 9, 8, 99, True, [7], {}]), instance("9", 1, [7, "9"])))
    assert (found := order_image(image, (3, 4))).place == (1, 2, 0) and found.occluded_by == ((2,), (2,), ()) and not found.derived
    painted = replace(image, instances=(*(replace(i, paint_order=k) for k, i in enumerate(image.instances)),))
    assert (found := order_image(painted, (3, 4))).place == (0, 1, 2) and found.occluded_by == ((), (0,), (0,))
    twice = replace(image, instances=(image.instances[0], instance(7, 0, []), instance(8, 2, [7])))
    assert order_image(twice, (3, 4)).occluded_by == ((), (), ())
    for layer in (-1, 1.0, True, "0", 1 << 60, None):
        assert order_image(replace(image, instances=(instance(1, layer, []),)), (3, 4)).derived


def test_the_order_of_very_many_instances_is_not_derived(monkeypatch):
    monkeypatch.setattr(ordering, "MAX_DERIVED", 2)
    found = order_image(SourceImage("", 1, None, (3, 4), (SourceInstance("", amodal=FAR),) * 3), (3, 4))
    assert (found.place, found.layer, mask_areas(found.visible).tolist()) == ((0, 1, 2), (None,) * 3, [0] * 3)


@pytest.mark.parametrize("name", ["cocoa", "kins", "kins2020", "uoais", "cocoa-cls"])
def test_exports_in_other_formats_have_the_same_statistics(data, whole, tmp_path, name):
    export_dataset(name, data, tmp_path / "out", options=ExportOptions(images="none"))
    file = next(iter(sorted((tmp_path / "out" / "annotations").glob("*.json"))))
    found = surveyed(file)
    theirs, ours = found.statistics.to_json(), whole.statistics.to_json()
    for key in (
        "num_images",
        "num_instances",
        "num_occluded_instances",
        "mean_occlusion_rate",
        "layers",
        "num_occlusion_pairs",
        "num_direct_pairs",
    ):
        assert theirs[key] == pytest.approx(ours[key], abs=1e-4), key
    np.testing.assert_array_equal(found.columns.deepest_layer, whole.columns.deepest_layer)
    np.testing.assert_array_equal(found.position_map, whole.position_map)
    if name == "cocoa":
        assert found.num_derived_images == len(found.columns.image_id)


HOSTILE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.text(max_size=5),
    st.lists(
        st.one_of(st.integers(-3, 300), st.floats(), st.text(max_size=2), st.none(), st.lists(st.integers(-9, 300), max_size=2)), max_size=5
    ),
    st.dictionaries(st.sampled_from(["size", "counts", "x"]), st.one_of(st.integers(-3, 99), st.lists(st.integers(-3, 99), max_size=3))),
)


@settings(deadline=None, max_examples=120)
@given(st.data())
def test_what_is_broken_hides_nothing_else(coco, whole, drawn):
    document = copy.deepcopy(coco | {"images": coco["images"][:3]})
    ids = [image["id"] for image in document["images"]]
    document["annotations"] = [a for a in document["annotations"] if a["image_id"] in ids]
    first = [a for a in document["annotations"] if a["image_id"] == ids[0]]
    for _ in range(drawn.draw(st.integers(1, 4))):
        entry = drawn.draw(st.sampled_from([document["images"][0], *first]))
        key = drawn.draw(st.sampled_from([key for key in entry if key not in ("id", "image_id")]))
        entry[key] = drawn.draw(HOSTILE)
    with tempfile.TemporaryDirectory() as name:
        found = of_document(Path(name), document)
        with open_source(Path(name) / "file.json", format="amodalsynth") as source:
            assert found.validation == validate_source(source, max_examples=MAX_EXAMPLES)
            bits = [{fault.kind for fault in faults} for _, faults in Judge(source)]
            assert found.columns.fault_kinds.tolist() == [sum(1 << list(KINDS).index(kind) for kind in kinds) for kinds in bits]
    assert found.columns.deepest_layer[1:].tolist() == whole.columns.deepest_layer[1:3].tolist()
    assert found.columns.largest_rate[1:].tolist() == whole.columns.largest_rate[1:3].tolist()
    assert found.columns.categories[1:] == whole.columns.categories[1:3]
    assert found.statistics.num_instances == len(document["annotations"]) and found.statistics.num_rated <= found.statistics.num_instances
    assert found.rate_histogram.sum() == found.statistics.num_rated
    assert found.size_map.sum() == found.position_map.sum() <= found.statistics.num_instances
    assert 0 <= found.statistics.mean_rate <= 1 and sum(found.statistics.categories.values()) <= found.statistics.num_instances


def test_one_without_a_rate_leaves_the_others_counted(tmp_path, coco):
    document = copy.deepcopy(coco)
    for key in ("visible_mask", "invisible_mask", "occlude_rate"):
        del document["annotations"][0][key]
    found = of_document(tmp_path, document).statistics
    assert found.num_rated == found.num_instances - 1
    rates = [a["occlude_rate"] for a in document["annotations"][1:]]
    assert found.mean_rate == pytest.approx(np.mean(rates)) and found.occluded_share == pytest.approx(np.mean(np.array(rates) > 0))


def test_what_no_image_has_is_not_recorded():
    boxed = SourceImage("", 1, None, (10, 20), (SourceInstance("", 1, 1, box=[5, 0, 10, 5], area=40), SourceInstance("", 2, 9)))
    found = survey(Judge(source_of(boxed)))
    assert (found.rate_histogram, found.statistics.sum_rate, found.statistics.layers, found.statistics.num_pairs) == (None,) * 4
    assert (found.columns.deepest_layer.tolist(), np.isnan(found.columns.largest_rate).tolist()) == ([-1], [True])
    assert (found.statistics.sum_area, found.statistics.mean_area, found.statistics.categories) == (40, 40, {"plum": 1})
    assert np.argwhere(found.size_map).tolist() == [[12, 12]] and np.argwhere(found.position_map).tolist() == [[6, 12]]


def test_a_source_without_images():
    found = survey(Judge(source_of()))
    assert found.columns.size_hw.shape == (0, 2) and found.statistics.num_images == 0 and found.columns.categories == []
    assert found.rate_histogram.sum() == found.size_map.sum() == 0


def test_categories_of_one_name_add_up():
    image = SourceImage("", 1, None, (3, 4), (SourceInstance("", 1, 1, FAR), SourceInstance("", 2, 2, FAR), SourceInstance("", 3, 3, FAR)))
    found = survey(Judge(source_of(image, categories={1: "plum", 2: "lime", 3: "plum"})))
    assert found.category_names == ("plum", "lime") and found.columns.categories == [(0, 1)]
    assert found.statistics.categories == {"plum": 2, "lime": 1}


def test_an_image_out_of_order_has_the_faults_of_the_pass(tmp_path, coco):
    document = copy.deepcopy(coco)
    for k, annotation in enumerate(document["annotations"]):
        annotation |= {"point_coords": [annotation["bbox"][:2]] * (2 + (k == 40)), "point_labels": [0] * (2 + (k == 40))}
        annotation["area"] += k % 3
    path = tmp_path / "file.json"
    path.write_bytes(orjson.dumps(document))
    with open_source(path, format="coco") as source:
        judge = Judge(source)
        in_order = [faults for _, faults in judge]
        assert {fault.kind for faults in in_order for fault in faults} >= {"area", "point"}
        alone = [judge.judge_image(source.at(k)) for k in reversed(range(len(source)))][::-1]
        assert alone == [[replace(fault, image=0) for fault in faults] for faults in in_order]
        assert [image for block, faults in Judge(source).blocks() for image in block.images] == list(source)


def test_rates_that_a_file_leaves_open_are_those_of_its_derived_visible_masks(coco, whole):
    """A file with amodal masks and the paint order says as much as one with everything."""
    bare = {"id", "image_id", "category_id", "segmentation", "paint_order"}
    document = coco | {"annotations": [{key: value for key, value in a.items() if key in bare} for a in coco["annotations"]]}
    with tempfile.TemporaryDirectory() as name:
        found = of_document(Path(name), document)
    assert found.num_derived_images == len(found.columns.image_id)
    np.testing.assert_allclose(found.columns.largest_rate, whole.columns.largest_rate, atol=1e-6)
    assert found.columns.deepest_layer.tolist() == whole.columns.deepest_layer.tolist()
    assert found.rate_histogram.tolist() == whole.rate_histogram.tolist()
