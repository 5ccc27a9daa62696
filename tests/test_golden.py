"""Golden files: a few images of each preset on the built-in pack. `AMODALSYNTH_GOLDEN=write` makes them again; say in the commit why.

The bytes are promised for one processor and one lock of versions. On another, only what may differ by rounding is compared loosely.
"""

import hashlib
import os
import platform
from importlib.metadata import version
from pathlib import Path

import cv2
import orjson
import pytest

from amodalsynth.generate import generate_dataset
from amodalsynth.pool import load_pool
from amodalsynth.pool_sources import with_folders
from amodalsynth.presets import PRESETS
from amodalsynth.records.description import BYTES_DEPEND_ON
from tests.strategies import judge, tree

GOLDEN = Path(__file__).parent / "golden"
NUM_IMAGES = 4


def here() -> dict:
    """What the bytes depend on, besides the code."""
    versions = {name: version(name) for name in BYTES_DEPEND_ON if name != "amodalsynth"}
    return {"machine": platform.machine(), "features": cv2.getCPUFeaturesLine(), "versions": versions}


@pytest.mark.parametrize("name", PRESETS)
def test_golden(name, tmp_path):
    preset = with_folders(PRESETS[name], "builtin", "builtin")
    pool = load_pool(preset, "test", foregrounds="builtin", backgrounds="builtin", num_workers=2)
    generate_dataset(preset, pool, tmp_path / "out", split="test", num_images=NUM_IMAGES, seed=0)
    judge(tmp_path / "out", "test", "--images", str(NUM_IMAGES))
    files = {path: sha for path, sha in tree(tmp_path / "out").items() if path.startswith(("images", "appearances", "annotations"))}
    coco = orjson.loads((tmp_path / "out/annotations/instances_test.json").read_bytes())
    keys = ("image_id", "category_id", "area", "bbox", "occlude_rate", "paint_order", "occluded_by", "layer")
    instances = [{key: annotation[key] for key in keys} for annotation in coco["annotations"]]
    assets = hashlib.sha256(orjson.dumps(pool.sha256, option=orjson.OPT_SORT_KEYS)).hexdigest()
    made = {"here": here(), "assets": assets, "files": files, "instances": instances}
    golden_file = GOLDEN / f"{name}.json"
    if os.environ.get("AMODALSYNTH_GOLDEN") == "write":
        golden_file.write_bytes(orjson.dumps(made, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    golden = orjson.loads(golden_file.read_bytes())
    if golden["here"] == made["here"]:
        assert made == golden
        return
    assert len(made["instances"]) == len(golden["instances"])
    for ours, theirs in zip(made["instances"], golden["instances"]):
        exact = ("image_id", "category_id", "paint_order")
        assert [ours[key] for key in exact] == [theirs[key] for key in exact]
        assert ours["area"] == pytest.approx(theirs["area"], rel=0.02) and ours["bbox"] == pytest.approx(theirs["bbox"], abs=2)


def test_golden_files_stay_small():
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(PRESETS)
    assert sum(path.stat().st_size for path in GOLDEN.iterdir()) < 60_000
