"""A folder of anybody's images -> its files by category and split.

What is expected: a folder per category, images at any depth below it. Where the top of the root holds folders called Training, Validation
and Test (or train, val, valid, testing), those are the splits and hold the categories. Otherwise each category is divided by object where
it has two or more sub-folders, or else by image, by a hash with a seed. A missing val is held out of train the same way; test is never
borrowed. In the names of folders case does not matter, and `_` and `-` are spaces.

Passed over: hidden files, files that are no images, images beside the category folders, and images in a folder called `depths` or `normals`
inside a category (the maps that renderers leave beside their images). Links to files and folders are followed, loops of links refused.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from amodalsynth.assets.manifest import DEFAULT_SPLIT_FOLDERS
from amodalsynth.errors import AssetError, AssetMissing, ConfigurationError
from amodalsynth.imagefiles import IMAGE_SUFFIXES
from amodalsynth.rng import SPLITS

LOOSE_CATEGORY = "textures"  # of images that need no category folder
_NOT_PHOTOS = ("depths", "normals")
_MAX_NAMED = 8

Categories = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class AssetFile:
    """One image of a source. `asset_id` is its path relative to the source's root, with `/` between the parts."""

    asset_id: str
    path: Path
    category: str


@dataclass(frozen=True, slots=True)
class _Image:
    """`target` is the file that `file` leads to; a `unit` (the folder of an object, or the image) is never divided between splits."""

    file: AssetFile
    target: str
    unit: str


@dataclass(frozen=True, slots=True)
class _Part:
    """A folder that holds categories: the root or a folder of a split. `shares` says which splits it serves, and how much each gets."""

    folder: Path
    shares: Mapping[str, float]


def list_source(
    root: Path,
    split: str,
    *,
    categories: Categories = (),
    split_folders: Mapping[str, tuple[str, ...]] = DEFAULT_SPLIT_FOLDERS,
    fractions: tuple[float, float, float] = (0.7, 0.15, 0.15),
    seed: int = 0,
    shared_by_splits: bool = False,
) -> dict[str, tuple[AssetFile, ...]]:
    """The files of one split of the source in `root`: category -> files, sorted by `asset_id`.

    `categories` are pairs of a name and the folder names that serve for it, best first; the name itself comes last, and a `#` stands for
    a number and takes every folder that fits, each an object. Without them every folder is a category, in sorted order.
    `fractions` are the shares of train, val and test where the root has no split folders; a val held out of train takes
    val / (train + val) of it. Of three units or more every split with a share gets at least one; two go to train and test.
    With `shared_by_splits` every file serves every split, and images need no category folder: loose ones are of category "textures".

    Raises `AssetMissing` for a root, split or category that is not there or has no image, `AssetError` for folders that cannot be told
    apart, a loop of links and a file in two splits, `ConfigurationError` for arguments that make no sense.
    """
    if split not in SPLITS:
        raise ConfigurationError(f"split '{split}': expected one of {', '.join(SPLITS)}")
    root, parts = Path(root), _parts(Path(root), split_folders, fractions)
    categories = categories or _categories_found(parts)
    if shared_by_splits:
        found = _collect(root, parts, categories)
        if loose := [image for part in parts for image in _loose_images(root, part.folder)]:
            found.setdefault(LOOSE_CATEGORY, []).extend(loose)
            categories = (*(category for category in categories if category[0] != LOOSE_CATEGORY), (LOOSE_CATEGORY, ()))
    else:
        if not any(split in part.shares for part in parts):
            raise _no_split(root, split, split_folders, parts)
        found = _divide(root, parts, categories, seed)[split]
        parts = tuple(part for part in parts if split in part.shares)
    if not categories:
        folder = parts[0].folder
        raise AssetMissing(
            f"{folder}: no category folders; expected a folder per category with images below it, {folder}/<category>/<image>"
        )
    for category in categories:
        if not found.get(category[0]):
            raise _no_image(parts, category, split)
    return {name: _sorted_files(found[name]) for name, _ in categories}


def scan_source(
    root: Path, *, categories: Categories = (), split_folders: Mapping[str, tuple[str, ...]] = DEFAULT_SPLIT_FOLDERS
) -> dict[str, tuple[AssetFile, ...]]:
    """Every file below the category folders of `root`, whatever its split: category -> files. A category without any is left out.

    Raises as `list_source` does.
    """
    parts = _parts(Path(root), split_folders, (1.0, 0.0, 0.0))
    found = _collect(Path(root), parts, categories or _categories_found(parts))
    return {name: _sorted_files(images) for name, images in found.items() if images}


