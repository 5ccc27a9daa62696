"""The training loop: a step, what is measured, and what is saved to go on from."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed

from amodalsynth.baselines.backbones import load_pretrained
from amodalsynth.baselines.batch import Batch
from amodalsynth.baselines.checkpoint import RunFolder, fill, load_tensors, save_tensors
from amodalsynth.baselines.config import MethodConfig
from amodalsynth.baselines.data_spec import DataSpec, TrainingData, batches
from amodalsynth.baselines.devices import autocast
from amodalsynth.baselines.metrics import MetricsLog
from amodalsynth.baselines.optimization import WeightAverage, build_optimizer, learning_rate
from amodalsynth.baselines.parallel import Team
from amodalsynth.baselines.plin import PLIn, total
from amodalsynth.errors import AmodalSynthError, ConfigurationError
from amodalsynth.rng import training_rng

LOG_EVERY = 20  # steps between rows of the metrics
_SAVE_EVERY = 60.0  # seconds, or
_SAVE_SHARE = 0.03  # so large a share of the time, where saving takes long: the states of large models are gigabytes
_AT_ONCE = 1.0  # seconds in which several signals are one: torchrun sends on what the terminal has sent to all
_CHANCE = 2  # what a random number of the trainer is for; the loader has 0 and 1
_OPTIMIZER, _AVERAGE, _MODEL = "optimizer.", "average.", "model."


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """What to train, on what, for how long and where.

    One of `epochs` and `minutes` of the loop itself, or neither for the configuration's epochs. `device` is auto, cpu, cuda or cuda:N.
    `num_processes` counts on a CPU only; None is one a core. `num_workers` are loader processes of each; None is none on a CPU, whose cores
    train, and up to 8 beside a GPU.
    """

    data: DataSpec
    config: MethodConfig
    method: str = "plin"
    seed: int = 0
    epochs: float | None = None
    minutes: float | None = None
    device: str = "auto"
    num_processes: int | None = None
    num_workers: int | None = None
    tensorboard: bool = False

    def __post_init__(self) -> None:
        if self.epochs is not None and self.minutes is not None:
            raise ConfigurationError("--epochs and --minutes both say how long to train; give one of them")

    @property
    def limit(self) -> tuple[str, float]:
        """("epochs" or "minutes", how many)."""
        return ("minutes", self.minutes) if self.minutes is not None else ("epochs", self.epochs or self.config.epochs)


@dataclass(frozen=True, slots=True)
class TrainEvent:
    """How far a run is, every few steps: the share done, images seen in all and in a second, the mean losses since the last time, their sum."""

    step: int
    progress: float
    images: int
    seconds: float
    images_per_second: float
    learning_rate: float
    losses: dict[str, float]

    @property
    def loss(self) -> float:
        """The sum of the losses."""
        return sum(self.losses.values())

    def row(self) -> dict[str, Any]:
        """A row of the metrics."""
        return {
            "step": self.step,
            "images": self.images,
            "seconds": round(self.seconds, 3),
            "images_per_second": round(self.images_per_second, 2),
            "learning_rate": self.learning_rate,
            "loss": self.loss,
            **self.losses,
        }


@dataclass(frozen=True, slots=True)
class Trained:
    """What `train` did: the folder, steps, images seen, seconds spent training; "made", "finished" where it was already, or "helped" in the
    processes of torchrun that do not lead."""

    out: Path
    steps: int
    images: int
    seconds: float
    status: str


Report = Callable[[TrainEvent], None]


class Training:
    """One process's part in a run."""

    def __init__(self, team: Team, settings: TrainSettings, run: RunFolder, data: TrainingData, device: torch.device) -> None:
        self.team, self.settings, self.config, self.run, self.data, self.device = team, settings, settings.config, run, data, device
        torch.set_float32_matmul_precision("high")
        torch.manual_seed(settings.seed)
        self.model = PLIn(self.config, len(data.categories))
        load_pretrained(self.model.backbone, self.config)
        self.model.to(device=device, memory_format=torch.channels_last)
        self.optimizer = build_optimizer(self.model, self.config)
        self.average = WeightAverage(self.model, self.config.average) if self.config.average else None
        self.step, self.seconds, self.progress = 0, 0.0, 0.0
        if run.state.exists():
            self._load()

    def go_on(self, report: Report | None) -> Trained:
        """Train to the end. Ctrl-C is answered between two steps, when everything is saved."""
        log = MetricsLog(self.run.root, from_step=self.step, tensorboard=self.settings.tensorboard) if self.team.leads else None
        self.model.train()
        source = batches(
            self.data,
            self.settings.data,
            self.config,
            self.settings.seed,
            self.team,
            self.device,
            start_step=self.step,
            num_workers=self._num_workers(),
        )
        with closing(source), _interruptible(self.team) as interrupt:
            batch = next(source)  # which may wait for loader processes to start
            began = time.monotonic() - self.seconds
            save_at = time.monotonic() + _SAVE_EVERY
            window = _Window(self.step, self.seconds)
            while self.progress < 1:
                told = self._one_step(batch, bool(interrupt))
                self.seconds = time.monotonic() - began
                window.add(told.losses)
                if self.step % LOG_EVERY == 0 or self.progress >= 1 or told.interrupted:
                    event = self._measure(window)
                    window = _Window(self.step, self.seconds)
                    if log is not None:
                        log.add(event.row())
                    if report is not None:
                        report(event)
                    if self.team.leads and (self.progress >= 1 or told.interrupted or time.monotonic() > save_at):
                        save_at = self._save()
                if told.interrupted:
                    raise KeyboardInterrupt
                if self.progress < 1:
                    batch = next(source)
        return Trained(self.run.root, self.step, self.step * self.config.batch_size, self.seconds, "made" if self.team.leads else "helped")

    def _one_step(self, batch: Batch, interrupted: bool) -> _Told:
        """Forward, backward and the change of the weights; and what the leading process decides for all."""
        torch.manual_seed(int(training_rng(self.settings.seed, _CHANCE, self.step, self.team.rank).random() * 2**63))
        with autocast(self.device):
            losses = self.model.losses(batch)
        self.optimizer.zero_grad(set_to_none=True)
        total(losses).backward()
        gradients = [parameter.grad for parameter in self.model.parameters() if parameter.grad is not None]
        values = torch.stack([loss.detach() for loss in losses.values()])
        if self.team.size > 1:
            lead = float(self.team.size if self.team.leads else 0)  # the mean over the processes is what the leading one says
            said = torch.tensor((self._progress() * lead, interrupted * lead), device=self.device)
            said, values = self.team.average(gradients, torch.cat((said, values))).split((2, len(values)))
            progress, interrupted = said[0].item(), bool(said[1].item() > 0.5)
        else:
            progress = self._progress()
        rate = learning_rate(self.config, progress)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        if self.config.clip_norm:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        self.optimizer.step()
        if self.average is not None:
            self.average.update(self.model, self.step)
        self.step += 1
        self.progress = 1.0 if self._last_step(progress) else progress
        return _Told(dict(zip(losses, values)), interrupted)

    def _progress(self) -> float:
        """The share of the run that is done before this step."""
        kind, amount = self.settings.limit
        return min(self.seconds / (60 * amount), 1.0) if kind == "minutes" else self.step / self._num_steps()

    def _last_step(self, progress: float) -> bool:
        """Whether the step that has just been made, at `progress`, was the last: the steps are counted, or the time was up."""
        kind, _ = self.settings.limit
        return progress >= 1 if kind == "minutes" else self.step >= self._num_steps()

    def _num_steps(self) -> int:
        return max(1, math.ceil(self.settings.limit[1] * self.data.epoch_images / self.config.batch_size))

    def _measure(self, window: _Window) -> TrainEvent:
        """What has happened since the window was opened; `AmodalSynthError` where a loss is not finite."""
        losses = window.means()
        if not all(map(math.isfinite, losses.values())):
            raise self._diverged(f"the loss '{next(name for name, value in losses.items() if not math.isfinite(value))}' is")
        images = (self.step - window.step) * self.config.batch_size
        rate = images / max(self.seconds - window.seconds, 1e-9)
        done = min(self.progress, 1.0)
        return TrainEvent(self.step, done, self.step * self.config.batch_size, self.seconds, rate, learning_rate(self.config, done), losses)

    def _diverged(self, what: str) -> AmodalSynthError:
        return AmodalSynthError(
            f"{self.run.root}: {what} not finite by step {self.step}; the last weights saved, if any, are sound: try a lower "
            f"--set learning_rate= (it is {self.config.learning_rate:g}) or --set clip_norm=1, in another folder"
        )

    def _num_workers(self) -> int:
        if self.settings.num_workers is not None:
            return self.settings.num_workers
        return min(8, len(os.sched_getaffinity(0)) - 1) if self.device.type == "cuda" else 0

    def _save(self) -> float:
        """Write the weights to use, then the state to resume from; returns the time of the next save, on the monotonic clock.

        `AmodalSynthError` where finite losses had gradients that were not.
        """
        began = time.monotonic()
        weights = self.model.state_dict()
        if not all(tensor.isfinite().all() for tensor in weights.values()):
            raise self._diverged("some weights are")
        save_tensors(self.run.weights, weights | (self.average.state if self.average else {}), {})
        tensors = {_MODEL + name: tensor for name, tensor in weights.items()}
        if self.average is not None:
            tensors |= {_AVERAGE + name: tensor for name, tensor in self.average.state.items()}
        for name, parameter in self.model.named_parameters():
            tensors |= {f"{_OPTIMIZER}{name}.{key}": value for key, value in self.optimizer.state.get(parameter, {}).items()}
        about = {"step": self.step, "images": self.step * self.config.batch_size, "seconds": self.seconds, "progress": self.progress}
        save_tensors(self.run.state, tensors, {name: repr(value) for name, value in about.items()})
        return time.monotonic() + max(_SAVE_EVERY, (time.monotonic() - began) / _SAVE_SHARE)

    def _load(self) -> None:
        tensors, about = load_tensors(self.run.state)
        self.step, self.seconds, self.progress = int(about["step"]), float(about["seconds"]), float(about["progress"])

        def under(prefix: str) -> dict[str, Tensor]:
            return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

        fill(self.model.state_dict(), under(_MODEL), str(self.run.state))
        if self.average is not None:
            fill(self.average.state, under(_AVERAGE), str(self.run.state))
        for name, parameter in self.model.named_parameters():
            kept = under(f"{_OPTIMIZER}{name}.")
            if kept:  # the fused optimizers walk through memory: what they keep must lie there as the parameter does, channels last
                self.optimizer.state[parameter] = {
                    key: torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value.to(self.device)
                    for key, value in kept.items()
                }


