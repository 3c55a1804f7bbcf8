"""A server of each test's own with the command line pointed at it; a small world and a network trained on it."""

import download_server as served
import pytest

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
    server = served.DownloadServer()
    server.add(served.drive_path(), served.zip_bytes(served.drive_files()))
    server.add(served.calibration_path(), served.zip_bytes(served.calibration_files()))
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
        code = cli.main(["data", "download", "--to", str(root), *(words or ["--drive", served.DRIVE]), *where])
        told = capsys.readouterr()
        return code, told.out, told.err.splitlines()

    return run


@pytest.fixture(scope="session")
def world(smoke_world):
    return smoke_world


@pytest.fixture(scope="session")
def trained(world, tmp_path_factory):
    """A baseline trained for four steps, by the command; its folder."""
    out = tmp_path_factory.mktemp("experiments")
    words = ["train", "baseline", "--profile", "smoke", "--data", f"vkitti2={world / 'vkitti2'}", "--out", str(out)]
    assert cli.main(words) == 0
    [folder] = out.glob("baseline*")
    return folder


@pytest.fixture
def said(capsys):
    """Runs a command line that ends with the exit code expected; returns what it printed."""

    def run(*words, code: int = 0) -> str:
        capsys.readouterr()
        assert cli.main([str(word) for word in words]) == code
        return capsys.readouterr().out

    return run


@pytest.fixture
def refused(capsys):
    """Runs a command line that is refused with exit code 2; returns the one line that says why."""

    def run(*words) -> str:
        capsys.readouterr()
        assert cli.main([str(word) for word in words]) == cli.BAD_INPUT
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith("lowtex: ")
        return line

    return run
