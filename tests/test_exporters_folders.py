"""Formats of folders and shards, read by the rules of their readers and by the readers themselves; and the description beside them."""

import json
import logging
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from amodalsynth.compositing import compose
from amodalsynth.errors import ConfigurationError, DataError
from amodalsynth.exporters import bop, get_exporter, parquet, webdataset
from amodalsynth.exporters.base import ExportOptions
from amodalsynth.exporters.croissant import write_croissant
from amodalsynth.exporters.driver import export_dataset
from amodalsynth.records.reader import Record, open_dataset
from tests.formats_support import read_json, tiny_dataset, write_scenes
from tests.strategies import tree
from tests.test_masks import picture

NUM_IMAGES = 5


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return tiny_dataset(tmp_path_factory.mktemp("folders") / "data", NUM_IMAGES, splits=("train", "val"))


@pytest.fixture(scope="module")
def records(data) -> list[Record]:
    return list(open_dataset(data, "train"))


def read_mask(path: Path) -> np.ndarray:
    """A mask file of one channel, 0 and 255, as cv2.imread(path, -1) has it."""
    with Image.open(path) as image:
        assert image.mode == "L"
        pixels = np.array(image)
    assert set(np.unique(pixels)) <= {0, 255}
    return pixels > 0


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- BOP ---------------------------------------------------------------------------------------------------------------------------------


def test_bop_scenes_have_masks_and_visibility(data, records, tmp_path):
    export_dataset("bop", data, tmp_path, splits=("train",))
    scene = tmp_path / "train" / "000000"
    info, truth = read_json(scene / "scene_gt_info.json"), read_json(scene / "scene_gt.json")
    assert list(info) == list(truth) == [str(k) for k in range(NUM_IMAGES)]
    assert listed(scene / "rgb") == [f"{k:06d}.jpg" for k in range(NUM_IMAGES)]
    for k, record in enumerate(records):
        annotation = record.annotation
        assert [entry["obj_id"] for entry in truth[str(k)]] == annotation.category_id.tolist()
        for i, entry in enumerate(info[str(k)]):
            assert (read_mask(scene / "mask" / f"{k:06d}_{i:06d}.png") == annotation.amodal_mask[i]).all()
            assert (read_mask(scene / "mask_visib" / f"{k:06d}_{i:06d}.png") == annotation.visible_mask[i]).all()
            assert entry["px_count_all"] == entry["px_count_valid"] == annotation.amodal_area[i]
            assert entry["px_count_visib"] == annotation.visible_area[i]
            assert entry["visib_fract"] == pytest.approx(annotation.visible_area[i] / annotation.amodal_area[i])
            for key, (x0, y0, x1, y1) in (("bbox_obj", annotation.amodal_box[i]), ("bbox_visib", annotation.visible_box[i])):
                assert entry[key] == [x0, y0, x1 - x0, y1 - y0]


def test_bop_begins_a_scene_when_one_is_full(data, tmp_path, monkeypatch):
    monkeypatch.setattr(bop, "IMAGES_IN_SCENE", 2)
    export_dataset("bop", data, tmp_path, splits=("train",))
    assert listed(tmp_path / "train") == ["000000", "000001", "000002"]
    assert [len(read_json(tmp_path / "train" / f"00000{k}" / "scene_gt.json")) for k in range(3)] == [2, 2, 1]


# --- pix2gestalt -------------------------------------------------------------------------------------------------------------------------


def test_pix2gestalt_folders_match_by_position(data, records, tmp_path):
    report = export_dataset("pix2gestalt", data, tmp_path, splits=("train",), options=ExportOptions(images="link"))
    folders = {name: sorted((tmp_path / "train" / name).iterdir()) for name in ("occlusion", "whole", "whole_mask", "visible_object_mask")}
    items = list(zip(*folders.values()))
    assert {len(files) for files in folders.values()} == {len(items)} and items
    assert all(len({path.stem for path in item}) == 1 for item in items)
    expected = [(record, i) for record in records for i in range(len(record.annotation)) if record.annotation.occlusion_rate[i] > 0]
    assert len(items) == len(expected)
    assert sum(report.losses.values()) == sum(len(record.annotation) for record in records) - len(items)
    for (record, i), (occlusion, whole, whole_mask, visible_mask) in zip(expected, items):
        assert occlusion.stat().st_nlink > 1
        with Image.open(occlusion) as image, Image.open(whole) as shown:
            assert (np.asarray(image) == record.image).all()
            pixels = np.asarray(shown)
        amodal = record.annotation.amodal_mask[i]
        assert (read_mask(whole_mask) == amodal).all() and (read_mask(visible_mask) == record.annotation.visible_mask[i]).all()
        opaque = record.appearances[i]
        assert (pixels == compose(np.full_like(pixels, 255), [opaque]).image).all() and (pixels[~amodal] > 100).all()


