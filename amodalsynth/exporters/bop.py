"""BOP: scene folders with the image, the amodal and the visible mask of every instance, and how much of it is seen.

A data set of images has neither camera nor poses, so there is no scene_camera.json, and scene_gt.json holds `obj_id` alone. `px_count_valid` counts
the pixels with a depth measurement; as in BOP's rendered sets, where every pixel has one, it is the silhouette's area.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import orjson

from amodalsynth.exporters.base import About, Job
from amodalsynth.exporters.flat import NEVER_HELD
from amodalsynth.labelled import LabelledImage
from amodalsynth.records.encoding import encode_png

IMAGES_IN_SCENE = 1000  # as in BOP's rendered training sets

_NOTHING_SEEN = [-1, -1, -1, -1]  # BOP's box of an empty mask


class _Scene:
    """One scene folder; what its JSON files say is held until the scene is whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._truth: dict[str, list[dict[str, Any]]] = {}
        self._info: dict[str, list[dict[str, Any]]] = {}
        for name in ("rgb", "mask", "mask_visib"):
            (folder / name).mkdir(parents=True)

    def __len__(self) -> int:
        return len(self._truth)

    def add(self, image: LabelledImage, job: Job) -> None:
        number = len(self)
        job.place_image(image, self._folder / "rgb" / f"{number:06d}{PurePosixPath(image.file_name).suffix}")
        for name, pixels in zip(("mask", "mask_visib"), image.pixels):
            for i, mask in enumerate(pixels):
                (self._folder / name / f"{number:06d}_{i:06d}.png").write_bytes(encode_png(mask[..., None] * np.uint8(255)))
        self._truth[str(number)] = [{"obj_id": category} for category in image.category_id.tolist()]
        self._info[str(number)] = _visibility(image)

    def finish(self) -> None:
        (self._folder / "scene_gt.json").write_bytes(orjson.dumps(self._truth))
        (self._folder / "scene_gt_info.json").write_bytes(orjson.dumps(self._info))


def _visibility(image: LabelledImage) -> list[dict[str, Any]]:
    (amodal, visible, _), (amodal_box, visible_box, _) = image.areas.tolist(), image.boxes_xywh.tolist()
    return [
        {
            "bbox_obj": amodal_box[i],
            "bbox_visib": visible_box[i] if visible[i] else _NOTHING_SEEN,
            "px_count_all": amodal[i],
            "px_count_valid": amodal[i],
            "px_count_visib": visible[i],
            "visib_fract": visible[i] / max(amodal[i], 1),
        }
        for i in range(len(image))
    ]


class _Writer:
    def __init__(self, job: Job) -> None:
        self._job = job
        self._num_scenes = 0
        self._scene: _Scene | None = None

    def add(self, image: LabelledImage) -> None:
        if self._scene is None or len(self._scene) == IMAGES_IN_SCENE:
            self.finish()
            self._scene = _Scene(self._job.to / self._job.split / f"{self._num_scenes:06d}")
            self._num_scenes += 1
        self._scene.add(image, self._job)

    def finish(self) -> None:
        if self._scene is not None:
            self._scene.finish()


class _Bop:
    about = About(
        "bop",
        "BOP scene folders: amodal and visible masks, visibility",
        "BOP toolkit",
        "<split>/<scene>/{rgb,mask,mask_visib}/, scene_gt.json, scene_gt_info.json",
        (
            NEVER_HELD,
            "camera and poses, which a data set of images does not have",
            "category names (obj_id is the category's id)",
            "ids of images and annotations",
            "occlusion order and layers",
        ),
        ("images",),
    )

    def begin(self, job: Job) -> _Writer:
        return _Writer(job)


EXPORTER = _Bop()
