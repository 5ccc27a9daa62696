"""What a run would cost, measured on a few images of it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from amodalsynth.generate import Sampler
from amodalsynth.pool import AssetPool
from amodalsynth.presets import DatasetPreset
from amodalsynth.records.layout import Layout, background_names
from amodalsynth.records.part import OutputOptions, Target, encode_sample

_MEASURED = 64  # images


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one split would take: bytes on disk and seconds on `num_workers` processes, and what it is made from."""

    split: str
    num_images: int
    num_bytes: int
    seconds: float
    num_workers: int
    num_cutouts: int
    num_backgrounds: int
    sources: dict[str, dict[str, Any]]


def estimate(
    preset: DatasetPreset, pool: AssetPool, split: str, num_images: int, seed: int, options: OutputOptions, num_workers: int
) -> Estimate:
    """Make a few images in memory and extrapolate; nothing is written."""
    make = Sampler(replace(preset, categories=pool.categories), pool, split, seed)
    names = background_names(pool.backgrounds)
    target = Target(Layout(Path()), split, options, preset, names, pool.sha256, "")
    count = min(num_images, _MEASURED)
    make(0)  # maps the files
    began = time.perf_counter()
    encoded = [encode_sample(target, 0, make(index)) for index in range(count)]
    seconds = (time.perf_counter() - began) / count * num_images / num_workers
    per_image = sum(
        len(e.image) + sum(map(len, e.sections)) * 2 + sum(512 + -(-len(content) // 512) * 512 for _, content in e.appearances)
        for e in encoded
    )
    texture_bytes = preset.image_size[0] * preset.image_size[1] * 2 * min(len(pool.backgrounds), num_images)
    sources = {kind: {"name": source.name, **source.about} for kind, source in pool.sources.items()}
    num_cutouts = sum(map(len, pool.cutouts))
    return Estimate(
        split,
        num_images,
        per_image * num_images // count + texture_bytes,
        seconds,
        num_workers,
        num_cutouts,
        len(pool.backgrounds),
        sources,
    )


def format_estimates(out: Path, estimates: Sequence[Estimate]) -> str:
    """The estimates of all splits as text."""
    there = next(parent for parent in [out.absolute(), *out.absolute().parents] if parent.exists())
    needed, free = sum(e.num_bytes for e in estimates), shutil.disk_usage(there).free
    lines = [f"{out}: nothing written (dry run); {needed / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free there"]
    for e in estimates:
        cost = f"about {e.num_bytes / 1e9:.2f} GB, {e.seconds / 60:.1f} min on {e.num_workers} workers"
        lines.append(f"  {e.split:5} {e.num_images:,} images from {e.num_cutouts:,} cutouts and {e.num_backgrounds:,} textures: {cost}")
    for kind, source in estimates[0].sources.items():
        lines.append(f"  {kind}: {source['name']}, {source.get('title', '')}; licence: {source.get('licence', 'not stated')}")
    return "\n".join(lines)
