"""Prepared samples: bit for bit the reader's own, used where they are current, and one clear error where not."""

import errno
import inspect
import json
import os
import pickle
import re
import shutil
import time
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import dataset_trees as trees
import numpy as np
import pytest
import torch
from dataset_damages import delete, first, flip_middle, flip_start, replaced, text
from dataset_trees import DATE, DRIVE, a_list, frames, laser_point, write_kitti
from layouts import LAYOUTS

from lowtex.catalog import data_name
from lowtex.checkpoints import load_network
from lowtex.data_paths import fingerprint, is_miniature
from lowtex.datasets import READERS, CachedPairs, KittiRaw, PreparedPairs, open_dataset, prepare, prepared_for
from lowtex.datasets.prepared import SAME_SAMPLE, pack_map, unpack_map
from lowtex.errors import DataError, OptionError
from lowtex.training import pairs_of_steps, training_loader
from lowtex_lab import cli

SIZE = (12, 20)
IMAGE = f"{DATE}/{DRIVE}/image_03/data/0000000001.png"


def pairs(root, **options) -> KittiRaw:
    """All pairs of a KITTI tree, without ground truth."""
    return KittiRaw(root, "available", SIZE, **{"depth": None, **options})


def with_depth(root) -> KittiRaw:
    return KittiRaw(root, "available", SIZE)


def quiet(reader, **options):
    """The folder of a reader's prepared samples."""
    return prepare(reader, progress=False, tell=lambda line: None, **options)


def lines_of(reader) -> list[str]:
    """What preparing says."""
    lines = []
    prepare(reader, progress=False, tell=lines.append)
    return lines


def why_not_used(reader) -> str:
    """What is said where prepared samples of this reader are not taken."""
    lines = []
    assert prepared_for(reader, tell=lines.append) is None
    return lines[0]


def assert_same(ours, theirs):
    """Two samples are equal to the last bit and in every type."""
    for name, value in vars(theirs).items():
        got = getattr(ours, name)
        if isinstance(value, torch.Tensor):
            assert (got.dtype, got.shape) == (value.dtype, value.shape), name
            assert got.numpy().tobytes() == value.numpy().tobytes(), name
        else:
            assert got == value and type(got) is type(value), name


def assert_all_same(ours, theirs):
    for index in range(len(theirs)):
        assert_same(ours[index], theirs[index])


@pytest.fixture(scope="module")
def every(tmp_path_factory):
    """Every data set, tiny, with a miniature's maps in a scene of Virtual KITTI 2."""
    root = tmp_path_factory.mktemp("every")
    for name, layout in LAYOUTS.items():
        layout.write(root / name, **layout.trees[0])
    trees.write_world_maps(root / "vkitti2", (0, 1))
    (root / "stereo" / "depth" / "c.npy").unlink()
    return root


CASES = [
    ("kitti", "available", SIZE, {"depth": None, "camera": "both"}),
    ("kitti", "available", SIZE, {"views": False}),
    ("kitti", "available", None, {}),
    ("kitti_improved", "available", SIZE, {}),
    ("kitti_pairs", "all", SIZE, {"camera": "both"}),
    ("kitti_2015", "available", SIZE, {"disparity": "occ", "views": False}),
    ("vkitti2", "eigen_like/test", SIZE, {}),
    ("make3d", "test", (64, 48), {"crop": None}),
    ("cityscapes", "available", SIZE, {"camera": "both"}),
    ("stereo", "all", SIZE, {"depth": False, "views": False}),
]


