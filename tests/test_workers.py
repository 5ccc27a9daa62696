"""Worker processes: parts in any order, workers that are killed, errors, and an end with the parent."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from amodalsynth.errors import AmodalSynthError, OutputError
from amodalsynth.workers import run_parts


@dataclass
class Square:
    """Returns the square; kills its process, raises or waits for the numbers given, once each where `marks` is a folder."""

    marks: Path
    killed: tuple[int, ...] = ()
    always_killed: bool = False
    failing: int | None = None

    def __call__(self, number: int, checkpoint: Callable[[], None]) -> int:
        checkpoint()
        mark = self.marks / str(number)
        if number in self.killed and (self.always_killed or not mark.exists()):
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if number == self.failing:
            raise OutputError(f"part {number} cannot be written")
        return number * number


@pytest.mark.parametrize("num_workers", [1, 2, 3])
def test_every_part_is_made_once(tmp_path, num_workers):
    results = list(run_parts(Square(tmp_path), range(9), num_workers))
    assert sorted(results) == [(n, n * n) for n in range(9)]


def test_a_killed_workers_parts_are_made_again(tmp_path):
    assert sorted(run_parts(Square(tmp_path, killed=(2, 5)), range(8), 2)) == [(n, n * n) for n in range(8)]


def test_workers_that_die_again_and_again_end_the_run(tmp_path):
    with pytest.raises(AmodalSynthError, match="3 worker processes in a row were killed"):
        list(run_parts(Square(tmp_path, killed=(0,), always_killed=True), range(1), 2))


def test_an_error_ends_the_run_and_all_workers(tmp_path):
    with pytest.raises(OutputError, match="part 3"):
        list(run_parts(Square(tmp_path, failing=3), range(50), 2))
    assert not [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]
