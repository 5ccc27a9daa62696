"""What a report holds: parts, rows, scenes with their points and pictures, and the summary that the templates show."""

import dataclasses
import shutil

import numpy as np
import orjson
import pytest
from PIL import Image

import amodalsynth
from amodalsynth.errors import ConfigurationError, DataError
from amodalsynth.generate import generate_dataset
from amodalsynth.points import points_path, write_points
from amodalsynth.report.build import open_report
from amodalsynth.report.page import render_page
from amodalsynth.report.pictures import data_url
from amodalsynth.report.point_file import open_points
from amodalsynth.report.summary import summarise
from tests.formats_support import PRESET, tiny_dataset
from tests.strategies import DrawnPool
from tests.test_cli_report import results_of


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tiny_dataset(tmp_path_factory.mktemp("build") / "discs", num_images=8, splits=("train", "test"))
    coco = folder / "annotations" / "instances_train.json"
    write_points(coco, points_path(coco, 10))
    return folder


@pytest.fixture(scope="module")
def report(data):
    with open_report(data) as opened:
        yield opened


def to_url(name, picture):
    return data_url(picture)


def test_scenes_are_those_of_the_data_set(report, data):
    assert [part.name for part in report.parts] == ["train", "test"] and report.num_rows == report.num_images == 16
    index = report.data({"kind": "inline"})["index"]
    assert len({len(column) for name, column in index.items() if name != "quality"}) == 1
    for row in (0, 5, 8, 15):
        record = amodalsynth.open(data, "train" if row < 8 else "test")[row % 8]
        scene = report.scene(row, to_url)
        assert index["id"][row] == record.image_id and index["instances"][row] == len(record.entries)
        assert [i["id"] for i in scene["instances"]] == [e["id"] for e in record.entries]
        assert [i["amodal"] for i in scene["instances"]] == [e["segmentation"]["counts"] for e in record.entries]
        names = [report.categories[i["category"]] for i in scene["instances"]]
        assert names == [PRESET.categories[e["category_id"] - 1] for e in record.entries]
        order = np.array([[j in i["occludedBy"] for j in range(len(scene["instances"]))] for i in scene["instances"]])
        assert (order == record.annotation.occlusion_order).all()
        assert all(len(i["points"]) == 10 if row < 8 else i["points"] is None for i in scene["instances"])
        assert index["layer"][row] == max(i["layer"] for i in scene["instances"])
        assert orjson.loads(orjson.dumps(scene)) == scene


def test_points_that_do_not_fit_are_left_aside(data, tmp_path):
    coco = tmp_path / "annotations" / "instances_train.json"
    coco.parent.mkdir()
    coco.write_bytes((data / "annotations" / "instances_train.json").read_bytes())
    assert open_points(coco) is None
    points = points_path(coco, 10)
    points.write_text("half a fi")
    assert open_points(coco) is None
    written = orjson.loads(points_path(data / "annotations" / "instances_train.json", 10).read_bytes())
    for annotation in written["annotations"][::2]:
        annotation["id"] += 10_000
    points.write_bytes(orjson.dumps(written))
    with open_report(coco) as opened:
        known = [i["points"] is not None for row in range(opened.num_rows) for i in opened.scene(row, to_url)["instances"]]
    assert known == [i % 2 == 1 for i in range(len(known))]


