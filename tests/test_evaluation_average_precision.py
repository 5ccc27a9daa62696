"""Average precision against pycocotools, for categories, layers, pairs of both and bins of the occlusion rate."""

from __future__ import annotations

import contextlib
import copy
import io

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from amodalsynth.evaluation import evaluate_results

SIDE = 12
RECTANGLE = st.tuples(*[st.integers(0, SIDE - 2)] * 2, *[st.integers(2, SIDE)] * 2)  # x, y, width, height
SCORE = st.sampled_from([0.1, 0.2, 0.5, 0.5000001, 0.9])  # few, so that there are ties


def rectangle(x: int, y: int, width: int, height: int) -> dict:
    """Box and run-length code of a rectangle, cut off by the frame."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[y : y + height, x : x + width] = 1
    code = coco_mask.encode(np.asfortranarray(mask))
    segmentation = {"size": [SIDE, SIDE], "counts": code["counts"].decode()}
    return {"segmentation": segmentation, "bbox": coco_mask.toBbox(code).tolist(), "area": int(mask.sum())}


@st.composite
def problems(draw: st.DrawFn, *, crowds: bool = False) -> tuple[dict, list[dict]]:
    """A COCO file and results, which are often a pixel off an instance, sometimes anywhere."""
    images = draw(st.permutations(range(1, draw(st.integers(1, 4)) + 1)))
    annotations, results = [], []
    for image_id in images:
        shapes = draw(st.lists(RECTANGLE, max_size=4))
        for shape in shapes:
            rate = draw(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.51, 0.9]))
            labels = {"category_id": draw(st.integers(3, 4)), "layer": draw(st.integers(0, 2)), "occlude_rate": rate}
            crowd = int(crowds and draw(st.integers(0, 4)) == 0)
            annotations.append({"id": len(annotations) + 1, "image_id": image_id, "iscrowd": crowd, **labels, **rectangle(*shape)})
        near = (
            st.sampled_from(shapes).flatmap(lambda s: st.tuples(*[st.integers(max(v - 1, 0), v + 1) for v in s])) if shapes else RECTANGLE
        )
        for x, y, width, height in draw(st.lists(near | near | RECTANGLE, max_size=7)):
            labels = {"category_id": draw(st.integers(3, 4)), "layer": draw(st.integers(0, 2)), "score": draw(SCORE)}
            found = rectangle(min(x, SIDE - 1), min(y, SIDE - 1), max(width, 1), max(height, 1))
            del found["area"]
            found["bbox"] = [value + draw(st.sampled_from([0, 0, 0.25])) for value in found["bbox"]]
            results.append({"image_id": image_id, **labels, **found})
    header = {
        "images": [{"id": i, "width": SIDE, "height": SIDE} for i in images],
        "categories": [{"id": i, "name": str(i)} for i in (3, 4)],
    }
    return {**header, "annotations": annotations}, draw(st.permutations(results))


def judge(coco: dict, results: list[dict], kind: str, *, inside: tuple[float, float] | None = None) -> dict[str, float | None]:
    """pycocotools' AP, AP50 and AP75 in percent; `inside`: only the instances whose rate is above one number and up to the other count."""
    if not results:
        return dict.fromkeys(("AP", "AP50", "AP75"), 0.0) if any(not a["iscrowd"] for a in coco["annotations"]) else no_ap()
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = copy.deepcopy(coco)
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(copy.deepcopy(results)), kind)
        if inside is not None:  # its areas become the marks of who counts: every detection, and the instances of the bin
            evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1]], ["all"]
            for annotation in truth.anns.values():
                annotation["area"] = 1 if inside[0] < annotation["occlude_rate"] <= inside[1] else 2
            for detection in evaluation.cocoDt.anns.values():
                detection["area"] = 1
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    means = [part[part > -1] for part in (precision, precision[0], precision[5])]
    return {name: 100 * float(part.mean()) if len(part) else None for name, part in zip(("AP", "AP50", "AP75"), means, strict=True)}


def no_ap() -> dict[str, None]:
    return dict.fromkeys(("AP", "AP50", "AP75"))


