"""Annotation: everything that follows from the amodal masks of a scene and the order in which they are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from amodalsynth import drawing, masks, orders
from amodalsynth.errors import SceneRejected
from amodalsynth.types import AMODAL_ALPHA, Appearance, Rendering, Scene, check_array, read_only


@dataclass(frozen=True, slots=True)
class Annotation:
    """The ground truth of one image of N instances, farthest first.

    category_id (N,) int64, from 1. instance_map (H, W) unsigned: bit i is the amodal mask of instance i (see `masks`). scan: its runs and
    areas. occlusion_order (N, N) bool: [i, j] says that i is occluded by j (eq. 1); direct_occlusion (N, N) bool: the visible part
    of j covers a part of i. layer_order (N,) int64: eq. 2. spans: the amodal, visible and invisible masks as spans. The masks
    themselves are unpacked on demand.
    """

    category_id: np.ndarray
    instance_map: np.ndarray
    scan: masks.MaskScan
    spans: masks.MaskSpans
    occlusion_order: np.ndarray
    direct_occlusion: np.ndarray
    layer_order: np.ndarray

    @classmethod
    def from_instance_map(cls, category_id: np.ndarray, instance_map: np.ndarray, scan: masks.MaskScan | None = None) -> Annotation:
        """Derive everything from an (H, W) instance map; `scan` saves reading it again."""
        check_array("category_id", category_id, np.int64, None)
        scan = scan or masks.scan(instance_map, len(category_id))
        occlusion_order = orders.occlusion_order(scan.overlap_area)
        return cls(
            read_only(category_id),
            read_only(instance_map),
            scan,
            masks.spans(scan),
            occlusion_order,
            orders.direct_occlusion(scan.seen_area),
            orders.layer_order(occlusion_order),
        )

    @classmethod
    def from_masks(cls, category_id: np.ndarray, amodal_mask: np.ndarray) -> Annotation:
        """Derive everything from (N, H, W) bool amodal masks, farthest first."""
        check_array("amodal_mask", amodal_mask, np.bool_, len(category_id), None, None)
        return cls.from_instance_map(np.array(category_id, np.int64), masks.pack_masks(amodal_mask))

    def __len__(self) -> int:
        return len(self.category_id)

    @property
    def amodal_mask(self) -> np.ndarray:
        """(N, H, W) bool: the full extent, seen or not."""
        return masks.unpack_amodal(self.instance_map, len(self))

    @property
    def visible_mask(self) -> np.ndarray:
        """(N, H, W) bool: what is seen."""
        return masks.unpack_visible(self.instance_map, len(self))

    @property
    def invisible_mask(self) -> np.ndarray:
        """(N, H, W) bool: amodal minus visible."""
        return self.amodal_mask & ~self.visible_mask

    @property
    def amodal_area(self) -> np.ndarray:
        """(N,) int64 pixels."""
        return self.scan.amodal_area

    @property
    def visible_area(self) -> np.ndarray:
        """(N,) int64 pixels."""
        return self.scan.visible_area

    @property
    def occlusion_rate(self) -> np.ndarray:
        """(N,) float64 in [0, 1]: invisible area / amodal area; 1 for an empty mask."""
        return 1 - self.visible_area / np.maximum(self.amodal_area, 1)

    @property
    def amodal_box(self) -> np.ndarray:
        """(N, 4) int64 xyxy, half open; zeros for an empty mask."""
        return masks.boxes(self.spans)[: len(self)]

    @property
    def visible_box(self) -> np.ndarray:
        """(N, 4) int64 xyxy, half open; zeros where nothing is seen."""
        return masks.boxes(self.spans)[len(self) : 2 * len(self)]


def map_instances(appearances: Sequence[Appearance], size_hw: tuple[int, int]) -> np.ndarray:
    """The (H, W) instance map of appearances in a frame: bit i where the alpha of appearance i is 128 or more."""
    dtype = masks.instance_map_dtype(len(appearances))
    instance_map = np.zeros(size_hw, dtype)
    for i, appearance in enumerate(appearances):
        (x, y), (height, width) = appearance.offset_xy, appearance.alpha.shape
        covered = (appearance.alpha >= AMODAL_ALPHA).astype(dtype)
        covered <<= dtype(i)
        instance_map[y : y + height, x : x + width] |= covered
    return instance_map


def annotate(scene: Scene, appearances: Sequence[Appearance], *, min_visible_pixels: int = 1) -> Annotation:
    """The annotation of a scene whose instances look like `appearances`.

    Raises `SceneRejected` where an instance has fewer than `min_visible_pixels` visible pixels: the paper discards images with a
    completely invisible instance (section 3.1).
    """
    instance_map = map_instances(appearances, scene.size_hw)
    scanned = masks.scan(instance_map, len(scene.placements))
    if (scanned.visible_area < min_visible_pixels).any():
        raise SceneRejected
    category_id = np.array([placement.category_id for placement in scene.placements], np.int64)
    return Annotation.from_instance_map(category_id, instance_map, scanned)


@dataclass(frozen=True, slots=True)
class Sample:
    """One image of a data set: its index in the split (from 0), the attempt at which its scene was accepted, and all that follows."""

    index: int
    attempt: int
    scene: Scene
    rendering: Rendering
    annotation: Annotation

    @property
    def image_id(self) -> int:
        """The image's id in the annotation file, from 1."""
        return self.index + 1

    def _repr_html_(self) -> str:
        """A notebook shows the scene and its instances."""
        title = f"image {self.image_id}"
        rows = drawing.instance_rows(self.annotation, {})
        return drawing.picture_html(drawing.draw_scene(title, self.rendering.image, self.annotation), title, rows)
