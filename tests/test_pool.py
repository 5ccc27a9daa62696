"""The asset pool: splits, what is prepared once, and files that cannot be used."""

import os
import pickle
import shutil

import numpy as np
import pytest
from PIL import Image

from amodalsynth import pool as pool_module
from amodalsynth.compositing import prepare_cutout
from amodalsynth.errors import AssetError, AssetMissing, ConfigurationError
from amodalsynth.generate import generate_sample
from amodalsynth.pool import load_pool
from amodalsynth.pool_sources import with_folders
from amodalsynth.presets import PRESETS, override
from tests.strategies import disc

SMALL = override(PRESETS["intra-afruit"], ["image_size=64x48"])


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("AMODALSYNTH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def load(folders, split="train", preset=SMALL, **options):
    preset = with_folders(preset, *folders)
    return preset, load_pool(preset, split, foregrounds=folders[0], backgrounds=folders[1], **options)


def test_folders_of_ones_own(drawn_assets):
    preset, pool = load(drawn_assets)
    assert (preset.foregrounds, preset.categories, pool.categories) == ("folder", (), ("lime", "plum"))
    assert len(pool.cutouts[1]) == 3  # the folders hold no val, so one of four is held out
    assert set(pool.cutouts[1]) < {f"train/plum/plum_{i}.png" for i in range(4)}
    assert len(pool.backgrounds) == 6 and pool.background(pool.backgrounds[0]).shape == (48, 64, 3)
    name = pool.cutouts[0][0]
    height, width = pool.cutout_size_hw(name)
    assert max(height, width) == np.ceil(preset.scale[1] * 48)  # no larger than any scene needs
    levels = pool.cutout(name).levels
    assert levels[0].shape == (height + 2, width + 2, 4) and not levels[0].flags.writeable
    generate_sample(preset, pool, "train", 0, 0)


def test_splits_share_textures_but_no_cutout(drawn_assets):
    pools = [load(drawn_assets, split)[1] for split in ("train", "val", "test")]
    names = [{name for names in pool.cutouts for name in names} for pool in pools]
    assert all(names) and not names[0] & names[1] and not names[1] & names[2] and not names[0] & names[2]
    assert pools[0].backgrounds == pools[1].backgrounds == pools[2].backgrounds
    apart = override(SMALL, ["separate_backgrounds=yes"])
    textures = [set(load(drawn_assets, split, apart)[1].backgrounds) for split in ("train", "val", "test")]
    assert all(textures) and not textures[0] & textures[1] and not textures[1] & textures[2]


def test_a_pool_travels_to_other_processes(drawn_assets):
    _, pool = load(drawn_assets)
    pool.cutout(pool.cutouts[0][0])
    there = pickle.loads(pickle.dumps(pool))
    assert (there.cutout(pool.cutouts[0][0]).levels[0] == pool.cutout(pool.cutouts[0][0]).levels[0]).all()
    assert there.sha256 == pool.sha256 and there.categories == pool.categories


def test_nothing_is_prepared_twice(drawn_assets, own_home, monkeypatch, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(drawn_assets[0].parent, copy)
    folders = (copy / "foregrounds", copy / "backgrounds")
    prepared = []
    monkeypatch.setattr(
        pool_module, "prepare", lambda group, folder, real=pool_module.prepare: (prepared.append(group), real(group, folder))
    )
    seen = []
    _, first = load(folders, progress=lambda done, total: seen.append((done, total)))
    assert len(prepared) == 4 and seen[-1] == (14 - 2, 14 - 2)  # two categories without what val holds, two folders of textures
    _, second = load(folders)
    assert len(prepared) == 4
    assert (first.cutout(first.cutouts[0][0]).levels[0] == second.cutout(first.cutouts[0][0]).levels[0]).all()
    name = first.cutouts[1][0]
    with Image.open(folders[0] / name) as picture:
        picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folders[0] / name)
    _, third = load(folders)
    assert len(prepared) == 5  # only the folder with the changed file
    assert third.sha256["foregrounds"][name] != first.sha256["foregrounds"][name]
    load(folders, preset=override(SMALL, ["image_size=96x96"]))
    assert len(prepared) == 9


def test_unusable_files_are_named_and_left_out(tmp_path, drawn_assets, own_home):
    folder = tmp_path / "fruit"
    shutil.copytree(drawn_assets[0] / "train", folder)
    for i in range(4, 16):  # enough for each split to hold some
        Image.fromarray(disc(30 + i, 40, (150, 40, 120))).save(folder / "plum" / f"plum_{i}.png")
    (folder / "plum" / "empty.jpg").touch()
    (folder / "plum" / "text.png").write_text("not a picture")
    Image.fromarray(np.full((30, 30, 3), 255, np.uint8)).save(folder / "plum" / "white.png")
    Image.fromarray(np.full((30, 30, 3), 90, np.uint8)).save(folder / "plum" / "rectangle.png")
    (folder / "plum" / "notes.txt").touch()
    loaded = [load((folder, drawn_assets[1]), split)[1] for split in ("train", "val", "test")]
    skipped = {name: reason for pool in loaded for name, reason in pool.skipped.items()}
    assert set(skipped) == {f"plum/{name}" for name in ("empty.jpg", "text.png", "white.png", "rectangle.png")}
    assert all(reason and "\n" not in reason for reason in skipped.values())
    kept = {name for pool in loaded for names in pool.cutouts for name in names}
    assert kept == {f"{c}/{c}_{i}.png" for c, count in (("lime", 4), ("plum", 16)) for i in range(count)}


def test_a_category_left_empty_is_an_error(tmp_path, drawn_assets, own_home):
    folder = tmp_path / "fruit"
    shutil.copytree(drawn_assets[0] / "train" / "lime", folder / "lime")
    (folder / "kiwi").mkdir()
    for i in range(4):
        (folder / "kiwi" / f"{i}.jpg").write_bytes(b"x")
    with pytest.raises(AssetError, match=r"category 'kiwi': none of the \d files is usable"):
        load((folder, drawn_assets[1]))


def test_what_killed_processes_left_is_removed(drawn_assets, own_home):
    prepared = own_home / "prepared"
    prepared.mkdir(parents=True)
    (prepared / ".x.bin.999999999.tmp").touch()
    (prepared / f".y.bin.{os.getpid()}.tmp").touch()  # of a process that is alive
    load(drawn_assets)
    assert [path.name for path in prepared.glob(".*")] == [f".y.bin.{os.getpid()}.tmp"]


def test_missing_sources(tmp_path, drawn_assets, own_home):
    with pytest.raises(AssetMissing, match="--foregrounds .*nowhere: no such folder"):
        load((tmp_path / "nowhere", drawn_assets[1]))
    with pytest.raises(AssetMissing, match="amodalsynth assets fetch fruits360"):
        load_pool(SMALL, "train", backgrounds=drawn_assets[1])
    with pytest.raises(AssetMissing, match="assets add omniobject3d PATH"):
        load_pool(PRESETS["acom"], "train")
    with pytest.raises(ConfigurationError, match="change it with with_folders"):
        load_pool(SMALL, "train", foregrounds="builtin", backgrounds=drawn_assets[1])
    with pytest.raises(ConfigurationError, match="give it with --backgrounds PATH"):
        load_pool(override(SMALL, ["backgrounds=folder"]), "train", foregrounds=drawn_assets[0])


def test_what_is_prepared_is_the_cutout(drawn_assets):
    _, pool = load(drawn_assets, preset=override(SMALL, ["image_size=256x256"]))
    name = pool.cutouts[1][0]
    with Image.open(drawn_assets[0] / name) as picture:
        rgba = np.asarray(picture)
    stored, made = pool.cutout(name), prepare_cutout(rgba)
    assert stored.size_hw == made.size_hw and (stored.outline == made.outline).all()
    for level, expected in zip(stored.levels, made.levels, strict=True):
        assert (level == expected).all()


@pytest.mark.parametrize("preset", ["intra-afruit", "inter-amix", "acom"])
def test_the_builtin_pack_serves_every_preset(preset):
    preset = with_folders(PRESETS[preset], "builtin", "builtin")
    pool = load_pool(preset, "test", foregrounds="builtin", backgrounds="builtin", num_workers=2)
    assert pool.categories == preset.categories and not pool.skipped
    assert min(map(len, pool.cutouts)) >= 10 and len(pool.backgrounds) >= 20
