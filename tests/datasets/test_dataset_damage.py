"""Every damaged input is one clear error that names the file and the way out; never a skip, never a wrong number."""

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
    jpeg,
    keep,
    points,
    replaced,
    stored,
    text,
    without_end,
    without_lines,
)
from dataset_trees import (
    DRIVE,
    FOLDER,
    calibration_text,
    depth_values,
    laser_point,
    picture,
    scan,
    write_kitti,
    write_kitti_depth,
    write_map,
    write_picture,
    write_vkitti2,
)

from lowtex.datasets import KittiImproved, KittiRaw, VirtualKitti2
from lowtex.errors import DataError

LEFT = f"{FOLDER}/image_02/data/0000000000.png"
RIGHT = f"{FOLDER}/image_03/data/0000000000.png"
CALIB = "2011_09_26/calib_cam_to_cam.txt"
VELO_CALIB = "2011_09_26/calib_velo_to_cam.txt"
BIN = f"{FOLDER}/velodyne_points/data/0000000000.bin"
MAP = f"train/{DRIVE}/proj_depth/groundtruth/image_02/0000000000.png"
V = "Scene01/clone/frames"
RGB0, RGB1 = f"{V}/rgb/Camera_0/rgb_00000.png", f"{V}/rgb/Camera_1/rgb_00000.png"
DEPTH0 = f"{V}/depth/Camera_0/depth_00000.png"
CONTRAST0, VISIBLE0 = f"{V}/lowtexContrast/Camera_0/contrast_00000.png", f"{V}/lowtexVisible/Camera_0/visible_00000.png"
INTRINSIC, EXTRINSIC = "Scene01/clone/intrinsic.txt", "Scene01/clone/extrinsic.txt"

GRAY = picture(0)[:, :, 0]
RGBA = np.dstack([picture(0), GRAY])
NAN_SCAN = np.where(np.arange(32).reshape(8, 4) == 9, np.nan, scan())

# where, what is done to it, a word the message must hold beside the file's name
KITTI: dict[str, tuple[str, Damage, str]] = {
    "left missing": (LEFT, delete, "1 of 1"),
    "right missing": (RIGHT, delete, "1 of 1"),
    "all right ones missing": (f"{FOLDER}/image_03", delete, "image_03"),
    "left empty": (LEFT, empty, "0 bytes"),
    "left cut in half": (LEFT, keep(0.5), "truncated"),
    "left without its last bytes": (LEFT, without_end(6), "truncated"),
    "left without its end chunk": (LEFT, without_end(12), "truncated"),
    "left with a wrong byte": (LEFT, flip_middle, "damaged"),
    "left a web page": (LEFT, text("<!DOCTYPE html>"), "not a PNG or JPEG"),
    "left gray": (LEFT, stored(GRAY), "8-bit gray"),
    "left 16 bit": (LEFT, stored(picture(0).astype(np.uint16) * 257), "16-bit"),
    "left with alpha": (LEFT, stored(RGBA), "alpha"),
    "left of another size": (LEFT, lambda p: write_picture(p, picture(0, 12, 20)), "20x12"),
    "right of another size": (RIGHT, lambda p: write_picture(p, picture(0, 12, 20)), "20x12"),
    "right cut in half": (RIGHT, keep(0.5), "truncated"),
    "left a folder": (LEFT, folder, "folder"),
    "left a cut JPEG": (LEFT, jpeg(0.7), "truncated"),
    "left a JPEG cut in its header": (LEFT, jpeg(0.02), "truncated"),
    "left a depth map": (LEFT, stored(depth_values(0)), "16-bit gray"),
    "calibration missing": (CALIB, delete, "missing"),
    "calibration empty": (CALIB, empty, "0 bytes"),
    "calibration not text": (CALIB, lambda p: p.write_bytes(b"\x89PNG\r\n"), "not a text file"),
    "calibration without P_rect": (CALIB, without_lines("P_rect"), "P_rect_02"),
    "calibration without P_rect_03": (CALIB, without_lines("P_rect_03"), "P_rect_03"),
    "P_rect with NaN": (CALIB, replaced("1.8", "nan"), "not finite"),
    "P_rect in shares of the width": (CALIB, replaced(": 30.0 0", ": 0.75 0"), "0.75 x 40 = 30"),
    "translation in millimetres": (CALIB, replaced("-14.2", "-15981"), "write 0.53276"),
    "P_rect with a word": (CALIB, replaced("1.8", "left"), "P_rect_02"),
    "P_rect too short": (CALIB, replaced(" 0 0 1 0\n", " 0 0 1\n"), "11 numbers"),
    "cameras swapped": (
        CALIB,
        text(
            calibration_text().replace("P_rect_02", "x").replace("P_rect_03", "P_rect_02").replace("x:", "P_rect_03:")
        ),
        "baseline",
    ),
    "no focal length": (CALIB, replaced("P_rect_02: 30.0", "P_rect_02: 0"), "focal length"),
    "two focal lengths": (CALIB, replaced("P_rect_03: 30.0", "P_rect_03: 31.0"), "differs"),
    "S_rect missing": (CALIB, without_lines("S_rect_02"), "S_rect_02"),
    "S_rect of another size": (CALIB, replaced("4.000000e+01", "4.100000e+01"), "41x24"),
    "S_rect not whole": (CALIB, replaced("4.000000e+01", "4.050000e+01"), "not a size"),
    "R_rect not a rotation": (CALIB, replaced("R_rect_00: 1", "R_rect_00: 2"), "not a rotation"),
    "laser calibration missing": (VELO_CALIB, delete, "missing"),
    "laser calibration without T": (VELO_CALIB, without_lines("T:"), "T"),
    "laser calibration with infinity": (VELO_CALIB, replaced("-0.25", "inf"), "not finite"),
    "scan missing": (BIN, delete, "missing"),
    "scan empty": (BIN, empty, "0 bytes"),
    "scan cut": (BIN, without_end(3), "16-byte"),
    "scan with NaN": (BIN, lambda p: p.write_bytes(NAN_SCAN.astype(np.float32).tobytes()), "not a finite number"),
    "scan of nothing in view": (BIN, points([laser_point(-90, 3, 5.0)]), "no point"),
}

