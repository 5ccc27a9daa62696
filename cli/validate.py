"""`amodalsynth validate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import counting_bar

if TYPE_CHECKING:
    from amodalsynth.validate import MendReport


@click.command("validate")
@click.argument("path", metavar="PATH", type=click.Path(path_type=Path))
@click.option(
    "--format", "source_format", default="auto", show_default=True, help="A format that `import` reads; auto tells it by the content."
)
@click.option("--split", type=click.Choice(["all", "train", "val", "test"]), default="all", show_default=True, help="Which split.")
@click.option("--image-root", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Folder of the images.")
@click.option("--fix", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Write a mended copy to a new folder.")
@click.option(
    "--images", type=click.Choice(["copy", "link", "none"]), default="copy", show_default=True, help="With --fix: what to do with images."
)
@click.option("--examples", type=click.IntRange(min=0), default=3, show_default=True, metavar="N", help="Faults of each kind to show.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, with what each kind of fault means.")
@click.pass_context
def command(
    context: click.Context,
    path: Path,
    source_format: str,
    split: str,
    image_root: Path | None,
    fix: Path | None,
    images: str,
    examples: int,
    as_json: bool,
) -> None:
    """Judge the annotations at PATH, a data set's folder or a file, in any format that `amodalsynth import` reads.

    Counts every fault by kind. Exits with 0 where there is none, else with 3, also with --fix.
    """
    import orjson

    from amodalsynth.importers import open_source
    from amodalsynth.validate import KINDS, find_splits, format_validation, mend_dataset, validate_source

    validations, reports = {}, {}
    for name in find_splits(path, split):
        with (
            open_source(path, format=source_format, images=image_root, split=name if path.is_dir() else None) as source,
            counting_bar(f"judging {name}", "images") as progress,
        ):
            if fix is None:
                validations[name] = validate_source(source, progress=progress, max_examples=examples)
            else:
                report = mend_dataset(source, fix, split=name, images=images, progress=progress, max_examples=examples)
                validations[name], reports[name] = report.validation, report
    num_faults = sum(validation.num_faults for validation in validations.values())
    if as_json:
        outcome: dict[str, Any] = {
            "num_faults": num_faults,
            "splits": {name: found.to_json() for name, found in validations.items()},
            "checks": KINDS,
        }
        if fix is not None:
            outcome["fix"] = {name: report.to_json() for name, report in reports.items()}
        click.echo(orjson.dumps(outcome, option=orjson.OPT_INDENT_2).decode())
    else:
        for name, found in validations.items():
            click.echo(format_validation(f"{path}, {name}" if len(validations) > 1 else str(path), found))
            if fix is not None:
                _echo_mended(fix, name, reports[name])
    context.exit(3 if num_faults else 0)


def _echo_mended(out: Path, split: str, report: MendReport) -> None:
    from amodalsynth.importers.report import DERIVED, LEFT_OUT

    written = report.written
    click.echo(f"{out}: {written.num_images:,} images, {written.num_instances:,} instances as split {split}")
    for kind, count in report.mended.items():
        click.echo(f"  {kind:<10}{count:>10,} mended")
    for kind, count in report.left_out.items():
        click.echo(f"  {kind:<10}{count:>10,} left out with their annotation or image")
    if report.num_derived_anew:
        click.echo(f"  {report.num_derived_anew:,} images whose visible masks, orders and layers were derived anew")
    for clauses, counts in ((DERIVED, written.derived), (LEFT_OUT, written.left_out)):
        for kind, count in counts.items():
            click.echo(f"  {count:,} {clauses[kind]}")