def describe_folders(folder: Path) -> str:
    """The folders in `folder`, a few of them by name, for an error message."""
    names = [path.name for path in _subfolders(folder)]
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    return ", ".join(f"'{name}'" for name in names[:_MAX_NAMED]) + more or "none"


def _parts(root: Path, split_folders: Mapping[str, tuple[str, ...]], fractions: tuple[float, float, float]) -> tuple[_Part, ...]:
    """The folders of `root` that hold categories: those of the splits, or else the root itself."""
    if len(fractions) != 3 or min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ConfigurationError(f"split fractions {fractions}: expected three shares, of train, val and test, that add up to 1")
    if not root.is_dir():
        raise AssetMissing(f"{root}: no such folder; expected a folder per category with images below it")
    shares = {split: share for split, share in zip(SPLITS, fractions, strict=True) if share > 0}
    folders = {}
    for split, names in split_folders.items():
        fitting = [path for path in _subfolders(root) if _fold(path.name) in map(_fold, names)]
        if len(fitting) > 1:
            raise AssetError(
                f"{root}: {' and '.join(repr(path.name) for path in fitting)} are both the split '{split}'; remove or rename one"
            )
        if fitting:
            folders[split] = fitting[0]
    if not folders:
        return (_Part(root, shares),)
    held_out = {split: shares[split] for split in ("train", "val") if split in shares and (split == "train" or "val" not in folders)}
    return tuple(_Part(folders[split], held_out if split == "train" and held_out else {split: 1.0}) for split in SPLITS if split in folders)


def _categories_found(parts: Iterable[_Part]) -> Categories:
    """Every folder of any part as a category, so that all splits number them alike."""
    spelling: dict[str, str] = {}
    for part in parts:
        for path in _subfolders(part.folder):
            spelling.setdefault(_fold(path.name), path.name)
    return tuple((name, ()) for name in sorted(spelling.values()))


def _category_folders(folder: Path, categories: Categories) -> dict[str, list[Path]]:
    """Category -> the folders in `folder` that hold it: none, one, or the objects that a `#` stands for."""
    folded = [(_fold(path.name), path) for path in _subfolders(folder)]
    taken: dict[Path, str] = {}
    found: dict[str, list[Path]] = {}
    for category, names in categories:
        found[category] = []
        for name in (*names, category):
            fitting = [path for spelling, path in folded if spelling == _fold(name)]
            if len(fitting) > 1:
                raise AssetError(
                    f"{folder}: {' and '.join(repr(path.name) for path in fitting)} are both category '{category}'; rename one"
                )
            if "#" in name and not fitting:
                numbered = re.compile(re.escape(_fold(name)).replace(r"\#", r"\d+"))
                fitting = [path for spelling, path in folded if numbered.fullmatch(spelling)]
            if fitting:
                found[category] = fitting
                break
        for path in found[category]:
            if path in taken:
                raise AssetError(f"{path}: matched by two categories, '{taken[path]}' and '{category}'; name the folders apart")
            taken[path] = category
    return found


def _collect(root: Path, parts: Iterable[_Part], categories: Categories) -> dict[str, list[_Image]]:
    found: dict[str, list[_Image]] = {}
    for part in parts:
        for category, folders in _category_folders(part.folder, categories).items():
            found.setdefault(category, []).extend(_images(root, category, folders))
    return found


def _divide(root: Path, parts: Iterable[_Part], categories: Categories, seed: int) -> dict[str, dict[str, list[_Image]]]:
    """Split -> category -> images. Raises `AssetError` for a file that two splits lead to."""
    divided: dict[str, dict[str, list[_Image]]] = {split: defaultdict(list) for split in SPLITS}
    first_in: dict[str, tuple[str, _Image]] = {}
    for part in parts:
        for category, images in _collect(root, [part], categories).items():
            split_of = _assign({image.unit for image in images}, part.shares, seed)
            for image in images:
                split = split_of[image.unit]
                divided[split][category].append(image)
                other, twin = first_in.setdefault(image.target, (split, image))
                if other != split:
                    raise AssetError(
                        f"{image.file.path}: the same file as {twin.file.path}, but in split '{split}' and not in '{other}'; remove one"
                    )
    return divided


def _assign(units: set[str], shares: Mapping[str, float], seed: int) -> dict[str, str]:
    """Unit -> split: the units ranked by a hash of the seed and their name, then cut in proportion to `shares`."""
    due = {split: shares[split] / sum(shares.values()) * len(units) for split in ("train", "test", "val") if split in shares}
    counts = dict.fromkeys(due, 0)
    for _ in units:  # each to a split without any, or else to the one furthest below its due
        counts[next((split for split in due if not counts[split]), max(due, key=lambda split: due[split] - counts[split]))] += 1
    ranked = sorted(units, key=lambda unit: (hashlib.sha256(f"{seed}/{unit}".encode()).digest(), unit))
    cuts = (split for split, count in counts.items() for _ in range(count))
    return dict(zip(ranked, cuts, strict=True))