IMPROVED: dict[str, tuple[str, Damage, str]] = {
    "map missing": (MAP, delete, "1 of 1"),
    "map empty": (MAP, empty, "0 bytes"),
    "map cut": (MAP, keep(0.6), "truncated"),
    "map with a wrong byte": (MAP, flip_middle, "damaged"),
    "map 8 bit": (MAP, stored(GRAY), "png is 8-bit gray where 16-bit gray is expected"),
    "map an image": (MAP, stored(picture(0)), "8-bit RGB"),
    "map a JPEG": (MAP, jpeg(1.0), "not a PNG"),
    "map of another size": (MAP, stored(depth_values(0, 12, 20)), "20x12"),
}

VKITTI2: dict[str, tuple[str, Damage, str]] = {
    "scene missing": ("Scene20", delete, "Scene20/clone"),
    "left missing": (RGB0, delete, "1 of 3"),
    "right missing": (RGB1, delete, "1 of 3"),
    "last frame gone": (f"{V}/rgb/Camera_0/rgb_00001.png", delete, "1 of 3"),
    "depth missing": (DEPTH0, delete, "1 of 3"),
    "left cut": (RGB0, keep(0.5), "truncated"),
    "left a cut JPEG": (RGB0, jpeg(0.8), "truncated"),
    "right of another size": (RGB1, lambda p: write_picture(p, picture(0, 12, 20)), "20x12"),
    "depth cut": (DEPTH0, keep(0.5), "truncated"),
    "depth 8 bit": (DEPTH0, stored(GRAY), "8-bit gray"),
    "depth of another size": (DEPTH0, stored(depth_values(0, 12, 20)), "20x12"),
    "depth and image swapped": (DEPTH0, copied_from(RGB0), "8-bit RGB"),
    "intrinsics with NaN": (INTRINSIC, replaced("30.0", "nan"), "finite"),
    "intrinsics with words": (INTRINSIC, replaced("30.0", "wide"), "line 2"),
    "intrinsics without a camera": (INTRINSIC, text("frame cameraID K[0,0] K[1,1] K[0,2] K[1,2]\n"), "no camera"),
    "intrinsics without the frame": (INTRINSIC, without_lines("0 0 30"), "does not list frame 0"),
    "intrinsics of another size": (INTRINSIC, replaced("19.5 11.5", "39.5 23.5"), "principal point"),
    "focal length a share": (INTRINSIC, replaced("30.0 30.0", "0.75 1.25"), "0.75 x 40 = 30"),
    "cameras millimetres apart": (EXTRINSIC, replaced("4.4", "-527.7"), "write 0.5327"),
    "focal length negative": (INTRINSIC, replaced("30.0 30.0", "-30.0 30.0"), "not > 0"),
    "intrinsics missing, odd size": (INTRINSIC, delete, "intrinsic.txt is missing"),
    "cameras in one place": (EXTRINSIC, replaced("4.4", "5"), "baseline"),
    "extrinsics cut": (EXTRINSIC, keep(0.9), "expected 18"),
    "contrast 8 bit": (CONTRAST0, stored(GRAY), "8-bit gray"),
    "contrast missing": (CONTRAST0, delete, "missing"),
    "visibility of another size": (VISIBLE0, stored(picture(0, 12, 20)[:, :, 0]), "20x12"),
}


def open_kitti(root: Path) -> KittiRaw:
    (root / "splits").mkdir(exist_ok=True)
    (root / "splits" / "test.txt").write_text(f"{FOLDER} 0 l\n")
    return KittiRaw(root, "test", size=(12, 20))


@pytest.mark.parametrize("case", KITTI)
def test_kitti_damage(tmp_path, case):
    where, damage, word = KITTI[case]
    write_kitti(tmp_path, frames=(0,), scans=(0,))
    assert open_kitti(tmp_path)[0].depth.count_nonzero() == 3
    damage(tmp_path / where)
    with pytest.raises(DataError) as error:
        open_kitti(tmp_path)[0]
    check(str(error.value), tmp_path / where, word)