@pytest.mark.parametrize(("name", "split", "size", "options"), CASES)
def test_equals_the_readers_own_samples(every, name, split, size, options):
    reader = READERS[name](every / name, split, size, **options)
    kept = PreparedPairs(quiet(reader))
    assert kept.names == reader.names and kept.split == reader.split and kept.size == reader.size
    assert kept.ground_truth == getattr(reader, "ground_truth", None)
    assert_all_same(kept, reader)
    assert_same(kept[-1], reader[-1])
    with pytest.raises(IndexError):
        kept[len(reader)]
    assert [len(kept.needed(i)) for i in range(len(kept))] == [len(reader.needed(i)) for i in range(len(kept))]
    # every option is accounted for
    for option in inspect.signature(type(reader)).parameters:
        assert option in SAME_SAMPLE or option.endswith("_root") or hasattr(reader, option)


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((1, 5, 7), np.float32),
        np.full((1, 5, 7), -0.0, np.float32),
        np.random.default_rng(0).random((1, 9, 11), np.float32),
        np.array([[[np.nan, np.inf, -np.inf, 655.36, 1e-42, -1.0, 3.0]]], np.float32),
        np.eye(7, dtype=np.float32)[None] * np.float32(np.nan),
        np.random.default_rng(1).random((1, 5, 7)) > 0.5,
    ],
)
def test_a_map_comes_back_bit_for_bit(values):
    record, data = pack_map(torch.from_numpy(values))
    got = unpack_map(json.loads(json.dumps(record)), data).numpy()
    assert got.dtype == values.dtype and got.shape == values.shape and got.tobytes() == values.tobytes()
    assert len(data) <= values.nbytes


def test_open_dataset_uses_it_without_being_asked_and_says_so_once(kitti, capsys, monkeypatch):
    folder = quiet(pairs(kitti[0]))
    expected = [pairs(kitti[0])[i] for i in range(3)]
    for _ in range(2):
        dataset = open_dataset("kitti", kitti[0], "available", SIZE, depth=None)
    assert capsys.readouterr().out.count("prepared samples are used") == 1
    assert isinstance(dataset, KittiRaw) and dataset.prepared.folder == folder
    # kept as they are, and whole: one is read to compare
    seen, read = [], KittiRaw._read
    monkeypatch.setattr(KittiRaw, "_read", lambda self, index: seen.append(index) or read(self, index))
    [line] = lines_of(pairs(kitti[0]))
    assert seen == [0] and "3 samples already prepared, and all right" in line
    monkeypatch.setattr(KittiRaw, "_read", lambda *_: pytest.fail("read from its files"))
    assert_all_same(dataset, expected)
    assert_all_same(CachedPairs(dataset), expected)
    kept = PreparedPairs(folder)
    assert CachedPairs(kept).names == dataset.names
    # to other processes goes the name of the folder alone
    data = pickle.dumps(kept)
    assert len(data) < 10_000
    assert_same(pickle.loads(data)[2], kept[2])


def test_training_takes_the_bytes_as_they_are_kept(kitti, monkeypatch):
    quiet(pairs(kitti[0]))
    dataset = open_dataset("kitti", kitti[0], "available", SIZE, depth=None)
    order = pairs_of_steps(3, 2, 3, seed=0)
    expected = list(training_loader(pairs(kitti[0]), order))
    monkeypatch.setattr(PreparedPairs, "_read", lambda *_: pytest.fail("made floats of them"))
    for batch, same in zip(training_loader(dataset, order), expected, strict=True):
        assert torch.equal(batch.views, same.views) and torch.equal(batch.table, same.table)
        assert batch.columns == same.columns and batch.names == same.names


