"""Views, rig, direction and depth fit each other: in the miniature world, which knows its depth, and in reality."""

from pathlib import Path

import cv2
import dataset_trees as trees
import numpy as np
import pytest
import scipy.io
import yaml
from dataset_trees import DRIVE, FOLDER, HEIGHT, WIDTH, laser_point, put, rig_text, write_kitti
from layouts import laser
from view_errors import errors_beside

from lowtex.datasets import READERS, Kitti2015, KittiImproved, KittiPairs, KittiRaw, StereoSample
from lowtex.datasets.kitti import project_velodyne, read_kitti_calibration
from lowtex.datasets.make3d import NOMINAL_RIG
from lowtex.geometry import depth_to_disparity
from lowtex_lab.miniature import Scene, render, write_kitti_benchmarks
from lowtex_lab.miniature.kitti import KITTI_RIG

# the miniature world


def test_miniature_of_kittis_benchmarks_reads_back_what_the_world_knows(tmp_path):
    write_kitti_benchmarks(tmp_path, {"train": 1, "val": 1, "test": 1}, size=(96, 320), progress=False)
    parts = {split: KittiPairs(tmp_path / "kitti_pairs", split, camera="both") for split in ("train", "val", "all")}
    assert {split: len(reader) for split, reader in parts.items()} == {"train": 2, "val": 2, "all": 4}
    assert parts["train"].names + parts["val"].names == parts["all"].names
    pair = render(Scene("pairs_1", 0), 0, (96, 320), rig=KITTI_RIG)
    for sample, view, other in zip(parts["train"], (pair.left, pair.right), (pair.right, pair.left), strict=True):
        assert (sample.image - view).abs().max() <= 0.51 / 255 and (sample.other - other).abs().max() <= 0.51 / 255
        assert sample.rig.baseline_m == pytest.approx(KITTI_RIG.baseline_m, abs=1e-5) and sample.depth is None
    pair = render(Scene("stereo_1", 0), 0, (96, 320), rig=KITTI_RIG)
    both, every = (Kitti2015(tmp_path / "kitti_2015", disparity=kind) for kind in ("noc", "occ"))
    assert both.split == every.split == "test" and both.names == ["000002/l"]
    known, all_known = both[0].depth > 0, every[0].depth > 0
    assert known.float().mean() > 0.1 and known.equal(all_known & pair.visible_left) and not known.equal(all_known)
    error = ((every[0].depth - pair.depth_left).abs() / pair.depth_left)[all_known]
    assert error.median() < 0.015
    errors = errors_beside(both[0], known[0])
    assert errors[2] == min(errors)


# KITTI's laser, by hand-made points; on a real scan the yardstick of the benchmarks agrees


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


# the real samples


REAL = yaml.safe_load(Path(__file__).with_name("real_pairs.yaml").read_text())
CITY_MAP = "cityscapes/disparity/train/aachen/aachen_000029_000019_disparity.png"
KITTI_MAP = f"kitti_depth/train/{DRIVE}/proj_depth/groundtruth/image_02/0000000005.png"


def published(real_data, path: str) -> np.ndarray:
    """A map as stored, float32."""
    path = real_data / path
    stored = np.load(path)["arr_0"] if path.suffix == ".npz" else cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    return stored.astype(np.float32)


def real_pair(name: str, real_data, root) -> tuple[StereoSample, np.ndarray]:
    """A sample and its disparity as published, pixels."""
    if name == "Cityscapes":
        sample = READERS["cityscapes"](real_data / "cityscapes", size=None, typical_camera=True)[0]
        return sample, ((published(real_data, CITY_MAP) - 1) / 256)[:768]
    if name == "KITTI":
        sample = KittiImproved(real_data / "kitti_depth", "available", None)[0]
        return sample, 721.5377 * 0.5327 / (published(real_data, KITTI_MAP) / 256).clip(1e-9)
    if name == "KITTI 2015":
        sample = Kitti2015(real_data / "kitti_2015", size=None)[-1]
        return sample, published(real_data, "kitti_2015/training/disp_noc_0/000040_10.png") / 256
    for folder, file in zip(("left", "right", "disparity"), REAL[name]["files"], strict=True):
        source = real_data / "middlebury" / file
        (root / folder).mkdir()
        (root / folder / f"pair{source.suffix}").symlink_to(source)
    put(root / "rig.yaml", rig_text(**REAL[name]["rig"]))
    return READERS["stereo"](root, size=None)[0], published(real_data, f"middlebury/{file}") * REAL[name]["unit"]


@pytest.mark.parametrize("name", REAL)
def test_published_disparity_comes_back_and_explains_the_real_pair(tmp_path, real_data, name):
    (sample, told), fact = real_pair(name, real_data, tmp_path), REAL[name]
    assert sample.image.shape == sample.other.shape == (3, *fact["shape"])
    assert sample.depth.shape == (1, *fact["shape"])
    known = sample.depth[0] > 0
    assert fact["share"][0] < known.float().mean() <= fact["share"][1]
    assert fact["median"][0] < sample.depth[0][known].median() <= fact["median"][1]
    back = depth_to_disparity(sample.depth, sample.rig)
    np.testing.assert_allclose(back[0][known], told[known.numpy()], rtol=1e-4, atol=1e-4)
    errors = errors_beside(sample, known)
    assert errors[2] == min(errors) and errors[2] < 0.9 * min(errors[0], errors[4])


