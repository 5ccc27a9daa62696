"""`amodalsynth import`."""

from __future__ import annotations

from pathlib import Path

import click

from .options import counting_bar


@click.command("import")
@click.argument("format", metavar="FORMAT")
@click.argument("path", metavar="PATH", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Data set folder to write.")
@click.option(
    "--split",
    type=click.Choice(["train", "val", "test"]),
    default="train",
    show_default=True,
    help="Split to write, and to read of a data set folder.",
)
@click.option("--images", type=click.Choice(["copy", "link", "none"]), default="copy", show_default=True, help="What to do with images.")
@click.option("--image-root", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Folder of the source's images.")
def command(format: str, path: Path, out: Path, split: str, images: str, image_root: Path | None) -> None:
    """Import the annotations at PATH, and their images, as a data set.

    FORMAT is amodalsynth, coco, cocoa, cocoa-cls, kins, uoais, labelme, cvat or label-studio, or auto to tell it by the content. What the source
    lacks of visible masks, orders, layers and rates is derived from its amodal masks.
    """
    from amodalsynth.importers import open_source
    from amodalsynth.importers.driver import import_dataset
    from amodalsynth.importers.report import DERIVED, LEFT_OUT

    source_split = split if path.is_dir() else None
    with open_source(path, format=format, images=image_root, split=source_split) as source, counting_bar("import", "images") as progress:
        report = import_dataset(source, out, split=split, images=images, progress=progress)
    click.echo(f"{out}: {report.num_images:,} images, {report.num_instances:,} instances as split {split}, from {source.format}")
    click.echo(f"{report.num_pairs:,} pairs overlap")
    for kind, count in report.derived.items():
        click.echo(f"{count:,} {DERIVED[kind]}{_examples(report.examples.get(kind, ()))}")
    for kind, count in report.left_out.items():
        click.echo(f"Warning: {count:,} {LEFT_OUT[kind]}{_examples(report.examples.get(kind, ()))}", err=True)


def _examples(examples: tuple[str, ...]) -> str:
    return f" (first: {'; '.join(examples)})" if examples else ""
