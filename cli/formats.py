"""`amodalsynth formats`."""

from __future__ import annotations

import click


@click.command("formats")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(as_json: bool) -> None:
    """List the formats of `amodalsynth export`: who reads them, the files, what they cannot hold, the flags that they obey."""
    from dataclasses import asdict

    import orjson

    from amodalsynth.exporters import abouts

    formats = abouts()
    if as_json:
        click.echo(orjson.dumps([asdict(about) for about in formats], option=orjson.OPT_INDENT_2).decode())
        return
    width = max(len(about.name) for about in formats) + 2
    for about in formats:
        click.echo(f"{about.name:{width}}{about.title}")
        lines = {
            "read by": about.reader,
            "files": about.files,
            "lost": "; ".join(about.losses) or "nothing",
            "obeys": ", ".join(f"--{option}" for option in about.options) or "no flag",
        }
        for what, text in lines.items():
            click.echo(f"{'':{width}}{what}: {text}")