def relabelled(coco: dict, results: list[dict], label) -> tuple[dict, list[dict]]:
    """The same with `label(entry)` as category; only categories with an instance are listed."""
    annotations = [a | {"category_id": label(a)} for a in coco["annotations"]]
    categories = [{"id": i, "name": str(i)} for i in sorted({a["category_id"] for a in annotations})]
    return {**coco, "annotations": annotations, "categories": categories}, [r | {"category_id": label(r)} for r in results]


@pytest.fixture(scope="module")
def evaluate(tmp_path_factory):
    path = tmp_path_factory.mktemp("evaluation") / "coco.json"

    def run(coco: dict, results: list[dict]) -> dict:
        path.write_bytes(orjson.dumps(coco))
        return evaluate_results(path, results)

    return run


def assert_equal(ours: dict, theirs: dict) -> None:
    assert ours == pytest.approx(theirs, abs=1e-9)


@settings(deadline=None, max_examples=80)
@given(problem=problems(crowds=True))
def test_box_and_mask_ap_are_those_of_pycocotools(evaluate, problem):
    ours = evaluate(*problem)
    assert_equal(ours["box"], judge(*problem, "bbox"))
    assert_equal(ours["mask"], judge(*problem, "segm"))


@settings(deadline=None, max_examples=50)
@given(problem=problems())
def test_other_classes_are_categories_of_pycocotools(evaluate, problem):
    coco, results = problem
    ours = evaluate(coco, results)
    for layer in range(5):
        of_layer = {**coco, "annotations": [a for a in coco["annotations"] if a["layer"] == layer]}
        found = [r for r in results if r["layer"] == layer]
        assert_equal(ours["mask_by_layer"][f"L{layer}"], judge(*relabelled(of_layer, found, lambda entry: 1), "segm"))
    pairs = relabelled(coco, results, lambda entry: 10 * entry["category_id"] + entry["layer"])
    assert_equal(ours["mask_category_layer"], judge(*pairs, "segm"))


@settings(deadline=None, max_examples=50)
@given(problem=problems())
def test_instances_outside_the_bin_are_ignored_as_pycocotools_ignores_other_areas(evaluate, problem):
    coco, results = problem
    ours = evaluate(coco, results)["mask_by_occlusion"]
    bins = {"0": (-1, 0), "0-25": (0, 0.25), "25-50": (0.25, 0.5), "50-75": (0.5, 0.75), "75-100": (0.75, 1)}
    assert ours.keys() == bins.keys()
    if results:
        for name, inside in bins.items():
            assert_equal(ours[name], judge(coco, results, "segm", inside=inside))


def test_detections_beyond_a_hundred_do_not_count(evaluate):
    shape = {"image_id": 1, "category_id": 3, "layer": 0}
    annotations = [{"id": 1, "iscrowd": 0, "occlude_rate": 0, **shape, **rectangle(1, 1, 6, 6)}]
    images = [{"id": 1, "width": SIDE, "height": SIDE}]
    coco = {"images": images, "categories": [{"id": 3, "name": "3"}], "annotations": annotations}
    wrong = [{**shape, "score": 0.9, **rectangle(8, 8, 3, 3)}]
    right = [{**shape, "score": 0.1, **rectangle(1, 1, 6, 6)}]
    for results in (99 * wrong + right, 100 * wrong + right):
        assert_equal(evaluate(coco, results)["mask"], judge(coco, results, "segm"))
    assert evaluate(coco, 99 * wrong + right)["mask"]["AP"] == pytest.approx(1)
    assert evaluate(coco, 100 * wrong + right)["mask"]["AP"] == 0


def test_of_two_instances_that_overlap_a_detection_alike_the_later_is_taken(evaluate):
    shape = {"image_id": 1, "category_id": 3, "layer": 0, "iscrowd": 0, "occlude_rate": 0}
    annotations = [{"id": i, **shape, **rectangle(x, 0, 6, 6)} for i, x in ((1, 0), (2, 2))]
    images = [{"id": 1, "width": SIDE, "height": SIDE}]
    coco = {"images": images, "categories": [{"id": 3, "name": "3"}], "annotations": annotations}
    results = [{"image_id": 1, "category_id": 3, "score": score, **rectangle(x, 0, 6, 6)} for x, score in ((1, 0.9), (0, 0.8))]
    assert_equal(evaluate(coco, results)["mask"], judge(coco, results, "segm"))
    assert evaluate(coco, results)["mask"]["AP75"] == pytest.approx(100 * 51 / 101 * 1 / 2)