def test_real_pairs_of_several_dates_are_the_right_way_round(real_data):
    """A matcher finds the left view's places in the right one, and next to none the other way round."""
    train, val = (KittiPairs(real_data / "kitti_pairs", split, size=(188, 620)) for split in ("train", "val"))
    assert (len(train), len(val)) == (162, 40) and not set(train.names) & set(val.names)
    focals = {reader.calibration(f).projection["l"][0, 0] for reader in (val,) for f in reader.frames}
    assert {train.calibration(f).projection["l"][0, 0] for f in train.frames} == {721.5377}
    assert focals == {707.0912, 718.3351, 718.856}
    matcher = cv2.StereoSGBM_create(0, 64, 5, P1=200, P2=800, uniquenessRatio=10)
    for reader in (train, val):
        sample = reader[0]
        assert 0.53 < sample.rig.baseline_m < 0.54
        left, right = ((view * 255).byte().permute(1, 2, 0).numpy() for view in (sample.image, sample.other))
        right_way, swapped = ((matcher.compute(*views) > 0)[:, 64:].mean() for views in ((left, right), (right, left)))
        assert right_way > 0.5 and swapped < 0.5 * right_way


def test_real_calibrations_differ_from_day_to_day(real_data):
    paths = {"2011_09_26": real_data / "kitti_raw" / "2011_09_26" / "calib_cam_to_cam.txt"}
    for date in ("2011_09_28", "2011_09_29", "2011_09_30", "2011_10_03"):
        paths[date] = real_data / "kitti_calib" / f"calib_cam_to_cam_{date}.txt"
    found = {date: read_kitti_calibration(path, "") for date, path in paths.items()}
    focals = {1242: 721.5377, 1224: 707.0493, 1226: 707.0912, 1238: 718.3351, 1241: 718.856}
    for date, side in (*((date, "l") for date in found), ("2011_10_03", "r")):
        rig = found[date].rig(side)
        assert rig.focal_px == focals[rig.width] and 0.53 < rig.baseline_m < 0.54
        assert (rig.width, rig.height) == found[date].size[side]
    for date, baseline in (("2011_09_26", 0.5327), ("2011_10_03", 0.5323)):
        assert found[date].rig("l").baseline_m == pytest.approx(baseline, abs=5e-5)


def test_real_laser_of_kitti_against_the_improved_truth(real_data):
    improved = KittiImproved(real_data / "kitti_depth", "available", (96, 320))
    for kind, least, most in (("velodyne", 0.18, 0.24), ("velodyne_z", -0.10, -0.05)):
        raw = KittiRaw(real_data / "kitti_raw", "available", (96, 320), depth=kind, views=False)
        assert raw.names == [f"{DRIVE}/{frame:010d}/l" for frame in (0, 1, 2, 3, 4, 5, 25, 45)]
        assert improved.names == raw.names[5:]
        depths = [sample.depth for sample in raw]
        assert [depth is None for depth in depths] == [False, *[True] * 4, *[False] * 3]
        for depth, truth in zip(depths[5:], improved, strict=True):
            assert 18_850 <= (depth > 0).sum() <= 19_400 and 87_000 <= (truth.depth > 0).sum() <= 92_000
            both = (depth > 0) & (truth.depth > 0)
            assert least <= (depth - truth.depth)[both].median().item() <= most


def test_real_channel_of_make3d_is_the_range_and_the_grid_covers_the_image(real_data):
    for path in sorted((real_data / "make3d" / "Gridlaserdata").glob("*.mat")):
        x, y, z, distance = np.moveaxis(scipy.io.loadmat(path)["Position3DGrid"], 2, 0)
        # what the reader's docstring says about range and z, and the nominal focal length
        ratio = distance / z
        assert ratio.max() == pytest.approx(1.14, abs=0.01) and ratio[17:38].max() == pytest.approx(1.075, abs=0.005)
        assert ratio[17:38].mean() == pytest.approx(1.025, abs=0.001)
        rows, columns = np.mgrid[0:55, 0:305]
        for places, along, pixels, focal, middle in (
            (rows, x / z, -2272 / 55, NOMINAL_RIG.fy, NOMINAL_RIG.cy),
            (columns, y / z, 1704 / 305, NOMINAL_RIG.focal_px, NOMINAL_RIG.cx),
        ):
            slope, start = np.polyfit(places.ravel(), along.ravel(), 1)
            assert pixels / slope == pytest.approx(focal, rel=0.005)
            assert (-start / slope + 0.5) * abs(pixels) - 0.5 == pytest.approx(middle, abs=5)
