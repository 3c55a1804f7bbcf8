"""Every damaged input of Cityscapes is one clear error that names the file and the way out."""

import json
from pathlib import Path

import numpy as np
import pytest
from dataset_damages import (
    Damage,
    check,
    copied_from,
    delete,
    empty,
    flip_middle,
    folder,
    forbid,
    jpeg,
    keep,
    replaced,
    stored,
    text,
    without_end,
)
from dataset_trees import depth_values, picture, write_picture
from dataset_trees_cityscapes import HEIGHT, WIDTH, camera_values, write_cityscapes

from lowtex.datasets import Cityscapes
from lowtex.errors import DataError

FRAMES = {"train": {"ulm": (0, 5)}}
STEM = "train/ulm/ulm_000003_000000"
LEFT, RIGHT = f"leftImg8bit/{STEM}_leftImg8bit.png", f"rightImg8bit/{STEM}_rightImg8bit.png"
DISPARITY, CAMERA = f"disparity/{STEM}_disparity.png", f"camera/{STEM}_camera.json"

GRAY = picture(0, HEIGHT, WIDTH)[:, :, 0]
WIDE = picture(0, HEIGHT, WIDTH + 2)


def smaller(path: Path) -> None:
    write_picture(path, picture(0, HEIGHT // 2, WIDTH // 2))


def renamed(name: str) -> Damage:
    return lambda path: path.rename(path.with_name(name))


def beside(name: str) -> Damage:
    """Put a picture of another name into the folder."""
    return lambda path: write_picture(path.with_name(name), picture(0))


def camera(group: str, field: str, *value: object) -> Damage:
    """Set a number of the camera file, or take it out."""

    def damage(path: Path) -> None:
        values = camera_values()
        values[group] |= {field: value[0]} if value else {}
        if not value:
            del values[group][field]
        path.write_text(json.dumps(values))

    return damage


# where, what is done to it, a word the message must hold beside the file's name
CASES: dict[str, tuple[str, Damage, str]] = {
    "left missing": (LEFT, delete, "1 of 2"),
    "right missing": (RIGHT, delete, "1 of 2"),
    "disparity missing": (DISPARITY, delete, "1 of 2"),
    "camera missing": (CAMERA, delete, "typical_camera=true"),
    "right that of another frame": (RIGHT, renamed("ulm_000003_000001_rightImg8bit.png"), "2 of 3"),
    "all right ones missing": ("rightImg8bit", delete, "2 of 2"),
    "left empty": (LEFT, empty, "0 bytes"),
    "left cut in half": (LEFT, keep(0.5), "truncated"),
    "left without its last bytes": (LEFT, without_end(6), "truncated"),
    "left with a wrong byte": (LEFT, flip_middle, "damaged"),
    "left a web page": (LEFT, text("<!DOCTYPE html>"), "not a PNG or JPEG"),
    "left gray": (LEFT, stored(GRAY), "8-bit gray"),
    "left 16 bit": (LEFT, stored(picture(0, HEIGHT, WIDTH).astype(np.uint16) * 257), "16-bit"),
    "left with alpha": (LEFT, stored(np.dstack([picture(0, HEIGHT, WIDTH), GRAY])), "alpha"),
    "left a folder": (LEFT, folder, "folder"),
    "left a cut JPEG": (LEFT, jpeg(0.7), "truncated"),
    "left a disparity": (LEFT, copied_from(DISPARITY), "16-bit gray"),
    "left halved": (LEFT, smaller, "20x10"),
    "right halved": (RIGHT, smaller, "20x10 pixels, but the other view"),
    "right empty": (RIGHT, empty, "0 bytes"),
    "right cut in half": (RIGHT, keep(0.5), "truncated"),
    "right wider": (RIGHT, lambda p: write_picture(p, WIDE), "42x20"),
    "disparity empty": (DISPARITY, empty, "0 bytes"),
    "disparity cut": (DISPARITY, keep(0.6), "truncated"),
    "disparity with a wrong byte": (DISPARITY, flip_middle, "damaged"),
    "disparity 8 bit": (DISPARITY, stored(GRAY), "8-bit gray"),
    "disparity in colour": (DISPARITY, copied_from(LEFT), "8-bit RGB"),
    "disparity a JPEG": (DISPARITY, jpeg(1.0), "not a PNG"),
    "disparity halved": (DISPARITY, stored(depth_values(0, HEIGHT // 2, WIDTH // 2)), "20x10 pixels, but its image"),
    "disparity of a cropped image": (DISPARITY, stored(depth_values(0, 15, WIDTH)), "40x15"),
    "disparity without any": (DISPARITY, stored(np.ones((HEIGHT, WIDTH), np.uint16)), "no disparity > 0"),
    "camera empty": (CAMERA, empty, "0 bytes"),
    "camera not text": (CAMERA, lambda p: p.write_bytes(b"\xff\xfe\x00"), "not a text file"),
    "camera not JSON": (CAMERA, text("fx: 44"), "not JSON"),
    "camera cut": (CAMERA, keep(0.7), "not JSON"),
    "camera a list": (CAMERA, text("[44, 45]"), "no group 'intrinsic'"),
    "camera nested without end": (CAMERA, text("[" * 100000), "not JSON"),
    "camera without intrinsics": (CAMERA, replaced('"intrinsic"', '"intrinsics"'), "no group 'intrinsic'"),
    "camera with intrinsics as numbers": (CAMERA, text('{"intrinsic": [1, 2], "extrinsic": {}}'), "'intrinsic'"),
    "camera without extrinsics": (CAMERA, replaced('"extrinsic"', '"pose"'), "no group 'extrinsic'"),
    "camera without fx": (CAMERA, camera("intrinsic", "fx"), "intrinsic.fx is missing"),
    "camera without v0": (CAMERA, camera("intrinsic", "v0"), "intrinsic.v0 is missing"),
    "camera without baseline": (CAMERA, camera("extrinsic", "baseline"), "extrinsic.baseline is missing"),
    "fx a share": (CAMERA, camera("intrinsic", "fx", 1.1), "1.1 x 40 = 44"),
    "fx NaN": (CAMERA, camera("intrinsic", "fx", float("nan")), "not a finite"),
    "u0 infinite": (CAMERA, camera("intrinsic", "u0", float("inf")), "not a finite"),
    "fy beyond all numbers": (CAMERA, camera("intrinsic", "fy", 10**400), "not a finite"),
    "fx a word": (CAMERA, camera("intrinsic", "fx", "44.0"), "'44.0', not a number"),
    "fx null": (CAMERA, camera("intrinsic", "fx", None), "'None', not a number"),
    "fx true": (CAMERA, camera("intrinsic", "fx", True), "'True', not a number"),
    "fx a list": (CAMERA, camera("intrinsic", "fx", [44.0]), "not a number"),
    "fx zero": (CAMERA, camera("intrinsic", "fx", 0), "intrinsic.fx is 0, not > 0"),
    "fy negative": (CAMERA, camera("intrinsic", "fy", -45.0), "intrinsic.fy is -45, not > 0"),
    "baseline negative": (CAMERA, camera("extrinsic", "baseline", -0.2), "extrinsic.baseline is -0.2, not > 0"),
    "baseline in millimetres": (CAMERA, camera("extrinsic", "baseline", 209.3), "can't be metres"),
    "camera of a larger image": (CAMERA, camera("intrinsic", "u0", 41.5), "principal point at (41.5, 10.25)"),
    "camera of a smaller image": (CAMERA, camera("intrinsic", "v0", 5.0), "principal point at (20.5, 5)"),
}

STRAYS: dict[str, tuple[str, Damage, str]] = {
    "a picture of another name": (LEFT, beside("holiday.png"), "holiday.png does not belong"),
    "a picture of another kind": (LEFT, beside("ulm_000003_000001_rightImg8bit.png"), "does not belong"),
    "a picture of another city": (RIGHT, beside("bonn_000003_000000_rightImg8bit.png"), "ulm_<sequence>_<frame>_right"),
    "a number too short": (LEFT, renamed("ulm_3_0_leftImg8bit.png"), "ulm_3_0_leftImg8bit.png does not belong"),
    "a resized copy": (DISPARITY, beside("ulm_000003_000000_disparity_small.png"), "disparity_small.png does not"),
    "a disparity as JPEG": (
        DISPARITY,
        beside("ulm_000003_000001_disparity.jpg"),
        "ulm_<sequence>_<frame>_disparity.png",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_cityscapes_damage(tmp_path, case):
    where, damage, word = CASES[case]
    write_cityscapes(tmp_path, FRAMES)
    assert Cityscapes(tmp_path)[0].depth.max() > 0
    damage(tmp_path / where)
    with pytest.raises(DataError) as error:
        Cityscapes(tmp_path)[0]
    check(str(error.value), tmp_path / where, word)


@pytest.mark.parametrize("case", STRAYS)
def test_an_image_whose_name_says_nothing_is_never_skipped(tmp_path, case):
    where, damage, word = STRAYS[case]
    write_cityscapes(tmp_path, FRAMES)
    damage(tmp_path / where)
    for split in ("train", "available"):
        with pytest.raises(DataError) as error:
            Cityscapes(tmp_path, split)
        check(str(error.value), (tmp_path / where).parent, word)


@pytest.mark.parametrize("where", [LEFT, RIGHT, DISPARITY, CAMERA])
def test_unreadable(tmp_path, monkeypatch, where):
    write_cityscapes(tmp_path, FRAMES)
    reader = Cityscapes(tmp_path)
    forbid(tmp_path / where, monkeypatch)
    with pytest.raises(DataError, match=r"can't be read \(Permission denied\); check its permissions") as error:
        reader[0]
    assert Path(where).name in str(error.value)


def test_unreadable_folder(tmp_path, monkeypatch):
    write_cityscapes(tmp_path, FRAMES)
    forbid((tmp_path / LEFT).parent, monkeypatch)
    with pytest.raises(DataError, match=r"leftImg8bit/train/ulm can't be listed \(Permission denied\)"):
        Cityscapes(tmp_path)


@pytest.mark.parametrize("kind", ["missing", "file", "empty", "something else"])
def test_wrong_root(tmp_path, kind):
    root = tmp_path / "data"
    if kind == "file":
        root.write_text("no folder")
    elif kind != "missing":
        root.mkdir()
        if kind == "something else":
            (root / "holiday").mkdir()
    for split in ("train", "available", "monodepth_val"):
        with pytest.raises(DataError, match="data.*https://www.cityscapes"):
            Cityscapes(root, split)


def test_root_too_low_names_the_right_folder(tmp_path):
    write_cityscapes(tmp_path / "data", FRAMES)
    with pytest.raises(DataError, match=r"holds no leftImg8bit .*give the folder above it, .*data\)"):
        Cityscapes(tmp_path / "data" / "leftImg8bit")


def test_a_right_target_does_not_read_the_disparity(tmp_path):
    write_cityscapes(tmp_path, FRAMES)
    empty(tmp_path / DISPARITY)
    assert Cityscapes(tmp_path, camera="right")[0].depth is None
    with pytest.raises(DataError, match="0 bytes"):
        Cityscapes(tmp_path, camera="both")[0]


def test_file_that_goes_after_the_reader_was_opened(tmp_path):
    write_cityscapes(tmp_path, FRAMES)
    reader = Cityscapes(tmp_path)
    delete(tmp_path / CAMERA)
    with pytest.raises(DataError, match=r"ulm_000003_000000_camera\.json is missing; .*typical_camera=true"):
        reader[0]
