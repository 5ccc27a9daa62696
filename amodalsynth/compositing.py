"""Compositing: a scene's pixels. Cutouts are warped once each and painted over the background, farthest first.

Cutouts come premultiplied and in halved versions, so that shrinking reads about as many pixels as it writes and no bright or dark fringe
appears at the edge. What is stored of an instance is its appearance with straight alpha, and the image is composed from just that: channel =
floor(rgb * a + below * (1 - a) + 0.5) with a = alpha / 255, exactly, so anyone can compose it again to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

import cv2
import numpy as np

from amodalsynth.types import Appearance, Placement, Rendering, Scene, edge_positions

PYRAMID_LEVELS = 4
_BORDER = 1  # transparent pixels around each level, so that the outermost pixels fade out over a full pixel
_REACH = 1.5  # pixels by which a warped pixel can lie outside the outline: half of its own size and one of interpolation


@dataclass(frozen=True, slots=True)
class WarpCutout:
    """A cutout made ready for warping.

    levels: premultiplied (h, w, 4) uint8, each half the size of the one before and inside a border of one transparent pixel. outline (K, 2)
    float64: corners (x, y) of a convex polygon around the pixels with alpha > 0, relative to the centre of its rectangle. core: centre (x, y),
    likewise, and radius of the largest disc of opaque pixels.
    """

    size_hw: tuple[int, int]
    levels: tuple[np.ndarray, ...]
    outline: np.ndarray
    core: tuple[float, float, float]
    reach: float = field(init=False)
    """Distance of the outermost corner from the centre."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "reach", float(np.hypot(*self.outline.T).max()))


class Pixels(Protocol):
    """What `render` must get from a pool."""

    def cutout(self, asset_id: str) -> WarpCutout: ...

    def background(self, asset_id: str) -> np.ndarray:
        """(H, W, 3) uint8 RGB texture at the frame's size."""


