"""The README is true: its example runs, the tests it names are there, its commands exist."""

import re
import subprocess
import sys

from tests.conftest import REPOSITORY

README = (REPOSITORY / "README.md").read_text()


def test_the_example_runs(tmp_path):
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL).group(1)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("(256, 256, 3)") and (tmp_path / "my-fruit" / "dataset.json").is_file()
    assert len([line for line in code.splitlines() if line.strip()]) <= 12


def test_every_promise_names_a_test_that_is_there():
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", README)
    assert len(named) >= 12
    for file, test in named:
        text = (REPOSITORY / file).read_text()
        assert not test or f"def {test}(" in text, f"{file}::{test}"


def test_linked_files_and_commands_are_there():
    from amodalsynth_cli.main import COMMANDS

    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert (REPOSITORY / target).exists(), target
    assert set(re.findall(r"`?amodalsynth ([a-z-]+)", README)) <= {*COMMANDS, "pastes", "makes", "loads"}
    makefile = (REPOSITORY / "Makefile").read_text()
    assert all(f"\n{target}:" in makefile for target in re.findall(r"(?:^    |`)make ([a-z-]+)", README, re.MULTILINE))


def test_the_table_of_formats_says_what_the_formats_say():
    from amodalsynth.exporters import abouts
    from amodalsynth.exporters.flat import NEVER_HELD

    rows = dict(re.findall(r"^\| `([\w-]+)` \| (.* \| .*) \|$", README[README.index("## Every format") :], re.MULTILINE))
    for about in abouts():
        losses = "; ".join(loss for loss in about.losses if loss != NEVER_HELD).replace("<", "\\<") or "nothing"
        assert rows[about.name] == f"{about.reader} | {losses}"


def test_the_format_page_lists_every_key(tmp_path):
    import orjson

    from amodalsynth.generate import generate_dataset
    from tests.test_generate import POOL, PRESET

    page = (REPOSITORY / "docs" / "format.md").read_text()
    generate_dataset(PRESET, POOL, tmp_path / "out", split="train", num_images=2, seed=0)
    coco = orjson.loads((tmp_path / "out/annotations/instances_train.json").read_bytes())
    recipe = orjson.loads((tmp_path / "out/scenes/train.jsonl").read_bytes().splitlines()[0])
    about = orjson.loads((tmp_path / "out/dataset.json").read_bytes())
    keys = {*coco, *coco["images"][0], *coco["annotations"][0], *coco["categories"][0], *recipe, *recipe["instances"][0], *about}
    assert not [key for key in keys if not re.search(rf"\b{key}\b", page)]
