"""What the writers of Virtual KITTI 2's and KITTI's layouts leave on disk."""

import numpy as np
import pytest
import torch
from written_files import read, tree

from lowtex.files import read_json
from lowtex_lab.miniature import Scene, kitti, render, vkitti2, write_kitti, write_vkitti2
from lowtex_lab.miniature.kitti import KITTI_RIG
from lowtex_lab.miniature.writing import MANIFEST, as_bgr8

SIZE = (48, 160)
FILES = (
    ("rgb", "rgb", "jpg"),
    ("depth", "depth", "png"),
    ("lowtexContrast", "contrast", "png"),
    ("lowtexVisible", "visible", "png"),
)
DRIVE = "2011_09_26_drive_9201_sync"


@pytest.fixture(scope="module")
def vkitti2_root(tmp_path_factory):
    torch.set_num_threads(2)
    return write_vkitti2(
        tmp_path_factory.mktemp("v") / "root", {"Scene02": 2, "Scene20": 1}, SIZE, ("clone", "fog"), progress=False
    )


@pytest.fixture(scope="module")
def kitti_root(tmp_path_factory):
    torch.set_num_threads(2)
    return write_kitti(tmp_path_factory.mktemp("k"), {"train": 3, "val": 1, "test": 2}, SIZE, progress=False)


def test_vkitti2_paths(vkitti2_root):
    found = set(tree(vkitti2_root))
    expected = {MANIFEST, "README.txt"}
    for scene, count in (("Scene02", 2), ("Scene20", 1)):
        for variation in ("clone", "fog"):
            base = f"{scene}/{variation}"
            expected |= {f"{base}/intrinsic.txt", f"{base}/extrinsic.txt"}
            for kind, stem, suffix in FILES:
                expected |= {
                    f"{base}/frames/{kind}/Camera_{c}/{stem}_{k:05d}.{suffix}" for c in (0, 1) for k in range(count)
                }
    assert found == expected
    readme = (vkitti2_root / "README.txt").read_text()
    assert (
        "SYNTHETIC" in readme and "seed 0" in readme and read_json(vkitti2_root / MANIFEST)["world_version"] in readme
    )


def test_vkitti2_contents_are_the_rendered_pair(vkitti2_root):
    pair = render(Scene("Scene02"), 1, SIZE, "fog")
    frames = vkitti2_root / "Scene02" / "fog" / "frames"
    for camera, image, depth, contrast, visible in (
        (0, pair.left, pair.depth_left, pair.contrast_left, pair.visible_left),
        (1, pair.right, pair.depth_right, pair.contrast_right, pair.visible_right),
    ):
        rgb = read(frames / f"rgb/Camera_{camera}/rgb_00001.jpg")
        assert rgb.shape == (*SIZE, 3) and rgb.dtype == np.uint8
        off = np.abs(rgb.astype(int) - as_bgr8(image).astype(int))
        assert off.mean() < 1.2  # halving the colour channels would make it 2.2
        cm = read(frames / f"depth/Camera_{camera}/depth_00001.png")
        metres = depth[0].numpy()
        assert cm.dtype == np.uint16 and ((cm == 65535) == (metres == 0)).all() and (cm == 65535).any()
        near = metres > 0
        assert np.abs(cm[near] / 100 - metres[near]).max() < 0.0051
        units = read(frames / f"lowtexContrast/Camera_{camera}/contrast_00001.png")
        assert units.dtype == np.uint16 and np.abs(units / 10000 - contrast[0].numpy()).max() < 6e-5
        seen = read(frames / f"lowtexVisible/Camera_{camera}/visible_00001.png")
        assert seen.dtype == np.uint8 and (seen == 255 * visible[0].numpy()).all()


def test_depth_in_centimetres():
    metres = torch.tensor([[[0.0, 0.004, 1.234, 655.34, 700.0]]])
    assert vkitti2.centimetres(metres).tolist() == [[65535, 1, 123, 65534, 65535]]


def test_vkitti2_cameras_hold_the_static_world_together(vkitti2_root):
    """Points of frame 0 moved by the extrinsics land on the depths of frame 1, and on the right camera's."""
    base = vkitti2_root / "Scene02" / "clone"
    lines = (base / "intrinsic.txt").read_text().splitlines()
    assert lines[0] == "frame cameraID K[0,0] K[1,1] K[0,2] K[1,2]"
    inner = {tuple(map(int, w[:2])): np.array(w[2:], float) for w in map(str.split, lines[1:])}
    lines = (base / "extrinsic.txt").read_text().splitlines()
    outer = {tuple(map(int, w[:2])): np.array(w[2:], float).reshape(4, 4) for w in map(str.split, lines[1:])}
    assert set(inner) == set(outer) == {(0, 0), (0, 1), (1, 0), (1, 1)}
    fx, fy, cx, cy = inner[0, 0]
    assert fx == pytest.approx(725.0087 * 160 / 1242) and fy == pytest.approx(725.0087 * 48 / 375)
    for pose in outer.values():
        assert np.allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-6)
    between = outer[0, 1] @ np.linalg.inv(outer[0, 0])
    assert np.allclose(between[:3, :3], np.eye(3), atol=1e-6)
    assert np.allclose(between[:3, 3], [-0.532725, 0, 0], atol=1e-5)

    depth = {key: read(base / f"frames/depth/Camera_{key[1]}/depth_{key[0]:05d}.png") / 100 for key in outer}
    v, u = np.mgrid[: SIZE[0], : SIZE[1]]
    z = depth[0, 0]
    points = np.stack([(u - cx) / fx * z, (v - cy) / fy * z, z, np.ones_like(z)], -1)[z < 600]
    for key in ((0, 1), (1, 0)):
        x, y, z, _ = outer[key] @ np.linalg.inv(outer[0, 0]) @ points.T
        ok = z > 1
        x, y, z = x[ok], y[ok], z[ok]
        column, row = np.round(x / z * fx + cx).astype(int), np.round(y / z * fy + cy).astype(int)
        ok = (column >= 0) & (column < SIZE[1]) & (row >= 0) & (row < SIZE[0])
        met, z = depth[key][row[ok], column[ok]], z[ok]
        assert ok.sum() > 1000 and (np.abs(met - z) < 0.08 * z).mean() > 0.75


