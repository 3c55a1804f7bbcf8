"""`lowtex predict`: metres, files, what is refused, and what becomes of files that are there already."""

import errno
from pathlib import Path
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
import torch

from lowtex.errors import DataError, OptionError
from lowtex.evaluation.evaluate import predict_photo
from lowtex_lab import cli
from lowtex_lab.cli.predict import find_photos, predict_files, write_depth


class FlatNetwork(torch.nn.Module):
    """Predicts focal / width metres times ten everywhere, so that every expected number is known."""

    reference_focal = 0.5

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def depth(self, image, rig):
        assert image.shape[-2:] == (32, 64) and (rig.height, rig.width) == (32, 64)
        return torch.ones(1, 1, 32, 64) * (10.0 * rig.focal_px / rig.width)


class BrightNetwork(FlatNetwork):
    """Depth is how bright the picture is, so that it shows how the file was read."""

    def depth(self, image, rig):
        return torch.full((1, 1, 32, 64), 1.0) * image.mean()


@pytest.fixture
def loads(monkeypatch):
    """Makes every checkpoint one of the networks above, trained by a camera of 32 px focal length at 64 px width."""

    def set_network(network, **facts):
        facts = {"rig": {"focal_px": 32.0, "baseline_m": 0.5, "width": 64}, **facts}
        loaded = network, {"size": (32, 64), "facts": facts}
        monkeypatch.setattr("lowtex.checkpoints.load_network", lambda path: loaded)

    return set_network


@pytest.fixture
def predict(loads, tmp_path, capsys):
    """Predicts photos to ``out``; returns the lines that were told, and the ``.npy`` files."""
    loads(FlatNetwork())

    def run(*photos, **options):
        files = predict_files(photos, "x", options.pop("out", tmp_path / "out"), **options)
        return capsys.readouterr().out.splitlines(), files

    return run


def photo(path, height=50, width=100):
    cv2.imwrite(str(path), np.full((height, width, 3), 90, np.uint8))
    return path


def test_predict_end_to_end(world, trained, tmp_path, capsys):
    [first, *_] = sorted((world / "vkitti2").glob("Scene01/clone/frames/rgb/Camera_0/*.jpg"))
    words = ["predict", str(first), "--checkpoint", str(trained), "--out", str(tmp_path / "depth")]
    assert cli.main(words) == 0
    assert "warning: the focal length is unknown" in capsys.readouterr().out
    written = {name: tmp_path / "depth" / f"{first.stem}{name}" for name in (".npy", ".png", "_depth_colour.png")}
    assert set(written.values()) == set((tmp_path / "depth").iterdir())
    depth = np.load(written[".npy"])
    assert depth.dtype == np.float32 and depth.shape == (64, 192) and (depth > 0).all()
    coded = cv2.imread(str(written[".png"]), cv2.IMREAD_UNCHANGED)
    assert coded.dtype == np.uint16
    np.testing.assert_allclose(coded / 256.0, np.minimum(depth, 65535 / 256), atol=0.5 / 256)
    assert cv2.imread(str(written["_depth_colour.png"])).std() > 10
    assert [cli.main([*words, *more]) for more in ([], ["--overwrite"], ["--skip-existing"])] == [2, 0, 0]


def test_focal_length_scales_metres_and_is_counted_at_the_photos_size(predict, tmp_path):
    # 0.5 of the width is the training camera's; the photo is 100 px wide
    lines, [path] = predict(photo(tmp_path / "a.png"))
    assert np.load(path) == pytest.approx(np.full((50, 100), 5.0))
    assert "focal length is unknown" in lines[0] and "0.500 x image width" in lines[0]
    lines, [path] = predict(tmp_path / "a.png", focal_px=80.0, existing="overwrite")
    assert np.load(path) == pytest.approx(np.full((50, 100), 8.0))
    assert not any("unknown" in line for line in lines) and "1 of 1 photos done" in lines[-1]
    # the warning names it as a share of the width, so a share is what people type
    with pytest.raises(DataError, match=r"a\.png: focal length 0\.581 px .*write 0\.581 x 100 = 58\.1 with --focal"):
        predict(tmp_path / "a.png", focal_px=0.581, existing="overwrite")


def test_deep_photos_are_read_by_the_bits_they_fill(predict, loads, tmp_path):
    for bits, kind in ((8, np.uint8), (12, np.uint16)):
        cv2.imwrite(str(tmp_path / f"{bits}.png"), np.full((50, 100, 3), round(0.6 * (2**bits - 1)), kind))

    def depth(bits, trained_with=None, **options):
        loads(BrightNetwork(), image_bits=trained_with)
        return np.load(predict(tmp_path / f"{bits}.png", existing="overwrite", **options)[1][0]).mean()

    right = depth(8)
    assert depth(12, image_bits=12) == pytest.approx(right, rel=5e-3)
    assert depth(12, trained_with=12) == pytest.approx(right, rel=5e-3)
    assert depth(8, trained_with=12) == right, "8-bit photos fill 8 bits"
    assert depth(12, trained_with=12, image_bits=16) < right / 10
    for bits, message in ((None, r"12\.png is a 16-bit image .* by --image-bits"), (10, "end at 1023; .*--i")):
        with pytest.raises(DataError, match=message):
            depth(12, image_bits=bits)


