"""`amodalsynth evaluate` and `amodalsynth predict` as a user runs them."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import orjson
import pytest
from pycocotools.coco import COCO

from tests.tiny_runs import TEST_IMAGES, call, tiny_data, tiny_run

HERE = ("--device", "cpu", "--set", "score_threshold=0.0")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_run(tmp_path_factory.getbasetemp())[0]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_data(tmp_path_factory.getbasetemp())


@pytest.mark.parametrize(
    ("command", "flags"),
    [
        ("evaluate", "--data --split --images --to --json"),
        ("predict", "--out --min-score"),
    ],
)
def test_the_flags_are_frozen(command: str, flags: str) -> None:
    import importlib

    options = importlib.import_module(f"amodalsynth_cli.{command}").command.params
    shared = "--tta --batch-size --device --set"
    names = sorted(name for option in options for name in option.opts if name.startswith("--"))
    assert names == sorted(f"{flags} {shared}".split())


def test_json_is_the_issues_in_percent(run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = call(capsys, "evaluate", run, "--data", data, *HERE, "--json", "--tta", "--batch-size", 5, "--to", tmp_path / "new")
    assert err == ""
    evaluation = json.loads(out)
    assert evaluation.keys() >= {
        "box", "mask", "mask_by_layer", "mask_by_occlusion", "layer_accuracy", "order", "miou", "fps", "batch_size", "device", "num_images"
    }  # fmt: skip
    for scores in (evaluation["box"], evaluation["mask"], *evaluation["mask_by_layer"].values(), *evaluation["mask_by_occlusion"].values()):
        assert set(scores) == {"AP", "AP50", "AP75"} and all(value is None or 0 <= value <= 100 for value in scores.values())
    assert set(evaluation["mask_by_occlusion"]) == {"0", "0-25", "25-50", "50-75", "75-100"}
    assert 1 < evaluation["mask"]["AP50"] <= 100  # in percent
    assert set(evaluation["order"]) == {"precision", "recall", "f1"} and set(evaluation["miou"]) == {"amodal", "invisible"}
    assert (evaluation["num_images"], evaluation["batch_size"], evaluation["device"], evaluation["tta"]) == (TEST_IMAGES, 5, "cpu", True)
    assert json.loads((tmp_path / "new" / "evaluation-test.json").read_bytes()) == evaluation
    COCO(str(data / "annotations" / "instances_test.json")).loadRes(str(tmp_path / "new" / "results-test.json"))


def test_the_text_says_the_same(
    run: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the defaults: the data in ./intra-afruit, the results in the folder of the run."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(run, "mine")
    _, err = call(capsys, "evaluate", "mine", status=3)
    assert "intra-afruit: no such file or folder" in err and err.count("\n") == 1
    Path("intra-afruit").symlink_to(data)
    out, err = call(capsys, "evaluate", "mine", *HERE)
    evaluation = json.loads((tmp_path / "mine" / "evaluation-test.json").read_bytes())
    assert err == ""
    lines = {line.split("  ")[0].strip(): line.split() for line in out.splitlines()}
    for name in ("box", "mask"):
        assert lines[name][1:] == [f"{evaluation[name][key]:.1f}" for key in ("AP", "AP50", "AP75")]
    assert f"{evaluation['fps']:.1f} images a second on cpu, 16 at once" in out and "results: mine/results-test.json" in out


@pytest.mark.parametrize(
    ("flags", "status", "said"),
    [
        (("--split", "val"), 3, "val"),
        (("--set", "rois=3"), 2, "--set rois: is fixed by training"),
        (("--set", "nms=3"), 2, "no field 'nms'"),
        (("--device", "tpu"), 2, "--device tpu: "),
        (("--batch-size", "0"), 2, "--batch-size"),
        (("--set", "detections=0"), 2, "detections: expected 1 or more, got 0"),
    ],
)
def test_faults_are_told_on_one_line(
    flags: tuple[str, ...], status: int, said: str, run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, err = call(capsys, "evaluate", run, "--data", data, "--to", tmp_path / "out", *flags, status=status)
    assert out == "" and err.startswith("Error: ") and said in err and err.count("\n") == 1


def test_what_is_no_run_is_told(run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, err = call(capsys, "evaluate", data, "--data", data, status=3)
    assert "no training run there" in err and err.count("\n") == 1
    copied = shutil.copytree(run, tmp_path / "copied")
    (copied / "weights.safetensors").write_bytes(pickle.dumps(print))
    for command in (("evaluate", copied, "--data", data), ("predict", copied, data / "images" / "test", "--out", tmp_path / "out")):
        _, err = call(capsys, *command, status=3)
        assert err.startswith(f"Error: {copied / 'weights.safetensors'}: not a readable safetensors file") and err.count("\n") == 1


def test_where_nothing_is_there_to_evaluate_on(run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    coco = orjson.loads((data / "annotations" / "instances_train.json").read_bytes())
    (tmp_path / "bare.json").write_bytes(orjson.dumps(coco | {"annotations": []}))
    _, err = call(capsys, "evaluate", run, "--data", tmp_path / "bare.json", "--images", data / "images" / "train", status=3)
    assert "bare.json: expected annotations to evaluate on" in err and err.count("\n") == 1
    _, err = call(capsys, "evaluate", run, "--data", "synth:intra-afruit", status=3)
    assert "serve `train-baseline`" in err


def test_predict_draws_and_writes(run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = data / "images" / "test"
    out, err = call(capsys, "predict", run, photos, "--out", tmp_path / "seen", *HERE, "--min-score", 0)
    assert err == "" and out.startswith(f"{tmp_path / 'seen'}: {TEST_IMAGES} overlays and predictions.json, ")
    coco = COCO(str(tmp_path / "seen" / "predictions.json"))
    assert f"{len(coco.anns):,} detections of at least 0" in out
    assert sorted(path.name for path in (tmp_path / "seen").glob("*.jpg")) == sorted(f"{path.stem}.jpg" for path in photos.iterdir())


def test_a_photo_that_cannot_be_read(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n")
    for name in ("broken.png", "nowhere.png"):
        _, err = call(capsys, "predict", run, tmp_path / name, "--out", tmp_path / "seen", status=3)
        assert err.startswith("Error: ") and f"{tmp_path / name}: " in err and err.count("\n") == 1
    _, err = call(capsys, "predict", run, "--out", tmp_path / "seen", status=2)
    assert "IMAGES" in err
