"""Reading a data set back: pixels, masks, appearances and peeled scenes."""

import io
import os
import pickle
import tarfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

import amodalsynth
from amodalsynth.errors import DataError
from amodalsynth.generate import generate_dataset, generate_sample
from amodalsynth.records import archives
from amodalsynth.records.archives import Archives, stays_within
from amodalsynth.records.part import OutputOptions
from tests.strategies import SMALL, DrawnPool

POOL = DrawnPool(split="val")
PRESET = replace(SMALL, name="drawn", image_size=(64, 64), foregrounds="folder", backgrounds="folder", categories=POOL.categories)


@pytest.fixture(scope="module", params=["tar", "files"])
def data(request, tmp_path_factory):
    out = tmp_path_factory.mktemp("reader") / "out"
    generate_dataset(PRESET, POOL, out, split="val", num_images=150, seed=0, options=OutputOptions("png", request.param))
    return amodalsynth.open(out)


def test_everything_comes_back(data):
    assert (len(data), data.split, data.categories) == (150, "val", {1: "red", 2: "green"})
    for k in (0, 1, 77, 149):
        record, sample = data[k], generate_sample(PRESET, POOL, "val", k, 0)
        assert record.image_id == k + 1
        assert (record.image == sample.rendering.image).all()
        assert (record.background == sample.rendering.background).all()
        assert len(record.appearances) == len(sample.rendering.appearances)
        for there, made in zip(record.appearances, sample.rendering.appearances):
            assert there.offset_xy == made.offset_xy and (there.rgba == made.rgba).all()
        annotation = record.annotation
        for name in ("category_id", "instance_map", "occlusion_order", "direct_occlusion", "layer_order", "amodal_box", "visible_box"):
            assert (getattr(annotation, name) == getattr(sample.annotation, name)).all(), name
        assert [entry["layer"] for entry in record.entries] == annotation.layer_order.tolist()


def test_indexing(data):
    assert data[-1].image_id == 150 and data.by_image_id(20).image_id == 20
    with pytest.raises(IndexError):
        data[150]
    with pytest.raises(DataError, match="no image has id 151"):
        data.by_image_id(151)
    assert sum(1 for _ in data) == 150
    there = pickle.loads(pickle.dumps(data))
    assert (there[5].image == data[5].image).all()


def test_peeling_shows_what_lies_below(data):
    record = next(record for record in data if max(entry["layer"] for entry in record.entries) >= 2)
    assert (record.peeled(0) == record.image).all()
    assert (record.peeled(9) == record.background).all()
    annotation = record.annotation
    deeper = annotation.layer_order >= 1
    covered = annotation.amodal_mask[deeper].any(axis=0)
    peeled = record.peeled(1)
    front_only = annotation.amodal_mask[~deeper].any(axis=0) & ~covered
    alpha_edges = np.zeros_like(covered)
    for appearance in record.appearances:
        (x, y), (height, width) = appearance.offset_xy, appearance.rgba.shape[:2]
        alpha_edges[y : y + height, x : x + width] |= (appearance.rgba[..., 3] > 0) & (appearance.rgba[..., 3] < 255)
    inside = front_only & ~alpha_edges
    assert inside.any() and (peeled[inside] == record.background[inside]).all()


def test_faults_are_named(data, tmp_path):
    with pytest.raises(DataError, match="no finished split 'train'; finished: val"):
        amodalsynth.open(data.layout.root, "train")
    with pytest.raises(DataError, match="no data set"):
        amodalsynth.open(tmp_path)
    record = data[0]
    record.image_entry["file_name"] = "../../../etc/passwd"
    with pytest.raises(DataError, match="leads out of the data set"):
        record.image  # noqa: B018 - reading it is the test
    record.image_entry["file_name"] = "gone.png"
    with pytest.raises(DataError, match=r"gone\.png: cannot be read"):
        record.image  # noqa: B018


def test_without_appearances(tmp_path):
    generate_dataset(PRESET, POOL, tmp_path / "bare", split="val", num_images=3, seed=0, options=OutputOptions(appearances=False))
    record = amodalsynth.open(tmp_path / "bare")[0]
    assert record.annotation.amodal_mask.any()
    with pytest.raises(DataError, match="without appearances"):
        record.appearances  # noqa: B018


