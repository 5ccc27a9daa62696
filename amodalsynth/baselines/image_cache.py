"""Frames kept in memory, once for all the loader processes of a trainer."""

from __future__ import annotations

import mmap
import os
import weakref
from multiprocessing.reduction import DupFd
from typing import Any

import numpy as np


class ImageCache:
    """Room for the first images of a data set, (S, S, 3) uint8 each, within a budget of bytes.

    It is anonymous memory (memfd_create), which grows as images are put in. Sent to another process it is the same memory there, so an image that one
    loader process has decoded is there for all. Two that put the same image write the same bytes.
    """

    def __init__(self, num_images: int, image_size: int, budget: int) -> None:
        capacity = min(num_images, budget // (image_size * image_size * 3))
        descriptor = os.memfd_create("amodalsynth-images")
        os.ftruncate(descriptor, max(1, capacity * (image_size * image_size * 3 + 1)))
        self._map(descriptor, capacity, image_size)

    def _map(self, descriptor: int, capacity: int, image_size: int) -> None:
        weakref.finalize(self, os.close, descriptor)
        self._descriptor, self.capacity, self.image_size = descriptor, capacity, image_size
        memory = np.frombuffer(mmap.mmap(descriptor, 0), np.uint8)
        frames = capacity * image_size * image_size * 3
        self._frames = memory[:frames].reshape(capacity, image_size, image_size, 3)
        self._filled = memory[frames : frames + capacity]

    def get(self, k: int) -> np.ndarray | None:
        """Image k, or None where it was not put in."""
        return self._frames[k] if k < self.capacity and self._filled[k] else None

    def put(self, k: int, frame: np.ndarray) -> None:
        """Keep image k, if there is room for it."""
        if k < self.capacity:
            self._frames[k] = frame
            self._filled[k] = 1  # last, so that nobody reads half an image

    def __getstate__(self) -> dict[str, Any]:
        return {"descriptor": DupFd(self._descriptor), "capacity": self.capacity, "image_size": self.image_size}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._map(state["descriptor"].detach(), state["capacity"], state["image_size"])
