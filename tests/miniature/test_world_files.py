"""What the writers of Virtual KITTI 2's and KITTI's layouts leave on disk."""

import numpy as np
import pytest
import torch
from written_files import read, tree

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


def matrices(path):
    lines = (line.split(": ") for line in path.read_text().splitlines()[1:])
    return {name: np.array(values.split(), float) for name, values in lines}


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
    raw = kitti_root / "kitti_raw" / "2011_09_26"
    cameras, laser = matrices(raw / "calib_cam_to_cam.txt"), matrices(raw / "calib_velo_to_cam.txt")
    rectify, pose = np.eye(4), np.eye(4)
    rectify[:3, :3] = cameras["R_rect_00"].reshape(3, 3)
    pose[:3, :3], pose[:3, 3] = laser["R"].reshape(3, 3), laser["T"]
    points = np.fromfile(raw / DRIVE / "velodyne_points/data/0000000000.bin", "<f4").reshape(-1, 4).astype(float)
    assert 0 <= points[:, 3].min() and points[:, 3].max() <= 1 and (points[:, 0] < 0).any()
    front = np.c_[points[points[:, 0] > 1][:, :3], np.ones((points[:, 0] > 1).sum())]
    pair = render(Scene(DRIVE), 0, SIZE, rig=KITTI_RIG)
    improved = kitti_root / "kitti_depth" / "val" / DRIVE / "proj_depth" / "groundtruth"
    for camera, depth in (("02", pair.depth_left[0]), ("03", pair.depth_right[0])):
        project = cameras[f"P_rect_{camera}"].reshape(3, 4) @ rectify @ pose
        u, v, z = project @ front.T
        met, z = met_at(depth.numpy(), u / z - 1, v / z - 1, z)  # the development kit's pixels
        off = np.abs(met - z) / z
        assert np.median(off) < 0.015 and (off < 0.1).mean() > 0.85
        assert 0.03 < len(z) / depth.numel() < 0.065
        # the colour pair's own places matter: camera 0's would be wrong
        assert abs(project[0, 3] / pair.rig.focal_px) > 0.05
        stored = read(improved / f"image_{camera}" / "0000000000.png")
        assert stored.dtype == np.uint16 and stored.shape == SIZE
        metres, known = stored / 256, stored > 0
        assert 0.13 < known.mean() < 0.26
        off = np.abs(metres - depth.numpy())[known] / metres[known]
        assert np.median(off) < 0.015 and off.max() < 0.16
    left, right = cameras["P_rect_02"], cameras["P_rect_03"]
    assert (left[3] - right[3]) / left[0] == pytest.approx(0.532725, abs=1e-5)
    assert not np.allclose(rectify, np.eye(4), atol=1e-3)
    assert cameras["S_rect_02"].tolist() == [160, 48]
