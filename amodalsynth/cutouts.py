"""An object photo becomes a cutout: the background removed, its light taken out of the contour, cropped tightly.

A picture with transparency keeps its alpha. A photo on white goes through these steps:

1. The background is what is white and connected to the photo's edge. White inside the object is a highlight and stays, unless it is a hole.
2. Of the object, dust and the end of a turntable's shaft are dropped.
3. At the final size, the pixels of the contour are mixtures of object and white: I = a F + (1 - a) W. Their alpha a follows from the
   object's colour F just inside, and the white is taken out of their colour.

All functions are pure, and the same pixels give the same cutout.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from amodalsynth.errors import CutoutError
from amodalsynth.types import AMODAL_ALPHA

CUTOUT_VERSION = 1  # part of cache keys: raise it whenever the pixels change


@dataclass(frozen=True, slots=True)
class CutoutSettings:
    """How cutouts are made.

    white_threshold: a photo's background is at least this bright in all three channels; 128 to 255.
    max_side: larger cutouts are shrunk until their longer side is this many pixels.
    """

    white_threshold: int = 245
    max_side: int = 512


# A photo whose edge is less white than this holds a scene, or an object that the photo cuts off: no cutout comes of it.
_MIN_WHITE_EDGE = 0.5
_MIN_OBJECT_PIXELS = 16
_MIN_OBJECT_PART = 0.001  # of the photo
# Separate parts belong to the object if they have this part of the area of the largest. Alpha drawn by hand is trusted further than a photo.
_MIN_PHOTO_PART, _MIN_ALPHA_PART = 0.05, 0.002

# A white backdrop falls off towards the photo's edges. Within this part of the photo's longer side from its edge, the background may be
# this much darker than the threshold, in the darkest channel and on average.
_FALLOFF_REACH, _FALLOFF_DARKEST, _FALLOFF_MEAN = 0.06, 40, 10

# A hole has at least this part of the object's area, is no more than this much darker than white on average, and its rim is a step
# of at least this part of the step at the outer contour; a highlight fades instead.
_MIN_HOLE, _HOLE_DARKER, _HOLE_STEP = 0.01, 3, 0.75

# A shaft's end touches the photo's lower edge, is grey (largest less smallest channel), and thinner than a disc that is this part of the
# largest disc in the object; its width and height are no more than these parts of that disc's radius.
_SHAFT_DISC, _SHAFT_GREY, _SHAFT_WIDTH, _SHAFT_HEIGHT = 0.65, 40, 0.65, 0.25

_CONTOUR = 3.0  # pixels from the background to where a pixel is the object's alone
_PALE = 48.0  # distance from white, root mean square of channels, from which a colour tells alpha reliably

_SQUARE = np.ones((3, 3), np.uint8)


def make_cutout(pixels: np.ndarray, settings: CutoutSettings) -> np.ndarray:
    """Cut the object out of a picture, (h, w, 3) RGB or (h, w, 4) RGBA with straight alpha, uint8.

    Returns a contiguous (h', w', 4) uint8 RGBA array with straight alpha, cropped tightly to alpha > 0, black where alpha is 0, with
    max(h', w') <= `settings.max_side` and at least one pixel of alpha >= 128. A picture with an alpha channel that is nowhere below 128
    is taken as a photo.

    Raises `CutoutError` with the reason alone if there is no object, or neither alpha nor a white edge.
    """
    if pixels.shape[2] == 4 and pixels[..., 3].min(initial=255) < AMODAL_ALPHA:
        rgba = _cut_by_alpha(pixels, settings)
    else:
        rgba = _cut_from_white(pixels[..., :3], settings)
    if not rgba.size or rgba[..., 3].max() < AMODAL_ALPHA:
        raise CutoutError("no object is left at this size")
    rgba[rgba[..., 3] == 0] = 0
    return np.ascontiguousarray(rgba[_box(rgba[..., 3])])


def _cut_by_alpha(rgba: np.ndarray, settings: CutoutSettings) -> np.ndarray:
    alpha = rgba[..., 3]
    if alpha.max() < AMODAL_ALPHA:
        raise CutoutError("the picture is transparent throughout")
    kept = _large_parts((alpha > 0).astype(np.uint8), alpha >= AMODAL_ALPHA, _MIN_ALPHA_PART)
    box = _box(kept)
    cut = np.dstack((rgba[box][..., :3], alpha[box] * kept[box]))
    size = _capped(cut.shape[:2], settings.max_side)
    if size == cut.shape[:2]:
        return cut
    premultiplied = cut.astype(np.float32)
    premultiplied[..., :3] *= premultiplied[..., 3:] / 255
    small = cv2.resize(premultiplied, size[::-1], interpolation=cv2.INTER_AREA)
    small[..., :3] *= 255 / np.maximum(small[..., 3:], 1e-3)
    return _to_bytes(small)


def _cut_from_white(rgb: np.ndarray, settings: CutoutSettings) -> np.ndarray:
    solid = 1 - _background(rgb, settings.white_threshold)
    edge = 1 - np.concatenate((solid[0], solid[-1], solid[1:-1, 0], solid[1:-1, -1])).mean()
    if edge < _MIN_WHITE_EDGE:
        raise CutoutError(
            f"neither transparency nor a white edge: {edge:.0%} of the photo's edge is white ({settings.white_threshold} or more in every "
            f"channel), expected {_MIN_WHITE_EDGE:.0%}; a rectangle is no cutout"
        )
    solid = _large_parts(solid, solid, _MIN_PHOTO_PART)
    if cv2.countNonZero(solid) < max(_MIN_OBJECT_PIXELS, _MIN_OBJECT_PART * solid.size):
        raise CutoutError("the photo is white throughout")
    box = _box(solid)
    on_edge = box[0].stop >= 0.99 * solid.shape[0]
    rgb, solid = _shrunk(rgb[box], solid[box], settings.max_side)
    if on_edge:
        solid = _large_parts(_without_shaft(solid, rgb), solid, _MIN_PHOTO_PART)
    solid[_holes(solid, rgb, settings.white_threshold)] = 0
    rgba = _matte(rgb, solid)
    rgba[..., 3] *= _large_parts(np.minimum(rgba[..., 3], 1), rgba[..., 3] >= AMODAL_ALPHA, _MIN_PHOTO_PART)
    return rgba


def _background(rgb: np.ndarray, threshold: int) -> np.ndarray:
    """(h, w) uint8, 1 where the photo is white and connected to its edge."""
    white = cv2.inRange(rgb, (threshold,) * 3, (255,) * 3)
    reach = int(_FALLOFF_REACH * max(white.shape))
    fallen = cv2.inRange(rgb, (threshold - _FALLOFF_DARKEST,) * 3, (255,) * 3) & cv2.inRange(_mean(rgb), threshold - _FALLOFF_MEAN, 255)
    fallen[reach : max(reach, white.shape[0] - reach), reach : max(reach, white.shape[1] - reach)] = 0
    # The object may touch the photo's edge on all sides, so the background is joined around it.
    padded = cv2.copyMakeBorder(white | fallen, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=255)
    _, labels = cv2.connectedComponents(padded, connectivity=4)
    return (labels[1:-1, 1:-1] == labels[0, 0]).astype(np.uint8)


def _large_parts(mask: np.ndarray, counted: np.ndarray, min_part: float) -> np.ndarray:
    """(h, w) uint8 `mask` without the connected parts that have less than `min_part` of the `counted` pixels of the richest."""
    num_labels, labels = cv2.connectedComponents(mask, connectivity=8)
    if num_labels <= 2:
        return mask
    pixels = np.bincount(labels[counted > 0], minlength=num_labels)
    kept = (pixels > 0) & (pixels >= min_part * pixels[1:].max())
    kept[0] = False
    return kept.astype(np.uint8)[labels]


def _shrunk(rgb: np.ndarray, solid: np.ndarray, max_side: int) -> tuple[np.ndarray, np.ndarray]:
    """The photo and the object in it, white around the object, at the final size.

    Shrinking mixes object and white linearly, as the camera did, so that `_matte` undoes both at once.
    """
    rgb = rgb | cv2.merge([255 * (1 - solid)] * 3)
    size = _capped(solid.shape, max_side)
    if size == solid.shape:
        return rgb, solid
    rgb = cv2.resize(rgb, size[::-1], interpolation=cv2.INTER_AREA)
    return rgb, np.minimum(cv2.resize(255 * solid, size[::-1], interpolation=cv2.INTER_AREA), 1)


def _without_shaft(solid: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """(h, w) uint8 `solid` without the end of a shaft on which the object stands, cut off by the photo's lower edge."""
    h = solid.shape[0]
    thickness = cv2.distanceTransform(np.pad(solid, 1), cv2.DIST_L2, 5).max()
    radius = _SHAFT_DISC * thickness
    # Opening by a disc removes what is thin. The photo is continued below its edge, or its corners there would count as thin.
    continued = np.pad(np.pad(solid, ((0, int(2 * radius) + 2), (0, 0)), mode="edge"), ((1, 0), (1, 1)))
    centres = cv2.distanceTransform(continued, cv2.DIST_L2, 5) > radius
    opened = cv2.distanceTransform((~centres).astype(np.uint8), cv2.DIST_L2, 5) <= radius
    thin = ((solid > 0) & ~opened[1 : h + 1, 1:-1]).astype(np.uint8)
    # Slivers that the disc leaves along a curved contour are not part of the shaft.
    thin = cv2.morphologyEx(np.pad(thin, ((0, 2), (0, 0)), mode="edge"), cv2.MORPH_OPEN, _SQUARE)[:h]
    _, labels, stats, _ = cv2.connectedComponentsWithStats(thin, connectivity=8)
    kept = solid.copy()
    for k in set(labels[-1].tolist()) - {0}:
        part = labels == k
        colours = rgb[part]
        grey = colours.max(axis=1).mean() - colours.min(axis=1).mean() <= _SHAFT_GREY
        width, height = stats[k, cv2.CC_STAT_WIDTH], stats[k, cv2.CC_STAT_HEIGHT]
        if grey and width <= _SHAFT_WIDTH * thickness and height <= _SHAFT_HEIGHT * thickness:
            kept[part] = 0
            # Crumbs beside the cut: what is too thin for a square, in reach of the shaft.
            crumbs = kept - cv2.morphologyEx(np.pad(kept, 1), cv2.MORPH_OPEN, _SQUARE)[1:-1, 1:-1]
            kept[(crumbs > 0) & (cv2.dilate(part.astype(np.uint8), np.ones((11, 11), np.uint8)) > 0)] = 0
    return kept


