"""Each flat and nested format against its own reader's rules, by small readers written from those rules; and the driver."""

import io
import json
import signal
import subprocess
import sys
import tempfile
import tracemalloc
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from amodalsynth.annotation import Annotation
from amodalsynth.coco_index import CocoIndex
from amodalsynth.errors import ConfigurationError, DataError, OutputConflict, OutputError
from amodalsynth.exporters import FORMATS, abouts, get_exporter
from amodalsynth.exporters.base import ExportOptions
from amodalsynth.exporters.driver import ExportReport, export_dataset
from amodalsynth.exporters.json_writer import JsonArrays
from amodalsynth.exporters.uoais import FARTHEST, NEAREST
from amodalsynth.labelled import read_labelled
from amodalsynth.points import annotate_points
from tests.conftest import REPOSITORY
from tests.formats_support import CATEGORIES, Scene, by_image, labelled_scenes, read_json, tiny_dataset, write_scenes
from tests.strategies import tree

JSON_FORMATS = (
    *("coco", "coco-points", "cocoa", "cocoa-cls", "kins", "kins2020", "uoais", "sail-vos", "mp3d-amodal", "instaorder", "tao-amodal"),
)
SCENES = st.lists(labelled_scenes(), min_size=1, max_size=3)
FEW = settings(deadline=None, max_examples=12)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_dataset(tmp_path_factory.mktemp("exporters") / "data", num_images=4, splits=("train", "test"))


def exported(name: str, scenes: list[Scene], **options: str) -> tuple[dict, ExportReport, list[Annotation]]:
    """The annotation file of scenes in a format, the report, and the truth."""
    with tempfile.TemporaryDirectory() as folder:
        coco = write_scenes(Path(folder) / "data", scenes)
        report = export_dataset(name, coco, Path(folder) / "out", options=ExportOptions(**{"images": "none", **options}))
        file = next(file for file in report.files if file.startswith("annotations/instances"))
        return read_json(Path(folder) / "out" / file), report, [Annotation.from_masks(category, masks) for masks, category in scenes]


def decoded(code: dict) -> np.ndarray:
    assert set(code) == {"size", "counts"} and isinstance(code["counts"], str)  # VRSP-Net takes a dict of more for polygons
    return coco_mask.decode(code).astype(bool)


def instances(document: dict, truth: list[Annotation]):
    """Each annotation of a flat file with its true image and index; checks what all of them share."""
    ids = [entry["id"] for entry in document["annotations"]]
    assert len(set(ids)) == len(ids) and min(ids, default=1) >= 1  # detectron2 needs unique ids, pycocotools none of 0
    assert [image["id"] for image in document["images"]] == list(range(1, len(truth) + 1))
    assert [category["id"] for category in document["categories"]] == list(CATEGORIES)
    groups = by_image(document, key=lambda entry: entry["paint_order"])
    for image in document["images"]:
        scene, entries = truth[image["id"] - 1], groups[image["id"]]
        assert (image["height"], image["width"]) == scene.instance_map.shape and len(entries) == len(scene)
        for i, entry in enumerate(entries):
            assert (entry["category_id"], entry["iscrowd"]) == (scene.category_id[i], 0)
            assert (entry["paint_order"], entry["layer"]) == (i, scene.layer_order[i])
            order = [entries.index(next(e for e in entries if e["id"] == other)) for other in entry["occluded_by"]]
            assert order == np.flatnonzero(scene.occlusion_order[i]).tolist()
            yield entry, scene, i


def box(mask: np.ndarray) -> list[int]:
    y, x = np.nonzero(mask)
    return [x.min(), y.min(), x.max() + 1 - x.min(), y.max() + 1 - y.min()]


