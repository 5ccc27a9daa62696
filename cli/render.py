"""`amodalsynth render`."""

from __future__ import annotations

from pathlib import Path

import click

from .options import counting_bar, progress_bar, resumable, source_options, warn_of_skipped

_SHOWN = 20


@click.command("render")
@click.argument("recipes", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder to write; not needed with --verify.")
@source_options
@click.option("--verify", is_flag=True, help="Write nothing; make each image in memory and name what differs (exit status 3).")
@click.option("--resume", is_flag=True, help="Go on with an unfinished data set.")
def command(
    recipes: Path, out: Path | None, foregrounds: str | None, backgrounds: str | None, workers: int, verify: bool, resume: bool
) -> None:
    """Make a data set again from its recipes, or verify that it can be.

    RECIPES is a folder with dataset.json and scenes/, or one file in its scenes/; the assets are those that the data set was made
    from, in the folders given. --verify compares the pixels that the recipes give with those they record; it does not read image files.
    """
    from amodalsynth.errors import DataError, OutputConflict
    from amodalsynth.generate import generate_dataset
    from amodalsynth.pool import load_pool
    from amodalsynth.recipes import RecipeReader, Replayer, differing_recipes, open_recipes, verify_recipes

    if verify == (out is not None):
        raise click.UsageError("give either --out DIR, to make the data set, or --verify", click.get_current_context())
    book, differing, total = open_recipes(recipes), [], 0
    if out is not None and next(iter(book.files.values())).parent.parent.resolve() == out.resolve():
        raise OutputConflict(f"--out {out}: is the data set that the recipes belong to; give another folder")
    for split, path in book.files.items():
        with resumable(), counting_bar("preparing assets") as progress:
            pool = load_pool(book.preset, split, foregrounds=foregrounds, backgrounds=backgrounds, num_workers=workers, progress=progress)
        warn_of_skipped(pool)
        reader = RecipeReader(path, book.preset.size_hw)
        total += len(reader)
        with resumable(), progress_bar(split, len(reader)) as bar:
            if verify:
                found = verify_recipes(pool, reader, num_workers=workers, progress=bar.update)
                differing += [f"{split}: {what} ({len(ids):,} images, first {ids[0]})" for what, ids in found.items()]
                continue
            made = generate_dataset(
                book.preset,
                pool,
                out,
                split=split,
                num_images=len(reader),
                seed=book.seed,
                num_workers=workers,
                options=book.options,
                resume=resume,
                make=Replayer(pool, reader),
                progress=bar.update,
            )
        changed = differing_recipes(path, out / "scenes" / path.name)
        differing += [f"{split}: pixels differ ({changed:,} images)"] if changed else []
        click.echo(f"{made.out}: {split} finished: {made.num_images:,} images, {made.num_instances:,} instances")
    for what in differing[:_SHOWN]:
        click.echo(what)
    if differing:
        raise DataError(f"{recipes}: {len(differing)} differences found in {total:,} images")
    if verify:
        click.echo(f"{recipes}: all {total:,} images are as their recipes say")
