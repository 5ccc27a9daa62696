"""`amodalsynth view` as a user runs it: a process that serves until it is told to stop."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.formats_support import tiny_dataset
from tests.strategies import tree


@pytest.fixture(scope="module")
def plums(tmp_path_factory) -> Path:
    return tiny_dataset(tmp_path_factory.mktemp("view") / "plums & limes", splits=("train", "test"))


@contextmanager
def viewing(*arguments: object, **options: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and the URL that it prints when it is ready."""
    command = [sys.executable, "-m", "amodalsynth_cli", "view", *map(str, arguments), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    try:
        line = process.stdout.readline()
        found = re.fullmatch(r"(http://127\.0\.0\.1:\d+/) serves .+; Ctrl-C stops it\n", line)
        assert found, line + process.stderr.read()
        yield process, found[1]
    finally:
        process.kill()
        process.communicate()


def read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read()


def test_the_flags_are_frozen():
    from amodalsynth_cli.view import command

    expected = {"out", "--split", "--format", "--image-root", "--results", "--against", "--port", "--open"}
    assert {name for parameter in command.params for name in parameter.opts} == expected


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_answers_until_it_is_stopped(plums, number):
    before = tree(plums)
    with viewing(plums) as (process, url):
        if number == signal.SIGINT:
            assert b"plums &amp; limes" in read(url)
            assert read(f"{url}report_files/scenes/11.js").startswith(b"amodalsynthScene(11, {")
            assert read(f"{url}report_files/thumbs/0.webp")[8:12] == b"WEBP"
            assert read(f"{url}report_files/pictures/0/image") == next((plums / "images" / "train").iterdir()).read_bytes()
        waiting = socket.create_connection(("127.0.0.1", int(url.rstrip("/").rpartition(":")[2])))
        process.send_signal(number)
        assert process.communicate(timeout=10) == ("stopped\n", "") and process.returncode == 0
        waiting.close()
    assert tree(plums) == before


def test_the_terminal_is_closed(plums):
    """Nobody is left to be told anything."""
    master, terminal = pty.openpty()
    command = ["setsid", "--ctty", "--wait", sys.executable, "-m", "amodalsynth_cli", "view", str(plums), "--port", "0"]
    process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    shown = b""
    while b"Ctrl-C stops it" not in shown:
        shown += os.read(master, 1 << 16)
    os.close(master)
    assert process.wait(timeout=20) == 0


def test_the_browser_is_opened_while_the_server_works(plums, tmp_path):
    opened = tmp_path / "opened"
    script = f"#!/bin/sh\nexec >/dev/null 2>&1\necho \"$1\" >'{opened}.part'\nmv '{opened}.part' '{opened}'\nsleep 30\n"
    (tmp_path / "browse").write_text(script)
    (tmp_path / "browse").chmod(0o755)
    with viewing(plums, "--split", "test", "--open", env={**os.environ, "BROWSER": str(tmp_path / "browse")}) as (process, url):
        end = time.monotonic() + 20
        while not opened.exists() and time.monotonic() < end:
            time.sleep(0.02)
        assert opened.read_text() == f"{url}\n" and read(url).startswith(b"<!")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0


def test_errors_are_one_line(plums, tmp_path, run_cli):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = (
            f"Error: port {port} of 127.0.0.1: another program listens there; give another one with --port, or 0 for any that is free\n"
        )
        assert run_cli("view", tmp_path / "looked at later", "--port", port, status=2).stderr == message
    assert "no such file or folder" in run_cli("view", tmp_path / "nothing", "--port", 0, status=3).stderr
    (tmp_path / "bad.json").write_text("[[")
    assert run_cli("view", tmp_path / "bad.json", "--port", 0, status=3).stderr.count("\n") == 1
    assert "--port" in run_cli("view", plums, "--port", 65536, status=2).stderr
