"""The main path: the same bytes whatever the workers and interruptions, and outputs that are never overwritten."""

from dataclasses import replace

import orjson
import pytest

from amodalsynth.errors import ConfigurationError, OutputConflict
from amodalsynth.generate import generate_dataset, generate_sample
from amodalsynth.records.layout import PART_SIZE, Layout
from amodalsynth.records.lock import writing
from amodalsynth.records.part import OutputOptions
from tests.strategies import SMALL, DrawnPool, judge, tree

POOL = DrawnPool()
PRESET = replace(SMALL, name="drawn", image_size=(64, 64), foregrounds="folder", backgrounds="folder", categories=())
MANY = 2 * PART_SIZE + 30


def make(out, split="train", num_images=40, seed=0, **options):
    return generate_dataset(
        options.pop("preset", PRESET),
        options.pop("pool", DrawnPool(split=split)),
        out,
        split=split,
        num_images=num_images,
        seed=seed,
        **options,
    )


def test_a_sample_depends_on_its_place_alone():
    first = generate_sample(PRESET, POOL, "train", 7, 0)
    again = generate_sample(PRESET, POOL, "train", 7, 0)
    assert first.scene == again.scene and (first.rendering.image == again.rendering.image).all()
    assert first.scene != generate_sample(PRESET, POOL, "train", 8, 0).scene
    assert first.scene != generate_sample(PRESET, DrawnPool(split="val"), "val", 7, 0).scene
    assert first.scene != generate_sample(PRESET, POOL, "train", 7, 1).scene


def test_every_instance_shows_itself():
    preset = replace(PRESET, min_visible_pixels=40)
    samples = [generate_sample(preset, POOL, "train", index, 0) for index in range(60)]
    assert min(sample.annotation.visible_area.min() for sample in samples) >= 40
    assert max(sample.attempt for sample in samples) > 0


def test_an_impossible_preset_says_so():
    with pytest.raises(ConfigurationError, match="in 5 scenes some instance showed fewer than 4000 pixels"):
        generate_sample(replace(PRESET, min_visible_pixels=4000, max_attempts=5), POOL, "train", 0, 0)


@pytest.mark.parametrize("image_format", ["jpg", "png", "webp"])
@pytest.mark.parametrize("layout", ["tar", "files"])
def test_the_judge_passes_every_form(tmp_path, image_format, layout):
    make(tmp_path / "out", options=OutputOptions(image_format, layout))
    judge(tmp_path / "out", "train", "--intra", "--images", "40")


def test_the_judge_passes_other_set_ups(tmp_path):
    make(tmp_path / "bare", options=OutputOptions(appearances=False))
    assert not (tmp_path / "bare" / "appearances").exists()
    judge(tmp_path / "bare", "train", "--intra", "--no-appearances")
    wide = replace(
        PRESET, image_size=(96, 64), instances=(9, 14), instance_weights=(), scale=(0.1, 0.4), center=(0.0, 1.0), one_category=False
    )
    make(tmp_path / "wide", preset=wide, pool=DrawnPool(size_hw=(64, 96)), options=OutputOptions("png"))
    judge(tmp_path / "wide", "train", "--min", "9", "--max", "14")


def test_the_same_bytes_for_any_number_of_workers(tmp_path):
    trees = []
    for num_workers in (1, 2, 3):
        made = make(tmp_path / str(num_workers), num_images=MANY, num_workers=num_workers)
        assert (made.num_images, made.status) == (MANY, "made")
        trees.append(tree(tmp_path / str(num_workers)))
    assert trees[0] == trees[1] == trees[2]
    judge(tmp_path / "1", "train", "--intra", "--images", str(MANY))
    make(tmp_path / "other", num_images=MANY, seed=1)
    other = tree(tmp_path / "other")
    assert all(other[name] != value for name, value in trees[0].items() if not name.startswith("backgrounds"))


def test_the_same_bytes_for_any_order_of_splits(tmp_path):
    for name, order in {"a": ("train", "val", "test"), "b": ("test", "train", "val")}.items():
        for split in order:
            make(tmp_path / name, split=split, num_images=20)
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


class Interrupted(Exception):
    pass


def interrupt_after(num_images):
    seen = 0

    def progress(count):
        nonlocal seen
        seen += count
        if seen >= num_images:
            raise Interrupted

    return progress


def test_resume_gives_the_same_bytes(tmp_path):
    make(tmp_path / "whole", num_images=MANY)
    with pytest.raises(Interrupted):
        make(tmp_path / "out", num_images=MANY, progress=interrupt_after(PART_SIZE))
    assert not Layout(tmp_path / "out").annotations("train").exists()
    with pytest.raises(OutputConflict, match="unfinished.*--resume"):
        make(tmp_path / "out", num_images=MANY)
    seen = []
    make(tmp_path / "out", num_images=MANY, resume=True, progress=seen.append)
    assert seen[0] == PART_SIZE and sum(seen) == MANY  # the first part was not made again
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


