"""Folders of images: categories, splits, aliases, units, links; and the real assets."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amodalsynth.assets.manifest import load_manifest
from amodalsynth.assets.sources import AssetFile, list_source, scan_source
from amodalsynth.errors import AssetError, AssetMissing, ConfigurationError
from amodalsynth.rng import SPLITS


def make(root: Path, paths: Iterable[str]) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"not decoded here")
    return root


def images(folder: str, count: int, suffix: str = ".jpg") -> list[str]:
    return [f"{folder}/{index}{suffix}" for index in range(count)]


def ids(found: dict[str, tuple[AssetFile, ...]]) -> dict[str, list[str]]:
    return {category: [file.asset_id for file in files] for category, files in found.items()}


def all_ids(root: Path, **options) -> dict[str, set[str]]:
    return {split: {file.asset_id for files in list_source(root, split, **options).values() for file in files} for split in SPLITS}


def test_split_folders_hold_the_categories_and_images_lie_at_any_depth(tmp_path: Path) -> None:
    make(
        tmp_path, ["Training/b/1.jpg", "Training/a/x/y/2.PNG", "Validation/a/3.jpg", "Validation/b/4.webp", "Test/a/5.jpg", "Test/b/6.jpg"]
    )
    assert ids(list_source(tmp_path, "train")) == {"a": ["Training/a/x/y/2.PNG"], "b": ["Training/b/1.jpg"]}
    assert ids(list_source(tmp_path, "val")) == {"a": ["Validation/a/3.jpg"], "b": ["Validation/b/4.webp"]}
    assert ids(list_source(tmp_path, "test")) == {"a": ["Test/a/5.jpg"], "b": ["Test/b/6.jpg"]}
    file = list_source(tmp_path, "test")["a"][0]
    assert file == AssetFile("Test/a/5.jpg", tmp_path / "Test/a/5.jpg", "a")


@pytest.mark.parametrize("names", [("TRAIN", "val", "testing"), ("training", "Valid", "TEST"), ("train", "validation", "test")])
def test_the_other_names_of_the_split_folders(tmp_path: Path, names: tuple[str, str, str]) -> None:
    make(tmp_path, [f"{name}/a/1.jpg" for name in names])
    assert [ids(list_source(tmp_path, split)) for split in SPLITS] == [{"a": [f"{name}/a/1.jpg"]} for name in names]


def test_two_folders_of_one_split_cannot_be_told_apart(tmp_path: Path) -> None:
    make(tmp_path, ["train/a/1.jpg", "Training/a/1.jpg"])
    with pytest.raises(AssetError, match=r"'Training' and 'train' are both the split 'train'"):
        list_source(tmp_path, "train")


def test_a_missing_val_is_held_out_of_train(tmp_path: Path) -> None:
    make(tmp_path, [*images("Training/a", 100), *images("Test/a", 7)])
    splits = all_ids(tmp_path)
    assert [len(splits[split]) for split in SPLITS] == [82, 18, 7]  # 0.15 / (0.7 + 0.15) of 100
    assert splits["train"] | splits["val"] == {f"Training/{name}" for name in images("a", 100)}
    assert len(all_ids(tmp_path, fractions=(0.5, 0.5, 0.0))["val"]) == 50


def test_test_is_never_borrowed_and_train_not_made_up(tmp_path: Path) -> None:
    make(tmp_path / "one", [*images("train/a", 9), *images("valid/a", 9)])
    with pytest.raises(AssetMissing, match="never borrowed"):
        list_source(tmp_path / "one", "test")
    make(tmp_path / "two", [*images("test/a", 9)])
    assert list_source(tmp_path / "two", "test")
    for split in ("train", "val"):
        with pytest.raises(AssetMissing, match=f"no folder 'training' or 'train' for the split '{split}'.*found 'test'"):
            list_source(tmp_path / "two", split)


def test_without_split_folders_whole_objects_are_divided(tmp_path: Path) -> None:
    make(tmp_path, [f"cup/cup_{obj:02}/deep/{view}.png" for obj in range(20) for view in range(5)])
    splits = all_ids(tmp_path)
    objects = {split: {asset_id.split("/")[1] for asset_id in found} for split, found in splits.items()}
    assert [len(objects[split]) for split in SPLITS] == [14, 3, 3]
    assert len(set.union(*objects.values())) == 20
    assert sum(len(found) for found in splits.values()) == 100


def test_one_object_alone_or_none_is_divided_by_image(tmp_path: Path) -> None:
    make(tmp_path, [*images("a/only/render/images", 20, ".png"), *images("a/only/render/depths", 20, ".png"), *images("b", 20)])
    for split, count in zip(SPLITS, (14, 3, 3), strict=True):
        assert {category: len(files) for category, files in list_source(tmp_path, split).items()} == {"a": count, "b": count}


def test_images_beside_objects_are_units_of_their_own(tmp_path: Path) -> None:
    make(tmp_path, ["a/loose.jpg", *images("a/one", 5), *images("a/two", 5)])
    sizes = sorted(len(found) for found in all_ids(tmp_path).values())
    assert sizes == [1, 5, 5]


@settings(deadline=None, max_examples=60)
@given(units=st.integers(3, 60), weights=st.tuples(*[st.integers(0, 20)] * 3).filter(any), seed=st.integers(0, 5))
def test_splits_partition_the_images_in_proportion(tmp_path_factory: pytest.TempPathFactory, units: int, weights, seed: int) -> None:
    root = tmp_path_factory.mktemp("source")
    make(root, images("a", units))
    fractions = tuple(weight / sum(weights) for weight in weights)
    found = {}
    for split, share in zip(SPLITS, fractions, strict=True):
        if share == 0:
            with pytest.raises(ConfigurationError, match="leave nothing"):
                list_source(root, split, fractions=fractions, seed=seed)
        else:
            found[split] = ids(list_source(root, split, fractions=fractions, seed=seed))["a"]
            assert len(found[split]) >= 1 and abs(len(found[split]) - share * units) <= 2
    assert sorted(name for names in found.values() for name in names) == sorted(images("a", units))
    shutil.rmtree(root)


def test_two_units_serve_train_and_test_and_val_says_so(tmp_path: Path) -> None:
    make(tmp_path, images("a", 2))
    assert len(list_source(tmp_path, "train")["a"]) == len(list_source(tmp_path, "test")["a"]) == 1
    with pytest.raises(AssetMissing, match="/a: no image of category 'a' for the split 'val'"):
        list_source(tmp_path, "val")


def test_the_division_depends_on_the_seed_and_not_on_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = make(tmp_path / "here", images("a", 40)), make(tmp_path / "far/away", images("a", 40))
    monkeypatch.chdir(here)
    assert all_ids(here) == all_ids(there) == all_ids(Path()) == all_ids(Path("../here"))
    assert all_ids(here, seed=1)["test"] != all_ids(here, seed=2)["test"]


def test_aliases_match_without_case_and_with_marks_as_spaces(tmp_path: Path) -> None:
    make(
        tmp_path,
        [f"{split}/{name}/1.jpg" for split in ("Training", "Test") for name in ("Apple  Golden-1", "pear_3", "PEAR_1", "Zucchini")],
    )
    wanted = (("Zucchini", ("zucchini_1",)), ("Golden", ("x", "apple_golden_1")), ("Pear", ("pear 1", "pear-3")))
    assert ids(list_source(tmp_path, "test", categories=wanted)) == {
        "Zucchini": ["Test/Zucchini/1.jpg"],
        "Golden": ["Test/Apple  Golden-1/1.jpg"],
        "Pear": ["Test/PEAR_1/1.jpg"],
    }
    assert list(list_source(tmp_path, "test", categories=wanted)) == ["Zucchini", "Golden", "Pear"]


def test_a_category_may_lie_under_another_name_in_another_split(tmp_path: Path) -> None:
    make(tmp_path, ["Training/Carrot 1/1.jpg", "Test/carrot_1/2.jpg"])
    assert ids(list_source(tmp_path, "train")) == {"Carrot 1": ["Training/Carrot 1/1.jpg"]}
    assert ids(list_source(tmp_path, "test")) == {"Carrot 1": ["Test/carrot_1/2.jpg"]}


def test_a_number_sign_gathers_the_objects_of_a_flat_copy(tmp_path: Path) -> None:
    make(tmp_path, [f"{name}_{obj:03}/render/images/r_{i}.png" for name in ("hat", "hat_stand") for obj in range(10) for i in range(3)])
    wanted = (("hat", ("hat", "hat_#")),)
    splits = all_ids(tmp_path, categories=wanted)
    objects = [{asset_id.split("/")[0] for asset_id in splits[split]} for split in SPLITS]
    assert [len(found) for found in objects] == [7, 1, 2]
    assert set.union(*objects) == {f"hat_{obj:03}" for obj in range(10)}


def test_a_number_sign_in_a_folder_s_own_name_is_no_number(tmp_path: Path) -> None:
    make(tmp_path, ["no. #/1.jpg", "no. 7/2.jpg"])
    assert ids(list_source(tmp_path, "train")) == {"no. #": ["no. #/1.jpg"], "no. 7": ["no. 7/2.jpg"]}


def test_a_wanted_category_that_is_not_there_is_named_with_what_is(tmp_path: Path) -> None:
    make(tmp_path, [f"{index:02}/1.jpg" for index in range(12)])
    with pytest.raises(AssetMissing, match=r"no folder 'pear_1' or 'Pear' for category 'Pear'.*found '00', .*'07' and 4 more$"):
        list_source(tmp_path, "train", categories=(("Pear", ("pear_1",)),))


def test_folders_that_cannot_be_told_apart(tmp_path: Path) -> None:
    make(tmp_path, ["Pear 1/1.jpg", "pear_1/2.jpg"])
    for categories in ((), (("Pear", ("PEAR 1",)),)):
        with pytest.raises(AssetError, match="'Pear 1' and 'pear_1' are both category"):
            list_source(tmp_path, "train", categories=categories)


def test_a_folder_that_two_categories_claim(tmp_path: Path) -> None:
    make(tmp_path, images("apple", 3))
    with pytest.raises(AssetError, match="matched by two categories, 'Golden' and 'Red'"):
        list_source(tmp_path, "train", categories=(("Golden", ("apple",)), ("Red", ("Apple",))))


def test_an_empty_category_is_named(tmp_path: Path) -> None:
    make(tmp_path, [*images("a", 3), "empty/readme.txt"])
    with pytest.raises(AssetMissing, match="/empty: no image of category 'empty'"):
        list_source(tmp_path, "train")


def test_a_category_of_train_that_test_lacks_is_an_error_for_test_alone(tmp_path: Path) -> None:
    make(tmp_path, ["train/a/1.jpg", "train/b/1.jpg", "test/b/2.jpg"])
    assert list(list_source(tmp_path, "train")) == ["a", "b"]
    with pytest.raises(AssetMissing, match="/test: no folder 'a' for category 'a' of the split 'test'; found 'b'"):
        list_source(tmp_path, "test")


def test_hidden_files_and_what_is_no_photo_are_passed_over(tmp_path: Path) -> None:
    junk = [
        "a/.1.jpg",
        "a/notes.txt",
        "a/.thumbs/1.jpg",
        ".cache/1.jpg",
        "__MACOSX/a/1.jpg",
        "a/o1/normals/n.png",
        "a/o1/Depths/d.png",
        "a/jpg",
    ]
    make(tmp_path, ["a/o1/images/1.jpg", *junk])
    assert ids(list_source(tmp_path, "train")) == {"a": ["a/o1/images/1.jpg"]}


def test_flat_images_say_what_is_expected(tmp_path: Path) -> None:
    make(tmp_path, ["1.jpg", "2.jpg"])
    with pytest.raises(AssetMissing, match="no category folders; expected a folder per category"):
        list_source(tmp_path, "train")


def test_a_root_that_is_not_there_or_empty(tmp_path: Path) -> None:
    make(tmp_path, ["empty/file"])
    for root in (tmp_path / "empty", tmp_path / "none", tmp_path / "empty/file"):
        for shared in (False, True):
            with pytest.raises(AssetMissing, match="expected a folder per category"):
                list_source(root, "train", shared_by_splits=shared)


def test_textures_serve_every_split(tmp_path: Path) -> None:
    make(tmp_path, ["loose.jpg", "dotted/1.jpg", "banded/2.jpg", "banded/deep/3.jpg"])
    expected = {"banded": ["banded/2.jpg", "banded/deep/3.jpg"], "dotted": ["dotted/1.jpg"], "textures": ["loose.jpg"]}
    for split in SPLITS:
        assert ids(list_source(tmp_path, split, shared_by_splits=True)) == expected


def test_textures_in_split_folders_are_taken_together(tmp_path: Path) -> None:
    make(tmp_path, ["train/a/1.jpg", "test/a/2.jpg", "test/b/3.jpg", "test/4.jpg"])
    expected = {"a": ["test/a/2.jpg", "train/a/1.jpg"], "b": ["test/b/3.jpg"], "textures": ["test/4.jpg"]}
    assert ids(list_source(tmp_path, "val", shared_by_splits=True)) == expected


def test_links_to_files_and_folders_are_followed(tmp_path: Path) -> None:
    store = make(tmp_path / "store", ["photo.jpg", *images("object", 3)])
    make(tmp_path / "root", images("a", 3))
    (tmp_path / "root/a/link.jpg").symlink_to(store / "photo.jpg")
    (tmp_path / "root/a/broken.jpg").symlink_to(store / "nowhere.jpg")
    (tmp_path / "root/a/self.jpg").symlink_to(tmp_path / "root/a/self.jpg")
    (tmp_path / "root/b").symlink_to(store / "object")
    assert ids(scan_source(tmp_path / "root")) == {"a": ["a/0.jpg", "a/1.jpg", "a/2.jpg", "a/link.jpg"], "b": images("b", 3)}


@pytest.mark.parametrize("target", [".", "a", "a/deep"])
def test_a_loop_of_links_is_refused(tmp_path: Path, target: str) -> None:
    make(tmp_path, images("a/deep", 3))
    (tmp_path / "a/deep/loop").symlink_to(tmp_path / target)
    with pytest.raises(AssetError, match=r"/a/deep/loop: a link to .*: a loop"):
        list_source(tmp_path, "train")


def test_no_file_is_in_two_splits_by_way_of_a_link(tmp_path: Path) -> None:
    make(tmp_path, [*images("train/a", 3), *images("test/a", 3)])
    (tmp_path / "test/a/again.jpg").symlink_to(tmp_path / "train/a/1.jpg")
    for split in SPLITS:
        with pytest.raises(AssetError, match=r"again\.jpg: the same file as .*1\.jpg, but in split 'test'"):
            list_source(tmp_path, split)


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    make(tmp_path, images("a", 3))
    (tmp_path / "a" / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"")
    with pytest.raises(AssetError, match="is not UTF-8; rename it"):
        list_source(tmp_path, "train")
    (tmp_path / "a" / os.fsdecode(b"caf\xe9.jpg")).rename(tmp_path / "a/café.jpg")
    assert "a/café.jpg" in ids(scan_source(tmp_path))["a"]


@pytest.mark.parametrize("fractions", [(0.5, 0.5), (0.7, 0.2, 0.2), (1.2, -0.1, -0.1)])
def test_fractions_that_make_no_sense(tmp_path: Path, fractions) -> None:
    make(tmp_path, images("a", 3))
    with pytest.raises(ConfigurationError, match="split fractions"):
        list_source(tmp_path, "train", fractions=fractions)


def test_an_unknown_split(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="'dev': expected one of train, val, test"):
        list_source(tmp_path, "dev")


def test_scan_leaves_out_what_is_not_there(tmp_path: Path) -> None:
    make(tmp_path, ["Test/a/1.jpg", "Training/a/2.jpg", "Training/c/readme.txt"])
    wanted = (("b", ()), ("a", ()), ("c", ()))
    assert ids(scan_source(tmp_path, categories=wanted)) == {"a": ["Test/a/1.jpg", "Training/a/2.jpg"]}


def test_the_real_fruit(shared_assets: Path) -> None:
    root = shared_assets / "fruits-360-original-size"
    found = {split: list_source(root, split) for split in SPLITS}
    files = {split: [file.asset_id for files in found[split].values() for file in files] for split in SPLITS}
    assert len({*files["train"], *files["val"], *files["test"]}) == sum(map(len, files.values())) == 2180
    assert list(found["train"]) == list(found["val"]) == list(found["test"]) == sorted(path.name for path in (root / "Test").iterdir())
    assert {asset_id.split("/")[0] for asset_id in files["train"] + files["val"]} == {"Training"}
    assert {asset_id.split("/")[0] for asset_id in files["test"]} == {"Test"}
    assert len(files["val"]) / len(files["train"] + files["val"]) == pytest.approx(0.15 / 0.85, abs=0.01)


def test_the_paper_s_two_that_are_among_the_real_fruit(shared_assets: Path) -> None:
    aliases = dict(load_manifest("fruits360").categories)
    wanted = tuple((name, aliases[name]) for name in ("Golden", "Red Delicious"))
    found = list_source(shared_assets / "fruits-360-original-size", "test", categories=wanted)
    assert {category: files[0].path.parent.name for category, files in found.items()} == {
        "Golden": "apple_golden_1",
        "Red Delicious": "apple_red_delicios_1",
    }


def test_the_real_objects_are_divided_by_object(shared_assets: Path) -> None:
    splits = all_ids(shared_assets / "eth-80")
    objects = {split: {asset_id.rsplit("/", 1)[0] for asset_id in found} for split, found in splits.items()}
    assert len(set.union(*objects.values())) == sum(map(len, objects.values())) == 60
    assert [len(splits[split]) for split in SPLITS] == [7 * 66, 1 * 66, 2 * 66]


def test_the_real_textures(shared_assets: Path) -> None:
    found = list_source(shared_assets / "dtd/images", "val", shared_by_splits=True)
    assert len(found) == 10 and {len(files) for files in found.values()} == {60}
    assert ids(found) == ids(list_source(shared_assets / "dtd/images", "train", shared_by_splits=True))