def _images(root: Path, category: str, folders: list[Path]) -> list[_Image]:
    """The images below `folders`, which lie side by side, with their units."""
    if not folders:
        return []
    above = frozenset(map(os.path.realpath, (root, folders[0].parent)))
    located = [found for folder in folders for found in _walk(str(folder), os.path.realpath(folder), above)]
    ids = [_asset_id(root, path) for path, _ in located]
    # the folder or image that a unit is: the first level, counted from the category's folder or from the objects, at which two differ
    depth = len((folders[0] if len(folders) == 1 else folders[0].parent).relative_to(root).parts) + 1
    names = [asset_id.split("/") for asset_id in ids]
    while names and all(len(parts) > depth and parts[:depth] == names[0][:depth] for parts in names):
        depth += 1
    return [
        _Image(AssetFile(asset_id, Path(path), category), target, "/".join(parts[:depth]))
        for asset_id, (path, target), parts in zip(ids, located, names, strict=True)
    ]


def _loose_images(root: Path, folder: Path) -> list[_Image]:
    """The images directly in `folder`."""
    return [
        _Image(AssetFile(_asset_id(root, path), Path(path), LOOSE_CATEGORY), target, path)
        for path, target, is_folder in _entries(str(folder), os.path.realpath(folder))
        if not is_folder
    ]


def _walk(folder: str, target: str, above: frozenset[str]) -> Iterator[tuple[str, str]]:
    """The path of every image below `folder`, which leads to `target`, and what it leads to; `above` are the folders that it lies in."""
    if target in above:
        raise AssetError(f"{folder}: a link to {target}, which it lies in: a loop; remove the link")
    for path, inner, is_folder in _entries(folder, target):
        if not is_folder:
            yield path, inner
        elif _fold(path.rpartition("/")[2]) not in _NOT_PHOTOS:
            yield from _walk(path, inner, above | {target})


def _subfolders(folder: Path) -> list[Path]:
    return [Path(path) for path, _, is_folder in _entries(str(folder), "") if is_folder]


def _entries(folder: str, target: str) -> list[tuple[str, str, bool]]:
    """The images and folders in `folder`, which leads to `target`: path, what it leads to, whether it is a folder; sorted."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith((".", "__MACOSX")):
                continue
            leads_to = os.path.realpath(entry.path) if entry.is_symlink() else f"{target}/{entry.name}"
            node = Path(leads_to) if entry.is_symlink() else entry  # a link's own `is_dir` raises for a link to itself
            is_folder = node.is_dir()
            if is_folder or (Path(entry.name).suffix.lower() in IMAGE_SUFFIXES and node.is_file()):
                found.append((entry.path, leads_to, is_folder))
    return sorted(found)


def _asset_id(root: Path, path: str) -> str:
    asset_id = path.removeprefix(str(root)).lstrip("/")
    try:
        asset_id.encode()
    except UnicodeEncodeError:
        raise AssetError(f"{root}: the name {asset_id!r} is not UTF-8; rename it") from None
    return asset_id


def _fold(name: str) -> str:
    """A folder's name as it is compared."""
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


def _no_split(root: Path, split: str, split_folders: Mapping[str, tuple[str, ...]], parts: tuple[_Part, ...]) -> Exception:
    if parts[0].folder == root:
        return ConfigurationError(f"the split fractions leave nothing for '{split}' of {root}")
    source = "train" if split == "val" else split
    why = "test is never borrowed from another split" if split == "test" else "nothing stands in for it"
    wanted = " or ".join(f"'{name}'" for name in split_folders.get(source, (source,)))
    return AssetMissing(f"{root}: no folder {wanted} for the split '{split}', and {why}; found {describe_folders(root)}")


def _no_image(parts: tuple[_Part, ...], category: tuple[str, tuple[str, ...]], split: str) -> AssetMissing:
    name, names = category
    for part in parts:
        if folders := _category_folders(part.folder, (category,))[name]:
            return AssetMissing(
                f"{folders[0]}: no image of category '{name}' for the split '{split}'; add images (another object) or remove the folder"
            )
    wanted = " or ".join(f"'{one}'" for one in dict.fromkeys((*names, name)))
    folder = parts[0].folder
    return AssetMissing(f"{folder}: no folder {wanted} for category '{name}' of the split '{split}'; found {describe_folders(folder)}")


def _sorted_files(images: Iterable[_Image]) -> tuple[AssetFile, ...]:
    return tuple(sorted((image.file for image in images), key=lambda file: file.asset_id))
