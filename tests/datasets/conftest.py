"""Fixtures of the readers' tests."""

import pytest
from dataset_trees import write_kitti

from lowtex.datasets.prepared import say_once


@pytest.fixture(autouse=True)
def base(tmp_path, monkeypatch):
    """Prepared data go to, and are looked for in, a folder of the test."""
    monkeypatch.setenv("LOWTEX_PREPARED", str(tmp_path / "prepared"))
    say_once.cache_clear()
    return tmp_path / "prepared"


@pytest.fixture
def kitti(tmp_path):
    """The root of a small KITTI raw tree, and the folder of its drive."""
    return tmp_path / "kitti_raw", write_kitti(tmp_path / "kitti_raw")
