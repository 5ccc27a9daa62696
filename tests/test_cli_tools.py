"""The smaller commands: presets, show, sheet, doctor."""

import os
from dataclasses import replace

import numpy as np
import orjson
import pytest
from PIL import Image

import amodalsynth
from amodalsynth.drawing import draw_scene
from amodalsynth.generate import generate_dataset, generate_sample
from amodalsynth.pool import load_pool
from amodalsynth.pool_sources import with_folders
from amodalsynth.presets import PRESETS, get_preset


def test_presets(run_cli, tmp_path):
    assert [line.split()[0] for line in run_cli("presets", "list").stdout.splitlines()] == list(PRESETS)
    text = run_cli("presets", "show", "intra-afruit", "--set", "image_size=640x480").stdout
    assert "image_size = [640,480]  # (width, height) of the frame in pixels" in text
    (tmp_path / "again.toml").write_text(text)
    assert get_preset(str(tmp_path / "again.toml")).image_size == (640, 480)  # what is shown is a file to start from
    assert orjson.loads(run_cli("presets", "show", "acom", "--json").stdout) == PRESETS["acom"].to_json()
    assert "no preset 'acon'" in run_cli("presets", "show", "acon", status=2).stderr


@pytest.fixture(scope="module")
def small(tmp_path_factory, drawn_assets):
    preset = with_folders(replace(PRESETS["intra-afruit"], image_size=(96, 64)), *drawn_assets)
    pool = load_pool(preset, "train", foregrounds=drawn_assets[0], backgrounds=drawn_assets[1])
    out = tmp_path_factory.mktemp("tools") / "small"
    generate_dataset(preset, pool, out, split="train", num_images=5, seed=0)
    return out


def test_sheet(run_cli, small, tmp_path):
    done = run_cli("sheet", small, "--num-images", 4, "--to", tmp_path / "sheet.jpg")
    assert "4 scenes of split train" in done.stdout
    with Image.open(tmp_path / "sheet.jpg") as picture:
        assert picture.width > 3 * 2 * 96 and picture.height > 2 * 2 * 64
        assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 500
    run_cli("sheet", small)
    assert (small / "contact-sheet.png").is_file()
    assert "ends in jpg, png, webp" in run_cli("sheet", small, "--to", tmp_path / "sheet.gif", status=2).stderr
    assert "no finished split 'val'" in run_cli("sheet", small, "--split", "val", status=3).stderr
    assert "no such file or folder" in run_cli("sheet", tmp_path / "nowhere", status=3).stderr


def test_show(run_cli, small, tmp_path):
    done = run_cli("show", small, "--image", 3, "--out", tmp_path / "x.png")
    record = amodalsynth.open(small)[2]
    lines = done.stdout.splitlines()
    assert "image 3 of split train" in lines[0] and lines[1].split()[:3] == ["instance", "category", "layer"]
    assert [int(line.split()[0]) for line in lines[2:]] == list(reversed(range(len(record.entries))))
    with Image.open(tmp_path / "x.png") as picture:
        assert (np.asarray(picture) == draw_scene(record.title, record.image, record.annotation)).all()
    run_cli("show", small, cwd=tmp_path)
    assert (tmp_path / "image-1.png").is_file()
    assert "no image has id 99" in run_cli("show", small, "--image", 99, "--out", tmp_path / "y.png", status=3).stderr
    assert "ends in jpg, png, webp" in run_cli("show", small, "--out", tmp_path / "y.gif", status=2).stderr
    assert not (tmp_path / "y.png").exists()


def test_a_notebook_shows_records_data_sets_and_samples(small, drawn_assets):
    reader = amodalsynth.open(small)
    assert "train: 5 images" in reader._repr_html_() and "data:image/png" in reader._repr_html_()
    assert reader[0]._repr_html_().count("<tr>") == len(reader[0].entries) + 1
    preset = with_folders(replace(PRESETS["intra-afruit"], image_size=(96, 64)), *drawn_assets)
    pool = load_pool(preset, "train", foregrounds=drawn_assets[0], backgrounds=drawn_assets[1])
    assert "data:image/png" in generate_sample(preset, pool, "train", 0, 0)._repr_html_()


def test_doctor(run_cli, tmp_path):
    done = run_cli("doctor", "--out", tmp_path, env={**os.environ, "AMODALSYNTH_HOME": str(tmp_path / "home")})
    for word in ("python", "numpy", "extra test", "asset dtd", "amodalsynth assets fetch dtd", "can be written", "GB free"):
        assert word in done.stdout
    assert "FAIL" not in done.stdout and not list(tmp_path.iterdir())
    done = run_cli("doctor", "--out", "/proc/nowhere", status=1)
    assert "FAIL output" in done.stdout.replace("  ", " ") and "cannot be written" in done.stdout