def test_pix2gestalt_needs_appearances(tmp_path):
    out = tiny_dataset(tmp_path / "data", 2, appearances=False)
    with pytest.raises(DataError, match="without appearances"):
        export_dataset("pix2gestalt", out, tmp_path / "to")
    assert not (tmp_path / "to").exists()


# --- YOLO --------------------------------------------------------------------------------------------------------------------------------


def yolo_masks(labels: Path, size_hw: tuple[int, int]) -> list[tuple[int, np.ndarray]]:
    """ultralytics' rule: a line an instance, the class and one polygon of at least three points, normalised to [0, 1]."""
    height, width = size_hw
    found = []
    for line in labels.read_text().splitlines():
        category, *values = line.split()
        ring = np.array(values, float).reshape(-1, 2)
        assert len(ring) >= 3 and ring.min() >= 0 and ring.max() <= 1
        code = coco_mask.frPyObjects([(ring * [width, height]).ravel().tolist()], height, width)[0]
        found.append((int(category), coco_mask.decode(code).astype(bool)))
    return found


def test_yolo_lines_give_the_amodal_masks_back(data, records, tmp_path):
    export_dataset("yolo-seg", data, tmp_path)
    assert read_yaml(tmp_path / "data.yaml") == {
        "train": "images/train",
        "val": "images/val",
        "test": "images/test",
        "names": {0: "red", 1: "green"},
    }
    for record in records:
        name = f"{record.image_id:09d}"
        assert (tmp_path / "images" / "train" / f"{name}.jpg").is_file()  # found by "/labels/" for "/images/" and the suffix
        found = yolo_masks(tmp_path / "labels" / "train" / f"{name}.txt", record.size_hw)
        assert [category + 1 for category, _ in found] == record.annotation.category_id.tolist()
        assert (np.stack([mask for _, mask in found]) == record.annotation.amodal_mask).all()


def read_yaml(path: Path) -> dict:
    return pytest.importorskip("yaml", reason="comes with datasets").safe_load(path.read_text())


def test_yolo_joins_fragments_and_bridges_holes_and_says_so(tmp_path):
    mask = picture("####.##", "#..#.##", "####...")[None]
    report = export_dataset("yolo-seg", write_scenes(tmp_path, [(mask, np.array([2]))]), tmp_path / "to")
    ((category, found),) = yolo_masks(next((tmp_path / "to" / "labels").rglob("*.txt")), (3, 7))
    assert category == 1 and (found == mask[0]).all()
    assert sorted(report.losses.values()) == [1, 1]


def test_supervision_reads_yolo_labels(data, records, tmp_path):
    supervision = pytest.importorskip("supervision", reason="a reader of YOLO labels")
    export_dataset("yolo-seg", data, tmp_path, splits=("train",))
    folders = [str(tmp_path / kind / "train") for kind in ("images", "labels")]
    loaded = supervision.DetectionDataset.from_yolo(*folders, str(tmp_path / "data.yaml"), force_masks=True)
    assert loaded.classes == ["red", "green"] and len(loaded) == NUM_IMAGES
    by_name = {Path(path).stem: found for path, _, found in loaded}
    for record in records:
        found = by_name[f"{record.image_id:09d}"]
        assert (found.class_id + 1 == record.annotation.category_id).all()
        # OpenCV's rasteriser, which it uses, also fills the pixels below and to the right of the outline.
        grown = record.annotation.amodal_mask.copy()
        grown[:, 1:] |= grown[:, :-1]
        grown[:, :, 1:] |= grown[:, :, :-1]
        assert (found.mask >= record.annotation.amodal_mask).all() and (found.mask <= grown).all()


def test_supervision_reads_coco(data, records, tmp_path):
    supervision = pytest.importorskip("supervision", reason="a reader of COCO")
    export_dataset("coco", data, tmp_path, splits=("train",))
    file = tmp_path / "annotations" / "instances_train.json"
    loaded = supervision.DetectionDataset.from_coco(str(tmp_path / "images" / "train"), str(file), force_masks=True)
    assert len(loaded) == NUM_IMAGES
    for (path, _, found), record in zip(loaded, records):
        assert Path(path).name == record.image_entry["file_name"]
        assert (found.mask == record.annotation.amodal_mask).all()


# --- shards and tables -------------------------------------------------------------------------------------------------------------------


def code_of(mask: np.ndarray) -> dict:
    code = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return {"size": list(code["size"]), "counts": code["counts"].decode()}


