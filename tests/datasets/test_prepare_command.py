"""`lowtex data prepare`, and the commands that then use what it made."""

import shutil

import numpy as np
import pytest
import torch
from dataset_trees import laser_point, write_kitti
from prepared_helpers import assert_same

from lowtex.checkpoints import load_network
from lowtex.datasets import KittiRaw, PreparedPairs
from lowtex_lab import cli


def test_the_command(kitti, base, capsys):
    words = ["data", "prepare", "--data", f"kitti={kitti[0]}", "--split", "available", "--size", "64x32"]
    assert cli.main(words) == 0
    assert "3 samples to prepare" in capsys.readouterr().out
    [folder] = base.iterdir()
    assert folder.name.startswith("kitti-available-64x32-")
    assert np.load(folder / "views.npy", mmap_mode="r").shape == (3, 2, 3, 32, 64)
    assert cli.main(words) == 0
    assert "3 samples already prepared, and all right" in capsys.readouterr().out
    assert cli.main([*words, "--protocol", "eigen_raw_z", "--workers", "1", "--out", str(base / "z")]) == 0
    kept = PreparedPairs(base / "z")
    assert kept.ground_truth == "velodyne_z" and kept[0].other is None
    assert_same(kept[0], KittiRaw(kitti[0], "available", (32, 64), depth="velodyne_z", views=False)[0])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--size", "640"], "--size '640' must read WIDTHxHEIGHT"),
        (["--size", "0x192"], "--size '0x192' must read"),
        (["--workers", "0"], "argument --workers: '0' must be a whole number >= 1"),
        (["--protocol", "nonsense"], "nonsense"),
        (["--data", "nonsense=."], "nonsense"),
        (["--reader", "crop=c1"], "no option 'crop'"),
    ],
)
def test_wrong_options_of_the_command(words, message, kitti, capsys):
    assert cli.main(["data", "prepare", "--data", f"kitti={kitti[0]}", "--split", "available", *words]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def rows_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("|")]


def test_what_was_prepared_is_trained_on_and_evaluated_with_and_without_the_files(tmp_path, base, capsys):
    drive = write_kitti(tmp_path / "raw", frames=range(4), scans=range(4))
    for scan in (drive / "velodyne_points" / "data").iterdir():
        # inside the crop, where points are scored
        scan.write_bytes(np.array([laser_point(15, 20, 10.0)], np.float32).tobytes())
    smoke, split = ["--profile", "smoke"], ["--split", "available"]
    from_files = [*smoke, *split, "--data", f"kitti={tmp_path / 'raw'}"]
    networks, tables = [], []

    def train(options, name):
        assert cli.main(["train", "baseline", *options, "--out", str(tmp_path / name)]) == 0
        networks.extend(path for path in (tmp_path / name).iterdir() if path.name.startswith("baseline"))

    def score(options):
        capsys.readouterr()
        assert cli.main(["evaluate", "--checkpoint", str(networks[0]), "--protocol", "eigen_raw", *options]) == 0
        tables.append(rows_of(capsys.readouterr().out))

    train(from_files, "files")
    score(from_files)
    for words in ([], ["--protocol", "eigen_raw"]):
        assert cli.main(["data", "prepare", *from_files, *words]) == 0
    capsys.readouterr()
    train(from_files, "both")
    assert "its prepared samples are used" in capsys.readouterr().out
    score(from_files)
    shutil.rmtree(tmp_path / "raw")
    kept = {PreparedPairs(folder).views: folder for folder in base.iterdir()}
    train([*smoke, *split, "--data", f"kitti={kept[True]}"], "prepared")
    score([*smoke, *split, "--data", f"kitti={kept[False]}"])

    assert networks[0].name == networks[1].name, "one experiment, because these are the same frames"
    assert networks[2].name != networks[0].name, "without the files, samples are known by their own content"
    assert len(tables[0]) > 1 and tables[0] == tables[1] == tables[2]
    first, *others = (load_network(network)[0].state_dict() for network in networks)
    for other in others:
        assert all(torch.equal(first[name], other[name]) for name in first)
