"""Hypothesis strategies and small pools that several test modules share."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from amodalsynth.compositing import WarpCutout, prepare_cutout
from amodalsynth.pool_sources import Source
from amodalsynth.presets import PRESETS

SMALL = PRESETS["intra-afruit"]


@st.composite
def amodal_masks(draw: st.DrawFn, max_instances: int = 5, max_side: int = 9) -> np.ndarray:
    """(N, H, W) bool, any of them perhaps empty."""
    count = draw(st.integers(0, max_instances))
    shape = (count, draw(st.integers(1, max_side)), draw(st.integers(1, max_side)))
    return draw(hnp.arrays(bool, shape))


def disc(height: int, width: int, color: tuple[int, int, int]) -> np.ndarray:
    """(h, w, 4) uint8: an ellipse that touches its rectangle, with an anti-aliased edge and a colour gradient."""
    y, x = np.mgrid[:height, :width] + 0.5
    reach = min(height, width) / 2
    alpha = np.clip((1 - np.hypot((y - height / 2) / (height / 2), (x - width / 2) / (width / 2))) * reach + 0.5, 0, 1)
    rgb = np.clip(np.array(color) * (0.6 + 0.4 * x / width)[..., None], 0, 255)
    rgba = np.concatenate([rgb, alpha[..., None] * 255], axis=2).round().astype(np.uint8)
    rgba[rgba[..., 3] == 0] = 0
    return rgba


def texture(level: int, size_hw: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) uint8: a plain texture of about that brightness, with a fine pattern."""
    y, x = np.mgrid[: size_hw[0], : size_hw[1]]
    return np.repeat((level + (x + y) % 23)[..., None], 3, axis=2).astype(np.uint8)


def tree(root: Path) -> dict[str, str]:
    """Every file of a data set but our own state -> hash of its bytes."""
    files = sorted(path for path in root.rglob("*") if path.is_file() and ".amodalsynth" not in path.relative_to(root).parts)
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def judge(out: Path, split: str, *flags: str) -> None:
    """Hold a data set against the judge that shares no code with us; without it, nothing is checked, so CI must have it."""
    script = Path(__file__).resolve().parent.parent.parent / "shared" / "verify" / "check_dataset.py"
    if not script.is_file():
        assert not os.environ.get("CI"), f"CI must have {script}"
        pytest.skip(f"needs the judge {script}")
    done = subprocess.run([sys.executable, str(script), str(out), split, *flags], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@dataclass
class DrawnPool:
    """A pool of drawn discs, one list per category, and plain textures; what the library needs of an `AssetPool`."""

    size_hw: tuple[int, int] = (64, 64)
    split: str = "train"
    categories: tuple[str, ...] = ("red", "green")
    cutouts: tuple[tuple[str, ...], ...] = (("red/a.png", "red/b.png"), ("green/a.png",))
    backgrounds: tuple[str, ...] = ("plain/dark.png", "plain/light.png")
    sha256: dict = field(init=False)
    sources: dict = field(init=False)
    skipped: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._shapes = {"red/a.png": (40, 30, (220, 30, 30)), "red/b.png": (21, 50, (160, 60, 40)), "green/a.png": (33, 33, (40, 200, 60))}
        self._cutouts = {name: prepare_cutout(disc(*shape)) for name, shape in self._shapes.items()}
        self.sha256 = {
            "foregrounds": {name: f"{i:064x}" for i, name in enumerate(self._shapes)},
            "backgrounds": {name: f"{i + 100:064x}" for i, name in enumerate(self.backgrounds)},
        }
        about = {"title": "drawn", "licence": "none"}
        self.sources = {kind: Source("folder", None, about=about) for kind in ("foregrounds", "backgrounds")}

    def cutout_size_hw(self, asset_id: str) -> tuple[int, int]:
        return self._shapes[asset_id][:2]

    def cutout(self, asset_id: str) -> WarpCutout:
        return self._cutouts[asset_id]

    def background(self, asset_id: str) -> np.ndarray:
        return texture(30 if "dark" in asset_id else 200, self.size_hw)
