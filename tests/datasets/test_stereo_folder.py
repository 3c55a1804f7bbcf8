"""One's own stereo folder: formats, the rig at every size, ground truth of every kind, splits, real pairs."""

import re

import cv2
import numpy as np
import pytest
import stereo_trees as trees
import torch
from dataset_trees import as_bytes, picture, write_list, write_map, write_picture
from stereo_trees import HEIGHT, STEMS, WIDTH, depth_values, rig_text, seed_of, write_stereo, write_truth

from lowtex.datasets import READERS, CachedPairs, KittiImproved, StereoFolder, flip_pair, open_dataset
from lowtex.datasets.reader import tolerating_missing
from lowtex.datasets.stereo_folder import EXAMPLE_RIG, IMAGE_SUFFIXES, read_pfm, read_rig_file
from lowtex.errors import DataError, OptionError
from lowtex.geometry import depth_to_disparity, warp_horizontal
from lowtex_lab.cli.checking import check_root, describe


def write_views(root, name: str, left, right=None) -> None:
    """One pair, of the same picture where there is no other."""
    for folder, picture_of in (("left", left), ("right", left if right is None else right)):
        write_picture(root / folder / name, picture_of)


def test_read_back(tmp_path):
    write_stereo(tmp_path, focal_y_px=31.0, cx_right=18.0)
    for stem in STEMS:
        write_truth(tmp_path / "depth" / f"{stem}.npy", depth_values(stem))
    reader = StereoFolder(tmp_path, size=None, camera="both")
    assert reader.names == ["a/l", "a/r", "b.1/l", "b.1/r", "c/l", "c/r"]
    assert reader.split == "all" and reader.ground_truth == "stereo" and READERS["stereo"] is StereoFolder
    for index, sample in enumerate(reader):
        stem, side = STEMS[index // 2], "lr"[index % 2]
        assert sample.name == f"{stem}/{side}" and sample.direction == (1.0 if side == "l" else -1.0)
        np.testing.assert_array_equal(as_bytes(sample.image), picture(seed_of(stem, side), HEIGHT, WIDTH))
        np.testing.assert_array_equal(
            as_bytes(sample.other), picture(seed_of(stem, "r" if side == "l" else "l"), HEIGHT, WIDTH)
        )
        assert (sample.rig.focal_px, sample.rig.focal_y_px, sample.rig.baseline_m) == (30.0, 31.0, 0.25)
        # each camera has its own principal point; what lies between them does not depend on the side
        assert (sample.rig.cx, sample.rig.cy, sample.rig.cx_offset_px) == (20.5 if side == "l" else 18.0, 11.0, 2.5)
        if side == "l":
            np.testing.assert_array_equal(sample.depth[0].numpy(), depth_values(stem))
        else:
            assert sample.depth is None


def test_flipping_twice_gives_the_rig_back(tmp_path):
    write_stereo(tmp_path, cx_right=18.0)
    for sample in StereoFolder(tmp_path, size=None, camera="both"):
        twice = flip_pair(flip_pair(sample)).rig
        assert twice.cx == pytest.approx(sample.rig.cx) and twice.cx_offset_px == sample.rig.cx_offset_px


@pytest.mark.parametrize(
    "suffix", [s for s in IMAGE_SUFFIXES if s not in (".jpg", ".jpeg", ".webp", ".pgm")] + [".PNG"]
)
def test_lossless_formats_are_read_exactly(tmp_path, suffix):
    write_stereo(tmp_path, suffix=suffix)
    for index, sample in enumerate(StereoFolder(tmp_path, size=None)):
        np.testing.assert_array_equal(as_bytes(sample.image), picture(seed_of(STEMS[index], "l"), HEIGHT, WIDTH))


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp"])
def test_lossy_formats_are_read(tmp_path, suffix):
    write_stereo(tmp_path, stems=())
    flat = np.full((HEIGHT, WIDTH, 3), (200, 40, 90), np.uint8)
    write_views(tmp_path, f"a{suffix}", flat)
    assert np.abs(as_bytes(StereoFolder(tmp_path, size=None)[0].image).astype(int) - flat).max() <= 3


def test_views_of_two_formats_make_a_pair(tmp_path):
    write_stereo(tmp_path, stems=("a",))
    (tmp_path / "right" / "a.png").unlink()
    write_picture(tmp_path / "right" / "a.bmp", picture(9, HEIGHT, WIDTH))
    np.testing.assert_array_equal(as_bytes(StereoFolder(tmp_path, size=None)[0].other), picture(9, HEIGHT, WIDTH))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("bits", [16, 12, 10])
def test_deep_images_are_scaled_by_the_bits_they_fill(tmp_path, suffix, bits):
    white = 2**bits - 1
    values = np.linspace(0, white, HEIGHT * WIDTH * 3).reshape(HEIGHT, WIDTH, 3).astype(np.uint16)
    write_stereo(tmp_path, stems=(), image_bits=bits)
    write_views(tmp_path, f"a{suffix}", values)
    got = as_bytes(StereoFolder(tmp_path, size=None)[0].image)
    np.testing.assert_array_equal(got, np.rint(values * (255 / white)).astype(np.uint8))
    assert got.min() == 0 and got.max() == 255


def test_deep_images_of_unknown_bits_are_refused_where_they_cannot_fill_16(tmp_path):
    values = np.linspace(0, 4000, HEIGHT * WIDTH * 3).reshape(HEIGHT, WIDTH, 3).astype(np.uint16)
    write_stereo(tmp_path, stems=())
    write_views(tmp_path, "a.png", values)
    words = r"a\.png is a 16-bit image whose brightest value is 4000, .*12 bits; .*image_bits in rig.yaml: 12, or 16"
    with pytest.raises(DataError, match=words):
        StereoFolder(tmp_path, size=None)[0]
    [problem] = check_root("stereo", tmp_path).named.problems
    assert problem.kind == "wrong kind" and "brightest value is 4000" in problem.reason
    for bits in (12, 16):
        (tmp_path / "rig.yaml").write_text(rig_text(image_bits=bits))
        reader = StereoFolder(tmp_path, size=None)
        expected = np.rint(values * (255 / (2**bits - 1))).astype(np.uint8)
        np.testing.assert_array_equal(as_bytes(reader[0].image), expected)
        assert CachedPairs(reader).image_bits == bits, "so that the checkpoint knows them"
        assert check_root("stereo", tmp_path, thorough=True).named.fine


@pytest.mark.parametrize("deep", [False, True])
def test_gray_becomes_rgb_and_alpha_is_left_out(tmp_path, deep):
    rgb = picture(3, HEIGHT, WIDTH)
    scale, kind = (257, np.uint16) if deep else (1, np.uint8)
    write_stereo(tmp_path, stems=())
    write_map(tmp_path / "left" / "a.png", rgb[:, :, 0].astype(kind) * kind(scale))
    bgra = np.dstack([rgb[:, :, ::-1], np.full((HEIGHT, WIDTH), 7, np.uint8)]).astype(kind) * kind(scale)
    write_map(tmp_path / "right" / "a.png", bgra)
    sample = StereoFolder(tmp_path, size=None)[0]
    np.testing.assert_array_equal(as_bytes(sample.image), np.dstack([rgb[:, :, 0]] * 3))
    np.testing.assert_array_equal(as_bytes(sample.other), rgb)


def test_rig_follows_images_of_another_size(tmp_path):
    """Numbers for twice the size the images have: halved once for the images, and again by ``size``."""
    write_stereo(tmp_path, width=2 * WIDTH, height=2 * HEIGHT, cx=40.0, cx_right=36.0)
    rig = StereoFolder(tmp_path, size=None)[0].rig
    assert (rig.focal_px, rig.fy, rig.cx_offset_px) == (15.0, 15.0, 2.0)
    assert rig.cx == pytest.approx(40.5 / 2 - 0.5) and (rig.width, rig.height) == (WIDTH, HEIGHT)
    rig = StereoFolder(tmp_path, size=(12, 10))[0].rig
    assert (rig.focal_px, rig.fy, rig.cx_offset_px) == (3.75, 7.5, 0.5)
    assert (rig.width, rig.height) == (10, 12)


def test_a_height_rounded_to_a_whole_pixel_is_no_other_shape(tmp_path):
    write_stereo(tmp_path, width=1242, height=746, cx=600, cy=370, focal_px=700)
    assert StereoFolder(tmp_path, size=None)[0].rig.focal_px == pytest.approx(700 * 40 / 1242)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".pfm", ".png", ".tif", ".tiff", ".NPY", ".PFM", ".PNG", ".TIFF"])
