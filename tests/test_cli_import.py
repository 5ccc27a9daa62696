"""`amodalsynth import` as a user calls it: a summary on stdout, what was left out on stderr, and data that the other commands read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with a labelme file: two squares that overlap, and a line."""
    folder = tmp_path / "drawn"
    folder.mkdir()
    Image.new("RGB", (64, 48), (200, 180, 90)).save(folder / "a.jpg")
    shapes = [
        {"label": "plum", "shape_type": "polygon", "points": [[4, 4], [40, 4], [40, 30], [4, 30]]},
        {"label": "lime", "shape_type": "polygon", "points": [[20, 10], [60, 10], [60, 40], [20, 40]]},
        {"label": "lime", "shape_type": "line", "points": [[0, 0], [5, 5]]},
    ]
    (folder / "a.json").write_text(json.dumps({"imagePath": "a.jpg", "imageHeight": 48, "imageWidth": 64, "shapes": shapes}))
    return folder


def test_import_and_what_follows(source, tmp_path, run_cli):
    out = tmp_path / "out"
    done = run_cli("import", "labelme", source, "--out", out, "--split", "test")
    assert done.stdout.splitlines() == [
        f"{out}: 1 images, 2 instances as split test, from labelme",
        "1 pairs overlap",
        "2 visible masks derived from the amodal masks and the paint order",
        "1 overlapping pairs whose order the source leaves open, ordered by their place in the frame (first: a.json)",
    ]
    assert done.stderr == "Warning: 1 instances without a mask left out (first: a.json, shape 3 (line))\n"
    assert json.loads(run_cli("stats", out, "--json").stdout)["total"]["num_occluded_instances"] == 1
    assert "1 scenes of split test" in run_cli("sheet", out).stdout
    assert "20 points for 2 instances" in run_cli("points", out).stdout


def test_faults_are_one_line(source, tmp_path, run_cli):
    assert "known: amodalsynth, coco" in run_cli("import", "voc", source, "--out", tmp_path / "out", status=2).stderr
    assert "expected JSON" in run_cli("import", "labelme", tmp_path / "drawn" / "a.jpg", "--out", tmp_path / "out", status=3).stderr
    (source / "a.jpg").unlink()
    missing = run_cli("import", "auto", source, "--out", tmp_path / "out", status=3)
    assert missing.stderr.startswith("Error: ") and "a.jpg" in missing.stderr and "--image-root" in missing.stderr
    assert not (tmp_path / "out").exists()
    assert "2 instances" in run_cli("import", "auto", source, "--out", tmp_path / "out", "--images", "none").stdout
