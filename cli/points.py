"""`amodalsynth points`."""

from __future__ import annotations

from pathlib import Path

import click

from .options import counting_bar, dataset_argument, existing


@click.command("points")
@dataset_argument
@click.option("--split", type=click.Choice(["all", "train", "val", "test"]), default="all", show_default=True, help="Which split.")
@click.option("--num-points", type=click.IntRange(min=1), default=10, show_default=True, metavar="P", help="Points for each instance.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="Seed of the points.")
@click.option(
    "--out",
    "target",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="File to write, for one split.  [default: instances_<split>_n<P>_v1_without_masks.json beside the masks]",
)
def command(out: Path | None, split: str, num_points: int, seed: int, target: Path | None) -> None:
    """Draw point annotations for the COCO files of the data set OUT, or for one COCO file with amodal masks.

    Without OUT, for ./intra-afruit. Points are uniform in the amodal box; label 1 is on the amodal mask.
    """
    from amodalsynth.points import annotate_points

    with counting_bar("points", "images") as progress:
        written = annotate_points(existing(out), split=split, num_points=num_points, seed=seed, out=target, progress=progress)
    for summary in written:
        share = summary.num_positive / max(1, summary.num_points)
        click.echo(f"{summary.path}: {summary.num_points:,} points for {summary.num_instances:,} instances, {share:.1%} of them labelled 1")
