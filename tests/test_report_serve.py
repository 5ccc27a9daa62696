"""The server of a report: what it answers, and everything that it refuses."""

from __future__ import annotations

import gzip
import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amodalsynth.errors import ConfigurationError, DataError
from amodalsynth.report import serve
from amodalsynth.report.build import open_report
from amodalsynth.report.live import LiveReport
from amodalsynth.report.serve import ReportServer, _accepts_gzip, check_port, make_server
from tests.formats_support import tiny_dataset

PAGE = b"<!doctype html><title>plums</title>" + b"<p>plum</p>" * 1000
POLICY = "default-src 'none'; img-src 'self'"
WEBP = b"RIFF....WEBP"


@dataclass(frozen=True, slots=True)
class Shown:
    """What the server takes of a `Picture`."""

    content: bytes
    media_type: str


@dataclass(slots=True)
class Plums:
    """Stands in for a report of seven rows, whose pictures are files in `folder`."""

    folder: Path
    num_rows: int = 7
    policy: str = POLICY
    shown: bytes = PAGE
    asked: list[tuple[object, ...]] = field(default_factory=list)
    held: threading.Event = field(default_factory=threading.Event)

    def page(self) -> bytes:
        return self.shown

    def scene_script(self, row: int) -> bytes:
        self.asked.append(("scene", row))
        if row == 5:
            raise RuntimeError("a fault\nof ours")
        if row == 6:
            assert self.held.wait(10)
        return b"amodalsynthScene(%d, {});\n" % row

    def thumbnail(self, row: int) -> bytes | None:
        self.asked.append(("thumbnail", row))
        return None if row == 4 else WEBP + bytes([row])

    def picture(self, row: int, name: str) -> Shown | None:
        self.asked.append(("picture", row, name))
        if name == "background":
            raise DataError("plums.tar: gone\n<b>\ud800; expected a member")
        return Shown((self.folder / f"{row}-{name}.jpg").read_bytes(), "image/jpeg") if name != "999999999" else None


@contextmanager
def served(report: object, **options: object) -> Iterator[ReportServer]:
    with make_server(report, **options) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def plums(tmp_path: Path) -> Plums:
    for row in range(7):
        (tmp_path / f"{row}-image.jpg").write_bytes(b"\xff\xd8" + bytes([row]))
        (tmp_path / f"{row}-0.jpg").write_bytes(b"\xff\xd8zero")
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    return Plums(tmp_path)


@pytest.fixture
def server(plums: Plums) -> Iterator[ReportServer]:
    with served(plums) as server:
        yield server


def connect(server: ReportServer) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)


