"""`amodalsynth export`."""

from __future__ import annotations

from pathlib import Path

import click

from .options import counting_bar, dataset_argument, existing


@click.command("export")
@click.argument("format_name", metavar="FORMAT")
@dataset_argument
@click.option(
    "--to", required=True, type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Folder to write; what is there is kept."
)
@click.option("--split", type=click.Choice(["all", "train", "val", "test"]), default="all", show_default=True, help="Which split.")
@click.option(
    "--images", type=click.Choice(["copy", "link", "none"]), default="copy", show_default=True, help="What becomes of the images."
)
@click.option(
    "--segmentation", type=click.Choice(["amodal", "visible"]), default="amodal", show_default=True, help="Of coco: what `segmentation` is."
)
@click.option(
    "--rle",
    type=click.Choice(["compressed", "uncompressed", "polygon"]),
    default="compressed",
    show_default=True,
    help="Of coco: how `segmentation` is written.",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="Of coco-points: seed of points drawn anew.")
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    metavar="PIXELS",
    help="Of polygons: how far points may be taken away from the outline, 0 for none.",
)
def command(
    format_name: str, out: Path | None, to: Path, split: str, images: str, segmentation: str, rle: str, seed: int, tolerance: float
) -> None:
    """Write the data set OUT, or one of its COCO files, in the format FORMAT that others read (`amodalsynth formats` lists them).

    Without OUT, ./intra-afruit. What the format cannot hold is counted in a warning.
    """
    from amodalsynth.exporters.base import ExportOptions
    from amodalsynth.exporters.driver import export_dataset

    options = ExportOptions(images=images, segmentation=segmentation, rle=rle, seed=seed, tolerance=tolerance)
    splits = None if split == "all" else (split,)
    with counting_bar("exporting", "images") as progress:
        report = export_dataset(format_name, existing(out), to, splits=splits, options=options, progress=progress)
    for what, count in sorted(report.losses.items()):
        click.echo(f"Warning: {format_name}: {count:,} {what}", err=True)
    for name, part in report.splits.items():
        click.echo(f"{name}: {part.num_images:,} images, {part.num_annotations:,} instances")
    click.echo(f"{to}: {', '.join(report.files)}")
