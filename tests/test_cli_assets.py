"""`amodalsynth assets` through a subprocess."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def amodalsynth(tmp_path: Path):
    """Run the command line with a home of its own; returns (exit status, stdout, stderr)."""
    environment = {**os.environ, "AMODALSYNTH_HOME": str(tmp_path / "home"), "NO_PROXY": "127.0.0.1"}

    def run(*args: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "amodalsynth_cli", *args], env=environment, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture
def fruit(tmp_path: Path) -> Path:
    root = tmp_path / "fruit"
    for name in ("Training/pear_1/0.jpg", "Training/pear_1/1.jpg", "Test/pear_1/2.jpg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def test_list_says_what_is_here_and_how_to_get_the_rest(amodalsynth, fruit: Path) -> None:
    amodalsynth("assets", "add", "fruits360", str(fruit))
    status, out, err = amodalsynth("assets", "list")
    assert (status, err) == (0, "")
    assert f"{fruit} (3 files)" in out
    assert "not here; amodalsynth assets fetch dtd" in out and "not here; amodalsynth assets add omniobject3d PATH" in out
    status, out, err = amodalsynth("assets", "list", "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert list(rows) == ["dtd", "fruits360", "omniobject3d"]
    assert (rows["fruits360"]["path"], rows["fruits360"]["files"], rows["dtd"]["path"]) == (str(fruit), 3, None)
    assert rows["dtd"]["licence"] == "research only"


def test_add_and_verify(amodalsynth, fruit: Path) -> None:
    assert amodalsynth("assets", "verify") == (0, "", "")
    status, out, err = amodalsynth("assets", "add", "fruits360", str(fruit))
    assert (status, out) == (0, f"fruits360: 3 files in {fruit}\n")
    assert err.startswith("Warning: ") and "of the 10 categories of 'fruits360' are not there" in err and err.count("\n") == 1
    assert amodalsynth("assets", "verify") == (0, "fruits360: whole\n", "")
    (fruit / "Test/pear_1/2.jpg").write_text("other")
    (fruit / "Test/pear_1/3.jpg").write_text("new")
    for names in ((), ("fruits360",)):
        status, out, err = amodalsynth("assets", "verify", *names)
        assert status == 4
        assert out == "fruits360: changed Test/pear_1/2.jpg\nfruits360: extra Test/pear_1/3.jpg\n"
        assert err.startswith("Error: not as recorded: 'fruits360' (2 files);") and err.count("\n") == 1


def test_fetch_from_a_server(amodalsynth, fruit: Path, tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "served/fruit"), "zip", fruit.parent, fruit.name)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "served"))) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        status, out, err = amodalsynth("assets", "fetch", "fruits360", "--url", f"{address}/fruit.zip")
        assert (status, out) == (4, "")
        assert f"{address}/fruit.zip: not Fruits-360" in err and "found 'fruit'" in err and err.count("\n") == 1
        shutil.make_archive(str(tmp_path / "served/fruit"), "zip", fruit)
        root = tmp_path / "home/assets/fruits360/files"
        for _ in range(2):  # the second does nothing, and says the same
            status, out, err = amodalsynth("assets", "fetch", "fruits360", "--url", f"{address}/fruit.zip")
            assert (status, out, err) == (0, f"fruits360: {root}\n", "")
        status, out, err = amodalsynth("assets", "fetch", "dtd", "--url", f"{address}/absent.tar.gz")
        assert (status, out) == (4, "")
        assert err.startswith("Error: ") and "the server answers 404" in err and err.count("\n") == 1
        server.shutdown()
    assert (root / "Test/pear_1/2.jpg").read_text() == "Test/pear_1/2.jpg"
    assert amodalsynth("assets", "verify", "fruits360")[:2] == (0, "fruits360: whole\n")


@pytest.mark.parametrize(
    ("args", "status", "message"),
    [
        (["fetch"], 2, "Missing argument 'NAME...'"),
        (["fetch", "dtb"], 2, "unknown asset 'dtb': expected one of dtd, fruits360, omniobject3d"),
        (["fetch", "dtd", "fruits360", "--url", "http://127.0.0.1/"], 2, "--url goes with one NAME, got 2"),
        (["fetch", "dtd", "--url", "dtd.tar.gz"], 2, "expected http:// or https://"),
        (["fetch", "omniobject3d"], 4, "then run `amodalsynth assets add omniobject3d PATH`"),
        (["add", "dtd", "/nowhere/dtd"], 4, "/nowhere/dtd: no such folder"),
        (["verify", "dtd"], 4, "run `amodalsynth assets fetch dtd`"),
    ],
)
def test_errors_are_one_line_with_an_exit_status(amodalsynth, args: list[str], status: int, message: str) -> None:
    code, out, err = amodalsynth("assets", *args)
    assert (code, out) == (status, "")
    assert err.startswith("Error: ") and message in err and err.count("\n") == 1