@pytest.mark.parametrize("case", IMPROVED)
def test_improved_damage(tmp_path, case):
    where, damage, word = IMPROVED[case]
    write_kitti(tmp_path / "kitti_raw", frames=(0,), scans=())
    depth = tmp_path / "kitti_depth"
    write_kitti_depth(depth, frames=(0,))
    lines = tmp_path / "test_files.txt"
    lines.write_text(f"{FOLDER} 0000000000 l\n")
    assert KittiImproved(depth, lines)[0].depth.max() > 0
    damage(depth / where)
    with pytest.raises(DataError) as error:
        KittiImproved(depth, lines)[0]
    check(str(error.value), depth / where, word)


@pytest.mark.parametrize("case", VKITTI2)
def test_vkitti2_damage(tmp_path, case):
    where, damage, word = VKITTI2[case]
    write_vkitti2(tmp_path, {"Scene01": 2, "Scene20": 1})
    for frame in (0, 1):
        for name, values in (("lowtexContrast", depth_values(frame)), ("lowtexVisible", GRAY)):
            stem = "contrast" if name == "lowtexContrast" else "visible"
            write_map(tmp_path / V / name / "Camera_0" / f"{stem}_{frame:05d}.png", values)
    assert VirtualKitti2(tmp_path, "test")[0].visible.any()
    damage(tmp_path / where)
    with pytest.raises(DataError) as error:
        VirtualKitti2(tmp_path, "test")[0]
    check(str(error.value), tmp_path / where, word)


@pytest.mark.parametrize("reader", [KittiRaw, KittiImproved, VirtualKitti2])
@pytest.mark.parametrize("kind", ["missing", "file", "empty", "something else"])
def test_wrong_root(tmp_path, reader, kind):
    root = tmp_path / "data"
    if kind == "file":
        root.write_text("no folder")
    elif kind != "missing":
        root.mkdir()
        if kind == "something else":
            (root / "holiday").mkdir()
    with pytest.raises(DataError, match="data.*https://"):
        reader(root, "available")


def test_root_one_level_too_high_names_the_right_folder(tmp_path):
    write_kitti(tmp_path / "outer" / "kitti_raw")
    write_vkitti2(tmp_path / "other" / "vkitti2", {"Scene01": 1})
    with pytest.raises(DataError, match="outer/kitti_raw seems to"):
        KittiRaw(tmp_path / "outer", "available")
    with pytest.raises(DataError, match="other/vkitti2 seems to"):
        VirtualKitti2(tmp_path / "other", "available")


def test_improved_without_images_asks_for_raw_root(tmp_path):
    write_kitti_depth(tmp_path / "depth")
    with pytest.raises(DataError, match="--data kitti=FOLDER"):
        KittiImproved(tmp_path / "depth", "available")
    with pytest.raises(DataError, match="nowhere is not a folder"):
        KittiImproved(tmp_path / "depth", "available", raw_root=tmp_path / "nowhere")
    write_kitti(tmp_path / "kitti_raw", frames=(20,))
    with pytest.raises(DataError, match="no depth map in .*depth belongs to an image in .*kitti_raw"):
        KittiImproved(tmp_path / "depth", "available")


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("", "0 bytes"),
        ("\n \n", "lists no frame"),
        (f"{FOLDER} 0\n", "line 1"),
        (f"{FOLDER} 0 l\n{FOLDER} 1 m\n", "line 2"),
        (f"{FOLDER} -1 l\n", "line 1"),
        (f"{FOLDER} 1.5 l\n", "line 1"),
        (f"2011_09_28/{DRIVE} 1 l\n", "line 1"),
        (f"{DRIVE} 1 l\n", "line 1"),
        ("\x00\xff", "not"),
    ],
)
def test_damaged_list(tmp_path, content, word):
    write_kitti(tmp_path / "raw")
    (tmp_path / "mine.txt").write_bytes(content.encode("latin-1"))
    with pytest.raises(DataError) as error:
        KittiRaw(tmp_path / "raw", tmp_path / "mine.txt")
    check(str(error.value), tmp_path / "mine.txt", word)


def test_missing_frames_are_counted_and_the_first_is_named(tmp_path):
    drive = write_kitti(tmp_path)
    (tmp_path / "mine.txt").write_text("".join(f"{FOLDER} {frame} l\n" for frame in (0, 1, 2, 3)))
    with pytest.raises(DataError, match=r"2 of 4 frames .* first: .*image_02/data/0000000002\.png; .*kitti/raw_data"):
        KittiRaw(tmp_path, tmp_path / "mine.txt")
    (drive / "image_02" / "data" / "0000000000.png").unlink()
    reader = KittiRaw(tmp_path, "available")
    (drive / "image_03" / "data" / "0000000001.png").unlink()
    with pytest.raises(DataError, match="image_03/data/0000000001.png is missing"):
        reader[0]