def test_photos_of_folders_come_in_natural_order_and_others_are_named(predict, tmp_path, capsys):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("b10.png", "b2.PNG", "c.ppm"):
        photo(folder / name)
    for name in ("c.heic", "d.HEIC", "notes", "._c.jpg"):
        (folder / name).write_bytes(b"x")
    photos = find_photos([folder, folder / "c.ppm"])
    assert [path.name for path in photos] == ["b2.PNG", "b10.png", "c.ppm"]
    assert capsys.readouterr().out.endswith("read here: .heic (2), no ending (1)\n")
    whole = (folder / "b10.png").read_bytes()
    (folder / "b10.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"1 of 3 photos could not be predicted; the first: .*b10\.png"):
        predict(*photos)
    assert sorted(path.name for path in (tmp_path / "out").glob("*.npy")) == ["b2.npy", "c.npy"]
    lines, _ = predict(photo(folder / "wide.png", 40, 400))
    assert any("wide.png is 400x40" in line and "squeezes" in line for line in lines)
    for path in photos:
        path.unlink()
    (folder / "wide.png").unlink()
    with pytest.raises(DataError, match=r"holds no image .*, but \.heic \(2\)"):
        find_photos([folder])


def test_a_photo_is_never_overwritten_nor_two_written_as_one(predict, tmp_path):
    original = photo(tmp_path / "a.png")
    before = original.read_bytes()
    with pytest.raises(OptionError, match=r"a\.png would be overwritten by its depth map"):
        predict(original, out=tmp_path)
    assert original.read_bytes() == before
    for other, message in (("a.jpg", r"both write .*a\.npy"), ("a_depth_colour.jpg", r"write .*_colour\.png")):
        with pytest.raises(OptionError, match=message):
            predict(original, photo(tmp_path / other))


def test_earlier_depth_is_replaced_only_where_that_is_asked_for(predict, trained, tmp_path, capsys, monkeypatch):
    photos, out = [photo(tmp_path / f"{name}.png") for name in "ab"], tmp_path / "out"
    predict(photos[0], focal_px=80.0)
    with pytest.raises(OptionError, match=r"depth of 1 of 2 photos \(such as a.npy\); add --overwrite"):
        predict(*photos)
    assert not (out / "b.npy").exists(), "no work has begun"
    assert len(predict(*photos, existing="skip")[1]) == 1 and np.load(out / "a.npy").max() == pytest.approx(8.0)
    assert predict(*photos, existing="skip")[1] == []
    assert len(predict(*photos, existing="overwrite")[1]) == 2 and np.load(out / "a.npy").max() == pytest.approx(5.0)
    monkeypatch.setattr("lowtex.evaluation.evaluate.predict_photo", Mock(side_effect=KeyboardInterrupt))
    words = ["predict", str(photos[0]), "--checkpoint", str(trained), "--out", str(out), "--overwrite"]
    assert cli.main(words) == 130
    told = "what was finished is kept, and the same command with --skip-existing goes on from there\n"
    assert capsys.readouterr().err.endswith(told)


def test_a_full_disk_leaves_no_part_of_a_photos_depth(predict, tmp_path, monkeypatch):
    calls, write = [], Path.write_bytes

    def full(path, content):
        calls.append(path)
        if len(calls) > 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DataError, match=r"no space left while writing .*b.*free some space"):
        predict(*(photo(tmp_path / f"{name}.png") for name in "ab"))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.npy", "a.png", "a_depth_colour.png"]


def test_depth_is_resized_as_inverse_depth_and_must_be_finite():
    network, image = FlatNetwork(), np.zeros((32, 128, 3), np.uint8)
    halves = torch.full((1, 1, 32, 64), 2.0)
    halves[..., 32:] = 8.0
    network.depth = lambda image, rig: halves
    depth = predict_photo(network, (32, 64), image, 64.0, 0.5)
    # between 1/2 and 1/8 a quarter of the way in inverse depth, not in depth
    assert depth[5, 63] == pytest.approx(1 / (0.75 / 2 + 0.25 / 8), rel=1e-5)
    network.depth = lambda image, rig: halves * float("nan")
    with pytest.raises(DataError, match="not finite and positive"):
        predict_photo(network, (32, 64), image, 64.0, 0.5)


def test_depth_png_is_clipped_at_its_ends(tmp_path):
    depth = np.array([[1e-4, 1.0, 255.0, 900.0]] * 4, np.float32)
    path = write_depth(tmp_path / "d", depth, np.zeros((4, 4, 3), np.uint8))
    assert np.load(path).max() == 900.0
    coded = cv2.imread(str(tmp_path / "d.png"), cv2.IMREAD_UNCHANGED)
    assert coded[0].tolist() == [1, 256, 65280, 65535], "0 would mean no value"
