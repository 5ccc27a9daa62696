"""Layers, orders and invisible masks of detections, what is refused, and the results file; AP has a module of its own."""

import subprocess
import sys

import numpy as np
import orjson
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from amodalsynth.annotation import Annotation
from amodalsynth.errors import DataError
from amodalsynth.evaluation import evaluate_results, format_evaluation, write_results
from amodalsynth.masks import run_lengths
from tests.strategies import amodal_masks
from tests.test_evaluation_average_precision import judge

NO_AP = {"AP": None, "AP50": None, "AP75": None}
FULL = {"AP": pytest.approx(100), "AP50": pytest.approx(100), "AP75": pytest.approx(100)}


def picture(*rows: str) -> np.ndarray:
    """Rows of characters -> (H, W) bool, true at '#'."""
    return np.array([[pixel == "#" for pixel in row] for row in rows])


def truth(*scenes: np.ndarray) -> dict:
    """A COCO file with our keys; a scene is (N, H, W) bool amodal masks, farthest first, all of category 1."""
    images, annotations = [], []
    for image_id, amodal_mask in enumerate(scenes, 1):
        annotation = Annotation.from_masks(np.ones(len(amodal_mask), np.int64), amodal_mask)
        codes, first = run_lengths(annotation.spans), len(annotations) + 1
        images.append({"id": image_id, "height": amodal_mask.shape[1], "width": amodal_mask.shape[2]})
        for i, (x0, y0, x1, y1) in enumerate(annotation.amodal_box.tolist()):
            annotations.append(
                {
                    "id": first + i,
                    "image_id": image_id,
                    "category_id": 1,
                    "segmentation": codes[i],
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "visible_mask": codes[len(annotation) + i],
                    "occlude_rate": float(annotation.occlusion_rate[i]),
                    "occluded_by": [first + j for j in np.flatnonzero(annotation.occlusion_order[i]).tolist()],
                    "layer": int(annotation.layer_order[i]),
                }
            )
    return {"images": images, "categories": [{"id": 1, "name": "plum"}], "annotations": annotations}


def as_results(coco: dict) -> list[dict]:
    """The ground truth fed back, with falling scores."""
    keys = ("image_id", "category_id", "bbox", "segmentation", "layer")
    return [{key: a[key] for key in keys} | {"score": 1 - i / 1000} for i, a in enumerate(coco["annotations"])]


def detection(mask: np.ndarray, score: float, layer: int, image_id: int = 1) -> dict:
    coco = truth(mask[None])
    return as_results(coco)[0] | {"score": score, "layer": layer, "image_id": image_id}


@pytest.fixture(scope="module")
def evaluate(tmp_path_factory):
    path = tmp_path_factory.mktemp("evaluation") / "coco.json"

    def run(coco: dict, results: list[dict], **options) -> dict:
        path.write_bytes(orjson.dumps(coco))
        return evaluate_results(path, results, **options)

    return run


# Instance 2 is nearest; it hides a part of instance 1, which hides a part of instance 0. Instance 3 stands alone in image 2.
FAR = picture("####....", "####....", "####....", "........")
MIDDLE = picture("..####..", "..####..", "..####..", "........")
NEAR = picture("....####", "....####", "........", "........")
ALONE = picture("........", "........", ".##.....", ".##.....")
SCENES = (np.stack([FAR, MIDDLE, NEAR]), ALONE[None])


def test_the_ground_truth_fed_back_is_perfect(evaluate):
    coco = truth(*SCENES)
    result = evaluate(coco, as_results(coco))
    assert [a["layer"] for a in coco["annotations"]] == [2, 1, 0, 0]
    assert [result[key] for key in ("box", "mask", "mask_category_layer")] == [FULL] * 3
    assert result["mask_by_layer"] == {"L0": FULL, "L1": FULL, "L2": FULL, "L3": NO_AP, "L4": NO_AP}
    assert result["mask_by_occlusion"] == {"0": FULL, "0-25": NO_AP, "25-50": FULL, "50-75": NO_AP, "75-100": NO_AP}
    assert result["recall_by_layer"] == {"L0": 100, "L1": 100, "L2": 100, "L3": None, "L4": None}
    assert result["layer_accuracy"] == 100 and result["num_images"] == 2
    assert result["order"] == {"precision": 100, "recall": 100, "f1": 100}
    assert result["miou"] == {"amodal": pytest.approx(100), "invisible": pytest.approx(100)}
    assert orjson.loads(orjson.dumps(result)) == result


