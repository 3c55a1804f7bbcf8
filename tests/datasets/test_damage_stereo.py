"""Every damaged stereo folder is one clear error that names the file and the way out; never a skip, never a number."""

import io

import numpy as np
import pytest
from dataset_damages import (
    Damage,
    copied_from,
    delete,
    empty,
    flip_middle,
    folder,
    jpeg,
    keep,
    stored,
    text,
    without_end,
)
from dataset_trees import picture, write_picture
from stereo_trees import depth_values, pfm_bytes, rig_text, write_stereo, write_truth

from lowtex.datasets import StereoFolder
from lowtex.errors import DataError

LEFT, RIGHT, RIG = "left/a.png", "right/a.png", "rig.yaml"
DEPTH, DISPARITY = "depth/a.npy", "disparity/a.pfm"
PNG_DEPTH = "depth/a.png"
GOOD = depth_values("a")


def rig(**changes) -> Damage:
    return text(rig_text(**changes))


def added(line: str) -> Damage:
    return lambda path: path.write_text(path.read_text() + line + "\n")


def numbers(values) -> Damage:
    return lambda path: np.save(path, values, allow_pickle=True)


def changed(value: float, place=(3, 4)) -> np.ndarray:
    values = GOOD.copy()
    values[place] = value
    return values


def beside(name: str) -> Damage:
    return lambda path: (path.parent / name).write_bytes(path.read_bytes())


def renamed(name: str) -> Damage:
    return lambda path: path.rename(path.parent / name)


def two_arrays(path) -> None:
    stream = io.BytesIO()
    np.savez(stream, a=GOOD, b=GOOD)
    path.write_bytes(stream.getvalue())


def pfm(values: np.ndarray, header: str | None = None) -> Damage:
    data = pfm_bytes(values)
    if header is not None:
        data = header.encode() + data[-values.size * 4 :]
    return lambda path: path.write_bytes(data)


# where, what is done to it, words that the message must hold beside the file's name
VIEWS: dict[str, tuple[str, Damage, str]] = {
    "no left folder": ("left", delete, "left/"),
    "no right folder": ("right", delete, "right/"),
    "left missing": (LEFT, delete, "no file of a kind that is read"),
    "right of another name": (RIGHT, renamed("b.png"), "1 of 1 images in left/ and 1 of 1 in right/"),
    "right of a name in capitals": (RIGHT, renamed("A.png"), "no twin"),
    "one stem twice": (LEFT, beside("a.bmp"), "a.bmp and a.png, which have one stem"),
    "a photo of a phone": (LEFT, beside("b.heic"), ".heic is not read"),
    "left empty": (LEFT, empty, "0 bytes"),
    "left cut in half": (LEFT, keep(0.5), "truncated"),
    "left without its last bytes": (LEFT, without_end(6), "truncated"),
    "left with a wrong byte": (LEFT, flip_middle, "damaged"),
    "left a web page": (LEFT, text("<!DOCTYPE html>"), "can't be decoded"),
    "left a folder": (LEFT, folder, "folder"),
    "left a cut JPEG": (LEFT, jpeg(0.7), "truncated"),
    "right cut": (RIGHT, keep(0.7), "truncated"),
    "right of another size": (RIGHT, lambda p: write_picture(p, picture(0, 12, 20)), "20x12"),
    "both of another shape": (LEFT, lambda p: write_picture(p, picture(0, 24, 30)), "30x24"),
    "numbers too large for a 12-bit image": (
        LEFT,
        stored(np.full((24, 40, 3), 5000, np.uint16)),
        "12 bits end at 4095",
    ),
}

