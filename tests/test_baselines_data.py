"""Stored examples carry what the file says, fitted to the frame, and no mask; points are found, or drawn as `amodalsynth points` would."""

from __future__ import annotations

import json
from dataclasses import fields
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from amodalsynth.baselines import data
from amodalsynth.baselines.data import StoredExamples, prepare_points
from amodalsynth.baselines.example import PADDING, Example, Fit, fit_image
from amodalsynth.baselines.image_cache import ImageCache
from amodalsynth.coco_index import CocoIndex
from amodalsynth.errors import DataError
from amodalsynth.points import write_points

SIZES_WH = {1: (40, 60), 2: (60, 30), 3: (64, 64)}
BOXES = {11: [4, 6, 20, 30], 12: [10, 0, 30, 60], 21: [0.5, 2, 30, 20.5], 31: [5, 5, 40, 50]}


def picture(image_id: int) -> np.ndarray:
    """An image of an id's size whose pixels all differ from their neighbours'."""
    width, height = SIZES_WH[image_id]
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 4, y * 4, np.full_like(x, image_id * 50)], axis=-1).astype(np.uint8)


def document() -> dict[str, Any]:
    """Three images, the last without points that count, and points in integers and floats."""
    images = [{"id": k, "file_name": f"{k}.png", "width": width, "height": height} for k, (width, height) in SIZES_WH.items()]
    annotations = [{"id": k, "image_id": k // 10, "category_id": 7, "bbox": box, "layer": k % 10 - 1} for k, box in BOXES.items()]
    for annotation, coords, labels in zip(
        annotations, ([[4, 6], [23, 35]], [[10, 0], [39, 59], [12, 5]], [[1.0, 2.0]], [[5, 5]]), ([1, 0], [0, 1, 1], [1], [0]), strict=True
    ):
        annotation |= {"point_coords": coords, "point_labels": labels}
    annotations[1]["category_id"] = 3
    annotations[3]["bbox"] = [5, 5, 0, 50]
    annotations.append({"id": 32, "image_id": 3, "category_id": 7, "bbox": [1, 1, 5, 5], "iscrowd": 1})
    return {"images": images, "annotations": annotations, "categories": [{"id": 7, "name": "plum"}, {"id": 3, "name": "lime"}]}


def write(path: Path, content: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for image_id in SIZES_WH:
        Image.fromarray(picture(image_id)).save(folder / f"{image_id}.png")
    return folder


def same(first: Example, second: Example) -> bool:
    names = [spec.name for spec in fields(Example) if spec.name != "name"]
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in names)


@given(st.integers(1, 70), st.integers(1, 70), st.integers(4, 70))
@example(64, 64, 64)
@example(1, 70, 8)
@settings(deadline=None)
def test_an_image_fits_its_frame(height: int, width: int, image_size: int) -> None:
    image = np.random.default_rng(height * width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    frame, fit = fit_image(image, image_size)
    assert frame.shape == (image_size, image_size, 3)
    assert fit == Fit.of((height, width), image_size)
    assert max(fit.scaled_hw) == image_size
    assert min(fit.scaled_hw) >= 1
    assert (frame[fit.scaled_hw[0] :] == PADDING).all()
    assert (frame[:, fit.scaled_hw[1] :] == PADDING).all()
    corners = np.array([[0.0, 0.0], [width, height], [width / 3, height / 7]])
    assert np.allclose(fit.to_frame(corners)[1], fit.scaled_hw[::-1])
    assert np.allclose(fit.to_image(fit.to_frame(corners)), corners)
    if max(height, width) == image_size:
        assert (frame[:height, :width] == image).all()


@pytest.mark.parametrize("image_size", [20, 45, 60, 97, 240])
def test_what_is_at_a_position_stays_there(image_size: int) -> None:
    """A ramp has at each position of the frame the value of the position in the image that the fit says."""
    y, x = np.mgrid[:40, :60]
    ramp = np.stack([x, y, x + y], axis=-1) * 2
    frame, fit = fit_image(ramp.astype(np.uint8), image_size)
    y, x = np.mgrid[: fit.scaled_hw[0], : fit.scaled_hw[1]]
    xy = fit.to_image(np.stack([x, y], axis=-1) + 0.5) - 0.5
    expected = np.concatenate([xy, xy.sum(axis=-1, keepdims=True)], axis=-1) * 2
    inner = slice(image_size // 30 + 1, -(image_size // 30 + 1))  # at the rim, enlarging repeats the outermost pixel
    assert abs(frame[: fit.scaled_hw[0], : fit.scaled_hw[1]] - expected)[inner, inner].max() <= 1


def test_examples_carry_what_the_file_says(tmp_path: Path, pictures: Path) -> None:
    examples = StoredExamples(write(tmp_path / "a.json", document()), pictures, image_size=30)
    assert (len(examples), examples.num_points, examples.max_instances, examples.has_layers) == (3, 3, 2, True)
    assert (examples.category_ids, examples.category_names) == ((3, 7), ("lime", "plum"))
    first, second, third = examples[0], examples[1], examples[-1]
    assert (first.image == fit_image(picture(1), 30)[0]).all()
    assert first.box.tolist() == [[2, 3, 12, 18], [5, 0, 20, 30]]
    assert first.category.tolist() == [1, 0]
    assert first.layer.tolist() == [0, 1]
    assert first.point_xy[0, :2].tolist() == [[2.25, 3.25], [11.75, 17.75]]
    assert first.point_xy[1].tolist() == [[5.25, 0.25], [19.75, 29.75], [6.25, 2.75]]
    assert first.point_label.tolist() == [[1, 0, -1], [0, 1, 1]]
    assert second.box.tolist() == [[0.25, 1, 15.25, 11.25]]
    assert second.point_label.tolist() == [[1, -1, -1]]
    assert len(third) == 0
    assert third.point_xy.shape == (0, 3, 2)
    with pytest.raises(IndexError):
        examples[3]


def test_a_box_beyond_the_image_is_clipped(tmp_path: Path, pictures: Path) -> None:
    content = document()
    content["annotations"][0]["bbox"] = [-10, 50, 100, 100]
    assert StoredExamples(write(tmp_path / "a.json", content), pictures, image_size=60)[0].box[0].tolist() == [0, 50, 40, 60]


MASKS = [
    {"size": [60, 40], "counts": "0000000"},
    [[1, 2, 3, 4, 5, 6]],
    {"size": [1], "counts": -3},
    "garbage",
    None,
]


def test_masks_change_nothing(tmp_path: Path, pictures: Path) -> None:
    plain = StoredExamples(write(tmp_path / "plain.json", document()), pictures, image_size=32)
    masked = document()
    for annotation, mask in zip(masked["annotations"], MASKS, strict=True):
        annotation |= {"segmentation": mask, "visible_mask": mask, "amodal_segm": mask, "area": 1e9}
    masked = StoredExamples(write(tmp_path / "masked.json", masked), pictures, image_size=32)
    assert len(plain) == len(masked)
    assert all(same(plain[k], masked[k]) for k in range(len(plain)))


def test_layers_may_be_unknown(tmp_path: Path, pictures: Path) -> None:
    content = document()
    del content["annotations"][0]["layer"]
    some = StoredExamples(write(tmp_path / "a.json", content), pictures, image_size=32)
    assert not some.has_layers
    assert some[0].layer.tolist() == [-1, 1]


@pytest.mark.parametrize(
    ("place", "change", "message"),
    [
        (
            ("annotations", 0),
            {"point_coords": None},
            "annotation 11: expected .*, got None and .*; `amodalsynth points` draws them",
        ),
        (("annotations", 0), {"point_coords": [[1, 2]]}, "annotation 11: expected 'point_coords' and as many 'point_labels', got"),
        (("annotations", 0), {"point_coords": [[1, 2], [3]]}, "annotation 11: expected 'point_coords', pairs of numbers, got"),
        (
            ("annotations", 0),
            {"point_coords": [], "point_labels": []},
            "annotation 11: expected 'point_coords' and as many 'point_labels', got",
        ),
        (("annotations", 0), {"point_coords": [["1", "2"], ["3", "4"]]}, "annotation 11: expected 'point_coords', pairs of numbers, got"),
        (("annotations", 0), {"point_labels": [1, 2]}, r"annotation 11: expected 'point_labels' of 0 and 1, got \[1, 2\]"),
        (
            ("annotations", 0),
            {"point_coords": [[4, 6], [40, 6]]},
            r"annotation 11: .* image of 40 x 60 pixels, got \[\[4, 6\], \[40, 6\]\]",
        ),
        (("annotations", 1), {"point_coords": [[4, 6], [4, -1], [0, 0]]}, r"annotation 12: .*, got \[\[4, 6\], \[4, -1\], \[0, 0\]\]"),
        (("annotations", 2), {"bbox": [1, 2, 3]}, r"annotation 21: expected 'bbox' of 4 numbers, got \[1, 2, 3\]"),
        (("annotations", 2), {"category_id": 4}, "annotation 21: expected the 'category_id' of a category of this file, got 4"),
        (("annotations", 2), {"layer": -1}, "annotation 21: expected a 'layer' of 0 or more, or none, got -1"),
        (("images", 1), {"file_name": "../1.png"}, "image 2: expected 'file_name', a path below the folder of images, got '../1.png'"),
        (("images", 1), {"file_name": None}, "image 2: expected 'file_name'.*got None"),
        (("images", 1), {"width": 0}, "image 2: expected 'height' and 'width' in pixels, got 30 and 0"),
        (("categories", 0), {"id": "7"}, "expected 'categories', each with an integer 'id'"),
    ],
)
def test_faults_of_the_file_are_named(tmp_path: Path, pictures: Path, place: tuple, change: dict, message: str) -> None:
    content = document()
    content[place[0]][place[1]] |= change
    with pytest.raises(DataError, match=rf"^\S*a\.json: {message}[^\n]*$"):
        StoredExamples(write(tmp_path / "a.json", content), pictures, image_size=32)


def test_annotations_without_points_and_files_without_images(tmp_path: Path, pictures: Path) -> None:
    content = document()
    del content["annotations"][2]["point_coords"]
    with pytest.raises(DataError, match="annotation 21: expected 'point_coords' .* got None and .*; `amodalsynth points` draws them"):
        StoredExamples(write(tmp_path / "a.json", content), pictures, image_size=32)
    with pytest.raises(DataError, match=r"a\.json: expected at least one image"):
        StoredExamples(write(tmp_path / "a.json", content | {"images": [], "annotations": []}), pictures, image_size=32)


def test_faults_of_the_images_are_named(tmp_path: Path) -> None:
    coco = write(tmp_path / "a.json", document())
    (tmp_path / "1.png").write_bytes(b"no image")
    Image.fromarray(picture(2).swapaxes(0, 1)).save(tmp_path / "2.png")
    examples = StoredExamples(coco, tmp_path, image_size=32)
    for k, message in enumerate((r"1\.png: no image in", r"2\.png: expected 60 x 30 pixels, .*got 30 x 60", r"3\.png: .*No such file")):
        with pytest.raises(DataError, match=message):
            examples[k]


def test_images_with_alpha_and_grey_ones(tmp_path: Path) -> None:
    coco = write(tmp_path / "a.json", document())
    Image.fromarray(np.dstack([picture(1), picture(1)[..., 0]])).save(tmp_path / "1.png")
    Image.fromarray(picture(2)[..., 0]).save(tmp_path / "2.png")
    examples = StoredExamples(coco, tmp_path, image_size=60)
    assert (examples[0].image[:, :40] == picture(1)).all()
    assert (examples[1].image[:30] == picture(2)[..., :1]).all()


def test_an_epoch_decodes_once(tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    coco = write(tmp_path / "a.json", document())
    read = []
    monkeypatch.setattr(data, "read_image", lambda path: read.append(path.name) or np.array(Image.open(path)))
    for budget, expected in ((10**6, ["1.png", "2.png", "3.png"]), (2 * 32 * 32 * 3, ["1.png", "2.png", "3.png", "3.png"])):
        read.clear()
        examples = StoredExamples(coco, pictures, image_size=32, cache_bytes=budget)
        first, second = ([examples[k] for k in range(3)] for _ in range(2))
        assert read == expected
        assert all(map(same, first, second))
    read.clear()
    examples = StoredExamples(coco, pictures, image_size=32, cache_bytes=0)
    assert same(examples[0], first[0]) and same(examples[0], first[0]) and len(read) == 2


def test_processes_share_the_cache() -> None:
    cache = ImageCache(3, 4, 2 * 48)
    copied = ForkingPickler.loads(ForkingPickler.dumps(cache))
    frame = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert copied.get(1) is None
    copied.put(1, frame)
    copied.put(2, frame)
    assert (cache.get(1) == frame).all()
    assert cache.get(0) is None and cache.get(2) is None and copied.get(2) is None


def masked_document() -> dict[str, Any]:
    """The same without points, and with a polygon as each mask."""
    content = document()
    for annotation in content["annotations"]:
        annotation.pop("point_coords", None), annotation.pop("point_labels", None)
        x, y, width, height = annotation["bbox"]
        annotation["segmentation"] = [[x, y, x + width + 2, y, x + width + 2, y + height]]
    return content


def test_points_are_found_or_drawn(tmp_path: Path, pictures: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    coco = write(tmp_path / "pointed.json", document())
    assert prepare_points(coco, "train", run, images=pictures) == (coco, pictures, False)
    coco = write(tmp_path / "masked.json", masked_document())
    calls = []
    drawn = prepare_points(coco, "train", run, num_points=6, seed=5, images=pictures, progress=lambda *counts: calls.append(counts))
    assert drawn == (run / "masked_n6_v1_without_masks.json", pictures, True)
    assert calls == [(1, 3), (2, 3), (3, 3)]
    assert "segmentation" not in drawn.coco.read_text()
    beside = write_points(coco, tmp_path / "masked_n6_v1_without_masks.json", num_points=6, seed=5).path
    assert beside.read_bytes() == drawn.coco.read_bytes()
    assert prepare_points(coco, "train", run, num_points=6, images=pictures) == (beside, pictures, False)
    assert prepare_points(coco, "train", run, num_points=7, images=pictures).drawn
    assert StoredExamples(drawn.coco, drawn.images, image_size=30)[0].point_label.shape == (2, 6)
    other = masked_document()
    other["images"].append({"id": 4, "file_name": "4.png", "width": 9, "height": 9})
    with pytest.raises(DataError, match=r"masked_n6\S*: expected points for the images of masked\.json, got other images"):
        prepare_points(write(coco, other), "train", run, num_points=6, images=pictures)


@pytest.mark.parametrize(
    ("coco", "images"),
    [
        ("annotations/instances_val.json", "images/val"),
        ("annotations/instances_val2017.json", "val2017"),
        ("annotations/anything.json", "images"),
        ("d/a.json", "d"),
        ("d/a.json", "d/images"),
        ("d/a.json", "d/images/train"),
        ("d/instances_val_n10_v1_without_masks.json", "images/val"),
    ],
)
def test_the_images_of_a_single_file_are_found(tmp_path: Path, pictures: Path, coco: str, images: str) -> None:
    path, folder = write(tmp_path / coco, document()), tmp_path / images
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.exists():
        for source in pictures.iterdir():
            (folder / source.name).symlink_to(source)
    else:
        folder.symlink_to(pictures)
    assert prepare_points(path, "train", tmp_path).images.resolve() in (folder.resolve(), pictures)


def test_a_data_set_folder(tmp_path: Path, pictures: Path) -> None:
    root = tmp_path / "data"
    coco = write(root / "annotations" / "instances_val.json", document())
    with pytest.raises(DataError, match=r"first image '1\.png' is in none of \S*data/images/val; name the folder of the images"):
        prepare_points(root, "val", tmp_path)
    (root / "images").mkdir()
    (root / "images" / "val").symlink_to(pictures)
    assert prepare_points(root, "val", tmp_path) == (coco, root / "images" / "val", False)
    with pytest.raises(DataError, match="no split 'train'; there: val"):
        prepare_points(root, "train", tmp_path)
    with pytest.raises(DataError, match="expected a COCO file, or a folder with annotations/instances_train.json"):
        prepare_points(tmp_path / "absent", "train", tmp_path)


def test_the_cocos_order_is_kept(tmp_path: Path, pictures: Path) -> None:
    content = document()
    content["images"].reverse()
    coco = write(tmp_path / "a.json", content)
    with CocoIndex.open(coco) as index:
        assert index.image_ids.tolist() == [3, 2, 1]
    assert same(StoredExamples(coco, pictures, image_size=32)[2], StoredExamples(write(coco, document()), pictures, image_size=32)[0])