@given(SCENES, st.sampled_from(["amodal", "visible"]), st.sampled_from(["compressed", "uncompressed", "polygon"]))
@settings(deadline=None, max_examples=30)
def test_coco(scenes: list[Scene], segmentation: str, rle: str) -> None:
    document, report, truth = exported("coco", scenes, segmentation=segmentation, rle=rle)
    assert (set(report.losses) <= {"holes bridged by a cut of no width"}) and (rle == "polygon" or not report.losses)
    for entry, scene, i in instances(document, truth):
        shown = {"amodal": scene.amodal_mask, "visible": scene.visible_mask}[segmentation][i]
        assert (entry["bbox"], entry["area"]) == (box(shown), shown.sum())
        counts = entry["segmentation"]["counts"] if rle != "polygon" else None
        assert isinstance(counts, {"compressed": str, "uncompressed": list, "polygon": type(None)}[rle])
        assert (decoded(entry["visible_mask"]) == scene.visible_mask[i]).all()
        assert (decoded(entry["invisible_mask"]) == scene.invisible_mask[i]).all()
        assert entry["occlude_rate"] == pytest.approx(scene.occlusion_rate[i], abs=1e-6)
        if segmentation == "visible":
            assert (decoded(entry["amodal_mask"]) == scene.amodal_mask[i]).all() and entry["a_area"] == scene.amodal_area[i]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file, redirect_stdout(io.StringIO()):
        json.dump(document, file)
        file.flush()
        coco = COCO(file.name)
    for entry, scene, i in instances(document, truth):
        want = {"amodal": scene.amodal_mask, "visible": scene.visible_mask}[segmentation][i]
        assert (coco.annToMask(coco.anns[entry["id"]]) == want).all()


@given(SCENES)
@FEW
def test_coco_is_in_our_own_layout(scenes: list[Scene]) -> None:
    """So nothing that `read_labelled` knows is lost."""
    with tempfile.TemporaryDirectory() as folder:
        source = write_scenes(Path(folder) / "data", scenes)
        export_dataset("coco", source, Path(folder) / "out", options=ExportOptions(images="none"))
        with CocoIndex.open(source) as before, CocoIndex.open(Path(folder) / "out" / "annotations" / "instances_train.json") as after:
            for old, new in zip(read_labelled(before), read_labelled(after), strict=True):
                for name in ("annotation_id", "category_id", "occlusion_order", "direct_occlusion", "layer_order", "pixels"):
                    assert np.array_equal(getattr(old, name), getattr(new, name)), name


@given(SCENES)
@FEW
def test_cocoa_cls(scenes: list[Scene]) -> None:
    for entry, scene, i in instances(*exported("cocoa-cls", scenes)[::2]):
        for key, masks in (
            ("segmentation", scene.amodal_mask),
            ("visible_mask", scene.visible_mask),
            ("invisible_mask", scene.invisible_mask),
        ):
            assert (decoded(entry[key]) == masks[i]).all()
        # VRSP-Net's pycocotools bins by 1 - occlude_rate, UOAIS's by area * rate, so both must be there and true
        assert entry["area"] == scene.amodal_area[i] and entry["bbox"] == box(scene.amodal_mask[i])
        assert entry["occlude_rate"] == pytest.approx(scene.occlusion_rate[i], abs=1e-6)


@given(SCENES)
@FEW
def test_kins_has_exactly_one_polygon(scenes: list[Scene]) -> None:
    document, report, truth = exported("kins", scenes)
    for entry, scene, i in instances(document, truth):
        amodal = coco_mask.decode(coco_mask.frPyObjects(entry["segmentation"], *scene.instance_map.shape)).squeeze(axis=2)  # deocclusion
        assert (amodal == scene.amodal_mask[i]).all()
        assert (decoded(entry["inmodal_seg"]) == scene.visible_mask[i]).all()
        assert (entry["bbox"], entry["inmodal_bbox"]) == (box(scene.amodal_mask[i]), box(scene.visible_mask[i]))
        assert entry["area"] == scene.amodal_area[i]
    assert set(report.losses) <= {"holes bridged by a cut of no width", "fragments joined to one polygon by bridges of no width"}


