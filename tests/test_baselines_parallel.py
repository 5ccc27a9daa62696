"""Two processes that train one model: the same weights, one line where one of them dies, and nothing left behind."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import save_file

from amodalsynth.baselines.checkpoint import RunFolder, load_tensors
from amodalsynth.baselines.data_spec import open_data
from amodalsynth.baselines.example import Example
from amodalsynth.baselines.loader import TrainingLoader
from amodalsynth.baselines.metrics import read_metrics
from amodalsynth.baselines.parallel import Team, launch, team_of_torchrun
from amodalsynth.baselines.train import train
from amodalsynth.baselines.training import Training, TrainSettings
from amodalsynth.errors import AmodalSynthError, DataError
from tests.tiny_runs import STEPS_PER_EPOCH, TINY, TRAIN_IMAGES, often, settings, tiny_data


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_data(tmp_path_factory.getbasetemp())


@pytest.fixture(autouse=True)
def nothing_left(monkeypatch: pytest.MonkeyPatch):
    """Every process that a test starts must have ended with it."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    yield
    left = [process for process in psutil.Process().children(recursive=True) if process.pid not in before]
    assert not [process for process in left if "resource_tracker" not in " ".join(process.cmdline())]
    assert not torch.distributed.is_initialized()


def train_and_write(team: Team, of: TrainSettings, run: RunFolder) -> None:
    """Train as a member of `team`, then write down which weights this process has."""
    training = Training(team, of, run, open_data(of.data, of.config, of.seed, run.root, again=True), torch.device("cpu"))
    training.go_on(None)
    weights = {name: parameter.detach().contiguous() for name, parameter in training.model.named_parameters()}
    save_file(weights, run.root / f"rank{team.rank}.safetensors")


def test_both_processes_have_the_same_weights_and_nearly_the_losses_of_one(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    often(monkeypatch)
    train(settings(data), tmp_path / "one")
    (tmp_path / "two").mkdir()
    of, run = settings(data), RunFolder(tmp_path / "two")
    open_data(of.data, of.config, of.seed, run.root)  # draws the points that both find
    with launch(2, train_and_write, of, run) as team:
        train_and_write(team, of, run)
        in_time = time.monotonic() + 300
        while not (run.root / "rank1.safetensors").exists():
            assert time.monotonic() < in_time
            time.sleep(0.01)
    ranks = [load_tensors(run.root / f"rank{rank}.safetensors")[0] for rank in range(2)]
    assert ranks[0].keys() == ranks[1].keys()
    for name, tensor in ranks[0].items():
        assert torch.equal(tensor, ranks[1][name])
    both, single = ([row["loss"] for row in read_metrics(root)] for root in (run.root, tmp_path / "one"))
    assert both != single and len(both) == len(single) == STEPS_PER_EPOCH
    assert both == pytest.approx(single, rel=0.2)  # each process norms and samples its own half of the batch


def die(team: Team) -> None:
    team.average([torch.ones(2)], torch.ones(1))
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_is_told_on_one_line() -> None:
    def lead() -> None:
        with launch(2, die) as team:
            value = torch.full((2,), 3.0)
            told = team.average([value], torch.tensor([5.0]))
            assert value.tolist() == [2.0, 2.0] and told.tolist() == [3.0]
            while True:
                team.average([value], told)

    with pytest.raises(AmodalSynthError, match=r"ended unexpectedly \(exit status -9\).*--processes 1") as error:
        lead()
    assert "\n" not in str(error.value)


class Broken:
    """As many examples as the data set has, none of which can be read; `asked` is the first that was asked for."""

    asked = -1

    def __len__(self) -> int:
        return TRAIN_IMAGES

    def __getitem__(self, k: int) -> Example:
        self.asked = k
        raise DataError(f"example {k} is broken")


def test_an_error_of_the_second_process_is_told(data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    of, broken = settings(shutil.copytree(data, tmp_path / "data"), num_processes=2), Broken()
    parts = TrainingLoader(broken, batch_size=TINY.batch_size, seed=of.seed, max_instances=4, points_per_iteration=5, rank=1, world_size=2)
    with pytest.raises(DataError):
        next(iter(parts))
    image = sorted((tmp_path / "data" / "images" / "train").iterdir())[broken.asked]
    image.write_bytes(b"no image")
    with pytest.raises(DataError, match=image.name) as error:
        train(of, tmp_path / "run")
    assert "\n" not in str(error.value)
    assert "Traceback" not in capfd.readouterr().err


def test_a_team_of_one_needs_nobody() -> None:
    with launch(1, die) as team:
        value = torch.tensor([3.0])
        assert team.leads and team.average([value], torch.tensor([7.0])).tolist() == [7.0] and value.tolist() == [3.0]
    assert team_of_torchrun() is None


def test_an_own_mistake_is_no_lost_process() -> None:
    def lead() -> None:
        with launch(2, wait_for_ever):
            raise RuntimeError("our own mistake")

    with pytest.raises(RuntimeError, match="our own mistake"):
        lead()


def wait_for_ever(_team: Team) -> None:
    while True:
        time.sleep(1)
