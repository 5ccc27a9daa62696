"""The main path: images in blocks of one frame size, each block judged at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path, PurePath

from amodalsynth.coco_index import find_coco_files
from amodalsynth.errors import DataError
from amodalsynth.importers.reading import read_header
from amodalsynth.importers.source import Source, SourceImage
from amodalsynth.rng import SPLITS
from amodalsynth.validate.block import Block, frame_of, is_size, read_block
from amodalsynth.validate.relations import check_relations
from amodalsynth.validate.report import Fault, Tally, Validation
from amodalsynth.validate.values import check_instances, check_masks, check_measures, check_points

Progress = Callable[[int, int], None]

_BLOCK = 64  # images judged together; NumPy's calls then cost little
_MAX_BLOCK_PAIRS = 1 << 19  # images times the square of the most instances of one


def find_splits(path: Path, split: str = "all") -> list[str]:
    """The splits at `path` to judge: those of a data set folder, or the one that a single file is called by; "train" where nothing says it.

    `DataError` where a data set folder lacks the `split` that is asked for, `ConfigurationError` for one of a single file.
    """
    if split == "all" and not path.is_file() and not any((path / "annotations").glob("instances_*.json")):
        return [SPLITS[0]]  # no folder of splits, whatever it is: `open_source` says
    return [name if name in SPLITS else SPLITS[0] for name in find_coco_files(path, split)]


class Judge:
    """Judges the images of a source, in file order; it remembers how many points the first instance has.

    folder: what messages call the folder of the images, by default its path.
    """

    def __init__(self, source: Source, *, folder: str | None = None) -> None:
        self.source = source
        self._folder = str(source.images) if folder is None else folder
        self._num_points: int | None = None

    def __iter__(self) -> Iterator[tuple[SourceImage, list[Fault]]]:
        """Every image with its faults, sorted by instance."""
        for block, faults in self.blocks():
            yield from zip(block.images, faults, strict=True)

    def blocks(self) -> Iterator[tuple[Block, list[list[Fault]]]]:
        """All images in blocks, decoded, with the faults of each image of the block."""
        images: list[SourceImage] = []
        frame, largest = None, 0
        for image in self.source:
            own = frame_of(image)
            largest = max(largest, len(image.instances))
            if images and (own != frame or len(images) == _BLOCK or (len(images) + 1) * largest**2 > _MAX_BLOCK_PAIRS):
                yield self._judge_next(images, frame)
                images, largest = [], len(image.instances)
            images.append(image)
            frame = own
        if images:
            yield self._judge_next(images, frame)

    def judge_image(self, image: SourceImage) -> list[Fault]:
        """The faults of one image out of order, sorted by instance; after a pass over the source, those that it found."""
        _, (faults,), _ = self._judge([image], frame_of(image))
        return faults

    def _judge_next(self, images: list[SourceImage], frame: tuple[int, int] | None) -> tuple[Block, list[list[Fault]]]:
        block, faults, self._num_points = self._judge(images, frame)
        return block, faults

    def _judge(self, images: list[SourceImage], frame: tuple[int, int] | None) -> tuple[Block, list[list[Fault]], int | None]:
        """The images decoded, the faults of each, and how many points the next ones have to have."""
        faults = [fault for g, image in enumerate(images) for fault in self._check_image(image, g)]
        block, broken = read_block(images, frame)
        faults += broken
        faults += check_instances(block, self.source.format, self.source.categories)
        faults += check_masks(block)
        faults += check_measures(block)
        faults += check_relations(block)
        wrong, num_points = check_points(block, self._num_points)
        faults += wrong
        faults.sort(key=lambda fault: (fault.image, -1 if fault.instance is None else fault.instance))
        by_image: list[list[Fault]] = [[] for _ in images]
        for fault in faults:
            by_image[fault.image].append(fault)
        return block, by_image, num_points

    def _check_image(self, image: SourceImage, g: int) -> Iterator[Fault]:
        """Kinds `id`, `schema` and `image` of the image itself."""
        if type(image.image_id) is int and image.image_id < 0:
            yield Fault("id", image.where, f"expected an id from 0, got {image.image_id}", g)
        if image.size_hw is not None and not is_size(image.size_hw):
            yield Fault("schema", image.where, f"expected the height and width of an image in pixels, got {image.size_hw!r:.60}", g)
        if image.file_name is not None and not (isinstance(image.file_name, str) and image.file_name):
            yield Fault("schema", image.where, f"expected file_name as a text, got {image.file_name!r:.60}", g)
        elif image.file_name is not None and self.source.images is not None:
            problem = self._check_file(image)
            if problem:
                yield Fault("image", image.where, problem, g)

    def _check_file(self, image: SourceImage) -> str | None:
        """What is wrong with the image's file, of which the header alone is read."""
        name = PurePath(image.file_name)
        if name.is_absolute() or ".." in name.parts or "\0" in image.file_name:
            return f"expected a file name within {self._folder}, got {image.file_name!r:.60}"
        called = PurePath(self._folder) / name
        try:
            height, width = read_header(self.source.images / name).size_hw
        except DataError as error:
            return f"expected an image in {called}, got: {error!s:.100}"
        if is_size(image.size_hw) and tuple(image.size_hw) != (height, width):
            return f"expected {image.size_hw[0]} x {image.size_hw[1]} pixels (height x width) in {called}, got {height} x {width}"
        return None


def validate_source(source: Source, *, progress: Progress | None = None, max_examples: int = 3) -> Validation:
    """Judge all images of an opened file or folder; memory does not grow with their number.

    Counts every fault and keeps the first `max_examples` of each kind. `progress(done, total)` counts images. `DataError` only where the
    source cannot be read on.
    """
    tally = Tally(max_examples)
    tally.add_source(source.faults)
    for image, faults in Judge(source):
        tally.num_images += 1
        tally.num_annotations += len(image.instances)
        tally.add_all(faults)
        if progress is not None:
            progress(tally.num_images, len(source))
    return tally.finish(source.format)
