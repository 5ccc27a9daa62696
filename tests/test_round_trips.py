"""Out through an exporter and back through an importer: the same masks, orders and categories wherever the format holds them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import amodalsynth
from amodalsynth.coco_index import CocoIndex
from amodalsynth.exporters.base import ExportOptions
from amodalsynth.exporters.driver import export_dataset
from amodalsynth.importers import open_source
from amodalsynth.importers.driver import import_dataset
from amodalsynth.importers.report import ImportReport
from amodalsynth.labelled import LabelledImage, read_labelled
from amodalsynth.records.layout import Layout
from tests.formats_support import labelled_scenes, tiny_dataset, write_scenes
from tests.strategies import judge

FORMATS = ("coco", "aisformer", "bcnet", "cocoa", "cocoa-cls", "kins", "kins2020", "uoais", "aistron", "mp3d-amodal", "sail-vos")


def back(path: Path, out: Path, images: str = "none", split: str | None = None) -> ImportReport:
    with open_source(path, split=split) as source:
        assert list(source.faults) == []
        return import_dataset(source, out, images=images)


def read(file: Path) -> list[tuple[LabelledImage, list[str]]]:
    with CocoIndex.open(file) as index:
        names = {category["id"]: category["name"] for category in index.categories}
        return [(image, [names[key] for key in image.category_id.tolist()]) for image in read_labelled(index)]


def assert_same(first: Path, second: Path) -> None:
    for (image, names), (other, other_names) in zip(read(first), read(second), strict=True):
        assert (image.image_id, image.file_name.rsplit("/")[-1], image.size_hw) == (
            other.image_id,
            other.file_name.rsplit("/")[-1],
            other.size_hw,
        )
        assert image.codes == other.codes and names == other_names
        for name in ("occlusion_order", "direct_occlusion", "layer_order"):
            assert np.array_equal(getattr(image, name), getattr(other, name)), name


@pytest.mark.parametrize("name", FORMATS)
@given(scenes=st.lists(labelled_scenes(), min_size=1, max_size=3))
@settings(deadline=None, max_examples=12)
def test_scenes_with_holes_and_fragments_come_back(tmp_path_factory, name, scenes):
    folder = tmp_path_factory.mktemp("trip")
    file = write_scenes(folder / "data", scenes)
    export_dataset(name, file, folder / "to", options=ExportOptions(images="none"))
    report = back(folder / "to", folder / "out")
    assert report.left_out == {} and "undetermined" not in report.derived and "cycles" not in report.derived
    assert_same(file, Layout(folder / "out").annotations("train"))


@pytest.mark.parametrize("rle", ["uncompressed", "polygon"])
def test_coco_comes_back_however_its_masks_are_written(tmp_path, rle):
    data = tiny_dataset(tmp_path / "data")
    export_dataset("coco", data, tmp_path / "to", options=ExportOptions(images="none", rle=rle))
    back(tmp_path / "to", tmp_path / "out")
    assert_same(Layout(data).annotations("train"), Layout(tmp_path / "out").annotations("train"))


def test_our_own_data_comes_back_whole(tmp_path):
    data = tiny_dataset(tmp_path / "data")
    assert back(data, tmp_path / "out", images="link").derived == {}
    assert_same(Layout(data).annotations("train"), Layout(tmp_path / "out").annotations("train"))
    judge(tmp_path / "out", "train", "--bare", "--no-appearances")
    first, second = amodalsynth.open(data), amodalsynth.open(tmp_path / "out")
    assert first.categories == second.categories and all(np.array_equal(first[k].image, second[k].image) for k in range(len(first)))
