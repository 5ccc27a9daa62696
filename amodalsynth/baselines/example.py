"""What a model trains on, one image at a time: the square frame with its instances and points, and never a mask.

S is the side of the square frame, N the number of instances, P the points an instance. Positions are continuous: the centre of the frame's
pixel (0, 0) is at (0.5, 0.5).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from amodalsynth.types import check_array, read_only

PADDING = 127  # mid-grey: about zero under any usual normalisation


@dataclass(frozen=True, slots=True)
class Example:
    """An image in its frame and what is known of its instances.

    image (S, S, 3) uint8 RGB. box (N, 4) float32: amodal, x0 y0 x1 y1, half open. category (N,) int64 from 0. layer (N,) int64 (eq. 2), -1
    where unknown. point_xy (N, P, 2) float32. point_label (N, P) int8: 1 on the amodal mask, 0 elsewhere in the box, -1 where there is no
    point. name says which image it is, in an error.
    """

    image: np.ndarray
    box: np.ndarray
    category: np.ndarray
    layer: np.ndarray
    point_xy: np.ndarray
    point_label: np.ndarray
    name: str = "an image"

    def __post_init__(self) -> None:
        count, num_points = len(self.box), self.point_label.shape[-1]
        check_array("Example.image", self.image, np.uint8, None, None, 3)
        check_array("Example.box", self.box, np.float32, count, 4)
        check_array("Example.category", self.category, np.int64, count)
        check_array("Example.layer", self.layer, np.int64, count)
        check_array("Example.point_xy", self.point_xy, np.float32, count, num_points, 2)
        check_array("Example.point_label", self.point_label, np.int8, count, num_points)
        read_only(self.image)

    def __len__(self) -> int:
        return len(self.box)


@dataclass(frozen=True, slots=True)
class Fit:
    """How an image of `size_hw` lies in a square frame: scaled to `scaled_hw`, at the top left."""

    size_hw: tuple[int, int]
    scaled_hw: tuple[int, int]

    @classmethod
    def of(cls, size_hw: tuple[int, int], image_size: int) -> Fit:
        """The fit whose longer side is `image_size` pixels; the shorter one is rounded, and at least 1."""
        longest = max(size_hw)
        height, width = (max(1, round(side * image_size / longest)) for side in size_hw)
        return cls(tuple(size_hw), (height, width))

    @property
    def scale_xy(self) -> np.ndarray:
        """(2,) float64: frame pixels per image pixel across and down; they differ by the rounding of the shorter side."""
        return np.array([self.scaled_hw[1] / self.size_hw[1], self.scaled_hw[0] / self.size_hw[0]])

    def to_frame(self, xy: np.ndarray) -> np.ndarray:
        """Continuous positions (..., 2) in the image -> in the frame."""
        return xy * self.scale_xy

    def to_image(self, xy: np.ndarray) -> np.ndarray:
        """Continuous positions (..., 2) in the frame -> in the image."""
        return xy / self.scale_xy


def fit_image(image: np.ndarray, image_size: int) -> tuple[np.ndarray, Fit]:
    """Put an image into a square frame: (H, W, 3) uint8 -> (S, S, 3) uint8 with S = `image_size`, and the fit that was used.

    Scaled by area averages where it shrinks and bilinearly where it grows; what the image leaves free of the frame is `PADDING`. An image
    of the frame's own size comes back as it is.
    """
    fit = Fit.of(image.shape[:2], image_size)
    height, width = fit.scaled_hw
    if fit.scaled_hw != fit.size_hw:
        shrinks = max(fit.size_hw) > image_size
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    if height == width == image_size:
        return image, fit
    frame = np.full((image_size, image_size, 3), PADDING, np.uint8)
    frame[:height, :width] = image
    return frame, fit