def prepare_cutout(rgba: np.ndarray) -> WarpCutout:
    """Make a (h, w, 4) uint8 cutout with straight alpha ready for warping.

    Level k has ceil(h / 2**k) by ceil(w / 2**k) pixels inside its border; a cutout of odd size is halved as if transparent pixels followed.
    """
    alpha = rgba[..., 3:].astype(np.uint16)
    level = np.concatenate([_divide_by_255(rgba[..., :3] * alpha), alpha], axis=2).astype(np.uint8)
    levels = [_bordered(level)]
    for _ in range(PYRAMID_LEVELS - 1):
        height, width = level.shape[:2]
        level = cv2.copyMakeBorder(level, 0, height % 2, 0, width % 2, cv2.BORDER_CONSTANT)
        level = cv2.resize(level, ((width + 1) // 2, (height + 1) // 2), interpolation=cv2.INTER_AREA)
        levels.append(_bordered(level))
    hull = cv2.convexHull(cv2.findNonZero(rgba[..., 3]))[:, 0]
    middle_x, middle_y = rgba.shape[1] / 2, rgba.shape[0] / 2
    opaque = np.pad((rgba[..., 3] == 255).astype(np.uint8), 1)
    _, radius, _, (x, y) = cv2.minMaxLoc(cv2.distanceTransform(opaque, cv2.DIST_L2, cv2.DIST_MASK_PRECISE))
    core = (x - 0.5 - middle_x, y - 0.5 - middle_y, max(radius - 1, 0.0))  # x and y count the padding
    return WarpCutout(rgba.shape[:2], tuple(levels), hull + np.array((0.5 - middle_x, 0.5 - middle_y)), core)


def level_shapes(size_hw: tuple[int, int]) -> list[tuple[int, int, int]]:
    """The shapes of the levels that `prepare_cutout` makes of a (height, width) cutout."""
    height, width = size_hw
    return [(-(-height // 2**k) + 2 * _BORDER, -(-width // 2**k) + 2 * _BORDER, 4) for k in range(PYRAMID_LEVELS)]


def render(scene: Scene, pixels: Pixels) -> Rendering:
    """Paint a scene."""
    return compose(pixels.background(scene.background_id), draw_appearances(scene, pixels))


def surely_hidden(scene: Scene, pixels: Pixels) -> bool:
    """Whether some instance lies wholly behind the opaque core of a nearer one, which shows before anything is drawn.

    Never true of a scene in which every instance shows a pixel; true of half of the others where objects are round.
    """
    cores = []
    for placement in reversed(scene.placements):
        cutout = pixels.cutout(placement.asset_id)
        x, y = placement.center_xy
        margin = _REACH * max(placement.scale, 1.0)
        around = cutout.reach * placement.scale + margin
        if any(math.hypot(x - core_x, y - core_y) + around <= radius for core_x, core_y, radius in cores):
            return True
        core_x, core_y, radius = cutout.core
        turn = math.radians(placement.rotation_deg)
        cos, sin = placement.scale * math.cos(turn), placement.scale * math.sin(turn)
        core_x = -core_x if placement.flip else core_x
        cores.append((x + cos * core_x + sin * core_y, y - sin * core_x + cos * core_y, radius * placement.scale - 2 * margin))
    return False


def draw_appearances(scene: Scene, pixels: Pixels) -> tuple[Appearance, ...]:
    """Each instance of a scene drawn alone, farthest first; one wholly outside the frame has 0 by 0 pixels."""
    return tuple(draw_appearance(pixels.cutout(placement.asset_id), placement, scene.size_hw) for placement in scene.placements)


def compose(background: np.ndarray, appearances: Iterable[Appearance]) -> Rendering:
    """Paint appearances over an (H, W, 3) uint8 RGB background, in order, by the formula at the top of this module."""
    appearances = tuple(appearances)
    canvas = cv2.cvtColor(background, cv2.COLOR_RGB2RGBA)  # four bytes a pixel, so that a pixel is one integer
    for appearance in appearances:
        _paint(canvas, appearance)
    return Rendering(cv2.cvtColor(canvas, cv2.COLOR_RGBA2RGB), background, appearances)


def draw_appearance(cutout: WarpCutout, placement: Placement, size_hw: tuple[int, int]) -> Appearance:
    """One instance drawn alone: scaled, flipped, rotated, clipped to the frame and cropped to alpha > 0."""
    k = min(max(0, math.floor(-math.log2(placement.scale))), len(cutout.levels) - 1)
    # p = centre + forward @ (u - cutout's centre), in continuous coordinates (discrete + 0.5); counter-clockwise with y down
    turn, mirror = math.radians(placement.rotation_deg), -1 if placement.flip else 1
    cos, sin = placement.scale * math.cos(turn), placement.scale * math.sin(turn)
    corners = cutout.outline @ np.array(((mirror * cos, -mirror * sin), (sin, cos)))
    (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    center_x, center_y = placement.center_xy
    reach = _REACH * max(placement.scale, 2**k * placement.scale)
    x0, x1 = max(0, math.floor(center_x + left - reach)), min(size_hw[1], math.ceil(center_x + right + reach))
    y0, y1 = max(0, math.floor(center_y + top - reach)), min(size_hw[0], math.ceil(center_y + bottom + reach))
    if x0 >= x1 or y0 >= y1:
        return Appearance((0, 0), np.zeros((0, 0, 4), np.uint8))
    # The inverse, from pixel indices of the region to pixel indices of level k.
    shrink = 1 / (placement.scale * placement.scale * 2**k)
    cos, sin = cos * shrink, sin * shrink
    dx, dy = x0 + 0.5 - center_x, y0 + 0.5 - center_y
    middle_x, middle_y = (side / 2 ** (k + 1) + _BORDER - 0.5 for side in cutout.size_hw[::-1])
    inverse = np.array(
        ((mirror * cos, -mirror * sin, mirror * (cos * dx - sin * dy) + middle_x), (sin, cos, sin * dx + cos * dy + middle_y))
    )
    # A cutout is seldom in the processor's cache. Copying it reads it in order, which is quick; warping reads across its rows, which
    # from memory takes three times as long.
    warped = cv2.warpAffine(
        cutout.levels[k].copy(),
        inverse,
        (x1 - x0, y1 - y0),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
    )
    alpha = cv2.extractChannel(warped, 3)
    left, top, width, height = cv2.boundingRect(alpha)
    rgba = np.ascontiguousarray(warped[top : top + height, left : left + width])
    alpha = np.ascontiguousarray(alpha[top : top + height, left : left + width])
    edge = edge_positions(alpha)
    _unpremultiply(rgba, edge)
    return Appearance((x0 + left, y0 + top), rgba, alpha, edge)


def _paint(canvas: np.ndarray, appearance: Appearance) -> None:
    """Paint an appearance over an (H, W, 4) uint8 canvas, whose fourth channel means nothing, in place."""
    (x, y), (height, width) = appearance.offset_xy, appearance.rgba.shape[:2]
    if not height:
        return
    edge = appearance.edge
    there = edge + edge // width * (canvas.shape[1] - width) + (y * canvas.shape[1] + x)  # the same pixels in the canvas
    over, below = _gather(appearance.rgba, edge), _gather(canvas, there)
    alpha = over[3]
    mixed = _divide_by_255(over * alpha + below * (255 - alpha))
    cv2.copyTo(appearance.rgba, (appearance.alpha == 255).view(np.uint8), canvas[y : y + height, x : x + width])
    _scatter(canvas, there, mixed)


def _unpremultiply(rgba: np.ndarray, edge: np.ndarray) -> None:
    """Premultiplied to straight alpha, in place, at the positions `edge`; elsewhere the two are the same."""
    values = _gather(rgba, edge)
    values[:3] = _STRAIGHT.take((values[3] << 8) + values[:3])
    _scatter(rgba, edge, values)


def _gather(image: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The pixels at E positions, row by row, of a contiguous (H, W, 4) uint8 image, as (4, E) uint16."""
    return _as_pixels(image).take(at).view(np.uint8).reshape(-1, 4).T.astype(np.uint16, order="C")


def _scatter(image: np.ndarray, at: np.ndarray, values: np.ndarray) -> None:
    """Write (4, E) values up to 255 to E positions of an image; the reverse of `_gather`."""
    _as_pixels(image)[at] = values.T.astype(np.uint8, order="C").view(np.uint32)[:, 0]


def _as_pixels(image: np.ndarray) -> np.ndarray:
    """A contiguous (H, W, 4) uint8 image as (H * W,) uint32, one number a pixel, sharing its memory."""
    return image.view(np.uint32).reshape(-1)


def _bordered(level: np.ndarray) -> np.ndarray:
    return cv2.copyMakeBorder(level, _BORDER, _BORDER, _BORDER, _BORDER, cv2.BORDER_CONSTANT)


def _divide_by_255(values: np.ndarray) -> np.ndarray:
    """values / 255, rounded to nearest, exact for uint16 up to 255 * 255."""
    values = values + np.uint16(128)
    return (values + (values >> 8)) >> 8


def _straight_table() -> np.ndarray:
    """(65536,) uint16: at 256 * alpha + premultiplied value, the straight value, rounded to nearest."""
    alpha = np.maximum(np.arange(256, dtype=np.uint32)[:, None], 1)
    return np.minimum((np.arange(256, dtype=np.uint32) * 255 + alpha // 2) // alpha, 255).astype(np.uint16).ravel()


_STRAIGHT = _straight_table()
