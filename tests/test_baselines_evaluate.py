"""A run evaluated: the keys that the issue names, AP as pycocotools has it, and categories matched by name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from amodalsynth.baselines.evaluate import evaluate_run
from amodalsynth.coco_index import find_coco_files
from amodalsynth.errors import ConfigurationError, DataError
from tests.tiny_runs import EVERYTHING, TEST_IMAGES, TINY, tiny_data, tiny_run

PRECISION = {"AP", "AP50", "AP75"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_run(tmp_path_factory.getbasetemp())[0]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_data(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def evaluated(run: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    to = tmp_path_factory.mktemp("evaluated") / "made" / "here"
    return to, evaluate_run(run, data, device="cpu", batch_size=3, assignments=EVERYTHING, to=to)


def test_the_keys_are_the_issues(evaluated: tuple[Path, dict[str, Any]]) -> None:
    to, evaluation = evaluated
    for name in ("box", "mask"):
        assert set(evaluation[name]) == PRECISION and all(0 <= value <= 100 for value in evaluation[name].values())
    assert set(evaluation["mask_by_layer"]) >= {"L0", "L1"} and all(
        set(scores) == PRECISION for scores in evaluation["mask_by_layer"].values()
    )
    assert set(evaluation["mask_by_occlusion"]) == {"0", "0-25", "25-50", "50-75", "75-100"}
    assert 0 <= evaluation["layer_accuracy"] <= 100
    assert set(evaluation["order"]) == {"precision", "recall", "f1"} and set(evaluation["miou"]) == {"amodal", "invisible"}
    assert (evaluation["batch_size"], evaluation["device"], evaluation["num_images"]) == (3, "cpu", TEST_IMAGES)
    assert evaluation["fps"] > 0 and evaluation["tta"] is False and evaluation["postprocess"] == TINY.postprocess
    results = json.loads((to / "results-test.json").read_bytes())
    assert evaluation["detections_per_image"] == len(results) / TEST_IMAGES > 0
    assert json.loads((to / "evaluation-test.json").read_bytes()) == evaluation


@pytest.mark.parametrize(("name", "kind"), [("box", "bbox"), ("mask", "segm")])
def test_ap_is_that_of_pycocotools(name: str, kind: str, evaluated: tuple[Path, dict[str, Any]], data: Path) -> None:
    to, evaluation = evaluated
    truth = COCO(str(find_coco_files(data, "test")["test"]))
    judge = COCOeval(truth, truth.loadRes(str(to / "results-test.json")), kind)
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    assert [evaluation[name][key] for key in ("AP", "AP50", "AP75")] == pytest.approx(100 * judge.stats[:3], abs=1e-6)
    assert evaluation[name]["AP50"] > 0


def test_the_results_are_masks_of_the_images(evaluated: tuple[Path, dict[str, Any]], data: Path) -> None:
    to, _ = evaluated
    coco = json.loads(find_coco_files(data, "test")["test"].read_bytes())
    sizes = {image["id"]: [image["height"], image["width"]] for image in coco["images"]}
    results = json.loads((to / "results-test.json").read_bytes())
    assert {result["image_id"] for result in results} == set(sizes)
    for result in results:
        assert result["segmentation"]["size"] == sizes[result["image_id"]]
        assert coco_mask.decode(result["segmentation"]).dtype == np.uint8
        assert 0 <= result["layer"] < 5


def changed(data: Path, out: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """The test split's COCO file, changed, beside its images."""
    content = json.loads(find_coco_files(data, "test")["test"].read_bytes())
    change(content)
    shutil.copytree(data / "images" / "test", out / "images" / "test")
    path = out / "annotations" / "instances_test.json"
    path.parent.mkdir()
    path.write_text(json.dumps(content))
    return path


