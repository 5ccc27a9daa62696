"""The record that exporters map is what the reader gives: the same masks, orders and layers, and a fault names its annotation."""

import numpy as np
import orjson
import pytest

import amodalsynth
from amodalsynth.coco_index import CocoIndex
from amodalsynth.errors import DataError
from amodalsynth.labelled import read_labelled
from amodalsynth.masks import run_lengths
from amodalsynth.records.layout import Layout


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    preset = amodalsynth.with_folders(amodalsynth.PRESETS["intra-afruit"], "builtin", "builtin")
    pool = amodalsynth.load_pool(preset, "test", foregrounds="builtin", backgrounds="builtin")
    out = tmp_path_factory.mktemp("data") / "fruit"
    amodalsynth.generate_dataset(preset, pool, out, split="test", num_images=8, seed=1)
    return out


def images(path):
    with CocoIndex.open(path) as index:
        return list(read_labelled(index))


def test_what_the_reader_gives(data):
    found = images(Layout(data).annotations("test"))
    records = list(amodalsynth.open(data, "test"))
    assert len(found) == len(records) == 8
    for image, record in zip(found, records, strict=True):
        annotation, entries = record.annotation, record.entries
        assert (image.image_id, image.size_hw, len(image)) == (record.image_id, record.size_hw, len(entries))
        assert [*image.codes[0], *image.codes[1], *image.codes[2]] == run_lengths(annotation.spans)
        assert (image.occlusion_order == annotation.occlusion_order).all() and (image.direct_occlusion == annotation.direct_occlusion).all()
        assert (image.layer_order == annotation.layer_order).all() and (image.category_id == annotation.category_id).all()
        assert image.areas[0].tolist() == [e["area"] for e in entries]
        assert image.occlusion_rate.tolist() == [e["occlude_rate"] for e in entries]
        assert image.boxes_xywh[0].tolist() == [e["bbox"] for e in entries]
        assert image.boxes_xywh[1].tolist() == [e["visible_bbox"] for e in entries]
        assert [image.occluders(i) for i in range(len(image))] == [np.flatnonzero(row).tolist() for row in annotation.occlusion_order]


def broken(data, tmp_path, change):
    coco = orjson.loads(Layout(data).annotations("test").read_bytes())
    change(coco["annotations"][0])
    path = tmp_path / "broken.json"
    path.write_bytes(orjson.dumps(coco))
    return path


def test_a_file_of_another_layout_is_refused_with_advice(data, tmp_path):
    with pytest.raises(DataError, match=r"annotation 1: expected the key 'paint_order'.*amodalsynth import"):
        images(broken(data, tmp_path, lambda entry: entry.pop("paint_order")))


def test_an_occluder_that_is_not_there_is_named(data, tmp_path):
    with pytest.raises(DataError, match=r"annotation 1: 'occluded_by' names annotation 99999"):
        images(broken(data, tmp_path, lambda entry: entry.update(occluded_by=[99999])))
