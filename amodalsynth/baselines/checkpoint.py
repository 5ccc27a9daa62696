"""A training run on disk: what it is, its weights, and what it takes to go on.

    RUN/run.json             method, configuration, categories, data, seed, versions; nothing that changes while it trains
    RUN/weights.safetensors  what `evaluate` and `predict` load: the moving average of the weights where the configuration keeps one
    RUN/state.safetensors    weights, optimizer and counters, to resume from
    RUN/metrics.csv, .jsonl  what was measured while it trained

Weights are safetensors and the rest is JSON: a checkpoint from a stranger holds numbers and cannot run code.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from amodalsynth.baselines.config import MethodConfig, config_from_values
from amodalsynth.errors import ConfigurationError, DataError
from amodalsynth.files import write_file


@dataclass(frozen=True, slots=True)
class RunDescription:
    """What a run trains and on what; the same for all of its life. `limit` is ["epochs" or "minutes", number]."""

    method: str
    config: MethodConfig
    categories: tuple[str, ...]
    category_ids: tuple[int, ...]
    data: dict[str, Any]
    seed: int
    limit: tuple[str, float]

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        values = {spec.name: getattr(self, spec.name) for spec in dataclasses.fields(self)}
        return values | {"config": self.config.to_json(), "versions": {"torch": torch.__version__}}


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The paths of a run."""

    root: Path

    @property
    def description(self) -> Path:
        return self.root / "run.json"

    @property
    def weights(self) -> Path:
        return self.root / "weights.safetensors"

    @property
    def state(self) -> Path:
        return self.root / "state.safetensors"

    @property
    def lock(self) -> Path:
        return self.root / ".lock"

    def is_early(self, path: Path) -> bool:
        """Whether a run writes this file before run.json, or was killed while it did."""
        return path == self.lock or path.name.endswith("_without_masks.json") or path in self.half_written()

    def half_written(self) -> list[Path]:
        """The temporary files of a trainer that was killed."""
        names = (self.description.name, self.weights.name, self.state.name, "metrics.jsonl", "metrics.csv", "*_without_masks.json")
        return [path for name in names for path in self.root.glob(f".{name}.*.tmp")]


def write_description(run: RunFolder, description: RunDescription) -> None:
    """Write run.json."""
    write_file(run.description, orjson.dumps(description.to_json(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def read_description(root: Path) -> RunDescription:
    """The description of the run in a folder; `DataError` where there is none, or none that can be read."""
    path = RunFolder(Path(root)).description
    try:
        values = orjson.loads(path.read_bytes())
        config = config_from_values(values["config"], str(path))
        return RunDescription(
            values["method"],
            config,
            tuple(values["categories"]),
            tuple(values["category_ids"]),
            values["data"],
            values["seed"],
            tuple(values["limit"]),
        )
    except FileNotFoundError:
        raise DataError(f"{root}: no training run there (no run.json); expected the --out folder of `amodalsynth train-baseline`") from None
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, ConfigurationError) as error:
        raise DataError(f"{path}: not the description of a run of this release: {error}") from None


def save_tensors(path: Path, tensors: dict[str, Tensor], about: dict[str, str]) -> None:
    """Write named tensors and texts, atomically."""
    write_file(path, save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, metadata=about))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Named tensors and texts; `DataError` where the file is missing or is no safetensors file."""
    with _reading(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118 - not a dict


def load_about(path: Path) -> dict[str, str]:
    """The texts of a file alone, which stand at its beginning; `DataError` as for `load_tensors`."""
    with _reading(path) as file:
        return file.metadata() or {}


@contextmanager
def _reading(path: Path) -> Iterator[Any]:
    try:
        with safe_open(str(path), framework="pt") as file:
            yield file
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; has the run saved anything yet?") from None
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: not a readable safetensors file: {error}") from None


def read_weights(path: Path) -> dict[str, Tensor]:
    """Named tensors of a .safetensors file, or of one that `torch.save` wrote, of which only tensors are read; `DataError` otherwise."""
    if path.suffix == ".safetensors":
        return load_tensors(path)[0]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd pickle protocols: the file can be read or not
            tensors = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; expected weights as .safetensors or .pth") from None
    except Exception as error:  # a damaged file can make torch's unpickler raise anything
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise DataError(f"{path}: not a file of weights that is safe to read: {reason}") from None
    if not isinstance(tensors, dict) or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise DataError(f"{path}: expected a dictionary of tensors (a state_dict)")
    return tensors


def fill(target: dict[str, Tensor], tensors: dict[str, Tensor], where: str) -> None:
    """Copy `tensors` into the tensors of the same names; `DataError` where names or shapes differ."""
    missing = [name for name in target if name not in tensors]
    strange = [name for name in tensors if name not in target]
    if missing or strange:
        raise DataError(
            f"{where}: not the weights of this configuration: {len(missing)} are missing, {len(strange)} unknown; first: {(missing + strange)[0]}"
        )
    for name, tensor in target.items():
        if tensor.shape != tensors[name].shape:
            raise DataError(f"{where}: {name}: expected shape {tuple(tensor.shape)}, got {tuple(tensors[name].shape)}")
    with torch.no_grad():
        for name, tensor in target.items():
            tensor.copy_(tensors[name])
