"""The paper's ablation (section 5.2): every row trained and evaluated under one budget, over several seeds, in a folder that can go on.

OUT/benchmark.json         what the rows share: configuration, data, budget, device; the same for all of the folder's life
OUT/<training>-seed<k>/    a run (`checkpoint`), and in it a folder for each row of the same weights, with its results and evaluation
OUT/table.json, table.md   the outcome so far, written anew after each training
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import torch

from amodalsynth.baselines.ablation_rows import ROWS, Row
from amodalsynth.baselines.ablation_tables import make_table, summarise_seeds
from amodalsynth.baselines.data import locate_data
from amodalsynth.baselines.devices import resolve_device
from amodalsynth.baselines.evaluate import evaluate_run
from amodalsynth.baselines.metrics import read_metrics
from amodalsynth.baselines.train import Note, train
from amodalsynth.baselines.training import TrainSettings
from amodalsynth.errors import DataError, OutputConflict
from amodalsynth.files import locked, write_file

_PACKAGES = ("amodalsynth", "numpy", "pycocotools", "torch", "torchvision")


@dataclass(frozen=True, slots=True)
class AblationSettings:
    """What the rows share, and how many there are.

    training: data, budget, device and the configuration that each row changes in some fields; its seed is the first of `num_seeds`
    consecutive ones. test: the data set or COCO file with amodal masks to evaluate `split` of. rows: those of ROWS to train and evaluate.
    """

    training: TrainSettings
    test: Path
    split: str = "test"
    rows: tuple[Row, ...] = ROWS
    num_seeds: int = 3

    @property
    def seeds(self) -> range:
        """The seeds of the trainings."""
        return range(self.training.seed, self.training.seed + self.num_seeds)

    @property
    def trainings(self) -> dict[str, list[Row]]:
        """The name of each training and the rows that share its weights."""
        return {name: [row for row in self.rows if row.training == name] for name in dict.fromkeys(row.training for row in self.rows)}


@dataclass(frozen=True, slots=True)
class AblationEvent:
    """The `share` done of a stage, "preparing", "training" or "evaluating"; and, at the end of the last, what the evaluation says."""

    stage: str
    share: float
    evaluation: Mapping[str, Any] | None = None


Report = Callable[[str, int, AblationEvent], None]  # of the training or the row called so, and the seed


def pending_trainings(settings: AblationSettings, out: str | Path) -> list[tuple[str, int]]:
    """The (training, seed) pairs that some row still waits for, in the order of `run_ablation`: the rows of a seed, then the next seed."""
    return [
        (name, seed)
        for seed in settings.seeds
        for name, rows in settings.trainings.items()
        if any(not _evaluation_path(settings, Path(out), row, seed).exists() for row in rows)
    ]


def run_ablation(
    settings: AblationSettings,
    out: str | Path,
    *,
    resume: bool = False,
    report: Report | None = None,
    note: Note | None = None,
) -> dict[str, Any]:
    """Train and evaluate what is not there yet, and return the outcome, which is also table.json; `make_table` makes the tables of it.

    The outcome has all of ROWS, also those that are not asked for, where they are on the disk: {"settings", "seeds", "device", "versions",
    "rows": [{"name", "training", "changes", "assignments", "tta", "paper", "seeds": {"0": {"trained", "evaluation"}}, "summary"}]}, with the
    summary of `summarise_seeds`. `report(name, seed, event)` hears of progress; `note` is given the lines for people that `train` has.

    `OutputConflict` where the folder holds something else, naming the first setting that differs, or an unfinished training without `resume`;
    `DataError` where the data cannot be read.
    """
    out, report = Path(out), report or (lambda name, seed, event: None)
    shared = _describe(settings)
    with _owned(out, shared):
        for name, seed in pending_trainings(settings, out):
            rows = settings.trainings[name]
            _train(settings, rows[0], out, seed, resume, report, note)
            for row in rows:
                if not _evaluation_path(settings, out, row, seed).exists():
                    _evaluate(settings, row, out, seed, report)
            _write_outcome(out, _collect(settings, shared, out))
        outcome = _collect(settings, shared, out)
        _write_outcome(out, outcome)
    return outcome


def _describe(settings: AblationSettings) -> dict[str, Any]:
    """What must not change while rows are added: otherwise they could not be compared."""
    training = settings.training
    coco, _ = locate_data(settings.test, settings.split)
    with coco.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "config": training.config.to_json(),
        "train": training.data.to_json(),
        "test": {"data": str(settings.test), "split": settings.split, "annotations_sha256": digest},
        "limit": list(training.limit),
        "device": str(resolve_device(training.device)),
        "processes": training.num_processes,
    }


@contextmanager
def _owned(out: Path, shared: dict[str, Any]) -> Iterator[None]:
    """Hold the folder; `OutputConflict` where it holds something else."""
    path = out / "benchmark.json"
    if out.exists() and not out.is_dir():
        raise OutputConflict(f"{out}: is a file; expected a folder to write the benchmark to")
    if out.is_dir() and not path.exists() and any(not entry.name.startswith(".") for entry in out.iterdir()):
        raise OutputConflict(f"{out}: is not empty and holds no benchmark; give an empty or new folder with --out")
    out.mkdir(parents=True, exist_ok=True)
    with locked(out / ".lock", OutputConflict(f"{out}: another process is at work there; wait for it, or write to another folder")):
        if path.exists():
            _refuse_another(out, _flat(_read_json(path)), _flat(shared))
        else:
            write_file(path, _json(shared))
        yield


def _refuse_another(out: Path, there: dict[str, Any], asked: dict[str, Any]) -> None:
    for name, value in asked.items():
        if there.get(name) != value:
            raise OutputConflict(
                f"{out}: holds a benchmark with {name} = {there.get(name)}, not {value}; write to another folder with --out"
            )


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """One level of nesting taken out: "config.rois"."""
    flat = {}
    for name, value in values.items():
        flat |= {f"{name}.{key}": inner for key, inner in value.items()} if isinstance(value, dict) else {name: value}
    return flat


def _train(settings: AblationSettings, row: Row, out: Path, seed: int, resume: bool, report: Report, note: Note | None) -> None:
    """Train the model of a row, where that is not finished."""
    shared, name = settings.training, row.training
    train(
        replace(shared, config=replace(shared.config, **row.changes), method=row.method, seed=seed),
        _run_folder(out, row, seed),
        resume=resume,
        report=lambda event: report(name, seed, AblationEvent("training", event.progress)),
        note=note,
        preparing=lambda done, total: report(name, seed, AblationEvent("preparing", done / total)),
    )


def _evaluate(settings: AblationSettings, row: Row, out: Path, seed: int, report: Report) -> None:
    """Evaluate a row's way of choosing detections on weights that are there."""
    to = _evaluation_path(settings, out, row, seed).parent
    to.mkdir(exist_ok=True)
    evaluation = evaluate_run(
        _run_folder(out, row, seed),
        settings.test,
        split=settings.split,
        device=settings.training.device,
        tta=row.tta,
        assignments=row.assignments,
        to=to,
        progress=lambda done, total: report(row.name, seed, AblationEvent("evaluating", done / total)),
    )
    report(row.name, seed, AblationEvent("evaluating", 1.0, evaluation))


