"""Fixtures of the readers' tests."""

import pytest
from dataset_trees import a_list, frames, write_kitti
from layouts import LAYOUTS

from lowtex.data_paths import DATASETS, Roots
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


@pytest.fixture(scope="session")
def roots(tmp_path_factory):
    """All data sets, tiny, as if the user had named them."""
    paths = {name: tmp_path_factory.mktemp("trees") / name for name in DATASETS}
    for name, root in paths.items():
        tree = {"vkitti2": {"variations": ("clone", "fog")}, "kitti_depth": {"raw": None}}.get(name, {})
        LAYOUTS["kitti_improved" if name == "kitti_depth" else name].write(root, **tree)
    a_list(paths["kitti"], frames(0, 1), "train")
    return Roots(paths, frozenset(DATASETS))
