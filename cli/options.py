"""What several commands share: options, the default folder, progress bars and warnings."""

from __future__ import annotations

import importlib.util
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from amodalsynth.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    import numpy as np

    from amodalsynth.baselines.config import MethodConfig
    from amodalsynth.pool import AssetPool
    from amodalsynth.presets import DatasetPreset
    from amodalsynth.report.build import Report

DEFAULT_DATASET = "intra-afruit"


def default_workers() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))


class Amount(click.FloatRange):
    """More than 0 and finite; click's own range lets NaN through."""

    def __init__(self) -> None:
        super().__init__(0, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


def dataset_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """The argument OUT of the commands that read a data set."""
    return click.argument("out", type=click.Path(path_type=Path), required=False)(command)


def existing(out: Path | None) -> Path:
    """OUT, or ./intra-afruit without one; `DataError` where nothing is there."""
    path = out or Path(DEFAULT_DATASET)
    if str(path).startswith(("synth:", "synth-gpu:")):
        raise DataError(
            f"{path}: scenes made while training serve `train-baseline`; give a data set's folder, as `amodalsynth generate` makes it"
        )
    if not path.exists():
        hint = f"give the data set's folder, or make one with `amodalsynth generate --dataset {DEFAULT_DATASET}`"
        raise DataError(f"{path}: no such file or folder; {hint}")
    return path


def check_picture_name(option: str, path: Path) -> None:
    """`ConfigurationError` where a file's name does not end in a format of pictures."""
    from amodalsynth.records.encoding import IMAGE_FORMATS

    if path.suffix.removeprefix(".").lower() not in IMAGE_FORMATS:
        raise ConfigurationError(f"{option} {path}: expected a file name that ends in {', '.join(IMAGE_FORMATS)}")


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write (H, W, 3) uint8 RGB in the format that the file's name says."""
    from amodalsynth.files import write_file
    from amodalsynth.records.encoding import encode_image

    write_file(path, encode_image(picture, path.suffix.removeprefix(".").lower(), jpeg_quality=90))


def source_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--foregrounds, --backgrounds and --workers, of the commands that draw scenes."""
    for option in (
        click.option("--workers", type=click.IntRange(min=1), default=default_workers, show_default="all cores", help="Worker processes."),
        click.option("--backgrounds", metavar="PATH", help="Folder of textures in place of the preset's, or 'builtin'."),
        click.option("--foregrounds", metavar="PATH", help="Folder of object photos in place of the preset's, or 'builtin'."),
    ):
        command = option(command)
    return command


def set_option(text: str) -> Callable[..., Any]:
    """--set FIELD=VALUE, any number of times."""
    return click.option("--set", "assignments", multiple=True, metavar="FIELD=VALUE", help=text)


def prediction_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--tta, --batch-size, --device and --set, of the commands that run a model."""
    for option in (
        set_option("Change how detections are chosen, such as postprocess=paper or score_threshold=0.1."),
        click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N."),
        click.option("--batch-size", type=click.IntRange(min=1), default=16, show_default=True, help="Images at once."),
        click.option("--tta", is_flag=True, help="Test-time augmentation: six views of each image (section 4.3)."),
    ):
        command = option(command)
    return command


def echo_fields(settings: DatasetPreset | MethodConfig) -> None:
    """Print each field with its value and meaning, as a TOML file."""
    import orjson

    values = settings.to_json()
    for field, meaning in settings.describe().items():
        click.echo(f"{field} = {orjson.dumps(values[field]).decode()}  # {meaning}")


def require_torch() -> None:
    """`ConfigurationError` where the packages that train and run models are not installed."""
    missing = [name for name in ("torch", "torchvision", "safetensors") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigurationError(f"this command needs {', '.join(missing)}: install them with `pip install 'amodalsynth[train]'`")


class Interrupted(click.ClickException):
    """Ctrl-C, with what to do about it."""

    exit_code = 130


@contextmanager
def resumable(kept: str = "the finished parts are kept") -> Iterator[None]:
    """Say how to go on after Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; {kept}: run the same command with --resume to go on") from None


@contextmanager
def progress_bar(description: str, total: int | None, unit: str = "images") -> Iterator[Any]:
    """A tqdm bar on stderr, silent without a terminal."""
    from tqdm import tqdm

    with tqdm(desc=description, total=total, unit=f" {unit}", disable=None, dynamic_ncols=True) as bar:
        yield bar


@contextmanager
def counting_bar(description: str, unit: str = "files") -> Iterator[Callable[[int, int], None]]:
    """A bar for a callback progress(done, total), whose total may change when another task begins."""
    with progress_bar(description, None, unit) as bar:

        def update(done: int, total: int) -> None:
            if bar.total != total:
                bar.reset(total)
            bar.update(done - bar.n)

        yield update


def warn_of_skipped(pool: AssetPool) -> None:
    """One warning for all files of a pool that could not be used."""
    warn_of_some("unusable files were left out", [f"{asset_id}: {reason}" for asset_id, reason in pool.skipped.items()])


def warn_of_some(what: str, which: Sequence[str], limit: int = 3) -> None:
    """One warning that counts `which` and names the first of them; none where there are none."""
    if which:
        more = f"; and {len(which) - limit} more" if len(which) > limit else ""
        click.echo(f"Warning: {len(which)} {what}: {'; '.join(which[:limit])}{more}", err=True)


def report_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What a report is of: the argument PATH and the options of `report` and `view`, in the words of `report.build.open_report`."""
    for option in (
        click.option(
            "--against",
            type=click.Path(path_type=Path),
            metavar="OTHER",
            help="Compare with another data set or, with --results, with another model's.",
        ),
        click.option(
            "--results",
            type=click.Path(path_type=Path),
            metavar="RUN|FILE",
            help="A trained run that was evaluated, or COCO results.",
        ),
        click.option(
            "--image-root", "images", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Folder of the images."
        ),
        click.option("--format", default="auto", show_default=True, help="A format that `import` reads; auto tells it by the content."),
        click.option(
            "--split",
            type=click.Choice(["all", "train", "val", "test"]),
            default="all",
            show_default="all; with --results test, or the only one",
            help="Which split.",
        ),
        dataset_argument,
    ):
        command = option(command)
    return command


def open_report(out: Path | None, **options: Any) -> Report:
    """`report.build.open_report` with a bar for each of its steps."""
    from amodalsynth.report.build import open_report

    steps: dict[str, Callable[[int, int], None]] = {}
    with ExitStack() as stack:

        def progress(what: str, done: int, total: int) -> None:
            if what not in steps:
                stack.close()  # one bar at a time
                steps[what] = stack.enter_context(counting_bar(what, "images"))
            steps[what](done, total)

        report = open_report(existing(out), progress=progress, **options)
    lacking = [part.name for part in report.parts if part.source.images is None and len(part.source)]
    if lacking:
        where = "give their folder with --image-root"
        click.echo(f"Warning: the images of {', '.join(lacking)} were not found, so masks are shown alone; {where}", err=True)
    return report
