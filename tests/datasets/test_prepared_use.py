"""Prepared samples are used without being asked where they are right, and only there."""

import json
import pickle
import re
import shutil

import pytest
from dataset_trees import DATE, DRIVE
from dataset_trees_make3d import write_make3d
from prepared_helpers import SIZE, assert_same, pairs, quiet

from lowtex.catalog import data_name
from lowtex.data_paths import fingerprint, is_miniature
from lowtex.datasets import CachedPairs, KittiRaw, Make3D, PreparedPairs, open_dataset, prepared_for
from lowtex.errors import OptionError


def reads_no_file(monkeypatch):
    monkeypatch.setattr(KittiRaw, "_read", lambda *_: pytest.fail("read from its files"))


def test_open_dataset_uses_it_without_being_asked_and_says_so_once(kitti, capsys, monkeypatch):
    folder = quiet(pairs(kitti[0]))
    expected = [pairs(kitti[0])[i] for i in range(3)]
    for _ in range(2):
        dataset = open_dataset("kitti", kitti[0], "available", SIZE, depth=None)
    assert capsys.readouterr().out.count("prepared samples are used") == 1
    assert isinstance(dataset, KittiRaw) and dataset.prepared.folder == folder
    reads_no_file(monkeypatch)
    for index in range(3):
        assert_same(dataset[index], expected[index])
    cached = CachedPairs(dataset)
    for index in range(3):
        assert_same(cached[index], expected[index])
    assert CachedPairs(PreparedPairs(folder)).names == dataset.names


def test_serves_readers_of_less(kitti, monkeypatch, tmp_path):
    quiet(KittiRaw(kitti[0], "available", SIZE, camera="both"))
    some = tmp_path / "some.txt"
    some.write_text(f"{DATE}/{DRIVE} 7 r\n{DATE}/{DRIVE} 0 l\n")
    for reader in (
        KittiRaw(kitti[0], str(some), SIZE, depth=None),
        KittiRaw(kitti[0], str(some), SIZE, views=False),
        KittiRaw(kitti[0], "available", SIZE, depth="velodyne"),
    ):
        kept = prepared_for(reader)
        assert kept.names == reader.names
        for index in range(len(reader)):
            assert_same(kept[index], reader[index])


@pytest.mark.parametrize("options", [{"depth": "velodyne_z"}, {"size": (24, 40)}, {"camera": "both"}, {"views": True}])
def test_does_not_serve_readers_of_more_or_of_something_else(options, kitti):
    quiet(KittiRaw(kitti[0], "available", SIZE, views=False))
    assert prepared_for(KittiRaw(kitti[0], "available", **{"size": SIZE, "views": False, **options})) is None


def test_another_crop_is_something_else(tmp_path):
    write_make3d(tmp_path / "m")
    quiet(Make3D(tmp_path / "m", size=(32, 64)))
    assert prepared_for(Make3D(tmp_path / "m", size=(32, 64))) is not None
    assert prepared_for(Make3D(tmp_path / "m", size=(32, 64), crop=None)) is None


def test_another_way_to_resize_is_something_else(kitti):
    folder = quiet(pairs(kitti[0]))
    usual, sharp = (
        open_dataset("kitti", kitti[0], "available", SIZE, depth=None, resize=resize) for resize in (None, "lanczos")
    )
    assert usual.prepared is not None and sharp.prepared is None
    assert 0 < float((usual[0].image - sharp[0].image).abs().mean()) < 0.1
    assert re.fullmatch(r"kitti real:\w{12}", data_name(usual, "kitti"))
    assert re.fullmatch(r"kitti lanczos real:\w{12}", data_name(sharp, "kitti"))
    with pytest.raises(OptionError, match="prepared with resize='area', but 'lanczos' is asked for"):
        open_dataset("kitti", folder, "available", SIZE, depth=None, resize="lanczos")
    with pytest.raises(OptionError, match="resize='cubic' is not known; choose one of: area, lanczos"):
        open_dataset("kitti", kitti[0], "available", SIZE, resize="cubic")
    kept = open_dataset("kitti", quiet(sharp), "available", SIZE, depth=None)
    assert data_name(kept, "kitti").startswith("kitti lanczos real:")
    assert_same(kept[1], sharp[1])
    assert prepared_for(sharp) is not None and prepared_for(usual).resize == "area"