def _holes(solid: np.ndarray, rgb: np.ndarray, threshold: int) -> np.ndarray:
    """(h, w) bool: the white regions in the object through which the background is seen."""
    holes = np.zeros(solid.shape, bool)
    white = cv2.inRange(rgb, (threshold,) * 3, (255,) * 3) * solid
    smallest = _MIN_HOLE * cv2.countNonZero(solid)
    if cv2.countNonZero(white) < smallest:
        return holes
    num_labels, labels, stats, _ = cv2.connectedComponentsWithStats(white, connectivity=4)
    large = [k for k in range(1, num_labels) if stats[k, cv2.CC_STAT_AREA] >= smallest]
    darkest = rgb.min(axis=2)

    def step(region: np.ndarray) -> float:
        distance = cv2.distanceTransform(np.pad(~region, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
        rim = (distance > 2) & (distance <= 4) & (solid > 0)
        return darkest[region].mean() - darkest[rim].mean() if rim.any() and region.any() else 0.0

    contour = step(solid == 0)
    for k in large:
        region = labels == k
        if darkest[region].mean() >= 255 - _HOLE_DARKER and step(region) >= _HOLE_STEP * contour:
            holes |= region
    return holes


def _matte(rgb: np.ndarray, solid: np.ndarray) -> np.ndarray:
    """The object `solid` of a photo on white, as (h, w, 4) uint8 RGBA, its contour free of white."""
    depth = cv2.distanceTransform(np.pad(solid, 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    # Pure object: deep enough, or on the ridge of a part too thin for that, such as a stalk, and no wisp of white.
    ridge = (depth > 0) & (depth >= 0.9 * cv2.dilate(depth, np.ones((5, 5), np.uint8))) & (_mean(rgb) <= 255 - _PALE)
    pure = (ridge | (depth >= _CONTOUR)).astype(np.uint8)
    rim = np.nonzero((depth > 0) & (depth < _CONTOUR))

    # From here on for the K pixels of the contour: colours (K, 3), alpha (K, 1).
    colour = rgb[rim].astype(np.float32)
    weight = cv2.boxFilter(pure, cv2.CV_32F, (7, 7), normalize=False)[rim][:, None]
    inner = cv2.boxFilter(rgb * pure[..., None], cv2.CV_32F, (7, 7), normalize=False)[rim] / np.maximum(weight, 1)
    from_white = 255 - np.where(weight > 0, inner, colour)
    contrast = (from_white**2).sum(axis=1, keepdims=True)
    mixed = ((255 - colour) * from_white).sum(axis=1, keepdims=True) / np.maximum(contrast, 1)
    trust = np.minimum(np.sqrt(contrast / 3) / _PALE, 1)  # an object as pale as the background tells nothing: its outline decides
    alpha = np.clip(trust * mixed + (1 - trust) * cv2.blur(solid.astype(np.float32), (3, 3))[rim][:, None], 0, 1)
    # The white is taken out of the colour: F = (I - (1 - a) W) / a, with a share 1 - a of the inner colour instead of the division,
    # which would amplify noise where a is small.
    clean = colour - (1 - alpha) * from_white

    rgba = np.dstack((rgb, 255 * solid))
    rgba[rim] = _to_bytes(np.hstack((clean, 255 * alpha)))
    return rgba


def _mean(rgb: np.ndarray) -> np.ndarray:
    """(h, w) uint8 mean of the channels."""
    return cv2.transform(rgb, np.full((1, 3), 1 / 3))


def _capped(size_hw: tuple[int, int], max_side: int) -> tuple[int, int]:
    """`size_hw`, shrunk with its aspect so that the longer side is at most `max_side`."""
    longest = max(size_hw)
    if longest <= max_side:
        return tuple(size_hw)
    return tuple(max(1, round(side * max_side / longest)) for side in size_hw)


def _box(mask: np.ndarray) -> tuple[slice, slice]:
    """The slices of the smallest rectangle that holds the pixels of an (h, w) uint8 `mask` above 0."""
    x, y, width, height = cv2.boundingRect(mask)
    return np.s_[y : y + height, x : x + width]


def _to_bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(values + 0.5, 0, 255).astype(np.uint8)
