"""A server on this machine that fails in the ways real ones do, and archives: in KITTI's layout, and dangerous ones."""

import io
import re
import stat
import threading
import zipfile
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

from dataset_trees import DATE, DRIVE, FOLDER, write_kitti


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
    faults: list = field(default_factory=list)


class DownloadServer(ThreadingHTTPServer):
    """Files by path, and a log of the requests: ``(method, path, Range or None)``."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, ServedFile] = {}
        self.log: list[tuple[str, str, str | None]] = []
        # short polls end the server at once when a test is over
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address) -> None:
        """Clients that go away in the middle are what these tests are about."""

    def close(self) -> None:
        self.shutdown()
        self.server_close()

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


def cut_after(count: int, event: threading.Event | None = None):
    """A fault: ``count`` bytes of the body are sent, then the connection is closed, once ``event`` is set."""

    def fault(handler) -> None:
        file, first, status = handler.asked()
        handler.start(status, file, first, len(file.body) - first)
        handler.wfile.write(file.body[first : first + count])
        handler.wfile.flush()
        if event is not None:
            event.wait(30)
        handler.close_connection = True

    return fault


class Handler(BaseHTTPRequestHandler):
    """Serves the files of its `DownloadServer`, each in its own way."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *words) -> None:
        pass

    def asked(self) -> tuple[ServedFile, int, int]:
        """The file, the first byte asked for, and the status that answers."""
        file = self.server.files[self.path]
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        same = condition is None or not file.if_range or condition in (file.etag, file.modified)
        if match and file.ranges and same:
            return file, int(match[1]), 206
        return file, 0, 200

    def start(self, status: int, file: ServedFile, first: int, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{len(file.body) - 1}/{len(file.body)}")
        if file.etag:
            self.send_header("ETag", file.etag)
        if file.modified:
            self.send_header("Last-Modified", file.modified)
        self.end_headers()

    def do_GET(self) -> None:
        self.server.log.append((self.command, self.path, self.headers.get("Range")))
        if self.path not in self.server.files:
            answer(404)(self)
            return
        file = self.server.files[self.path]
        if self.command == "HEAD":
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

    do_HEAD = do_GET


OTHER = "2011_09_26_drive_0002_sync"


def zip_bytes(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive of files by name, the same bytes whenever it's made."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2012, 1, 9, 13, 57, 46)), content, method)
    return buffer.getvalue()


@cache
def _kitti(frames: int) -> dict[str, bytes]:
    with TemporaryDirectory() as folder:
        write_kitti(Path(folder), frames=range(frames), scans=range(frames))
        return tree(Path(folder))


def drive_files(drive: str = DRIVE, frames: int = 3) -> dict[str, bytes]:
    """What a drive's archive holds, by name: pictures of both colour cameras, scans and times."""
    top = f"{drive[:10]}/{drive}"
    files = {name.replace(FOLDER, top): content for name, content in _kitti(frames).items() if FOLDER in name}
    return files | {f"{top}/image_02/timestamps.txt": b"2011-09-26 13:02:25.964389445\n" * frames}


def calibration_files(date: str = DATE) -> dict[str, bytes]:
    """What a date's calibration archive holds."""
    files = {name.replace(DATE, date): content for name, content in _kitti(0).items()}
    return files | {f"{date}/calib_imu_to_velo.txt": b"R: 0 -1 0 0 0 -1 1 0 0\nT: 0 0 0\n"}


def drive_path(drive: str = DRIVE) -> str:
    """Where KITTI's server has a drive."""
    return f"/raw_data/{drive.removesuffix('_sync')}/{drive}.zip"


def calibration_path(date: str = DATE) -> str:
    """Where KITTI's server has a calibration."""
    return f"/raw_data/{date}_calib.zip"


def link_archive(files: dict[str, bytes], name: str, target: str) -> bytes:
    """An archive with a symbolic link in it."""
    buffer = io.BytesIO(zip_bytes(files))
    with zipfile.ZipFile(buffer, "a") as archive:
        info = zipfile.ZipInfo(name)
        info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, target)
    return buffer.getvalue()


def tree(folder: Path) -> dict[str, bytes]:
    """Files below a folder by name, less what belongs to downloading itself."""
    files = (path for path in folder.rglob("*") if path.is_file())
    named = ((path.relative_to(folder).as_posix(), path.read_bytes()) for path in files)
    return {name: content for name, content in named if not name.startswith("archives/")}


def kept(root: Path) -> list[str]:
    """What is kept for downloading, less the lock."""
    return sorted(entry.name for entry in (root / "archives").iterdir() if entry.name != ".lock")
