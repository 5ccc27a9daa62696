"""Any image of a source by its number, and the values of our own layout that only a report reads."""

import copy
from pathlib import Path

import orjson
import pytest

from amodalsynth.importers import open_source
from amodalsynth.importers.coco import CocoIndex
from tests.formats_support import tiny_dataset
from tests.test_importers import CVAT, WHOLE


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_dataset(tmp_path_factory.mktemp("at") / "data", num_images=5)


def test_any_image_at_any_time_and_alone(data, monkeypatch):
    with open_source(data) as source:
        images = list(source)
        reads = []
        read = CocoIndex.image
        monkeypatch.setattr(CocoIndex, "image", lambda index, k: reads.append(k) or read(index, k))
        assert [source.at(k) for k in (4, 0, 2, -1)] == [images[k] for k in (4, 0, 2, -1)]
        assert reads == [4, 0, 2, 4]
        for k in (5, -6):
            with pytest.raises(IndexError):
                source.at(k)


def several(name: str, folder: Path) -> Path:
    """A file or folder of two or three images of a format that is read from its beginning."""
    if name == "cvat":
        image = CVAT.format(front='polygon label="lime" points="2.0,2.0;6,2;6,6;2,6" z_order="3"')
        begin, end = image.index("<image"), image.index("</image>") + len("</image>")
        (folder / "annotations.xml").write_text(image[:begin] + image[begin:end].replace("a.png", "b.png") + image[begin:])
        return folder / "annotations.xml"
    if name == "label-studio":
        (folder / "tasks.json").write_bytes(orjson.dumps([WHOLE[name][0] | {"id": i} for i in (5, 6, 7)]))
        return folder / "tasks.json"
    for i in range(3):
        document = copy.deepcopy(WHOLE[name])
        document |= {"image_id": i} if name == "cocoa" else {"imagePath": f"{i}.png"}
        (folder / f"{i}.json").write_bytes(orjson.dumps(document))
    return folder


@pytest.mark.parametrize("name", ["cvat", "labelme", "label-studio", "cocoa"])
def test_formats_that_are_read_from_the_beginning_are_read_once(name, tmp_path):
    with open_source(several(name, tmp_path)) as source:
        images = list(source)
        assert source.format == name and len({repr(image) for image in images}) == len(source) >= 2
        found = [source.at(k) for k in reversed(range(len(source)))]
        assert found == images[::-1] and all(source.at(k) is image for k, image in enumerate(reversed(found)))
        with pytest.raises(IndexError):
            source.at(len(source))


def test_appearances_and_backgrounds_are_those_of_the_file(data, tmp_path):
    document = orjson.loads((data / "annotations" / "instances_train.json").read_bytes())
    with open_source(data) as source:
        for image, entry in zip(source, document["images"], strict=True):
            own = [a["appearance"] for a in document["annotations"] if a["image_id"] == entry["id"]]
            assert image.background == entry["background"] and [instance.appearance for instance in image.instances] == own
    document["images"][0]["background"], document["annotations"][0]["appearance"] = ["../x"], 3
    del document["images"][1]["background"], document["annotations"][1]["appearance"]
    path = tmp_path / "file.json"
    path.write_bytes(orjson.dumps(document))
    with open_source(path) as source:
        first, second = source.at(0), source.at(1)
    assert (first.background, first.instances[0].appearance, first.instances[1].appearance, second.background) == (["../x"], 3, None, None)
