"""Annotations of other people as their file has them, in one shape for all formats: what `import` derives from and `validate` judges.

Nothing here is trusted or derived: values that a file lacks are None, and those that it has are as it has them, right or wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

_KEPT = 100  # faults of a kind that are kept in words


class Faults:
    """(kind, where, message) of what is wrong: how many of each kind there are, and the first `keep` of each, so memory does not grow with them."""

    def __init__(self, keep: int = _KEPT) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, list[tuple[str, str]]] = {}
        self._keep = keep

    def add(self, kind: str, where: str, message: str) -> None:
        self.counts[kind] += 1
        examples = self.examples.setdefault(kind, [])
        if len(examples) < self._keep:
            examples.append((where, message))

    def __iter__(self) -> Iterator[tuple[str, str, str]]:
        """Those that are kept."""
        return ((kind, where, message) for kind, examples in self.examples.items() for where, message in examples)

    @property
    def more(self) -> Counter[str]:
        """How many of each kind are not kept."""
        return self.counts - Counter({kind: len(examples) for kind, examples in self.examples.items()})


@dataclass(frozen=True, slots=True)
class SourceInstance:
    """An instance as a file declares it.

    where: names it in errors ("annotation 17", "image 3, region 2"). instance_id: unique in the file, where the format has ids. category: a key of
    `Source.categories`. amodal, visible, invisible: segmentations as `segmentation.segmentation_spans` reads them (run-length code or polygons).
    The other values are those of docs/format.md's keys, boxes [x, y, width, height].
    """

    where: str
    instance_id: Any = None
    category: Any = None
    amodal: Any = None
    visible: Any = None
    invisible: Any = None
    box: Any = None
    visible_box: Any = None
    area: Any = None
    visible_area: Any = None
    rate: Any = None
    paint_order: Any = None
    occluded_by: Any = None
    directly_occluded_by: Any = None
    layer: Any = None
    crowd: Any = None
    point_coords: Any = None
    point_labels: Any = None
    appearance: Any = None


@dataclass(frozen=True, slots=True)
class SourceImage:
    """An image as a file declares it.

    in_front: pairs (i, j) of indices into `instances`, i in front of j, where the format orders pairs. background: of docs/format.md's key.
    """

    where: str
    image_id: Any
    file_name: Any
    size_hw: tuple[Any, Any] | None
    instances: tuple[SourceInstance, ...]
    in_front: tuple[tuple[int, int], ...] = ()
    background: Any = None


class Source(Protocol):
    """An opened file or folder of a format; a context manager.

    format: the registry's name. path: for errors. images: the folder that file names are relative to, if known. categories: key -> name. faults:
    what was found wrong with the file as a whole while opening, of `validate`'s kinds (duplicate ids, dangling references, ...); a file that
    cannot be read at all raises `DataError` instead.
    """

    format: str
    path: Path
    images: Path | None
    categories: Mapping[Any, str]
    faults: Faults

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[SourceImage]: ...

    def at(self, k: int) -> SourceImage:
        """Image k in the order of iteration; `IndexError` where there is none."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class OpenedSource:
    """A `Source` put together by a module of this package.

    read: iterates over the images, each time from the first. on_close: frees what is held open. read_at: reads one image alone; of formats
    without it, `at` reads all images when it is first called, and keeps them.
    """

    format: str
    path: Path
    images: Path | None
    categories: Mapping[Any, str]
    num_images: int
    read: Callable[[], Iterator[SourceImage]]
    faults: Faults = field(default_factory=Faults)
    on_close: Callable[[], None] | None = None
    read_at: Callable[[int], SourceImage] | None = None
    _kept: list[SourceImage] = field(default_factory=list, init=False, repr=False)

    def __len__(self) -> int:
        return self.num_images

    def __iter__(self) -> Iterator[SourceImage]:
        return self.read()

    def at(self, k: int) -> SourceImage:
        k = range(self.num_images)[k]
        if self.read_at is not None:
            return self.read_at(k)
        if not self._kept:
            self._kept[:] = self.read()
        return self._kept[k]

    def close(self) -> None:
        if self.on_close is not None:
            self.on_close()

    def __enter__(self) -> OpenedSource:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