def test_faults_name_files_and_no_folder_of_this_machine(data, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(data, folder)
    (folder / "images" / "train" / "000000002.jpg").unlink()
    Image.new("RGB", (10, 10)).save(folder / "images" / "train" / "000000003.jpg")
    coco = orjson.loads((folder / "annotations" / "instances_train.json").read_bytes())
    coco["images"][3]["file_name"] = "../../secret.jpg"
    (folder / "annotations" / "instances_train.json").write_bytes(orjson.dumps(coco))
    with open_report(folder) as opened:
        faults = [fault for row in (1, 2, 3) for fault in opened.scene(row, to_url)["faults"]]
        (summary,) = summarise(opened)["sets"]
    examples = [example for kind in summary.faults for _, _, example in kind.examples]
    assert len(faults) == len(examples) == summary.num_faults == 3
    for message in (*examples, *(fault["message"] for fault in faults)):
        assert str(tmp_path) not in message
    assert "000000002.jpg" in examples[0] and "10 x 10" in examples[1] and "secret" in examples[2]


def test_pictures_by_name(report):
    assert report.picture(3, "image").media_type == "image/jpeg" and report.picture(3, "background") is not None
    count = len(report.scene(3, to_url)["instances"])
    assert report.picture(3, str(count - 1)).media_type == "image/png"
    for name in (str(count), "-1", "../3", "", "²", "images"):
        assert report.picture(3, name) is None


def test_two_data_sets_share_the_places(data, tmp_path):
    small = dataclasses.replace(PRESET, name="small")
    generate_dataset(small, DrawnPool(split="val"), tmp_path / "small", split="val", num_images=3, seed=0)
    with open_report(data, against=tmp_path / "small", max_images=10) as opened:
        assert [opened.parts[p].name for p, _ in opened.rows].count("other/val") == 3 and opened.num_rows == 10
        context = summarise(opened)
        assert set(context["views"]) == {"overview", "gallery", "compare", "image"}
        assert {tuple(e.name for e in chart.legend) for chart in context["compared_charts"]} == {("discs", "small")}
    with open_report(data, against=data, max_images=10) as opened:
        assert sorted(part.set for p, _ in opened.rows for part in [opened.parts[p]]) == [0] * 5 + [1] * 5


def test_numbers_stand_in_their_order_and_what_one_set_lacks_is_said(data, tmp_path):
    """A file with boxes alone has no rates, nor can they be derived; its images have other numbers of instances."""
    coco = orjson.loads((data / "annotations" / "instances_train.json").read_bytes())
    keep = {"id", "image_id", "category_id", "bbox"}
    lacking = coco | {"annotations": [{k: v for k, v in a.items() if k in keep} for a in coco["annotations"][:1]]}
    (tmp_path / "boxes.json").write_bytes(orjson.dumps(lacking))
    with open_report(data, against=tmp_path / "boxes.json") as opened:
        charts = {chart.key: chart for chart in summarise(opened)["compared_charts"]}
    labels = [row[0] for row in charts["compared-instances"].table[1:]]
    assert labels == sorted(labels, key=int) and labels[:2] == ["0", "1"]
    assert [entry.name for entry in charts["compared-rates"].legend] == ["discs", "boxes.json (not recorded)"]


@pytest.mark.parametrize(
    "content", ["{}", "[1", '{"preset": 5, "seed": 0, "splits": 1, "output": 2, "assets": {"foregrounds": {"files": 5}}}']
)
def test_a_strange_dataset_json_stops_no_report(data, tmp_path, content):
    folder = tmp_path / "copy"
    shutil.copytree(data, folder)
    (folder / "dataset.json").write_text(content)
    with open_report(folder, split="test") as opened:
        (summary,) = summarise(opened)["sets"]
        assert summary.configuration == () and opened.num_rows == 8


def test_a_folder_with_a_name_that_is_no_text(data, tmp_path):
    folder = tmp_path / "caf\udce9"
    shutil.copytree(data, folder)
    with open_report(folder, split="test") as opened:
        page = render_page(summarise(opened), data=opened.data({"kind": "inline"}), inline={})
    assert "<title>caf?</title>" in page.decode()


def test_very_long_names_are_cut_everywhere(data, tmp_path):
    """Browsers take minutes to break a line of a million letters."""
    coco = orjson.loads((data / "annotations" / "instances_test.json").read_bytes())
    long = "y" * 1_000_000
    coco["categories"][0]["name"] = long
    coco["images"][0]["file_name"] = long
    (tmp_path / "long.json").write_bytes(orjson.dumps(coco))
    results = results_of(data, tmp_path / "model.json")
    with open_report(tmp_path / "long.json", results=results) as opened:
        scenes = {f"scene-{row}": opened.scene(row, to_url) for row in range(opened.num_rows)}
        page = render_page(summarise(opened), data=opened.data({"kind": "inline"}), inline=scenes)
    assert b"y" * 400 in page and b"y" * 1000 not in page


def test_points_of_another_file_are_shown_and_not_judged(data, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(data, folder)
    points = points_path(folder / "annotations" / "instances_train.json", 10)
    written = orjson.loads(points.read_bytes())
    for annotation in written["annotations"]:
        annotation["point_labels"] = [1 - label for label in annotation["point_labels"]]
    points.write_bytes(orjson.dumps(written))
    with open_report(folder, split="train") as opened:
        scene = opened.scene(0, to_url)
        assert scene["faults"] == [] == opened.data({})["index"]["faults"][0] and all(i["points"] for i in scene["instances"])


def test_models(data, tmp_path):
    first = results_of(data, tmp_path / "model.json")
    (tmp_path / "again").mkdir()
    second = results_of(data, tmp_path / "again" / "model.json")
    with open_report(data, results=first, against=second) as opened:
        assert opened.model_names == ["model (1)", "model (2)"]
        assert opened.data({})["thresholds"] == [0.9, 0.9]
        assert all(value == 100 for column in opened.data({})["index"]["quality"] for value in column)
        scene = opened.scene(2, to_url)
        for found in scene["detections"]:
            assert sorted(d["instance"] for d in found) == list(range(len(scene["instances"])))
            for detection in found:
                instance = scene["instances"][detection["instance"]]
                assert detection["iou"] == 1 and detection["category"] == instance["category"] and detection["layer"] == instance["layer"]
        context = summarise(opened)
        assert set(context["views"]) == {"overview", "gallery", "predictions", "compare", "image"}
        assert ("mask", "100.0", "100.0", "+0.0") in context["compared_tables"][0].rows
        confusion = context["models"][0].confusion
        assert all(count == 0 or i == j for i, (_, cells) in enumerate(confusion.rows) for j, (count, _) in enumerate(cells))
    with open_report(data, split="train", results=results_of(data, tmp_path / "train.json", "train")) as opened:
        assert [part.name for part in opened.parts] == ["train"]
    with pytest.raises(DataError, match="image_id"):  # those of test, judged on train: fewer instances do not hide it
        coco = orjson.loads(first.read_bytes())
        (tmp_path / "wrong.json").write_bytes(orjson.dumps([{**d, "image_id": 99} for d in coco]))
        open_report(data, results=tmp_path / "wrong.json")


def test_results_need_a_split(tmp_path):
    for split in ("train", "val"):
        generate_dataset(PRESET, DrawnPool(split=split), tmp_path / "out", split=split, num_images=2, seed=0)
    with pytest.raises(ConfigurationError, match="--split train or val"):
        open_report(tmp_path / "out", results=tmp_path / "model.json")


def test_the_summary_counts_what_stats_counts(report, data):
    from amodalsynth.stats import read_stats

    stats = read_stats(data)
    (summary,) = summarise(report)["sets"]
    assert {tile.name: tile.value for tile in summary.tiles}["instances"] == f"{stats.total.num_instances:,}"
    charts = {chart.key: chart for chart in summary.charts}
    for key, counts in (("instances", stats.total.histogram), ("layers", stats.total.layers), ("categories", stats.total.categories)):
        assert [row[:2] for row in charts[key].table[1:]] == [(str(name), f"{count:,}") for name, count in counts.items()]
    assert sum(int(row[1].replace(",", "")) for row in charts["rates"].table[1:]) == stats.total.num_instances
    assert sum(int(cell) for row in charts["positions"].table[1:] for cell in row[1:]) == stats.total.num_instances
    assert dict(summary.facts)["seed"] == "0" and ("image_size", "64, 64") in [row[:2] for row in summary.configuration]
    assert {source[0] for source in summary.sources} == {"foregrounds", "backgrounds"}