def test_webdataset_shards_load(data, records, tmp_path, monkeypatch):
    wds = pytest.importorskip("webdataset", reason="the reader of its own shards")
    monkeypatch.setattr(webdataset, "IMAGES_IN_SHARD", 2)
    export_dataset("webdataset", data, tmp_path / "to", splits=("train",))
    shards = [str(tmp_path / "to" / f"train-00000{k}.tar") for k in range(3)]
    samples = list(wds.WebDataset(shards, shardshuffle=False).decode("rgb8"))
    assert [sample["__key__"] for sample in samples] == [f"{record.image_id:09d}" for record in records]
    for sample, record in zip(samples, records):
        assert (sample["jpg"] == record.image).all()
        entries = sample["json"]["annotations"]
        assert [entry["category"] for entry in entries] == [("red", "green")[c - 1] for c in record.annotation.category_id]
        assert [entry["segmentation"] for entry in entries] == [code_of(mask) for mask in record.annotation.amodal_mask]
        assert [entry["layer"] for entry in entries] == record.annotation.layer_order.tolist()
        assert not any("appearance" in entry for entry in entries) and "background" not in sample["json"]


def test_shards_have_the_same_bytes_again_and_the_same_members(data, tmp_path):
    for to in ("first", "second"):
        export_dataset("webdataset", data, tmp_path / to)
    assert tree(tmp_path / "first") == tree(tmp_path / "second")
    with tarfile.open(tmp_path / "first" / "val-000000.tar") as archive:
        names = archive.getnames()
    assert names[:2] == ["000000001.jpg", "000000001.json"] and len(names) == 2 * NUM_IMAGES


