"""Where a model runs, in which precision, and what to say when it does not fit."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from amodalsynth.errors import AmodalSynthError, ConfigurationError

_TO_LESSEN = "lower --set batch_size=, rois= or image_size= (and learning_rate= with the batch), or take a smaller --config"


def resolve_device(name: str) -> torch.device:
    """The device called auto (a GPU where there is one), cpu, cuda or cuda:N; `ConfigurationError` where it is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda"):
            raise ConfigurationError(f"--device {name}: expected auto, cpu, cuda or cuda:N")
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigurationError(f"--device {name}: not available here ({str(error).splitlines()[0]}); use --device auto") from None
    return device


def autocast(device: torch.device) -> torch.autocast:
    """bfloat16 for convolutions and matrix products where the hardware computes in it, float32 elsewhere."""
    if device.type == "cuda":
        there = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        there = torch.ops.mkldnn._is_mkldnn_bf16_supported() and torch.cpu._is_avx512_bf16_supported()
    return torch.autocast(device.type, torch.bfloat16, enabled=there)


@functools.lru_cache(maxsize=256)
def constant(values: tuple, device: torch.device) -> Tensor:
    """Numbers, or tuples of them, as a float32 tensor on a device, copied there once: each copy from the host would wait for the device."""
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=torch.float32, device=device)


@contextmanager
def out_of_memory_told() -> Iterator[None]:
    """Say on one line what to change where a step does not fit into memory."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise AmodalSynthError(f"out of memory on the GPU: {_TO_LESSEN}") from None
    except MemoryError:
        raise AmodalSynthError(f"out of memory: {_TO_LESSEN}") from None
    except RuntimeError as error:
        if "can't allocate memory" not in str(error) and "not enough memory" not in str(error):
            raise
        raise AmodalSynthError(f"out of memory: {_TO_LESSEN}") from None