@given(SCENES)
@FEW
def test_kins2020(scenes: list[Scene]) -> None:
    document, _, truth = exported("kins2020", scenes)
    of_scene: dict[int, list[tuple[int, int]]] = {}
    for entry, scene, i in instances(document, truth):
        assert (decoded(entry["a_segm"]) == scene.amodal_mask[i]).all() and (decoded(entry["i_segm"]) == scene.visible_mask[i]).all()
        assert (entry["a_bbox"], entry["i_bbox"]) == (box(scene.amodal_mask[i]), box(scene.visible_mask[i]))
        assert (entry["a_area"], entry["i_area"]) == (scene.amodal_area[i], scene.visible_area[i])
        of_scene.setdefault(entry["image_id"], []).append((entry["oco_id"], entry["ico_id"]))
    for image_id, labels in of_scene.items():
        overlap = truth[image_id - 1].occlusion_order
        overlap = overlap | overlap.T
        for i, (cluster, order) in enumerate(labels):
            assert (order == 0) == (not overlap[i].any())  # the facts: instances that overlap none are labelled 0
            for j in np.flatnonzero(overlap[i]):
                assert labels[j][0] == cluster and (labels[j][1] < order) == (j > i)  # in front: a smaller number
        for cluster in {cluster for cluster, _ in labels}:
            orders = {order for c, order in labels if c == cluster}
            assert orders == set(range(min(orders), max(orders) + 1)) and min(orders) <= 1


@given(SCENES)
@FEW
def test_uoais(scenes: list[Scene]) -> None:
    for entry, scene, i in instances(*exported("uoais", scenes)[::2]):
        assert (decoded(entry["segmentation"]) == scene.amodal_mask[i]).all()
        assert (decoded(entry["visible_mask"]) == scene.visible_mask[i]).all()
        assert (decoded(entry["occluded_mask"]) == scene.invisible_mask[i]).all()  # indexed also where it is empty
        assert (int(entry["occluded_rate"] >= 0.05)) == (scene.occlusion_rate[i] >= 0.05)
        assert (entry["bbox"], entry["visible_bbox"]) == (box(scene.amodal_mask[i]), box(scene.visible_mask[i]))


def test_uoais_depth_follows_the_paint_order(data: Path, tmp_path: Path) -> None:
    export_dataset("uoais", data, tmp_path)
    document = read_json(tmp_path / "annotations" / "instances_train.json")
    groups = by_image(document, key=lambda entry: entry["paint_order"])
    for image in document["images"]:
        depth = np.array(Image.open(tmp_path / "depth" / "train" / image["depth_file_name"]))
        assert depth.shape == (64, 64) and depth.dtype == np.uint16
        values = [np.unique(depth[decoded(entry["visible_mask"])]).tolist() for entry in groups[image["id"]]]
        assert all(len(value) == 1 for value in values) and values == sorted(values, reverse=True)
        assert values[-1] == [NEAREST] and depth.max() == FARTHEST  # nearest last, and ground somewhere


@given(SCENES)
@FEW
def test_sail_vos(scenes: list[Scene]) -> None:
    document, _, truth = exported("sail-vos", scenes)
    assert {"models", "videos"} <= set(document)
    (video,) = document["videos"]
    assert (video["num_frames"], video["num_objs"]) == (len(truth), len(document["annotations"]))
    assert all(image["file_name"].split("/")[0] == video["vid_name"] for image in document["images"])
    assert [image["frame_id"] for image in document["images"]] == list(range(len(truth)))
    keys = (
        "id image_id category_id instance_id obj_id model_id bbox bbox_visible segmentation visible_mask invisible_mask area area_visible"
    )
    for entry, scene, i in instances(document, truth):
        assert {*keys.split(), "iscrowd", "occlu_depth", "occlude_rate"} <= set(entry)
        assert (decoded(entry["segmentation"]) == scene.amodal_mask[i]).all()
        assert (decoded(entry["visible_mask"]) == scene.visible_mask[i]).all()
        assert (decoded(entry["invisible_mask"]) == scene.invisible_mask[i]).all()
        assert (entry["bbox_visible"], entry["area_visible"]) == (box(scene.visible_mask[i]), scene.visible_area[i])
        assert entry["occlu_depth"] == len(scene) - 1 - i


