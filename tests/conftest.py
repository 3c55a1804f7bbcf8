"""Fixtures shared by all tests."""

from pathlib import Path

import pytest
import torch

REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]):
    """Files with the longest time allowed come first: begun last, one of them keeps all other workers waiting."""
    allowed = {}
    for item in items:
        marker = item.get_closest_marker("timeout")
        allowed[item.path] = max(allowed.get(item.path, 0), marker.args[0] if marker else 0)
    items.sort(key=lambda item: -allowed[item.path])


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Real samples kept beside the checkout, never inside it; tests that need them skip where they are absent."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real samples are not here ({folder})")
    return folder


@pytest.fixture(scope="session")
def smoke_world(tmp_path_factory) -> Path:
    """The miniatures of the smoke profile, written by the command."""
    from lowtex_lab import cli

    folder = tmp_path_factory.mktemp("world")
    assert cli.main(["data", "miniature", "--profile", "smoke", "--out", str(folder)]) == 0
    return folder


@pytest.fixture(autouse=True)
def _one_thread():
    """Numbers depend on the thread count, so tests pin it; one is also the fastest for small tensors."""
    torch.set_num_threads(1)