RIGS: dict[str, tuple[str, Damage, str]] = {
    "missing": (RIG, delete, "is missing"),
    "of another name": (RIG, renamed("rig.yml"), "there is rig.yml"),
    "empty": (RIG, empty, "0 bytes"),
    "only a comment": (RIG, text("# to be done\n"), "holds no numbers"),
    "a folder": (RIG, folder, "folder"),
    "not text": (RIG, lambda p: p.write_bytes(b"\x89PNG\r\n"), "not a text file"),
    "not YAML": (RIG, text("focal_px: 30\nbaseline_m: [0.5\n"), "line 3 is not YAML"),
    "a tab": (RIG, text("focal_px: 30\n\tbaseline_m: 0.5\n"), "line 2 is not YAML"),
    "a list": (RIG, text("- 30\n- 0.5\n"), "not a list of lines"),
    "a number alone": (RIG, text("30\n"), "not a list of lines"),
    "a key without number": (RIG, rig(cx=""), "cx is empty"),
    "no focal length": (RIG, rig(focal_px=None), "lacks focal_px"),
    "no size": (RIG, rig(width=None, height=None), "lacks width, height"),
    "an unknown key": (RIG, added("focal_x: 3"), "line 7: 'focal_x' is not known"),
    "a misspelt key": (RIG, added("baseline: 0.25"), "'baseline' is not known"),
    "a key twice": (RIG, added("baseline_m: 0.5"), "baseline_m in line 2 and again in line 7"),
    "a unit": (RIG, rig(baseline_m="25 cm"), "baseline_m is the text '25 cm'"),
    "a fraction": (RIG, rig(depth_unit_m="1/256"), "write 0.00390625"),
    "a comma": (RIG, rig(baseline_m="0,25"), "text '0,25'"),
    "NaN": (RIG, rig(focal_px=".nan"), "focal_px is nan"),
    "NaN as a word": (RIG, rig(cx="nan"), "cx is nan"),
    "infinity": (RIG, rig(baseline_m=".inf"), "baseline_m is inf"),
    "yes": (RIG, rig(cy="yes"), "cy is a bool"),
    "a vector": (RIG, rig(cx="[1, 2]"), "cx is a list"),
    "a negative baseline": (RIG, rig(baseline_m=-0.25), "folders left/ and right/; write 0.25"),
    "no baseline": (RIG, rig(baseline_m=0), "baseline_m is 0 but must be > 0"),
    "a negative focal length": (RIG, rig(focal_px=-30), "focal_px is -30"),
    "half a pixel of width": (RIG, rig(width=40.5), "width is 40.5"),
    "no width": (RIG, rig(width=0), "width is 0"),
    "numbers of another shape": (RIG, rig(width=60), "another shape"),
    "a share of the width": (RIG, rig(focal_px=0.581), "0.581 x 40 = 23.24"),
    "a focal length in millimetres": (RIG, rig(width=1240, height=744, focal_px=8), "millimetres"),
    "a focal length of another image": (RIG, rig(focal_px=1500), "of a larger image"),
    "a vertical focal length that is a share": (RIG, rig(focal_y_px=1.92), "focal_y_px: focal length 1.92 px"),
    "a baseline in millimetres": (RIG, rig(baseline_m=532.7), "write 0.5327"),
    "a principal point in shares": (RIG, rig(cx=0.5, cy=0.45), "cx 0.5 x 40 = 20"),
    "shares instead of pixels": (RIG, rig(focal_px=0.75, cx=0.5, cy=0.5), "0.75 x 40 = 30"),
    "a principal point far outside": (RIG, rig(cx=640), "cx is 640, far outside"),
    "principal points twice": (RIG, rig(cx_right=20, cx_offset_px=0.5), "both cx_right and cx_offset_px"),
    "too few bits": (RIG, rig(image_bits=6), "image_bits is 6"),
    "too many bits": (RIG, rig(image_bits=32), "image_bits is 32"),
}

TRUTH: dict[str, tuple[str, Damage, str]] = {
    "of no image": (DEPTH, renamed("z.npy"), "1 of 1 files in"),
    "empty": (DEPTH, empty, "0 bytes"),
    "cut": (DEPTH, keep(0.9), "not a whole NumPy file"),
    "not NumPy": (DEPTH, text("0.5 0.6"), "not a whole NumPy file"),
    "objects": (DEPTH, numbers(np.array([None, 1])), "not a whole NumPy file"),
    "text": (DEPTH, numbers(np.array([["a"]])), "not numbers"),
    "of three axes": (DEPTH, numbers(GOOD[None]), "shape (1, 24, 40)"),
    "of another size": (DEPTH, numbers(GOOD[:12]), "40x12"),
    "with NaN": (DEPTH, numbers(changed(np.nan)), "1 of 960 values are not a number, first at row 3, column 4"),
    "negative": (DEPTH, numbers(changed(-1.5)), "1 depths are negative, first -1.5 at row 3, column 4"),
    "minus infinity": (DEPTH, numbers(changed(-np.inf)), "depths are negative, first -inf"),
    "in millimetres": (DEPTH, numbers(GOOD * 1000), "give depth_unit_m in rig.yaml (0.001 for millimetres)"),
    "too large for float32": (DEPTH, numbers(changed(0).astype(np.float64) - 1e300), "negative"),
}

PNG_TRUTH: dict[str, tuple[str, Damage, str]] = {
    "8 bit": (PNG_DEPTH, stored(picture(0)[:, :, 0]), "8-bit gray"),
    "an image": (PNG_DEPTH, copied_from(LEFT), "8-bit RGB"),
    "cut": (PNG_DEPTH, keep(0.5), "truncated"),
    "a JPEG": (PNG_DEPTH, jpeg(1.0), "not a PNG"),
    "of unknown unit": (RIG, rig(), "depth_unit_m in rig.yaml"),
}

