"""Anybody's photos: an overlay of each, and one COCO file that pycocotools reads."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from amodalsynth.baselines.photos import PhotosSummary, draw_prediction, predict_photos
from amodalsynth.baselines.predict import Prediction
from amodalsynth.errors import DataError, OutputConflict
from tests.conftest import SHARED
from tests.tiny_runs import EVERYTHING, tiny_data, tiny_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_run(tmp_path_factory.getbasetemp())[0]


@pytest.fixture
def photos(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of several sizes and formats in two folders, of which two share a name."""
    source = sorted((tiny_data(tmp_path_factory.getbasetemp()) / "images" / "test").iterdir())
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    scene = Image.open(source[0])
    scene.resize((150, 70)).save(folder / "wide.png")
    scene.resize((40, 90)).convert("L").save(folder / "more" / "wide.jpeg")
    scene.save(folder / "same.webp")
    (folder / "notes.txt").write_text("no photo")
    return folder


def test_overlays_and_a_coco_file(run: Path, photos: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    out = tmp_path / "a" / "b"
    summary = predict_photos(
        run, [photos], out, min_score=0.0, batch_size=2, device="cpu", assignments=EVERYTHING, progress=lambda *counts: seen.append(counts)
    )
    assert sorted(path.name for path in out.iterdir()) == ["predictions.json", "same.jpg", "wide-2.jpg", "wide.jpg"]
    assert seen == [(1, 3), (2, 3), (3, 3)]
    coco = COCO(str(out / "predictions.json"))
    assert summary == PhotosSummary(3, len(coco.anns), ()) and len(coco.anns) >= 3
    assert {category["name"] for category in coco.loadCats(coco.getCatIds())} == {"red", "green"}
    for image in coco.loadImgs(coco.getImgIds()):
        with Image.open(image["file_name"]) as photo:
            assert (image["width"], image["height"]) == photo.size
        of_image = coco.loadAnns(coco.getAnnIds(imgIds=image["id"]))
        assert of_image
        for annotation in of_image:
            mask = coco.annToMask(annotation)
            assert mask.shape == (image["height"], image["width"])
            assert annotation["area"] == mask.sum() and annotation["iscrowd"] == 0 and 0 < annotation["score"] <= 1
    for name, size in {"wide.jpg": (40, 90), "same.jpg": (64, 64), "wide-2.jpg": (150, 70)}.items():  # more/wide.jpeg comes first
        with Image.open(out / name) as overlay:
            assert overlay.size == size


def test_the_least_score_decides_what_is_written(run: Path, photos: Path, tmp_path: Path) -> None:
    photo = photos / "same.webp"
    everything = predict_photos(run, [photo], tmp_path / "all", min_score=0.0, device="cpu", assignments=EVERYTHING)
    scores = sorted(annotation["score"] for annotation in COCO(str(tmp_path / "all" / "predictions.json")).anns.values())
    middle = scores[len(scores) // 2]
    some = predict_photos(run, [photo], tmp_path / "some", min_score=middle, device="cpu", assignments=EVERYTHING)
    kept = [annotation["score"] for annotation in COCO(str(tmp_path / "some" / "predictions.json")).anns.values()]
    assert 0 < some.num_detections == len(kept) < everything.num_detections and min(kept) >= middle - 1e-6
    nothing = predict_photos(run, [photo], tmp_path / "none", min_score=1.0, device="cpu", assignments=EVERYTHING)
    assert nothing == PhotosSummary(1, 0, ()) and (tmp_path / "none" / "same.jpg").exists()
    assert COCO(str(tmp_path / "none" / "predictions.json")).anns == {}


def test_a_broken_image_is_left_out_and_told(run: Path, photos: Path, tmp_path: Path) -> None:
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    seen: list[tuple[int, int]] = []
    summary = predict_photos(run, [photos], tmp_path / "out", batch_size=2, device="cpu", progress=lambda *counts: seen.append(counts))
    assert summary.num_images == 3 and seen[-1] == (4, 4)
    assert len(summary.skipped) == 1 and summary.skipped[0].startswith(f"{photos / 'broken.jpg'}: ") and "\n" not in summary.skipped[0]
    assert len(COCO(str(tmp_path / "out" / "predictions.json")).imgs) == 3
    with pytest.raises(DataError, match="none of the 1 images can be read .*broken.jpg"):
        predict_photos(run, [photos / "broken.jpg"], tmp_path / "nothing", device="cpu")


def test_photos_are_not_replaced_by_their_overlays(run: Path, photos: Path) -> None:
    Image.new("RGB", (20, 20)).save(photos / "mine.jpg")
    before = {path: path.read_bytes() for path in photos.rglob("*") if path.is_file()}
    with pytest.raises(OutputConflict, match="would replace your own .*; choose another folder"):
        predict_photos(run, [photos], photos, device="cpu")
    assert {path: path.read_bytes() for path in photos.rglob("*") if path.is_file()} == before


def test_what_is_no_image_is_told(run: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path, expected in ((tmp_path / "nowhere", "no such file or folder"), (tmp_path / "empty", "holds no image")):
        with pytest.raises(DataError, match=expected) as error:
            predict_photos(run, [path], tmp_path / "out", device="cpu")
        assert str(error.value).startswith(str(path))
    assert not (tmp_path / "out").exists()


def test_a_file_given_twice_is_one(run: Path, photos: Path, tmp_path: Path) -> None:
    photo = photos / "same.webp"
    assert predict_photos(run, [photo, photo, photos], tmp_path / "out", device="cpu").num_images == 3


def test_the_overlay_shows_the_masks() -> None:
    image = np.full((80, 120, 3), 100, np.uint8)
    mask = np.zeros((2, 80, 120), bool)
    mask[0, 30:50, 20:60], mask[1, 60:70, 70:110] = True, True
    seen = Prediction(np.array([[20.0, 30, 60, 50], [70, 60, 110, 70]]), np.array([0.9, 0.6]), np.array([0, 1]), np.array([1, -1]), mask)
    drawn = draw_prediction(image, seen, ("plum", "lime"))
    assert drawn.shape == image.shape and (image == 100).all()
    for one in mask:
        assert (drawn[one] != 100).any(axis=-1).mean() > 0.9
    assert (drawn[75:, :60] == 100).all()
    large = draw_prediction(
        np.zeros((100, 3200, 3), np.uint8), Prediction(*(np.zeros((0, 4)), *[np.zeros(0, int)] * 3, np.zeros((0, 100, 3200), bool))), ()
    )
    assert large.shape == (50, 1600, 3)


def test_photos_of_a_shop(run: Path, tmp_path: Path) -> None:
    photos = SHARED / "real" / "grocery"
    if not photos.is_dir():
        pytest.skip(f"needs the photos in {photos}")
    files = sorted(path for path in photos.rglob("*") if path.suffix.lower() in (".jpg", ".png"))[:2]
    for path in files:
        shutil.copy(path, tmp_path)
    assert predict_photos(run, files, tmp_path / "out", device="cpu", min_score=0.0).num_images == len(files) > 0
    for path in files:
        assert (tmp_path / "out" / f"{path.stem}.jpg").stat().st_size > 1000
