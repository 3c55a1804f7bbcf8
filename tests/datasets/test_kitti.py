"""KITTI raw, its laser and its improved ground truth: tiny trees read back exactly, and facts of the real samples."""

import cv2
import dataset_trees as trees
import numpy as np
import pytest
import torch
from dataset_damages import replaced
from dataset_trees import DRIVE, FOLDER, HEIGHT, WIDTH, as_bytes, laser_point, picture, seed_of, write_kitti, write_list

from lowtex.datasets import KittiImproved, KittiRaw, collate, open_dataset
from lowtex.datasets.kitti import project_velodyne, read_kitti_calibration, read_velodyne
from lowtex.datasets.splits import Frame
from lowtex.errors import DataError, OptionError
from lowtex.geometry import depth_to_disparity
from lowtex_lab.miniature import Scene, render
from lowtex_lab.miniature.kitti import KITTI_RIG
from lowtex_lab.miniature.kitti import write_kitti as write_miniature

MINIATURE_DRIVE = "2011_09_26_drive_9201_sync"


@pytest.mark.parametrize("arrangement", ["date", "archives", "drive"])
def test_read_back_in_every_arrangement(tmp_path, arrangement):
    write_kitti(tmp_path, arrangement)
    reader = KittiRaw(tmp_path, "available", size=None, depth="velodyne_z", camera="both")
    assert reader.names == [f"{DRIVE}/{frame:010d}/{side}" for frame in (0, 1, 7) for side in "lr"]
    for name, sample in zip(reader.names, reader, strict=True):
        _, frame, side = name.split("/")
        other = "r" if side == "l" else "l"
        np.testing.assert_array_equal(as_bytes(sample.image), picture(seed_of(int(frame), side)))
        np.testing.assert_array_equal(as_bytes(sample.other), picture(seed_of(int(frame), other)))
        assert sample.direction == (1.0 if side == "l" else -1.0) and sample.name == name
        rig = sample.rig
        assert (rig.width, rig.height, rig.cx, rig.cy, rig.cx_offset_px) == (WIDTH, HEIGHT, trees.CX, trees.CY, 0.0)
        assert (rig.focal_px, rig.fy) == (trees.FOCAL, trees.FOCAL) and rig.baseline_m == pytest.approx(trees.BASELINE)
        assert sample.depth.shape == (1, HEIGHT, WIDTH) and sample.depth.dtype == torch.float32
    assert reader[0].depth[0, 5, 7] == pytest.approx(10.0, rel=1e-5)
    # the right camera sees the same point further left, by focal * baseline / depth = 1.6 pixels
    assert reader[1].depth[0, 5, 7 - 2] == pytest.approx(10.0, rel=1e-5)


@pytest.mark.parametrize("offset", [2.5, -2.5])
def test_two_principal_points_give_an_offset_with_the_sign_of_left_minus_right(tmp_path, offset):
    drive = write_kitti(tmp_path)
    file = drive.parent / "calib_cam_to_cam.txt"
    replaced(f"P_rect_03: {trees.FOCAL} 0 {trees.CX} ", f"P_rect_03: {trees.FOCAL} 0 {trees.CX - offset} ")(file)
    calibration = read_kitti_calibration(file, "copy it again")
    point = np.array([1.0, 0.5, 4.0, 1.0])
    columns = {side: p[0] @ point / (p[2] @ point) for side, p in calibration.projection.items()}
    for sample in KittiRaw(tmp_path, "available", size=None, camera="both"):
        assert sample.rig.cx_offset_px == pytest.approx(offset) and sample.rig.baseline_m == pytest.approx(
            trees.BASELINE
        )
        assert sample.rig.cx == (trees.CX if sample.name.endswith("/l") else trees.CX - offset)
        disparity = float(depth_to_disparity(torch.tensor(4.0), sample.rig))
        assert disparity == pytest.approx(columns["l"] - columns["r"], rel=1e-5), "what the two cameras see apart"


def test_jpeg_tree_and_left_images_alone(tmp_path):
    write_kitti(tmp_path, suffix="jpg")
    assert len(KittiRaw(tmp_path, "available")) == 3
    for path in (tmp_path / FOLDER / "image_03" / "data").iterdir():
        path.unlink()
    with pytest.raises(
        DataError, match=r"no complete frame \(image_02: 3 images, image_03: 0 images; a pair needs both"
    ):
        KittiRaw(tmp_path, "available")
    reader = KittiRaw(tmp_path, "available", views=False)
    assert len(reader) == 3 and reader[0].other is None


