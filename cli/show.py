"""`amodalsynth show`."""

from __future__ import annotations

from pathlib import Path

import click

from .options import check_picture_name, dataset_argument, existing, write_picture

_LARGEST = 1200  # pixels of a picture's longer side


@click.command("show")
@dataset_argument
@click.option("--split", type=click.Choice(["train", "val", "test"]), help="Which split.  [default: the first there is]")
@click.option("--image", "image_id", type=int, metavar="ID", help="Id of the image.  [default: the first]")
@click.option(
    "--out",
    "to",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A .png, .jpg or .webp file.  [default: image-<ID>.png]",
)
def command(out: Path | None, split: str | None, image_id: int | None, to: Path | None) -> None:
    """Draw one annotated scene: its image, amodal masks, visible masks and layers; and list its instances, nearest first."""
    import amodalsynth
    from amodalsynth.drawing import draw_scene, instance_rows

    if to is not None:
        check_picture_name("--out", to)
    reader = amodalsynth.open(existing(out), split)
    record = reader[0] if image_id is None else reader.by_image_id(image_id)
    annotation, to = record.annotation, to or Path(f"image-{record.image_id}.png")
    write_picture(to, draw_scene(record.title, record.image, annotation, largest=_LARGEST))
    click.echo(f"{to}: image {record.image_id} of split {reader.split}, {record.title}")
    rows = instance_rows(annotation, reader.categories)
    widths = {key: max(len(key), *(len(row[key]) for row in rows)) for key in rows[0]} if rows else {}
    for row in [{key: key for key in widths}, *rows] if rows else []:
        click.echo("  " + "  ".join(row[key].ljust(width) for key, width in widths.items()).rstrip())
