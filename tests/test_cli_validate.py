"""`amodalsynth validate` as a user calls it: a table, JSON, exit 0 or 3, and a mended copy."""

from __future__ import annotations

import json

import pytest

from tests.formats_support import tiny_dataset
from tests.strategies import tree


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return tiny_dataset(tmp_path_factory.mktemp("cli-validate") / "data", splits=("train", "test"))


@pytest.fixture
def faulty(sound, tmp_path):
    """A file of the data set with three faults, and the folder of its images."""
    document = json.loads((sound / "annotations" / "instances_train.json").read_text())
    document["annotations"][0]["area"] = 0
    document["annotations"][1]["area"] += 7
    document["annotations"][2]["visible_mask"]["counts"] = "?"
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(document))
    return path


def test_a_sound_data_set(sound, run_cli):
    shown = run_cli("validate", sound).stdout
    assert f"{sound}, train (amodalsynth): 6 images" in shown and f"{sound}, test (amodalsynth)" in shown and shown.count(", 0 faults") == 2
    outcome = json.loads(run_cli("validate", sound, "--split", "test", "--json").stdout)
    assert outcome["num_faults"] == 0 and list(outcome["splits"]) == ["test"] and len(outcome["checks"]) == 16
    assert outcome["splits"]["test"]["faults"]["box"] == {"count": 0, "examples": []}


def test_faults_are_shown_and_mended(faulty, sound, tmp_path, run_cli):
    before = tree(sound) | {"mine": faulty.read_bytes()}
    shown = run_cli("validate", faulty, "--image-root", sound / "images" / "train", status=3).stdout
    assert (
        "3 faults" in shown
        and "  area               2\n      annotation 1: expected the area" in shown
        and "  rle                1\n" in shown
    )
    short = run_cli("validate", faulty, "--format", "coco", "--examples", "0", status=3).stdout
    assert "expected" not in short and "area               2" in short

    options = ("--image-root", sound / "images" / "train", "--fix", tmp_path / "out")
    outcome = json.loads(run_cli("validate", faulty, *options, "--json", status=3).stdout)
    assert outcome["fix"]["train"]["mended"] == {"area": 2, "rle": 1} and outcome["fix"]["train"]["left_out"] == {}
    assert "0 faults" in run_cli("validate", tmp_path / "out").stdout
    assert before == tree(sound) | {"mine": faulty.read_bytes()}
    assert "holds" in run_cli("validate", faulty, "--fix", sound, "--images", "none", status=2).stderr
    text = run_cli("validate", faulty, "--fix", tmp_path / "second", "--images", "none", status=3).stdout
    assert f"{tmp_path / 'second'}: 6 images" in text and "area               2 mended" in text


def test_errors_are_one_line(sound, tmp_path, run_cli):
    assert "no such file or folder" in run_cli("validate", tmp_path / "nothing", status=3).stderr
    assert "--split test" in run_cli("validate", sound / "annotations" / "instances_train.json", "--split", "test", status=2).stderr
    assert "known: amodalsynth" in run_cli("validate", sound, "--format", "voc", status=2).stderr
    (tmp_path / "empty.json").write_text("[[")
    assert run_cli("validate", tmp_path / "empty.json", status=3).stderr.startswith("Error: ")