def test_what_wrong_layers_and_masks_imply(evaluate):
    coco = truth(*SCENES)
    results = as_results(coco)
    # Far and middle change places: middle then hides nothing of far, and far hides half of middle. Near is not found.
    results[0]["layer"], results[1]["layer"] = 1, 2
    del results[2]
    result = evaluate(coco, results)
    assert result["layer_accuracy"] == pytest.approx(100 / 3)  # only the one in image 2
    # Implied: middle by far. True: far by middle, middle by near.
    assert result["order"] == {"precision": 0, "recall": 0, "f1": 0}
    assert result["miou"]["amodal"] == pytest.approx(75)
    # Far's invisible mask (6 pixels) is implied empty; middle's is implied its left 6 pixels, and is its right upper 4.
    assert result["miou"]["invisible"] == 0
    assert result["recall_by_layer"] == {"L0": 50, "L1": 100, "L2": 100, "L3": None, "L4": None}


def test_an_invisible_mask_lies_under_nearer_detections_only(evaluate):
    coco = truth(SCENES[0])
    results = as_results(coco)
    del results[2]  # near: middle's invisible mask is implied empty, far's is right
    assert evaluate(coco, results)["miou"]["invisible"] == pytest.approx(50)
    assert evaluate(coco, results)["order"] == {"precision": 100, "recall": 50, "f1": pytest.approx(200 / 3)}
    taller = picture("..####..", "..####..", "..####..", "..####..")
    results[1] = detection(taller, 0.9, 1)  # matched at IoU 12 / 16, and hides no more of far
    assert evaluate(coco, results)["miou"] == {"amodal": pytest.approx(100 * (1 + 12 / 16) / 3), "invisible": pytest.approx(50)}
    left = picture(".#####..", ".#####..", ".#####..", "........")
    results[1] = detection(left, 0.9, 1)  # hides 9 pixels of far, of which 6 are invisible
    assert evaluate(coco, results)["miou"]["invisible"] == pytest.approx(100 * (6 / 9) / 2)


def test_a_kept_detection_that_matches_nothing_makes_wrong_pairs(evaluate):
    coco = truth(SCENES[0], ALONE[None])
    results = [*as_results(coco), detection(picture(*["#" * 8] * 4), 0.9995, 9)]  # more confident than most, under everything
    assert evaluate(coco, results)["order"] == {"precision": pytest.approx(40), "recall": 100, "f1": pytest.approx(400 / 7)}


@settings(deadline=None, max_examples=40)
@given(amodal_mask=amodal_masks(4), data=st.data())
def test_order_and_invisible_masks_equal_the_definition(evaluate, amodal_mask, data):
    """The masks of the ground truth with any layers, against the definitions on pixels."""
    assume(len(amodal_mask) and amodal_mask.any(axis=(1, 2)).all())
    assume(len(np.unique(amodal_mask, axis=0)) == len(amodal_mask))
    coco = truth(amodal_mask)
    layer = data.draw(st.lists(st.integers(0, 2), min_size=len(amodal_mask), max_size=len(amodal_mask)))
    result = evaluate(coco, [r | {"layer": v} for r, v in zip(as_results(coco), layer, strict=True)])
    annotation = Annotation.from_masks(np.ones(len(layer), np.int64), amodal_mask)
    indices = range(len(layer))
    implied = {(i, j) for i in indices for j in indices if layer[j] < layer[i] and (amodal_mask[i] & amodal_mask[j]).any()}
    true = set(map(tuple, np.argwhere(annotation.occlusion_order).tolist()))
    whole = len(implied) + len(true)
    assert result["order"]["f1"] == (pytest.approx(200 * len(implied & true) / whole) if whole else None)
    assert result["order"]["precision"] == (pytest.approx(100 * len(implied & true) / len(implied)) if implied else None)
    ious = []
    for i in indices:
        under = amodal_mask[i] & np.any([amodal_mask[j] & (layer[j] < layer[i]) for j in indices], axis=0)
        if (invisible := annotation.invisible_mask[i]).any():
            ious.append((under & invisible).sum() / (under | invisible).sum())
    assert result["miou"]["invisible"] == (pytest.approx(100 * np.mean(ious)) if ious else None)
    assert result["layer_accuracy"] == pytest.approx(100 * np.mean(annotation.layer_order == layer))