def test_the_working_folder_takes_samples_and_stays(kitti, tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert quiet(pairs(kitti[0]), folder=".") == here == Path.cwd()
    assert_all_same(PreparedPairs("."), pairs(kitti[0]))


def test_does_not_serve_readers_of_more_or_of_something_else(kitti, every):
    quiet(KittiRaw(kitti[0], "available", SIZE, views=False))
    for options in ({"depth": "velodyne_z"}, {"size": (24, 40)}, {"camera": "both"}, {"views": True}, {"depth": None}):
        asked = KittiRaw(kitti[0], "available", **{"size": SIZE, "views": False, **options})
        assert prepared_for(asked) is None, options
    quiet(READERS["make3d"](every / "make3d", size=(32, 64)))
    readers = [READERS["make3d"](every / "make3d", size=(32, 64), crop=crop) for crop in ("c1", "wide", None)]
    assert [prepared_for(reader) is not None for reader in readers] == [True, False, False]


def test_another_way_to_resize_is_something_else(kitti):
    folder = quiet(pairs(kitti[0]))
    asked = {"root": kitti[0], "split": "available", "size": SIZE, "depth": None}
    usual, sharp = (open_dataset("kitti", **asked, resize=resize) for resize in (None, "lanczos"))
    assert usual.prepared is not None and sharp.prepared is None
    assert 0 < float((usual[0].image - sharp[0].image).abs().mean()) < 0.1
    assert data_name(usual, "kitti").startswith("kitti real:")
    assert data_name(sharp, "kitti").startswith("kitti lanczos real:")
    with pytest.raises(OptionError, match="resize='cubic' is not known"):
        open_dataset("kitti", **asked, resize="cubic")
    with pytest.raises(OptionError, match="resize='area', but 'lanczos' is asked for"):
        open_dataset("kitti", **{**asked, "root": folder}, resize="lanczos")
    kept = open_dataset("kitti", **{**asked, "root": quiet(sharp)})
    assert data_name(kept, "kitti").startswith("kitti lanczos real:")
    assert_same(kept[1], sharp[1])
    assert prepared_for(sharp) is not None and prepared_for(usual).resize == "area"


def test_sources_that_are_gone_leave_it_usable(kitti, capsys):
    reader = with_depth(kitti[0])
    expected = [reader[i] for i in range(3)]
    folder = quiet(reader)
    shutil.rmtree(kitti[1] / "velodyne_points")
    shutil.rmtree(kitti[1] / "image_03")
    kept = PreparedPairs(folder)
    assert "gone are 6 of the 11 files it was made of" in capsys.readouterr().out
    shutil.rmtree(kitti[0])
    assert_all_same(kept, expected)
    assert_all_same(open_dataset("kitti", folder, "available", SIZE, views=True), expected)


def test_a_prepared_folder_as_root_must_be_what_is_asked_for(kitti, every):
    folder = quiet(KittiRaw(kitti[0], "available", SIZE, views=False))
    bare = open_dataset("kitti", folder, "available", SIZE, depth=None, views=False)
    assert bare[0].depth is None and bare[0].other is None
    for asked, options in {
        "data set": {"name": "vkitti2"},
        "split": {"split": "train"},
        "size": {"size": (96, 320)},
        "views": {"views": True},
        "depth": {"depth": "velodyne_z"},
    }.items():
        with pytest.raises(OptionError, match=f"{folder.name} was prepared with {asked}="):
            open_dataset(**{"name": "kitti", "root": folder, "split": "available", "size": SIZE, **options})
    # a list of the root itself serves under its name
    a_list(kitti[0], frames(0), "train")
    folder = quiet(KittiRaw(kitti[0], "train", SIZE, depth=None))
    assert open_dataset("kitti", folder, "train", SIZE, depth=None).split == "train"
    with pytest.raises(OptionError, match="was prepared with split='train', but 'eigen_full/train' is asked for"):
        open_dataset("kitti", folder, "eigen_full/train", SIZE, depth=None)
    folder = quiet(READERS["make3d"](every / "make3d", size=SIZE))
    assert open_dataset("make3d", folder, "test", SIZE, crop="c1").split == "test, 3 of 134"


def test_a_prepared_folder_as_root_must_be_of_the_camera_and_variation_asked_for(tmp_path):
    trees.write_vkitti2(tmp_path, variations=("clone", "fog"))
    clone, both = (quiet(READERS["vkitti2"](tmp_path, "train", SIZE, variation)) for variation in (None, "all"))
    usual = {}, {"variation": "clone"}, {"variation": ["clone"]}, {"camera": "left"}, {"camera": None}
    whole = {}, {"variation": "all"}, {"variation": ["fog", "clone"]}
    for folder, options in [*((clone, options) for options in usual), *((both, options) for options in whole)]:
        assert open_dataset("vkitti2", folder, "train", SIZE, **options).folder == folder
    others = {"variation": "fog"}, {"variation": "all"}, {"camera": "right"}, {"camera": "both"}
    for folder, options in [*((clone, options) for options in others), (both, {"variation": ["clone"]})]:
        with pytest.raises(OptionError, match=f"{folder.name} was prepared with {[*options][0]}='.*', but "):
            open_dataset("vkitti2", folder, "train", SIZE, **options)


def test_prepared_miniatures_stay_miniatures(kitti):
    (kitti[0] / "miniature.json").write_text('{"world_version": 1}\n')
    folder = quiet(pairs(kitti[0]))
    names = pairs(kitti[0]).names
    shutil.move(kitti[0], f"{kitti[0]}_away")
    assert is_miniature(PreparedPairs(folder).root)
    assert fingerprint(folder, names) == fingerprint(f"{kitti[0]}_away", names)


def touch_later(path):
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


def killed(path):
    path.unlink()
    os.truncate(path.with_name("views.npy"), 999)


CHANGED = {IMAGE: 1, f"{DATE}/{DRIVE}/velodyne_points/data/0000000007.bin": 1, f"{DATE}/calib_cam_to_cam.txt": 3}
"""Files, and how many of the three samples are made of each."""


@pytest.mark.parametrize("file", CHANGED)
def test_a_changed_source_is_noticed_and_named_and_preparing_mends_it(file, kitti):
    many, folder = CHANGED[file], quiet(with_depth(kitti[0]))
    touch_later(kitti[0] / file)
    with pytest.raises(DataError, match=f"{many} of 3 samples made of files that changed since, first: {kitti[0]}/"):
        PreparedPairs(folder)
    told = why_not_used(with_depth(kitti[0]))
    assert f"is not used: files of {many} of 3 samples changed" in told and "lowtex data prepare" in told
    assert "it is made anew" in lines_of(with_depth(kitti[0]))[0]
    assert_all_same(PreparedPairs(folder), with_depth(kitti[0]))


def test_another_version_a_reader_that_changed_and_a_scan_that_came_later_are_noticed(tmp_path, monkeypatch):
    root, drive = tmp_path / "raw", write_kitti(tmp_path / "raw", scans=(0,))
    assert PreparedPairs(quiet(with_depth(root)))[1].depth is None
    data = drive / "velodyne_points" / "data"
    shutil.copy(data / "0000000000.bin", data / "0000000001.bin")
    assert prepared_for(with_depth(root)) is None
    folder = quiet(with_depth(root))
    assert PreparedPairs(folder)[1].depth is not None
    monkeypatch.setattr("lowtex.datasets.reader.resize_area", lambda image, size: 255 - image[: size[0], : size[1]])
    told = why_not_used(with_depth(root))
    assert "differs from the one prepared" in told and "lowtex data prepare" in told
    replaced(cv2.__version__, "0.1")(folder / "prepared.json")
    assert "OpenCV 0.1" in why_not_used(with_depth(root))


DAMAGES = [
    ("views.npy", flip_middle, "is damaged .checksum"),
    ("views.npy", flip_start, "is damaged"),
    ("views.npy", first(999), "is damaged .999 bytes instead of"),
    ("views.npy", delete, "is damaged .0 bytes"),
    ("maps.bin", flip_middle, "is damaged .checksum of depth"),
    ("prepared.json", replaced('"records"', '"record"'), "is damaged"),
    ("prepared.json", first(30), "is damaged"),
    ("prepared.json", text("[1]"), "is damaged"),
    ("prepared.json", killed, "is missing.; lowtex data prepare makes some"),
]


@pytest.mark.parametrize(("file", "damage", "message"), DAMAGES)
def test_damage_is_one_clear_error_and_preparing_mends_it(file, damage, message, kitti):
    reader = with_depth(kitti[0])
    folder = quiet(reader)
    damage(folder / file)
    with pytest.raises(DataError, match=f"{file} {message}") as caught:
        kept = PreparedPairs(folder)
        [kept[index] for index in range(3)]
    assert "lowtex data prepare" in str(caught.value) and str(folder) in str(caught.value)
    # who can read the files is not stopped
    if file == "prepared.json":
        told = why_not_used(with_depth(kitti[0]))
        assert re.search(f"^prepared data are not used: .*prepared.json {message}", told)
    quiet(reader)
    assert_same(PreparedPairs(folder)[2], reader[2])


def test_no_room_is_told_and_nothing_half_is_left(kitti, base, monkeypatch):
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: usage(10**6, 10**6 - 1000, 1000))
        with pytest.raises(DataError, match="preparing 3 samples needs about 4.3 kB, but .* has 1.0 kB left"):
            quiet(pairs(kitti[0]))
    assert not list(base.glob("*")), "not even a folder with a lock in it"

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("lowtex.datasets.prepared.np.lib.format.write_array_header_1_0", full)
    with pytest.raises(DataError, match="no space left while writing .*kitti-available-20x12.*; free some space"):
        quiet(pairs(kitti[0]))
    assert not list(base.glob("*"))


