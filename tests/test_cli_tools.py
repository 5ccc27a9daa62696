"""The smaller commands: presets, sheet, doctor."""

import os

import numpy as np
import orjson
import pytest
from PIL import Image

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
    from dataclasses import replace

    from amodalsynth.generate import generate_dataset
    from amodalsynth.pool import load_pool
    from amodalsynth.pool_sources import with_folders

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


def test_doctor(run_cli, tmp_path):
    done = run_cli("doctor", "--out", tmp_path, env={**os.environ, "AMODALSYNTH_HOME": str(tmp_path / "home")})
    for word in ("python", "numpy", "extra test", "asset dtd", "amodalsynth assets fetch dtd", "can be written", "GB free"):
        assert word in done.stdout
    assert "FAIL" not in done.stdout and not list(tmp_path.iterdir())
    done = run_cli("doctor", "--out", "/proc/nowhere", status=1)
    assert "FAIL output" in done.stdout.replace("  ", " ") and "cannot be written" in done.stdout