@pytest.mark.parametrize(
    ("folders", "told"),
    [
        (("training/image_2", "training/image_3", "training/calib", "training/label_2"), "object benchmark"),
        (("dataset/sequences/00/image_2", "dataset/sequences/00/image_3"), "odometry benchmark"),
        (("image_2", "image_3", "disp_noc_0"), "stereo 2015"),
        (("training/colored_0", "training/colored_1"), "stereo 2012"),
        (("testing/image_2", "testing/image_3"), "object, road or stereo benchmarks"),
    ],
)
def test_other_layouts_of_kitti_are_recognised(tmp_path, folders, told):
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(DataError, match=f"holds .*{told}.*no reader takes this layout yet.*--data stereo=FOLDER"):
        KittiRaw(tmp_path, "available")


def test_rig_follows_resize_and_depth_keeps_its_size(tmp_path):
    write_kitti(tmp_path)
    native = KittiRaw(tmp_path, "available", size=None)[0]
    sample = KittiRaw(tmp_path, "available", size=(12, 10))[0]
    assert sample.image.shape == (3, 12, 10) == sample.other.shape
    assert sample.rig == native.rig.resized(10, 12)
    assert sample.rig.focal_px == trees.FOCAL / 4 and sample.rig.fy == trees.FOCAL / 2
    mean = picture(0).reshape(12, 2, 10, 4, 3).mean((1, 3))
    assert np.abs(as_bytes(sample.image) - mean).max() <= 0.5
    torch.testing.assert_close(sample.depth, native.depth, rtol=0, atol=0)
    batch = collate([sample, sample])
    assert batch.rig.focal_px.tolist() == [7.5, 7.5] and batch.image.shape == (2, 3, 12, 10)


def test_frames_without_a_scan(tmp_path):
    write_kitti(tmp_path, scans=(1,))
    for name in ("train", "test"):
        write_list(tmp_path, name, f"{FOLDER} 0 l\n{FOLDER} 1 l\n")
    for split in ("train", "available"):
        reader = KittiRaw(tmp_path, split)
        assert reader[0].depth is None and reader[1].depth is not None
    for reader in (KittiRaw(tmp_path, "test"), KittiRaw(tmp_path, "train", depth_required=True)):
        with pytest.raises(DataError, match="0000000000.bin is missing"):
            reader[0]
    assert KittiRaw(tmp_path, "test", depth_required=False)[0].depth is None
    assert KittiRaw(tmp_path, "test", depth=None)[0].depth is None


def test_lists_keep_their_order_and_sides(tmp_path):
    write_kitti(tmp_path / "raw")
    path = tmp_path / "mine.txt"
    path.write_text(f"{FOLDER} 7 r\n{FOLDER} 0000000000 l\n{FOLDER} 1 r\n")
    assert KittiRaw(tmp_path / "raw", path).names == [
        f"{DRIVE}/{n:010d}/{s}" for n, s in ((7, "r"), (0, "l"), (1, "r"))
    ]
    assert KittiRaw(tmp_path / "raw", path, camera="left").names == [f"{DRIVE}/0000000000/l"]
    path.write_text(f"{FOLDER} 7 r\n")
    with pytest.raises(OptionError, match="leaves no frame"):
        KittiRaw(tmp_path / "raw", path, camera="left")


@pytest.mark.parametrize("above", ["train", "val", "", "2011_09_26", "data_depth_annotated/val"])
def test_improved_in_every_arrangement(tmp_path, above):
    write_kitti(tmp_path / "kitti_raw", scans=())
    trees.write_kitti_depth(tmp_path / "kitti_depth", above, frames=(1, 7))
    reader = KittiImproved(tmp_path / "kitti_depth", "available", camera="both")
    assert reader.names == [f"{DRIVE}/{frame:010d}/{side}" for frame in (1, 7) for side in "lr"]
    for name, sample in zip(reader.names, reader, strict=True):
        _, frame, side = name.split("/")
        expected = trees.depth_values(seed_of(int(frame), side)) / 256
        np.testing.assert_array_equal(sample.depth[0].numpy(), expected)
        assert sample.image.shape == (3, 96, 320) and sample.direction == (1.0 if side == "l" else -1.0)


