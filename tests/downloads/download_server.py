"""A server on this machine that serves files from memory and fails in the ways real ones do."""

import random
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY = random.Random(0).randbytes(3000)
PATH = "/a.zip"
"""One file for the tests of fetching."""


@dataclass
class ServedFile:
    """One file, and how it's served.

    Attributes:
        body: its bytes.
        etag, modified: sent where not None.
        ranges: whether Range is honoured.
        if_range: whether If-Range is; without, a Range is answered for whatever version there is now.
        faults: what goes wrong with the next requests, one each, in order: a function of the handler that answers
            itself, or returns False to let the file be served after all.
    """

    body: bytes
    etag: str | None = '"v1"'
    modified: str | None = None
    ranges: bool = True
    if_range: bool = True
    head: bool = True
    length: bool = True
    faults: list = field(default_factory=list)


class DownloadServer:
    """Files by path, and a log of the requests: ``(method, path, Range or None)``."""

    def __init__(self):
        self.files: dict[str, ServedFile] = {}
        self.log: list[tuple[str, str, str | None]] = []
        self.headers: list[dict[str, str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        # clients that go away in the middle are what these tests are about
        self._server.handle_error = lambda *request: None
        # short polls end the server at once when a test is over
        self._thread = threading.Thread(target=lambda: self._server.serve_forever(0.01), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def add(self, path: str, body: bytes, **how) -> ServedFile:
        self.files[path] = ServedFile(body, **how)
        return self.files[path]

    def gets(self, path: str) -> list[str | None]:
        """The Range of every GET of a path."""
        return [wanted for method, asked, wanted in self.log if method == "GET" and asked == path]


def answer(status: int, headers: dict[str, str] | None = None, body: bytes = b""):
    """A fault: some other answer."""

    def fault(handler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return fault


def cut_after(count: int, announced: int | None = None):
    """A fault: ``count`` bytes of the body are sent, then the connection is closed."""

    def fault(handler) -> None:
        file, first, status = handler.asked()
        rest = file.body[first:]
        handler.start(status, file, first, len(rest) if announced is None else announced)
        handler.wfile.write(rest[:count])
        handler.close_connection = True

    return fault


def stall_after(count: int, event: threading.Event):
    """A fault: ``count`` bytes are sent, then nothing until ``event`` is set."""

    def fault(handler) -> None:
        file, first, status = handler.asked()
        handler.start(status, file, first, len(file.body) - first)
        handler.wfile.write(file.body[first : first + count])
        handler.wfile.flush()
        event.wait(30)
        handler.close_connection = True

    return fault


def _handler(server: DownloadServer):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *words) -> None:
            pass

        def do_HEAD(self) -> None:
            self._serve()

        def do_GET(self) -> None:
            self._serve()

        def asked(self) -> tuple[ServedFile, int, int]:
            """The file, the first byte asked for, and the status that answers."""
            file = server.files[self.path]
            match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            condition = self.headers.get("If-Range")
            same = condition is None or not file.if_range or condition in (file.etag, file.modified)
            if match and file.ranges and same:
                return file, int(match[1]), 206
            return file, 0, 200

        def start(self, status: int, file: ServedFile, first: int, length: int) -> None:
            self.send_response(status)
            if file.length:
                self.send_header("Content-Length", str(length))
            else:
                self.close_connection = True
            if status == 206:
                self.send_header("Content-Range", f"bytes {first}-{len(file.body) - 1}/{len(file.body)}")
            if file.etag:
                self.send_header("ETag", file.etag)
            if file.modified:
                self.send_header("Last-Modified", file.modified)
            self.end_headers()

        def _serve(self) -> None:
            server.log.append((self.command, self.path, self.headers.get("Range")))
            server.headers.append(dict(self.headers))
            if self.path not in server.files:
                answer(404)(self)
                return
            file = server.files[self.path]
            if self.command == "HEAD":
                if not file.head:
                    answer(405)(self)
                    return
                self.start(200, file, 0, len(file.body))
                return
            if file.faults and file.faults.pop(0)(self) is not False:
                return
            file, first, status = self.asked()
            if status == 206 and first >= len(file.body):
                answer(416, {"Content-Range": f"bytes */{len(file.body)}"})(self)
                return
            self.start(status, file, first, len(file.body) - first)
            self.wfile.write(file.body[first:])

    return Handler