@given(SCENES)
@FEW
def test_tao_amodal(scenes: list[Scene]) -> None:
    document, _, truth = exported("tao-amodal", scenes)
    assert {"info", "images", "annotations", "categories", "videos", "tracks"} <= set(document)
    videos, tracks = ({value["id"]: value for value in document[key]} for key in ("videos", "tracks"))
    assert all(image["video_id"] in videos and image["frame_index"] == 0 for image in document["images"])
    assert all(track["video_id"] in videos for track in tracks.values()) and len(tracks) == len(document["annotations"])
    for entry, scene, i in instances(document, truth):
        assert entry["category_id"] == tracks[entry["track_id"]]["category_id"]  # asserted by its reader
        assert (entry["bbox"], entry["area"]) == (box(scene.amodal_mask[i]), scene.amodal_area[i])
        assert entry["visibility"] == pytest.approx(1 - scene.occlusion_rate[i], abs=1e-6) and entry["out_of_frame"] is False


def pcnet_order(annotation: dict) -> np.ndarray:
    """As deocclusion reads `depth_constraint`: 1 where the row's region is in front, -1 where it is behind."""
    order = np.zeros((len(annotation["regions"]),) * 2, int)
    if annotation["depth_constraint"]:
        for pair in annotation["depth_constraint"].split(","):
            front, back = (int(number) - 1 for number in pair.split("-"))
            order[front, back], order[back, front] = 1, -1
    return order


@given(SCENES, st.sampled_from(["cocoa", "mp3d-amodal"]))
@settings(deadline=None, max_examples=24)
def test_cocoa_and_mp3d(scenes: list[Scene], name: str) -> None:
    document, report, truth = exported(name, scenes)
    assert len(document["images"]) == len(document["annotations"]) == len(truth)
    for image, annotation, scene in zip(document["images"], document["annotations"], truth):  # indexed together
        assert image["id"] == annotation["image_id"]
        near_first = range(len(scene) - 1, -1, -1)
        assert [region["order"] for region in annotation["regions"]] == list(range(1, len(scene) + 1))
        size_hw, order = scene.instance_map.shape, scene.occlusion_order[::-1, ::-1]
        assert (pcnet_order(annotation) == order.T.astype(int) - order).all()
        for i, region in zip(near_first, annotation["regions"], strict=True):
            assert (region["area"], region["isStuff"]) == (scene.amodal_area[i], 0)
            assert region["name"] == CATEGORIES[scene.category_id[i]]
            occluded = bool(scene.invisible_mask[i].any())
            if name == "cocoa":
                (amodal,) = coco_mask.decode(coco_mask.frPyObjects([region["segmentation"]], *size_hw)).transpose(2, 0, 1)  # one flat list
                assert ("visible_mask" in region) == ("invisible_mask" in region) == occluded  # presence says that it is occluded
            else:
                amodal = decoded(region["segmentation"])
                assert region["category_id"] == scene.category_id[i] and "visible_mask" in region
            assert (amodal == scene.amodal_mask[i]).all()
            if "visible_mask" in region:
                assert (decoded(region["visible_mask"]) == scene.visible_mask[i]).all()
                assert (decoded(region["invisible_mask"]) == scene.invisible_mask[i]).all()
    assert name == "cocoa" or not report.losses