PFM_TRUTH: dict[str, tuple[str, Damage, str]] = {
    "empty": (DISPARITY, empty, "0 bytes"),
    "cut": (DISPARITY, without_end(4), "truncated or damaged"),
    "too long": (DISPARITY, lambda p: p.write_bytes(p.read_bytes() + b"\0\0\0\0"), "truncated or damaged"),
    "not PFM": (DISPARITY, text("P5 40 24 255\n"), "not a PFM"),
    "in colour": (DISPARITY, pfm(GOOD, "PF\n40 24\n-1\n"), "colour PFM"),
    "without scale": (DISPARITY, pfm(GOOD, "Pf\n40 24\n0\n"), "scale 0"),
    "of no size": (DISPARITY, pfm(GOOD, "Pf\n0 24\n-1\n"), "0x24"),
    "turned": (DISPARITY, pfm(GOOD.T), "24x40"),
    "with NaN": (DISPARITY, pfm(changed(np.nan)), "not a number"),
    "negative": (DISPARITY, pfm(changed(-1.0)), "1 disparities lie behind infinity"),
    "of the other sign": (DISPARITY, pfm(-GOOD), "920 disparities lie behind infinity"),
    "beside depth": (DISPARITY, lambda p: write_truth(p.parents[1] / DEPTH, GOOD), "both depth/ and disparity/"),
    "of unknown unit": (
        DISPARITY,
        lambda p: (p.unlink(), write_truth(p.with_suffix(".png"), GOOD)),
        "disparity_unit_px",
    ),
}

WAYS_OUT = ("write ", "give ", "copy ", "take it out", "move it away")


def expect(root, where: str, word: str) -> None:
    with pytest.raises(DataError) as error:
        StereoFolder(root, size=(12, 20))[0]
    message = str(error.value)
    names = [where.split("/")[-1].split(".")[0], "rig"]
    assert any(name in message for name in names), message
    assert str(root) in message and word in message, message
    assert any(way in message for way in WAYS_OUT), message
    assert "\n" not in message


@pytest.mark.parametrize("case", VIEWS)
def test_damaged_views(tmp_path, case):
    where, damage, word = VIEWS[case]
    write_stereo(tmp_path, stems=("a",), image_bits=12)
    assert StereoFolder(tmp_path, size=(12, 20))[0].depth is None
    damage(tmp_path / where)
    if case == "both of another shape":
        damage(tmp_path / RIGHT)
    expect(tmp_path, where, word)


@pytest.mark.parametrize("case", RIGS)
def test_damaged_rig(tmp_path, case):
    where, damage, word = RIGS[case]
    write_stereo(tmp_path, stems=("a",))
    assert StereoFolder(tmp_path, size=(12, 20))[0].rig.focal_px == 15.0
    damage(tmp_path / where)
    expect(tmp_path, where, word)


@pytest.mark.parametrize("case", TRUTH)
def test_damaged_depth(tmp_path, case):
    where, damage, word = TRUTH[case]
    write_stereo(tmp_path, stems=("a",))
    write_truth(tmp_path / DEPTH, GOOD)
    assert StereoFolder(tmp_path, size=(12, 20))[0].depth.max() > 50
    damage(tmp_path / where)
    expect(tmp_path, where, word)


@pytest.mark.parametrize("case", PNG_TRUTH)
def test_damaged_png_depth(tmp_path, case):
    where, damage, word = PNG_TRUTH[case]
    write_stereo(tmp_path, stems=("a",), depth_unit_m=0.001)
    write_truth(tmp_path / PNG_DEPTH, GOOD)
    assert StereoFolder(tmp_path, size=(12, 20))[0].depth.max() > 50
    damage(tmp_path / where)
    expect(tmp_path, where, word)


@pytest.mark.parametrize("case", PFM_TRUTH)
def test_damaged_disparity(tmp_path, case):
    where, damage, word = PFM_TRUTH[case]
    write_stereo(tmp_path, stems=("a",))
    write_truth(tmp_path / DISPARITY, GOOD)
    assert StereoFolder(tmp_path, size=(12, 20))[0].depth.max() > 5
    damage(tmp_path / where)
    expect(tmp_path, where, word)


@pytest.mark.parametrize("kind", ["missing", "file", "empty", "something else", "one level too high"])
def test_wrong_root(tmp_path, kind):
    root = tmp_path / "data"
    words = "data.*give a folder with left/ and right/"
    if kind == "file":
        root.write_text("no folder")
    elif kind != "missing":
        root.mkdir()
        if kind == "something else":
            (root / "holiday").mkdir()
        elif kind == "one level too high":
            write_stereo(root / "inner")
            words = "data/inner seems to: give that folder"
    with pytest.raises(DataError, match=words):
        StereoFolder(root)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("", "0 bytes"),
        ("\n \n", "lists no pair"),
        ("a\nb\na\n", "lists 'a' 2 times"),
        ("a\nz\n", "right/z.png|left/z.png"),
    ],
)
def test_damaged_list(tmp_path, content, word):
    write_stereo(tmp_path / "data", stems=("a", "c"))
    (tmp_path / "mine.txt").write_text(content)
    with pytest.raises(DataError, match=word):
        StereoFolder(tmp_path / "data", tmp_path / "mine.txt")
