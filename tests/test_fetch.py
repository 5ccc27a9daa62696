"""Fetching from a local server: whole, truncated, altered, evil, too large, gone half-way; a second fetch does nothing."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import socket
import struct
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from amodalsynth.assets import fetch as fetching
from amodalsynth.assets import store
from amodalsynth.assets.fetch import fetch
from amodalsynth.assets.manifest import load_manifest
from amodalsynth.errors import AmodalSynthError, AssetDamaged, AssetError, AssetMissing, ConfigurationError

TEXTURES = {
    f"dtd/images/{category}/{index}.jpg": bytes(str(index), "ascii") * 9000 for category in ("banded", "dotted") for index in range(20)
}


def tar_gz(files: dict[str, bytes], *extra: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in extra:
            tar.addfile(member)
    return buffer.getvalue()


WHOLE = tar_gz(TEXTURES)


class Server(ThreadingHTTPServer):
    """Serves `content` at /whole, and less than that elsewhere."""

    content = WHOLE
    asked = 0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.server.asked += 1
        content, self.close_connection = self.server.content, True
        if self.path in ("/absent", "/broken"):
            self.send_error({"/absent": 404, "/broken": 500}[self.path])
            return
        self.send_response(200)
        if self.path != "/no-length":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        whole = self.path == "/whole" or (self.path == "/flaky" and self.server.asked > 1)
        self.wfile.write(content if whole else content[: len(content) // 2])
        self.wfile.flush()
        if self.path == "/gone":  # a reset instead of a proper end
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(autouse=True)
def assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, no proxy, and no waiting between two attempts. Yields the folder of the assets."""
    monkeypatch.setenv("AMODALSYNTH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("pooch.core.time", SimpleNamespace(sleep=lambda seconds: None))
    return tmp_path / "home/assets"


@pytest.fixture(autouse=True)
def small_dtd(monkeypatch: pytest.MonkeyPatch) -> None:
    """DTD's manifest as if the archive above were published."""
    known = {"size_bytes": len(WHOLE), "sha256": hashlib.sha256(WHOLE).hexdigest(), "max_files": 50, "max_bytes": 1_000_000}
    monkeypatch.setattr(
        fetching, "load_manifest", lambda name: dataclasses.replace(load_manifest(name), **(known if name == "dtd" else {}))
    )


def assert_nothing_left(assets: Path, name: str = "dtd") -> None:
    assert {path.name for path in assets.iterdir()} == {f".{name}.lock"}
    with pytest.raises(AssetMissing):
        store.locate(name)


def assert_refused(server: Server, assets: Path, path: str, error: type[AmodalSynthError], message: str, *, attempts: int = 3) -> None:
    with pytest.raises(error, match=message) as caught:
        fetch("dtd", url=server.url(path))
    assert "\n" not in str(caught.value)
    assert server.asked == attempts
    assert_nothing_left(assets)


def test_a_whole_archive(server: Server, assets: Path) -> None:
    told = []
    root = fetch("dtd", url=server.url("whole"), progress=lambda *report: told.append(report))
    assert root == store.locate("dtd") == assets / "dtd/files/dtd/images"
    assert {path.relative_to(root.parent.parent).as_posix(): path.read_bytes() for path in root.rglob("*.jpg")} == TEXTURES
    assert {path.name for path in assets.iterdir()} == {"dtd", ".dtd.lock"}
    asset = store.read_installed("dtd")
    assert (asset.url, asset.archive_sha256, asset.num_files) == (server.url("whole"), hashlib.sha256(WHOLE).hexdigest(), 40)
    assert asset.num_bytes == sum(map(len, TEXTURES.values()))
    assert store.verify("dtd") == ()
    assert ("download", len(WHOLE), len(WHOLE)) in told and ("unpack", 40, None) in told and told[-1] == ("check", 40, 40)


def test_a_second_fetch_does_nothing(server: Server) -> None:
    root = fetch("dtd", url=server.url("whole"))
    written = (root / "banded/0.jpg").stat().st_mtime_ns
    assert fetch("dtd", url=server.url("absent")) == root
    assert server.asked == 1 and (root / "banded/0.jpg").stat().st_mtime_ns == written


def test_a_folder_that_was_added_is_left_alone_and_a_fetched_one_too(server: Server, tmp_path: Path) -> None:
    (tmp_path / "mine/banded").mkdir(parents=True)
    (tmp_path / "mine/banded/1.jpg").write_text("")
    store.add("dtd", tmp_path / "mine")
    assert fetch("dtd", url=server.url("whole")) == tmp_path / "mine"
    assert server.asked == 0
    (tmp_path / "mine").rename(tmp_path / "elsewhere")  # gone, so that it is fetched now
    root = fetch("dtd", url=server.url("whole"))
    with pytest.raises(ConfigurationError, match="was fetched already"):
        store.add("dtd", tmp_path / "elsewhere")
    assert store.locate("dtd") == root


def test_without_a_published_hash_that_of_the_download_is_recorded(server: Server) -> None:
    server.content = tar_gz({"fruits-360-original-size-abc/Training/pear_1/0.jpg": b"pear", "fruits-360-original-size-abc/LICENSE": b""})
    root = fetch("fruits360", url=server.url("whole"))
    assert (root / "Training/pear_1/0.jpg").read_bytes() == b"pear" and root.name == "fruits-360-original-size-abc"
    assert store.read_installed("fruits360").archive_sha256 == hashlib.sha256(server.content).hexdigest()


def test_an_attempt_that_fails_is_repeated(server: Server) -> None:
    assert fetch("dtd", url=server.url("flaky")).is_dir()
    assert server.asked == 2


def test_a_truncated_body(server: Server, assets: Path) -> None:
    assert_refused(server, assets, "truncated", AssetError, "the connection broke before the end of the download")


def test_a_truncated_body_of_unknown_length(server: Server, assets: Path) -> None:
    assert_refused(server, assets, "no-length", AssetDamaged, "not the asset")


def test_a_truncated_body_of_unknown_length_and_hash(server: Server, assets: Path) -> None:
    with pytest.raises(AssetDamaged, match=r"fruits-360-original-size\.zip: truncated"):
        fetch("fruits360", url=server.url("no-length"))
    assert_nothing_left(assets, "fruits360")


def test_a_server_that_is_gone_half_way(server: Server, assets: Path) -> None:
    assert_refused(server, assets, "gone", AssetError, "the connection broke before the end of the download|no connection")


def test_a_server_that_is_not_there(assets: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(AssetError, match="no connection to the server") as caught:
        fetch("dtd", url=f"http://127.0.0.1:{port}/")
    assert "\n" not in str(caught.value)
    assert_nothing_left(assets)


@pytest.mark.parametrize(("path", "answer"), [("absent", "404 Not Found"), ("broken", "500 Internal Server Error")])
def test_a_server_that_has_it_not(server: Server, assets: Path, path: str, answer: str) -> None:
    assert_refused(server, assets, path, AssetError, f"the server answers {answer}")


def test_a_wrong_hash(server: Server, assets: Path) -> None:
    server.content = WHOLE[:-1] + b"\1"
    assert_refused(server, assets, "whole", AssetDamaged, "is not the asset .expected sha256")


def test_more_than_the_manifest_says_is_refused_before_it_is_all_here(server: Server, assets: Path) -> None:
    server.content = WHOLE + bytes(4_000_000)
    assert_refused(server, assets, "whole", AssetDamaged, f"sends more than {len(WHOLE):,} bytes", attempts=1)


def evil(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


EVIL = {
    "absolute": (tar_gz({}, evil("/tmp/evil.jpg")), "/tmp/evil.jpg"),
    "dots": (tar_gz({}, evil("dtd/../../evil.jpg")), "evil.jpg"),
    "symlink": (tar_gz({}, evil("dtd/out", tarfile.SYMTYPE, "../..")), "dtd/out"),
    "hardlink": (tar_gz({}, evil("dtd/out", tarfile.LNKTYPE, "/etc/passwd")), "dtd/out"),
    "device": (tar_gz({}, evil("dtd/null", tarfile.CHRTYPE)), "dtd/null"),
    "too many": (tar_gz({f"{index}.jpg": b"" for index in range(51)}), "50.jpg"),
    "bomb": (tar_gz({"bomb.jpg": bytes(1_000_001)}), "bomb.jpg"),
    "other": (tar_gz({"holiday/1.jpg": b"1"}), "/whole: not Describable.*found 'holiday'"),
    "page": (b"<html></html>", "no archive"),
}


@pytest.mark.parametrize("case", EVIL)
def test_an_archive_that_must_not_be_used(server: Server, assets: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    content, named = EVIL[case]
    server.content = content
    manifest = dataclasses.replace(
        load_manifest("dtd"), size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest(), max_files=50, max_bytes=1_000_000
    )
    monkeypatch.setattr(fetching, "load_manifest", lambda name: manifest)
    assert_refused(server, assets, "whole", AssetDamaged, named, attempts=1)
    assert not list(assets.parent.parent.rglob("evil*")) and not Path("/tmp/evil.jpg").exists()


@pytest.mark.parametrize("stage", ["download", "unpack", "check"])
def test_an_interruption_leaves_nothing(server: Server, assets: Path, stage: str) -> None:
    def interrupt(at: str, done: int, total: int | None) -> None:
        if at == stage:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch("dtd", url=server.url("whole"), progress=interrupt)
    assert_nothing_left(assets)


def test_what_needs_a_login_is_explained(server: Server, assets: Path) -> None:
    with pytest.raises(AssetMissing, match=r"by hand from .*`amodalsynth assets add omniobject3d PATH`"):
        fetch("omniobject3d", url=server.url("whole"))
    assert server.asked == 0


def test_an_address_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="expected http:// or https://"):
        fetch("dtd", url=f"file://{tmp_path}")
