"""Runs on disk: what is written comes back, and a file from a stranger holds numbers or is refused."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from amodalsynth.baselines.backbones import build_backbone
from amodalsynth.baselines.checkpoint import (
    RunDescription,
    RunFolder,
    fill,
    load_tensors,
    read_description,
    read_weights,
    save_tensors,
    write_description,
)
from amodalsynth.baselines.predict import Predictor
from amodalsynth.baselines.train import train
from amodalsynth.errors import DataError
from tests.tiny_runs import RUN_EPOCHS, TINY, tiny_data, tiny_run
from tests.tiny_runs import settings as tiny_settings

DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.int64, torch.bool)


class Bomb:
    """Unpickling it makes a folder."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, (str(self.target),)


def pickled(bomb: Bomb, path: Path) -> None:
    path.write_bytes(pickle.dumps({"weight": bomb}))


def zipped(bomb: Bomb, path: Path) -> None:
    torch.save({"weight": torch.ones(2), "more": bomb}, path)


def legacy(bomb: Bomb, path: Path) -> None:
    torch.save({"weight": torch.ones(2), "more": bomb}, path, _use_new_zipfile_serialization=False)


BOMBS = pytest.mark.parametrize("write_bomb", [pickled, zipped, legacy])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_run(tmp_path_factory.getbasetemp())[0]


@pytest.fixture
def copied(run: Path, tmp_path: Path) -> Path:
    """A copy of a finished run to do mischief with."""
    return shutil.copytree(run, tmp_path / "copied")