def test_a_flood_of_weak_detections_changes_nothing_but_ap(evaluate):
    coco = truth(*SCENES)
    results = as_results(coco)
    results[1]["layer"] = 3
    flood = [detection(np.roll(MIDDLE, (i % 4, i % 7), (0, 1)), 0.01 + i / 1e5, i % 5, 1 + i % 2) for i in range(80)]
    quiet, flooded = evaluate(coco, results), evaluate(coco, [*flood, *results])
    for key in ("layer_accuracy", "order", "miou", "score_threshold"):
        assert flooded[key] == quiet[key], key
    assert quiet["score_threshold"] == pytest.approx(0.997)
    assert flooded["mask_by_layer"]["L1"]["AP"] != quiet["mask_by_layer"]["L1"]["AP"]


@pytest.mark.parametrize(
    ("key", "unknown"),
    [
        ("layer", {"mask_by_layer", "mask_category_layer", "layer_accuracy", "recall_by_layer"}),
        ("occluded_by", {"order"}),
        ("visible_mask", {"invisible"}),
        ("occlude_rate", set()),  # it follows from the visible masks
    ],
)
def test_what_one_instance_lacks_is_not_reported(evaluate, key, unknown):
    coco = truth(*SCENES)
    results, whole = as_results(coco), evaluate(coco, as_results(coco))
    del coco["annotations"][1][key]
    part = evaluate(coco, results)
    part, whole = ({**result, **result["miou"]} for result in (part, whole))
    for name in whole.keys() - {"miou"}:
        if name not in unknown:
            assert part[name] == pytest.approx(whole[name]) if isinstance(whole[name], float) else part[name] == whole[name], name
        else:
            values = part[name].values() if isinstance(part[name], dict) else [part[name]]
            assert all(value is None or value == NO_AP for value in values), name


def with_visible(coco: dict, key: str = "visible_mask") -> list[dict]:
    """The ground truth fed back with its visible masks."""
    return [result | {key: a["visible_mask"]} for result, a in zip(as_results(coco), coco["annotations"], strict=True)]


@pytest.mark.parametrize(
    ("of_truth", "of_results"), [("visible_mask", "visible_segmentation"), ("inmodal_seg", "i_segm"), ("visible_segm", "visible_mask")]
)
def test_visible_masks_by_any_name(evaluate, of_truth, of_results):
    coco = truth(*SCENES)
    results = with_visible(coco, of_results)
    for annotation in coco["annotations"]:
        annotation[of_truth] = annotation.pop("visible_mask")
    assert evaluate(coco, results)["visible"] == FULL
    results[1][of_results] = results[2][of_results]  # middle has near's visible mask
    result = evaluate(coco, results)
    assert result["mask"] == FULL and result["visible"]["AP50"] == pytest.approx(
        judge_visible(coco, results, of_truth, of_results), abs=1e-9
    )
    assert "visible mask" in format_evaluation(result)


def judge_visible(coco: dict, results: list[dict], of_truth: str, of_results: str) -> float:
    """pycocotools' AP50 of the visible masks."""
    annotations = [a | {"segmentation": a[of_truth], "area": 1, "iscrowd": 0} for a in coco["annotations"]]
    found = [{key: value for key, value in r.items() if key != "bbox"} | {"segmentation": r[of_results]} for r in results]
    return judge({**coco, "annotations": annotations}, found, "segm")["AP50"]


def test_the_invisible_mask_is_what_visible_masks_leave(evaluate):
    """With visible masks neither layers nor other detections say what is invisible."""
    coco = truth(*SCENES)
    results = with_visible(coco)
    for result in results:
        del result["layer"]
    del results[2]  # near, which hides 4 pixels of middle
    assert evaluate(coco, results)["miou"]["invisible"] == pytest.approx(100)
    assert evaluate(coco, results)["order"] == dict.fromkeys(("precision", "recall", "f1"))
    results[0]["visible_mask"] = results[0]["segmentation"]  # far is said to be seen as a whole
    assert evaluate(coco, results)["miou"] == {"amodal": pytest.approx(75), "invisible": pytest.approx(50)}


def test_visible_ap_needs_visible_masks_on_both_sides(evaluate):
    coco = truth(*SCENES)
    results = with_visible(coco)
    assert evaluate(coco, as_results(coco))["visible"] == NO_AP
    del results[1]["visible_mask"]
    with pytest.raises(DataError, match="entry 1: expected 'visible_mask' in every entry or in none"):
        evaluate(coco, results)
    results = with_visible(coco)
    del coco["annotations"][3]["visible_mask"]
    result = evaluate(coco, results)
    assert result["visible"] == NO_AP and result["miou"]["invisible"] is None and result["mask"] == FULL


