"""The index says what json.loads says, wherever the chunks are cut, and refuses what json.loads refuses."""

from __future__ import annotations

import io
import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amodalsynth import coco_index
from amodalsynth.coco_index import CocoIndex, find_coco_files
from amodalsynth.errors import ConfigurationError, DataError

INTEGERS = st.integers(-(2**53), 2**53)
TRICKY = st.text(alphabet='"\\{}[]:,/ \n\té€😀\u2028au0', max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | TRICKY | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TRICKY, inner, max_size=3),
    max_leaves=8,
)
EXTRAS = st.dictionaries(TRICKY.filter(lambda key: key not in ("id", "image_id")), VALUES, max_size=3)


@st.composite
def documents(draw: st.DrawFn) -> dict:
    """COCO documents with any other keys, of any values, in any order."""
    image_ids = draw(st.lists(INTEGERS, max_size=4, unique=True))
    owners = draw(st.lists(st.sampled_from(image_ids), max_size=6)) if image_ids else []
    annotation_ids = draw(st.lists(INTEGERS, min_size=len(owners), max_size=len(owners), unique=True))
    document = {
        **draw(st.dictionaries(st.sampled_from(["info", "licenses", "categories", "a\\", '"', "[{"]), VALUES, max_size=3)),
        "images": [shuffled(draw, {"id": i, **draw(EXTRAS)}) for i in image_ids],
        "annotations": [shuffled(draw, {"id": a, "image_id": i, **draw(EXTRAS)}) for a, i in zip(annotation_ids, owners, strict=True)],
    }
    return shuffled(draw, document)


def shuffled(draw: st.DrawFn, mapping: dict) -> dict:
    return {key: mapping[key] for key in draw(st.permutations(list(mapping)))}


def written(draw: st.DrawFn, document: dict) -> bytes:
    style = {"indent": draw(st.sampled_from([None, 0, 1, "\t"])), "ensure_ascii": draw(st.booleans())}
    separators = draw(st.sampled_from([None, (",", ":"), (" ,\r\n", "  : ")]))
    return (
        draw(st.sampled_from([b"", b" \n"]))
        + json.dumps(document, separators=separators, **style).encode()
        + draw(st.sampled_from([b"", b"\n \t"]))
    )


def assert_same(index: CocoIndex, document: dict) -> None:
    assert index.header == {key: value for key, value in document.items() if key not in ("images", "annotations")}
    assert index.image_ids.tolist() == [image["id"] for image in document["images"]]
    assert (index.num_images, index.num_annotations) == (len(document["images"]), len(document["annotations"]))
    for k, image in enumerate(document["images"]):
        those = [annotation for annotation in document["annotations"] if annotation["image_id"] == image["id"]]
        assert index.image(k) == json.loads(index.raw_image(k)) == image
        assert index.annotations(k) == list(map(json.loads, index.raw_annotations(k))) == those
        assert index.position_of(image["id"]) == k


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("coco") / "instances.json"


@given(st.data())
@settings(deadline=None, max_examples=120)
def test_index_equals_json_loads(file: Path, data: st.DataObject) -> None:
    text = written(data.draw, data.draw(documents()))
    file.write_bytes(text)
    small = mock.patch.object(coco_index, "_BATCH_BYTES", data.draw(st.integers(1, 200)))
    with small, CocoIndex.open(file, chunk_bytes=data.draw(st.integers(1, 40))) as index:
        assert_same(index, json.loads(text))


def is_coco(text: bytes) -> bool:
    """By brute force, whether a file with this text must open."""
    try:
        document = orjson.loads(text)
        images, annotations = (document[key] for key in ("images", "annotations"))
        ids = [[element[key] for element in elements] for elements, key in ((images, "id"), (annotations, "id"), (annotations, "image_id"))]
    except (ValueError, KeyError, TypeError):
        return False
    whole = all(type(value) is int and -(2**63) <= value < 2**63 for values in ids for value in values)
    return whole and all(len(set(values)) == len(values) for values in ids[:2]) and set(ids[2]) <= set(ids[0])


