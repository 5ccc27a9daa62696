"""Predictions in pixels of the image, whatever its size, and as COCO results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_mask

from amodalsynth.baselines.predict import Prediction, Predictor, coco_results, read_picture
from amodalsynth.errors import ConfigurationError, DataError
from amodalsynth.evaluation.detections import read_results
from tests.tiny_runs import EVERYTHING, TINY, tiny_data, tiny_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_run(tmp_path_factory.getbasetemp())[0]


@pytest.fixture(scope="module")
def predictor(run: Path) -> Predictor:
    return Predictor(run, device="cpu", assignments=EVERYTHING)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """A test image of the data set, (64, 64, 3)."""
    return read_picture(sorted((tiny_data(tmp_path_factory.getbasetemp()) / "images" / "test").iterdir())[0])


def check(seen: Prediction, image: np.ndarray) -> None:
    height, width = image.shape[:2]
    number = len(seen.score)
    assert seen.box.shape == (number, 4) and seen.box.dtype == np.float64
    assert seen.mask.shape == (number, height, width) and seen.mask.dtype == bool
    assert seen.category.shape == seen.layer.shape == (number,)
    assert ((seen.box >= 0) & (seen.box <= (width, height, width, height))).all()
    assert (seen.box[:, :2] <= seen.box[:, 2:]).all()
    assert ((seen.score > 0) & (seen.score <= 1)).all() and (np.diff(seen.score) <= 0).all()
    assert ((seen.category >= 0) & (seen.category < 2)).all() and ((seen.layer >= 0) & (seen.layer < TINY.num_layers)).all()
    for box, mask in zip(seen.box, seen.mask):
        y, x = np.nonzero(mask)
        if len(x):  # half a cell of the mask's grid reaches over the box's border
            assert x.min() + 0.5 >= box[0] - 1 and x.max() + 0.5 <= box[2] + 1
            assert y.min() + 0.5 >= box[1] - 1 and y.max() + 0.5 <= box[3] + 1


@pytest.mark.parametrize("size_hw", [(64, 64), (30, 200), (200, 30), (1, 1), (3, 5), (64, 1), (130, 97)])
def test_images_of_any_size(size_hw: tuple[int, int], predictor: Predictor, scene: np.ndarray) -> None:
    image = np.array(Image.fromarray(scene).resize(size_hw[::-1]))
    (seen,) = predictor.predict([image])
    assert seen.mask.shape[1:] == size_hw
    check(seen, image)


def test_a_batch_is_its_images(predictor: Predictor, scene: np.ndarray) -> None:
    images = [scene, scene[:40], scene[:, :25], np.zeros((9, 70, 3), np.uint8)]
    for together, image in zip(predictor.predict(images), images, strict=True):
        check(together, image)
        (alone,) = predictor.predict([image])
        assert len(alone.score) == len(together.score) > 0
        assert np.allclose(alone.score, together.score, atol=2e-2) and np.allclose(alone.box[:3], together.box[:3], atol=1.0)


@pytest.mark.parametrize("scale", [2, 3])
def test_an_enlarged_image_has_enlarged_detections(scale: int, predictor: Predictor, scene: np.ndarray) -> None:
    """The frame of the model is the same to a rounding, as enlarging repeats pixels and fitting averages them again."""
    large = scene.repeat(scale, axis=0).repeat(scale, axis=1)
    (small,), (enlarged,) = predictor.predict([scene]), predictor.predict([large])
    assert np.allclose(enlarged.box, scale * small.box, atol=1e-3) and np.array_equal(enlarged.category, small.category)
    for mask, expected in zip(enlarged.mask, small.mask.repeat(scale, axis=1).repeat(scale, axis=2)):
        assert (mask ^ expected).mean() < 0.05


def test_what_has_been_learnt_lies_on_the_discs(predictor: Predictor, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Hardly trained, the best detection of an image still covers discs rather than the background."""
    import amodalsynth

    covered = []
    for record in amodalsynth.open(tiny_data(tmp_path_factory.getbasetemp()), "test"):
        (seen,) = predictor.predict([np.ascontiguousarray(record.image)])
        discs = record.annotation.amodal_mask.any(axis=0)
        covered.append((seen.mask[0] & discs).sum() / max(seen.mask[0].sum(), 1))
    assert np.mean(covered) > 0.7