@pytest.fixture
def datasets(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    return pytest.importorskip("datasets", reason="Hugging Face's reader of tables and shards")


def test_hugging_face_loads_shards(data, records, tmp_path, datasets):
    export_dataset("webdataset", data, tmp_path / "to", splits=("train",))
    files = {"train": str(tmp_path / "to" / "train-*.tar")}
    loaded = datasets.load_dataset("webdataset", data_files=files, cache_dir=str(tmp_path / "cache"))["train"]
    for row, record in zip(loaded, records, strict=True):
        assert (np.asarray(row["jpg"]) == record.image).all() and row["json"]["id"] == record.image_id


def test_hugging_face_loads_parquet(data, records, tmp_path, monkeypatch, datasets):
    monkeypatch.setattr(parquet, "IMAGES_IN_FILE", 3)
    monkeypatch.setattr(parquet, "_IMAGES_IN_GROUP", 2)
    to = tmp_path / "to"
    export_dataset("parquet", data, to)
    assert listed(to / "data") == [f"{split}-0000{k}-of-00002.parquet" for split in ("train", "val") for k in range(2)]
    loaded = datasets.load_dataset("parquet", data_dir=str(to / "data"), cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": NUM_IMAGES, "validation": NUM_IMAGES}
    features = loaded["train"].features
    assert isinstance(features["image"], datasets.Image)
    assert features["annotations"].feature["category"].names == ["red", "green"]
    for row, record in zip(loaded["train"], records):
        assert (np.asarray(row["image"]) == record.image).all() and row["image_id"] == record.image_id
        for i, (instance, entry) in enumerate(zip(row["annotations"], record.entries, strict=True)):
            stored = {key: value for key, value in entry.items() if key in instance}
            assert stored == {key: instance[key] for key in stored} and len(stored) >= 12
            assert instance["category"] == record.annotation.category_id[i] - 1


def test_parquet_row_groups_are_bounded(data, tmp_path, monkeypatch):
    pyarrow_parquet = pytest.importorskip("pyarrow.parquet", reason="reads the file's layout")
    monkeypatch.setattr(parquet, "_BYTES_IN_GROUP", 1)
    export_dataset("parquet", data, tmp_path, splits=("train",))
    assert pyarrow_parquet.ParquetFile(tmp_path / "data" / "train-00000-of-00001.parquet").num_row_groups == NUM_IMAGES


def test_parquet_without_pyarrow_says_what_to_install(data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'amodalsynth\[parquet\]'"):
        export_dataset("parquet", data, tmp_path / "to")
    assert not (tmp_path / "to").exists()


# --- croissant ---------------------------------------------------------------------------------------------------------------------------


OTHERS_WARNINGS = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # rdflib's and pandas'


@pytest.fixture
def mlcroissant():
    logging.getLogger("absl").setLevel(logging.ERROR)  # what is recommended and not known here: a date, a version
    return pytest.importorskip("mlcroissant", reason="judges descriptions")


@OTHERS_WARNINGS
@pytest.mark.parametrize("name", ["coco", "bop", "pix2gestalt", "yolo-seg", "webdataset", "parquet"])
def test_croissant_describes_any_export(name, data, tmp_path, mlcroissant):
    export_dataset(name, data, tmp_path)
    loaded = mlcroissant.Dataset(jsonld=str(tmp_path / "croissant.json"))
    assert not loaded.metadata.ctx.issues.errors
    content = read_json(tmp_path / "croissant.json")
    assert content["license"] == ["none"] and content["name"] == "drawn"
    described = set()
    for entry in content["distribution"]:
        matched = (
            {entry["contentUrl"]} if "contentUrl" in entry else {str(p.relative_to(tmp_path)) for p in tmp_path.glob(entry["includes"])}
        )
        assert matched
        described |= matched
    assert described == tree(tmp_path).keys() - {"croissant.json"}


@OTHERS_WARNINGS
def test_croissant_iterates_over_tables(data, records, tmp_path, mlcroissant):
    export_dataset("coco", data, tmp_path / "coco")
    rows = list(mlcroissant.Dataset(jsonld=str(tmp_path / "coco" / "croissant.json")).records("train_annotations"))
    assert [row["train_annotations/id"] for row in rows] == [entry["id"] for record in records for entry in record.entries]
    export_dataset("parquet", data, tmp_path / "parquet")
    rows = list(mlcroissant.Dataset(jsonld=str(tmp_path / "parquet" / "croissant.json")).records("train_images"))
    assert [row["train_images/image_id"] for row in rows] == [record.image_id for record in records]
    assert (np.asarray(rows[0]["train_images/image"]) == records[0].image).all()


def test_croissant_has_hashes_of_files_rights_and_no_description_to_go_by(tmp_path):
    (tmp_path / "data.yaml").write_text("names: {}\n")
    about = get_exporter("yolo-seg").about
    source = {"name": "a", "licence": "CC BY 4.0", "citation": "A, 2024."}
    write_croissant(tmp_path, about, {"name": "mine", "assets": {"foregrounds": {"source": source}, "backgrounds": {"source": source}}})
    content = read_json(tmp_path / "croissant.json")
    (file,) = content["distribution"]
    assert file["sha256"] == tree(tmp_path)["data.yaml"] and file["contentSize"] == "10 B"
    assert content["license"] == ["CC BY 4.0"] and content["citeAs"] == "A, 2024."
    write_croissant(tmp_path, about, {})
    assert read_json(tmp_path / "croissant.json")["license"] == ["not stated"]


def test_splits_can_be_exported_one_after_the_other(data, tmp_path):
    export_dataset("yolo-seg", data, tmp_path / "together")
    for split in ("train", "val"):
        export_dataset("yolo-seg", data, tmp_path / "apart", splits=(split,))
    assert tree(tmp_path / "together") == tree(tmp_path / "apart")


def test_file_names_that_lead_out_of_the_folder_are_refused(tmp_path):
    file = write_scenes(tmp_path, [(picture("#.")[None], np.array([1]))])
    file.write_text(file.read_text().replace("000000001.png", "../../escaped.png"))
    with pytest.raises(DataError, match=r"image 1: file name '../../escaped.png' leads out"):
        export_dataset("uoais", file, tmp_path / "to", options=ExportOptions(images="none"))
    assert not list(tmp_path.rglob("escaped*"))


def test_a_shard_of_several_types_of_images_is_a_loss(tmp_path):
    file = write_scenes(tmp_path, [(picture("#.")[None], np.array([1]))] * 2)
    pictures = tmp_path / "images" / "train"
    (pictures / "000000002.png").rename(pictures / "second.jpeg")
    file.write_text(file.read_text().replace("000000002.png", "second.jpeg"))
    report = export_dataset("webdataset", file, tmp_path / "to")
    assert list(report.losses.values()) == [1]


def test_an_empty_mask_has_no_line(tmp_path):
    file = write_scenes(tmp_path, [(np.stack([picture("#."), picture(".#")]), np.array([1, 2]))])
    content = read_json(file)
    empty = {"size": [1, 2], "counts": "2"}
    content["annotations"][0] |= {"segmentation": empty, "visible_mask": empty, "invisible_mask": empty}
    file.write_text(json.dumps(content))
    report = export_dataset("yolo-seg", file, tmp_path / "to")
    ((category, _),) = yolo_masks(next((tmp_path / "to" / "labels").rglob("*.txt")), (1, 2))
    assert category == 1 and sum(report.losses.values()) == 1
    export_dataset("bop", file, tmp_path / "bop")
    info = read_json(tmp_path / "bop" / "train" / "000000" / "scene_gt_info.json")["0"][0]
    assert info["bbox_visib"] == [-1, -1, -1, -1] and info["visib_fract"] == 0
