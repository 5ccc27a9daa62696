"""Reading a data set back: pixels, masks, appearances and peeled scenes."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

import amodalsynth
from amodalsynth.errors import DataError
from amodalsynth.generate import generate_dataset, generate_sample
from amodalsynth.records.part import OutputOptions
from tests.strategies import SMALL, DrawnPool

POOL = DrawnPool(split="val")
PRESET = replace(SMALL, name="drawn", image_size=(64, 64), foregrounds="folder", backgrounds="folder", categories=POOL.categories)


@pytest.fixture(scope="module", params=["tar", "files"])
def data(request, tmp_path_factory):
    out = tmp_path_factory.mktemp("reader") / "out"
    generate_dataset(PRESET, POOL, out, split="val", num_images=150, seed=0, options=OutputOptions("png", request.param))
    return amodalsynth.open(out)


def test_everything_comes_back(data):
    assert (len(data), data.split, data.categories) == (150, "val", {1: "red", 2: "green"})
    for k in (0, 1, 77, 149):
        record, sample = data[k], generate_sample(PRESET, POOL, "val", k, 0)
        assert record.image_id == k + 1
        assert (record.image == sample.rendering.image).all()
        assert (record.background == sample.rendering.background).all()
        assert len(record.appearances) == len(sample.rendering.appearances)
        for there, made in zip(record.appearances, sample.rendering.appearances):
            assert there.offset_xy == made.offset_xy and (there.rgba == made.rgba).all()
        annotation = record.annotation
        for name in ("category_id", "instance_map", "occlusion_order", "direct_occlusion", "layer_order", "amodal_box", "visible_box"):
            assert (getattr(annotation, name) == getattr(sample.annotation, name)).all(), name
        assert [entry["layer"] for entry in record.entries] == annotation.layer_order.tolist()


def test_indexing(data):
    assert data[-1].image_id == 150 and data.by_image_id(20).image_id == 20
    with pytest.raises(IndexError):
        data[150]
    with pytest.raises(DataError, match="no image has id 151"):
        data.by_image_id(151)
    assert sum(1 for _ in data) == 150
    there = pickle.loads(pickle.dumps(data))
    assert (there[5].image == data[5].image).all()


def test_peeling_shows_what_lies_below(data):
    record = next(record for record in data if max(entry["layer"] for entry in record.entries) >= 2)
    assert (record.peeled(0) == record.image).all()
    assert (record.peeled(9) == record.background).all()
    annotation = record.annotation
    deeper = annotation.layer_order >= 1
    covered = annotation.amodal_mask[deeper].any(axis=0)
    peeled = record.peeled(1)
    front_only = annotation.amodal_mask[~deeper].any(axis=0) & ~covered
    alpha_edges = np.zeros_like(covered)
    for appearance in record.appearances:
        (x, y), (height, width) = appearance.offset_xy, appearance.rgba.shape[:2]
        alpha_edges[y : y + height, x : x + width] |= (appearance.rgba[..., 3] > 0) & (appearance.rgba[..., 3] < 255)
    inside = front_only & ~alpha_edges
    assert inside.any() and (peeled[inside] == record.background[inside]).all()


def test_faults_are_named(data, tmp_path):
    with pytest.raises(DataError, match="no finished split 'train'; finished: val"):
        amodalsynth.open(data.layout.root, "train")
    with pytest.raises(DataError, match="no data set"):
        amodalsynth.open(tmp_path)
    record = data[0]
    record.image_entry["file_name"] = "../../../etc/passwd"
    with pytest.raises(DataError, match="leads out of the data set"):
        record.image  # noqa: B018 - reading it is the test
    record.image_entry["file_name"] = "gone.png"
    with pytest.raises(DataError, match=r"gone\.png: cannot be read"):
        record.image  # noqa: B018


def test_without_appearances(tmp_path):
    generate_dataset(PRESET, POOL, tmp_path / "bare", split="val", num_images=3, seed=0, options=OutputOptions(appearances=False))
    record = amodalsynth.open(tmp_path / "bare")[0]
    assert record.annotation.amodal_mask.any()
    with pytest.raises(DataError, match="without appearances"):
        record.appearances  # noqa: B018
