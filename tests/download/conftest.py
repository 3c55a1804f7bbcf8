"""A server of each test's own."""

import pytest
from download_server import DownloadServer


@pytest.fixture
def server(monkeypatch):
    """A `DownloadServer` that no proxy stands in front of."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = DownloadServer()
    yield server
    server.close()
