"""`amodalsynth doctor`."""

from __future__ import annotations

from pathlib import Path

import click

_MARKS = {True: "ok", False: "FAIL", None: "--"}


@click.command("doctor")
@click.option("--out", type=click.Path(path_type=Path), default=Path(), show_default="this folder", help="Folder to test for writing.")
def command(out: Path) -> None:
    """Report versions, extras, assets, disk and a write test; exit status 1 where something needed fails."""
    from amodalsynth.doctor import examine

    findings = examine(out)
    for finding in findings:
        click.echo(f"{_MARKS[finding.ok]:4} {finding.subject:24} {finding.text}")
    if any(finding.ok is False for finding in findings):
        raise click.exceptions.Exit(1)