def test_categories_are_matched_by_name(run: Path, data: Path, evaluated: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    """With other ids, in another order, and one more that the model does not know."""
    ids = {1: 40, 2: 17}

    def renumber(content: dict[str, Any]) -> None:
        content["categories"] = [{"id": 3, "name": "fig"}, *({**c, "id": ids[c["id"]]} for c in reversed(content["categories"]))]
        for annotation in content["annotations"]:
            annotation["category_id"] = ids[annotation["category_id"]]

    path = changed(data, tmp_path / "other", renumber)
    evaluation = evaluate_run(run, path, device="cpu", batch_size=3, assignments=EVERYTHING, to=tmp_path)
    assert {name: evaluation[name] for name in ("box", "mask")} == {name: evaluated[1][name] for name in ("box", "mask")}
    before, after = (json.loads((to / "results-test.json").read_bytes()) for to in (evaluated[0], tmp_path))
    assert [result["category_id"] for result in after] == [ids[result["category_id"]] for result in before]


def test_a_category_that_the_data_lack_does_not_count(run: Path, data: Path, tmp_path: Path) -> None:
    def rename(content: dict[str, Any]) -> None:
        content["categories"][0]["name"] = "fig"

    path = changed(data, tmp_path / "other", rename)
    evaluate_run(run, path, device="cpu", assignments=EVERYTHING, to=tmp_path)
    results = json.loads((tmp_path / "results-test.json").read_bytes())
    assert results and {result["category_id"] for result in results} == {2}


def test_no_common_category_is_an_error(run: Path, data: Path, tmp_path: Path) -> None:
    def rename(content: dict[str, Any]) -> None:
        for category in content["categories"]:
            category["name"] = f"no {category['name']}"

    path = changed(data, tmp_path / "other", rename)
    with pytest.raises(DataError, match="expected some category of the model's.*red.*got no red, no green") as error:
        evaluate_run(run, path, device="cpu", to=tmp_path)
    assert "\n" not in str(error.value)


def test_progress_and_any_batch_size(run: Path, data: Path, evaluated: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []
    evaluation = evaluate_run(
        run, data, device="cpu", batch_size=50, assignments=EVERYTHING, to=tmp_path, progress=lambda *counts: done.append(counts)
    )
    assert done == [(TEST_IMAGES, TEST_IMAGES)]
    assert evaluation["mask"]["AP50"] == pytest.approx(evaluated[1]["mask"]["AP50"], abs=15)


def test_what_cannot_be_read_is_told(run: Path, data: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(data, tmp_path / "broken")
    image = sorted((broken / "images" / "test").iterdir())[5]
    image.write_bytes(image.read_bytes()[:300])
    with pytest.raises(DataError) as error:
        evaluate_run(run, broken, device="cpu", to=tmp_path)
    assert str(error.value).startswith(str(image)) and "\n" not in str(error.value)
    for nothing in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(DataError):
            evaluate_run(run, nothing, device="cpu", to=tmp_path)
    with pytest.raises(DataError, match="val"):
        evaluate_run(run, data, split="val", device="cpu", to=tmp_path)
    with pytest.raises(ConfigurationError, match="fixed by training"):
        evaluate_run(run, data, device="cpu", to=tmp_path, assignments=("rois=3",))


FAULTS = {  # what is wrong with the last image, annotation or category -> what the error says
    "file_name": (lambda c: c["images"][-1].pop("file_name"), r"expected 'file_name', a path below the folder of images, got None"),
    "outside": (lambda c: c["images"][-1].update(file_name="../../x.jpg"), r"got '../../x.jpg'"),
    "height": (lambda c: c["images"][-1].pop("height"), r"expected 'height' and 'width' in pixels"),
    "bbox": (lambda c: c["annotations"][-1].pop("bbox"), r"annotation \d+"),
    "category id": (lambda c: c["categories"][-1].pop("id"), r"expected 'categories', each with an integer 'id'"),
    "category": (lambda c: c.update(categories=["red"]), r"expected 'categories', each with an integer 'id'"),
    "twice": (
        lambda c: c["categories"].append({**c["categories"][0], "id": 9}),
        r"expected categories of different names, got 3 with 2 names",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_the_file_are_told_before_anything_is_predicted(fault: str, run: Path, data: Path, tmp_path: Path) -> None:
    change, expected = FAULTS[fault]
    path = changed(data, tmp_path / "other", change)
    done: list[tuple[int, int]] = []
    with pytest.raises(DataError, match=expected) as error:
        evaluate_run(run, path, device="cpu", to=tmp_path / "to", progress=lambda *counts: done.append(counts))
    assert not done and not (tmp_path / "to").exists() and "\n" not in str(error.value) and str(path) in str(error.value)


def test_an_image_of_another_size_is_named(run: Path, data: Path, tmp_path: Path) -> None:
    path = changed(data, tmp_path / "other", lambda content: None)
    image = sorted((tmp_path / "other" / "images" / "test").iterdir())[-1]
    Image.new("RGB", (50, 64)).save(image)
    with pytest.raises(DataError, match=rf"{image}: expected 64 x 64 pixels, as {path} has it, got 50 x 64"):
        evaluate_run(run, path, device="cpu", to=tmp_path)
