"""Several processes that train one model: what they agree on at each step, and how they are started.

On a CPU a second thread adds a fifth to the speed of a small model, and a second process most of another core, so `launch` starts one process
a core; on GPUs `torchrun` does, one a device. All start from the same weights and apply the same mean gradient, so their weights stay equal
without being sent; one flat buffer is simpler than torch's DistributedDataParallel, and what else must be agreed on rides along in it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import connection, resource_tracker
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, multiprocessing

from amodalsynth.errors import AmodalSynthError
from amodalsynth.workers import end_with_parent, sigint_blocked

_PATIENCE = timedelta(minutes=10)  # until a silent process counts as gone; the first batch may wait for the assets to be read
_LAST_MOMENTS = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class Team:
    """This process among those that train together: number `rank` of `size`, `local_rank` on its machine."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and reports."""
        return self.rank == 0

    def average(self, values: Sequence[Tensor], told: Tensor) -> Tensor:
        """Replace each of `values` by its mean over the processes, in place; returns the mean of the vector `told`, float32."""
        if self.size == 1:
            return told
        flat = torch.cat([*(value.reshape(-1) for value in values), told])
        distributed.all_reduce(flat)
        flat /= self.size
        parts = flat.split([*(value.numel() for value in values), told.numel()])
        for value, part in zip(values, parts):
            value.copy_(part.view_as(value))
        return parts[-1]

    def agree(self, said: bool, device: torch.device) -> bool:
        """Wait for all processes; what the leading one `said`."""
        answer = torch.tensor(int(said), device=device)
        distributed.broadcast(answer, src=0)
        return bool(answer.item())


def team_of_torchrun() -> Team | None:
    """The team that `torchrun` has made this process part of, or None."""
    if not distributed.is_torchelastic_launched():
        return None
    team = Team(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=_PATIENCE)
    return team


@contextmanager
def launch(size: int, work: Callable[..., Any], *arguments: Any) -> Iterator[Team]:
    """Be the first of `size` processes on this machine; the others run `work(team, *arguments)`.

    They end with this process, however it ends, and leave Ctrl-C to it. `AmodalSynthError` where one of them ended early; a library error that
    one of them met is raised here.
    """
    if size == 1:
        yield Team()
        return
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    context = multiprocessing.get_context("spawn")
    errors = context.SimpleQueue()
    with tempfile.TemporaryDirectory(prefix="amodalsynth-") as folder:
        meeting = Path(folder) / "meeting"
        resource_tracker.ensure_running()  # its start, which the first process would bring about, unblocks SIGINT
        with sigint_blocked():
            others = [context.Process(target=_join, args=(rank, size, meeting, errors, work, arguments)) for rank in range(1, size)]
            for process in others:
                process.start()
        num_threads = torch.get_num_threads()
        torch.set_num_threads(1)  # the processes have the cores among them
        try:
            _await(others, meeting)
            _meet(0, size, meeting)
            yield Team(0, size, 0)
        except RuntimeError as error:
            disconnected = "gloo" in str(error).lower()  # the connection is lost a moment before the process that it led to has ended
            ended = connection.wait([process.sentinel for process in others], _LAST_MOMENTS) if disconnected else []
            lost = [process for process in others if process.sentinel in ended]
            _stop(others)
            if not lost:
                raise
            if not errors.empty():
                raise errors.get() from None
            raise _ended(lost[0]) from None
        except BaseException:
            _stop(others)
            raise
        finally:
            for process in others:
                process.join()  # those that were not stopped end by themselves after the last step
            torch.set_num_threads(num_threads)
            if distributed.is_initialized():
                distributed.destroy_process_group()


def _await(others: list[Any], meeting: Path) -> None:
    """Wait until the other processes have started; a dead one would else be waited for in vain."""
    while len(list(meeting.parent.glob(f"{meeting.name}-*"))) < len(others):
        lost = connection.wait([process.sentinel for process in others], timeout=0.05)
        if lost:
            raise _ended(next(process for process in others if process.sentinel in lost))


def _ended(process: Any) -> AmodalSynthError:
    process.join()
    return AmodalSynthError(
        f"a training process ended unexpectedly (exit status {process.exitcode}), probably for want of memory; try --processes 1"
    )


def _stop(processes: list[Any]) -> None:
    for process in processes:
        process.terminate()


def _join(rank: int, size: int, meeting: Path, errors: Any, work: Callable[..., Any], arguments: tuple) -> None:
    end_with_parent()
    torch.set_num_threads(1)
    meeting.with_name(f"{meeting.name}-{rank}").touch()
    _meet(rank, size, meeting)
    try:
        work(Team(rank, size, rank), *arguments)
    except KeyboardInterrupt:
        return  # the leading process, which told this one, says so
    except AmodalSynthError as error:
        errors.put(error)  # the leading process raises it


def _meet(rank: int, size: int, meeting: Path) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=size, timeout=_PATIENCE)