@given(st.data())
@settings(deadline=None, max_examples=150)
def test_a_damaged_file_opens_only_if_it_still_is_coco(file: Path, data: st.DataObject) -> None:
    text = bytearray(written(data.draw, data.draw(documents())))
    place = data.draw(st.integers(0, len(text)))
    if data.draw(st.booleans()):
        del text[place : place + data.draw(st.integers(1, 3))]
    else:
        text[place:place] = data.draw(st.sampled_from([b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"1", b" ", b"\xff", b"{}", b"[]"]))
    file.write_bytes(text)
    keys = [key for key in (b'"images"', b'"annotations"') if bytes(text).count(key) > 1]  # a key that comes twice is refused
    small = mock.patch.object(coco_index, "_BATCH_BYTES", 40)
    if is_coco(bytes(text)) and not keys:
        with small, CocoIndex.open(file, chunk_bytes=7) as index:
            assert_same(index, orjson.loads(text))
    elif not is_coco(bytes(text)):
        with small, pytest.raises(DataError):
            CocoIndex.open(file, chunk_bytes=7)


ESCAPES = rb"""{"\u0069mages" : [ {"id":7, "s":"\\"} ,{"id":3,"s":"\\\"]}"}],"x[":"\\\\\"[{","annotations":
[{"image_id":3,"id":1,"segmentation":{"counts":"a\\\\","size":[1,2]},"t":"\"\\"}],"y":{"z":[{"q":"}"}]},"licenses":[["\\"],2,{}]}"""


def test_escapes_and_chunk_borders_everywhere(file: Path) -> None:
    file.write_bytes(ESCAPES)
    for chunk_bytes in range(1, len(ESCAPES) + 1):
        with CocoIndex.open(file, chunk_bytes=chunk_bytes) as index:
            assert_same(index, json.loads(ESCAPES))


def test_every_truncation_is_refused(file: Path) -> None:
    for length in range(len(ESCAPES)):
        file.write_bytes(ESCAPES[:length])
        with pytest.raises(DataError, match=r"instances\.json"):
            CocoIndex.open(file, chunk_bytes=16)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "byte 0: .*empty file"),
        ("[1]", r"byte 0: expected a JSON object with 'images' and 'annotations', got b'\[1\]'"),
        ('{"images":[],"annotations":[{"id":1', "byte 35: .*truncated"),
        ('{"images":[],"annotations":["', "inside a string"),
        ('{"annotations":[]}', "expected a COCO file with an array 'images', got the keys annotations"),
        ('{"images":{},"annotations":[]}', "array 'images', got dict"),
        ('{"images":[]}', "array 'annotations'"),
        ('{"images":[{"id":1},{"id":1}],"annotations":[]}', "byte 20: .*every image .* id 1 twice"),
        ('{"images":[{"id":1},{}],"annotations":[]}', r"byte 20: images\[1\]: expected an integer 'id' .* got no such key"),
        ('{"images":[{"id":"a"}],"annotations":[]}', r"images\[0\]: expected an integer 'id' .* got 'a'"),
        ('{"images":[{"id":true}],"annotations":[]}', "got True"),
        ('{"images":[{"id":9223372036854775808}],"annotations":[]}', "64 bits, got 9223372036854775808"),
        ('{"images":[{"id":1},5],"annotations":[]}', r"images\[1\]: expected an object, got 5"),
        ('{"images":[5],"annotations":[]}', r"images\[0\]: expected an object, got 5"),
        ('{"images":[{"id":1}],"annotations":[{"id":1,"image_id":2}]}', "byte 36: annotation 1: .*got image_id 2"),
        ('{"images":[{"id":1},{"id":3}],"annotations":[{"id":1,"image_id":2}]}', "annotation 1: .*got image_id 2"),
        ('{"images":[{"id":1}],"annotations":[{"id":1}]}', r"annotations\[0\]: expected an integer 'image_id'"),
        ('{"images":[{"id":1}],"annotations":[{"id":4,"image_id":1},{"id":4,"image_id":1}]}', "every annotation .* id 4 twice"),
        ('{"images":[{"id":1,"x":NaN}],"annotations":[]}', "byte 23: expected JSON"),
        ('{"info":"é","images":[],"annotations":[],"x":tru}', "byte 46: expected JSON"),
        ('{"images":[],"annotations":[]}}', "byte 30: expected JSON"),
        ('{"images":[],"images":[],"annotations":[]}', "twice"),
    ],
)
def test_faults_name_the_place(file: Path, text: str, message: str) -> None:
    file.write_bytes(text.encode())
    with pytest.raises(DataError, match=message):
        CocoIndex.open(file)


