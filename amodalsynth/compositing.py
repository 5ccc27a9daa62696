"""Compositing: a scene's pixels. Cutouts are warped once each and painted over the background, farthest first.

Cutouts come premultiplied and in halved versions (`pyramid`), so that shrinking reads about as many pixels as it writes and no bright or
dark fringe appears at the edge. What is stored of an instance is its appearance with straight alpha, and the image is composed from just
that: channel = floor(rgb * a + below * (1 - a) + 0.5) with a = alpha / 255, exactly, so anyone can compose it again to the bit.
"""

from __future__ import annotations

import math
from typing import Protocol

import cv2
import numpy as np

from amodalsynth.scenes import rotated_extent
from amodalsynth.types import Appearance, Placement, Rendering, Scene

PYRAMID_LEVELS = 4
_BORDER = 1  # transparent pixels around each level, so that the outermost pixels fade out over a full pixel


class Pixels(Protocol):
    """What `render` must get from a pool."""

    def cutout_size_hw(self, asset_id: str) -> tuple[int, int]: ...

    def cutout_pyramid(self, asset_id: str) -> list[np.ndarray]:
        """The levels of `pyramid` for a cutout."""

    def background(self, asset_id: str) -> np.ndarray:
        """(H, W, 3) uint8 RGB texture at the frame's size."""


def pyramid(rgba: np.ndarray) -> list[np.ndarray]:
    """(h, w, 4) uint8 straight alpha -> the premultiplied cutout and its halved versions, each with a border of one transparent pixel.

    Level k has ceil(h / 2**k) by ceil(w / 2**k) pixels inside its border; a cutout of odd size is halved as if transparent pixels followed.
    """
    alpha = rgba[..., 3:].astype(np.uint16)
    level = np.concatenate([_divide_by_255(rgba[..., :3] * alpha), alpha], axis=2).astype(np.uint8)
    levels = [cv2.copyMakeBorder(level, *(_BORDER,) * 4, cv2.BORDER_CONSTANT)]
    for _ in range(PYRAMID_LEVELS - 1):
        height, width = level.shape[:2]
        level = cv2.copyMakeBorder(level, 0, height % 2, 0, width % 2, cv2.BORDER_CONSTANT)
        level = cv2.resize(level, ((width + 1) // 2, (height + 1) // 2), interpolation=cv2.INTER_AREA)
        levels.append(cv2.copyMakeBorder(level, *(_BORDER,) * 4, cv2.BORDER_CONSTANT))
    return levels


def pyramid_shapes(size_hw: tuple[int, int]) -> list[tuple[int, int, int]]:
    """The shapes of the levels that `pyramid` makes of a (height, width) cutout."""
    height, width = size_hw
    return [(-(-height // 2**k) + 2 * _BORDER, -(-width // 2**k) + 2 * _BORDER, 4) for k in range(PYRAMID_LEVELS)]


def render(scene: Scene, pixels: Pixels) -> Rendering:
    """Paint a scene. An instance wholly outside the frame gets an appearance of 0 by 0 pixels."""
    background = pixels.background(scene.background_id)
    image = background.copy()
    appearances = []
    for placement in scene.placements:
        cutout_hw = pixels.cutout_size_hw(placement.asset_id)
        appearance = draw_appearance(pixels.cutout_pyramid(placement.asset_id), cutout_hw, placement, scene.size_hw)
        paint(image, appearance)
        appearances.append(appearance)
    return Rendering(image, background, tuple(appearances))


def draw_appearance(levels: list[np.ndarray], cutout_hw: tuple[int, int], placement: Placement, size_hw: tuple[int, int]) -> Appearance:
    """One instance drawn alone: scaled, flipped, rotated, clipped to the frame and cropped to alpha > 0."""
    center_x, center_y = placement.center_xy
    reach_x, reach_y = rotated_extent(cutout_hw, placement.scale, placement.rotation_deg)
    x0, x1 = max(0, math.floor(center_x - reach_x - 1)), min(size_hw[1], math.ceil(center_x + reach_x + 1))
    y0, y1 = max(0, math.floor(center_y - reach_y - 1)), min(size_hw[0], math.ceil(center_y + reach_y + 1))
    if x0 >= x1 or y0 >= y1:
        return Appearance((0, 0), np.zeros((0, 0, 4), np.uint8))
    k = min(max(0, math.floor(-math.log2(placement.scale))), len(levels) - 1)
    warped = cv2.warpAffine(
        levels[k],
        _frame_to_level(placement, cutout_hw, k, (x0, y0)),
        (x1 - x0, y1 - y0),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
    )
    left, top, width, height = cv2.boundingRect(cv2.extractChannel(warped, 3))
    cropped = np.ascontiguousarray(warped[top : top + height, left : left + width])
    _unpremultiply(cropped)
    return Appearance((x0 + left, y0 + top), cropped)


def paint(image: np.ndarray, appearance: Appearance) -> None:
    """Paint an appearance over `image` (H, W, 3) uint8, in place, by the formula at the top of this module."""
    (x, y), (height, width) = appearance.offset_xy, appearance.rgba.shape[:2]
    if not height:
        return
    below = image[y : y + height, x : x + width]
    alpha = cv2.extractChannel(appearance.rgba, 3)
    rows, columns = _partial(alpha)
    a = alpha[rows, columns].astype(np.uint16)[:, None]
    mixed = _divide_by_255(appearance.rgba[rows, columns, :3] * a + below[rows, columns] * (255 - a))
    np.copyto(below, appearance.rgba[..., :3], where=(alpha == 255)[..., None])
    below[rows, columns] = mixed


def _frame_to_level(placement: Placement, cutout_hw: tuple[int, int], k: int, offset_xy: tuple[int, int]) -> np.ndarray:
    """The 2 x 3 matrix from pixel indices of a region of the frame at `offset_xy` to pixel indices of level k.

    Inverts p = centre + scale * R * F * (u - cutout centre) in continuous coordinates (discrete + 0.5), R counter-clockwise with y down.
    """
    turn = math.radians(placement.rotation_deg)
    shrink = 1 / (placement.scale * 2**k)
    cos, sin = shrink * math.cos(turn), shrink * math.sin(turn)
    mirror = -1 if placement.flip else 1
    matrix = np.array([[mirror * cos, -mirror * sin, 0.0], [sin, cos, 0.0]])
    height, width = cutout_hw
    center_u = np.array([width, height]) / 2 ** (k + 1) + _BORDER - 0.5
    from_center = np.array(offset_xy) + 0.5 - placement.center_xy
    matrix[:, 2] = matrix[:, :2] @ from_center + center_u
    return matrix


def _partial(alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the pixels that are neither clear nor opaque."""
    return np.divmod(np.flatnonzero((alpha.ravel() - np.uint8(1)) < 254), alpha.shape[1])


def _unpremultiply(rgba: np.ndarray) -> None:
    """Premultiplied to straight alpha, in place. Only partly transparent pixels change; a clear pixel is black already."""
    flat = rgba.reshape(-1, 4)
    at = np.flatnonzero((flat[:, 3] - np.uint8(1)) < 254)
    edge = flat[at].astype(np.uint16)
    alpha = edge[:, 3:]
    flat[at, :3] = np.minimum((edge[:, :3] * 255 + alpha // 2) // alpha, 255)


def _divide_by_255(values: np.ndarray) -> np.ndarray:
    """values / 255, rounded to nearest, exact for uint16 up to 255 * 255."""
    values = values + np.uint16(128)
    return (values + (values >> 8)) >> 8
