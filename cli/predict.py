"""`amodalsynth predict`."""

from __future__ import annotations

from pathlib import Path

import click

from .options import counting_bar, prediction_options, require_torch, warn_of_some


@click.command("predict")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder for the overlays and predictions.json.",
)
@click.option(
    "--min-score",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Only what the model is this sure of is drawn and written.",
)
@prediction_options
def command(
    run: Path,
    images: tuple[Path, ...],
    out: Path,
    min_score: float,
    tta: bool,
    batch_size: int,
    device: str,
    assignments: tuple[str, ...],
) -> None:
    """Draw what the model of the folder RUN sees in IMAGES (files, or folders of them), and write it as COCO JSON."""
    require_torch()
    from amodalsynth.baselines.photos import predict_photos

    with counting_bar("predicting", "images") as progress:
        seen = predict_photos(
            run, images, out, min_score=min_score, tta=tta, batch_size=batch_size, device=device, assignments=assignments, progress=progress
        )
    warn_of_some("unreadable images were left out", seen.skipped)
    click.echo(f"{out}: {seen.num_images:,} overlays and predictions.json, {seen.num_detections:,} detections of at least {min_score:g}")