def test_improved_beside_the_images_or_elsewhere(tmp_path):
    write_kitti(tmp_path / "one", scans=())
    trees.write_kitti_depth(tmp_path / "one", "2011_09_26")
    assert len(KittiImproved(tmp_path / "one", "available")) == 3
    trees.write_kitti_depth(tmp_path / "two")
    assert len(KittiImproved(tmp_path / "two", "available", raw_root=tmp_path / "one")) == 3
    write_list(tmp_path / "two", "test", f"{FOLDER} 7 l\n")
    assert KittiImproved(tmp_path / "two", raw_root=tmp_path / "one").names == [f"{DRIVE}/0000000007/l"]


def test_improved_lists_need_maps_for_tests_only(tmp_path):
    write_kitti(tmp_path / "kitti_raw", scans=())
    trees.write_kitti_depth(tmp_path / "kitti_depth", frames=(1,))
    (tmp_path / "train.txt").write_text(f"{FOLDER} 0 l\n{FOLDER} 1 l\n")
    reader = KittiImproved(tmp_path / "kitti_depth", tmp_path / "train.txt")
    assert reader[0].depth is None and reader[1].depth is not None
    with pytest.raises(DataError, match="1 of 2 depth maps .* first: .*groundtruth/image_02/0000000000.png"):
        KittiImproved(tmp_path / "kitti_depth", tmp_path / "train.txt", depth_required=True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"depth": "lidar"}, "depth=.lidar"),
        ({"camera": "middle"}, "camera='middle'"),
        *(({"size": size}, "size=") for size in ((96,), (0, 3), (9.5, 3), "96x320")),
        ({"variation": "fog"}, "no option 'variation'; it has: depth, views"),
        ({"name": "kiti"}, "'kiti' is not known; choose one of: kitti, kitti_improved, vkitti2"),
    ],
)
def test_options_are_checked(tmp_path, options, words):
    write_kitti(tmp_path)
    with pytest.raises(OptionError, match=words):
        open_dataset(**{"name": "kitti", "root": tmp_path, "split": "available", **options})


def test_a_sample_of_the_end_and_one_too_far(tmp_path):
    write_kitti(tmp_path)
    reader = open_dataset("kitti", tmp_path, "available", depth=None)
    assert isinstance(reader, KittiRaw) and reader[-1].name == reader.names[-1]
    with pytest.raises(IndexError, match="sample 3 of 3"):
        reader[3]


def test_miniature_reads_back_what_the_world_knows(tmp_path):
    write_miniature(tmp_path, {"test": 1}, size=(96, 320), progress=False)
    raw = KittiRaw(tmp_path / "kitti_raw", "test", depth="velodyne_z", camera="left")
    improved = KittiImproved(tmp_path / "kitti_depth", "test")
    assert raw.names == improved.names == [f"{MINIATURE_DRIVE}/0000000000/l"]
    pair = render(Scene(MINIATURE_DRIVE, 0), 0, (96, 320), rig=KITTI_RIG)
    for sample, share in ((raw[0], 0.02), (improved[0], 0.1)):
        assert (sample.image - pair.left).abs().max() <= 0.51 / 255
        assert (sample.other - pair.right).abs().max() <= 0.51 / 255
        known = (sample.depth > 0) & (pair.depth_left > 0)
        assert known.float().mean() > share
        error = ((sample.depth - pair.depth_left).abs() / pair.depth_left)[known]
        assert error.median() < 0.015
    forward = KittiRaw(tmp_path / "kitti_raw", "test")[0].depth
    both = (forward > 0) & (raw[0].depth > 0)
    assert (forward - raw[0].depth)[both].median() == pytest.approx(0.27, abs=0.01)


# the real samples


def test_real_calibrations(real_data):
    first = read_kitti_calibration(real_data / "kitti_raw" / "2011_09_26" / "calib_cam_to_cam.txt", "")
    assert first.rig("l").focal_px == 721.5377 and first.size["l"] == (1242, 375)
    assert first.rig("l").baseline_m == pytest.approx(0.5327, abs=5e-5)
    last = read_kitti_calibration(real_data / "kitti_calib" / "calib_cam_to_cam_2011_10_03.txt", "")
    assert last.rig("r").focal_px == 718.856 and last.size["r"] == (1241, 376)
    assert last.rig("r").baseline_m == pytest.approx(0.5323, abs=5e-5)
    focals = {1224: 707.0493, 1226: 707.0912, 1238: 718.3351}
    for date in ("2011_09_28", "2011_09_29", "2011_09_30"):
        rig = read_kitti_calibration(real_data / "kitti_calib" / f"calib_cam_to_cam_{date}.txt", "").rig("l")
        # not one constant: the cameras were calibrated anew each day
        assert rig.focal_px == focals[rig.width] and 0.53 < rig.baseline_m < 0.54


