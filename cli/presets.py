"""`amodalsynth presets`."""

from __future__ import annotations

import click

from .options import echo_fields


@click.group("presets")
def command() -> None:
    """List the presets and their fields."""


@command.command("list")
def list_presets() -> None:
    """Names and sizes of the presets."""
    from amodalsynth.presets import PRESETS

    for name, preset in PRESETS.items():
        counts = ", ".join(f"{split} {preset.num_images(split):,}" for split in preset.splits)
        click.echo(f"{name:14} {counts}; cutouts from {preset.foregrounds}, textures from {preset.backgrounds}")


@command.command("show")
@click.argument("name")
@click.option("--set", "assignments", multiple=True, metavar="FIELD=VALUE", help="Change a field first.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def show(name: str, assignments: tuple[str, ...], as_json: bool) -> None:
    """Every field of a preset (or of a TOML file), its value and its meaning; also as the TOML file to start from."""
    import orjson

    from amodalsynth.presets import get_preset, override

    preset = override(get_preset(name), assignments)
    if as_json:
        click.echo(orjson.dumps(preset.to_json(), option=orjson.OPT_INDENT_2).decode())
        return
    echo_fields(preset)
