"""The training loop: it learns, goes on bit by bit where it was, never sees a mask, and stops where it must."""

from __future__ import annotations

import csv
import itertools
import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from amodalsynth.baselines import training
from amodalsynth.baselines.checkpoint import load_tensors, read_description
from amodalsynth.baselines.data_spec import DataSpec
from amodalsynth.baselines.metrics import read_metrics
from amodalsynth.baselines.plin import PLIn
from amodalsynth.baselines.predict import Predictor
from amodalsynth.baselines.train import train
from amodalsynth.baselines.training import TrainEvent
from amodalsynth.coco_index import find_coco_files
from amodalsynth.errors import AmodalSynthError, OutputConflict
from amodalsynth.points import write_points
from tests.conftest import REPOSITORY
from tests.tiny_runs import (
    RUN_EPOCHS,
    STEPS_PER_EPOCH,
    TINY,
    often,
    press_ctrl_c,
    same_runs,
    settings,
    stop_at,
    tiny_data,
    tiny_run,
)

TOML = """image_size = [64, 64]
instances = [2, 4]
instance_weights = []
scale = [0.4, 0.9]
num_train = 24
"""


class Stop(Exception):
    """Somebody's own reason to stop."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_data(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[TrainEvent, ...]]:
    return tiny_run(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def scenes(drawn_assets: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> DataSpec:
    """Live scenes of somebody's own photos."""
    preset = tmp_path_factory.mktemp("preset") / "shelf.toml"
    preset.write_text(TOML)
    return DataSpec(f"synth:{preset}", foregrounds=str(drawn_assets[0]), backgrounds=str(drawn_assets[1]))


