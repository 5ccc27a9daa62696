"""Batches made ahead are the same batches, errors come out in their place, and the thread ends with the generator."""

import itertools
import threading

import pytest

torch = pytest.importorskip("torch", reason="needs the extra amodalsynth[train]")

from amodalsynth.baselines.ahead import make_ahead  # noqa: E402 - after the check for torch
from amodalsynth.errors import DataError  # noqa: E402

CPU = torch.device("cpu")


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "batches"]


@pytest.mark.parametrize("depth", [1, 3])
def test_the_same_batches_in_order(depth):
    assert list(make_ahead((number for number in range(20)), CPU, depth=depth)) == list(range(20))
    assert not threads()


def test_they_are_made_before_they_are_asked_for_but_not_without_end():
    made, two_more, closed = [], threading.Event(), []

    def source():
        try:
            for number in itertools.count():
                made.append(number)
                if number == 3:
                    two_more.set()
                yield number
        finally:
            closed.append(threading.current_thread().name)

    batches = make_ahead(source(), CPU)
    assert next(batches) == 0
    assert two_more.wait(10)  # one handed over, two in the queue, one waiting for room
    assert made == [0, 1, 2, 3]
    batches.close()
    assert not threads() and made == [0, 1, 2, 3] and closed == ["batches"]


def test_an_error_comes_out_where_the_batch_would_have():
    def source():
        yield from (1, 2)
        raise DataError("the third is broken")

    batches = make_ahead(source(), CPU)
    assert [next(batches), next(batches)] == [1, 2]
    with pytest.raises(DataError, match="third is broken"):
        next(batches)
    assert not threads()
