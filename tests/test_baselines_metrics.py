"""What is measured while a model trains: CSV and JSON lines say the same, and no row stands twice."""

from __future__ import annotations

import csv
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amodalsynth.baselines.metrics import MetricsLog, read_metrics
from amodalsynth.errors import ConfigurationError

numbers = st.floats(allow_nan=False, allow_infinity=False)


def row(step: int, loss: float = 1.5) -> dict[str, Any]:
    return {"step": step, "loss": loss, "points, all": step / 7}


def table(root: Path) -> list[dict[str, float]]:
    with (root / "metrics.csv").open() as file:
        return [{name: float(value) for name, value in line.items()} for line in csv.DictReader(file)]


@given(st.lists(numbers, max_size=8), st.integers(0, 9), st.lists(numbers, max_size=5))
@settings(deadline=None, max_examples=50)
def test_both_files_agree_also_after_a_restart(
    tmp_path_factory: pytest.TempPathFactory, first: list[float], saved: int, second: list[float]
) -> None:
    """The run that goes on from step `saved` trains the later ones again."""
    root = tmp_path_factory.mktemp("run")
    log = MetricsLog(root, from_step=0)
    for step, loss in enumerate(first, 1):
        log.add(row(step, loss))
    saved = min(saved, len(first))
    log = MetricsLog(root, from_step=saved)
    for step, loss in enumerate(second, saved + 1):
        log.add(row(step, loss))
    expected = [row(step, loss) for step, loss in enumerate([*first[:saved], *second], 1)]
    assert read_metrics(root) == expected
    assert table(root) == expected
    assert [json.loads(line) for line in (root / "metrics.jsonl").read_text().splitlines()] == expected


def test_every_row_is_on_the_disk_at_once(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path, from_step=0)
    assert read_metrics(tmp_path) == [] and (tmp_path / "metrics.csv").read_text() == ""
    for step in (1, 2):
        log.add(row(step))
        assert read_metrics(tmp_path) == table(tmp_path) == [row(k) for k in range(1, step + 1)]


def test_a_line_cut_short_by_a_crash_is_left_out(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path, from_step=0)
    for step in (20, 40, 60):
        log.add(row(step))
    for name in ("metrics.jsonl", "metrics.csv"):
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[:-9])
    assert read_metrics(tmp_path) == [row(20), row(40)]
    MetricsLog(tmp_path, from_step=60).add(row(80))
    assert read_metrics(tmp_path) == table(tmp_path) == [row(20), row(40), row(80)]


def test_what_a_new_run_finds_is_not_its_own(tmp_path: Path) -> None:
    MetricsLog(tmp_path, from_step=0).add(row(20))
    MetricsLog(tmp_path, from_step=0)
    assert read_metrics(tmp_path) == []
    assert read_metrics(tmp_path / "nowhere") == []


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is not None, reason="TensorBoard is installed here")
def test_tensorboard_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="amodalsynth.tensorboard"):
        MetricsLog(tmp_path, from_step=0, tensorboard=True)


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is None, reason="TensorBoard is not installed")
def test_tensorboard_gets_the_same_rows(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = MetricsLog(tmp_path, from_step=0, tensorboard=True)
    log.add(row(20, 3.0))
    log.add(row(40, 2.0))
    seen = EventAccumulator(str(tmp_path / "tensorboard"))
    seen.Reload()
    assert [(event.step, event.value) for event in seen.Scalars("loss")] == [(20, 3.0), (40, 2.0)]