def one_line(error: pytest.ExceptionInfo[AmodalSynthError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


def raise_stop() -> None:
    raise Stop


def test_the_losses_fall_and_the_metrics_say_so(finished: tuple[Path, tuple[TrainEvent, ...]]) -> None:
    run, events = finished
    first, last = events[0].losses, events[-1].losses
    assert last["rpn_objectness"] < 0.5 * first["rpn_objectness"]
    assert last["points"] < 0.7 * first["points"]
    assert events[-1].loss < events[0].loss
    assert [event.step for event in events] == [20, 40, 60, 72]
    assert events[-1].progress == 1 and events[-1].images == events[-1].step * TINY.batch_size
    rows = read_metrics(run)
    assert rows == [event.row() for event in events]
    with (run / "metrics.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [{name: float(value) for name, value in row.items()} for row in table] == rows
    assert list(rows[0]) == list(table[0])
    for row, event in zip(rows, events):
        assert row["loss"] == pytest.approx(sum(event.losses.values()))


def test_the_weights_load_and_are_the_moving_average(finished: tuple[Path, tuple[TrainEvent, ...]]) -> None:
    run, _ = finished
    weights, _ = load_tensors(run / "weights.safetensors")
    state, about = load_tensors(run / "state.safetensors")
    assert (int(about["step"]), float(about["progress"])) == (RUN_EPOCHS * STEPS_PER_EPOCH, 1.0)
    for name, tensor in Predictor(run, device="cpu").model.state_dict().items():
        assert torch.equal(tensor, weights[name])
        if tensor.is_floating_point():
            assert torch.equal(tensor, state[f"average.{name}"])
    assert any(not torch.equal(tensor, state[f"model.{name}"]) for name, tensor in weights.items())


@pytest.mark.parametrize("kind", ["stored", "synth"])
@pytest.mark.parametrize(("stop", "error"), [(raise_stop, Stop), (press_ctrl_c, KeyboardInterrupt)])
def test_an_interrupted_run_goes_on_bit_by_bit(
    data: Path,
    scenes: DataSpec,
    kind: str,
    stop: Callable[[], None],
    error: type[BaseException],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    often(monkeypatch, log_every=2)
    of = settings(data if kind == "stored" else scenes, changes={"quarter_turns": True})
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(of, whole)
    with pytest.raises(error):
        train(of, parts, report=stop_at(4, stop))
    _, about = load_tensors(parts / "state.safetensors")
    assert int(about["step"]) == (2 if error is Stop else 5)  # Ctrl-C ends the next step, and saves it
    with pytest.raises(OutputConflict, match="--resume"):
        train(of, parts)
    heard: list[int] = []
    done = train(of, parts, resume=True, report=lambda event: heard.append(event.step))
    assert (done.status, done.steps) == ("made", STEPS_PER_EPOCH) and heard == ([4, 6] if error is Stop else [6])
    assert same_runs(whole, parts)
    assert [row["step"] for row in read_metrics(parts)] == ([2, 4, 6] if error is Stop else [2, 4, 5, 6])
    _, *lines = (parts / "metrics.csv").read_text().splitlines()
    assert [int(line.split(",")[0]) for line in lines] == [row["step"] for row in read_metrics(parts)]
    said = {row["step"]: row["points"] for row in read_metrics(whole)}
    assert all(row["points"] == said[row["step"]] for row in read_metrics(parts) if row["step"] <= 4)


@pytest.mark.parametrize(("at_once", "saved"), [(1.0, 5), (-1.0, 3)])
def test_signals_at_once_are_one_and_a_later_one_does_not_wait(
    at_once: float, saved: int, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torchrun sends on what the terminal has sent to all; whoever presses again will not wait for the step to end."""
    often(monkeypatch)
    monkeypatch.setattr(training, "_AT_ONCE", at_once)

    def press_twice() -> None:
        press_ctrl_c()
        press_ctrl_c()

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(settings(data), tmp_path / "run", report=stop_at(4, press_twice))
    assert int(load_tensors(tmp_path / "run" / "state.safetensors")[1]["step"]) == saved
    assert signal.getsignal(signal.SIGINT) is before


KILLED = """
import os, signal, sys
from pathlib import Path
from amodalsynth.baselines import training
from tests.tiny_runs import settings
from amodalsynth.baselines.train import train
training.LOG_EVERY, training._SAVE_EVERY, training._SAVE_SHARE = 1, -1.0, float("inf")
def report(event):
    if event.step == 5:
        os.kill(os.getpid(), signal.SIGKILL)
train(settings(Path(sys.argv[1])), sys.argv[2], report=report)
"""


def test_a_killed_run_goes_on_bit_by_bit(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    often(monkeypatch)
    train(settings(data), tmp_path / "whole")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", KILLED, str(data), str(tmp_path / "parts")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == -9, done.stderr
    assert int(load_tensors(tmp_path / "parts" / "state.safetensors")[1]["step"]) == 4
    train(settings(data), tmp_path / "parts", resume=True)
    assert same_runs(tmp_path / "whole", tmp_path / "parts")
    assert [row["step"] for row in read_metrics(tmp_path / "parts")] == [1, 2, 3, 4, 5, 6]


def test_minutes_are_kept_over_interruptions(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    often(monkeypatch)
    of = settings(data, epochs=None, minutes=0.012)
    with pytest.raises(Stop):
        train(of, tmp_path / "run", report=stop_at(3, raise_stop))
    done = train(of, tmp_path / "run", resume=True)
    assert 0.72 <= done.seconds < 10 and done.steps > 3
    rows = read_metrics(tmp_path / "run")
    assert [row["step"] for row in rows] == list(range(1, done.steps + 1))
    assert all(earlier["seconds"] <= later["seconds"] for earlier, later in itertools.pairwise(rows))
    assert float(load_tensors(tmp_path / "run" / "state.safetensors")[1]["progress"]) == 1


def test_without_a_limit_the_configuration_says_how_long(data: Path, tmp_path: Path) -> None:
    done = train(settings(data, epochs=None, changes={"epochs": 0.5}), tmp_path / "run")
    assert done.steps == STEPS_PER_EPOCH // 2
    assert read_description(tmp_path / "run").limit == ("epochs", 0.5)


def with_masks(points: Path, masks: list[Any], out: Path) -> Path:
    """The points file with masks under the keys of our data sets."""
    content = json.loads(points.read_bytes())
    for annotation, (segmentation, visible, invisible) in zip(content["annotations"], masks, strict=True):
        annotation |= {"segmentation": segmentation, "visible_mask": visible, "invisible_mask": invisible}
    out.write_text(json.dumps(content))
    return out


def test_the_masks_never_reach_the_model(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    often(monkeypatch)
    coco = find_coco_files(data, "train")["train"]
    without = tmp_path / "without.json"
    write_points(coco, without, num_points=TINY.num_points, seed=0)
    true = [[a[key] for key in ("segmentation", "visible_mask", "invisible_mask")] for a in json.loads(coco.read_bytes())["annotations"]]
    garbage = [([["no", "polygon"]], 17, {"size": [1, 1], "counts": "\x00~~~"}), ([], None, "none"), (None, [[0, 0, 9, 9]], {})] * len(true)
    files = {
        "without": without,
        "with": with_masks(without, true, tmp_path / "with.json"),
        "garbage": with_masks(without, garbage[: len(true)], tmp_path / "garbage.json"),
    }
    heard: dict[str, list[dict[str, float]]] = {name: [] for name in files}
    for name, file in files.items():
        spec = DataSpec(str(file), images=str(data / "images" / "train"))
        train(settings(spec), tmp_path / name, report=lambda event, name=name: heard[name].append(event.losses))
    assert len(heard["without"]) == STEPS_PER_EPOCH
    assert heard["without"] == heard["with"] == heard["garbage"]
    assert same_runs(tmp_path / "without", tmp_path / "with") and same_runs(tmp_path / "without", tmp_path / "garbage")


def test_a_loss_that_is_not_finite_stops_the_run(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    often(monkeypatch)
    losses, calls = PLIn.losses, iter(range(100))

    def spoilt(model: PLIn, batch: Any) -> dict[str, torch.Tensor]:
        found = losses(model, batch)
        return found | {"points": found["points"] * math.nan} if next(calls) == 3 else found

    monkeypatch.setattr(PLIn, "losses", spoilt)
    with pytest.raises(AmodalSynthError, match="'points' is not finite by step 4") as error:
        train(settings(data), tmp_path / "run")
    assert "--set learning_rate=" in one_line(error) and one_line(error).startswith(str(tmp_path / "run"))
    assert int(load_tensors(tmp_path / "run" / "state.safetensors")[1]["step"]) == 3
    assert_finite(tmp_path / "run")
    assert [row["step"] for row in read_metrics(tmp_path / "run")] == [1, 2, 3]


def test_gradients_that_are_not_finite_spoil_nothing(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The losses of a step are sound and the weights after it are not: they must not be saved."""
    often(monkeypatch)
    losses, calls = PLIn.losses, iter(range(100))

    def spoilt(model: PLIn, batch: Any) -> dict[str, torch.Tensor]:
        found = losses(model, batch)
        return found | {"points": found["points"] + (0 * found["points"]).sqrt()} if next(calls) == 2 else found

    monkeypatch.setattr(PLIn, "losses", spoilt)
    with pytest.raises(AmodalSynthError, match="some weights are not finite by step 3") as error:
        train(settings(data), tmp_path / "run")
    assert "--set learning_rate=" in one_line(error)
    assert int(load_tensors(tmp_path / "run" / "state.safetensors")[1]["step"]) == 2
    assert_finite(tmp_path / "run")


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_learning_rate_far_too_high_is_told(optimizer: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    often(monkeypatch)
    changes = {"optimizer": optimizer, "learning_rate": 1e6, "clip_norm": 0.0, "warmup": 0.0}
    with pytest.raises(AmodalSynthError, match="not finite by step") as error:
        train(settings(data, changes=changes), tmp_path / "run")
    assert "it is 1e+06" in one_line(error)
    assert_finite(tmp_path / "run")


def assert_finite(run: Path) -> None:
    for name in ("weights.safetensors", "state.safetensors"):
        assert all(tensor.isfinite().all() for tensor in load_tensors(run / name)[0].values())


@pytest.mark.parametrize(
    "fault",
    [
        lambda: torch.empty(1 << 46),
        lambda: (_ for _ in ()).throw(MemoryError()),
        lambda: (_ for _ in ()).throw(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB\nand more lines")),
    ],
)
def test_too_little_memory_says_which_knob(fault: Callable[[], Any], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def losses(_model: PLIn, _batch: Any) -> Any:
        next(iter([fault()]))

    monkeypatch.setattr(PLIn, "losses", losses)
    with pytest.raises(AmodalSynthError, match="out of memory.*--set batch_size=") as error:
        train(settings(data), tmp_path / "run")
    assert "image_size" in one_line(error)


def test_another_runtime_error_is_not_taken_for_it(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def losses(_model: PLIn, _batch: Any) -> Any:
        raise RuntimeError("our own mistake")

    monkeypatch.setattr(PLIn, "losses", losses)
    with pytest.raises(RuntimeError, match="our own mistake"):
        train(settings(data), tmp_path / "run")
