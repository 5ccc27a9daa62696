"""`amodalsynth sheet`."""

from __future__ import annotations

from pathlib import Path

import click

from .options import dataset_argument, existing


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
    from amodalsynth.drawing import contact_sheet
    from amodalsynth.errors import ConfigurationError
    from amodalsynth.files import write_file
    from amodalsynth.records.encoding import IMAGE_FORMATS, encode_image

    reader = amodalsynth.open(existing(out), split)
    to = to or reader.layout.root / "contact-sheet.png"
    image_format = to.suffix.removeprefix(".").lower()
    if image_format not in IMAGE_FORMATS:
        raise ConfigurationError(f"--to {to}: expected a file name that ends in {', '.join(IMAGE_FORMATS)}")
    records = [reader[k] for k in range(min(num_images, len(reader)))]
    write_file(to, encode_image(contact_sheet(records), image_format, jpeg_quality=90))
    click.echo(f"{to}: {len(records)} scenes of split {reader.split}")