def test_a_failure_leaves_no_folder_but_what_is_not_ours(kitti, base, tmp_path):
    (kitti[0] / IMAGE).write_bytes(b"")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / ".thesis").write_text("important")
    for folder in (None, tmp_path / "mine"):
        with pytest.raises(DataError, match="0000000001.png is empty"):
            quiet(pairs(kitti[0]), folder=folder)
    assert not list(base.glob("*")) and os.listdir(tmp_path / "mine") == [".thesis"]


def test_two_at_once_do_it_once(kitti, monkeypatch):
    """Threads, whose locks exclude each other as those of two processes do."""
    read = KittiRaw._read
    monkeypatch.setattr(KittiRaw, "_read", lambda self, index: time.sleep(0.1) or read(self, index))
    with ThreadPoolExecutor(2) as both:
        told = [line for lines in both.map(lines_of, (pairs(kitti[0]), pairs(kitti[0]))) for line in lines]
    assert sum("3 samples prepared" in line for line in told) == 1
    assert sum("3 samples already prepared" in line for line in told) == 1


def test_a_folder_of_something_else_is_left_alone(kitti, tmp_path):
    out, mine = tmp_path / "out", tmp_path / "mine"
    trees.put(mine / "thesis.tex", "important")
    quiet(pairs(kitti[0]), folder=out)
    larger = KittiRaw(kitti[0], "available", (24, 40), depth=None)
    for reader, folder, words in (
        (pairs(kitti[0]), mine, "mine holds other files .thesis.tex"),
        (pairs(kitti[0], views=False), out, "out holds other prepared samples .views is 2 there, 1 here"),
        (larger, out, "size is .12, 20. there, .24, 40. here"),
        (PreparedPairs(out), None, "nothing to prepare"),
    ):
        with pytest.raises(OptionError, match=words):
            quiet(reader, folder=folder)
    with pytest.raises(DataError, match="mine holds no finished prepared data"):
        PreparedPairs(mine)