def test_boxes_that_a_file_lacks_are_those_of_its_amodal_masks(evaluate):
    coco = truth(*SCENES)
    results = as_results(coco)
    results[1] = detection(picture("..####..", "..####..", "........", "........"), 0.9, 1)
    expected = evaluate(coco, results)
    assert expected["box"] != FULL
    for result in results:
        del result["bbox"]
    assert evaluate(coco, results) == expected
    for annotation in coco["annotations"]:
        annotation["a_bbox"] = annotation.pop("bbox")
        annotation["a_segm"] = annotation.pop("segmentation")
        annotation["bbox"] = [0, 0, 1, 1]  # the visible one, say
    assert evaluate(coco, {"annotations": results}) == expected
    for annotation in coco["annotations"]:
        del annotation["a_bbox"], annotation["bbox"]
    assert evaluate(coco, results) == expected


def test_results_without_layers(evaluate):
    coco = truth(*SCENES)
    results = as_results(coco)
    for result in results:
        del result["layer"]
    result = evaluate(coco, results)
    assert result["mask"] == FULL and result["mask_by_occlusion"]["0"] == FULL and result["recall_by_layer"]["L2"] == 100
    assert result["mask_by_layer"] == dict.fromkeys(("L0", "L1", "L2", "L3", "L4"), NO_AP) and result["mask_category_layer"] == NO_AP
    assert result["layer_accuracy"] is None and result["order"] == dict.fromkeys(("precision", "recall", "f1"))
    assert result["miou"] == {"amodal": pytest.approx(100), "invisible": None}


def test_nothing_detected_and_nothing_there(evaluate):
    coco = truth(*SCENES)
    nothing = evaluate(coco, [])
    assert nothing["mask"]["AP"] == nothing["mask_by_layer"]["L0"]["AP"] == nothing["recall_by_layer"]["L0"] == 0
    assert nothing["order"] == {"precision": None, "recall": 0, "f1": 0} and nothing["miou"] == {"amodal": 0, "invisible": 0}
    assert nothing["score_threshold"] is None and nothing["layer_accuracy"] is None
    assert "nothing, as no detection is right" in format_evaluation(nothing)
    empty = evaluate({**coco, "annotations": []}, as_results(coco))
    assert empty["box"] == NO_AP and empty["miou"] == {"amodal": None, "invisible": None} and empty["num_images"] == 2
    assert evaluate({**coco, "annotations": [], "images": []}, [])["num_images"] == 0


@pytest.mark.parametrize("crowd", [0, 2])  # the farthest, which is occluded, and the nearest, which occludes
def test_crowds_are_ignored(evaluate, crowd):
    coco = truth(*SCENES)
    coco["annotations"][crowd] |= {"iscrowd": 1}
    del coco["annotations"][crowd]["layer"], coco["annotations"][crowd]["occlude_rate"]
    result = evaluate(coco, as_results(truth(*SCENES)))
    assert result["mask"] == FULL and result["mask_by_layer"]["L1"] == FULL and result["layer_accuracy"] == 100
    assert result["mask_by_layer"]["L2"] == (NO_AP if crowd == 0 else FULL)
    assert result["order"] == {"precision": 100, "recall": 100, "f1": 100}  # of the one pair without the crowd
    # The detection on the crowd is left out: with it goes what it hides, 4 pixels of middle.
    assert result["miou"] == {"amodal": pytest.approx(100), "invisible": pytest.approx(100 if crowd == 0 else 50)}


def test_any_order_of_images_and_results_and_any_kind_of_segmentation(evaluate):
    coco = truth(*SCENES)
    results = as_results(coco)
    results[2]["layer"] = 1
    expected = evaluate(coco, results)
    coco["images"].reverse()
    assert evaluate(coco, [results[i] for i in (3, 0, 1, 2)]) == expected
    x, y, width, height = coco["annotations"][3]["bbox"]
    coco["annotations"][3]["segmentation"] = [[x, y, x + width, y, x + width, y + height, x, y + height]]
    results[0]["segmentation"] = {"size": [4, 8], "counts": [0, 3, 1, 3, 1, 3, 1, 3, 17]}
    results[1]["segmentation"] = results[1]["segmentation"] | {"counts": results[1]["segmentation"]["counts"].encode()}
    assert evaluate(coco, [r | {"score": np.float32(r["score"]), "bbox": np.array(r["bbox"])} for r in results])["mask"] == expected["mask"]