@pytest.fixture(scope="module")
def real_readers(real_data) -> dict:
    raw, improved = real_data / "kitti_raw", real_data / "kitti_depth"
    readers = {kind: KittiRaw(raw, "available", None, depth=kind) for kind in ("velodyne", "velodyne_z")}
    return readers | {"improved": KittiImproved(improved, "available", None)}


def test_real_frames(real_readers):
    frames = [f"{DRIVE}/{frame:010d}/l" for frame in (0, 1, 2, 3, 4, 5, 25, 45)]
    assert real_readers["velodyne"].names == frames and real_readers["improved"].names == frames[5:]
    points = [0 if s.depth is None else int((s.depth > 0).sum()) for s in real_readers["velodyne"]]
    assert points[1:5] == [0] * 4 and all(18_850 <= count <= 19_400 for count in (points[0], *points[5:]))


def test_real_forward_distance_and_camera_z(real_readers):
    for truth in real_readers["improved"]:
        assert 87_000 <= (truth.depth > 0).sum() <= 92_000
        index = real_readers["velodyne"].names.index(truth.name)
        for kind, least, most in (("velodyne", 0.18, 0.24), ("velodyne_z", -0.10, -0.05)):
            depth = real_readers[kind][index].depth
            both = (depth > 0) & (truth.depth > 0)
            assert least <= (depth - truth.depth)[both].median().item() <= most


def test_real_pair_agrees_with_a_classical_matcher(real_readers):
    sample = real_readers["improved"][0]
    left, right = (cv2.cvtColor(as_bytes(view), cv2.COLOR_RGB2GRAY) for view in (sample.image, sample.other))
    settings = dict(P1=200, P2=800, disp12MaxDiff=1, preFilterCap=63, uniquenessRatio=10, speckleWindowSize=100)
    matcher = cv2.StereoSGBM_create(0, 96, 5, **settings, speckleRange=2, mode=cv2.STEREO_SGBM_MODE_HH)
    truth = sample.depth[0].numpy()

    def errors(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        disparity = matcher.compute(first, second).astype(np.float64) / 16
        matched = (disparity > 0) & (truth > 0)
        depth = sample.rig.focal_px * sample.rig.baseline_m / disparity[matched]
        return np.abs(depth - truth[matched]) / truth[matched]

    right_order, swapped = errors(left, right), errors(right, left)
    assert 0.013 <= np.median(right_order) <= 0.016
    total = (truth > 0).sum()
    assert (right_order < 0.1).sum() > 0.9 * total
    assert (swapped < 0.1).sum() < 0.01 * total


def test_real_packaged_split_counts_what_is_missing(real_data):
    with pytest.raises(DataError, match="697 of 697 frames of split 'eigen/test' are missing"):
        KittiRaw(real_data / "kitti_raw", "test")


@pytest.fixture
def projection(tmp_path) -> np.ndarray:
    write_kitti(tmp_path)
    reader = KittiRaw(tmp_path, "available")
    return reader.calibration(FOLDER).velodyne_projection("l", reader.velodyne_to_camera(FOLDER))


def test_hand_made_points(projection):
    depth = project_velodyne(trees.scan(), projection, WIDTH, HEIGHT, forward=False)
    expected = np.zeros((HEIGHT, WIDTH), np.float32)
    expected[5, 7], expected[6, 8], expected[HEIGHT - 1, WIDTH - 1] = 10.0, 9.0, 40.0
    np.testing.assert_allclose(depth, expected, rtol=1e-5)
    forward = project_velodyne(trees.scan(), projection, WIDTH, HEIGHT)
    np.testing.assert_allclose(forward, np.where(expected > 0, expected + trees.LASER_BEHIND, 0), rtol=1e-5)


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
    reader = KittiRaw(real_data / "kitti_raw", "available")
    calibration = reader.calibration(FOLDER)
    points = read_velodyne(reader.file("scan", Frame(FOLDER, 25)))[::4]
    projection = calibration.velodyne_projection(side, reader.velodyne_to_camera(FOLDER))
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
