"""Prepared samples are bit for bit the reader's own, whatever the data set."""

import inspect
import json

import numpy as np
import pytest
import torch
from dataset_trees import (
    ALL_SCENES,
    HEIGHT,
    WIDTH,
    picture,
    write_kitti,
    write_kitti_depth,
    write_map,
    write_picture,
    write_vkitti2,
)
from dataset_trees_cityscapes import write_cityscapes
from dataset_trees_make3d import write_make3d
from prepared_helpers import SIZE, assert_same, pairs, prepared_of, quiet

from lowtex.datasets import (
    READERS,
    Cityscapes,
    KittiImproved,
    KittiRaw,
    Make3D,
    PreparedPairs,
    StereoFolder,
    VirtualKitti2,
)
from lowtex.datasets.prepared_format import SAME_SAMPLE, pack_map, unpack_map
from lowtex.evaluation.evaluate import ground_truth_of


def make_vkitti2(root):
    write_vkitti2(root, ALL_SCENES)


MAKERS = {
    "kitti pairs, both cameras": (write_kitti, lambda root: pairs(root, camera="both")),
    "kitti velodyne x": (write_kitti, lambda root: KittiRaw(root, "available", SIZE, views=False)),
    "kitti velodyne z": (write_kitti, lambda root: KittiRaw(root, "available", SIZE, depth="velodyne_z")),
    "kitti, native size": (write_kitti, lambda root: KittiRaw(root, "available", None)),
    "vkitti2 pairs": (make_vkitti2, lambda root: VirtualKitti2(root, "train", SIZE, depth=False)),
    "vkitti2 with depth": (make_vkitti2, lambda root: VirtualKitti2(root, "test", SIZE, camera="both")),
    "make3d": (write_make3d, lambda root: Make3D(root, "test", (32, 64))),
    "make3d uncropped": (write_make3d, lambda root: Make3D(root, "test", (64, 48), crop=None)),
    "cityscapes": (write_cityscapes, lambda root: Cityscapes(root, "available", SIZE, camera="both")),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_equals_the_readers_own_samples(kind, tmp_path):
    write, opened = MAKERS[kind]
    write(tmp_path / "root")
    reader = opened(tmp_path / "root")
    kept = PreparedPairs(quiet(reader))
    assert kept.names == reader.names and kept.split == reader.split and kept.size == reader.size
    assert ground_truth_of(kept) == ground_truth_of(reader)
    for index in (*range(len(reader)), -1):
        assert_same(kept[index], reader[index])
    with pytest.raises(IndexError):
        kept[len(reader)]
    assert [len(kept.needed(i)) for i in range(len(kept))] == [len(reader.needed(i)) for i in range(len(kept))]


def test_equals_the_readers_own_samples_of_improved_ground_truth(kitti, tmp_path):
    write_kitti_depth(tmp_path / "kitti_depth", frames=(0, 7))
    reader = KittiImproved(tmp_path / "kitti_depth", "available", SIZE, raw_root=kitti[0])
    kept = prepared_of(reader)
    assert [kept[i].depth is not None for i in range(len(kept))] == [True, True]
    for index in range(len(reader)):
        assert_same(kept[index], reader[index])


def test_equals_the_readers_own_samples_of_a_stereo_folder(tmp_path):
    write_stereo(tmp_path)
    reader = StereoFolder(tmp_path, "all", SIZE, camera="both")
    kept = prepared_of(reader)
    assert kept[0].depth is not None and kept[1].depth is None
    for index in range(len(reader)):
        assert_same(kept[index], reader[index])
    without = prepared_of(StereoFolder(tmp_path, "all", SIZE, depth=False, views=False))
    assert without[0].depth is None and without[0].other is None


def write_stereo(root):
    for name, seed in (("left", 0), ("right", 1)):
        for stem in ("a", "b"):
            write_picture(root / name / f"{stem}.png", picture(seed))
    (root / "depth").mkdir()
    for stem in ("a", "b"):
        values = np.random.default_rng(0).random((HEIGHT, WIDTH), np.float32) * 50
        np.save(root / "depth" / f"{stem}.npy", values)
    rig = {"focal_px": 30.0, "baseline_m": 0.2, "cx": 20.1, "cy": 12.0, "cx_right": 18.0, "width": WIDTH}
    (root / "rig.yaml").write_text("".join(f"{key}: {value}\n" for key, value in rig.items()) + f"height: {HEIGHT}\n")


def test_equals_the_readers_own_samples_with_all_that_a_miniature_knows(tmp_path):
    write_vkitti2(tmp_path, ALL_SCENES)
    for frame in range(2):
        frames = tmp_path / "Scene01" / "clone" / "frames"
        contrast = np.random.default_rng(frame).integers(0, 4000, (HEIGHT, WIDTH)).astype(np.uint16)
        write_map(frames / "lowtexContrast" / "Camera_0" / f"contrast_{frame:05d}.png", contrast)
        visible = np.random.default_rng(frame).integers(0, 2, (HEIGHT, WIDTH)).astype(np.uint8)
        write_map(frames / "lowtexVisible" / "Camera_0" / f"visible_{frame:05d}.png", visible)
    reader = VirtualKitti2(tmp_path, "test", SIZE)
    assert reader[0].visible.dtype == torch.bool and reader[0].texture_contrast is not None
    kept = prepared_of(reader)
    for index in range(len(reader)):
        assert_same(kept[index], reader[index])


def test_equals_the_readers_own_real_samples(real_data):
    for depth in ("velodyne", "velodyne_z"):
        reader = KittiRaw(real_data / "kitti_raw", "available", (96, 320), depth=depth, views=False)
        kept = prepared_of(reader)
        assert sum(sample.depth is not None for sample in kept) == 4
        for index in (0, 5, 7):
            assert_same(kept[index], reader[index])


def test_every_option_of_every_reader_is_accounted_for(tmp_path):
    write_cityscapes(tmp_path / "c")
    write_make3d(tmp_path / "m")
    known = {"cityscapes": Cityscapes(tmp_path / "c", "available"), "make3d": Make3D(tmp_path / "m")}
    for name, reader in READERS.items():
        for option in inspect.signature(reader).parameters:
            unnamed = option not in SAME_SAMPLE and not option.endswith("_root")
            assert not unnamed or hasattr(known.get(name), option), f"{name} {option}"


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((1, 5, 7), np.float32),
        np.full((1, 5, 7), -0.0, np.float32),
        np.random.default_rng(0).random((1, 9, 11), np.float32),
        np.arange(35, dtype=np.uint16).reshape(1, 5, 7).astype(np.float32) / 100.0,
        np.array([[[np.nan, np.inf, -np.inf, 655.36, 1e-42, -1.0, 3.0]]], np.float32),
        np.eye(7, dtype=np.float32)[None] * np.float32(np.nan),
        np.random.default_rng(1).random((1, 5, 7)) > 0.5,
    ],
)
def test_a_map_comes_back_bit_for_bit(values):
    record, data = pack_map(torch.from_numpy(values))
    got = unpack_map(json.loads(json.dumps(record)), data).numpy()
    assert got.dtype == values.dtype and got.shape == values.shape and got.tobytes() == values.tobytes()
    with pytest.raises(ValueError, match="checksum"):
        unpack_map(record, data[1:] + b"\1")


def test_maps_take_no_more_room_than_they_need():
    scan = np.zeros((1, 100, 100), np.float32)
    scan[0, 50, 20:60] = 12.3456
    centimetres = np.random.default_rng(0).integers(0, 65536, (1, 100, 100)).astype(np.float32) / 100.0
    assert len(pack_map(torch.from_numpy(scan))[1]) == 8 * 40
    assert len(pack_map(torch.from_numpy(centimetres))[1]) == 2 * 100 * 100
    assert len(pack_map(torch.zeros(1, 100, 100, dtype=torch.bool))[1]) == 100 * 100 // 8
