"""Points lie in the amodal box, carry the amodal mask, follow from ids alone, and are written without any mask."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask

from amodalsynth.errors import ConfigurationError, DataError, OutputError
from amodalsynth.points import annotate_points, draw_points, points_path, write_points
from amodalsynth.rng import points_rng
from amodalsynth.segmentation import MASK_KEYS


def compressed(mask: np.ndarray) -> dict[str, Any]:
    code = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(mask.shape), "counts": code["counts"].decode()}


def disc(center_xy: tuple[float, float], radius: float, size_hw: tuple[int, int] = (40, 60)) -> np.ndarray:
    y, x = np.mgrid[: size_hw[0], : size_hw[1]]
    return np.hypot(x - center_xy[0], y - center_xy[1]) <= radius


def boxes_of(stack: np.ndarray) -> np.ndarray:
    found = [(x.min(), y.min(), x.max() + 1, y.max() + 1) for y, x in map(np.nonzero, stack)]
    return np.array(found, np.int64).reshape(-1, 4)


def lookup(stack: np.ndarray) -> Any:
    return lambda x, y: stack[np.arange(len(stack))[:, None], y, x]


@given(hnp.arrays(bool, st.tuples(st.integers(0, 4), st.integers(1, 9), st.integers(1, 9))), st.integers(1, 20), st.integers(0, 99))
@settings(deadline=None)
def test_points_lie_in_their_box_and_carry_the_mask(stack: np.ndarray, num_points: int, seed: int) -> None:
    stack = stack[stack.any(axis=(1, 2))]
    boxes = boxes_of(stack)
    coords, labels = draw_points(points_rng(seed, 1), boxes, lookup(stack), num_points=num_points)
    assert coords.shape == (len(stack), num_points, 2)
    assert labels.shape == (len(stack), num_points)
    for mask, (x0, y0, x1, y1), points, values in zip(stack, boxes, coords, labels, strict=True):
        for (x, y), label in zip(points, values, strict=True):
            assert x0 <= x < x1
            assert y0 <= y < y1
            assert label == mask[y, x]


def test_points_are_uniform_in_the_box() -> None:
    coords, _ = draw_points(points_rng(0, 1), np.array([[2, 5, 6, 8]]), lambda x, y: x >= 0, num_points=12_000)
    pixels, counts = np.unique(coords[0], axis=0, return_counts=True)
    assert pixels.tolist() == [[x, y] for x in range(2, 6) for y in range(5, 8)]
    assert (abs(counts - 1000) < 150).all()  # five standard deviations


def test_the_far_side_is_never_reached() -> None:
    class Largest:
        def random(self, shape: tuple[int, ...]) -> np.ndarray:
            return np.full(shape, np.nextafter(1, 0))

    boxes = np.array([[10**6, 10**6, 10**6 + 1, 10**6 + 3]])
    coords, _ = draw_points(Largest(), boxes, lambda x, y: x >= 0, num_points=2)
    assert coords.tolist() == [[[10**6, 10**6 + 2]] * 2]


def test_convention_is_pointsups() -> None:
    """floor(rand * [w, h] + [x0, y0]), in one call for the whole image."""
    boxes = np.array([[3, 4, 10, 30], [0, 0, 5, 2]])
    coords, _ = draw_points(points_rng(7, 5), boxes, lambda x, y: x >= 0, num_points=10)
    drawn = points_rng(7, 5).random((2, 10, 2))
    assert (coords == np.floor(drawn * (boxes[:, None, 2:] - boxes[:, None, :2]) + boxes[:, None, :2])).all()


MASKS = {1: disc((20, 20), 10), 2: disc((30, 20), 12), 5: disc((50, 35), 15), 9: disc((10, 10), 6), 4: disc((0, 0), 3)}
MASK = compressed(MASKS[1])
POLYGON = [10.5, 5, 40, 8.25, 30, 35]


def document() -> dict[str, Any]:
    """Two images with masks of every kind under every key, and one without instances."""
    masks = {number: compressed(mask) for number, mask in MASKS.items()}
    annotations = [
        {"id": 5, "image_id": 20, "category_id": 2, "iscrowd": 0, "area": 10.5, "bbox": [1, 2, 3, 4], "segmentation": masks[5], "layer": 1},
        {
            "id": 1,
            "image_id": 10,
            "category_id": 1,
            "segmentation": masks[1],
            "visible_mask": masks[2],
            "invisible_mask": masks[1],
            "i_segm": [],
        },
        {
            "id": 2,
            "image_id": 10,
            "category_id": 1,
            "segmentation": [POLYGON],
            "extra": {"deep": [masks[1], {"occluder_segm": [[1]], "kept": 1}]},
        },
        {"id": 9, "image_id": 20, "category_id": 1, "segmentation": masks[9], "occluded_by": [5], "strange": masks[9]},
        {"id": 4, "image_id": 10, "category_id": 1, "segmentation": {"size": [40, 60], "counts": [0, 4, 36, 3, 37, 3, 37, 1, 2279]}},
    ]
    images = [{"id": number, "file_name": f"{number}.jpg", "height": 40, "width": 60} for number in (20, 10, 30)]
    categories = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    return {"info": {"year": 2026}, "licenses": [], "categories": categories, "images": images, "annotations": annotations, "more": 1}


def write(path: Path, content: dict[str, Any]) -> Path:
    path.write_text(json.dumps(content))
    return path


def keys_of(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value) | set().union(*map(keys_of, value.values()))
    return set().union(*map(keys_of, value)) if isinstance(value, list) else set()


def test_points_of_a_file(tmp_path: Path) -> None:
    coco = write(tmp_path / "instances_val.json", document())
    calls = []
    summary = write_points(coco, tmp_path / "points.json", num_points=7, progress=lambda done, total: calls.append((done, total)))
    written = json.loads((tmp_path / "points.json").read_text())
    assert list(written) == ["info", "licenses", "categories", "images", "annotations"]
    assert all(written[key] == document()[key] for key in ("info", "licenses", "categories", "images"))
    assert not keys_of(written) & {*MASK_KEYS, "counts", "strange"}
    by_id = {annotation["id"]: annotation for annotation in written["annotations"]}
    assert list(by_id) == [5, 9, 1, 2, 4]  # grouped by image, each in file order
    assert by_id[5].items() >= {"image_id": 20, "category_id": 2, "iscrowd": 0, "area": 10.5, "layer": 1}.items()
    assert by_id[5]["bbox"] == [1, 2, 3, 4]
    assert by_id[2]["extra"] == {"deep": [{"kept": 1}]}
    polygon = coco_mask.decode(coco_mask.frPyObjects([POLYGON], 40, 60))[..., 0].astype(bool)
    for number, mask in (MASKS | {2: polygon}).items():
        (x0, y0, x1, y1) = boxes_of(mask[None])[0]
        points, labels = by_id[number]["point_coords"], by_id[number]["point_labels"]
        assert len(points) == len(labels) == 7
        assert all(x0 <= x < x1 and y0 <= y < y1 for x, y in points)
        assert labels == [int(mask[y, x]) for x, y in points]
    positive = sum(sum(annotation["point_labels"]) for annotation in by_id.values())
    assert (summary.num_images, summary.num_instances, summary.num_points, summary.num_positive) == (3, 5, 35, positive)
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_any_header_is_kept(tmp_path: Path) -> None:
    for header in ({}, {"info": None, "licenses": "free", "categories": 3}, {"info": {"masks": [MASK, 1, {"a_segm": 2}]}}):
        write_points(write(tmp_path / "a.json", header | {"images": [], "annotations": []}), tmp_path / "p.json")
        kept = {"info": {"masks": [1, {}]}} if header.get("info") else header
        assert json.loads((tmp_path / "p.json").read_text()) == kept | {"images": [], "annotations": []}


def points_by_id(path: Path) -> dict[int, Any]:
    return {a["id"]: (a["point_coords"], a["point_labels"]) for a in json.loads(path.read_text())["annotations"]}


def test_points_follow_from_ids_and_seed_alone(tmp_path: Path) -> None:
    write_points(write(tmp_path / "a.json", document()), tmp_path / "first.json", seed=3)
    first = points_by_id(tmp_path / "first.json")
    for turn in range(5):
        other, rng = document(), random.Random(turn)
        rng.shuffle(other["images"])
        rng.shuffle(other["annotations"])
        write_points(write(tmp_path / "b.json", other), tmp_path / "second.json", seed=3)
        assert points_by_id(tmp_path / "second.json") == first
    write_points(tmp_path / "a.json", tmp_path / "second.json", seed=4)
    assert points_by_id(tmp_path / "second.json") != first


def test_sizes_may_differ_and_blocks_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mixed = document()
    mixed["images"][1] |= {"height": 60, "width": 40}
    for annotation in mixed["annotations"]:
        if annotation["image_id"] == 10:
            annotation["segmentation"] = compressed(MASKS[annotation["id"]].T)
    write_points(write(tmp_path / "a.json", mixed), tmp_path / "first.json")
    for number, mask in MASKS.items():
        points, labels = points_by_id(tmp_path / "first.json")[number]
        assert labels == [int((mask.T if number in (1, 2, 4) else mask)[y, x]) for x, y in points]
    monkeypatch.setattr("amodalsynth.points._BLOCK", 1)
    write_points(tmp_path / "a.json", tmp_path / "second.json")
    assert (tmp_path / "second.json").read_bytes() == (tmp_path / "first.json").read_bytes()


PINNED = ([[11, 10], [12, 22], [20, 11]], [0, 1, 1])


def test_points_never_change(tmp_path: Path) -> None:
    """Pinned: a change here would change the points of every published data set."""
    write_points(write(tmp_path / "a.json", document()), tmp_path / "p.json", num_points=3)
    assert points_by_id(tmp_path / "p.json")[1] == PINNED


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"segmentation": compressed(np.zeros((40, 60), bool))}, "annotation 1: .* at least one pixel, got an empty one"),
        ({"segmentation": None}, "annotation 1: .* got None"),
        ({"segmentation": [[1, 2, 3]]}, "annotation 1, polygon 0"),
        ({"segmentation": compressed(np.ones((40, 61), bool))}, r"annotation 1: .* size \[40, 60\]"),
    ],
)
def test_a_broken_mask_leaves_the_output_as_it_was(tmp_path: Path, change: dict, message: str) -> None:
    broken = document()
    broken["annotations"][1] |= change
    out = tmp_path / "points.json"
    out.write_text("before")
    with pytest.raises(DataError, match=rf"a\.json: {message}"):
        write_points(write(tmp_path / "a.json", broken), out)
    assert out.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "points.json"]


def test_other_faults(tmp_path: Path) -> None:
    coco = write(tmp_path / "a.json", document())
    for arguments, message in (({"num_points": 0}, "num_points: expected 1 or more"), ({"seed": -1}, "seed: expected 0 or more")):
        with pytest.raises(ConfigurationError, match=message):
            write_points(coco, tmp_path / "p.json", **arguments)
    with pytest.raises(ConfigurationError, match="must not replace"):
        write_points(coco, coco)
    with pytest.raises(OutputError, match=r"absent.*could not be written: No such file"):
        write_points(coco, tmp_path / "absent" / "p.json")
    lacking = document()
    del lacking["annotations"][1]["segmentation"]
    with pytest.raises(DataError, match="annotation 1: expected an amodal mask under 'segmentation'"):
        write_points(write(coco, lacking), tmp_path / "p.json")
    negative = document()
    negative["images"][2]["id"] = -1
    write_points(write(coco, negative), tmp_path / "p.json")  # it has no instance
    negative["annotations"][0]["image_id"] = -1
    with pytest.raises(DataError, match="image -1: expected an id of 0 or more"):
        write_points(write(coco, negative), tmp_path / "p.json")
    unsized = document()
    del unsized["images"][1]["width"]
    with pytest.raises(DataError, match=r"annotation 1: expected an image of .*\(40, None\)"):
        write_points(write(coco, unsized), tmp_path / "p.json")


def test_names_and_splits(tmp_path: Path) -> None:
    assert points_path(Path("d/instances_train.json"), 10) == Path("d/instances_train_n10_v1_without_masks.json")
    assert points_path(Path("cocoa.json"), 4) == Path("cocoa_n4_v1_without_masks.json")
    folder = tmp_path / "annotations"
    folder.mkdir()
    for split in ("train", "test"):
        write(folder / f"instances_{split}.json", document())
    written = [folder / f"instances_{split}_n2_v1_without_masks.json" for split in ("train", "test")]
    assert [summary.path for summary in annotate_points(tmp_path, num_points=2)] == written
    assert all(path.is_file() for path in written)
    assert [s.path for s in annotate_points(tmp_path, split="test", out=tmp_path / "p.json")] == [tmp_path / "p.json"]
    with pytest.raises(ConfigurationError, match="one split for one file, got train, test"):
        annotate_points(tmp_path, out=tmp_path / "p.json")


def test_cocoas_polygons(shared_assets: Path, tmp_path: Path) -> None:
    """Outlines that people drew, some of which cross themselves."""
    images, annotations = [], []
    for number in (1, 2, 3):
        source = json.loads((shared_assets.parent / "real" / "cocoa" / f"{number}.json").read_text())
        outlines = [region["segmentation"] for region in source["regions"]]
        width = int(max(max(outline[::2]) for outline in outlines)) + 2
        height = int(max(max(outline[1::2]) for outline in outlines)) + 2
        images.append({"id": number, "width": width, "height": height})
        annotations += [{"image_id": number, "category_id": 1, "segmentation": [outline]} for outline in outlines]
    annotations = [{"id": i, **annotation} for i, annotation in enumerate(annotations, start=1)]
    coco = write(tmp_path / "cocoa.json", {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "thing"}]})
    assert write_points(coco, tmp_path / "p.json").num_instances == len(annotations) > 10
    sizes = {image["id"]: (image["height"], image["width"]) for image in images}
    written = points_by_id(tmp_path / "p.json")
    agree = 0
    for annotation in annotations:
        judge = coco_mask.decode(coco_mask.frPyObjects(annotation["segmentation"], *sizes[annotation["image_id"]]))[..., 0]
        agree += sum(judge[y, x] == label for (x, y), label in zip(*written[annotation["id"]], strict=True))
    assert agree >= 0.99 * 10 * len(annotations)