@given(SCENES)
@FEW
def test_instaorder(scenes: list[Scene]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        coco = write_scenes(Path(folder) / "data", scenes)
        export_dataset("instaorder", coco, Path(folder) / "out", options=ExportOptions(images="none"))
        orders, masks = (read_json(Path(folder) / "out" / "annotations" / f"{kind}_train2017.json") for kind in ("InstaOrder", "instances"))
    entries = {entry["id"]: entry for entry in masks["annotations"]}
    for annotation, (amodal, category_id) in zip(orders["annotations"], scenes, strict=True):
        scene = Annotation.from_masks(category_id, amodal)
        assert [entries[i]["paint_order"] for i in annotation["instance_ids"]] == list(range(len(scene)))
        occludes = np.zeros((len(scene), len(scene)), bool)
        nearer = np.full((len(scene), len(scene)), -1)
        for pair in annotation["occlusion"]:
            first, second = map(int, pair["order"].split("<"))
            occludes[first, second] = True
        for pair in annotation["depth"]:
            first, second = map(int, pair["order"].split("<"))
            nearer[first, second], nearer[second, first] = 1, 0
            assert pair["overlap"] is False and pair["count"] > 0
        assert (scene.occlusion_order == occludes.T).all()
        assert (nearer[~np.eye(len(scene), dtype=bool)] == np.tri(len(scene), k=-1)[~np.eye(len(scene), dtype=bool)]).all()
        for i, annotation_id in enumerate(annotation["instance_ids"]):
            assert (decoded(entries[annotation_id]["segmentation"]) == scene.visible_mask[i]).all()


@given(SCENES)
@FEW
def test_coco_points(scenes: list[Scene]) -> None:
    document, _, truth = exported("coco-points", scenes)
    for entry, scene, i in instances(document, truth):
        assert not any("mask" in key or "segm" in key for key in entry)
        assert len(entry["point_coords"]) == len(entry["point_labels"]) == 10  # PointSup stacks them
        x0, y0, width, height = entry["bbox"]
        for (x, y), label in zip(entry["point_coords"], entry["point_labels"]):
            assert x0 <= x < x0 + width and y0 <= y < y0 + height and label == scene.amodal_mask[i, y, x]


def test_coco_points_are_those_of_the_data_set(tmp_path: Path) -> None:
    data = tiny_dataset(tmp_path / "data", num_images=3)
    drawn = points_of(export(data, tmp_path / "drawn"))
    assert points_of(export(data, tmp_path / "other", seed=5)) != drawn
    annotate_points(data, seed=0)
    assert points_of(export(data, tmp_path / "same")) == drawn  # what `amodalsynth points` draws
    annotate_points(data, seed=8)
    assert points_of(export(data, tmp_path / "own")) == points_of(data) != drawn
    assert points_of(export(data, tmp_path / "anew", seed=5)) == points_of(tmp_path / "other")


def export(data: Path, to: Path, **options: int) -> Path:
    export_dataset("coco-points", data, to, options=ExportOptions(**options))
    return to


def points_of(folder: Path) -> dict[int, tuple]:
    document = read_json(folder / "annotations" / "instances_train_n10_v1_without_masks.json")
    return {entry["id"]: (entry["point_coords"], entry["point_labels"]) for entry in document["annotations"]}


@pytest.mark.parametrize("rle", ["compressed", "polygon"])
def test_torchvision_reads_coco(data: Path, tmp_path: Path, rle: str) -> None:
    datasets = pytest.importorskip("torchvision.datasets", reason="needs torchvision")
    export_dataset("coco", data, tmp_path, options=ExportOptions(rle=rle))
    with redirect_stdout(io.StringIO()):
        ours = datasets.CocoDetection(tmp_path / "images" / "train", tmp_path / "annotations" / "instances_train.json")
    wrapped = datasets.wrap_dataset_for_transforms_v2(ours, target_keys=("boxes", "labels", "masks"))
    with CocoIndex.open(data / "annotations" / "instances_train.json") as index:
        for (image, target), truth in zip((wrapped[k] for k in range(len(wrapped))), read_labelled(index), strict=True):
            assert image.size == (64, 64)
            assert (target["masks"].numpy().astype(bool) == truth.pixels[0]).all()
            assert target["labels"].tolist() == truth.category_id.tolist()
            x, y, width, height = truth.boxes_xywh[0].T
            assert ([x, y, x + width, y + height] == target["boxes"].numpy().T).all()


def test_every_module_is_registered_and_says_what_it_is() -> None:
    helpers = {"__init__", "base", "driver", "flat", "nested", "json_writer", "polygons", "simplification", "croissant"}
    modules = {path.stem for path in (REPOSITORY / "amodalsynth" / "exporters").glob("*.py")} - helpers
    assert modules == set(FORMATS.values()) and len(FORMATS) == len(modules)
    for name, about in zip(FORMATS, abouts(), strict=True):
        assert about.name == name and about.title and about.reader and about.files
        assert set(about.options) <= set(ExportOptions.__dataclass_fields__)
    with pytest.raises(ConfigurationError, match="did you mean 'cocoa-cls'"):
        get_exporter("cocoa_cls")


@pytest.mark.parametrize("name", JSON_FORMATS)
def test_images_and_annotations_of_all_splits(data: Path, tmp_path: Path, name: str) -> None:
    seen: list[tuple[int, int]] = []
    report = export_dataset(name, data, tmp_path / "a", progress=lambda done, total: seen.append((done, total)))
    assert list(report.splits) == ["train", "test"] and seen == [(k, 4) for k in (1, 2, 3, 4)] * 2
    assert all(part.num_images == 4 and part.num_annotations >= 8 for part in report.splits.values())
    for split in ("train", "test"):
        for image in (data / "images" / split).iterdir():
            assert (tmp_path / "a" / "images" / split / image.name).read_bytes() == image.read_bytes()
    assert all((tmp_path / "a" / file).is_file() for file in report.files)
    assert (tmp_path / "a" / "croissant.json").is_file()
    export_dataset(name, data, tmp_path / "b")
    assert tree(tmp_path / "a") == tree(tmp_path / "b")  # no clock, no path


def test_images_as_links_or_not_at_all(data: Path, tmp_path: Path) -> None:
    export_dataset("coco", data, tmp_path / "deep" / "linked", options=ExportOptions(images="link"))
    links = list((tmp_path / "deep" / "linked" / "images" / "train").iterdir())
    assert len(links) == 4
    for link in links:
        assert link.samefile(data / "images" / "train" / link.name)
        assert link.read_bytes() == (data / "images" / "train" / link.name).read_bytes()
    export_dataset("cocoa", data, tmp_path / "bare", options=ExportOptions(images="none"))
    assert not (tmp_path / "bare" / "images").exists()
    (tmp_path / "other" / "annotations").mkdir(parents=True)
    alone = tmp_path / "other" / "annotations" / "mine.json"
    alone.write_bytes((data / "annotations" / "instances_test.json").read_bytes())
    with pytest.raises(DataError, match=r"000000001\.jpg: image 1 is not there.*--images none"):
        export_dataset("coco", alone, tmp_path / "gone")
    assert not (tmp_path / "gone").exists()
    report = export_dataset("coco", alone, tmp_path / "gone", options=ExportOptions(images="none"))
    assert report.files == ("annotations/instances_mine.json",)


def test_conflicts_name_the_file_and_change_nothing(data: Path, tmp_path: Path) -> None:
    export_dataset("coco", data, tmp_path / "out", splits=("test",))
    before = tree(tmp_path / "out")
    with pytest.raises(OutputConflict, match=r"annotations/instances_test\.json is there already"):
        export_dataset("kins", data, tmp_path / "out")
    assert tree(tmp_path / "out") == before
    (tmp_path / "out" / "images" / "train").mkdir()
    (tmp_path / "out" / "images" / "train" / "000000003.jpg").write_bytes(b"another")
    with pytest.raises(OutputConflict, match=r"images/train/000000003\.jpg is there already"):
        export_dataset("coco", data, tmp_path / "out", splits=("train",))
    assert not (tmp_path / "out" / "annotations" / "instances_train.json").exists()
    (tmp_path / "out" / "images" / "train" / "000000003.jpg").unlink()
    (tmp_path / "out" / "images" / "train" / "notes.txt").write_text("mine")
    export_dataset("coco", data, tmp_path / "out", splits=("train",))  # another split goes beside it, and what is there stays
    assert (tmp_path / "out" / "images" / "train" / "notes.txt").read_text() == "mine"
    assert (tmp_path / "out" / "annotations" / "instances_train.json").is_file()
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        export_dataset("coco", data, tmp_path / "file")


def test_an_interrupted_export_leaves_nothing_and_can_be_started_again(data: Path, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_dataset("uoais", data, tmp_path / "out", progress=interrupt)
    assert not (tmp_path / "out").exists()
    export_dataset("uoais", data, tmp_path / "out")
    killed = tmp_path / "killed"
    script = f"""
import sys, time
from amodalsynth.exporters.driver import export_dataset
export_dataset("uoais", {str(data)!r}, {str(killed)!r}, progress=lambda done, total: done == 3 and (print("now", flush=True), time.sleep(60)))
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"now\n"
        with pytest.raises(OutputConflict, match="another export is writing there"):
            export_dataset("uoais", data, killed)
        process.send_signal(signal.SIGKILL)
    assert [path.name for path in killed.iterdir()] == [".amodalsynth-export"]
    export_dataset("uoais", data, killed)
    assert tree(killed) == tree(tmp_path / "out")
    assert not (killed / ".amodalsynth-export").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["images"][0].update(file_name="../../etc/passwd"), "image 1: file name '../../etc/passwd' leads out"),
        (lambda d: d["annotations"][0].update(category_id=9), "annotation 1: the file has no category 9"),
        (lambda d: d["annotations"][0].pop("layer"), "annotation 1: expected the key 'layer'"),
        (lambda d: d["annotations"][0].update(occluded_by=[77]), "'occluded_by' names annotation 77"),
        (lambda d: d.update(categories=[{"id": 1}]), "expected categories with 'id' and 'name'"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, change, message: str) -> None:
    path = write_scenes(tmp_path / "data", [(np.ones((1, 3, 3), bool), np.array([1]))])
    document = read_json(path)
    change(document)
    path.write_bytes(orjson.dumps(document))
    with pytest.raises(DataError, match=message):
        export_dataset("uoais", path, tmp_path / "out", options=ExportOptions(images="none"))
    assert not (tmp_path / "out").exists()


def test_options_that_are_none(data: Path, tmp_path: Path) -> None:
    for options in (ExportOptions(images="move"), ExportOptions(rle="polygons"), ExportOptions(seed=-1)):
        with pytest.raises(ConfigurationError):
            export_dataset("coco", data, tmp_path / "out", options=options)


def test_json_arrays_are_spooled(tmp_path: Path) -> None:
    arrays = JsonArrays(tmp_path / "a" / "b.json", {"info": {"x": 1}}, ("first", "second", "third"))
    for k in range(3):
        arrays.add("third", k)
        arrays.add("first", [k])
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.json"]
    arrays.close()
    assert read_json(tmp_path / "a" / "b.json") == {"info": {"x": 1}, "first": [[0], [1], [2]], "second": [], "third": [0, 1, 2]}
    JsonArrays(tmp_path / "empty.json", {}, ("only",)).close()
    assert read_json(tmp_path / "empty.json") == {"only": []}


def test_memory_does_not_grow_with_the_data_set(tmp_path: Path) -> None:
    """Peak of what Python holds while exporting, with eight times the images."""
    masks = np.zeros((2, 8, 8), bool)
    masks[0, :5], masks[1, 3:] = True, True
    peaks = []
    for count in (50, 51, 400):  # the first loads modules
        coco = write_scenes(tmp_path / str(count), [(masks, np.array([1, 2]))] * count)
        tracemalloc.start()
        export_dataset("cocoa", coco, tmp_path / f"out-{count}", options=ExportOptions(images="none"))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < peaks[1] + 349 * 2000  # bytes an image: the index takes some 900, its parsed annotations would take 4,000