def test_what_is_no_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.json"):
        with pytest.raises(DataError, match="expected a readable COCO file"):
            CocoIndex.open(path)


def test_an_unknown_image_is_no_position(file: Path) -> None:
    file.write_bytes(ESCAPES)
    with CocoIndex.open(file) as index:
        for unknown in (0, 5, 8):
            with pytest.raises(DataError, match=f"no image has id {unknown}"):
                index.position_of(unknown)
        with pytest.raises(IndexError):
            index.image(2)


def refuse_to_build(*_: object) -> None:
    raise AssertionError("the file was scanned again")


def test_cache_is_used_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, cache = tmp_path / "a.json", tmp_path / "a.npz"
    file.write_bytes(ESCAPES)
    CocoIndex.open(file, cache=cache).close()
    with monkeypatch.context() as patch:
        patch.setattr(coco_index, "_build", refuse_to_build)
        with CocoIndex.open(file, cache=cache) as index:
            assert_same(index, json.loads(ESCAPES))
    changed = ESCAPES.replace(b'"id":7', b'"id":12')
    file.write_bytes(changed)
    with CocoIndex.open(file, cache=cache) as index:
        assert_same(index, json.loads(changed))


def pickled(whole: bytes) -> bytes:
    file = io.BytesIO()
    np.savez(file, key=np.array([{}], object))
    return file.getvalue()


