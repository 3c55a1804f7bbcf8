"""Decoding so that a damaged file is an error, the kinds of images, and resizing."""

import cv2
import numpy as np
import pytest
from dataset_trees import encoded, picture, write_map

from lowtex.datasets.images import read_rgb, resize_area, resize_lanczos
from lowtex.errors import DataError


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif", ".webp", ".ppm"])
def test_every_cut_of_an_image_is_an_error(tmp_path, suffix):
    data, path = encoded(suffix, cv2.GaussianBlur(picture(1), (5, 5), 0)), tmp_path / "cut"
    is_other = suffix not in (".png", ".jpg")
    for length in range(1, len(data) - 1, max(1, len(data) // (40 if is_other else 150))):
        path.write_bytes(data[:length])
        with pytest.raises(DataError, match="cut"):
            read_rgb(path, any_kind=is_other)
    # what follows the end is not part of the image
    path.write_bytes(data + b"trailing")
    assert read_rgb(path, any_kind=is_other).shape == (24, 40, 3)


def test_every_wrong_byte_of_a_png_is_an_error(tmp_path):
    data, path = encoded(".png", picture(2, 4, 5)), tmp_path / "wrong.png"
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(DataError, match=r"wrong\.png"):
            read_rgb(path)


def test_end_of_a_thumbnail_does_not_hide_a_missing_end(tmp_path):
    data, path = encoded(".jpg", picture(3)), tmp_path / "t.jpg"
    thumbnail = b"\xff\xe1\x00\x08ab\xff\xd9cd"
    path.write_bytes(data[:2] + thumbnail + data[2:])
    assert read_rgb(path).shape == (24, 40, 3)
    path.write_bytes(data[:2] + thumbnail + data[2:-2])
    with pytest.raises(DataError, match="truncated"):
        read_rgb(path)


def test_any_kind_takes_what_a_data_set_must_not_hold(tmp_path):
    gray = picture(4)[:, :, 0]
    write_map(tmp_path / "gray.png", gray)
    with pytest.raises(DataError, match="8-bit gray"):
        read_rgb(tmp_path / "gray.png")
    np.testing.assert_array_equal(read_rgb(tmp_path / "gray.png", any_kind=True), np.dstack([gray] * 3))
    write_map(tmp_path / "black.png", np.zeros((4, 4), np.uint16))
    assert not read_rgb(tmp_path / "black.png", any_kind=True).any()
    (tmp_path / "notes.txt").write_text("not an image at all")
    with pytest.raises(DataError, match="notes.txt can't be decoded"):
        read_rgb(tmp_path / "notes.txt", any_kind=True)


def test_lanczos_is_the_windowed_sinc_over_what_it_shrinks():
    """Per axis: weights sinc(x) sinc(x / 3), |x| < 3, x in pixels of the result; a plain stripe of 20 columns to 5."""
    row = picture(8, 1, 20)[0].astype(float)
    got = resize_lanczos(np.repeat(row[None].astype(np.uint8), 6, 0), (6, 5))[2]
    x = (np.arange(20) + 0.5)[None] / 4 - (np.arange(5) + 0.5)[:, None]
    weights = np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)
    expected = (weights @ row) / weights.sum(1, keepdims=True)
    assert np.abs(got - expected.clip(0, 255)).max() <= 0.6


@pytest.mark.parametrize("size", [(48, 80), (12, 80), (48, 20)])
@pytest.mark.parametrize("resize", [resize_area, resize_lanczos])
def test_resize_keeps_pixel_centres(size, resize):
    """A ramp stays the ramp of the resized rig: x -> (x + 0.5) s - 0.5."""
    ramp = np.repeat(np.arange(40, dtype=np.uint8)[None] * 6, 24, 0)[:, :, None].repeat(3, 2)
    got = resize(ramp, size)[size[0] // 2, :, 0].astype(float)
    expected = ((np.arange(size[1]) + 0.5) * 40 / size[1] - 0.5) * 6
    middle = slice(size[1] // 8, -size[1] // 8)
    assert np.abs(got - expected)[middle].max() <= 0.51
    assert resize_area(ramp, (24, 40)) is ramp