def test_depth_of_every_kind(tmp_path, suffix):
    write_stereo(tmp_path, depth_unit_m=0.001)
    for stem in STEMS:
        write_truth(tmp_path / "depth" / f"{stem}{suffix}", depth_values(stem))
    for stem, sample in zip(STEMS, StereoFolder(tmp_path), strict=True):
        np.testing.assert_allclose(sample.depth[0].numpy(), depth_values(stem), rtol=1e-6, atol=0)
        assert sample.depth.shape == (1, HEIGHT, WIDTH) and sample.depth.dtype == torch.float32
    assert StereoFolder(tmp_path, depth=False)[0].depth is None


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".pfm", ".png", ".tif"])
@pytest.mark.parametrize("offset", [0.0, -31.086])
def test_disparity_of_every_kind_comes_back_from_depth(tmp_path, suffix, offset):
    disparity = np.random.default_rng(0).integers(8, 4000, (HEIGHT, WIDTH)).astype(np.float32) / 64
    disparity[2, 3] = 0
    if suffix != ".png":
        disparity[5, 6] = np.inf
        disparity[7, 8] = -1.0 if offset else np.inf  # in front of the cameras where infinity is at -31
    write_stereo(tmp_path, stems=("a",), cx_offset_px=offset, disparity_unit_px=1 / 64)
    write_truth(tmp_path / "disparity" / f"a{suffix}", disparity, unit=1 / 64)
    sample = StereoFolder(tmp_path, size=(12, 10))[0]
    native = read_rig_file(tmp_path / "rig.yaml").rig
    known = np.isfinite(disparity) & (disparity != 0)
    assert ((sample.depth[0] > 0).numpy() == known).all()
    expected = 30.0 * 0.25 / (disparity[known].astype(np.float64) - offset)
    np.testing.assert_allclose(sample.depth[0].numpy()[known], expected, rtol=1e-5)
    back = depth_to_disparity(sample.depth, native)[0].numpy()
    np.testing.assert_allclose(back[known], disparity[known], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".png", ".tif"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_whole_numbers_take_the_unit_whatever_file_they_are_in(tmp_path, suffix, dtype):
    """Middlebury 2005 and 2006 keep half pixels in 8 bits."""
    halves = np.random.default_rng(0).integers(0, 80, (HEIGHT, WIDTH)).astype(dtype)
    write_stereo(tmp_path, stems=("a",), disparity_unit_px=0.5)
    path = tmp_path / "disparity" / f"a{suffix}"
    if suffix == ".png":
        write_map(path, halves)
    else:
        write_truth(path, halves)
    reader = StereoFolder(tmp_path, size=None)
    back = depth_to_disparity(reader[0].depth, reader[0].rig)[0].numpy()
    np.testing.assert_allclose(back, halves / 2, rtol=1e-5)
    assert check_root("stereo", tmp_path, thorough=True).named.fine, "`data check` says the same"
    (tmp_path / "rig.yaml").write_text(rig_text())
    words = r"a\.\w+ holds whole numbers .*give disparity_unit_px in rig.yaml \(1 for pixels, 0.5 for half pixels\)"
    with pytest.raises(DataError, match=words):
        StereoFolder(tmp_path, size=None)[0]
    [problem] = check_root("stereo", tmp_path, thorough=True).named.problems
    assert (problem.path, problem.kind) == (path, "wrong kind") and "disparity_unit_px" in problem.reason
    report = describe(check_root("stereo", tmp_path))
    assert "give disparity_unit_px in rig.yaml" in report and "give a folder with left/" not in report


def test_disparities_that_are_no_pixels_are_refused(tmp_path):
    write_stereo(tmp_path, stems=("a",))
    stored = np.random.default_rng(0).integers(256, 30 * 256, (HEIGHT, WIDTH))
    write_truth(tmp_path / "disparity" / "a.npy", stored.astype(np.float32))
    with pytest.raises(DataError, match=r"a\.npy: most disparities are larger than the image is .*disparity_unit_px"):
        StereoFolder(tmp_path)[0]


@pytest.mark.parametrize("little", [True, False])
def test_pfm_byte_order_and_row_order(tmp_path, little):
    values = np.arange(6, dtype=np.float32).reshape(2, 3) + 0.5
    (tmp_path / "a.pfm").write_bytes(trees.pfm_bytes(values, little))
    np.testing.assert_array_equal(read_pfm(tmp_path / "a.pfm"), values)
    if little:
        # one written by somebody else
        cv2.imwrite(str(tmp_path / "b.pfm"), values)
        np.testing.assert_array_equal(read_pfm(tmp_path / "b.pfm"), values)


def test_splits(tmp_path):
    write_stereo(tmp_path)
    assert [StereoFolder(tmp_path, split).split for split in ("all", "train", "available")] == [
        "all",
        "all",
        "available",
    ]
    for split in ("val", "test", "holiday"):
        with pytest.raises(OptionError, match=f"choose train, all, .*splits/{split}.txt"):
            StereoFolder(tmp_path, split)
    write_list(tmp_path, "train", "c\n\na.png\n")
    write_list(tmp_path, "test", "b.1\n")
    train, test = StereoFolder(tmp_path, "train"), StereoFolder(tmp_path, "test")
    assert (train.split, train.names) == ("train", ["c/l", "a/l"]) and test.names == ["b.1/l"]
    assert len(StereoFolder(tmp_path)) == 3
    (tmp_path / "mine.txt").write_text("a\n")
    own = open_dataset("stereo", tmp_path, tmp_path / "mine.txt", size=None, camera="right")
    assert (own.split, own.names) == ("mine", ["a/r"])


def test_incomplete_pairs_are_counted_and_available_takes_the_others(tmp_path):
    write_stereo(tmp_path)
    (tmp_path / "right" / "b.1.png").unlink()
    (tmp_path / "left" / "c.png").unlink()
    words = r"2 of 3 pairs of split 'all' are missing, first: .*right/b\.1\.png.*--split available"
    with pytest.raises(DataError, match=words):
        StereoFolder(tmp_path)
    assert StereoFolder(tmp_path, "available").names == ["a/l"]
    (tmp_path / "mine.txt").write_text("a\nb.1\nnone\n")
    with pytest.raises(DataError, match=r"2 of 3 pairs of split 'mine' are missing, first: .*right/b\.1\.png"):
        StereoFolder(tmp_path, tmp_path / "mine.txt")
    # without the other view a pair need not be whole
    assert StereoFolder(tmp_path, "available", views=False).names == ["a/l", "b.1/l"]
    with tolerating_missing():
        reader = StereoFolder(tmp_path)
    assert [path.name for path in reader.needed(1)] == ["b.1.png", "b.1.png", "rig.yaml"]
    assert len(reader) == 3 and not reader.absent


def test_tolerating_a_missing_folder_names_it(tmp_path):
    write_stereo(tmp_path)
    (tmp_path / "right").rename(tmp_path / "elsewhere")
    (tmp_path / "rig.yaml").unlink()
    with tolerating_missing():
        reader = StereoFolder(tmp_path)
    assert reader.absent == (tmp_path / "right",) and len(reader) == 3
    assert reader.needed(0)[1:] == [tmp_path / "right" / "a.png", tmp_path / "rig.yaml"]


def test_ground_truth_is_required_where_something_is_evaluated(tmp_path):
    write_stereo(tmp_path)
    write_truth(tmp_path / "depth" / "a.npy", depth_values("a"))
    assert [sample.depth is None for sample in StereoFolder(tmp_path)] == [False, True, True]
    write_list(tmp_path, "test", "a\nc\n")
    with pytest.raises(DataError, match=r"1 of 2 ground-truth maps of split 'test' are missing, first: .*depth/c\.npy"):
        StereoFolder(tmp_path, "test")
    assert len(StereoFolder(tmp_path, "test", depth_required=False)) == 2
    with pytest.raises(DataError, match="2 of 3 ground-truth maps"):
        StereoFolder(tmp_path, depth_required=True)
    assert len(StereoFolder(tmp_path, "test", depth=False)) == 2


def test_example_rig_holds_every_key(tmp_path):
    path = tmp_path / "rig.yaml"
    path.write_text(EXAMPLE_RIG)
    rig = read_rig_file(path).rig
    assert (rig.focal_px, rig.baseline_m, rig.width, rig.height) == (721.5377, 0.5327, 1242, 375)
    path.write_text(re.sub(r"^# (?=\w+(_px|_m|bits):)", "", EXAMPLE_RIG, flags=re.MULTILINE))
    got = read_rig_file(path)
    assert (got.image_bits, got.depth_unit_m, got.disparity_unit_px) == (16, 0.001, 1 / 256)


def test_numbers_that_yaml_takes_for_text(tmp_path):
    (tmp_path / "rig.yaml").write_text(rig_text(baseline_m="25e-2", focal_px="'30'"))
    rig = read_rig_file(tmp_path / "rig.yaml").rig
    assert (rig.baseline_m, rig.focal_px, rig.cx) == (0.25, 30.0, trees.RIG["cx"])


def test_every_cut_of_every_format_is_an_error(tmp_path):
    write_stereo(tmp_path, stems=("a",))
    reader = StereoFolder(tmp_path, size=None)
    path = tmp_path / "left" / "a.png"
    smooth = cv2.GaussianBlur(picture(1, HEIGHT, WIDTH), (5, 5), 0)
    for suffix in (".png", ".jpg", ".bmp", ".tif", ".webp", ".ppm"):
        data = trees.encoded(suffix, smooth)
        for length in range(1, len(data) - 1, max(1, len(data) // 40)):
            path.write_bytes(data[:length])
            with pytest.raises(DataError, match=r"left/a\.png"):
                reader[0]
        path.write_bytes(data)
        assert reader[0].image.shape == (3, HEIGHT, WIDTH), suffix


def test_motorcycle_disparity_turns_into_depth_and_back(tmp_path, real_data):
    """Middlebury 2014: principal points 31.086 px apart; the true disparity explains the pair, no other does."""
    folder = real_data / "middlebury" / "motorcycle"
    for name, source in (("left", "left.png"), ("right", "right.png"), ("disparity", "disp.npz")):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"m{source[-4:]}").symlink_to(folder / f"motorcycle_{source}")
    (tmp_path / "rig.yaml").write_text(
        "focal_px: 994.978\nbaseline_m: 0.193001\ncx: 311.193\ncx_right: 342.279\ncy: 254.877\n"
        "width: 741\nheight: 500\n"
    )
    sample = StereoFolder(tmp_path, size=None)[0]
    true = np.load(folder / "motorcycle_disp.npz")["arr_0"]
    known = np.isfinite(true)
    assert ((sample.depth[0] > 0).numpy() == known).all()
    back = depth_to_disparity(sample.depth, sample.rig)
    assert np.abs(back[0].numpy() - true)[known].max() < 1e-4
    assert 2.0 < sample.depth[sample.depth > 0].min() < 2.3 and 4.5 < sample.depth.max() < 5.5
    error = {}
    for added in (-2, -1, 0, 1, 2):
        warped = warp_horizontal(sample.other[None], back[None] + added)
        error[added] = (warped - sample.image).abs().mean(1)[0][torch.from_numpy(known)].mean().item()
    assert error[0] < 0.75 * min(error[added] for added in (-2, -1, 1, 2))


@pytest.mark.parametrize(
    ("folder", "left", "right", "truth", "unit", "shape"),
    [
        ("teddy", "im2", "im6", "groundtruth", 0.25, (375, 450)),
        ("cones", "im2", "im6", "groundtruth", 0.25, (375, 450)),
        ("Wood2", "view1", "view5", "disp1", 0.5, (555, 653)),
    ],
)
def test_middlebury_disparity_of_8_bits_as_published(tmp_path, real_data, folder, left, right, truth, unit, shape):
    source = real_data / "middlebury" / folder
    numbers = dict(width=shape[1], height=shape[0], cx=shape[1] / 2, cy=shape[0] / 2, focal_px=900)
    write_stereo(tmp_path, stems=(), disparity_unit_px=unit, **numbers)
    for name, image in (("left", left), ("right", right)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pair.png").symlink_to(source / f"{image}.png")
    disparity = cv2.imread(str(source / f"{truth}.png"), cv2.IMREAD_UNCHANGED).astype(np.float32) * unit
    (tmp_path / "disparity").mkdir()
    (tmp_path / "disparity" / "pair.png").symlink_to(source / f"{truth}.png")
    assert check_root("stereo", tmp_path, thorough=True).named.fine
    sample = StereoFolder(tmp_path, size=None)[0]
    back = depth_to_disparity(sample.depth, sample.rig)
    np.testing.assert_allclose(back[0].numpy(), disparity, rtol=1e-5)
    known = torch.from_numpy(disparity > 0)
    errors = [
        (warp_horizontal(sample.other[None], back[None] + added) - sample.image).abs().mean(1)[0][known].mean().item()
        for added in (-2, -1, 0, 1, 2)
    ]
    assert errors[2] == min(errors) and errors[2] < 0.9 * min(errors[0], errors[4])


def test_kitti_as_a_stereo_folder_gives_the_same_samples(tmp_path, real_data):
    drive = "2011_09_26_drive_0001_sync"
    raw = real_data / "kitti_raw" / "2011_09_26" / drive
    maps = real_data / "kitti_depth" / "train" / drive / "proj_depth" / "groundtruth" / "image_02"
    for name, source in (("left", raw / "image_02" / "data"), ("right", raw / "image_03" / "data"), ("depth", maps)):
        (tmp_path / name).mkdir()
        for frame in (5, 25, 45):
            (tmp_path / name / f"{frame}.png").symlink_to(source / f"{frame:010d}.png")
    official = KittiImproved(real_data / "kitti_depth", "available", raw_root=real_data / "kitti_raw")
    native = KittiImproved(real_data / "kitti_depth", "available", None, raw_root=real_data / "kitti_raw")[0].rig
    (tmp_path / "rig.yaml").write_text(
        f"focal_px: {native.focal_px!r}\nfocal_y_px: {native.fy!r}\nbaseline_m: {native.baseline_m!r}\n"
        f"cx: {native.cx!r}\ncy: {native.cy!r}\ncx_offset_px: {native.cx_offset_px!r}\n"
        f"width: {native.width}\nheight: {native.height}\ndepth_unit_m: {1 / 256}\n"
    )
    (tmp_path / "order.txt").write_text("5\n25\n45\n")
    for own, other in zip(StereoFolder(tmp_path, tmp_path / "order.txt"), official, strict=True):
        assert torch.equal(own.image, other.image) and torch.equal(own.other, other.other)
        assert torch.equal(own.depth, other.depth)
        assert own.rig == other.rig