def _run_folder(out: Path, row: Row, seed: int) -> Path:
    return out / f"{row.training}-seed{seed}"


def _evaluation_path(settings: AblationSettings, out: Path, row: Row, seed: int) -> Path:
    return _run_folder(out, row, seed) / row.name / f"evaluation-{settings.split}.json"


def _collect(settings: AblationSettings, shared: dict[str, Any], out: Path) -> dict[str, Any]:
    """The outcome, of what is on the disk."""
    return {
        "settings": shared,
        "seeds": list(settings.seeds),
        "device": _device_name(resolve_device(settings.training.device)),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "rows": [_collect_row(settings, row, out) for row in ROWS],
    }


def _collect_row(settings: AblationSettings, row: Row, out: Path) -> dict[str, Any]:
    seeds = {}
    for seed in settings.seeds:
        path = _evaluation_path(settings, out, row, seed)
        if path.exists():
            last = read_metrics(_run_folder(out, row, seed))[-1]
            trained = {"steps": last["step"], "images": last["images"], "seconds": last["seconds"]}
            seeds[str(seed)] = {"trained": trained, "evaluation": _read_json(path)}
    return {
        "name": row.name,
        "training": row.training,
        "changes": row.changes,
        "assignments": row.assignments,
        "tta": row.tta,
        "paper": row.paper and asdict(row.paper),
        "seeds": seeds,
        "summary": summarise_seeds(run["evaluation"] for run in seeds.values()),
    }


def _device_name(device: torch.device) -> str:
    """What times depend on: the GPU, or how many cores."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device}, {len(os.sched_getaffinity(0))} cores"


def _write_outcome(out: Path, outcome: dict[str, Any]) -> None:
    write_file(out / "table.json", _json(outcome))
    write_file(out / "table.md", "\n".join(make_table(outcome, number).markdown() for number in (3, 4)).encode())


def _json(values: dict[str, Any]) -> bytes:
    return orjson.dumps(values, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise DataError(f"{path}: expected JSON, got {error}; was it edited? remove it and run the same command again") from None