@pytest.mark.parametrize("damage", ["image", "archive", "payload", "sidecar"])
def test_resume_makes_damaged_parts_again(tmp_path, damage):
    make(tmp_path / "whole", num_images=MANY)
    out = Layout(tmp_path / "out")
    with pytest.raises(Interrupted):
        make(out.root, num_images=MANY, progress=interrupt_after(2 * PART_SIZE))
    file = {
        "image": out.images("train") / "000000005.jpg",
        "archive": out.appearances("train") / "part-00000.tar",
        "payload": out.part_payload("train", 0),
        "sidecar": out.part_sidecar("train", 0),
    }[damage]
    file.write_bytes(file.read_bytes()[:-7])
    make(out.root, num_images=MANY, resume=True)
    assert tree(out.root) == tree(tmp_path / "whole")


def test_a_split_can_grow_but_not_shrink(tmp_path):
    make(tmp_path / "large", num_images=MANY)
    make(tmp_path / "out", num_images=50)
    assert make(tmp_path / "out", num_images=MANY).status == "made"
    assert tree(tmp_path / "out") == tree(tmp_path / "large")
    with pytest.raises(OutputConflict, match="can grow but not shrink"):
        make(tmp_path / "out", num_images=50)


def test_a_finished_split_is_left_alone(tmp_path):
    make(tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*") if path.is_file() and path.name != "lock"}
    made = make(tmp_path / "out")
    assert made.status == "finished" and made.num_instances > 80
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize(
    "lost",
    [
        "images/train/000000003.jpg",
        "annotations/instances_train.json",
        "appearances/train/part-00000.tar",
        "scenes/train.jsonl",
        "backgrounds/plain/dark.png",
        "README.md",
    ],
)
def test_a_finished_split_that_lost_a_file_is_made_whole(tmp_path, lost):
    make(tmp_path / "out")
    before = tree(tmp_path / "out")
    (tmp_path / "out" / lost).unlink()
    assert make(tmp_path / "out").status == "made"
    assert tree(tmp_path / "out") == before


def test_a_pool_of_another_split_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="split 'val': the pool holds the assets of split 'train'"):
        make(tmp_path / "out", split="val", pool=DrawnPool(split="train"))
    with pytest.raises(ConfigurationError, match="pool holds"):
        generate_sample(PRESET, POOL, "test", 0, 0)
    assert not (tmp_path / "out").exists()


def test_the_state_may_be_deleted(tmp_path):
    import shutil

    make(tmp_path / "out", num_images=50)
    shutil.rmtree(tmp_path / "out" / ".amodalsynth")
    assert make(tmp_path / "out", num_images=50).status == "finished"
    shutil.rmtree(tmp_path / "out" / ".amodalsynth")
    make(tmp_path / "out", num_images=60)
    make(tmp_path / "other", num_images=60)
    assert tree(tmp_path / "out") == tree(tmp_path / "other")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"seed": 1}, "seed is 0 there, 1 here"),
        ({"preset": replace(PRESET, scale=(0.2, 0.7))}, "preset.scale"),
        ({"options": OutputOptions("png")}, "output.image_format"),
        ({"options": OutputOptions(appearances=False)}, "output.appearances"),
        ({"pool": DrawnPool(categories=("red", "blue"))}, "preset.categories"),
    ],
)
def test_another_configuration_is_refused_by_the_field(tmp_path, changes, field):
    make(tmp_path / "out")
    before = tree(tmp_path / "out")
    with pytest.raises(OutputConflict, match=field):
        make(tmp_path / "out", resume=True, **changes)
    if "pool" not in changes:
        with pytest.raises(OutputConflict, match=field):
            make(tmp_path / "out", split="test", resume=True, **changes)
    assert tree(tmp_path / "out") == before


def test_changed_assets_are_refused(tmp_path):
    make(tmp_path / "out")
    pool = DrawnPool()
    pool.sha256["foregrounds"]["red/b.png"] = "f" * 64
    with pytest.raises(OutputConflict, match="foregrounds of split train have changed.*red/b.png"):
        make(tmp_path / "out", pool=pool, num_images=60)


def test_other_versions_are_refused(tmp_path):
    make(tmp_path / "out")
    file = tmp_path / "out" / "dataset.json"
    about = orjson.loads(file.read_bytes())
    about["versions"]["numpy"] = "1.0"
    file.write_bytes(orjson.dumps(about))
    with pytest.raises(OutputConflict, match=r"versions\.numpy is \"1\.0\" there"):
        make(tmp_path / "out")


def test_a_strangers_folder_is_refused(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(OutputConflict, match="not empty and holds no data set"):
        make(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(OutputConflict, match="is a file"):
        make(tmp_path / "thesis.tex")


def test_a_second_writer_is_refused(tmp_path):
    with writing(Layout(tmp_path)), pytest.raises(OutputConflict, match="another process is writing"):
        make(tmp_path)
    make(tmp_path)


def test_nothing_of_host_or_user_is_written(tmp_path):
    import getpass
    import socket

    make(tmp_path / "out")
    words = [str(tmp_path).encode(), socket.gethostname().encode(), b"/home/", b"/root/", getpass.getuser().encode() + b"/"]
    for path in (tmp_path / "out").rglob("*"):
        if path.suffix in (".json", ".jsonl", ".md"):
            content = path.read_bytes()
            assert not [word for word in words if len(word) > 3 and word in content], path