def test_above_keeps_the_best(predictor: Predictor, scene: np.ndarray) -> None:
    (seen,) = predictor.predict([scene])
    threshold = float(seen.score[2])
    kept = seen.above(threshold)
    assert len(kept.score) == len(kept.box) == len(kept.mask) == (seen.score >= threshold).sum() >= 3
    assert (kept.score >= threshold).all() and not len(seen.above(1.1).score)


@given(st.data())
@settings(deadline=None, max_examples=25)
def test_the_results_are_the_prediction(data: st.DataObject) -> None:
    number, height, width = data.draw(st.integers(0, 4)), data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    low = rng.random((number, 2)) * (width, height)
    box = np.concatenate((low, low + rng.random((number, 2)) * ((width, height) - low)), axis=1)
    layer = rng.integers(0, 5, number) if data.draw(st.booleans()) else np.full(number, -1)
    seen = Prediction(box, -np.sort(-rng.random(number)), rng.integers(0, 3, number), layer, rng.random((number, height, width)) > 0.5)
    results = coco_results(seen, 7, (40, -1, 12))
    kept = np.flatnonzero(seen.category != 1)  # the data set lacks the second category
    assert len(results) == len(kept)
    for i, result in zip(kept, results):
        assert result["image_id"] == 7 and result["category_id"] == (40, -1, 12)[seen.category[i]]
        assert result["bbox"] == pytest.approx([*box[i, :2], *(box[i, 2:] - box[i, :2])], abs=1e-3)
        assert result["score"] == pytest.approx(seen.score[i], abs=1e-6)
        assert result.get("layer", -1) == layer[i]
        assert result["segmentation"]["size"] == [height, width]
        assert np.array_equal(coco_mask.decode(result["segmentation"]), seen.mask[i])
    read_results(results, np.array([7]), np.array([12, 40]))  # what our own evaluation takes


def test_only_the_prediction_can_change(run: Path) -> None:
    assert Predictor(run, device="cpu", assignments=("detections=3", "postprocess=paper")).config.detections == 3
    with pytest.raises(ConfigurationError, match="image_size: is fixed by training"):
        Predictor(run, device="cpu", assignments=("image_size=128",))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:3", "tpu", "xyz", "mps"])
def test_a_device_that_is_not_there(device: str, run: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"--device {device}: ") as error:
        Predictor(run, device=device)
    assert "\n" not in str(error.value)


def test_views_change_the_detections(run: Path, predictor: Predictor, scene: np.ndarray) -> None:
    (seen,) = Predictor(run, device="cpu", tta=True, assignments=EVERYTHING).predict([scene[:50]])
    check(seen, scene[:50])
    (plain,) = predictor.predict([scene[:50]])
    assert not np.array_equal(seen.box, plain.box)


def test_pictures_are_rgb_or_refused(tmp_path: Path) -> None:
    rgba = np.zeros((4, 6, 4), np.uint8)
    rgba[..., 0], rgba[..., 3] = 200, 128
    Image.fromarray(rgba).save(tmp_path / "some.png")
    picture = read_picture(tmp_path / "some.png")
    assert picture.shape == (4, 6, 3) and (picture[..., 0] == 200).all() and picture.flags.c_contiguous
    Image.fromarray(rgba[..., 0]).save(tmp_path / "grey.png")
    assert read_picture(tmp_path / "grey.png").shape == (4, 6, 3)
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    for name in ("broken.jpg", "nowhere.jpg"):
        with pytest.raises(DataError) as error:
            read_picture(tmp_path / name)
        assert str(tmp_path / name) in str(error.value) and "\n" not in str(error.value)
