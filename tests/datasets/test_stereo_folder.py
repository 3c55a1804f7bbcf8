"""One's own stereo folder: image formats, the rig at every size, and ground truth of every kind."""

import re

import cv2
import dataset_trees as trees
import numpy as np
import pytest
from dataset_trees import HEIGHT, WIDTH, as_bytes, picture, rig_text, write_map, write_picture, write_stereo

from lowtex.datasets import CachedPairs, StereoFolder
from lowtex.datasets.stereo_folder import EXAMPLE_RIG, IMAGE_SUFFIXES, MAP_SUFFIXES, read_pfm, read_rig_file
from lowtex.errors import DataError
from lowtex.geometry import depth_to_disparity
from lowtex_lab.cli.checking import check_root


def native(root) -> StereoFolder:
    return StereoFolder(root, size=None)


def write_pair(root, name: str, view: np.ndarray, **changes) -> None:
    """One pair, of the same picture."""
    write_stereo(root, stems=(), **changes)
    for folder in ("left", "right"):
        write_picture(root / folder / name, view)


@pytest.mark.parametrize("suffix", [s for s in IMAGE_SUFFIXES if s != ".pgm"] + [".PNG"])
def test_formats(tmp_path, suffix):
    if suffix in (".jpg", ".jpeg", ".webp"):
        flat = np.full((HEIGHT, WIDTH, 3), (200, 40, 90), np.uint8)
        write_pair(tmp_path, f"a{suffix}", flat)
        assert np.abs(as_bytes(native(tmp_path)[0].image).astype(int) - flat).max() <= 3
        return
    write_stereo(tmp_path, suffix=suffix)
    # the two views may be of two formats
    (tmp_path / "right" / f"a{suffix}").unlink()
    write_picture(tmp_path / "right" / "a.ppm", picture(9))
    for stem, sample in zip(trees.STEMS, native(tmp_path), strict=True):
        np.testing.assert_array_equal(as_bytes(sample.image), trees.stereo_view(stem, "l"))
    np.testing.assert_array_equal(as_bytes(native(tmp_path)[0].other), picture(9))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("bits", [16, 12, 10])
def test_deep_images_are_scaled_by_the_bits_they_fill(tmp_path, suffix, bits):
    white = 2**bits - 1
    values = np.linspace(0, white, HEIGHT * WIDTH * 3).reshape(HEIGHT, WIDTH, 3).astype(np.uint16)
    write_pair(tmp_path, f"a{suffix}", values, image_bits=bits)
    got = as_bytes(native(tmp_path)[0].image)
    np.testing.assert_array_equal(got, np.rint(values * (255 / white)).astype(np.uint8))
    assert got.min() == 0 and got.max() == 255
    assert CachedPairs(native(tmp_path)).image_bits == bits, "so that the checkpoint knows them"


def test_deep_images_of_unknown_bits_are_refused_where_they_cannot_fill_16(tmp_path):
    values = np.linspace(0, 4000, HEIGHT * WIDTH * 3).reshape(HEIGHT, WIDTH, 3).astype(np.uint16)
    write_pair(tmp_path, "a.png", values)
    words = r"a\.png is a 16-bit image whose brightest value is 4000, .*12 bits; .*image_bits in rig.yaml: 12, or 16"
    with pytest.raises(DataError, match=words):
        native(tmp_path)[0]
    [problem] = check_root("stereo", tmp_path).named.problems
    assert problem.kind == "wrong kind" and "brightest value is 4000" in problem.reason
    (tmp_path / "rig.yaml").write_text(rig_text(image_bits=16))
    np.testing.assert_array_equal(as_bytes(native(tmp_path)[0].image), np.rint(values * (255 / 65535)))
    assert check_root("stereo", tmp_path, thorough=True).named.fine


@pytest.mark.parametrize("deep", [False, True])
def test_gray_becomes_rgb_and_alpha_is_left_out(tmp_path, deep):
    rgb = picture(3)
    scale, kind = (257, np.uint16) if deep else (1, np.uint8)
    write_stereo(tmp_path, stems=())
    write_map(tmp_path / "left" / "a.png", rgb[:, :, 0].astype(kind) * kind(scale))
    bgra = np.dstack([rgb[:, :, ::-1], np.full((HEIGHT, WIDTH), 7, np.uint8)]).astype(kind) * kind(scale)
    write_map(tmp_path / "right" / "a.png", bgra)
    sample = native(tmp_path)[0]
    np.testing.assert_array_equal(as_bytes(sample.image), np.dstack([rgb[:, :, 0]] * 3))
    np.testing.assert_array_equal(as_bytes(sample.other), rgb)


def test_rig_follows_images_of_another_size(tmp_path):
    """Numbers for twice the size the images have: halved once for the images, and again by ``size``."""
    write_stereo(tmp_path, width=2 * WIDTH, height=2 * HEIGHT, cx=40.0, cx_right=36.0)
    rig = native(tmp_path)[0].rig
    assert (rig.focal_px, rig.fy, rig.cx_offset_px) == (15.0, 15.0, 2.0)
    assert rig.cx == pytest.approx(40.5 / 2 - 0.5) and (rig.width, rig.height) == (WIDTH, HEIGHT)
    rig = StereoFolder(tmp_path, size=(12, 10))[0].rig
    assert (rig.focal_px, rig.fy, rig.cx_offset_px) == (3.75, 7.5, 0.5)
    # a height rounded to a whole pixel is no other shape
    write_stereo(tmp_path, width=1242, height=746, cx=600, cy=370, focal_px=700)
    assert native(tmp_path)[0].rig.focal_px == pytest.approx(700 * 40 / 1242)


