"""`amodalsynth stats`."""

from __future__ import annotations

from pathlib import Path

import click

from .options import counting_bar, dataset_argument, existing


@click.command("stats")
@dataset_argument
@click.option("--split", type=click.Choice(["all", "train", "val", "test"]), default="all", show_default=True, help="Which split.")
@click.option("--json", "as_json", is_flag=True, help="As JSON: shares and rates are fractions, null is not recorded.")
def command(out: Path | None, split: str, as_json: bool) -> None:
    """Compare the statistics of the data set OUT, or of one COCO file, with the paper's Tables 1 and 2 and Figure 4.

    Without OUT, those of ./intra-afruit.
    """
    import orjson

    from amodalsynth.stats import format_stats, read_stats

    with counting_bar("stats", "images") as progress:
        stats = read_stats(existing(out), split=split, progress=progress)
    click.echo(orjson.dumps(stats.to_json(), option=orjson.OPT_INDENT_2).decode() if as_json else format_stats(stats), nl=as_json)
