"""A trained model on anybody's photos: an overlay of each, and all detections as one COCO file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import orjson

from amodalsynth.baselines.predict import Prediction, Predictor, coco_results, read_picture
from amodalsynth.drawing import PALETTE, overlay
from amodalsynth.errors import DataError, OutputConflict
from amodalsynth.files import write_file
from amodalsynth.imagefiles import IMAGE_SUFFIXES
from amodalsynth.records.encoding import encode_image

_LARGEST = 1600  # pixels of an overlay's longer side


@dataclass(frozen=True, slots=True)
class PhotosSummary:
    """What `predict_photos` wrote: images, and detections among them; and the images that could not be read, with the reason."""

    num_images: int
    num_detections: int
    skipped: tuple[str, ...]


def predict_photos(
    run: str | Path,
    images: Sequence[Path],
    out: str | Path,
    *,
    min_score: float = 0.5,
    tta: bool = False,
    batch_size: int = 16,
    device: str = "auto",
    assignments: Iterable[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> PhotosSummary:
    """Run the model of a run on image files, or on all of those below folders.

    Writes into the folder `out`, for each image, <name>.jpg: the amodal masks of the detections with a score of at least `min_score`, with category,
    layer and score; and predictions.json, a COCO file with these detections as annotations (`score`, `layer`, `segmentation` the amodal
    mask at the image's own size) and the name of each image's overlay (`overlay`). An image that cannot be read is left out and told.
    `DataError` where none can be read, `OutputConflict` where an overlay would take the place of an image.
    """
    files = _listed(images)
    out = Path(out)
    overlays = _overlay_names(files)
    targets = {(out / name).resolve() for name in overlays.values()}
    in_danger = [path for path in files if path.resolve() in targets]
    if in_danger:
        raise OutputConflict(f"--out {out}: the overlays would replace your own {in_danger[0]}; choose another folder")
    predictor = Predictor(run, device=device, tta=tta, assignments=assignments)
    names, ids = predictor.description.categories, predictor.description.category_ids
    out.mkdir(parents=True, exist_ok=True)
    entries: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    skipped: list[str] = []
    for first in range(0, len(files), batch_size):
        pictures = _read_some(files[first : first + batch_size], skipped)
        for (path, picture), seen in zip(pictures.items(), predictor.predict(list(pictures.values())) if pictures else ()):
            seen = seen.above(min_score)
            image_id = len(entries) + 1
            height, width = picture.shape[:2]
            entries.append({"id": image_id, "file_name": str(path), "overlay": overlays[path], "height": height, "width": width})
            areas = seen.mask.sum(axis=(1, 2)).tolist()
            for result, area in zip(coco_results(seen, image_id, ids), areas):
                annotations.append({"id": len(annotations) + 1, "iscrowd": 0, "area": area, **result})
            write_file(out / overlays[path], encode_image(draw_prediction(picture, seen, names), "jpg", jpeg_quality=90), durable=False)
            if progress is not None:
                progress(len(entries) + len(skipped), len(files))
    if not entries:
        raise DataError(f"none of the {len(files)} images can be read (first: {skipped[0]})")
    content = {"images": entries, "annotations": annotations, "categories": [{"id": i, "name": name} for i, name in zip(ids, names)]}
    write_file(out / "predictions.json", orjson.dumps(content))
    return PhotosSummary(len(entries), len(annotations), tuple(skipped))


def draw_prediction(image: np.ndarray, seen: Prediction, names: Sequence[str]) -> np.ndarray:
    """(H, W, 3) uint8: the image with the amodal masks of a prediction, the farthest layer first, each with its category, layer and score."""
    shrink = min(1.0, _LARGEST / max(image.shape[:2]))
    size = max(1, round(image.shape[1] * shrink)), max(1, round(image.shape[0] * shrink))
    drawn = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    order = np.argsort(-seen.layer, kind="stable")
    masks = [cv2.resize(seen.mask[i].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST).astype(bool) for i in order]
    drawn = overlay(drawn, np.array(masks).reshape(-1, *drawn.shape[:2]), [PALETTE[i % len(PALETTE)] for i in order])
    for i in order:
        layer = f" L{seen.layer[i]}" if seen.layer[i] >= 0 else ""
        at = int(seen.box[i, 0] * shrink) + 2, int(seen.box[i, 1] * shrink) + 12
        for color, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
            text = f"{names[seen.category[i]]}{layer} {seen.score[i]:.2f}"
            cv2.putText(drawn, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.4, color, width, cv2.LINE_AA)
    return drawn


def _read_some(paths: Sequence[Path], skipped: list[str]) -> dict[Path, np.ndarray]:
    """The pixels of the images that can be read; why the others cannot is added to `skipped`."""
    pictures = {}
    for path in paths:
        try:
            pictures[path] = read_picture(path)
        except DataError as error:
            skipped.append(str(error))
    return pictures


def _listed(images: Sequence[Path]) -> list[Path]:
    """The files given, and the image files below the folders given, in the order of their names."""
    files: list[Path] = []
    for path in images:
        if not path.exists():
            raise DataError(f"{path}: no such file or folder; expected an image, or a folder of images")
        found = sorted(p for p in path.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES) if path.is_dir() else [path]
        if not found:
            raise DataError(f"{path}: holds no image; expected files ending in {', '.join(sorted(IMAGE_SUFFIXES))}")
        files += found
    return list(dict.fromkeys(files))


def _overlay_names(files: Sequence[Path]) -> dict[Path, str]:
    """A name for the overlay of each file: its own, with a number where several share it."""
    names: dict[Path, str] = {}
    taken: set[str] = set()
    for path in files:
        name, number = path.stem, 1
        while name in taken:
            number += 1
            name = f"{path.stem}-{number}"
        taken.add(name)
        names[path] = f"{name}.jpg"
    return names
