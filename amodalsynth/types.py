"""The nouns that travel between the modules: frozen, checked on construction, their arrays read-only.

Stated once, for the whole library:

* Instance axis 0 is drawn first, so index 0 is the farthest instance and a larger index is nearer.
* Points are (x, y) = (column, row) pixel indices from the top left corner; continuous positions (`center_xy`) put the centre of
  pixel (0, 0) at (0.5, 0.5), as Heckbert 1990 has it: discrete = floor(continuous), continuous = discrete + 0.5.
* Boxes are (x0, y0, x1, y1) and half open: x0 <= x < x1.
* A pixel belongs to the amodal mask where alpha >= 128.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

AMODAL_ALPHA = 128  # the smallest alpha that counts as the object


def read_only(array: np.ndarray) -> np.ndarray:
    """Mark `array` as read-only and return it."""
    array.flags.writeable = False
    return array


def check_array(name: str, array: np.ndarray, dtype: type, *shape: int | None) -> None:
    """Raise `ValueError` unless `array` has `dtype` and `shape` (None fits any length)."""
    fits = array.ndim == len(shape) and all(want in (None, have) for want, have in zip(shape, array.shape))
    if array.dtype != dtype or not fits:
        want = ", ".join("any" if s is None else str(s) for s in shape)
        raise ValueError(f"{name}: expected {np.dtype(dtype)} of shape ({want}), got {array.dtype} of shape {array.shape}")


def edge_positions(alpha: np.ndarray) -> np.ndarray:
    """(h, w) uint8 -> positions, row by row, of the pixels that are neither clear nor opaque."""
    return np.flatnonzero((alpha - np.uint8(1)) < 254)  # 0 wraps around to 255


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a cutout goes.

    `center_xy` is the centre of the cutout's rectangle in frame pixels; `scale` is frame pixels per cutout pixel; the cutout is mirrored
    left to right first (`flip`), then turned counter-clockwise by `rotation_deg`; `category_id` counts from 1.
    """

    asset_id: str
    category_id: int
    center_xy: tuple[float, float]
    scale: float
    rotation_deg: float
    flip: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """What an image shows, without any pixel: a background and the placements, farthest first. `size_hw` is (height, width)."""

    background_id: str
    size_hw: tuple[int, int]
    placements: tuple[Placement, ...]


@dataclass(frozen=True, slots=True)
class Appearance:
    """An instance drawn alone: `rgba` (h, w, 4) uint8 with straight alpha, its corner at `offset_xy` in the frame, clipped to the frame.

    `alpha` (h, w) uint8 is its last channel, contiguous. `edge` (E,) int64 are the positions, row by row, of its pixels that are neither clear nor
    opaque. Both follow from `rgba`, and are derived unless given.
    """

    offset_xy: tuple[int, int]
    rgba: np.ndarray
    alpha: np.ndarray = field(default=None, repr=False, compare=False)
    edge: np.ndarray = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_array("Appearance.rgba", self.rgba, np.uint8, None, None, 4)
        read_only(self.rgba)
        if self.alpha is None:
            object.__setattr__(self, "alpha", np.ascontiguousarray(self.rgba[..., 3]))
        if self.edge is None:
            object.__setattr__(self, "edge", edge_positions(self.alpha))


@dataclass(frozen=True, slots=True)
class Rendering:
    """The pixels of a scene: `image` and `background` (H, W, 3) uint8 RGB, and the appearance of each instance, farthest first."""

    image: np.ndarray
    background: np.ndarray
    appearances: tuple[Appearance, ...]

    def __post_init__(self) -> None:
        check_array("Rendering.image", self.image, np.uint8, None, None, 3)
        check_array("Rendering.background", self.background, np.uint8, *self.image.shape)
        read_only(self.image)
