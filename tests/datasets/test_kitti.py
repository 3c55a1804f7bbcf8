"""KITTI's laser: hand-made points, and a real scan against a plain loop."""

import dataset_trees as trees
import numpy as np
import pytest
from dataset_trees import FOLDER, HEIGHT, WIDTH, laser_point, write_kitti
from layouts import laser

from lowtex.datasets import KittiRaw
from lowtex.datasets.kitti import project_velodyne, read_velodyne
from lowtex.datasets.splits import Frame


@pytest.fixture
def projection(tmp_path) -> np.ndarray:
    write_kitti(tmp_path)
    reader = KittiRaw(tmp_path, "available")
    return reader.calibration(FOLDER).velodyne_projection("l", reader.velodyne_to_camera(FOLDER))


def test_forward_distance_or_depth_along_the_camera(tmp_path, projection):
    expected = laser("l")
    depth = project_velodyne(trees.scan(), projection, WIDTH, HEIGHT, forward=False)
    np.testing.assert_allclose(depth, expected, rtol=1e-5)
    forward = np.where(expected > 0, expected + trees.LASER_BEHIND, 0)
    np.testing.assert_allclose(project_velodyne(trees.scan(), projection, WIDTH, HEIGHT), forward, rtol=1e-5)
    np.testing.assert_allclose(KittiRaw(tmp_path, "available")[0].depth[0], forward, rtol=1e-5)
    assert not project_velodyne(np.zeros((0, 4), np.float32), projection, WIDTH, HEIGHT).any()


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("shift", [-0.49, 0, 0.49])
def test_nearest_point_wins_in_the_nearest_pixel_less_one(projection, order, shift):
    points = np.array([laser_point(6 + shift, 8 - shift, z) for z in (30.0, 8.0, 12.0, 50.0)][::order], np.float32)
    depth = project_velodyne(points, projection, WIDTH, HEIGHT, forward=False)
    assert np.argwhere(depth).tolist() == [[6, 8]] and depth[6, 8] == pytest.approx(8.0, rel=1e-5)


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("side", ["l", "r"])
def test_real_scan_equals_a_plain_loop(real_data, side, forward):
    reader = KittiRaw(real_data / "kitti_raw", "available")
    calibration = reader.calibration(FOLDER)
    points = read_velodyne(reader.file("scan", Frame(FOLDER, 25)))[::4]
    projection = calibration.velodyne_projection(side, reader.velodyne_to_camera(FOLDER))
    width, height = calibration.size[side]
    expected = np.full((height, width), np.inf, np.float32)
    homogeneous = np.c_[points[:, :3].astype(np.float64), np.ones(len(points))]
    for laser_xyz, (u, v, z) in zip(homogeneous, homogeneous @ projection.T, strict=True):
        if laser_xyz[0] < 0:
            continue
        column, row = round(u / z) - 1, round(v / z) - 1
        if 0 <= column < width and 0 <= row < height:
            expected[row, column] = min(laser_xyz[0] if forward else z, expected[row, column])
    depth = project_velodyne(points, projection, width, height, forward)
    assert (depth > 0).sum() > 4000
    np.testing.assert_allclose(depth, np.where(np.isinf(expected), 0, expected), rtol=1e-6)
