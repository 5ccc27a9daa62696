"""A trained model applied to images of any size: detections in pixels of the image, and the COCO results of a data set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pycocotools import mask as coco_mask
from torch import Tensor

from amodalsynth.baselines.checkpoint import RunDescription, RunFolder, fill, load_tensors, read_description
from amodalsynth.baselines.config import MethodConfig, override_prediction
from amodalsynth.baselines.devices import autocast, out_of_memory_told, resolve_device
from amodalsynth.baselines.example import Fit, fit_image
from amodalsynth.baselines.paste import paste_masks
from amodalsynth.baselines.plin import PLIn
from amodalsynth.baselines.postprocess import Detections
from amodalsynth.baselines.tta import detect_with_views
from amodalsynth.errors import AssetError, DataError
from amodalsynth.imagefiles import read_image


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model sees in one image of H by W pixels: N detections, best first.

    box (N, 4) float64 xyxy in pixels of the image. score (N,) float64. category (N,) int64, from 0. layer (N,) int64, -1 where the model tells
    none. mask (N, H, W) bool: amodal.
    """

    box: np.ndarray
    score: np.ndarray
    category: np.ndarray
    layer: np.ndarray
    mask: np.ndarray

    def above(self, score: float) -> Prediction:
        """The detections with at least this score."""
        kept = self.score >= score
        return Prediction(self.box[kept], self.score[kept], self.category[kept], self.layer[kept], self.mask[kept])


class Predictor:
    """The model of a run. `description` tells its categories and how it was trained; `assignments` are "field=value" changes of its prediction
    (`config.PREDICTION_FIELDS`). tta: with test-time augmentation."""

    def __init__(self, run: str | Path, *, device: str = "auto", tta: bool = False, assignments: Iterable[str] = ()) -> None:
        self.description: RunDescription = read_description(Path(run))
        self.config: MethodConfig = override_prediction(self.description.config, assignments)
        self.device, self.tta = resolve_device(device), tta
        self.model = PLIn(self.config, len(self.description.categories))
        tensors, _ = load_tensors(RunFolder(Path(run)).weights)
        fill(self.model.state_dict(), tensors, str(RunFolder(Path(run)).weights))
        self.model.to(self.device, memory_format=torch.channels_last).eval()

    @torch.inference_mode()
    def detect(self, frames: Tensor) -> Detections:
        """Frames (B, 3, S, S) uint8 -> detections with masks."""
        with out_of_memory_told(), autocast(self.device):
            frames = frames.to(self.device)
            return detect_with_views(self.model, frames) if self.tta else self.model(frames)

    def predict(self, images: Sequence[np.ndarray]) -> list[Prediction]:
        """Images (H, W, 3) uint8 RGB of any sizes -> what is seen in each."""
        fitted = [fit_image(image, self.config.image_size) for image in images]
        frames = torch.from_numpy(np.stack([frame for frame, _ in fitted])).permute(0, 3, 1, 2).contiguous()
        detections = self.detect(frames)
        return [_in_image(detections, b, fit) for b, (_, fit) in enumerate(fitted)]


@torch.inference_mode()
def _in_image(detections: Detections, b: int, fit: Fit) -> Prediction:
    """The detections of image b of a batch, undoing the fit into the frame."""
    number = int((detections.score[b] > 0).sum())
    scale = torch.tensor(np.tile(fit.scale_xy, 2), dtype=torch.float32, device=detections.box.device)
    height, width = fit.size_hw
    box = detections.box[b, :number] / scale
    box = torch.minimum(box, torch.tensor((width, height, width, height), device=box.device))
    return Prediction(
        box.double().cpu().numpy(),
        detections.score[b, :number].double().cpu().numpy(),
        detections.category[b, :number].cpu().numpy(),
        detections.layer[b, :number].cpu().numpy(),
        paste_masks(detections.mask[b, :number], box, fit.size_hw).cpu().numpy(),
    )


def coco_results(prediction: Prediction, image_id: int, category_ids: Sequence[int]) -> list[dict[str, Any]]:
    """A prediction as entries of a COCO results file, with `layer` where the model tells it; `segmentation` is the amodal mask.

    category_ids: for each category of the model its id; detections of those with a negative one are left out.
    """
    if not len(prediction.score):
        return []
    codes = coco_mask.encode(np.asfortranarray(prediction.mask.transpose(1, 2, 0), dtype=np.uint8))
    x0, y0, x1, y1 = prediction.box.T
    boxes = np.stack((x0, y0, x1 - x0, y1 - y0), axis=1).round(3).tolist()
    results = []
    for i, code in enumerate(codes):
        if category_ids[prediction.category[i]] < 0:
            continue
        entry = {
            "image_id": image_id,
            "category_id": int(category_ids[prediction.category[i]]),
            "bbox": boxes[i],
            "score": round(float(prediction.score[i]), 6),
            "segmentation": {"size": list(code["size"]), "counts": code["counts"].decode()},
        }
        results.append(entry | ({"layer": int(prediction.layer[i])} if prediction.layer[i] >= 0 else {}))
    return results


def read_picture(path: Path) -> np.ndarray:
    """An image file as (H, W, 3) uint8 RGB; `DataError` names a file that cannot be read."""
    try:
        return np.ascontiguousarray(read_image(path)[..., :3])
    except AssetError as error:
        raise DataError(f"{path}: {error}") from None