def test_results_are_written_and_read_again(evaluate, tmp_path):
    coco = truth(*SCENES)
    (tmp_path / "coco.json").write_bytes(orjson.dumps(coco))
    for results in (as_results(coco), []):
        write_results(tmp_path / "results.json", ({**r, "score": np.float32(r["score"]), "bbox": np.array(r["bbox"])} for r in results))
        read = orjson.loads((tmp_path / "results.json").read_bytes())
        assert read == [{**r, "score": pytest.approx(r["score"])} for r in results]
        assert evaluate_results(tmp_path / "coco.json", tmp_path / "results.json") == evaluate(coco, read)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["coco.json", "results.json"]


def test_progress_counts_every_image_twice(evaluate):
    coco = truth(*SCENES, *SCENES)
    seen = []
    evaluate(coco, as_results(coco), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 8) for done in range(1, 9)]


def test_the_text_has_every_number(evaluate):
    coco = truth(*SCENES)
    results = as_results(coco)
    results[0]["layer"], results[1]["layer"] = 1, 2
    lines = format_evaluation(evaluate(coco, results)).splitlines()
    assert lines[0].split() == ["AP", "AP50", "AP75"] and lines[1].split() == ["box", "100.0", "100.0", "100.0"]
    text = "\n".join(" ".join(line.split()) for line in lines)
    assert "L3 - - -" in text and "layer accuracy 50.0" in text and "precision 50.0, recall 50.0, F1 50.0" in text
    assert "amodal 100.0, invisible" in text and "L0 100.0, L1 100.0, L2 100.0, L3 -, L4 -" in text and "at least 0.997" in text


def test_errors_name_the_entry(evaluate):
    coco = truth(*SCENES)
    code = coco["annotations"][0]["segmentation"]
    wrong = {
        "score": (float("nan"), "entry 2: expected a finite number under 'score', got nan"),
        "bbox": ([1, 2, -3, 4], "entry 2: expected four finite numbers"),
        "layer": (-1, "entry 2: expected an integer from 0 under 'layer', got -1"),
        "image_id": (7, "entry 2: expected an id that the ground truth has, one of \\[1, 2\\], under 'image_id', got 7"),
        "category_id": (True, "entry 2: expected an id .* under 'category_id', got True"),
        "segmentation": (code | {"size": [8, 4]}, "entry 2: expected a run-length code of size \\[4, 8\\]"),
    }
    for key, (value, message) in wrong.items():
        results = as_results(coco)
        results[2][key] = value
        with pytest.raises(DataError, match=message):
            evaluate(coco, results)
        del results[2][key]
        with pytest.raises(DataError, match=f"entry 2: expected '{key}' in every entry or in none, got none here"):
            evaluate(coco, results)
    results = as_results(coco)
    results[3]["segmentation"] = code | {"counts": code["counts"][:-1]}
    with pytest.raises(DataError, match="entry 3: expected"):
        evaluate(coco, results)
    for results in ({"detections": []}, "no", [3], [[]]):
        with pytest.raises(DataError):
            evaluate(coco, results)


def test_errors_name_the_annotation_and_the_file(evaluate, tmp_path):
    wrong = {
        "category_id": 2,
        "bbox": [1, 2, 3],
        "layer": "0",
        "occlude_rate": 1.5,
        "occluded_by": [4],
        "segmentation": [],
        "visible_mask": [],
    }
    for key, value in wrong.items():
        coco = truth(*SCENES)
        results = as_results(coco)
        coco["annotations"][1][key] = value
        with pytest.raises(DataError, match=f"coco.json: annotation 2: expected .*{'polygon' if 'mask' in key or 'seg' in key else key}"):
            evaluate(coco, results)
    coco = truth(*SCENES)
    del coco["images"][1]["height"]
    with pytest.raises(DataError, match="image 2: expected integers from 1 under 'height'"):
        evaluate(coco, [])
    with pytest.raises(DataError, match="a list of categories"):
        evaluate({**coco, "categories": []}, [])
    (tmp_path / "results.json").write_text('[{"image_id": 1]')
    for name in ("results.json", "absent.json"):
        with pytest.raises(DataError, match=f"{name}: expected a"):
            evaluate(truth(*SCENES), tmp_path / name)


def test_evaluation_needs_no_torch():
    code = "import amodalsynth.evaluation, sys; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
