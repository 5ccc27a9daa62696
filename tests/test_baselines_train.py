"""Who owns the folder of a run, what is refused, and what is said."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from amodalsynth.baselines.checkpoint import RunFolder
from amodalsynth.baselines.data_spec import DataSpec
from amodalsynth.baselines.train import train
from amodalsynth.baselines.training import TrainEvent
from amodalsynth.coco_index import find_coco_files
from amodalsynth.errors import AmodalSynthError, ConfigurationError, DataError, OutputConflict
from amodalsynth.files import locked
from amodalsynth.points import points_path, write_points
from tests.tiny_runs import (
    RUN_EPOCHS,
    TINY,
    often,
    settings,
    tiny_data,
    tiny_run,
)


class Stop(Exception):
    """Somebody's own reason to stop."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_data(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[TrainEvent, ...]]:
    return tiny_run(tmp_path_factory.getbasetemp())


def one_line(error: pytest.ExceptionInfo[AmodalSynthError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


def test_a_finished_run_says_so(finished: tuple[Path, tuple[TrainEvent, ...]], data: Path) -> None:
    run, events = finished
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    done = train(settings(data, epochs=RUN_EPOCHS), run, resume=True, report=lambda event: pytest.fail("it trained"))
    assert (done.status, done.steps, done.images) == ("finished", events[-1].step, events[-1].images)
    assert done.seconds == pytest.approx(events[-1].seconds, abs=1e-3)
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


def test_a_run_that_was_killed_early_begins_again(data: Path, tmp_path: Path) -> None:
    """What is there before run.json: the lock, points that were drawn, and half-written files."""
    run = tmp_path / "run"
    run.mkdir()
    for name in (".lock", ".instances_train_n10_v1_without_masks.json.77.tmp", ".run.json.77.tmp"):
        (run / name).write_bytes(b"{")
    assert train(settings(data, epochs=0.1), run).steps == 1
    assert not [path.name for path in run.iterdir() if path.suffix == ".tmp"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, "seed = 0, not 1"),
        ({"epochs": 13.0}, "limit = ('epochs', 12"),
        ({"epochs": None, "minutes": 3.0}, "('minutes', 3.0)"),
        ({"method": "implicit-pointrend"}, "method = plin, not implicit-pointrend"),
        ({"changes": {"learning_rate": 0.5}}, f"config.learning_rate = {TINY.learning_rate}, not 0.5"),
        ({"changes": {"cascade_ious": (0.5,)}}, "config.cascade_ious = [0.5, 0.6, 0.7], not [0.5]"),
        ({"data": "elsewhere"}, "data = {'data': "),
    ],
)
def test_another_run_in_the_same_folder_is_refused(
    finished: tuple[Path, tuple[TrainEvent, ...]], data: Path, change: dict[str, Any], named: str
) -> None:
    run, _ = finished
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    with pytest.raises(OutputConflict, match="--out") as error:
        train(settings(**({"data": data, "epochs": RUN_EPOCHS} | change)), run, resume=True)
    assert named in one_line(error)
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


def test_a_second_process_in_the_folder_is_refused(finished: tuple[Path, tuple[TrainEvent, ...]], data: Path) -> None:
    run, _ = finished
    with locked(RunFolder(run).lock, AssertionError()), pytest.raises(OutputConflict, match="another process") as error:
        train(settings(data, epochs=RUN_EPOCHS), run)
    assert one_line(error).startswith(str(run))


def test_the_folder_is_held_while_it_trains(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    often(monkeypatch)
    refused: list[str] = []

    def begin_another(_event: TrainEvent) -> None:
        with pytest.raises(OutputConflict) as error:
            train(settings(data, epochs=0.1), tmp_path / "run", resume=True)
        refused.append(one_line(error))

    train(settings(data, epochs=0.1), tmp_path / "run", report=begin_another)
    assert len(refused) == 1 and "another process" in refused[0]


def test_a_strangers_folder_is_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputConflict, match="not empty") as error:
        train(settings(data), tmp_path, resume=True)
    assert one_line(error).startswith(str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(OutputConflict, match="is a file"):
        train(settings(data), tmp_path / "thesis.tex")
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_two_limits_are_refused_before_anything_is_written(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--epochs and --minutes"):
        train(settings(data, epochs=1, minutes=1.0), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_no_data_leaves_a_folder_that_can_be_used(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        train(settings(tmp_path / "nowhere"), tmp_path / "run")
    assert train(settings(data, epochs=0.1), tmp_path / "run").steps == 1


def test_points_are_drawn_as_the_command_would_and_it_says_so(data: Path, tmp_path: Path) -> None:
    told: list[str] = []
    prepared: list[tuple[int, int]] = []
    train(
        settings(data, epochs=0.1, seed=7), tmp_path / "run", note=told.append, preparing=lambda done, total: prepared.append((done, total))
    )
    coco = find_coco_files(data, "train")["train"]
    write_points(coco, tmp_path / "points.json", num_points=TINY.num_points, seed=7)
    drawn = tmp_path / "run" / points_path(coco, TINY.num_points).name
    assert drawn.read_bytes() == (tmp_path / "points.json").read_bytes()
    assert len(told) == 1 and "seed 7" in told[0] and prepared[-1][0] == prepared[-1][1] > 0
    told.clear()
    images = str(data / "images" / "train")
    train(settings(DataSpec(str(tmp_path / "points.json"), images=images), epochs=0.1), tmp_path / "given", note=told.append)
    assert not told


@pytest.mark.parametrize("asked", [1, 2, 3, 5, 64])
def test_the_processes_share_the_batch_evenly(asked: int, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def launch(size: int, *_arguments: Any) -> Any:
        sizes.append(size)
        raise Stop

    monkeypatch.setattr("amodalsynth.baselines.train.launch", launch)
    with pytest.raises(Stop):
        train(settings(data, num_processes=asked), tmp_path / "run")
    assert sizes == [{1: 1, 2: 2, 3: 2, 5: 4, 64: 4}[asked]]


def test_weights_without_their_state_are_not_trained_over(
    finished: tuple[Path, tuple[TrainEvent, ...]], data: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(finished[0], tmp_path / "run"))
    (run / "state.safetensors").unlink()
    before = (run / "weights.safetensors").read_bytes()
    for resume in (False, True):
        with pytest.raises(OutputConflict, match=r"holds weights, but no state.safetensors to go on from"):
            train(settings(data, epochs=RUN_EPOCHS), run, resume=resume)
    assert (run / "weights.safetensors").read_bytes() == before
