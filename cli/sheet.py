"""`amodalsynth sheet`."""

from __future__ import annotations

from pathlib import Path

import click

from .options import check_picture_name, dataset_argument, existing, write_picture


@click.command("sheet")
@dataset_argument
@click.option("--split", type=click.Choice(["train", "val", "test"]), help="Which split.  [default: the first there is]")
@click.option("--num-images", type=click.IntRange(1, 200), default=12, show_default=True, help="Scenes on the sheet.")
@click.option(
    "--to",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A .png, .jpg or .webp file.  [default: OUT/contact-sheet.png]",
)
def command(out: Path | None, split: str | None, num_images: int, to: Path | None) -> None:
    """Draw a contact sheet: scenes with their amodal masks, visible masks and layers."""
    import amodalsynth
    from amodalsynth.drawing import contact_sheet, draw_scene

    reader = amodalsynth.open(existing(out), split)
    to = to or reader.layout.root / "contact-sheet.png"
    check_picture_name("--to", to)
    records = [reader[k] for k in range(min(num_images, len(reader)))]
    write_picture(to, contact_sheet([draw_scene(record.title, record.image, record.annotation) for record in records]))
    click.echo(f"{to}: {len(records)} scenes of split {reader.split}")
