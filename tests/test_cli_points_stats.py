"""`amodalsynth points` and `amodalsynth stats` as a user calls them: results on stdout, faults in one line, nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def amodalsynth(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "amodalsynth_cli", *arguments], cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with a small data set where the commands look for one."""
    mask = {"size": [4, 6], "counts": [5, 2, 2, 2, 13]}
    annotations = [
        {"id": i, "image_id": 1, "category_id": 1, "segmentation": mask, "area": 4, "occlude_rate": (i - 1) / 2, "layer": i - 1}
        for i in (1, 2)
    ]
    document = {"images": [{"id": 1, "height": 4, "width": 6}], "annotations": annotations, "categories": [{"id": 1, "name": "Pear"}]}
    (tmp_path / "intra-afruit" / "annotations").mkdir(parents=True)
    (tmp_path / "intra-afruit" / "dataset.json").write_text('{"preset": {"name": "intra-afruit"}}')
    for split in ("train", "test"):
        (tmp_path / "intra-afruit" / "annotations" / f"instances_{split}.json").write_text(json.dumps(document))
    return tmp_path


def test_points_of_the_default_data_set(folder: Path) -> None:
    done = amodalsynth(folder, "points", "--num-points", "3")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    for split, line in zip(("train", "test"), lines, strict=True):
        path = Path("intra-afruit") / "annotations" / f"instances_{split}_n3_v1_without_masks.json"
        assert line == f"{path}: 6 points for 2 instances, 100.0% of them labelled 1"
        written = json.loads((folder / path).read_text())
        assert all(1 <= x < 3 and 1 <= y < 3 for annotation in written["annotations"] for x, y in annotation["point_coords"])


def test_points_of_one_split_to_a_file(folder: Path) -> None:
    done = amodalsynth(folder, "points", "intra-afruit", "--split", "test", "--seed", "4", "--out", "p.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("p.json: 20 points for 2 instances")


def test_stats_as_text_and_as_json(folder: Path) -> None:
    text = amodalsynth(folder, "stats")
    assert (text.returncode, text.stderr) == (0, "")
    assert text.stdout.startswith("Statistics of intra-afruit\n")
    assert "30.6" in text.stdout
    done = amodalsynth(folder, "stats", "intra-afruit/annotations/instances_train.json", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    stats = json.loads(done.stdout)
    assert stats["splits"]["train"]["layers"] == {"0": 1, "1": 1}
    assert stats["total"]["mean_occlusion_rate"] == 0.25
    assert stats["total"]["mean_occlusion_rate_of_occluded"] == 0.5
    assert stats["total"]["num_direct_pairs"] is None


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["points", "nowhere"], 3, "nowhere: no such file or folder"),
        (["stats", "nowhere"], 3, "nowhere: no such file or folder"),
        (["points", "--split", "val"], 3, "no split 'val'; there: "),
        (["points", "--out", "p.json"], 2, "choose one with --split"),
        (["points", "--num-points", "0"], 2, "Invalid value for '--num-points'"),
        (["points", "intra-afruit/dataset.json"], 3, "expected a COCO file with an array 'images'"),
        (["points", "--split", "test", "--out", "absent/p.json"], 5, "absent/p.json: the points could not be written"),
        (["stats", "--split", "dev"], 2, "Invalid value for '--split'"),
    ],
)
def test_faults_take_one_line(folder: Path, arguments: list[str], status: int, message: str) -> None:
    done = amodalsynth(folder, *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (status, "", 1)
    assert message in done.stderr


def test_without_a_path_the_error_says_what_was_looked_for(tmp_path: Path) -> None:
    for command in ("points", "stats"):
        done = amodalsynth(tmp_path, command)
        assert done.returncode == 3
        assert "intra-afruit" in done.stderr
