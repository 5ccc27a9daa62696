"""`amodalsynth export` and `amodalsynth formats`."""

import json
from pathlib import Path

import numpy as np
import pytest

from amodalsynth.exporters import FORMATS, abouts
from amodalsynth.exporters.polygons import PIXELS_CHANGED
from tests.formats_support import read_json, tiny_dataset, write_scenes
from tests.tiny_runs import call


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_dataset(tmp_path_factory.mktemp("export") / "data", num_images=2, splits=("train", "test"))


def test_export_says_what_it_wrote(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said, warned = call(capsys, "export", "coco", data, "--to", tmp_path / "out", "--images", "none", "--rle", "uncompressed")
    assert said.splitlines()[0].startswith("train: 2 images, ") and warned == ""
    assert "annotations/instances_train.json" in said
    counts = read_json(tmp_path / "out" / "annotations" / "instances_test.json")["annotations"][0]["segmentation"]["counts"]
    assert isinstance(counts, list)
    said, _ = call(capsys, "export", "coco", data, "--to", tmp_path / "one", "--split", "test", "--segmentation", "visible")
    assert said.startswith("test: 2 images") and not (tmp_path / "one" / "annotations" / "instances_train.json").exists()


def test_losses_are_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mask = np.ones((1, 5, 7), bool)
    mask[0, 2, 2] = mask[0, :, 4] = False
    write_scenes(tmp_path / "data", [(mask, np.array([1]))])
    _, warned = call(capsys, "export", "kins", tmp_path / "data", "--to", tmp_path / "out")
    assert warned.splitlines() == [
        "Warning: kins: 1 fragments joined to one polygon by bridges of no width",
        "Warning: kins: 1 holes bridged by a cut of no width",
    ]


def test_simplified_outlines_are_warned_of(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every format with polygons obeys --tolerance; boxes, areas and run-length codes stay those of the masks."""
    simplified = {about.name for about in abouts() if "tolerance" in about.options}
    assert simplified == {"coco", "cocoa", "kins", "aisformer", "bcnet", "aistron", "yolo-seg"}
    for name in sorted(simplified):
        size, warnings = [], []
        for tolerance in (0, 2):
            to = tmp_path / f"{name}-{tolerance}"
            form = ["--rle", "polygon"] if name == "coco" else []
            _, warned = call(
                capsys, "export", name, data, "--to", to, "--split", "train", "--images", "none", *form, "--tolerance", tolerance
            )
            size.append(sum(path.stat().st_size for path in to.rglob("*") if path.suffix in (".json", ".txt") and path.stem != "croissant"))
            warnings.append(PIXELS_CHANGED in warned)
        assert size[1] < 0.9 * size[0] and warnings == [False, True], name
    exact, simple = (read_json(tmp_path / f"kins-{tolerance}" / "annotations" / "instances_train.json") for tolerance in (0, 2))
    for a, b in zip(exact["annotations"], simple["annotations"], strict=True):
        assert a.pop("segmentation") != b.pop("segmentation") and a == b


def test_formats_lists_all_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    said, _ = call(capsys, "formats")
    assert all(f"\n{name} " in f"\n{said}" for name in FORMATS)
    assert said.count("lost: ") == len(FORMATS)
    listed = json.loads(call(capsys, "formats", "--json")[0])
    assert [about["name"] for about in listed] == list(FORMATS)
    assert listed[0]["options"] == ["images", "segmentation", "rle", "tolerance"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["kns"], 2, "unknown format 'kns'; did you mean 'kins'?"),
        (["zzz"], 2, "unknown format 'zzz'; known: coco, coco-points"),
        (["kins", "--rle", "polygon"], 2, "--rle polygon: the format kins does not obey it; it obeys --images, --tolerance"),
        (["coco", "--seed", "3"], 2, "--seed 3: the format coco does not obey it"),
        (["uoais", "--tolerance", "1"], 2, "--tolerance 1.0: the format uoais does not obey it; it obeys --images"),
        (["coco", "--tolerance", "1"], 2, "--tolerance 1.0: the format coco obeys it with --rle polygon only, got --rle compressed"),
        (["kins", "--tolerance", "inf"], 2, "tolerance: expected a finite number of pixels, 0 or more, got inf"),
        (["coco", "--split", "val"], 3, "no finished split 'val'; finished: train, test"),
    ],
)
def test_faults_take_one_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, message: str
) -> None:
    said, warned = call(capsys, "export", arguments[0], data, "--to", tmp_path / "out", *arguments[1:], status=status)
    assert (said, warned.count("\n")) == ("", 1) and message in warned
    assert not (tmp_path / "out").exists()


def test_a_second_export_to_the_same_place_is_refused(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call(capsys, "export", "coco", data, "--to", tmp_path / "out", "--split", "train")
    _, warned = call(capsys, "export", "cocoa", data, "--to", tmp_path / "out", "--split", "train", status=2)
    assert "annotations/instances_train.json is there already; remove it" in warned
    call(capsys, "export", "coco", data, "--to", tmp_path / "out", "--split", "test")
    assert sorted(path.name for path in (tmp_path / "out" / "annotations").iterdir()) == ["instances_test.json", "instances_train.json"]
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".")] == []