def write_tar(path, members):
    """A tar of (member, content); a content that is no bytes is the target of a link."""
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
            else:
                member.type, member.linkname = tarfile.SYMTYPE, content
                archive.addfile(member)


def test_files_and_members_are_read_by_name(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.png").write_bytes(b"file")
    (tmp_path / "near.png").symlink_to("folder/a.png")
    write_tar(tmp_path / "folder" / "p.tar", [("a.png", b"old"), ("deep/b.tar/c", b"nested"), ("a.png", b"new")])
    read = Archives().read
    assert read(tmp_path, "folder/a.png") == read(tmp_path, "near.png") == b"file"
    assert read(tmp_path, "folder/p.tar/a.png") == b"new"  # as tar unpacks it
    assert read(tmp_path, "folder/p.tar/deep/b.tar/c") == b"nested"
    assert read(tmp_path, "folder/a.png", max_bytes=4) == b"file"
    for name in ("folder/a.png", "folder/p.tar/deep/b.tar/c"):
        with pytest.raises(DataError, match="expected at most 3 bytes, got"):
            read(tmp_path, name, max_bytes=3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        *((name, "leads out of the data set") for name in ("../a", "/etc/passwd", "x/../../a", "p.tar/../a", "../p.tar/a", "out", "way/p.tar/a")),
        *((name, "cannot be read") for name in ("gone", "gone.tar/a", "p.tar/gone", "p.tar/link", ".", "pipe", "loop", "no.tar/a", "a\0b", "\ud800")),
        *((name, "cannot be read") for name in ("n" * 5000, "p.tar/" + "n" * 5000, "folder.tar/a", "short.tar/a")),
        *((name, "expected the name of a file") for name in (None, "", 7, ["a"])),
    ],
)  # fmt: skip
def test_names_that_are_no_file_of_the_folder(tmp_path, name, message):
    base = tmp_path / "base"
    (base / "folder.tar").mkdir(parents=True)
    (tmp_path / "a").write_bytes(b"secret")
    for folder in (tmp_path, base):
        write_tar(folder / "p.tar", [("a", b"secret"), ("link", "a"), ("../a", b"secret")])
    (base / "short.tar").write_bytes((base / "p.tar").read_bytes()[:515])
    (base / "no.tar").write_bytes(b"no archive" * 99)
    (base / "out").symlink_to(tmp_path / "a")
    (base / "way").symlink_to(tmp_path)
    (base / "loop").symlink_to("loop")
    os.mkfifo(base / "pipe")
    with pytest.raises(DataError, match=message) as caught:
        Archives().read(base, name)
    assert "\n" not in str(caught.value)


def test_a_folder_may_itself_be_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "a").write_bytes(b"a")
    (tmp_path / "images").symlink_to("disk")
    assert Archives().read(tmp_path / "images", "a") == b"a"
    assert stays_within(tmp_path / "images", tmp_path / "disk" / "a")
    assert not stays_within(tmp_path / "disk", tmp_path / "disk2" / "a") and stays_within(tmp_path / "/", tmp_path)


def test_few_archives_are_open_whatever_threads_do(tmp_path, monkeypatch):
    names = [f"p{i}.tar/{k}" for i in range(12) for k in range(3)] * 10
    for i in range(12):
        write_tar(tmp_path / f"p{i}.tar", [(str(k), f"p{i}.tar/{k}".encode() * 999) for k in range(3)])
    opened = []
    open_archive = archives._open_archive
    monkeypatch.setattr(archives, "_open_archive", lambda path: opened.append(path) or open_archive(path))
    reader = Archives()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda name: reader.read(tmp_path, name), names)) == [name.encode() * 999 for name in names]
    assert len(reader._archives) == 8
    reader.close()
    assert not reader._archives and reader.read(tmp_path, "p0.tar/0") == b"p0.tar/0" * 999
    opened.clear()
    for i in (1, 2, 3, 4, 5, 6, 7, 0, 8, 0):  # 0 was used again before 8 came, so 1 went
        reader.read(tmp_path, f"p{i}.tar/0")
    assert [path.name for path in opened] == [f"p{i}.tar" for i in (1, 2, 3, 4, 5, 6, 7, 8)]