def ask(server: ReportServer, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers with lower-case names, content."""
    connection = connect(server)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def send(server: ReportServer, request: bytes) -> bytes:
    """The whole answer to raw bytes, after which nothing more is sent."""
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
        with suppress(OSError):  # the server may have refused before it read everything
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        with suppress(ConnectionError):
            while block := connection.recv(1 << 16):
                answer += block
        return answer


def host(server: ReportServer) -> bytes:
    return b"Host: 127.0.0.1:%d\r\n" % server.server_port


SAFE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


@pytest.mark.parametrize(
    ("path", "media_type", "content"),
    [
        ("/report_files/scenes/3.js", "text/javascript; charset=utf-8", b"amodalsynthScene(3, {});\n"),
        ("/report_files/thumbs/2.webp", "image/webp", WEBP + b"\2"),
        ("/report_files/pictures/1/image", "image/jpeg", b"\xff\xd8\1"),
        ("/report_files/pictures/0/0", "image/jpeg", b"\xff\xd8zero"),
    ],
)
def test_the_pieces(server, path, media_type, content):
    status, headers, body = ask(server, path)
    assert (status, headers["content-type"], body) == (200, media_type, content)
    assert SAFE.items() <= headers.items() and headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert headers["cache-control"].startswith("private, max-age=") and headers["content-length"] == str(len(content))
    assert ask(server, path, "HEAD") == (200, headers, b"")
    assert send(server, f"HEAD {path} HTTP/1.1\r\n".encode() + host(server) + b"\r\n").endswith(b"\r\n\r\n")


def test_the_page_and_its_headers(server):
    status, headers, body = ask(server, "/")
    assert (status, body, headers["content-type"]) == (200, PAGE, "text/html; charset=utf-8")
    assert headers["content-security-policy"] == f"{POLICY}; frame-ancestors 'none'" and headers["cache-control"] == "no-store"
    assert SAFE.items() <= headers.items() and "server" not in headers and "vary" in headers
    assert ask(server, "/", "HEAD") == (200, headers, b"")
    assert ask(server, "/", Host=f"LocalHost:{server.server_port}")[0] == 200
    assert server.url == f"http://127.0.0.1:{server.server_port}/"


def test_text_is_zipped_for_whoever_takes_it(server):
    for path, plain in (("/", PAGE), ("/report_files/scenes/0.js", b"amodalsynthScene(0, {});\n")):
        status, headers, body = ask(server, path, Accept_Encoding="br, GZIP;q=0.5")
        assert (status, headers["content-encoding"], gzip.decompress(body)) == (200, "gzip", plain)
        assert headers["content-length"] == str(len(body))
    assert "content-encoding" not in ask(server, "/report_files/thumbs/0.webp", Accept_Encoding="gzip")[1]
    assert len(ask(server, "/", Accept_Encoding="gzip")[2]) < len(PAGE) / 10


@pytest.mark.parametrize("accepted", ["gzip", "deflate, gzip , br", "gzip;q=1.0", "gzip; q=0.001"])
def test_who_takes_gzip(accepted):
    assert _accepts_gzip(accepted)


@pytest.mark.parametrize("accepted", ["gzip;q=0", "br, gzip; q=0.000", "", "xgzip, br", "identity"])
def test_who_takes_no_gzip(accepted):
    assert not _accepts_gzip(accepted)


def test_a_piece_is_not_made_again_for_a_browser_that_has_it(server, plums):
    path = "/report_files/pictures/1/image"
    tag = ask(server, path)[1]["etag"]
    del plums.asked[:]
    status, headers, body = ask(server, path, If_None_Match=f'"other", {tag}')
    assert (status, body, plums.asked) == (304, b"", []) and SAFE.items() <= headers.items()
    assert ask(server, "/report_files/pictures/1/nothing", If_None_Match=tag)[0] == 404
    with served(plums) as later:  # the same port may be another data set's tomorrow
        assert ask(later, path, If_None_Match=tag)[0] == 200


ELSEWHERE = [
    "/etc/passwd",
    "//",
    "///etc/passwd",
    "/..",
    "/../secret.jpg",
    "/report_files/../secret.jpg",
    "/report_files/%2e%2e/secret.jpg",
    "/report_files/..%2fsecret.jpg",
    "/report_files/..%5csecret.jpg",
    "/report_files/..\\secret.jpg",
    "/report_files/pictures/1/../secret",
    "/report_files/pictures/1/..%2Fsecret",
    "/report_files/pictures/1/%252e%252e%252fsecret",
    "/report_files/pictures/1/image%00.jpg",
    "/report_files/pictures/1/image\0",
    "/report_files/pictures/1/%69mage",
    "/report_files/pictures/1//image",
    "/report_files/pictures//etc/passwd",
    "/report_files//pictures/1/image",
    "//report_files/pictures/1/image",
    "/report_files/pictures/1/image/",
    "/report_files/pictures/1/image?x=1",
    "/report_files/pictures/1/image#x",
    "/report_files/pictures/1/Image",
    "/report_files/pictures/1/secret",
    "/report_files/pictures/1/-1",
    "/report_files/pictures/1/1234567890",
    "/report_files/scenes/7.js",
    "/report_files/scenes/-1.js",
    "/report_files/scenes/01.js",
    "/report_files/scenes/1.5.js",
    "/report_files/scenes/1xjs",
    "/report_files/scenes/\xb2.js",
    "/report_files/scenes/%31.js",
    "/report_files/scenes/9999999999.js",
    "/report_files/scenes/.js",
    "/report_files/scenes/",
    "/report_files/thumbs/7.webp",
    "/report_files/thumbs/" + "../" * 2000 + "etc/passwd",
    "http://127.0.0.1/",
    "file:///etc/passwd",
    "*",
    "/index.html",
    "/favicon.ico",
]


@pytest.mark.parametrize("target", ["/report_files/thumbs/4.webp", "/report_files/pictures/1/999999999"])
def test_a_picture_that_an_image_lacks_is_no_content(server, target):
    assert ask(server, target)[0] == 204 and ask(server, target)[2] == b""


@pytest.mark.parametrize("target", ELSEWHERE, ids=lambda target: target[:50])
def test_everything_else_is_not_there(server, plums, target):
    request = b"GET " + target.encode("latin-1") + b" HTTP/1.1\r\n" + host(server) + b"Connection: close\r\n\r\n"
    head, _, body = send(server, request).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 404 ") and b"no-store" in head and b"sandbox" in head
    assert body.count(b"\n") == 1 and b"root:" not in body and b"secret" not in body
    assert not [asked for asked in plums.asked if asked[0] == "picture"]


def test_more_connections_than_a_limit_are_closed_and_others_go_on(plums, monkeypatch):
    monkeypatch.setattr(serve, "_MOST_CONNECTIONS", 4)
    with served(plums) as server, ExitStack() as stack:
        idle = [stack.enter_context(socket.create_connection(("127.0.0.1", server.server_port), timeout=5)) for _ in range(4)]
        wait_until(lambda: len(server._connections) == 4)
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=5) as late, suppress(ConnectionResetError):
            assert late.recv(1) == b""
        idle[0].close()
        wait_until(lambda: len(server._connections) == 3)
        assert ask(server, "/")[0] == 200


def wait_until(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


ROWS = range(7)
WHOLE = {f"/report_files/{piece}" for row in ROWS for piece in (f"scenes/{row}.js", f"thumbs/{row}.webp", f"pictures/{row}/image")}


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(sorted(WHOLE)), st.integers(0, 40), st.integers(0, 3), st.text("/.%0167e-\\?jswebpiagn \0\n\u00b2", max_size=4))
def test_no_url_that_differs_from_these_is_found(whole, start, length, text):
    class Finder:
        report = Plums(Path())
        find = ReportServer.find

    changed = whole[:start] + text + whole[start + length :]
    instance = re.fullmatch("/report_files/pictures/[0-6]/(background|0|[1-9][0-9]{0,8})", changed)
    assert (Finder().find(changed) is not None) is (changed in WHOLE or instance is not None)


FOREIGN = [
    "",
    "Host:",
    "Host: evil.example",
    "Host: evil.example:{port}",
    "Host: 127.0.0.1",
    "Host: 127.0.0.1:1",
    "Host: 127.0.0.2:{port}",
    "Host: 127.0.0.1:{port}.evil.example",
    "Host: localhost.evil.example:{port}",
    "Host: 127.0.0.1:{port}\r\nHost: evil.example",
]


@pytest.mark.parametrize("path", ["/", "/report_files/thumbs/1.webp"])
@pytest.mark.parametrize("hosts", FOREIGN)
def test_another_host_is_refused(server, path, hosts):
    lines = hosts.format(port=server.server_port)
    for version in ("1.0", "1.1"):
        answer = send(server, f"GET {path} HTTP/{version}\r\n{lines}\r\n\r\n".replace("\r\n\r\n\r\n", "\r\n\r\n").encode())
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 403 ") and body.count(b"\n") == 1 and server.url.encode() in body


def test_other_sites_are_refused(server, plums):
    own = f"http://127.0.0.1:{server.server_port}"
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": own}, {"Sec_Fetch_Site": "cross-site"}):
        assert ask(server, "/", **headers)[0] == 403
        assert ask(server, "/report_files/thumbs/1.webp", "HEAD", **headers)[0] == 403
    assert plums.asked == []
    for site in ("same-origin", "none"):
        assert ask(server, "/", Sec_Fetch_Site=site)[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT", "get", "__class__", "error"])
def test_other_methods(server, method):
    content = b"x" * 5000
    request = method.encode() + b" / HTTP/1.1\r\n" + host(server) + b"Content-Length: 5000\r\n\r\n" + content
    head, _, body = send(server, request).partition(b"\r\n\r\n")
    assert (
        head.startswith(b"HTTP/1.1 405 ") and b"\r\nAllow: GET, HEAD\r\n" in head + b"\r\n" and body == b"only GET and HEAD are answered\n"
    )


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) + b"\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 505),
        (b"GET / HTTP/1.x\r\n\r\n", 400),
        (b"GET / HTTP/1.1 more\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 70000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 200 + b"\r\n", 431),
        (b"GET /\r\n\r\n", 403),  # HTTP 0.9
        (b"GET / HTTP/1.1\r\n\xff\xfe\x00: \x00\r\n\r\n", 403),
    ],
)
def test_what_is_no_request(server, request_bytes, status, capfd):
    head, _, body = send(server, request_bytes).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status) and b"nosniff" in head and b"<" not in body
    assert ask(server, "/")[0] == 200 and capfd.readouterr() == ("", "")


@settings(deadline=None, max_examples=40)
@given(garbage=st.binary(max_size=200))
def test_garbage_does_no_harm(server_of_all, garbage):
    send(server_of_all, garbage)
    send(server_of_all, b"GET / HTTP/1.1\r\n" + host(server_of_all) + garbage)
    assert ask(server_of_all, "/report_files/scenes/1.js")[2] == b"amodalsynthScene(1, {});\n"


@pytest.fixture(scope="module")
def server_of_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReportServer]:
    with served(Plums(tmp_path_factory.mktemp("plums"))) as server:
        yield server


def test_a_connection_is_kept_and_the_content_of_a_request_is_never_the_next_one(server):
    connection = connect(server)
    for row in range(3):
        connection.request("GET", f"/report_files/scenes/{row}.js")
        answer = connection.getresponse()
        assert answer.read() == b"amodalsynthScene(%d, {});\n" % row and "connection" not in {
            name.lower() for name, _ in answer.getheaders()
        }
        if row == 0:
            kept = connection.sock
    assert connection.sock is kept
    connection.close()

    hidden = b"GET /report_files/scenes/1.js HTTP/1.1\r\n" + host(server) + b"\r\n"
    for sent in (b"Content-Length: %d\r\n" % len(hidden), b"Transfer-Encoding: chunked\r\n"):
        answer = send(server, b"GET /report_files/scenes/0.js HTTP/1.1\r\n" + host(server) + sent + b"\r\n" + hidden)
        assert answer.count(b"HTTP/1.1 ") == 1 and b"\r\nConnection: close\r\n" in answer


def test_sixteen_threads_at_once(server):
    def work(number: int) -> None:
        connection = connect(server)
        for row in (number % 5, (number + 1) % 5):
            connection.request("GET", f"/report_files/pictures/{row}/image")
            assert connection.getresponse().read() == b"\xff\xd8" + bytes([row])
            connection.request("GET", f"/report_files/scenes/{row}.js")
            assert connection.getresponse().read() == b"amodalsynthScene(%d, {});\n" % row
        connection.close()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(64)))


def test_a_file_that_has_gone(server, tmp_path):
    (tmp_path / "2-image.jpg").rename(tmp_path / "away")
    status, headers, body = ask(server, "/report_files/pictures/2/image")
    assert status == 404 and b"2-image.jpg" in body and body.count(b"\n") == 1 and headers["content-type"].startswith("text/plain")
    assert ask(server, "/report_files/pictures/1/background")[::2] == (404, b"plums.tar: gone <b>?; expected a member\n")
    (tmp_path / "away").rename(tmp_path / "2-image.jpg")
    assert ask(server, "/report_files/pictures/2/image")[::2] == (200, b"\xff\xd8\2")


def test_a_fault_of_ours_is_told_and_does_not_end_the_server(plums, capfd):
    lines = []
    with served(plums, log=lines.append) as server:
        assert ask(server, "/report_files/scenes/5.js")[0] == 500
        assert ask(server, "/report_files/scenes/4.js")[0] == 200
    with served(plums) as server:
        assert ask(server, "/report_files/scenes/5.js")[::2] == (500, b"a fault of amodalsynth's own: RuntimeError\n")
    assert lines == ["/report_files/scenes/5.js: RuntimeError: a fault of ours"] and capfd.readouterr() == ("", "")


def test_slow_and_broken_connections_hold_up_nobody(plums, capfd):
    lines = []
    with served(plums, log=lines.append) as server:
        slow = [socket.create_connection(("127.0.0.1", server.server_port)) for _ in range(40)]
        for connection in slow:
            connection.sendall(b"GET / HTTP/1.1\r\nHost")
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", server.server_port)) as gone:
                gone.sendall(b"GET / HTTP/1.1\r\n" + host(server) + b"\r\n")
                gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # closes with a reset
        start = time.monotonic()
        assert ask(server, "/")[0] == 200 and time.monotonic() - start < 5
        for connection in slow:
            connection.close()
    assert lines == [] and capfd.readouterr() == ("", "")


def test_an_idle_connection_is_closed(plums, monkeypatch, capfd):
    assert serve._Handler.timeout <= 60
    monkeypatch.setattr(serve._Handler, "timeout", 0.1)
    with served(plums) as server, socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHo")
        assert connection.recv(100) == b""
    assert capfd.readouterr() == ("", "")


def test_closing_ends_connections_and_waits_for_answers(plums):
    with served(plums) as server:
        idle, busy = connect(server), connect(server)
        idle.request("GET", "/")
        assert len(idle.getresponse().read()) == len(PAGE)
        busy.request("GET", "/report_files/scenes/6.js")
        while ("scene", 6) not in plums.asked:
            time.sleep(0.005)
        threading.Timer(0.2, plums.held.set).start()
    assert plums.held.is_set()
    assert idle.sock.recv(100) == b"" and not [name for name in threading.enumerate() if "process_request_thread" in name.name]
    with pytest.raises(ConnectionRefusedError):
        connect(server).connect()


def test_it_listens_on_this_machine_only(server):
    assert server.socket.getsockname() == ("127.0.0.1", server.server_port)
    addresses = {found.address for all_of in psutil.net_if_addrs().values() for found in all_of if found.family == socket.AF_INET}
    for address in (addresses | {"127.0.0.2"}) - {"127.0.0.1"}:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address, server.server_port), timeout=5)


def test_a_taken_port_is_told(server):
    for claim in (lambda: make_server(Plums(Path()), port=server.server_port), lambda: check_port(server.server_port)):
        with pytest.raises(
            ConfigurationError, match=rf"port {server.server_port} of 127.0.0.1: another program listens there; give another"
        ):
            claim()
    for claim in (lambda: make_server(Plums(Path()), port=65536), lambda: check_port(-1)):
        with pytest.raises(ConfigurationError, match="or 0 for any that is free"):
            claim()
    check_port(0)


@pytest.fixture(scope="module")
def data_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_dataset(tmp_path_factory.mktemp("serve") / "<plums> & limes")


@pytest.fixture(scope="module")
def real(data_set: Path) -> Iterator[ReportServer]:
    with open_report(data_set) as report, served(LiveReport(report)) as server:
        yield server


def test_a_real_report(real, data_set):
    assert b"&lt;plums&gt; &amp; limes" in ask(real, "/")[2]
    for row, image in enumerate(sorted((data_set / "images" / "train").iterdir())):
        script = ask(real, f"/report_files/scenes/{row}.js")[2]
        scene = json.loads(script.removeprefix(b"amodalsynthScene(%d, " % row).removesuffix(b");\n"))
        assert ask(real, f"/{scene['image']}")[2] == image.read_bytes()
        for url in (scene["background"], *(instance["appearance"]["url"] for instance in scene["instances"])):
            status, headers, content = ask(real, f"/{url}")
            assert (status, headers["content-type"]) == (200, "image/png") and content.startswith(b"\x89PNG")
        assert ask(real, f"/report_files/pictures/{row}/{len(scene['instances'])}")[0] == 204
        assert ask(real, f"/report_files/thumbs/{row}.webp")[2][8:12] == b"WEBP"
    assert ask(real, f"/report_files/scenes/{row + 1}.js")[0] == 404


def test_an_image_of_a_real_report_that_has_gone(real, data_set):
    image = next((data_set / "images" / "train").iterdir())
    row = sorted(image.parent.iterdir()).index(image)
    content = image.read_bytes()
    image.unlink()
    assert ask(real, f"/report_files/pictures/{row}/image")[0] == 204 and ask(real, f"/report_files/thumbs/{row}.webp")[0] == 204
    assert b'"image":null' in ask(real, f"/report_files/scenes/{row}.js")[2]
    image.write_bytes(content)
    assert ask(real, f"/report_files/pictures/{row}/image")[2] == content


def test_a_browser_shows_it(real, browser_page):
    """Every piece that the page asks for is there, and its own policy and the server's let it be shown."""
    answers = {}
    browser_page.on("response", lambda response: answers.update({response.url.removeprefix(real.url): response.status}))
    browser_page.goto(f"{real.url}#gallery")
    browser_page.wait_for_function(
        "() => [...document.images].filter((image) => image.src.endsWith('.webp') && image.naturalWidth > 0).length === 6"
    )
    with browser_page.expect_response(f"{real.url}report_files/pictures/0/image"):
        browser_page.goto(f"{real.url}#image/train/1")
    assert set(answers.values()) == {200} and len([url for url in answers if url.startswith("report_files/thumbs/")]) == 6


def test_a_page_of_another_port_can_show_nothing_of_it(real, chromium, tmp_path):
    pieces = "<img src='{0}report_files/thumbs/0.webp'><script src='{0}report_files/scenes/0.js'></script><iframe src='{0}'></iframe>"
    with served(Plums(tmp_path, policy="default-src *", shown=pieces.format(real.url).encode())) as other:
        page, shown = chromium.new_page(), []
        page.on("requestfinished", lambda request: shown.append(request.url))
        page.goto(other.url)
        assert page.evaluate("document.images[0].naturalWidth") == 0 and shown == [other.url]
        assert page.frames[-1].query_selector("nav") is None
        page.close()
