"""Recipes: the same data set again, and what differs when something changed."""

import shutil

import orjson
import pytest

from tests.strategies import judge, tree


@pytest.fixture(scope="module")
def made(tmp_path_factory, drawn_assets):
    """A data set of two splits from folders of one's own."""
    from dataclasses import replace

    from amodalsynth.generate import generate_dataset
    from amodalsynth.pool import load_pool
    from amodalsynth.pool_sources import with_folders
    from amodalsynth.presets import PRESETS

    out = tmp_path_factory.mktemp("recipes") / "out"
    preset = replace(with_folders(PRESETS["inter-amix"], *drawn_assets), image_size=(64, 48), flip=0.5)
    for split in ("train", "test"):
        pool = load_pool(preset, split, foregrounds=drawn_assets[0], backgrounds=drawn_assets[1])
        generate_dataset(preset, pool, out, split=split, num_images=30, seed=5)
    return out


@pytest.fixture
def published(made, tmp_path):
    """What is published of it: dataset.json and the recipes."""
    folder = tmp_path / "published"
    folder.mkdir()
    shutil.copy(made / "dataset.json", folder)
    shutil.copytree(made / "scenes", folder / "scenes")
    return folder


def folders(drawn_assets):
    return ("--foregrounds", drawn_assets[0], "--backgrounds", drawn_assets[1])


def test_render_makes_the_same_bytes(made, published, drawn_assets, tmp_path, run_cli):
    run_cli("render", published, "--out", tmp_path / "again", *folders(drawn_assets), "--workers", 2)
    assert tree(tmp_path / "again") == tree(made)
    judge(tmp_path / "again", "train", "--images", "30")
    run_cli("render", published / "scenes" / "test.jsonl", "--out", tmp_path / "one", *folders(drawn_assets))
    assert not (tmp_path / "one" / "scenes" / "train.jsonl").exists()


def test_verify_says_that_all_is_well(published, drawn_assets, run_cli):
    done = run_cli("render", published, "--verify", *folders(drawn_assets))
    assert "all 60 images are as their recipes say" in done.stdout
    assert sorted(path.name for path in published.iterdir()) == ["dataset.json", "scenes"]


def test_verify_names_what_differs(published, drawn_assets, tmp_path, run_cli):
    used = [i["asset"] for line in (published / "scenes/train.jsonl").read_bytes().splitlines() for i in orjson.loads(line)["instances"]]
    first, second = sorted(set(used))[:2]
    changed = tmp_path / "foregrounds"
    shutil.copytree(drawn_assets[0], changed)
    shutil.copy(changed / second, changed / first)
    (changed / second).unlink()
    done = run_cli("render", published, "--verify", "--foregrounds", changed, "--backgrounds", drawn_assets[1], status=3)
    assert f"train: foreground {first} has other content" in done.stdout and f"train: foreground {second} is missing" in done.stdout
    assert "differences found in 60 images" in done.stderr


def test_verify_finds_an_image_that_differs(published, drawn_assets, run_cli):
    lines = (published / "scenes/train.jsonl").read_bytes().splitlines()
    recipe = orjson.loads(lines[3])
    recipe["instances"][-1]["center"][0] += 2
    lines[3] = orjson.dumps(recipe)
    (published / "scenes/train.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    done = run_cli("render", published, "--verify", *folders(drawn_assets), status=3)
    assert "train: pixels differ" in done.stdout and "(1 images, first 4)" in done.stdout


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("not json", "line 1: not a recipe"),
        ("{}", "line 1: not a recipe"),
        ('{"image_id":9,"attempt":0,"background":{"asset":"a","sha256":"b"},"instances":[],"pixels":""}', "expected image_id 1, got 9"),
        ('{"image_id":1,"attempt":0,"background":{"asset":"a","sha256":"b"},"instances":[],"pixels":""}', "background a is missing"),
    ],
)
def test_faulty_recipes(published, drawn_assets, tmp_path, run_cli, line, message):
    (published / "scenes/train.jsonl").write_text(line + "\n")
    (published / "scenes/test.jsonl").unlink()
    about = orjson.loads((published / "dataset.json").read_bytes())
    about["splits"]["train"]["num_images"] = 1
    (published / "dataset.json").write_bytes(orjson.dumps(about))
    done = run_cli("render", published, "--out", tmp_path / "again", *folders(drawn_assets), status=4 if "missing" in message else 3)
    assert message in done.stderr and done.stderr.count("\n") == 1


def test_recipes_that_are_missing_are_missed(made, published, drawn_assets, run_cli):
    lines = (published / "scenes/train.jsonl").read_bytes().splitlines(keepends=True)
    (published / "scenes/train.jsonl").write_bytes(b"".join(lines[:10]))
    done = run_cli("render", published, "--verify", *folders(drawn_assets), status=3)
    assert "expected 30 recipes, as dataset.json says, got 10" in done.stderr
    assert "is the data set that the recipes belong to" in run_cli("render", made, "--out", made, *folders(drawn_assets), status=2).stderr


def test_missing_recipes(tmp_path, drawn_assets, run_cli):
    assert "no such file" in run_cli("render", tmp_path / "nowhere", "--verify", status=3).stderr
    assert "no data set" in run_cli("render", tmp_path, "--verify", status=3).stderr
    assert "either --out DIR" in run_cli("render", tmp_path, status=2).stderr
