"""Manifests: every one that ships can be read and is plausible."""

from __future__ import annotations

import re

import pytest

from amodalsynth.assets.manifest import load_manifest, manifest_names
from amodalsynth.errors import ConfigurationError

PAPER_LABELS = {
    "fruits360": ["Golden", "Pear", "Pink Lady", "Red Delicious", "Zucchini", "Carrot", "Cabbage", "Eggplant", "Cucumber1", "Cucumber3"],
    "omniobject3d": ["anise", "biscuit", "bottle", "candy", "conch", "donut", "fire extinguisher", "hammer", "hat", "toothpaste"],
}


def test_the_known_assets() -> None:
    assert manifest_names() == ("dtd", "fruits360", "omniobject3d")


@pytest.mark.parametrize("name", manifest_names())
def test_every_manifest_is_plausible(name: str) -> None:
    manifest = load_manifest(name)
    assert manifest.name == name
    assert manifest.kind in ("foregrounds", "backgrounds")
    assert manifest.homepage.startswith("https://")
    assert manifest.title and manifest.size and manifest.licence and manifest.licence_note and manifest.citation
    assert manifest.sha256 is None or re.fullmatch("[0-9a-f]{64}", manifest.sha256)
    assert not manifest.root.startswith("/") and ".." not in manifest.root
    assert set(manifest.split_folders) == {"train", "val", "test"}


@pytest.mark.parametrize("name", manifest_names())
def test_an_asset_is_either_fetched_or_explained(name: str) -> None:
    manifest = load_manifest(name)
    if manifest.login:
        assert manifest.url is None and manifest.sha256 is None and manifest.instructions
    else:
        assert manifest.url.startswith("https://") and manifest.file_name.endswith((".zip", ".tar.gz"))
        assert manifest.max_files > 5_000 and manifest.max_bytes > (manifest.size_bytes or 10**9)


@pytest.mark.parametrize("name", manifest_names())
def test_no_category_and_no_folder_comes_twice(name: str) -> None:
    folders = [one for category, names in load_manifest(name).categories for one in dict.fromkeys((*names, category.replace(" ", "_")))]
    assert len({folder.casefold() for folder in folders}) == len(folders)


@pytest.mark.parametrize("name", PAPER_LABELS)
def test_the_categories_are_those_of_the_paper_in_its_order(name: str) -> None:
    assert [category for category, _ in load_manifest(name).categories] == PAPER_LABELS[name]


def test_dtd_has_47_categories_and_the_published_hash() -> None:
    manifest = load_manifest("dtd")
    assert len(manifest.categories) == 47
    assert (manifest.size_bytes, manifest.sha256[:8], manifest.size) == (625_239_812, "e42855a5", "625 MB")


def test_a_hash_that_nobody_publishes_is_absent() -> None:
    assert load_manifest("fruits360").sha256 is None


def test_an_unknown_name_is_told_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"'dtb'.*dtd, fruits360, omniobject3d"):
        load_manifest("dtb")
