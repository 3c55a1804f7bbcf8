"""A server of each test's own, and the command line pointed at it."""

from functools import partial

import pytest
from download_server import FAST, PATH, DownloadServer
from made_archives import calibration_files, calibration_path, drive_files, drive_path, zip_bytes

from lowtex import cli
from lowtex.downloads import download
from lowtex.downloads.http_files import Fetcher, Patience


@pytest.fixture
def server(monkeypatch):
    """A `DownloadServer` that no proxy stands in front of."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = DownloadServer()
    yield server
    server.close()


@pytest.fixture
def root(server, tmp_path, monkeypatch):
    """Where to download to; the server has one drive and its calibration, and nobody waits long."""
    server.add(drive_path(), zip_bytes(drive_files()))
    server.add(calibration_path(), zip_bytes(calibration_files()))
    monkeypatch.setattr(download, "Patience", partial(Patience, tries=2, pause_s=0.001, connect_s=2, read_s=2))
    return tmp_path / "data" / "kitti"


@pytest.fixture
def get(server, root, capsys):
    """Runs the command line; returns exit code, output and errors."""

    def run(*words: str, source: bool = True) -> tuple[int, str, list[str]]:
        where = ["--source", server.url] if source else []
        code = cli.main(["data", "download", "--to", str(root), *words, *where])
        told = capsys.readouterr()
        return code, told.out, told.err.splitlines()

    return run


@pytest.fixture
def fetch(server, tmp_path):
    """Fetches ``/a.zip`` into the test's folder and returns its bytes."""

    def run(look: bool = True, patience: Patience = FAST, **options) -> bytes:
        with Fetcher(patience) as fetcher:
            url = server.url + PATH
            fetcher.fetch(url, tmp_path / "a.zip", fetcher.look(url) if look else None, **options)
        return (tmp_path / "a.zip").read_bytes()

    return run
