"""Projection of laser scans, against hand-made points and a plain loop written from the protocol."""

import numpy as np
import pytest
from dataset_trees import HEIGHT, LASER_BEHIND, WIDTH, laser_point, scan, write_kitti

from lowtex.datasets.kitti_layout import KittiTree
from lowtex.datasets.velodyne import project_velodyne, read_velodyne


@pytest.fixture
def projection(tmp_path) -> np.ndarray:
    write_kitti(tmp_path)
    tree = KittiTree(tmp_path)
    folder = "2011_09_26/2011_09_26_drive_0001_sync"
    return tree.calibration(folder).velodyne_projection("l", tree.velodyne_to_camera(folder))


def test_hand_made_points(projection):
    depth = project_velodyne(scan(), projection, WIDTH, HEIGHT, forward=False)
    expected = np.zeros((HEIGHT, WIDTH), np.float32)
    expected[5, 7], expected[6, 8], expected[HEIGHT - 1, WIDTH - 1] = 10.0, 9.0, 40.0
    np.testing.assert_allclose(depth, expected, rtol=1e-5)
    forward = project_velodyne(scan(), projection, WIDTH, HEIGHT)
    np.testing.assert_allclose(forward, np.where(expected > 0, expected + LASER_BEHIND, 0), rtol=1e-5)


@pytest.mark.parametrize("order", [1, -1])
def test_nearest_wins_in_any_order(projection, order):
    points = np.array([laser_point(6, 8, z) for z in (30.0, 8.0, 12.0, 50.0)][::order], np.float32)
    assert project_velodyne(points, projection, WIDTH, HEIGHT, forward=False)[6, 8] == pytest.approx(8.0, rel=1e-5)


@pytest.mark.parametrize("shift", [-0.49, 0.49])
def test_rounds_to_the_nearest_pixel_less_one(projection, shift):
    points = np.array([laser_point(6 + shift, 8 - shift, 10.0)], np.float32)
    assert np.argwhere(project_velodyne(points, projection, WIDTH, HEIGHT)).tolist() == [[6, 8]]


def test_empty_view_is_all_zero(projection):
    assert not project_velodyne(np.zeros((0, 4), np.float32), projection, WIDTH, HEIGHT).any()


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("side", ["l", "r"])
def test_real_scan_equals_a_plain_loop(real_data, side, forward):
    tree = KittiTree(real_data / "kitti_raw")
    folder = "2011_09_26/2011_09_26_drive_0001_sync"
    calibration = tree.calibration(folder)
    points = read_velodyne(tree.velodyne(folder, 25))[::4]
    projection = calibration.velodyne_projection(side, tree.velodyne_to_camera(folder))
    width, height = calibration.size[side]
    assert (width, height) == (1242, 375)
    nearest: dict[tuple[int, int], float] = {}
    homogeneous = np.c_[points[:, :3].astype(np.float64), np.ones(len(points))]
    for laser, (u, v, z) in zip(homogeneous, homogeneous @ projection.T, strict=True):
        if laser[0] < 0:
            continue
        column, row = round(u / z) - 1, round(v / z) - 1
        if 0 <= column < width and 0 <= row < height:
            value = laser[0] if forward else z
            nearest[row, column] = min(value, nearest.get((row, column), np.inf))
    expected = np.zeros((height, width), np.float32)
    for place, value in nearest.items():
        expected[place] = value
    depth = project_velodyne(points, projection, width, height, forward)
    assert (depth > 0).sum() > 4000
    np.testing.assert_array_equal(depth > 0, expected > 0)
    np.testing.assert_allclose(depth, expected, rtol=1e-6)