@pytest.mark.parametrize("damage", [lambda whole: b"", lambda whole: b"PK\3\4junk", lambda whole: whole[:-40], pickled])
def test_a_damaged_cache_is_made_again(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    file, cache = tmp_path / "a.json", tmp_path / "a.npz"
    file.write_bytes(ESCAPES)
    CocoIndex.open(file, cache=cache).close()
    whole = cache.read_bytes()
    cache.write_bytes(damage(whole))
    with CocoIndex.open(file, cache=cache) as index:
        assert_same(index, json.loads(ESCAPES))
    assert cache.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(ESCAPES)
    with CocoIndex.open(file, cache=tmp_path / "absent" / "a.npz") as index:
        assert_same(index, json.loads(ESCAPES))
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_find_coco_files(tmp_path: Path) -> None:
    folder = tmp_path / "annotations"
    folder.mkdir()
    for split in ("test", "train"):
        (folder / f"instances_{split}.json").touch()
    (folder / "instances_train_n10_v1_without_masks.json").touch()
    (tmp_path / "other.json").touch()
    assert list(find_coco_files(tmp_path).items()) == [(split, folder / f"instances_{split}.json") for split in ("train", "test")]
    assert list(find_coco_files(tmp_path, "test")) == ["test"]
    assert list(find_coco_files(folder / "instances_test.json")) == ["test"]
    assert list(find_coco_files(tmp_path / "other.json")) == ["other"]
    with pytest.raises(DataError, match=r"no split 'val'; there: "):
        find_coco_files(tmp_path, "val")
    with pytest.raises(DataError, match=r"instances_train\|val\|test\.json"):
        find_coco_files(folder)
    with pytest.raises(ConfigurationError, match="single file"):
        find_coco_files(tmp_path / "other.json", "train")


MEMORY = """
import json, resource, sys
from pathlib import Path
from amodalsynth.coco_index import CocoIndex
from amodalsynth.points import write_points
from amodalsynth.stats import compute_stats
file = Path(sys.argv[1])
now = 1024 * int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmData")))
resource.setrlimit(resource.RLIMIT_DATA, (now + (40 << 20), resource.RLIM_INFINITY))
CocoIndex.open(file).close()
assert write_points(file, file.with_name("points.json"), num_points=1).num_instances == compute_stats({"a": file}).total.num_instances == 50_000
try:
    json.loads(file.read_bytes())
except MemoryError:
    print("bounded")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a process as Linux does")
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    file = tmp_path / "large.json"
    rng = random.Random(0)
    mask = orjson.dumps({"size": [64, 64], "counts": [64 * 20, 64, 64 * 43]})
    padding = "".join(rng.choices('"\\[]{}abc', k=500))
    annotation = orjson.dumps({"category_id": 1, "area": 64, "occlude_rate": 0.5, "layer": 0, "name": padding})[1:-1]
    with file.open("wb") as out:
        out.write(b'{"categories":[{"id":1,"name":"a"}],"images":[')
        out.write(b",".join(b'{"id":%d,"height":64,"width":64}' % i for i in range(10_000)) + b'],"annotations":[')
        out.write(
            b",".join(b'{"id":%d,"image_id":%d,"segmentation":%b,%b}' % (i + 1, i % 10_000, mask, annotation) for i in range(50_000))
            + b"]}"
        )
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(file)], capture_output=True, text=True, env={"OPENBLAS_NUM_THREADS": "1"}, check=False
    )
    assert done.stdout.strip() == "bounded", done.stderr


FAULTY = {
    "images": [{"id": 1, "n": 0}, {"id": 2, "n": 1}, {"id": 1, "n": 2}, {"id": "3", "n": 3}, {"n": 4}],
    "annotations": [
        {"id": 1, "image_id": 2, "n": 0},
        {"id": 1, "image_id": 1, "n": 1},
        {"id": 4, "image_id": 9, "n": 2},
        {"id": None, "image_id": 1, "n": 3},
        {"id": 6, "image_id": "3", "n": 4},
        {"id": 7, "image_id": 1, "n": 5},
    ],
}


def test_faults_are_told_where_somebody_listens(file: Path) -> None:
    """The first image of an id stays with the annotations of all, annotations of no image are set aside, everything else is there."""
    file.write_text(json.dumps(FAULTY))
    faults: list[tuple[str, str, str]] = []
    with CocoIndex.open(file, on_fault=lambda *fault: faults.append(fault)) as index:
        assert [index.image(k)["n"] for k in range(index.num_images)] == [0, 1, 3, 4]
        assert [[entry["n"] for entry in index.annotations(k)] for k in range(index.num_images)] == [[1, 3, 5], [0], [], []]
    assert [(kind, where) for kind, where, _ in faults] == [
        ("id", "images[3]"),
        ("id", "images[4]"),
        ("id", "image 1"),
        ("id", "annotations[3]"),
        ("reference", "annotations[4]"),
        ("id", "annotation 1"),
        ("reference", "annotation 4"),
    ]
    assert faults[-1][2] == "expected the id of an image of this file, got image_id 9"
    with pytest.raises(DataError, match=r"images\[3\]: expected an integer 'id'"):
        CocoIndex.open(file)


@given(st.data())
@settings(deadline=None, max_examples=40)
def test_a_sound_file_has_no_faults(file: Path, data: st.DataObject) -> None:
    document = data.draw(documents())
    file.write_bytes(written(data.draw, document))
    with CocoIndex.open(file, on_fault=lambda *fault: pytest.fail(str(fault))) as index:
        assert_same(index, document)


def test_a_file_that_is_cut_while_it_is_open_is_told(tmp_path):
    """Reading mapped memory that is gone would end the process with a bus error."""
    path = tmp_path / "cut.json"
    path.write_text('{"images": [{"id": 1}], "annotations": []}')
    with CocoIndex.open(path) as index:
        assert index.image(0) == {"id": 1}
        path.write_text("")
        for read in (index.image, index.annotations):
            with pytest.raises(DataError, match="was it written anew"):
                read(0)


def test_a_byte_order_mark_is_named(tmp_path):
    path = tmp_path / "bom.json"
    path.write_bytes(b'\xef\xbb\xbf{"images": [], "annotations": []}')
    with pytest.raises(DataError, match="byte order mark"):
        CocoIndex.open(path)
