"""What is known of every detection and image, and what follows: curves, categories, confused layers, quality."""

from __future__ import annotations

import contextlib
import copy
import io

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from amodalsynth.evaluation import Examination, evaluate_results, examine_results
from amodalsynth.evaluation.average_precision import UNMATCHED
from amodalsynth.evaluation.examine import DEEPEST_LAYER, average_precision_by_category, image_quality, layer_confusion, precision_recall
from tests.test_evaluation import ALONE, FAR, MIDDLE, SCENES, as_results, detection, picture, truth
from tests.test_evaluation_average_precision import problems


@pytest.fixture(scope="module")
def examine(tmp_path_factory):
    path = tmp_path_factory.mktemp("examination") / "coco.json"

    def run(coco: dict, results: list[dict]) -> Examination:
        path.write_bytes(orjson.dumps(coco))
        examination = examine_results(path, results)
        assert examination.evaluation == evaluate_results(path, results)
        return examination

    return run


def judge(coco: dict, results: list[dict]) -> COCOeval:
    """pycocotools, asked about masks."""
    with contextlib.redirect_stdout(io.StringIO()):
        truths = COCO()
        truths.dataset = copy.deepcopy(coco)
        truths.createIndex()
        evaluation = COCOeval(truths, truths.loadRes(copy.deepcopy(results)), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


@settings(deadline=None, max_examples=60)
@given(problem=problems(crowds=True))
def test_every_match_and_curve_is_that_of_pycocotools(examine, problem):
    coco, results = problem
    examination = examine(coco, results)
    curves = precision_recall(examination)
    evaluation = examination.evaluation["mask"]
    by_category = average_precision_by_category(examination)
    assert by_category.keys() == {3, 4}
    if not curves:
        assert all(annotation["iscrowd"] for annotation in coco["annotations"])
        assert evaluation["AP"] is None and all(scores["AP"] is None for scores in by_category.values())
        return
    assert [(curve.category_id, curve.iou) for curve in curves[:2]] == [(None, 0.5), (None, 0.75)]
    assert [curve.precision.mean() for curve in curves[:2]] == pytest.approx([evaluation["AP50"], evaluation["AP75"]], abs=1e-9)
    known = [scores for scores in by_category.values() if scores["AP"] is not None]
    assert np.mean([scores["AP"] for scores in known]) == pytest.approx(evaluation["AP"], abs=1e-9)
    assert [curve.category_id for curve in curves[2:]] == [key for key, scores in by_category.items() if scores["AP"] is not None]
    for curve in curves[2:]:
        assert curve.iou == 0.5 and curve.precision.mean() == pytest.approx(by_category[curve.category_id]["AP50"], abs=1e-9)
    if results:
        judged = judge(coco, results)
        for curve in curves[2:]:
            theirs = judged.eval["precision"][0, :, [3, 4].index(curve.category_id), 0, -1]
            assert curve.precision == pytest.approx(100 * theirs, abs=1e-9)
        assert_matches_are(judged, coco, examination)


def assert_matches_are(judged: COCOeval, coco: dict, examination: Examination) -> None:
    """Matches, ignored detections and IoUs against pycocotools', which numbers detections from 1 in the order of the list."""
    in_file_order = [a for image in coco["images"] for a in coco["annotations"] if a["image_id"] == image["id"]]
    ours = {
        int(entry) + 1: (0 if ignored or matched == UNMATCHED else in_file_order[matched]["id"], bool(ignored), iou)
        for entry, matched, ignored, iou in zip(
            examination.detections.entry, examination.matched, examination.ignored, examination.iou, strict=True
        )
    }
    theirs = {}
    for one in judged.evalImgs:
        if one is not None and one["aRng"] == judged.params.areaRng[0]:
            theirs |= {
                d: (0 if ignored else int(match), bool(ignored))
                for d, match, ignored in zip(one["dtIds"], one["dtMatches"][0], one["dtIgnore"][0], strict=True)
            }
    assert {d: value[:2] for d, value in ours.items()} == theirs
    for d, (annotation_id, _, iou) in ours.items():
        if annotation_id:
            pair = [judged.cocoDt.anns[d]["segmentation"]], [judged.cocoGt.anns[annotation_id]["segmentation"]]
            assert iou == pytest.approx(coco_mask.iou(*pair, [0])[0, 0])
        else:
            assert np.isnan(iou)


@settings(deadline=None, max_examples=60)
@given(problem=problems(crowds=True))
def test_quality_and_confusion_count_every_instance_and_kept_detection_once(examine, problem):
    coco, results = problem
    examination = examine(coco, results)
    threshold = np.inf if examination.kept.threshold is None else examination.kept.threshold
    expected = []
    for image in coco["images"]:
        rows = np.flatnonzero(examination.detections.image_id == image["id"])
        rows = rows[(examination.detections.score[rows] >= threshold) & ~examination.ignored[rows]]
        right = rows[examination.matched[rows] != UNMATCHED]
        num_instances = sum(a["image_id"] == image["id"] and not a["iscrowd"] for a in coco["annotations"])
        wrong, missed = len(rows) - len(right), num_instances - len(right)
        whole = len(right) + wrong / 2 + missed / 2
        expected.append(100 * examination.iou[right].sum() / whole if whole else np.nan)
    assert image_quality(examination) == pytest.approx(np.array(expected), nan_ok=True)

    confusion = layer_confusion(examination)
    layers = [a["layer"] for a in coco["annotations"] if not a["iscrowd"]]
    size = len(confusion) - 1
    assert confusion[:-1].sum(axis=1).tolist() == [layers.count(layer) for layer in range(size)]
    found = examination.detections.layer[examination.kept.index].tolist()
    assert confusion[:, :-1].sum(axis=0).tolist() == [found.count(layer) for layer in range(size)]
    accuracy = examination.evaluation["layer_accuracy"]
    matched = confusion[:-1, :-1].sum()
    assert accuracy == (pytest.approx(100 * np.trace(confusion[:-1, :-1]) / matched) if matched else None)


def test_layers_are_confused_in_the_row_of_the_truth(examine):
    coco = truth(*SCENES)  # layers 2, 1, 0 and, alone in its image, 0
    results = as_results(coco)
    results[0]["layer"] = 1
    del results[2]
    results.append(detection(picture(*["#" * 8] * 4), 0.9995, 3))  # matches nothing
    assert layer_confusion(examine(coco, results)).tolist() == [
        [1, 0, 0, 0, 1],
        [0, 1, 0, 0, 0],
        [0, 1, 0, 0, 0],
        [0, 0, 0, 0, 0],
        [0, 0, 0, 1, 0],
    ]


def test_a_layer_from_a_file_does_not_decide_about_memory(examine):
    coco = truth(*SCENES)
    results = as_results(coco)
    results[0]["layer"] = (1 << 31) - 1
    confusion = layer_confusion(examine(coco, results))
    assert confusion.shape == (DEEPEST_LAYER + 2,) * 2 and confusion[2, DEEPEST_LAYER] == 1
    for side in (coco["annotations"], results):
        del side[0]["layer"]
    for result in results[1:]:
        del result["layer"]
    assert layer_confusion(examine(coco, results)) is None


def test_panoptic_quality_of_an_image(examine):
    nothing = np.zeros((0, 4, 8), bool)
    coco = truth(np.stack([FAR, MIDDLE]), ALONE[None], nothing, nothing)
    cut = picture("####....", "####....", "........", "........")
    results = [detection(cut, 0.9, 0), detection(MIDDLE, 0.8, 0), detection(ALONE, 0.7, 0), detection(ALONE, 0.95, 0, image_id=4)]
    examination = examine(coco, results)
    assert examination.kept.threshold == 0.8
    # The first: IoUs of 8/12 and 1, nothing wrong or missed; the second is missed; the third has nothing to find, the fourth a wrong detection.
    assert image_quality(examination) == pytest.approx(np.array([100 * (8 / 12 + 1) / 2, 0, np.nan, 0]), nan_ok=True)
    assert np.isnan(image_quality(examine(coco, []))).tolist() == [False, False, True, True]


def test_categories_are_called_what_the_file_calls_them(examine):
    coco = truth(*SCENES)
    coco["categories"] = [{"id": 7, "name": "<b>"}, {"id": 1, "name": "plum"}, {"id": 1, "name": "again"}, {"id": 4, "name": 5}]
    examination = examine(coco, as_results(coco))
    assert examination.category_ids.tolist() == [1, 4, 7] and examination.category_names == ("plum", "4", "<b>")
    assert [scores["AP"] for scores in average_precision_by_category(examination).values()] == [pytest.approx(100), None, None]
    assert [curve.category_id for curve in precision_recall(examination)] == [None, None, 1]
