"""A model's detections for the page: which file, which detections of an image, and the tables."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np
import orjson
import pytest

from amodalsynth.errors import DataError
from amodalsynth.evaluation import write_results
from amodalsynth.report.predictions import Predictions, read_predictions
from amodalsynth.segmentation import decode_segmentation
from tests.test_evaluation import ALONE, FAR, MIDDLE, NEAR, SCENES, as_results, detection, picture, truth, with_visible

SIZE = (4, 8)
CATEGORIES = {1: 5}


def predict(folder: Path, coco: dict, results: list[dict]) -> Predictions:
    (folder / "instances_test.json").write_bytes(orjson.dumps(coco))
    write_results(folder / "results.json", results)
    return read_predictions(folder / "instances_test.json", folder / "results.json", "test")


def mask_of(counts: str) -> np.ndarray:
    return decode_segmentation({"size": list(SIZE), "counts": counts}, SIZE, "here")


def test_the_detections_of_an_image_stand_by_falling_score_beside_their_instances(tmp_path):
    coco = truth(ALONE[None], SCENES[0])  # the second image has far, middle and near
    blot = picture("........", "........", "........", "######..")
    results = [
        detection(NEAR, 0.6, 0, image_id=2),
        detection(blot, 0.7, 3, image_id=2),
        detection(picture("..####..", "..####..", "........", "........"), 0.9, 1, image_id=2),
        detection(ALONE, 0.8, 0, image_id=1),
    ]
    predictions = predict(tmp_path, coco, results)
    assert predictions.name == "results" and predictions.threshold == 0.6
    found = predictions.of_image(1, CATEGORIES, (2, 0, 1), SIZE)  # the page has near first, then far and middle
    assert orjson.loads(orjson.dumps(found)) == found
    assert [(d["score"], d["instance"], d["iou"], d["layer"], d["category"]) for d in found] == [
        (0.9, 2, pytest.approx(8 / 12, abs=1e-4), 1, 5),
        (0.7, None, None, 3, 5),
        (0.6, 0, 1, 0, 5),
    ]
    assert np.array_equal(mask_of(found[1]["amodal"]), blot)
    assert [d["instance"] for d in predictions.of_image(0, {}, (0,), SIZE)] == [0]
    assert predictions.of_image(0, {}, (0,), SIZE)[0]["category"] is None
    assert predictions.quality == pytest.approx(np.array([100, 100 * (8 / 12 + 1) / 3]))


def test_a_detection_of_a_crowd_is_ignored(tmp_path):
    coco = truth(*SCENES)
    coco["annotations"][3]["iscrowd"] = 1
    predictions = predict(tmp_path, coco, as_results(coco))
    ((found,), others) = (predictions.of_image(k, CATEGORIES, range(3), SIZE) for k in (1, 0))
    assert found["ignored"] and found["instance"] is None and not any(other["ignored"] for other in others)


def test_masks_of_any_kind_are_brought_to_the_frame(tmp_path):
    coco = truth(FAR[None])
    result = as_results(coco)[0] | {"segmentation": {"size": list(SIZE), "counts": [0, 3, 1, 3, 1, 3, 1, 3, 17]}}  # not compressed
    del result["bbox"], result["layer"]
    (found,) = predict(tmp_path, coco, [result]).of_image(0, CATEGORIES, (0,), SIZE)
    assert np.array_equal(mask_of(found["amodal"]), FAR) and found["layer"] is None
    polygons = result | {"segmentation": [[0, 0, 4, 0, 4, 3, 0, 3]]}
    (found,) = predict(tmp_path, coco, [polygons]).of_image(0, CATEGORIES, (0,), SIZE)
    assert np.array_equal(mask_of(found["amodal"]), FAR)


def test_a_visible_mask_that_cannot_be_read_is_no_matter(tmp_path):
    coco = truth(*SCENES)
    results = with_visible(coco)
    weak = detection(FAR, 0.01, 0) | {
        "visible_mask": {"size": list(SIZE), "counts": "<b>"}
    }  # not kept, so that evaluation has no use for it
    del coco["annotations"][3]["visible_mask"]
    predictions = predict(tmp_path, coco, [*results, weak])
    found = predictions.of_image(0, CATEGORIES, (0, 1, 2), SIZE)
    assert [d["instance"] for d in found] == [0, 1, 2, None]


def test_at_most_the_hundred_best_are_shown(tmp_path):
    coco = truth(*SCENES)
    flood = [detection(MIDDLE, i / 1000, 0) for i in range(150)]
    predictions = predict(tmp_path, coco, flood)
    found = predictions.of_image(0, CATEGORIES, (0, 1, 2), SIZE)
    assert [d["score"] for d in found] == [i / 1000 for i in range(149, 49, -1)]
    assert [d["instance"] for d in found] == [1] + [None] * 99
    assert predictions.of_image(1, CATEGORIES, (0,), SIZE) == []


def test_a_run_has_its_results_by_split(tmp_path):
    coco = truth(*SCENES)
    (tmp_path / "coco.json").write_bytes(orjson.dumps(coco))
    run = tmp_path / "my run"
    run.mkdir()
    with pytest.raises(
        DataError, match=r"results-test.json: expected the results of split 'test', found none; run `amodalsynth evaluate .*--split test`"
    ):
        read_predictions(tmp_path / "coco.json", run, "test")
    write_results(run / "results-test.json", as_results(coco))
    seen = []
    predictions = read_predictions(tmp_path / "coco.json", run, "test", progress=lambda done, total: seen.append((done, total)))
    assert predictions.name == "my run" and seen == [(i, 4) for i in (1, 2, 3, 4)]
    with pytest.raises(DataError, match="expected a readable results file"):
        read_predictions(tmp_path / "coco.json", tmp_path / "nowhere", "test")


def test_a_name_of_any_bytes_can_be_written_as_json(tmp_path):
    coco = truth(*SCENES)
    (tmp_path / "coco.json").write_bytes(orjson.dumps(coco))
    odd = tmp_path / os.fsdecode(b"</script>\xff".replace(b"/", b"\\"))
    write_results(odd, as_results(coco))
    name = read_predictions(tmp_path / "coco.json", odd, "test").name
    assert orjson.loads(orjson.dumps(name)) == name and name.startswith("<\\script>")


def test_the_tables_hold_the_numbers_of_the_evaluation(tmp_path):
    coco = truth(*SCENES)
    coco["categories"].append({"id": 9, "name": "<img src=x>\n"})
    results = as_results(coco)
    del results[2]
    predictions = predict(tmp_path, coco, results)
    tables = {section.title: section for section in predictions.tables()}
    for section in tables.values():
        assert len({len(row) for row in section.rows}) == 1 and all(isinstance(cell, str) for row in section.rows for cell in row)
    first, layers, rates, categories, facts = tables.values()
    heading = ["AP", "AP50", "AP75"]
    assert first.rows[0] == ("", *heading) and first.rows[2][0] == "mask" and first.rows[3] == ("visible mask", "-", "-", "-")
    expected = predictions.examination.evaluation["mask"]
    assert first.rows[2][1:] == tuple(f"{expected[key]:.1f}" for key in heading)
    assert [row[0] for row in layers.rows] == ["", "L0", "L1", "L2", "L3", "L4"]
    assert [row[0] for row in rates.rows] == ["", "0", "0-25", "25-50", "50-75", "75-100"]
    truths = predictions.examination.truths
    assert [row[1] for row in layers.rows] == ["instances", *(str(count) for count in np.bincount(truths.layer, minlength=5))]
    edges = [-1, 0, 0.25, 0.5, 0.75, 1]
    counts = [((truths.rate > low) & (truths.rate <= high)).sum() for low, high in itertools.pairwise(edges)]
    assert [row[1] for row in rates.rows] == ["instances", *map(str, counts)] and sum(counts) == len(truths)
    assert categories.rows == (
        ("category", "instances", *heading),
        ("plum", "4", *first.rows[2][1:]),
        ("<img src=x>\n", "0", "-", "-", "-"),
    )
    assert ("layer accuracy", "100.0") in facts.rows and "score of at least 0.997" in facts.note
    assert predictions.confusion.trace() == 3 and [curve.iou for curve in predictions.curves] == [0.5, 0.75, 0.5]
