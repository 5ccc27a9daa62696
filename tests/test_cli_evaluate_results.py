"""`amodalsynth evaluate-results` as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from amodalsynth_cli.evaluate_results import command
from click.testing import CliRunner

from amodalsynth import generate_dataset
from tests.strategies import SMALL, DrawnPool


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("evaluate-results") / "data"
    preset = replace(SMALL, image_size=(64, 64), scale=(0.4, 0.9))
    generate_dataset(preset, DrawnPool(), out, split="train", num_images=6, seed=1)
    return out


@pytest.fixture(scope="module")
def results(data: Path) -> Path:
    """The ground truth fed back, written as a tool of others might: without boxes, with visible masks under KINS's name."""
    path = data.parent / "results.json"
    annotations = json.loads((data / "annotations" / "instances_train.json").read_bytes())["annotations"]
    kept = ("image_id", "category_id", "segmentation", "layer")
    path.write_text(json.dumps([{k: a[k] for k in kept} | {"inmodal_seg": a["visible_mask"], "score": 1 / a["id"]} for a in annotations]))
    return path


def amodalsynth(*arguments: object) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "amodalsynth_cli", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_the_flags_are_frozen() -> None:
    assert sorted(name for option in command.params for name in option.opts if name.startswith("--")) == ["--gt", "--json", "--split"]


def test_json_of_a_data_set_and_text_of_a_file(data: Path, results: Path) -> None:
    status, out, err = amodalsynth("evaluate-results", results, "--gt", data, "--split", "train", "--json")
    assert (status, err) == (0, "")
    evaluation = json.loads(out)
    for kind in ("box", "mask", "visible"):
        assert evaluation[kind] == {name: pytest.approx(100) for name in ("AP", "AP50", "AP75")}
    assert evaluation["num_images"] == 6 and evaluation["order"]["f1"] in (None, 100) and evaluation["miou"]["amodal"] == pytest.approx(100)
    run = CliRunner().invoke(command, [str(results), "--gt", str(data / "annotations" / "instances_train.json")])
    assert run.exit_code == 0 and ["visible", "mask", "100.0", "100.0", "100.0"] in [line.split() for line in run.stdout.splitlines()]


@pytest.mark.parametrize(
    ("content", "gt", "said"),
    [
        ("[", "", "expected a JSON list of detections, got a fault"),
        ('{"detections": []}', "", "expected a list of detections"),
        (
            '[{"image_id": 1000}]',
            "",
            "entry 0: expected an id that the ground truth has, one of [1, 2, 3, 4, 5, 6], under 'image_id', got 1000",
        ),
        ('[{"image_id": 1, "category_id": 1, "score": 1e999}]', "", "got a fault"),
        ("[]", "nowhere", "nowhere"),
        ("[]", "results.json", "results.json"),
    ],
)
def test_faults_are_told_on_one_line(content: str, gt: str, said: str, data: Path, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(content)
    status, out, err = amodalsynth("evaluate-results", tmp_path / "results.json", "--gt", tmp_path / gt if gt else data, "--split", "train")
    assert (status, out) == (3, "") and err.startswith("Error: ") and said in err and err.count("\n") == 1
