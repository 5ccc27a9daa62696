"""`amodalsynth report`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .options import counting_bar, default_workers, open_report, report_options

_MAX_IMAGES = 300


@click.command("report")
@report_options
@click.option(
    "--to",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("report.html"),
    show_default=True,
    metavar="FILE",
    help="A .html file.",
)
@click.option(
    "--max-images",
    type=click.IntRange(1, 1_000_000_000),
    default=_MAX_IMAGES,
    show_default=True,
    metavar="N",
    help="Images to show, drawn from all; the numbers cover all.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the images that are drawn.")
def command(out: Path | None, to: Path, **options: Any) -> None:
    """Write one page that shows what is in the data set OUT, whether it is right, and what a model makes of it.

    OUT is a data set's folder, or a file in any format that `amodalsynth import` reads. The page opens from disk and asks nothing of any
    network. Up to 400 images are held by the page itself; for more, a folder of pieces lies beside it.
    """
    from amodalsynth.report.write import check_target, write_report

    check_target(to, options["max_images"])
    with open_report(out, **options) as report, counting_bar("drawing", "images") as progress:
        written = write_report(report, to, workers=default_workers(), progress=progress)
    beside = "" if written.pieces is None else f" and {written.pieces}"
    shown = f"{written.num_rows:,}" + (f" of {report.num_images:,}" if written.num_rows < report.num_images else "")
    noun = "image" if report.num_images == 1 else "images"
    click.echo(f"{written.page}{beside}: {shown} {noun}, {written.num_bytes / 1e6:.1f} MB; open it in a browser")