@dataclass(frozen=True, slots=True)
class _Told:
    """The losses of a step, on the device, and whether Ctrl-C was pressed."""

    losses: dict[str, Tensor]
    interrupted: bool


class _Window:
    """Sums of the losses over some steps, kept on the device, which nobody has to wait for."""

    def __init__(self, step: int, seconds: float) -> None:
        self.step, self.seconds = step, seconds
        self._sums: dict[str, Tensor] = {}
        self._count = 0

    def add(self, losses: dict[str, Tensor]) -> None:
        self._sums = {name: self._sums[name] + value if self._sums else value for name, value in losses.items()}
        self._count += 1

    def means(self) -> dict[str, float]:
        values = (torch.stack(list(self._sums.values())) / self._count).tolist()
        return dict(zip(self._sums, values))


@contextmanager
def _interruptible(team: Team) -> Iterator[list[float]]:
    """Collect Ctrl-C in the list instead of raising it at once; pressed again, it raises. Outside the main thread nothing is changed.

    Processes that do not lead are told by the one that does: those of `launch` never get the signal, those of torchrun get it and must go on.
    """
    pressed: list[float] = []

    def note(number: int, frame: object) -> None:
        pressed.append(time.monotonic())
        if team.leads and pressed[-1] - pressed[0] > _AT_ONCE:
            raise KeyboardInterrupt

    if not (team.leads or distributed.is_torchelastic_launched()):
        yield pressed
        return
    try:
        closed = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)  # as `nohup` has it
        numbers = (signal.SIGINT, signal.SIGTERM, *closed)
        before = {number: signal.signal(number, note) for number in numbers}
    except ValueError:  # not the main thread
        yield pressed
        return
    try:
        yield pressed
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
