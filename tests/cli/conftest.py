"""A server of each test's own, and the command line pointed at it."""

import pytest
from download_server import (
    DRIVE,
    DownloadServer,
    calibration_files,
    calibration_path,
    drive_files,
    drive_path,
    zip_bytes,
)

from lowtex_lab import cli
from lowtex_lab.cli import download


@pytest.fixture
def server(monkeypatch):
    """A `DownloadServer` that no proxy stands in front of, and a client that does not wait long for it.

    It has one drive and its calibration.
    """
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "TRIES", 2)
    monkeypatch.setattr(download, "PAUSE_S", 0.001)
    monkeypatch.setattr(download, "WAIT_S", (2, 2))
    server = DownloadServer()
    server.add(drive_path(), zip_bytes(drive_files()))
    server.add(calibration_path(), zip_bytes(calibration_files()))
    yield server
    server.close()


@pytest.fixture
def root(tmp_path):
    """Where to download to."""
    return tmp_path / "data" / "kitti"


@pytest.fixture
def get(server, root, capsys):
    """Runs the command line, for the drive if nothing is named; returns exit code, output and errors."""

    def run(*words: str, source: bool = True) -> tuple[int, str, list[str]]:
        where = ["--source", server.url] if source else []
        server.log.clear()
        code = cli.main(["data", "download", "--to", str(root), *(words or ["--drive", DRIVE]), *where])
        told = capsys.readouterr()
        return code, told.out, told.err.splitlines()

    return run
