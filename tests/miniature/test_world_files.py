"""What the writers of Virtual KITTI 2's and KITTI's layouts leave on disk."""

import numpy as np
import pytest
import torch
from written_files import read, tree

from lowtex.datasets import KittiImproved, KittiRaw
from lowtex_lab.miniature import Scene, kitti, render, vkitti2, write_kitti, write_vkitti2
from lowtex_lab.miniature.kitti import KITTI_RIG
from lowtex_lab.miniature.writing import MANIFEST

SIZE = (48, 160)
DRIVE = "2011_09_26_drive_9201_sync"


@pytest.fixture(scope="module")
def kitti_root(tmp_path_factory):
    return write_kitti(tmp_path_factory.mktemp("k"), {"train": 3, "val": 1, "test": 2}, SIZE, progress=False)


def test_depth_in_centimetres():
    metres = torch.tensor([[[0.0, 0.004, 1.234, 655.34, 700.0]]])
    assert vkitti2.centimetres(metres).tolist() == [[65535, 1, 123, 65534, 65535]]


def test_vkitti2_cameras_hold_the_static_world_together(tmp_path):
    """Points of frame 0 moved by the extrinsics land on the depths of frame 1, and on the right camera's."""
    base = write_vkitti2(tmp_path / "root", {"Scene02": 2}, SIZE, progress=False) / "Scene02" / "clone"
    inner, outer = (np.loadtxt(base / f"{name}trinsic.txt", skiprows=1) for name in ("in", "ex"))
    assert inner[:, :2].tolist() == outer[:, :2].tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    fx, fy, cx, cy = inner[0, 2:]
    assert fx == pytest.approx(725.0087 * 160 / 1242) and fy == pytest.approx(725.0087 * 48 / 375)
    left, right, later, _ = outer[:, 2:].reshape(-1, 4, 4)
    assert np.allclose(left[:3, :3] @ left[:3, :3].T, np.eye(3), atol=1e-6)
    between = right @ np.linalg.inv(left)
    assert np.allclose(between[:3, :3], np.eye(3), atol=1e-6)
    assert np.allclose(between[:3, 3], [-0.532725, 0, 0], atol=1e-5)

    def depth(camera, frame):
        return read(base / f"frames/depth/Camera_{camera}/depth_{frame:05d}.png") / 100

    v, u = np.mgrid[: SIZE[0], : SIZE[1]]
    z = depth(0, 0)
    points = np.stack([(u - cx) / fx * z, (v - cy) / fy * z, z, np.ones_like(z)], -1)[z < 600]
    for pose, there in ((right, depth(1, 0)), (later, depth(0, 1))):
        x, y, z, _ = pose @ np.linalg.inv(left) @ points.T
        met, z = met_at(there, x / z * fx + cx, y / z * fy + cy, z)
        assert len(z) > 1000 and (np.abs(met - z) < 0.08 * z).mean() > 0.75


def met_at(depth, column, row, z):
    """A view's depth at the pixels that points fall on, and the points' own; those before it and inside it."""
    column, row = np.round(column).astype(int), np.round(row).astype(int)
    ok = (z > 1) & (column >= 0) & (column < SIZE[1]) & (row >= 0) & (row < SIZE[0])
    return depth[row[ok], column[ok]], z[ok]


def test_kitti_lists(kitti_root):
    raw, depth = set(tree(kitti_root / "kitti_raw")), set(tree(kitti_root / "kitti_depth"))
    date = "2011_09_26"
    assert {f"{date}/calib_{name}.txt" for name in ("cam_to_cam", "velo_to_cam", "imu_to_velo")} <= raw
    assert {MANIFEST, "README.txt", "splits/train.txt"} <= raw & depth
    lists = {name: (kitti_root / f"kitti_raw/splits/{name}.txt").read_text().split("\n") for name in kitti.DRIVES}
    drives = [f"{date}/{date}_drive_{number}_sync 0000000000" for number in (9201, 9202, 9001)]
    assert lists["test"] == [f"{drives[0]} l", f"{drives[1]} l", ""]
    assert len(lists["train"]) == 7 and lists["train"][1] == f"{drives[2]} r"
    assert len([name for name in raw if name.endswith(".png")]) == 2 * 6


def test_velodyne_with_its_calibration_and_improved_truth_reproduce_the_depth(kitti_root):
    where = {"split": "available", "size": None, "camera": "both"}
    raw = KittiRaw(kitti_root / "kitti_raw", depth="velodyne_z", **where)
    improved = KittiImproved(kitti_root / "kitti_depth", **where)
    pair = render(Scene(DRIVE), 0, SIZE, rig=KITTI_RIG)
    for side, depth in (("l", pair.depth_left), ("r", pair.depth_right)):
        scan, accumulated = (reader[reader.names.index(f"{DRIVE}/0000000000/{side}")] for reader in (raw, improved))
        assert scan.rig.baseline_m == pytest.approx(0.532725, abs=1e-5)
        # share of the pixels, bound of the error and how many keep it; a laser beside the camera sees past some edges
        for sample, least, most, bound, share in ((scan, 0.03, 0.065, 0.1, 0.85), (accumulated, 0.13, 0.26, 0.16, 1)):
            known = sample.depth > 0
            assert least < known.float().mean() < most
            off = ((sample.depth - depth).abs() / sample.depth)[known]
            assert off.median() < 0.015 and (off < bound).float().mean() >= share
    scans = kitti_root / "kitti_raw" / "2011_09_26" / DRIVE / "velodyne_points/data"
    points = np.fromfile(scans / "0000000000.bin", "<f4").reshape(-1, 4)
    assert 0 <= points[:, 3].min() and points[:, 3].max() <= 1 and (points[:, 0] < 0).any()
