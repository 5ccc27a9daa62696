"""What is measured while a model trains: a table as CSV, the same as JSON lines, and TensorBoard's files where that is installed and asked for."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import orjson

from amodalsynth.errors import ConfigurationError
from amodalsynth.files import write_file


class MetricsLog:
    """RUN/metrics.jsonl and RUN/metrics.csv, a row at a time; `from_step` drops the rows of a resumed run that it will train again."""

    def __init__(self, root: Path, *, from_step: int, tensorboard: bool = False) -> None:
        self._jsonl, self._csv = root / "metrics.jsonl", root / "metrics.csv"
        kept = [row for row in read_metrics(root) if row["step"] <= from_step] if from_step else []
        write_file(self._jsonl, b"".join(map(_line, kept)), durable=False)
        self._columns = list(kept[0]) if kept else None
        write_file(self._csv, _table(self._columns, kept, header=True).encode() if kept else b"", durable=False)
        self._board = _board(root) if tensorboard else None

    def add(self, row: dict[str, Any]) -> None:
        """Append a row; all rows have the same keys, "step" among them."""
        first = self._columns is None
        self._columns = self._columns or list(row)
        with self._jsonl.open("ab") as file:
            file.write(_line(row))
        with self._csv.open("a") as file:
            file.write(_table(self._columns, [row], header=first))
        if self._board is not None:
            for name, value in row.items():
                if name != "step":
                    self._board.add_scalar(name, value, row["step"])
            self._board.flush()


def read_metrics(root: Path) -> list[dict[str, Any]]:
    """The rows of a run's metrics.jsonl; a last line that a crash cut short is left out."""
    rows = []
    path = root / "metrics.jsonl"
    for line in path.read_bytes().splitlines() if path.exists() else []:
        try:
            rows.append(orjson.loads(line))
        except orjson.JSONDecodeError:
            break
    return rows


def _line(row: dict[str, Any]) -> bytes:
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def _table(columns: list[str], rows: list[dict[str, Any]], *, header: bool) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _board(root: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ConfigurationError(
            "--tensorboard: TensorBoard is not installed; `pip install amodalsynth[tensorboard]`, or leave it out"
        ) from None
    return SummaryWriter(str(root / "tensorboard"))
