"""`amodalsynth assets`: list, fetch, add and verify the photos that scenes are made of."""

from __future__ import annotations

import json
from pathlib import Path

import click
from tqdm import tqdm

from amodalsynth.assets import store
from amodalsynth.assets.fetch import fetch as fetch_asset
from amodalsynth.assets.manifest import load_manifest, manifest_names
from amodalsynth.errors import AssetDamaged, ConfigurationError

_NAMED = 4  # of the categories that are not there


class _Bars:
    """A progress callback that draws one bar after the other on stderr, and none without a terminal."""

    def __init__(self, name: str) -> None:
        self._name, self._stage, self._bar = name, "", None

    def __enter__(self) -> _Bars:
        return self

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        if stage != self._stage:
            self.__exit__()
            in_bytes = {"unit": "B", "unit_scale": True} if stage == "download" else {"unit": " files"}
            self._stage, self._bar = stage, tqdm(desc=f"{self._name}: {stage}", total=total, disable=None, **in_bytes)
        self._bar.update(done - self._bar.n)  # below zero when a download starts again

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """List, fetch, add and verify the photos that scenes are made of."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(as_json: bool) -> None:
    """List the known assets, and which of them are here."""
    here = {asset.name: asset for asset in store.installed()}
    rows = []
    for name in manifest_names():
        manifest, asset = load_manifest(name), here.get(name)
        rows.append(
            {
                "name": name,
                "title": manifest.title,
                "kind": manifest.kind,
                "path": str(asset.root) if asset else None,
                "files": asset.num_files if asset else None,
                "archive_sha256": asset.archive_sha256 if asset else None,
                "size": manifest.size,
                "licence": manifest.licence,
                "licence_note": manifest.licence_note,
                "homepage": manifest.homepage,
                "citation": manifest.citation,
            }
        )
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        where = f"{row['path']} ({row['files']:,} files)" if row["path"] else f"not here; {_how(row['name'])}"
        click.echo(f"{row['name']:13} {row['kind']:11} {row['title']} ({row['licence']}; {row['size']})\n{'':25} {where}")


def _how(name: str) -> str:
    return f"amodalsynth assets add {name} PATH" if load_manifest(name).login else f"amodalsynth assets fetch {name}"


@command.command("fetch")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("--url", help="Download from this address instead of the manifest's; a known hash is checked all the same.")
def fetch_command(names: tuple[str, ...], url: str | None) -> None:
    """Download assets, check and unpack them. What is here already is left alone."""
    if url is not None and len(names) > 1:
        raise ConfigurationError(f"--url goes with one NAME, got {len(names)}")
    for name in names:
        with _Bars(name) as bars:
            root = fetch_asset(name, url=url, progress=bars)
        click.echo(f"{name}: {root}")


@command.command("add")
@click.argument("name")
@click.argument("path", type=click.Path(path_type=Path))
def add_command(name: str, path: Path) -> None:
    """Register a folder that you have as an asset; it stays where it is."""
    with _Bars(name) as bars:
        asset = store.add(name, path, progress=bars)
    click.echo(f"{name}: {asset.num_files:,} files in {asset.root}")
    absent = store.absent_categories(asset)
    if absent:
        wanted = len(load_manifest(name).categories)
        named = ", ".join(absent[:_NAMED]) + (" ..." if len(absent) > _NAMED else "")
        click.echo(
            f"Warning: {len(absent)} of the {wanted} categories of '{name}' are not there: {named}; is it the right folder?", err=True
        )


@command.command("verify")
@click.argument("names", metavar="[NAME...]", nargs=-1)
def verify_command(names: tuple[str, ...]) -> None:
    """Compare the files of assets (all that are here) with those recorded when they were fetched or added."""
    damaged = []
    for name in names or [asset.name for asset in store.installed()]:
        with _Bars(name) as bars:
            faults = store.verify(name, progress=bars)
        for fault in faults:
            click.echo(f"{name}: {fault.what} {fault.path}")
        if faults:
            damaged.append(f"'{name}' ({len(faults):,} files)")
        else:
            click.echo(f"{name}: whole")
    if damaged:
        advice = f"put the files back; or remove the asset's folder in {store.home() / 'assets'}, and fetch or add it again"
        raise AssetDamaged(f"not as recorded: {', '.join(damaged)}; {advice}")