def test_a_moved_root_is_found_again(kitti, tmp_path):
    quiet(pairs(kitti[0]))
    shutil.move(kitti[0], tmp_path / "elsewhere")
    assert prepared_for(pairs(tmp_path / "elsewhere")) is not None


def test_a_reader_that_changed_is_noticed(kitti, monkeypatch):
    quiet(pairs(kitti[0]))
    monkeypatch.setattr("lowtex.datasets.reader.resize_area", lambda image, size: 255 - image[: size[0], : size[1]])
    lines = []
    assert prepared_for(pairs(kitti[0]), tell=lines.append) is None
    assert "differs from the one prepared" in lines[0] and "lowtex data prepare" in lines[0]


def test_sources_that_are_gone_leave_it_usable(kitti, capsys):
    reader = KittiRaw(kitti[0], "available", SIZE)
    expected = [reader[i] for i in range(3)]
    folder = quiet(reader)
    shutil.rmtree(kitti[1] / "velodyne_points")
    shutil.rmtree(kitti[1] / "image_03")
    kept = PreparedPairs(folder)
    assert "gone are 6 of the 11 files it was made of" in capsys.readouterr().out
    shutil.rmtree(kitti[0])
    again = open_dataset("kitti", folder, "available", SIZE, views=True)
    for index in range(3):
        assert_same(kept[index], expected[index])
        assert_same(again[index], expected[index])


def test_a_prepared_folder_as_root_must_be_what_is_asked_for(kitti):
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


def test_a_prepared_list_of_the_root_itself_serves_under_its_name(kitti, tmp_path):
    (kitti[0] / "splits").mkdir()
    (kitti[0] / "splits" / "train.txt").write_text(f"{DATE}/{DRIVE} 0 l\n")
    folder = quiet(KittiRaw(kitti[0], "train", SIZE, depth=None))
    assert open_dataset("kitti", folder, "train", SIZE, depth=None).split == "train"
    with pytest.raises(OptionError, match="was prepared with split='train', but 'eigen_full/train' is asked for"):
        open_dataset("kitti", folder, "eigen_full/train", SIZE, depth=None)
    write_make3d(tmp_path / "m")
    folder = quiet(Make3D(tmp_path / "m", size=SIZE))
    assert open_dataset("make3d", folder, "test", SIZE, crop="c1").split == "test, 3 of 134"


def test_prepared_miniatures_stay_miniatures(kitti):
    (kitti[0] / "miniature.json").write_text('{"world_version": 1}\n')
    folder = quiet(pairs(kitti[0]))
    names = pairs(kitti[0]).names
    shutil.move(kitti[0], f"{kitti[0]}_away")
    assert is_miniature(PreparedPairs(folder).root)
    assert fingerprint(folder, names) == fingerprint(f"{kitti[0]}_away", names)


def test_goes_to_other_processes(kitti):
    kept = PreparedPairs(quiet(KittiRaw(kitti[0], "available", SIZE)))
    data = pickle.dumps(kept)
    assert len(data) < 10_000
    assert_same(pickle.loads(data)[2], kept[2])


def test_unfinished_ones_of_other_sizes_and_empty_folders_are_no_news(kitti, base, capsys):
    for size in (SIZE, (24, 40)):
        folder = quiet(KittiRaw(kitti[0], "available", size, depth=None))
        journal = json.dumps({"about": json.loads((folder / "prepared.json").read_text()), "names": []})
        (folder / "journal.jsonl").write_text(journal + "\n")
        (folder / "prepared.json").unlink()
    (base / "kitti-available-20x12-00000000").mkdir()
    lines = []
    assert prepared_for(pairs(kitti[0]), tell=lines.append) is None
    assert len(lines) == 1 and "20x12" in lines[0] and "is not finished" in lines[0]
