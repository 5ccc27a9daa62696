"""Backgrounds of the built-in pack: patterns made by code, and crops of the photos that ship inside the scikit-image wheel."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from amodalsynth.builtin.noise import smooth_lattice

TEXTURE_SIDE = 320  # pixels; the lattices of noise divide it
NUM_VARIANTS = 6  # textures of each procedural category

Rng = np.random.Generator
Colors = list[np.ndarray]


def _noise(rng: Rng, cells: int) -> np.ndarray:
    """One octave of periodic noise in [0, 1] with `cells` blotches a side."""
    return smooth_lattice(rng.random((cells, cells)).astype(np.float32), TEXTURE_SIDE // cells)


def _octaves(rng: Rng, cells: int) -> np.ndarray:
    """Noise at four sizes, the coarsest with `cells` blotches a side, stretched about a half."""
    total = sum(_noise(rng, cells << k) * np.float32(0.5 ** (k + 1)) for k in range(4))
    return np.clip((total - np.float32(0.47)) * np.float32(2.2) + np.float32(0.5), 0, 1)


def _plane(rng: Rng, tiles: float, warp: float) -> tuple[np.ndarray, np.ndarray]:
    """Two turned coordinates that run over `tiles` units across the texture, bent by `warp` units."""
    angle = 2 * math.pi * rng.random()
    a, b = np.float32(math.cos(angle) * tiles / TEXTURE_SIDE), np.float32(math.sin(angle) * tiles / TEXTURE_SIDE)
    y, x = np.indices((TEXTURE_SIDE, TEXTURE_SIDE)).astype(np.float32)
    bend = np.float32(2 * warp)
    return x * a + y * b + _noise(rng, 5) * bend, y * a - x * b + _noise(rng, 5) * bend


def _fraction(value: np.ndarray) -> np.ndarray:
    return value - np.floor(value)


def _wave(value: np.ndarray) -> np.ndarray:
    """A triangular wave in [0, 1] of period 1."""
    return np.abs(_fraction(value) - np.float32(0.5)) * np.float32(2)


def _ramp(value: np.ndarray, low: float, high: float) -> np.ndarray:
    t = np.clip((value - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)
    return t * t * (np.float32(3) - np.float32(2) * t)


def _random_colors(rng: Rng) -> Colors:
    """Three colours (3,) float32 that can be told from one another."""
    colors: Colors = []
    while len(colors) < 3:
        color = (0.08 + 0.86 * rng.random(3)).astype(np.float32)
        color = color * np.float32(0.65) + color.mean() * np.float32(0.35)  # less saturated, as most surfaces are
        if all(np.abs(color - other).max() > 0.2 for other in colors):
            colors.append(color)
    return colors


def _mix(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
    """`first` where `share` (H, W) is 0, `second` where it is 1; colours are (3,) or pictures (H, W, 3)."""
    return first + (second - first) * share[:, :, None]


def _striped(rng: Rng, colors: Colors) -> np.ndarray:
    x, _ = _plane(rng, 5 + 10 * rng.random(), 0.6 * rng.random())
    wide = _ramp(_wave(x), 0.45, 0.55)
    return _mix(_mix(colors[0], colors[1], wide), colors[2], _ramp(_wave(x * np.float32(2)), 0.86, 0.94) * np.float32(0.8))


def _chequered(rng: Rng, colors: Colors) -> np.ndarray:
    x, y = _plane(rng, 4 + 7 * rng.random(), 0.3 * rng.random())
    across, down = _ramp(_wave(x), 0.46, 0.54), _ramp(_wave(y), 0.46, 0.54)
    if rng.random() < 0.5:  # a tablecloth: both directions darken
        return _mix(_mix(colors[0], colors[1], across * np.float32(0.6)), colors[1], down * np.float32(0.6))
    return _mix(colors[0], colors[1], across + down - across * down * np.float32(2))


def _dotted(rng: Rng, colors: Colors) -> np.ndarray:
    x, y = _plane(rng, 6 + 8 * rng.random(), 0.3 * rng.random())
    x = x + np.floor(y) * np.float32(0.5)
    u, v = _fraction(x) - np.float32(0.5), _fraction(y) - np.float32(0.5)
    distance = np.sqrt(u * u + v * v)
    radius = 0.2 + 0.16 * rng.random()
    return _mix(
        _mix(colors[0], colors[1], _ramp(distance, radius + 0.05, radius)), colors[2], _ramp(distance, radius * 0.5, radius * 0.5 - 0.05)
    )


def _marbled(rng: Rng, colors: Colors) -> np.ndarray:
    x, _ = _plane(rng, 2 + 2 * rng.random(), 0)
    veins = _wave(x + _octaves(rng, 5) * np.float32(2.2))
    cloud = _mix(colors[0], colors[0] * np.float32(0.6) + colors[1] * np.float32(0.4), _octaves(rng, 5))
    return _mix(_mix(cloud, colors[1], _ramp(veins, 0.75, 1.0)), colors[2], _ramp(veins, 0.25, 0.0) * np.float32(0.6))


def _wooden(rng: Rng, colors: Colors) -> np.ndarray:
    x, y = _plane(rng, 1, 0.05)
    light = np.array([0.78, 0.56, 0.34], np.float32) * np.float32(0.6 + 0.5 * rng.random())
    dark = light * np.array([0.6, 0.5, 0.42], np.float32)
    x, y = x - np.float32(rng.random()), (y - np.float32(rng.random())) * np.float32(0.12)
    rings = _wave(np.sqrt(x * x + y * y) * np.float32(18 + 14 * rng.random()) + _octaves(rng, 5))
    plank = np.floor(x * np.float32(3 + 4 * rng.random()) + np.float32(8))
    shade = np.float32(0.85) + np.float32(0.3) * rng.random(24).astype(np.float32)[plank.astype(np.int64) % 24]
    return (
        _mix(light, dark, _ramp(rings, 0.35, 1.0)) * shade[:, :, None] * (np.float32(0.9) + np.float32(0.2) * _noise(rng, 160))[:, :, None]
    )


def _walled(rng: Rng, colors: Colors) -> np.ndarray:
    x, y = _plane(rng, 5 + 4 * rng.random(), 0.06)
    y = y * np.float32(2)
    row = np.floor(y)
    x = x + row * np.float32(0.5)
    inside = (
        _ramp(_fraction(x), 0.02, 0.07)
        * _ramp(_fraction(x), 0.98, 0.93)
        * _ramp(_fraction(y), 0.04, 0.14)
        * _ramp(_fraction(y), 0.96, 0.86)
    )
    brick = (row.astype(np.int64) * 31 + np.floor(x).astype(np.int64) * 17) % 97
    tone = rng.random(97).astype(np.float32)[brick]
    stone = _mix(colors[0], colors[1] * np.float32(0.5) + colors[0] * np.float32(0.5), tone)
    rough = np.float32(0.75) + np.float32(0.5) * _octaves(rng, 20)
    return _mix(np.full(3, 0.62, np.float32), stone, inside) * rough[:, :, None]


def _woven(rng: Rng, colors: Colors) -> np.ndarray:
    x, y = _plane(rng, 9 + 9 * rng.random(), 0.15)
    u, v = _fraction(x) * np.float32(2) - np.float32(1), _fraction(y) * np.float32(2) - np.float32(1)
    over = (np.floor(x) + np.floor(y)) % np.float32(2)
    warp, weft = (np.float32(1) - p * p * np.float32(0.55) for p in (u, v))
    crown, fall = np.float32(1) - v * v * np.float32(0.35), np.float32(1) - u * u * np.float32(0.35)
    threads = _mix(colors[0] * (warp * crown)[:, :, None], colors[1] * (weft * fall)[:, :, None], over)
    return threads * (np.float32(0.8) + np.float32(0.4) * _noise(rng, 80))[:, :, None]


def _blotchy(rng: Rng, colors: Colors) -> np.ndarray:
    cells = (5, 10, 20)[int(3 * rng.random())]
    soft = 0.05 + 0.3 * rng.random()
    ground = _mix(colors[0], colors[1], _ramp(_octaves(rng, cells), 0.5 - soft, 0.5 + soft))
    return _mix(ground, colors[2], _ramp(_octaves(rng, cells), 0.72 - soft / 2, 0.72 + soft / 2))


PATTERNS: dict[str, Callable[[Rng, Colors], np.ndarray]] = {
    "striped": _striped,
    "chequered": _chequered,
    "dotted": _dotted,
    "marbled": _marbled,
    "wooden": _wooden,
    "walled": _walled,
    "woven": _woven,
    "blotchy": _blotchy,
}

# category -> (file of skimage/data, left, top, side, colour of the light areas of a grey photo); their terms stand in `CITATION`
PHOTOS: dict[str, tuple[tuple[str, int, int, int, tuple[int, int, int]], ...]] = {
    "brick_photo": (
        ("brick.png", 0, 0, 400, (232, 150, 112)),
        ("brick.png", 112, 112, 400, (214, 196, 170)),
        ("brick.png", 60, 180, 300, (200, 108, 84)),
    ),
    "grass_photo": (
        ("grass.png", 0, 0, 400, (150, 206, 92)),
        ("grass.png", 112, 112, 400, (206, 214, 110)),
        ("grass.png", 40, 160, 320, (110, 176, 90)),
    ),
    "gravel_photo": (
        ("gravel.png", 0, 0, 400, (236, 226, 210)),
        ("gravel.png", 112, 112, 400, (214, 190, 160)),
        ("gravel.png", 150, 20, 320, (200, 210, 224)),
    ),
    "stars_photo": (("hubble_deep_field.jpg", 0, 0, 420, (255, 255, 255)), ("hubble_deep_field.jpg", 500, 400, 420, (255, 255, 255))),
    "tissue_photo": (("ihc.png", 0, 0, 360, (255, 255, 255)), ("ihc.png", 150, 150, 360, (255, 255, 255))),
}


def pattern(category: str, rng: Rng) -> np.ndarray:
    """One texture of a category of `PATTERNS`, (`TEXTURE_SIDE`, `TEXTURE_SIDE`, 3) uint8 RGB."""
    picture = PATTERNS[category](rng, _random_colors(rng))
    light = (np.float32(0.86) + np.float32(0.24) * _noise(rng, 4))[:, :, None]
    grain = (rng.random((TEXTURE_SIDE, TEXTURE_SIDE, 1)).astype(np.float32) - np.float32(0.5)) * np.float32(0.035)
    return (np.clip(picture * light + grain, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def photos(category: str) -> list[np.ndarray]:
    """The textures of a category of `PHOTOS`, as of `pattern`; a file that the installed scikit-image does not ship is left out."""
    folder = Path(importlib.util.find_spec("skimage").origin).parent / "data"
    return [_crop(folder / file, *rest) for file, *rest in PHOTOS[category] if (folder / file).is_file()]


def _crop(path: Path, left: int, top: int, side: int, tint: tuple[int, int, int]) -> np.ndarray:
    with Image.open(path) as photo:
        crop = photo.convert("RGB").crop((left, top, left + side, top + side))
    pixels = np.asarray(crop.resize((TEXTURE_SIDE, TEXTURE_SIDE), Image.Resampling.BICUBIC), np.uint16)
    return (pixels * np.array(tint, np.uint16) // 255).astype(np.uint8)
