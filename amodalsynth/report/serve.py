"""The report from a server on this machine: the page, and its pieces made from the files on disk when the page asks for them.

It listens on 127.0.0.1 alone and answers a closed set of URLs. Nothing of a URL but a row's number and the name of a picture is used, so that no
request can name a file. Another web site open in the same browser can neither read the report (`Cross-Origin-Resource-Policy`, no `Origin` accepted)
nor pose as this machine by a name of its own that leads to 127.0.0.1 (DNS rebinding: the `Host` is checked).
"""

from __future__ import annotations

import errno
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.client import HTTP_PORT
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import TYPE_CHECKING

from isal import igzip

from amodalsynth.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    from amodalsynth.report.live import LiveReport

HOST = "127.0.0.1"
_IDLE = 60  # seconds until a connection on which nothing comes or goes is closed
_MOST_CONNECTIONS = 256  # at once, each a thread; a browser opens six. Others are closed unanswered
_PATIENCE = 10  # seconds that closing waits for the answers in progress
_CHUNK = 1 << 20  # bytes sent at once, each within _IDLE
_HEADERS = {  # of every answer that does not say otherwise
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class _Answer:
    content: bytes
    media_type: str
    zipped: bytes | None = None  # the content as a gzip file, for text


def _text_answer(content: bytes, media_type: str) -> _Answer:
    return _Answer(content, f"{media_type}; charset=utf-8", igzip.compress(content, mtime=0))


def _scene(report: LiveReport, row: int) -> _Answer:
    return _text_answer(report.scene_script(row), "text/javascript")


def _thumbnail(report: LiveReport, row: int) -> _Answer | None:
    content = report.thumbnail(row)
    return None if content is None else _Answer(content, "image/webp")


def _picture(report: LiveReport, row: int, name: str) -> _Answer | None:
    picture = report.picture(row, name)
    return None if picture is None else _Answer(picture.content, picture.media_type)


_NUMBER = "(?:0|[1-9][0-9]{0,8})"
# Besides "/". The first group is a row; what else a route takes, these patterns spell out.
_ROUTES: tuple[tuple[re.Pattern[str], Callable[..., _Answer | None]], ...] = (
    (re.compile(rf"/report_files/scenes/({_NUMBER})\.js"), _scene),
    (re.compile(rf"/report_files/thumbs/({_NUMBER})\.webp"), _thumbnail),
    (re.compile(rf"/report_files/pictures/({_NUMBER})/(image|background|{_NUMBER})"), _picture),
)


class ReportServer(ThreadingHTTPServer):
    """Serves one report at `url`, a thread for each connection; made by `make_server`.

    `serve_forever()` works until `shutdown()` is called from another thread, or an exception such as KeyboardInterrupt ends it. `server_close()`, or
    leaving the server as a context manager, then ends every connection and waits for the answers in progress: the report may be closed afterwards.
    """

    daemon_threads = True
    request_queue_size = 128  # connections not yet accepted; with the library's 5, a browser that opens more waits a second

    def __init__(self, report: LiveReport, port: int, log: Callable[[str], None] | None) -> None:
        self.report, self._log = report, log
        self.page = _text_answer(report.page(), "text/html")
        self._connections: dict[socket.socket, threading.Thread] = {}
        with _claiming(port):
            super().__init__((HOST, port), _Handler)
        self.hosts = {f"{name}:{self.server_port}" for name in (HOST, "localhost")}
        if self.server_port == HTTP_PORT:  # browsers leave it away
            self.hosts |= {HOST, "localhost"}
        # What is served stays the same while this server runs; a later one on the same port may have another data set.
        self.tag = f'W/"{time.time_ns():x}"'

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://{HOST}:{self.server_port}/"

    def find(self, target: str) -> Callable[[], _Answer | None] | None:
        """What makes the answer for a URL beside the page, itself giving None where the row has no such picture; None where there is no such URL."""
        for pattern, make in _ROUTES:
            found = pattern.fullmatch(target)
            if found and int(found[1]) < self.report.num_rows:
                return partial(make, self.report, int(found[1]), *found.groups()[1:])
        return None

    def log(self, line: str) -> None:
        """Tell of a fault that is the library's own."""
        if self._log is not None:
            self._log(" ".join(line.split()))

    def server_bind(self) -> None:
        """Without the base class' look-up of this machine's name, which may ask a name server."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address

    def verify_request(self, request: socket.socket, client_address: object) -> bool:
        return len(self._connections) < _MOST_CONNECTIONS

    def process_request(self, request: socket.socket, client_address: object) -> None:
        thread = threading.Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
        self._connections[request] = thread
        thread.start()

    def shutdown_request(self, request: socket.socket) -> None:
        super().shutdown_request(request)
        self._connections.pop(request, None)

    def server_close(self) -> None:
        super().server_close()
        self._log = None
        connections = list(self._connections.items())
        for connection, _ in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        end = time.monotonic() + _PATIENCE
        for _, thread in connections:
            thread.join(max(0.0, end - time.monotonic()))

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that broke is nobody's fault."""
        error = sys.exception()
        if not isinstance(error, OSError):
            self.log(f"a request failed: {type(error).__name__}: {error}")


class _Handler(BaseHTTPRequestHandler):
    """One connection: its requests one after another."""

    server: ReportServer
    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.0"  # of what is no request at all: it too is answered with headers
    timeout = _IDLE
    disable_nagle_algorithm = True  # a head and its content are written one after the other; the content would wait for the head's receipt

    def do_GET(self) -> None:
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # the request's content is not read, and must not be taken for the next request
        target, server = self.requestline.split()[1], self.server
        kept = {"Cache-Control": "private, max-age=0, must-revalidate", "ETag": server.tag}
        if self._is_foreign():
            self._say(
                HTTPStatus.FORBIDDEN, f"only {server.url} is served here, to no other site's pages; a tunnel must keep the port's number"
            )
        elif target == "/":
            self._send(HTTPStatus.OK, server.page, {"Content-Security-Policy": f"{server.report.policy}; frame-ancestors 'none'"})
        elif (make := server.find(target)) is None:
            self._say(HTTPStatus.NOT_FOUND, "nothing is here")
        elif server.tag in self.headers.get("If-None-Match", ""):
            self._start(HTTPStatus.NOT_MODIFIED, kept)
            self.end_headers()
        else:
            try:
                answer = make()
            except (DataError, OSError) as error:
                self._say(HTTPStatus.NOT_FOUND, str(error))
            except Exception as error:
                server.log(f"{target}: {type(error).__name__}: {error}")
                self._say(HTTPStatus.INTERNAL_SERVER_ERROR, f"a fault of amodalsynth's own: {type(error).__name__}")
            else:
                if answer is None:  # an image without a file, which is no fault that a browser's console should tell
                    self._start(HTTPStatus.NO_CONTENT, kept)
                    self.end_headers()
                else:
                    self._send(HTTPStatus.OK, answer, kept)

    do_HEAD = do_GET  # noqa: N815

    def _is_foreign(self) -> bool:
        """Whether a request was meant for a host of another name, or comes from another site's page."""
        hosts = self.headers.get_all("Host", [])
        named = len(hosts) == 1 and hosts[0].lower() in self.server.hosts
        return not named or "Origin" in self.headers or self.headers.get("Sec-Fetch-Site") == "cross-site"

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the library refuses of its own accord: what is no request, and methods that are not here."""
        self.close_connection = True
        if code == HTTPStatus.NOT_IMPLEMENTED:
            self._say(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD are answered", {"Allow": "GET, HEAD"})
        else:
            self._say(HTTPStatus(code), HTTPStatus(code).phrase)

    def _say(self, status: HTTPStatus, line: str, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        text = " ".join(line.split()) + "\n"
        self._send(status, _Answer(text.encode(errors="replace"), "text/plain; charset=utf-8"), headers)

    def _send(self, status: HTTPStatus, answer: _Answer, headers: Mapping[str, str]) -> None:
        self._start(status, headers)
        content = answer.content
        if answer.zipped is not None:
            self.send_header("Vary", "Accept-Encoding")
            if _accepts_gzip(self.headers.get("Accept-Encoding", "")):
                self.send_header("Content-Encoding", "gzip")
                content = answer.zipped
        self.send_header("Content-Type", answer.media_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            view = memoryview(content)
            for start in range(0, len(content), _CHUNK):
                self.wfile.write(view[start : start + _CHUNK])

    def _start(self, status: HTTPStatus, headers: Mapping[str, str]) -> None:
        self.send_response_only(status)
        self.send_header("Date", self.date_time_string())
        if self.close_connection:
            self.send_header("Connection", "close")
        for name, value in {**_HEADERS, **headers}.items():
            self.send_header(name, value)

    def log_message(self, *args: object) -> None:
        """Nothing: the library would write to stderr."""


def make_server(report: LiveReport, *, port: int = 0, log: Callable[[str], None] | None = None) -> ReportServer:
    """A server of `report` that listens at `port` of 127.0.0.1, or at any free one for 0; `serve_forever()` answers.

    log: called with a line for each request that fails by a fault of the library's own; by default such faults are told to the browser alone.

    `ConfigurationError` where the port is taken or must not be used.
    """
    return ReportServer(report, port, log)


def check_port(port: int) -> None:
    """`ConfigurationError` where `make_server` would fail for the port: to know before a long survey."""
    with _claiming(port), socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, port))


@contextmanager
def _claiming(port: int) -> Iterator[None]:
    try:
        yield
    except (OSError, OverflowError) as error:
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        reason = "another program listens there" if taken else str(error)
        raise ConfigurationError(f"port {port} of {HOST}: {reason}; give another one with --port, or 0 for any that is free") from None


def _accepts_gzip(accepted: str) -> bool:
    """By the header Accept-Encoding, such as "gzip;q=0.5, br"; a weight of 0 forbids."""
    codings = (coding.replace(" ", "").partition(";q=") for coding in accepted.lower().split(","))
    return any(name == "gzip" and (not weight or weight.strip("0.")) for name, _, weight in codings)
