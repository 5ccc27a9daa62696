"""A texture photo becomes a background of the frame's size."""

from __future__ import annotations

import cv2
import numpy as np

TEXTURE_VERSION = 1  # part of cache keys: raise it whenever the pixels change


def fit_texture(pixels: np.ndarray, size_hw: tuple[int, int], fit: str) -> np.ndarray:
    """Bring a texture, (h, w, 3) or (h, w, 4) uint8, to (H, W, 3) uint8 where `size_hw` is (H, W).

    `fit` "resize" squashes the texture to the frame, as the paper does (section 3.1); "crop" first cuts the largest centred part that has
    the frame's aspect. Where a texture is transparent, white shows through. Raises `ValueError` for another `fit`.
    """
    if fit not in ("resize", "crop"):
        raise ValueError(f"fit: expected 'resize' or 'crop', got {fit!r}")
    if pixels.shape[2] == 4:
        alpha = pixels[..., 3:] / np.float32(255)
        pixels = (pixels[..., :3] * alpha + 255 * (1 - alpha) + 0.5).astype(np.uint8)
    if fit == "crop":
        pixels = _centre_crop(pixels, size_hw)
    (h, w), (height, width) = pixels.shape[:2], size_hw
    # INTER_AREA averages what falls into a pixel only where both sides shrink; a side that grows is done after the one that shrinks.
    shrunk = (min(w, width), min(h, height))
    if shrunk != (w, h):
        pixels = cv2.resize(pixels, shrunk, interpolation=cv2.INTER_AREA)
    if shrunk != (width, height):
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(pixels)


def _centre_crop(pixels: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    (h, w), (height, width) = pixels.shape[:2], size_hw
    crop_h = max(1, min(h, round(w * height / width)))
    crop_w = max(1, min(w, round(h * width / height)))
    top, left = (h - crop_h) // 2, (w - crop_w) // 2
    return pixels[top : top + crop_h, left : left + crop_w]
