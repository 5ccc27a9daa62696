"""`amodalsynth evaluate`."""

from __future__ import annotations

from pathlib import Path

import click

from .options import DEFAULT_DATASET, counting_bar, existing, prediction_options, require_torch


@click.command("evaluate")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="OUT|FILE",
    help=f"A data set, or a COCO file with amodal masks.  [default: ./{DEFAULT_DATASET}]",
)
@click.option("--split", default="test", show_default=True, help="Which split.")
@click.option("--images", type=click.Path(path_type=Path), metavar="DIR", help="Folder of the images of a COCO file.")
@prediction_options
@click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where results and evaluation are written.  [default: RUN]",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON, in percent; null is undefined.")
def command(
    run: Path,
    data: Path | None,
    split: str,
    images: Path | None,
    tta: bool,
    batch_size: int,
    device: str,
    assignments: tuple[str, ...],
    to: Path | None,
    as_json: bool,
) -> None:
    """Evaluate the model of the folder RUN: AP of boxes and amodal masks, by layer and occlusion rate, mIoU, order.

    Writes its detections as COCO results.
    """
    require_torch()
    import orjson

    from amodalsynth.baselines.evaluate import evaluate_run
    from amodalsynth.evaluation import format_evaluation

    with counting_bar(f"evaluating {split}", "images") as progress:
        evaluation = evaluate_run(
            run,
            existing(data),
            split=split,
            images=images,
            device=device,
            batch_size=batch_size,
            tta=tta,
            assignments=assignments,
            to=to,
            progress=progress,
        )
    if as_json:
        click.echo(orjson.dumps(evaluation, option=orjson.OPT_INDENT_2).decode())
        return
    click.echo(format_evaluation(evaluation))
    click.echo(
        f"{evaluation['fps']:.1f} images a second on {evaluation['device']}, {evaluation['batch_size']} at once, "
        f"{evaluation['detections_per_image']:.1f} detections an image; results: {(to or run) / f'results-{split}.json'}"
    )