def kitti_fields(path):
    lines = (line.partition(": ") for line in path.read_text().splitlines())
    return {name: rest for name, _, rest in lines}


def numbers(fields, name):
    return np.array(fields[name].split(), float)


def test_kitti_paths_and_lists(kitti_root):
    raw, depth = set(tree(kitti_root / "kitti_raw")), set(tree(kitti_root / "kitti_depth"))
    date = "2011_09_26"
    base = f"{date}/{DRIVE}"
    for name in ("image_02/data/0000000000.png", "image_03/data/0000000000.png", "velodyne_points/data/0000000000.bin"):
        assert f"{base}/{name}" in raw
    assert {f"{date}/calib_{name}.txt" for name in ("cam_to_cam", "velo_to_cam", "imu_to_velo")} <= raw
    assert f"val/{DRIVE}/proj_depth/groundtruth/image_03/0000000000.png" in depth
    assert f"train/{date}_drive_9001_sync/proj_depth/groundtruth/image_02/0000000001.png" in depth
    assert {MANIFEST, "README.txt", "splits/train.txt"} <= raw & depth
    lists = {name: (kitti_root / f"kitti_raw/splits/{name}.txt").read_text().split("\n") for name in kitti.DRIVES}
    assert lists["test"] == [f"{base} 0000000000 l", f"{date}/{date}_drive_9202_sync 0000000000 l", ""]
    assert len(lists["train"]) == 7 and lists["train"][1] == f"{date}/{date}_drive_9001_sync 0000000000 r"
    drives = [{line.split()[0] for line in lines if line} for lines in lists.values()]
    assert not (drives[0] & drives[1] or drives[0] & drives[2] or drives[1] & drives[2])
    assert len([name for name in raw if name.endswith(".png")]) == 2 * 6


def test_velodyne_and_calibration_reproduce_the_depth(kitti_root):
    raw = kitti_root / "kitti_raw" / "2011_09_26"
    cameras, laser = kitti_fields(raw / "calib_cam_to_cam.txt"), kitti_fields(raw / "calib_velo_to_cam.txt")
    rectify, pose = np.eye(4), np.eye(4)
    rectify[:3, :3] = numbers(cameras, "R_rect_00").reshape(3, 3)
    pose[:3, :3], pose[:3, 3] = numbers(laser, "R").reshape(3, 3), numbers(laser, "T")
    points = np.fromfile(raw / DRIVE / "velodyne_points/data/0000000000.bin", "<f4").reshape(-1, 4).astype(float)
    assert 0 <= points[:, 3].min() and points[:, 3].max() <= 1 and (points[:, 0] < 0).any()
    rig = KITTI_RIG.resized(SIZE[1], SIZE[0])
    pair = render(Scene(DRIVE), 0, SIZE, rig=rig)
    covered = []
    for camera, depth in (("02", pair.depth_left), ("03", pair.depth_right)):
        project = numbers(cameras, f"P_rect_{camera}").reshape(3, 4) @ rectify @ pose
        front = points[points[:, 0] > 1]
        u, v, z = project @ np.c_[front[:, :3], np.ones(len(front))].T
        column, row = np.round(u / z).astype(int) - 1, np.round(v / z).astype(int) - 1  # the development kit's pixels
        ok = (column >= 0) & (column < SIZE[1]) & (row >= 0) & (row < SIZE[0])
        met, z = depth[0].numpy()[row[ok], column[ok]], z[ok]
        covered.append(len(set(zip(row[ok].tolist(), column[ok].tolist(), strict=True))) / depth.numel())
        off = np.abs(met - z) / z
        assert np.median(off) < 0.015 and (off < 0.1).mean() > 0.85
        # the colour pair's own places matter: camera 0's would be wrong
        assert abs(project[0, 3] / rig.focal_px) > 0.05
    assert 0.03 < covered[0] < 0.055
    left, right = numbers(cameras, "P_rect_02"), numbers(cameras, "P_rect_03")
    assert (left[3] - right[3]) / left[0] == pytest.approx(0.532725, abs=1e-5)
    assert not np.allclose(rectify, np.eye(4), atol=1e-3)
    assert numbers(cameras, "S_rect_02").tolist() == [160, 48]


def test_improved_ground_truth(kitti_root):
    pair = render(Scene(DRIVE), 0, SIZE, rig=KITTI_RIG)
    folder = kitti_root / "kitti_depth" / "val" / DRIVE / "proj_depth" / "groundtruth"
    for image, depth in (("image_02", pair.depth_left), ("image_03", pair.depth_right)):
        stored = read(folder / image / "0000000000.png")
        assert stored.dtype == np.uint16 and stored.shape == SIZE
        metres, known = stored / 256, stored > 0
        assert 0.13 < known.mean() < 0.26
        off = np.abs(metres - depth[0].numpy())[known] / metres[known]
        assert np.median(off) < 0.015 and off.max() < 0.16
