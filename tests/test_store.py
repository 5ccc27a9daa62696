"""The store: where assets lie, adding a folder, the message for a missing one, verifying."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path

import pytest

from amodalsynth.assets import store
from amodalsynth.assets.store import AssetFault
from amodalsynth.errors import AssetDamaged, AssetError, AssetMissing, ConfigurationError


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AMODALSYNTH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def make_fruit(folder: Path) -> Path:
    for name in ("Training/Apple Golden 1", "Training/Pear 1", "Test/Apple Golden 1", "Test/Banana 3"):
        (folder / name).mkdir(parents=True)
        for index in range(3):
            (folder / name / f"{index}.jpg").write_text(f"{name} {index}")
    (folder / "README.md").write_text("fruit")
    return folder


def test_home_is_the_environment_s_or_the_user_s_cache(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert store.home() == own_home
    monkeypatch.setenv("AMODALSYNTH_HOME", "~/there")
    assert store.home() == Path.home() / "there"
    monkeypatch.delenv("AMODALSYNTH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert store.home() == Path("/caches/amodalsynth")


def test_a_missing_asset_says_in_one_line_what_to_do(own_home: Path) -> None:
    told = {
        "dtd": [
            "`amodalsynth assets fetch dtd`",
            "https://www.robots.ox.ac.uk",
            "625 MB",
            "research only",
            "`amodalsynth assets add dtd PATH`",
        ],
        "fruits360": ["`amodalsynth assets fetch fruits360`", "https://github.com/fruits-360", "1 GB", "CC BY-SA 4.0", "share-alike"],
        "omniobject3d": ["by hand", "https://github.com/omniobject3d", "1.2 TB", "CC BY 4.0", "`amodalsynth assets add omniobject3d PATH`"],
    }
    for name, parts in told.items():
        with pytest.raises(AssetMissing) as caught:
            store.locate(name)
        assert all(part in str(caught.value) for part in parts) and "\n" not in str(caught.value)
    assert store.installed() == ()
    assert not own_home.exists()


def test_an_unknown_name(tmp_path: Path) -> None:
    for call in (store.locate, store.verify, lambda name: store.add(name, tmp_path)):
        with pytest.raises(ConfigurationError, match="expected one of dtd"):
            call("nothing")


def test_add_registers_a_folder_where_it_lies(tmp_path: Path, own_home: Path) -> None:
    root = make_fruit(tmp_path / "fruit")
    before = sorted(tmp_path.rglob("fruit/**"))
    told = []
    asset = store.add("fruits360", root, progress=lambda *report: told.append(report))
    assert store.locate("fruits360") == asset.root == root
    assert store.installed() == (asset,)
    assert (asset.num_files, asset.num_bytes, asset.url, asset.archive_sha256) == (9, sum(map(len_of, root.glob("T*/[AP]*/*"))), None, None)
    assert told == [("check", done, 9) for done in range(1, 10)]
    assert sorted(tmp_path.rglob("fruit/**")) == before
    assert {path.name for path in (own_home / "assets").iterdir()} == {"fruits360", ".fruits360.lock"}


def len_of(path: Path) -> int:
    return path.stat().st_size


@pytest.mark.parametrize("above", ["", "fruits-360-original-size-2ec399e", "fruits-360-original-size"])
def test_add_takes_the_folder_above_the_root_too(tmp_path: Path, above: str) -> None:
    root = make_fruit(tmp_path / "unpacked" / above)
    assert store.add("fruits360", tmp_path / "unpacked").root == root
    assert store.add("fruits360", root).root == root


@pytest.mark.parametrize("given", ["", "dtd", "dtd/images"])
def test_add_finds_the_textures_in_the_archive_s_layout(tmp_path: Path, given: str) -> None:
    for name in ("images/banded/1.jpg", "imdb/imdb.mat", "labels/train1.txt"):
        (tmp_path / "dtd" / name).parent.mkdir(parents=True)
        (tmp_path / "dtd" / name).write_text("")
    assert store.add("dtd", tmp_path / given).root == tmp_path / "dtd/images"


def test_add_takes_both_layouts_of_omniobject3d(tmp_path: Path) -> None:
    for layout in ("nested/raw/blender_renders/fire_extinguisher/fire_extinguisher_001", "flat/fire_extinguisher_001"):
        for kind in ("images", "normals"):
            (tmp_path / layout / "render" / kind).mkdir(parents=True)
            (tmp_path / layout / "render" / kind / "r_0.png").write_text("")
    assert store.add("omniobject3d", tmp_path / "nested").root == tmp_path / "nested/raw/blender_renders"
    asset = store.add("omniobject3d", tmp_path / "flat")
    assert (asset.root, asset.num_files) == (tmp_path / "flat", 1)
    assert len(store.installed()) == 1


def test_add_refuses_what_is_not_the_asset(tmp_path: Path) -> None:
    (tmp_path / "x/bananas").mkdir(parents=True)
    (tmp_path / "x/bananas/1.jpg").write_text("")
    with pytest.raises(
        AssetMissing, match=r"x: not Fruits-360.*expected folders with images, called apple_golden_1, pear_1.*found 'bananas'$"
    ):
        store.add("fruits360", tmp_path / "x")
    with pytest.raises(AssetMissing, match="none: no such folder"):
        store.add("fruits360", tmp_path / "none")
    assert store.installed() == ()


def test_a_folder_that_is_gone_is_said_to_be(tmp_path: Path) -> None:
    root = make_fruit(tmp_path / "fruit")
    store.add("fruits360", root)
    root.rename(tmp_path / "elsewhere")
    with pytest.raises(AssetMissing, match=r"/fruit is gone; put it back, or run `amodalsynth assets fetch fruits360`"):
        store.locate("fruits360")
    assert not store.is_present("fruits360")


def test_verify_names_what_is_missing_changed_or_extra(tmp_path: Path) -> None:
    root = make_fruit(tmp_path / "fruit")
    store.add("fruits360", root)
    assert store.verify("fruits360") == ()
    (root / "Training/Pear 1/0.jpg").unlink()
    (root / "Test/Apple Golden 1/2.jpg").write_text("Test/Apple Golden 1 3")  # as long as before
    (root / "Training/Pear 1/new.jpg").write_text("new")
    (root / "Test/Banana 3/0.jpg").unlink()  # of no category that is used
    assert store.verify("fruits360") == (
        AssetFault("changed", "Test/Apple Golden 1/2.jpg"),
        AssetFault("missing", "Training/Pear 1/0.jpg"),
        AssetFault("extra", "Training/Pear 1/new.jpg"),
    )
    store.add("fruits360", root)
    assert store.verify("fruits360") == ()


def test_an_altered_listing_or_record_is_found(tmp_path: Path, own_home: Path) -> None:
    root = make_fruit(tmp_path / "fruit")
    store.add("fruits360", root)
    listing, record = own_home / "assets/fruits360/files.json", own_home / "assets/fruits360/asset.json"
    listing.write_text(json.dumps(dict.fromkeys(json.loads(listing.read_text()), "0" * 64)))
    with pytest.raises(AssetDamaged, match="cannot be verified; remove"):
        store.verify("fruits360")
    for content in ("", "[]", "{}", '{"root": 1}'):
        record.write_text(content)
        with pytest.raises(AssetDamaged, match=r"asset\.json: not a record"):
            store.locate("fruits360")


def test_one_process_at_a_time_prepares_an_asset(tmp_path: Path) -> None:
    root = make_fruit(tmp_path / "fruit")
    with store.staging("fruits360"), pytest.raises(AssetError, match="another process is fetching or adding 'fruits360'"):
        store.add("fruits360", root)
    store.add("fruits360", root)


def test_what_a_killed_process_left_is_cleared(tmp_path: Path, own_home: Path) -> None:
    left = own_home / "assets/.fruits360.partial/new"
    left.mkdir(parents=True)
    (left / "asset.json").write_text("{}")
    with pytest.raises(AssetMissing):
        store.locate("fruits360")
    with (own_home / "assets/.fruits360.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # held by the dead process once, and released by its death
    assert store.add("fruits360", make_fruit(tmp_path / "fruit")).num_files == 9
    assert not left.exists()


def test_the_real_textures_can_be_added_and_verified(shared_assets: Path) -> None:
    asset = store.add("dtd", shared_assets / "dtd")
    assert (asset.root, asset.num_files) == (shared_assets / "dtd/images", 600)
    assert store.verify("dtd") == ()