def one_line(error: pytest.ExceptionInfo[BaseException]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


@given(st.lists(st.tuples(st.sampled_from(DTYPES), st.lists(st.integers(0, 4), max_size=4)), max_size=5), st.text(max_size=9))
@settings(deadline=None, max_examples=40)
def test_tensors_come_back(tmp_path_factory: pytest.TempPathFactory, kinds: list[tuple[torch.dtype, list[int]]], text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "some.safetensors"
    tensors = {
        f"{i}.x": (torch.rand(shape) * 9).to(dtype).transpose(0, -1) if shape else torch.rand(()) for i, (dtype, shape) in enumerate(kinds)
    }
    save_tensors(path, tensors, {"about": text})
    again, about = load_tensors(path)
    assert again.keys() == tensors.keys() and about == {"about": text}
    for name, tensor in tensors.items():
        assert again[name].dtype == tensor.dtype and torch.equal(again[name], tensor)
        assert again[name].is_contiguous()


def test_the_description_comes_back(tmp_path: Path) -> None:
    description = RunDescription("plin", TINY, ("a", "b"), (3, 7), {"data": "somewhere"}, 5, ("minutes", 2.5))
    write_description(RunFolder(tmp_path), description)
    assert read_description(tmp_path) == description
    assert json.loads((tmp_path / "run.json").read_bytes())["versions"]["torch"] == torch.__version__


def test_a_run_holds_no_clock_host_or_path_but_that_of_the_data(run: Path) -> None:
    text = (run / "run.json").read_text()
    assert os.uname().nodename not in text and str(Path.home()) not in text and str(run) not in text
    assert set(json.loads(text)) == {"method", "config", "categories", "category_ids", "data", "seed", "limit", "versions"}


@BOMBS
@pytest.mark.parametrize("name", ["weights.safetensors", "state.safetensors"])
def test_a_bomb_in_a_run_does_not_go_off(
    write_bomb: Callable[[Bomb, Path], None], name: str, copied: Path, tmp_path: Path, run: Path
) -> None:
    write_bomb(Bomb(tmp_path / "gone-off"), copied / name)
    with pytest.raises(DataError, match="not a readable safetensors file") as error:
        if name.startswith("weights"):
            Predictor(copied, device="cpu")
        else:
            train(tiny_settings(tiny_data(run.parent.parent), epochs=RUN_EPOCHS), copied, resume=True)
    assert one_line(error).startswith(str(copied / name))
    assert not (tmp_path / "gone-off").exists()


@BOMBS
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors", ""])
def test_a_bomb_as_pretrained_weights_does_not_go_off(
    write_bomb: Callable[[Bomb, Path], None], suffix: str, tmp_path: Path, run: Path
) -> None:
    path = tmp_path / f"resnet{suffix}"
    write_bomb(Bomb(tmp_path / "gone-off"), path)
    of = tiny_settings(tiny_data(run.parent.parent), changes={"pretrained": str(path)})
    with pytest.raises(DataError, match="safe to read|safetensors") as error:
        train(of, tmp_path / "run")
    assert str(path) in one_line(error)
    assert not (tmp_path / "gone-off").exists()


def test_the_bombs_would_go_off(tmp_path: Path) -> None:
    for write_bomb in (pickled, zipped, legacy):
        target = tmp_path / f"gone-off-{write_bomb.__name__}"
        write_bomb(Bomb(target), tmp_path / "bomb")
        if write_bomb is pickled:
            pickle.loads((tmp_path / "bomb").read_bytes())
        else:
            torch.load(tmp_path / "bomb", weights_only=False)
        assert target.is_dir()


@pytest.mark.parametrize("share", [0.0, 0.00001, 0.1, 0.5, 0.999])
def test_a_truncated_checkpoint_is_refused(share: float, copied: Path) -> None:
    for name in ("weights.safetensors", "state.safetensors"):
        whole = (copied / name).read_bytes()
        (copied / name).write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(DataError, match="not a readable safetensors file") as error:
            load_tensors(copied / name)
        assert one_line(error).startswith(str(copied / name))
    with pytest.raises(DataError):
        Predictor(copied, device="cpu")


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_damaged_pretrained_weights_are_refused_or_read(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Truncated, with a byte changed, or not at all what was expected: a line, never a traceback of torch's."""
    path = tmp_path_factory.getbasetemp() / "damaged.pth"
    tensors = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(1)}
    torch.save(tensors, path, _use_new_zipfile_serialization=data.draw(st.booleans()))
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[place:]
    else:
        content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        read = read_weights(path)
    except DataError as error:
        assert str(path) in str(error) and "\n" not in str(error)
    else:
        assert all(isinstance(tensor, torch.Tensor) for tensor in read.values())


@pytest.mark.parametrize("content", [b"", b"weights", b"\x80\x04N.", b"\x80\x04]\x94.", b"PK\x03\x04", bytes(range(99))])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_what_holds_no_weights_is_refused(content: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        read_weights(path)
    assert str(path) in one_line(error)


def test_pretrained_weights_are_found_in_both_formats(tmp_path: Path) -> None:
    tensors = {"stem.weight": torch.rand(3, 2), "count": torch.tensor(4)}
    torch.save(tensors, tmp_path / "w.pth")
    save_tensors(tmp_path / "w.safetensors", tensors, {})
    for name in ("w.pth", "w.safetensors"):
        read = read_weights(tmp_path / name)
        assert read.keys() == tensors.keys() and all(torch.equal(read[key], tensors[key]) for key in tensors)
    for name in ("none.pth", "none.safetensors"):
        with pytest.raises(DataError, match="no such file"):
            read_weights(tmp_path / name)
    torch.save([torch.ones(2)], tmp_path / "list.pth")
    with pytest.raises(DataError, match="a dictionary of tensors"):
        read_weights(tmp_path / "list.pth")


def test_training_starts_from_pretrained_weights(tmp_path: Path, run: Path) -> None:
    torch.manual_seed(99)
    body = build_backbone(TINY).body.state_dict()
    torch.save(body | {"fc.weight": torch.ones(2, 2)}, tmp_path / "body.pth")
    # so slow that the weights stay what they were
    changes = {"pretrained": str(tmp_path / "body.pth"), "learning_rate": 1e-12, "average": 0.0}
    train(tiny_settings(tiny_data(run.parent.parent), epochs=0.1, changes=changes), tmp_path / "run")
    weights, _ = load_tensors(tmp_path / "run" / "weights.safetensors")
    convolutions = [name for name, tensor in body.items() if tensor.dim() == 4]
    assert convolutions and all(torch.allclose(weights[f"backbone.body.{name}"], body[name], atol=1e-8) for name in convolutions)


def test_weights_of_another_configuration_are_refused(copied: Path) -> None:
    values = json.loads((copied / "run.json").read_bytes())
    values["config"]["box_channels"] = 48
    (copied / "run.json").write_text(json.dumps(values))
    with pytest.raises(DataError, match=r"expected shape \(48, \d+\), got \(32, \d+\)") as error:
        Predictor(copied, device="cpu")
    assert one_line(error).startswith(str(copied / "weights.safetensors"))
    values["config"]["cascade_ious"] = [0.5]
    (copied / "run.json").write_text(json.dumps(values))
    with pytest.raises(DataError, match=r"not the weights of this configuration: 0 are missing, \d+ unknown; first: cascade"):
        Predictor(copied, device="cpu")


def test_fill_changes_nothing_where_it_refuses() -> None:
    target = {"a": torch.zeros(2), "b": torch.zeros(3)}
    for tensors in ({"a": torch.ones(2)}, {"a": torch.ones(2), "b": torch.ones(4)}, {name: torch.ones(1) for name in "abc"}):
        with pytest.raises(DataError, match="^there: "):
            fill(target, tensors, "there")
        assert not target["a"].any() and not target["b"].any()
    fill(target, {"b": torch.ones(3), "a": torch.ones(2)}, "there")
    assert target["a"].all() and target["b"].all()


@pytest.mark.parametrize(
    "change",
    [
        lambda values: [values],
        lambda values: values | {"config": []},
        lambda values: values | {"config": values["config"] | {"colour": 3}},
        lambda values: values | {"config": values["config"] | {"rois": "many"}},
        lambda values: values | {"config": values["config"] | {"rois": -1}},
        lambda values: values | {"config": {k: v for k, v in values["config"].items() if k != "rois"}},
        lambda values: {k: v for k, v in values.items() if k != "categories"},
        lambda values: values | {"categories": 10},
        lambda values: values | {"limit": None},
    ],
)
def test_a_broken_description_is_refused(change: Callable[[dict[str, Any]], Any], copied: Path) -> None:
    path = copied / "run.json"
    path.write_text(json.dumps(change(json.loads(path.read_bytes()))))
    with pytest.raises(DataError, match="not the description of a run") as error:
        read_description(copied)
    assert one_line(error).startswith(str(path))


def test_what_is_no_run_is_told(copied: Path, tmp_path: Path) -> None:
    for folder in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(DataError, match="no training run there") as error:
            Predictor(folder, device="cpu")
        assert one_line(error).startswith(str(folder))
    (copied / "run.json").write_bytes(b'{"method": "plin"')
    with pytest.raises(DataError, match="not the description of a run"):
        read_description(copied)
    (copied / "run.json").unlink()
    with pytest.raises(DataError, match="no training run there"):
        read_description(copied)


def test_a_run_without_weights_is_told(copied: Path) -> None:
    (copied / "weights.safetensors").unlink()
    with pytest.raises(DataError, match="has the run saved anything yet"):
        Predictor(copied, device="cpu")
