"""`make gpu-pack`: a folder of prepared cutouts and textures that is small enough to be carried to a machine with a GPU.

    python -m benchmarks.gpu_pack [--foregrounds PATH] [--backgrounds PATH] [--out scratch/gpu-pack] [--megabytes 40]

Cutouts are reduced to the longest side that Intra-AFruit needs in its frame, with exact alpha in lossy WebP; textures are JPEG of the frame's
size. Folders and names but for their endings stay, so that `--foregrounds OUT/foregrounds --backgrounds OUT/backgrounds` finds the same
categories, and train and test photos apart as before. Nothing is made where the same pack is there already.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from pathlib import Path
from typing import Any

import orjson
from PIL import Image

from amodalsynth.assets.sources import AssetFile, scan_source
from amodalsynth.cutouts import CutoutSettings, make_cutout
from amodalsynth.errors import AmodalSynthError, AssetError, OutputConflict, OutputError
from amodalsynth.files import write_file
from amodalsynth.imagefiles import read_image
from amodalsynth.presets import PRESETS
from amodalsynth.textures import fit_texture
from benchmarks.run import ROOT, SHARED

_PRESET = PRESETS["intra-afruit"]
_CUTOUT_QUALITY, _TEXTURE_QUALITY = 95, 90
_NOTICE = "made from the folders named below; their licences go with it (Fruits-360: CC BY-SA 4.0; DTD: for research)"


def main() -> None:
    arguments = parse()
    try:
        facts = build(arguments.foregrounds, arguments.backgrounds, arguments.out, megabytes=arguments.megabytes)
    except AmodalSynthError as error:
        sys.exit(f"Error: {error}")
    counts = ", ".join(f"{facts[kind]['files']:,} {kind} of {len(facts[kind]['categories'])} categories" for kind in _KINDS)
    print(f"{arguments.out}: {facts['megabytes']} MB: {counts}; {facts['left_out']} photos could not be used")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--foregrounds", type=Path, default=SHARED / "fruits-360-original-size")
    parser.add_argument("--backgrounds", type=Path, default=SHARED / "dtd" / "images")
    parser.add_argument("--out", type=Path, default=ROOT / "scratch" / "gpu-pack")
    parser.add_argument("--megabytes", type=float, default=40, help="refuse to make a larger one (1 MB is 1,000,000 bytes)")
    return parser.parse_args()


def build(foregrounds: Path, backgrounds: Path, out: Path, *, megabytes: float) -> dict[str, Any]:
    """Make the pack in the folder `out`, all of it or none; returns what its pack.json says.

    `OutputConflict` where `out` holds something else, `OutputError` where the pack would be larger than `megabytes`.
    """
    files = {"foregrounds": _scan(foregrounds), "backgrounds": _scan(backgrounds)}
    about = {
        "notice": _NOTICE,
        "image_size": list(_PRESET.image_size),
        "quality": {"cutouts": _CUTOUT_QUALITY, "textures": _TEXTURE_QUALITY},
        **{kind: _describe(source, files[kind]) for kind, source in (("foregrounds", foregrounds), ("backgrounds", backgrounds))},
    }
    if out.exists():
        return _found(out, about)
    made = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        written = {kind: list(_write(_KINDS[kind], made / kind, files[kind])) for kind in files}
        size = sum(number for sizes in written.values() for number in sizes)
        if size > 1e6 * megabytes:
            raise OutputError(
                f"{out}: the pack would have {size / 1e6:.1f} MB, more than {megabytes:g}; give fewer photos or raise --megabytes"
            )
        facts = about | {"left_out": sum(not number for sizes in written.values() for number in sizes), "megabytes": round(size / 1e6, 1)}
        write_file(made / "pack.json", orjson.dumps(facts, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        made.rename(out)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return facts


def _scan(root: Path) -> list[AssetFile]:
    return [file for files in scan_source(root).values() for file in files]


def _describe(root: Path, files: list[AssetFile]) -> dict[str, Any]:
    return {"source": root.resolve().name, "files": len(files), "categories": sorted({file.category for file in files})}


def _found(out: Path, about: dict[str, Any]) -> dict[str, Any]:
    """What the pack in `out` says of itself, where it is the one described by `about`."""
    path = out / "pack.json"
    facts = orjson.loads(path.read_bytes()) if path.is_file() else {}
    if {name: facts.get(name) for name in about} != about:
        raise OutputConflict(f"{out}: is there and is not this pack; remove it, or write to another folder with --out")
    return facts


def _write(encode: Callable[[Path, Path], Path], folder: Path, files: Iterable[AssetFile]) -> Iterable[int]:
    """Write each file below `folder`, under its name in its source; gives the bytes of each, 0 of one that is left out."""

    def one(file: AssetFile) -> int:
        to = folder / file.asset_id
        to.parent.mkdir(parents=True, exist_ok=True)
        try:
            return encode(file.path, to).stat().st_size
        except AssetError:
            return 0

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        yield from threads.map(one, files)


def _write_cutout(path: Path, to: Path) -> Path:
    longest = min(_PRESET.max_cutout_side, ceil(_PRESET.scale[1] * min(_PRESET.image_size)))
    cutout = make_cutout(read_image(path), CutoutSettings(white_threshold=_PRESET.white_threshold, max_side=longest))
    to = to.with_suffix(".webp")
    Image.fromarray(cutout).save(to, quality=_CUTOUT_QUALITY, alpha_quality=100)
    return to


def _write_texture(path: Path, to: Path) -> Path:
    to = to.with_suffix(".jpg")
    Image.fromarray(fit_texture(read_image(path), _PRESET.size_hw, _PRESET.background_fit)).save(
        to, quality=_TEXTURE_QUALITY, subsampling=0
    )
    return to


_KINDS = {"foregrounds": _write_cutout, "backgrounds": _write_texture}


if __name__ == "__main__":
    main()
