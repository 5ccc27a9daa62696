"""`amodalsynth generate`."""

from __future__ import annotations

from pathlib import Path

import click

from .options import counting_bar, progress_bar, resumable, source_options, warn_of_skipped


@click.command("generate")
@click.option(
    "--dataset", required=True, metavar="NAME|FILE.toml", help="A preset (`amodalsynth presets list`) or a TOML file with its fields."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder to write.  [default: ./<dataset>]")
@click.option("--split", type=click.Choice(["train", "val", "test", "all"]), default="all", show_default=True, help="Which split to make.")
@click.option("--num-images", type=click.IntRange(1, 999_999_999), metavar="N", help="Images per split.  [default: the preset's]")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="Seed of the data set.")
@source_options
@click.option(
    "--image-format", type=click.Choice(["jpg", "png", "webp"]), default="jpg", show_default=True, help="png and webp are lossless."
)
@click.option(
    "--layout", type=click.Choice(["tar", "files"]), default="tar", show_default=True, help="Appearances in archives or as files."
)
@click.option("--no-appearances", is_flag=True, help="Leave the appearances out.")
@click.option(
    "--set", "assignments", multiple=True, metavar="FIELD=VALUE", help="Change a field of the preset (`amodalsynth presets show`)."
)
@click.option("--resume", is_flag=True, help="Go on with an unfinished data set.")
@click.option("--dry-run", is_flag=True, help="Say what would be made: images, bytes, time, sources, licences.")
def command(
    dataset: str,
    out: Path | None,
    split: str,
    num_images: int | None,
    seed: int,
    foregrounds: str | None,
    backgrounds: str | None,
    workers: int,
    image_format: str,
    layout: str,
    no_appearances: bool,
    assignments: tuple[str, ...],
    resume: bool,
    dry_run: bool,
) -> None:
    """Make a data set: images, masks, orders, appearances, recipes.

    The same seed and assets give the same bytes, whatever the number of workers and however often the run is interrupted and resumed.
    """
    from amodalsynth.errors import ConfigurationError
    from amodalsynth.estimate import estimate, format_estimates
    from amodalsynth.generate import generate_dataset
    from amodalsynth.pool import load_pool
    from amodalsynth.pool_sources import with_folders
    from amodalsynth.presets import get_preset, override
    from amodalsynth.records.part import OutputOptions

    for kind, given in (("foregrounds", foregrounds), ("backgrounds", backgrounds)):
        if given is not None and any(assignment.partition("=")[0].strip() == kind for assignment in assignments):
            raise ConfigurationError(f"--set {kind}=... and --{kind} contradict each other; give one of them")
    preset = override(with_folders(get_preset(dataset), foregrounds, backgrounds), assignments)
    options = OutputOptions(image_format, layout, not no_appearances)
    splits = preset.splits if split == "all" else (split,)
    counts = {name: num_images or preset.num_images(name) for name in splits}
    empty = [name for name, count in counts.items() if not count]
    if empty or not counts:
        raise ConfigurationError(
            f"preset '{preset.name}' has no {split} images; give --num-images N, or --split {' or '.join(preset.splits) or 'train'}"
        )
    pools = {}
    for name in counts:  # all of them first: what is wrong with the assets of one split should not wait until another is made
        with resumable(), counting_bar("preparing assets") as progress:
            pools[name] = load_pool(preset, name, foregrounds=foregrounds, backgrounds=backgrounds, num_workers=workers, progress=progress)
        warn_of_skipped(pools[name])
    if dry_run:
        estimates = [estimate(preset, pools[name], name, count, seed, options, workers) for name, count in counts.items()]
        click.echo(format_estimates(out or Path(preset.name), estimates))
        return
    for name, count in counts.items():
        with resumable(), progress_bar(name, count) as bar:
            made = generate_dataset(
                preset,
                pools[name],
                out or Path(preset.name),
                split=name,
                num_images=count,
                seed=seed,
                num_workers=workers,
                options=options,
                resume=resume,
                progress=bar.update,
            )
        verb = "already finished" if made.status == "finished" else "finished"
        click.echo(f"{made.out}: {name} {verb}: {made.num_images:,} images, {made.num_instances:,} instances")