@pytest.mark.parametrize("suffix", [*MAP_SUFFIXES, ".NPY", ".PFM", ".PNG", ".TIFF"])
def test_depth_of_every_kind(tmp_path, suffix):
    write_stereo(tmp_path, truth=suffix, depth_unit_m=0.001)
    for stem, sample in zip(trees.STEMS, StereoFolder(tmp_path), strict=True):
        np.testing.assert_allclose(sample.depth[0].numpy(), trees.stereo_depth(stem), rtol=1e-6, atol=0)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".pfm", ".png", ".tif"])
@pytest.mark.parametrize("offset", [0.0, -31.086])
def test_disparity_of_every_kind_comes_back_from_depth(tmp_path, suffix, offset):
    disparity = np.random.default_rng(0).integers(8, 4000, (HEIGHT, WIDTH)).astype(np.float32) / 64
    disparity[2, 3] = 0
    if suffix != ".png":
        disparity[5, 6] = np.inf
        disparity[7, 8] = -1.0 if offset else np.inf  # in front of the cameras where infinity is at -31
    write_stereo(tmp_path, stems=("a",), cx_offset_px=offset, disparity_unit_px=1 / 64)
    trees.write_truth(tmp_path / "disparity" / f"a{suffix}", disparity, unit=1 / 64)
    depth = StereoFolder(tmp_path, size=(12, 10))[0].depth
    known = np.isfinite(disparity) & (disparity != 0)
    assert ((depth[0] > 0).numpy() == known).all()
    expected = 30.0 * 0.25 / (disparity[known].astype(np.float64) - offset)
    np.testing.assert_allclose(depth[0].numpy()[known], expected, rtol=1e-5)
    back = depth_to_disparity(depth, read_rig_file(tmp_path / "rig.yaml").rig)[0].numpy()
    np.testing.assert_allclose(back[known], disparity[known], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".png", ".tif"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_whole_numbers_take_the_unit_whatever_file_they_are_in(tmp_path, suffix, dtype):
    """Middlebury 2005 and 2006 keep half pixels in 8 bits."""
    halves = np.random.default_rng(0).integers(0, 80, (HEIGHT, WIDTH)).astype(dtype)
    write_stereo(tmp_path, stems=("a",), disparity_unit_px=0.5)
    path = tmp_path / "disparity" / f"a{suffix}"
    write_map(path, halves) if suffix == ".png" else trees.write_truth(path, halves)
    sample = native(tmp_path)[0]
    np.testing.assert_allclose(depth_to_disparity(sample.depth, sample.rig)[0].numpy(), halves / 2, rtol=1e-5)
    assert check_root("stereo", tmp_path, thorough=True).named.fine, "`data check` says the same"
    (tmp_path / "rig.yaml").write_text(rig_text())
    words = r"a\.\w+ holds whole numbers .*give disparity_unit_px in rig.yaml \(1 for pixels, 0.5 for half pixels\)"
    with pytest.raises(DataError, match=words):
        native(tmp_path)[0]
    # a mistake that all have is found without decoding all
    [problem] = check_root("stereo", tmp_path).named.problems
    assert (problem.path, problem.kind) == (path, "wrong kind") and "disparity_unit_px" in problem.reason


def test_pfm_byte_order_and_row_order(tmp_path):
    values = np.arange(6, dtype=np.float32).reshape(2, 3) + 0.5
    for number, little in enumerate((True, False)):
        (tmp_path / f"{number}.pfm").write_bytes(trees.pfm_bytes(values, little))
    # one written by somebody else
    cv2.imwrite(str(tmp_path / "2.pfm"), values)
    for path in tmp_path.iterdir():
        np.testing.assert_array_equal(read_pfm(path), values)


def test_example_rig_holds_every_key_and_numbers_may_be_quoted(tmp_path):
    path = tmp_path / "rig.yaml"
    path.write_text(EXAMPLE_RIG)
    rig = read_rig_file(path).rig
    assert (rig.focal_px, rig.baseline_m, rig.width, rig.height) == (721.5377, 0.5327, 1242, 375)
    path.write_text(re.sub(r"^# (?=\w+(_px|_m|bits):)", "", EXAMPLE_RIG, flags=re.MULTILINE))
    got = read_rig_file(path)
    assert (got.image_bits, got.depth_unit_m, got.disparity_unit_px) == (16, 0.001, 1 / 256)
    # YAML takes these for text, and 040 for 32
    path.write_text(rig_text(baseline_m="25e-2", focal_px="'30'", width="040"))
    rig = read_rig_file(path).rig
    assert (rig.baseline_m, rig.focal_px, rig.cx, rig.width) == (0.25, 30.0, trees.RIG["cx"], 40)