def test_samples_that_can_not_be_kept_are_refused(tmp_path, monkeypatch):
    write_kitti(tmp_path)
    read = KittiRaw._read

    def changed(change):
        def _read(self, index):
            sample = read(self, index)
            sample.image = change(sample.image, index)
            return sample

        monkeypatch.setattr(KittiRaw, "_read", _read)

    changed(lambda image, index: image[:, : 10 + index])
    with pytest.raises(OptionError, match="40x1[12] pixels, others have 40x10; .* choose a size"):
        quiet(KittiRaw(tmp_path, "available", None, views=False))
    changed(lambda image, index: torch.rand_like(image))
    with pytest.raises(DataError, match="more than 8 bits"):
        quiet(with_depth(tmp_path))


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


def test_what_was_prepared_is_trained_on_and_evaluated_without_the_files(tmp_path, base, capsys):
    drive = write_kitti(tmp_path / "raw", frames=range(4), scans=range(4))
    for scan in (drive / "velodyne_points" / "data").iterdir():
        # inside the crop, where points are scored
        scan.write_bytes(np.array([laser_point(15, 20, 10.0)], np.float32).tobytes())
    smoke = ["--profile", "smoke", "--split", "available", "--data"]
    networks, tables = [], []

    def train(options, name):
        assert cli.main(["train", "baseline", *options, "--out", str(tmp_path / name)]) == 0
        networks.extend(path for path in (tmp_path / name).iterdir() if path.name.startswith("baseline"))

    def score(options):
        capsys.readouterr()
        assert cli.main(["evaluate", "--checkpoint", str(networks[0]), "--protocol", "eigen_raw", *options]) == 0
        tables.append([line for line in capsys.readouterr().out.splitlines() if line.startswith("|")])

    from_files = [*smoke, f"kitti={tmp_path / 'raw'}"]
    train(from_files, "files")
    score(from_files)
    for words in ([], ["--protocol", "eigen_raw"]):
        assert cli.main(["data", "prepare", *from_files, *words]) == 0
    shutil.rmtree(tmp_path / "raw")
    kept = {PreparedPairs(folder).views: folder for folder in base.iterdir()}
    train([*smoke, f"kitti={kept[True]}"], "prepared")
    score([*smoke, f"kitti={kept[False]}"])

    assert len(tables[0]) > 1 and tables[0] == tables[1]
    first, other = (load_network(network)[0].state_dict() for network in networks)
    assert all(torch.equal(first[name], other[name]) for name in first)
