"""The readers' benchmark runs, reads real samples before miniatures, and says what it skipped."""

import importlib.util
import sys

import cv2
import pandas as pd
import pytest


@pytest.fixture
def benchmark(repository):
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("benchmark_readers", repository / "benchmarks" / "readers.py")
    module = importlib.util.module_from_spec(spec)
    # a dataclass looks its module up
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    threads = cv2.getNumThreads()
    yield module
    cv2.setNumThreads(threads)
    del sys.modules[spec.name]


def test_rows(benchmark, tmp_path, monkeypatch, capsys, real_data):
    monkeypatch.setattr(benchmark, "miniature_folder", lambda profile: tmp_path / profile)
    monkeypatch.setattr(benchmark, "REAL_SIZE", (32, 64))
    (tmp_path / "real").mkdir()
    for name in ("kitti_raw", "kitti_depth"):
        (tmp_path / "real" / name).symlink_to(real_data / name)
    words = ["readers", "--real", str(tmp_path / "real"), "--repeats", "5", "--out", str(tmp_path / "rows.csv")]
    monkeypatch.setattr(sys, "argv", words)
    benchmark.main()
    rows = pd.read_csv(tmp_path / "rows.csv")
    assert set(rows["reader"]) == {
        "KittiRaw",
        "KittiRaw velodyne x",
        "KittiRaw velodyne z",
        "KittiImproved",
        "velodyne",
    }
    assert (rows["data"] == "real").all() and (rows["repeats"] == 5).all() and (rows["threads"] == 1).all()
    prepared = rows[rows["way"] == "prepared"]
    assert len(prepared) == 4 and (prepared["times_faster"] > 2).all()
    assert ((rows["ms_per_item"] * rows["items_per_s"] / 1e3 - 1).abs() < 1e-6).all()
    out = capsys.readouterr().out
    assert "VirtualKitti2, pair: skipped, neither" in out and "bit for bit" in out


def test_a_few_repeats_are_refused(benchmark, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["readers", "--repeats", "4"])
    with pytest.raises(SystemExit):
        benchmark.main()
    assert "--repeats must be 5 or more" in capsys.readouterr().err
