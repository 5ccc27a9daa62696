"""Prepared pixels: cutouts and textures, decoded and segmented once, in files that workers map into memory.

The files of one folder of a source make one *group*: `<key>.bin` holds the pixels, `<key>.json`, written last, says where each asset's pixels
begin and which files were unusable. The key is a hash of the contents and the settings, so a changed file or setting makes another
group, an interrupted run loses one group at most, and two data sets share what they have in common.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from amodalsynth import compositing
from amodalsynth.cutouts import CUTOUT_VERSION, CutoutSettings, make_cutout
from amodalsynth.errors import AssetError
from amodalsynth.files import replacing, write_file
from amodalsynth.imagefiles import read_image
from amodalsynth.textures import TEXTURE_VERSION, fit_texture

_FORMAT = 2  # of the two files


@dataclass(frozen=True, slots=True)
class TextureSettings:
    """How a texture becomes a background: the frame's size, and `fit` ("resize" or "crop")."""

    size_hw: tuple[int, int]
    fit: str


@dataclass(frozen=True, slots=True)
class Group:
    """The files of one folder that are prepared together, with the sha256 of each file's content."""

    paths: tuple[Path, ...]
    sha256: tuple[str, ...]
    settings: CutoutSettings | TextureSettings

    @property
    def key(self) -> str:
        """What the prepared pixels depend on, as a hash."""
        version = CUTOUT_VERSION if isinstance(self.settings, CutoutSettings) else TEXTURE_VERSION
        fields = [_FORMAT, type(self.settings).__name__, version, compositing.PYRAMID_LEVELS, asdict(self.settings), self.sha256]
        return hashlib.sha256(orjson.dumps(fields)).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class PreparedAsset:
    """Where an asset's pixels begin in the file `pixels`: a texture's (H, W, 3), or the levels of a cutout, with its outline and core."""

    pixels: Path
    offset: int
    size_hw: tuple[int, int]
    outline: np.ndarray | None
    core: tuple[float, float, float] | None


def is_prepared(group: Group, folder: Path) -> bool:
    """Whether `folder` holds the group's pixels."""
    return (folder / f"{group.key}.json").is_file()


def prepare(group: Group, folder: Path) -> None:
    """Decode, segment and store the pixels of a group in `folder`. Unusable files are recorded with the reason."""
    entries: list[dict] = []
    with replacing(folder / f"{group.key}.bin") as file:
        for path in group.paths:
            try:
                size_hw, arrays, shape = _pixels(path, group.settings)
            except AssetError as error:
                entries.append({"error": str(error)})
                continue
            entries.append({"offset": file.tell(), "size_hw": size_hw, **shape})
            for array in arrays:
                file.write(np.ascontiguousarray(array).data)
    write_file(folder / f"{group.key}.json", orjson.dumps(entries))


def load_prepared(group: Group, folder: Path) -> list[PreparedAsset | str]:
    """For each file of a prepared group, where its pixels are, or why there are none."""
    entries = orjson.loads((folder / f"{group.key}.json").read_bytes())
    pixels = folder / f"{group.key}.bin"
    return [entry["error"] if "error" in entry else _prepared_asset(pixels, entry) for entry in entries]


def _prepared_asset(pixels: Path, entry: dict[str, Any]) -> PreparedAsset:
    outline, core = (np.array(entry["outline"], np.float64), tuple(entry["core"])) if "outline" in entry else (None, None)
    return PreparedAsset(pixels, entry["offset"], (entry["size_hw"][0], entry["size_hw"][1]), outline, core)


def _pixels(path: Path, settings: CutoutSettings | TextureSettings) -> tuple[tuple[int, int], Sequence[np.ndarray], dict[str, Any]]:
    """The size of an asset, its arrays, and the outline and core of a cutout."""
    picture = read_image(path)
    if isinstance(settings, TextureSettings):
        return settings.size_hw, [fit_texture(picture, settings.size_hw, settings.fit)], {}
    cutout = compositing.prepare_cutout(make_cutout(picture, settings))
    return cutout.size_hw, cutout.levels, {"outline": cutout.outline.tolist(), "core": cutout.core}
