"""Every damaged input is one clear error that names the file and the way out; never a skip, never a wrong number.

A row of a table: where, what is done to it, a word that the message must hold beside the file's name. What every
reader decodes by the same code is damaged in full for KITTI, and once or twice for the others.
"""

import json
from pathlib import Path

import dataset_trees_cityscapes as city
import dataset_trees_make3d as make3d
import numpy as np
import pytest
import scipy.sparse
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
from stereo_trees import depth_values as stereo_depth
from stereo_trees import pfm_bytes, rig_text, write_stereo, write_truth

from lowtex.datasets import Cityscapes, KittiImproved, KittiRaw, Make3D, StereoFolder, VirtualKitti2
from lowtex.errors import DataError

Table = dict[str, tuple[str, Damage, str]]


def renamed(name: str) -> Damage:
    return lambda path: path.rename(path.with_name(name))


def beside(name: str) -> Damage:
    """Put a copy of another name into the folder."""
    return lambda path: path.with_name(name).write_bytes(path.read_bytes())


def smaller(path: Path) -> None:
    write_picture(path, picture(0, 12, 20))


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

KITTI: Table = {
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
    "left of another size": (LEFT, smaller, "20x12"),
    "right of another size": (RIGHT, smaller, "20x12"),
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

IMPROVED: Table = {
    "map missing": (MAP, delete, "1 of 1"),
    "map empty": (MAP, empty, "0 bytes"),
    "map cut": (MAP, keep(0.6), "truncated"),
    "map with a wrong byte": (MAP, flip_middle, "damaged"),
    "map 8 bit": (MAP, stored(GRAY), "png is 8-bit gray where 16-bit gray is expected"),
    "map an image": (MAP, stored(picture(0)), "8-bit RGB"),
    "map a JPEG": (MAP, jpeg(1.0), "not a PNG"),
    "map of another size": (MAP, stored(depth_values(0, 12, 20)), "20x12"),
}

VKITTI2: Table = {
    "scene missing": ("Scene20", delete, "Scene20/clone"),
    "left missing": (RGB0, delete, "1 of 3"),
    "right missing": (RGB1, delete, "1 of 3"),
    "last frame gone": (f"{V}/rgb/Camera_0/rgb_00001.png", delete, "1 of 3"),
    "depth missing": (DEPTH0, delete, "1 of 3"),
    "left cut": (RGB0, keep(0.5), "truncated"),
    "left a cut JPEG": (RGB0, jpeg(0.8), "truncated"),
    "right of another size": (RGB1, smaller, "20x12"),
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

CITY_FRAMES = {"train": {"ulm": (0, 5)}}
CITY_STEM = "train/ulm/ulm_000003_000000"
CITY_LEFT, CITY_RIGHT = f"leftImg8bit/{CITY_STEM}_leftImg8bit.png", f"rightImg8bit/{CITY_STEM}_rightImg8bit.png"
CITY_DISPARITY, CAMERA = f"disparity/{CITY_STEM}_disparity.png", f"camera/{CITY_STEM}_camera.json"


def camera(group: str, field: str, *value: object) -> Damage:
    """Set a number of the camera file, or take it out."""

    def damage(path: Path) -> None:
        values = city.camera_values()
        values[group] |= {field: value[0]} if value else {}
        if not value:
            del values[group][field]
        path.write_text(json.dumps(values))

    return damage


CITYSCAPES: Table = {
    "left missing": (CITY_LEFT, delete, "1 of 2"),
    "right missing": (CITY_RIGHT, delete, "1 of 2"),
    "disparity missing": (CITY_DISPARITY, delete, "1 of 2"),
    "camera missing": (CAMERA, delete, "typical_camera=true"),
    "right that of another frame": (CITY_RIGHT, renamed("ulm_000003_000001_rightImg8bit.png"), "2 of 3"),
    "all right ones missing": ("rightImg8bit", delete, "2 of 2"),
    "left empty": (CITY_LEFT, empty, "0 bytes"),
    "left cut in half": (CITY_LEFT, keep(0.5), "truncated"),
    "left with a wrong byte": (CITY_LEFT, flip_middle, "damaged"),
    "left halved": (CITY_LEFT, smaller, "20x12"),
    "right halved": (CITY_RIGHT, smaller, "20x12 pixels, but the other view"),
    "disparity with a wrong byte": (CITY_DISPARITY, flip_middle, "damaged"),
    "disparity 8 bit": (CITY_DISPARITY, stored(picture(0, 20, 40)[:, :, 0]), "8-bit gray"),
    "disparity halved": (CITY_DISPARITY, stored(depth_values(0, 10, 20)), "20x10 pixels, but its image"),
    "disparity of a cropped image": (CITY_DISPARITY, stored(depth_values(0, 15, 40)), "40x15"),
    "disparity without any": (CITY_DISPARITY, stored(np.ones((20, 40), np.uint16)), "no disparity > 0"),
    "camera empty": (CAMERA, empty, "0 bytes"),
    "camera not text": (CAMERA, lambda p: p.write_bytes(b"\xff\xfe\x00"), "not a text file"),
    "camera not JSON": (CAMERA, text("fx: 44"), "not JSON"),
    "camera cut": (CAMERA, keep(0.7), "not JSON"),
    "camera a list": (CAMERA, text("[44, 45]"), "no group 'intrinsic'"),
    "camera nested without end": (CAMERA, text("[" * 100000), "not JSON"),
    "camera without intrinsics": (CAMERA, replaced('"intrinsic"', '"intrinsics"'), "no group 'intrinsic'"),
    "camera without extrinsics": (CAMERA, replaced('"extrinsic"', '"pose"'), "no group 'extrinsic'"),
    "camera without fx": (CAMERA, camera("intrinsic", "fx"), "intrinsic.fx is missing"),
    "camera without baseline": (CAMERA, camera("extrinsic", "baseline"), "extrinsic.baseline is missing"),
    "fx a share": (CAMERA, camera("intrinsic", "fx", 1.1), "1.1 x 40 = 44"),
    "fx NaN": (CAMERA, camera("intrinsic", "fx", float("nan")), "not a finite"),
    "fy beyond all numbers": (CAMERA, camera("intrinsic", "fy", 10**400), "not a finite"),
    "fx a word": (CAMERA, camera("intrinsic", "fx", "44.0"), "'44.0', not a number"),
    "fx true": (CAMERA, camera("intrinsic", "fx", True), "'True', not a number"),
    "fx zero": (CAMERA, camera("intrinsic", "fx", 0), "intrinsic.fx is 0, not > 0"),
    "fy negative": (CAMERA, camera("intrinsic", "fy", -45.0), "intrinsic.fy is -45, not > 0"),
    "baseline negative": (CAMERA, camera("extrinsic", "baseline", -0.2), "extrinsic.baseline is -0.2, not > 0"),
    "baseline in millimetres": (CAMERA, camera("extrinsic", "baseline", 209.3), "can't be metres"),
    "camera of a larger image": (CAMERA, camera("intrinsic", "u0", 41.5), "principal point at (41.5, 10.25)"),
    "camera of a smaller image": (CAMERA, camera("intrinsic", "v0", 5.0), "principal point at (20.5, 5)"),
}

STRAYS: Table = {
    "a picture of another name": (CITY_LEFT, beside("holiday.png"), "holiday.png does not belong"),
    "a picture of another kind": (CITY_LEFT, beside("ulm_000003_000001_rightImg8bit.png"), "does not belong"),
    "a picture of another city": (
        CITY_RIGHT,
        beside("bonn_000003_000000_rightImg8bit.png"),
        "ulm_<sequence>_<frame>_right",
    ),
    "a number too short": (CITY_LEFT, renamed("ulm_3_0_leftImg8bit.png"), "ulm_3_0_leftImg8bit.png does not belong"),
    "a resized copy": (CITY_DISPARITY, beside("ulm_000003_000000_disparity_small.png"), "disparity_small.png does not"),
    "a disparity as JPEG": (
        CITY_DISPARITY,
        beside("ulm_000003_000001_disparity.jpg"),
        "ulm_<sequence>_<frame>_disparity.png",
    ),
}


IMAGE = f"Test134/img-{make3d.IDS[1]}.jpg"
GRID = f"Gridlaserdata/depth_sph_corr-{make3d.IDS[1]}.mat"


def grid(values: object, key: str = "Position3DGrid") -> Damage:
    return lambda path: make3d.write_grid(path, values, key)


def ranges(change) -> Damage:
    values = make3d.grid_values(1)
    values[:, :, 3] = change(values[:, :, 3])
    return grid(values)


def one_place(value: float) -> Damage:
    values = make3d.grid_values(1)
    values[0, 0, 3] = value  # outside the crop: the file is damaged all the same
    return grid(values)


def newer_format() -> bytes:
    """The head of a MATLAB 7.3 file, which is HDF5 inside."""
    return b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116) + bytes(8) + b"\x00\x02IM" + b"\x89HDF\r\n\x1a\n" * 40


MAKE3D: Table = {
    "image missing": (IMAGE, delete, "1 of 3"),
    "grid missing": (GRID, delete, "1 of 3"),
    "image empty": (IMAGE, empty, "0 bytes"),
    "image halved": (
        IMAGE,
        lambda p: p.write_bytes(make3d.flat_jpeg(9, 1136, 852)),
        "852x1136 pixels, but Make3D's test images are 1704x2272",
    ),
    "image already cropped": (IMAGE, lambda p: p.write_bytes(make3d.flat_jpeg(9, 852, 1704)), "1704x852"),
    "grid empty": (GRID, empty, "0 bytes"),
    "grid cut in half": (GRID, keep(0.5), "can't be read as a MATLAB file"),
    "grid without its last byte": (GRID, without_end(1), "can't be read as a MATLAB file"),
    "grid cut in its header": (GRID, lambda p: p.write_bytes(p.read_bytes()[:60]), "can't be read as a MATLAB file"),
    "grid cut after its header": (GRID, lambda p: p.write_bytes(p.read_bytes()[:128]), "holds no Position3DGrid"),
    "grid with a wrong byte": (GRID, flip_middle, "can't be read as a MATLAB file"),
    "grid a web page": (GRID, text("<!DOCTYPE html>\n" * 20), "can't be read as a MATLAB file"),
    "grid an image": (GRID, copied_from(IMAGE), "can't be read as a MATLAB file"),
    "grid of a newer format": (GRID, lambda p: p.write_bytes(newer_format()), "can't be read as a MATLAB file"),
    "grid under another name": (GRID, grid(make3d.grid_values(1), "depthMap"), "holds no Position3DGrid"),
    "grid without channels": (GRID, grid(make3d.grid_values(1)[:, :, 3]), "55x305 of type float64, where 55x305x4"),
    "grid with three channels": (GRID, grid(make3d.grid_values(1)[:, :, :3]), "55x305x3"),
    "grid lying on its side": (GRID, grid(make3d.grid_values(1).transpose(1, 0, 2)), "305x55x4"),
    "grid complex": (GRID, grid(make3d.grid_values(1) + 1j), "complex128"),
    "grid text": (GRID, grid("far away"), "55x305x4 real numbers"),
    "grid a structure": (GRID, grid({"depth": make3d.grid_values(1)}), "55x305x4 real numbers"),
    "grid of cells": (GRID, grid(np.full((5, 5), "3 m", object)), "object"),
    "grid sparse": (GRID, grid(scipy.sparse.eye(55)), "Position3DGrid"),
    "NaN": (GRID, one_place(np.nan), "not finite"),
    "infinity": (GRID, one_place(np.inf), "not finite"),
    "nothing measured": (GRID, ranges(np.zeros_like), "no range > 0"),
    "nothing but negative": (GRID, ranges(np.negative), "no range > 0"),
    "millimetres": (GRID, ranges(lambda values: values * 1000), "can't be metres"),
}

OWN_LEFT, OWN_RIGHT, RIG = "left/a.png", "right/a.png", "rig.yaml"
DEPTH, DISPARITY = "depth/a.npy", "disparity/a.pfm"
PNG_DEPTH = "depth/a.png"
GOOD = stereo_depth("a")


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


def pfm(values: np.ndarray, header: str | None = None) -> Damage:
    data = pfm_bytes(values)
    if header is not None:
        data = header.encode() + data[-values.size * 4 :]
    return lambda path: path.write_bytes(data)


OWN_VIEWS: Table = {
    "no left folder": ("left", delete, "left/"),
    "no right folder": ("right", delete, "right/"),
    "left missing": (OWN_LEFT, delete, "no file of a kind that is read"),
    "right of another name": (OWN_RIGHT, renamed("b.png"), "1 of 1 images in left/ and 1 of 1 in right/"),
    "right of a name in capitals": (OWN_RIGHT, renamed("A.png"), "no twin"),
    "one stem twice": (OWN_LEFT, beside("a.bmp"), "a.bmp and a.png, which have one stem"),
    "a photo of a phone": (OWN_LEFT, beside("b.heic"), ".heic is not read"),
    "left empty": (OWN_LEFT, empty, "0 bytes"),
    "left with a wrong byte": (OWN_LEFT, flip_middle, "damaged"),
    "left a web page": (OWN_LEFT, text("<!DOCTYPE html>"), "can't be decoded"),
    "right of another size": (OWN_RIGHT, smaller, "20x12"),
    "numbers too large for a 12-bit image": (
        OWN_LEFT,
        stored(np.full((24, 40, 3), 5000, np.uint16)),
        "12 bits end at 4095",
    ),
}

RIGS: Table = {
    "missing": (RIG, delete, "is missing"),
    "of another name": (RIG, renamed("rig.yml"), "there is rig.yml"),
    "empty": (RIG, empty, "0 bytes"),
    "only a comment": (RIG, text("# to be done\n"), "holds no numbers"),
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

TRUTH: Table = {
    "of no image": (DEPTH, renamed("z.npy"), "1 of 1 files in"),
    "empty": (DEPTH, empty, "0 bytes"),
    "cut": (DEPTH, keep(0.9), "not a whole NumPy file"),
    "not NumPy": (DEPTH, text("0.5 0.6"), "not a whole NumPy file"),
    "objects": (DEPTH, numbers(np.array([None, 1])), "not a whole NumPy file"),
    "text": (DEPTH, numbers(np.array([["a"]])), "not numbers"),
    "of another size": (DEPTH, numbers(GOOD[:12]), "40x12"),
    "with NaN": (DEPTH, numbers(changed(np.nan)), "1 of 960 values are not a number, first nan at row 3, column 4"),
    "negative": (DEPTH, numbers(changed(-1.5)), "1 depths are negative, first -1.5 at row 3, column 4"),
    "minus infinity": (DEPTH, numbers(changed(-np.inf)), "depths are negative, first -inf"),
    "in millimetres": (DEPTH, numbers(GOOD * 1000), "give depth_unit_m in rig.yaml (0.001 for millimetres)"),
    "too large for float32": (DEPTH, numbers(changed(0).astype(np.float64) - 1e300), "negative"),
}

PNG_TRUTH: Table = {
    "8 bit": (PNG_DEPTH, stored(picture(0)[:, :, 0]), "8-bit gray"),
    "an image": (PNG_DEPTH, copied_from(OWN_LEFT), "8-bit RGB"),
    "cut": (PNG_DEPTH, keep(0.5), "truncated"),
    "a JPEG": (PNG_DEPTH, jpeg(1.0), "not a PNG"),
    "of unknown unit": (RIG, rig(), "depth_unit_m in rig.yaml"),
}

PFM_TRUTH: Table = {
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


def city_tree(root: Path) -> None:
    city.write_cityscapes(root, CITY_FRAMES)


def kitti_tree(root: Path) -> None:
    write_kitti(root, frames=(0,), scans=(0,))
    (root / "splits").mkdir()
    (root / "splits" / "test.txt").write_text(f"{FOLDER} 0 l\n")


def improved_tree(root: Path) -> None:
    write_kitti(root.parent / "kitti_raw", frames=(0,), scans=())
    write_kitti_depth(root, frames=(0,))
    (root / "splits").mkdir()
    (root / "splits" / "test.txt").write_text(f"{FOLDER} 0 l\n")


def vkitti2_tree(root: Path) -> None:
    write_vkitti2(root, {"Scene01": 2, "Scene20": 1})
    for frame in (0, 1):
        write_map(root / V / "lowtexContrast" / "Camera_0" / f"contrast_{frame:05d}.png", depth_values(frame))
        write_map(root / V / "lowtexVisible" / "Camera_0" / f"visible_{frame:05d}.png", GRAY)


def own_tree(truth: str | None = None, **keys):
    def write(root: Path) -> None:
        write_stereo(root, stems=("a",), **keys)
        if truth is not None:
            write_truth(root / truth, GOOD)

    return write


def open_own(root: Path) -> StereoFolder:
    return StereoFolder(root, size=(12, 20))


# table, what writes the whole tree, what opens it, the sample that is read
DATA = {
    "kitti": (KITTI, kitti_tree, lambda root: KittiRaw(root, "test", size=(12, 20)), 0),
    "kitti_depth": (IMPROVED, improved_tree, KittiImproved, 0),
    "vkitti2": (VKITTI2, vkitti2_tree, lambda root: VirtualKitti2(root, "test"), 0),
    "cityscapes": (CITYSCAPES, city_tree, Cityscapes, 0),
    "cityscapes names": (STRAYS, city_tree, lambda root: Cityscapes(root, "available"), 0),
    # the damaged one is the last by name
    "make3d": (MAKE3D, make3d.write_make3d, Make3D, 2),
    "own views": (OWN_VIEWS, own_tree(image_bits=12), open_own, 0),
    "own rig": (RIGS, own_tree(), open_own, 0),
    "own depth": (TRUTH, own_tree(DEPTH), open_own, 0),
    "own depth as PNG": (PNG_TRUTH, own_tree(PNG_DEPTH, depth_unit_m=0.001), open_own, 0),
    "own disparity": (PFM_TRUTH, own_tree(DISPARITY), open_own, 0),
}


@pytest.mark.parametrize("name", DATA)
def test_the_undamaged_one_is_read(tmp_path, name):
    _, write, opened, index = DATA[name]
    write(tmp_path / "data")
    assert opened(tmp_path / "data")[index].image.any()


@pytest.mark.parametrize(("name", "case"), [(name, case) for name in DATA for case in DATA[name][0]])
def test_damage_is_one_clear_error(tmp_path, name, case):
    table, write, opened, index = DATA[name]
    where, damage, word = table[case]
    write(tmp_path / "data")
    damage(tmp_path / "data" / where)
    with pytest.raises(DataError) as error:
        opened(tmp_path / "data")[index]
    # a name or a unit that is wrong shows only beside the other files of the folder
    named = tmp_path / "data" if name.startswith("own") or name == "cityscapes names" else tmp_path / "data" / where
    check(str(error.value), named, word)


@pytest.mark.parametrize("where", ["cityscapes", "make3d"])
def test_unreadable_files_and_folders(tmp_path, monkeypatch, where):
    table, write, opened, index = DATA[where]
    write(tmp_path)
    reader = opened(tmp_path)
    for path in reader.needed(index):
        with monkeypatch.context() as patch:
            forbid(path, patch)
            with pytest.raises(DataError, match=rf"{path.name} can't be read \(Permission denied\); check its perm"):
                reader[index]
        path.chmod(0o644)
    forbid(path.parent, monkeypatch)
    with pytest.raises(DataError, match=rf"{path.parent.name} can't be listed \(Permission denied\)"):
        opened(tmp_path)


READERS = {
    KittiRaw: "https://www.cvlibs",
    KittiImproved: "https://www.cvlibs",
    VirtualKitti2: "https://europe.naverlabs",
    Cityscapes: "https://www.cityscapes",
    Make3D: "http://make3d",
    StereoFolder: "give a folder with left/ and right/",
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", ["missing", "file", "empty", "something else"])
def test_wrong_root(tmp_path, reader, kind):
    root = tmp_path / "data"
    if kind == "file":
        root.write_text("no folder")
    elif kind != "missing":
        root.mkdir()
        if kind == "something else":
            (root / "holiday").mkdir()
    for split in ("test", "available"):
        with pytest.raises(DataError, match=f"data.*{READERS[reader]}"):
            reader(root, split)


@pytest.mark.parametrize(
    ("write", "reader", "too_low"),
    [
        (write_kitti, KittiRaw, None),
        (vkitti2_tree, VirtualKitti2, None),
        (city_tree, Cityscapes, "leftImg8bit"),
        (make3d.write_make3d, Make3D, "Test134"),
        (write_stereo, StereoFolder, None),
    ],
)
def test_a_root_too_high_or_too_low_names_the_right_folder(tmp_path, write, reader, too_low):
    write(tmp_path / "outer" / "data")
    if reader is not Cityscapes:
        with pytest.raises(DataError, match="outer/data seems to: give that folder"):
            reader(tmp_path / "outer", "available")
    if too_low:
        with pytest.raises(DataError, match=r"give the folder above it, .*outer/data\)"):
            reader(tmp_path / "outer" / "data" / too_low, "available")


def test_improved_without_images_asks_for_raw_root(tmp_path):
    write_kitti_depth(tmp_path / "depth")
    with pytest.raises(DataError, match="--data kitti=FOLDER"):
        KittiImproved(tmp_path / "depth", "available")
    with pytest.raises(DataError, match="nowhere is not a folder"):
        KittiImproved(tmp_path / "depth", "available", raw_root=tmp_path / "nowhere")
    write_kitti(tmp_path / "kitti_raw", frames=(20,))
    with pytest.raises(DataError, match="no depth map in .*depth belongs to an image in .*kitti_raw"):
        KittiImproved(tmp_path / "depth", "available")


LISTS = {
    "kitti": (
        write_kitti,
        KittiRaw,
        [
            (b"", "0 bytes"),
            (b"\n \n", "lists no frame"),
            (f"{FOLDER} 0\n", "line 1"),
            (f"{FOLDER} 0 l\n{FOLDER} 1 m\n", "line 2"),
            (f"{FOLDER} -1 l\n", "line 1"),
            (f"{FOLDER} 1.5 l\n", "line 1"),
            (f"2011_09_28/{DRIVE} 1 l\n", "line 1"),
            (f"{DRIVE} 1 l\n", "line 1"),
            (b"\x00\xff", "not"),
        ],
    ),
    "make3d": (
        make3d.write_make3d,
        Make3D,
        [(b"\n \n", "lists no image"), ("op31 l\n", "line 1"), ("a\n../b\n", "line 2"), (b"\xff", "not")],
    ),
    "stereo": (
        write_stereo,
        StereoFolder,
        [(b"", "0 bytes"), ("\n \n", "lists no pair"), ("a\nb.1\na\n", "lists 'a' 2 times"), ("a\nz\n", "mine")],
    ),
    "cityscapes": (
        city_tree,
        Cityscapes,
        [
            (f"ulm/ulm_000003_000000 l\n{line}\n", "line 2")
            for line in (
                "aachen",
                "aachen/aachen_29_19 l",
                "aachen/aachen_000029_000019 m",
                "aachen/aachen_000029_000019_disparity.png",
                "aachen/aachen_000029_000019_leftImg8bit.jpg aachen/aachen_000029_000020_rightImg8bit.jpg",
                "aachen/aachen_000029_000019_leftImg8bit.jpg aachen/aachen_000029_000019_leftImg8bit.jpg",
                "aachen/aachen_000029_000019_leftImg8bit.jpg r",
                "aachen/aachen_000029_000019 l l",
                "2011_09_26/2011_09_26_drive_0001_sync 7 l",
            )
        ],
    ),
}


@pytest.mark.parametrize("name", LISTS)
def test_damaged_list(tmp_path, name):
    write, reader, rows = LISTS[name]
    write(tmp_path / "data")
    for content, word in rows:
        (tmp_path / "mine.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(DataError) as error:
            reader(tmp_path / "data", tmp_path / "mine.txt")
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


def test_a_right_target_does_not_read_the_disparity(tmp_path):
    city_tree(tmp_path)
    empty(tmp_path / CITY_DISPARITY)
    assert Cityscapes(tmp_path, camera="right")[0].depth is None
    with pytest.raises(DataError, match="0 bytes"):
        Cityscapes(tmp_path, camera="both")[0]


@pytest.mark.parametrize("position", [0.0005, 0.1, 0.3, 0.7, 0.95, 0.9999])
def test_no_changed_byte_becomes_a_number(tmp_path, real_data, position):
    source = sorted((real_data / "make3d" / "Gridlaserdata").glob("*.mat"))[0]
    data = bytearray(source.read_bytes())
    data[136 + int(position * (len(data) - 137))] ^= 0x10
    target = tmp_path / "Gridlaserdata" / source.name
    target.parent.mkdir()
    target.write_bytes(data)
    (tmp_path / "Test134").mkdir()
    name = source.stem.removeprefix("depth_sph_corr-")
    (tmp_path / "Test134" / f"img-{name}.jpg").write_bytes(make3d.flat_jpeg(0))
    with pytest.raises(DataError, match="can't be read as a MATLAB file"):
        Make3D(tmp_path)[0]


def test_one_grid_for_all_is_not_enough(tmp_path):
    make3d.write_make3d(tmp_path)
    for path in (tmp_path / "Gridlaserdata").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"3 of 3 images \(or their grids\) .*Gridlaserdata/depth_sph_corr-0607"):
        Make3D(tmp_path)
    with pytest.raises(DataError, match="holds no image with its grid"):
        Make3D(tmp_path, "available")
