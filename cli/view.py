"""`amodalsynth view`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from .options import open_report, report_options


@click.command("view")
@report_options
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, metavar="N", help="Port of 127.0.0.1; 0: any.")
@click.option("--open", "open_browser", is_flag=True, help="Open the page in the browser.")
def command(out: Path | None, port: int, open_browser: bool, **options: Any) -> None:
    """Serve the page of `amodalsynth report` on this machine, for data sets of any size: images are read from disk when they are looked at.

    OUT is a data set's folder, or a file in any format that `amodalsynth import` reads. No other machine can reach the server. From another one, go
    through a tunnel that keeps the port's number: `ssh -L 8765:127.0.0.1:8765 HOST`.
    """
    from amodalsynth.report.live import LiveReport
    from amodalsynth.report.serve import check_port, make_server

    check_port(port)
    with (
        open_report(out, **options) as report,
        make_server(LiveReport(report), port=port, log=_warn) as server,
        suppress(KeyboardInterrupt),
    ):
        click.echo(f"{server.url} serves {report.title}; Ctrl-C stops it")
        if open_browser:
            _open(server.url)
        server.serve_forever()
    with suppress(OSError):  # a closed terminal stops it too
        click.echo("stopped")


def _open(url: str) -> None:
    """In a thread, as a browser in the terminal returns when it is left."""
    import threading
    import webbrowser

    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()


def _warn(line: str) -> None:
    click.echo(f"Warning: {line}", err=True)
