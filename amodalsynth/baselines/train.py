"""Training a model into a folder: who owns the folder, what is refused, and which processes take part."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import torch

from amodalsynth.baselines.checkpoint import RunDescription, RunFolder, load_about, read_description, write_description
from amodalsynth.baselines.config import MethodConfig
from amodalsynth.baselines.data_spec import Progress, TrainingData, open_data
from amodalsynth.baselines.devices import out_of_memory_told, resolve_device
from amodalsynth.baselines.parallel import Team, launch, team_of_torchrun
from amodalsynth.baselines.training import Report, Trained, Training, TrainSettings
from amodalsynth.errors import OutputConflict
from amodalsynth.files import locked

Note = Callable[[str], None]


def train(
    settings: TrainSettings,
    out: str | Path,
    *,
    resume: bool = False,
    report: Report | None = None,
    note: Note | None = None,
    preparing: Progress | None = None,
) -> Trained:
    """Train a model into the folder `out` (`checkpoint` says what is in it).

    `report` hears of progress, `note` is given lines for people, `preparing(done, total)` counts while points are drawn or assets prepared. On a
    CPU the same settings give the same weights, however often the run is interrupted and resumed, where its length is given in epochs.
    `OutputConflict` where `out` holds another run, or an unfinished one without `resume`; `AmodalSynthError` where a loss is not finite.
    """
    device = resolve_device(settings.device)
    settings = replace(settings, config=resolve_config(settings.config))
    run = RunFolder(Path(out))
    team = team_of_torchrun()
    if team is not None:
        return _train_in_torchrun(team, settings, run, device, resume, report, note, preparing)
    with _owned(run, settings) as finished:
        if finished is not None:
            return finished
        data = _begin(run, settings, resume, note, preparing)
        size = _num_processes(settings) if device.type == "cpu" else 1
        with launch(size, _follow, settings, run) as team, out_of_memory_told():
            return Training(team, settings, run, data, device).go_on(report)


def resolve_config(config: MethodConfig) -> MethodConfig:
    """`config` with norm "auto" decided: frozen where the backbone is pretrained."""
    if config.norm != "auto":
        return config
    return replace(config, norm="frozen" if config.has_frozen_norm else "batch")


def _train_in_torchrun(
    team: Team,
    settings: TrainSettings,
    run: RunFolder,
    device: torch.device,
    resume: bool,
    report: Report | None,
    note: Note | None,
    preparing: Progress | None,
) -> Trained:
    """Train as one of the processes that torchrun started; the others wait until the first has found or made what all read."""
    if device.type == "cuda":
        device = torch.device("cuda", team.local_rank)
        torch.cuda.set_device(device)
    with _owned(run, settings) if team.leads else nullcontext() as finished, out_of_memory_told():
        data = _begin(run, settings, resume, note, preparing) if team.leads and finished is None else None
        if team.agree(finished is not None, device):
            return finished or Trained(run.root, 0, 0, 0.0, "helped")
        data = data or open_data(settings.data, settings.config, settings.seed, run.root, again=True)
        return Training(team, settings, run, data, device).go_on(report if team.leads else None)


def _follow(team: Team, settings: TrainSettings, run: RunFolder) -> None:
    """What the processes run that `launch` starts: the same, in silence."""
    data = open_data(settings.data, settings.config, settings.seed, run.root, again=True)
    with out_of_memory_told():
        Training(team, settings, run, data, torch.device("cpu")).go_on(None)


def _num_processes(settings: TrainSettings) -> int:
    """As many as asked for, or one a core, that can share the batch evenly."""
    most = settings.num_processes or len(os.sched_getaffinity(0))
    return max(n for n in range(1, most + 1) if settings.config.batch_size % n == 0)


@contextmanager
def _owned(run: RunFolder, settings: TrainSettings) -> Iterator[Trained | None]:
    """Hold the folder of a run; gives what was done where it is finished. `OutputConflict` where it holds something else."""
    if run.root.exists() and not run.root.is_dir():
        raise OutputConflict(f"{run.root}: is a file; expected a folder to write the run to")
    if run.root.is_dir() and not run.description.exists() and not all(map(run.is_early, run.root.iterdir())):
        raise OutputConflict(f"{run.root}: is not empty and holds no training run; give an empty or new folder with --out")
    run.root.mkdir(parents=True, exist_ok=True)
    with locked(run.lock, OutputConflict(f"{run.root}: another process is training there; wait for it, or write to another folder")):
        for path in run.half_written():
            path.unlink()
        finished = None
        if run.description.exists():
            _refuse_another(run, settings)
            finished = _finished(run)
        yield finished


def _finished(run: RunFolder) -> Trained | None:
    """What was done in a run that has reached its end."""
    if not run.state.exists():
        return None
    about = load_about(run.state)
    if float(about["progress"]) < 1:
        return None
    return Trained(run.root, int(about["step"]), int(about["images"]), float(about["seconds"]), "finished")


def _refuse_another(run: RunFolder, settings: TrainSettings) -> None:
    """`OutputConflict` naming the first choice in which the run in a folder differs from what is asked for."""
    there = read_description(run.root)
    asked = {"method": settings.method, "data": settings.data.to_json(), "seed": settings.seed, "limit": settings.limit}
    differing = {name: (getattr(there, name), value) for name, value in asked.items() if getattr(there, name) != value}
    old, new = there.config.to_json(), settings.config.to_json()
    differing |= {f"config.{name}": (old[name], new[name]) for name in new if old[name] != new[name]}
    if differing:
        name, (has, wants) = next(iter(differing.items()))
        raise OutputConflict(f"{run.root}: holds a run with {name} = {has}, not {wants}; write to another folder with --out")


def _begin(run: RunFolder, settings: TrainSettings, resume: bool, note: Note | None, preparing: Progress | None) -> TrainingData:
    """Open the data and write down what the run is."""
    if run.state.exists() and not resume:
        raise OutputConflict(f"{run.root}: holds an unfinished run; go on with --resume, or write to another folder with --out")
    if run.weights.exists() and not run.state.exists():
        raise OutputConflict(f"{run.root}: holds weights, but no {run.state.name} to go on from; write to another folder with --out")
    config = settings.config
    data = open_data(settings.data, config, settings.seed, run.root, again=run.description.exists(), progress=preparing)
    if data.points_drawn and note:
        note(f"no points were given: {config.num_points} an instance are drawn with seed {settings.seed}, as `amodalsynth points` does")
    write_description(
        run,
        RunDescription(settings.method, config, data.categories, data.category_ids, settings.data.to_json(), settings.seed, settings.limit),
    )
    return data
