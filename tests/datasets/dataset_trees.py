"""Tiny data sets in the real layouts, with everything in them known; written by the tests that read them."""

import json
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import scipy.io
import torch

DATE, DRIVE = "2011_09_26", "2011_09_26_drive_0001_sync"
FOLDER = f"{DATE}/{DRIVE}"
HEIGHT, WIDTH = 24, 40
FOCAL, CX, CY = 30.0, 20.0, 12.0
P2_X, P3_X = 1.8, -14.2
BASELINE = (1.8 + 14.2) / 30.0
LASER_BEHIND = 0.25
FRAMES = (0, 1, 7)
PAIRS = ("000000", "000002", "um_000003")
"""Of KITTI's object benchmark, and one of the road benchmark."""
ALL_SCENES = {"Scene01": 2, "Scene02": 3, "Scene06": 1, "Scene18": 2, "Scene20": 1}
"""Of Virtual KITTI 2, with the number of frames of each."""

CITY_HEIGHT, CITY_WIDTH = 20, 40
CITY_FX, CITY_FY, CITY_U0, CITY_V0, CITY_BASELINE = 44.0, 45.0, 20.5, 10.25, 0.25
CITY_RIG = {"focal_px": CITY_FX, "focal_y_px": CITY_FY, "baseline_m": CITY_BASELINE, "cx": CITY_U0, "cy": CITY_V0}
CITY_RIG |= {"width": CITY_WIDTH, "height": CITY_HEIGHT}
CITY_FRAMES = {"train": {"aachen": (1, 19), "bad-honnef": (7,)}, "val": {"lindau": (0,)}}
"""Numbers of the frames, all of the drive 3, by split and city: 4 in all."""

IDS = ("060705-17.10.14-p-254t000", "op31-p-220t000", "math7-p-282t000")
"""Make3D's images; they are of the real size, which its reader insists on."""
MAKE3D_HEIGHT, MAKE3D_WIDTH = 2272, 1704

STEMS = ("a", "b.1", "c")
RIG = {"focal_px": 30.0, "baseline_m": 0.25, "cx": 20.5, "cy": 11.0, "width": WIDTH, "height": HEIGHT}
"""Of one's own stereo folder."""


def picture(seed: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Random ``(H, W, 3)`` RGB uint8."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def seed_of(frame: int, side: str) -> int:
    return 2 * frame + (side == "r")


def as_bytes(image: torch.Tensor) -> np.ndarray:
    """``(3, H, W)`` in [0, 1] -> ``(H, W, 3)`` uint8."""
    return (image * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


def encoded(suffix: str, values: np.ndarray) -> bytes:
    done, code = cv2.imencode(suffix, values)
    assert done
    return code.tobytes()


def put(path: Path, content: bytes | str) -> None:
    """Write a file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def write_map(path: Path, values: np.ndarray) -> None:
    put(path, encoded(path.suffix, values))


def write_picture(path: Path, rgb: np.ndarray) -> None:
    write_map(path, rgb[:, :, ::-1])


def a_list(root: Path, lines: str, name: str = "mine") -> str:
    """A list of frames inside a root, found by its name."""
    put(root / "splits" / f"{name}.txt", lines)
    return name


def frames(*numbers: int) -> str:
    """Lines of a list of KITTI's frames."""
    return "".join(f"{FOLDER} {number} l\n" for number in numbers)


def image(root: Path, frame: int) -> Path:
    """The left image of a frame of KITTI."""
    return root / FOLDER / "image_02" / "data" / f"{frame:010d}.png"


def everything_in(folder: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}


def calibration_text() -> str:
    rows = ["calib_time: 09-Jan-2012 13:57:47", "R_rect_00: 1 0 0 0 1 0 0 0 1"]
    for camera, x in (("02", P2_X), ("03", P3_X)):
        rows.append(f"S_rect_{camera}: {WIDTH:.6e} {HEIGHT:.6e}")
        rows.append(f"P_rect_{camera}: {FOCAL} 0 {CX} {x} 0 {FOCAL} {CY} 0 0 0 1 0")
    return "\n".join(rows) + "\n"


def laser_point(row: float, column: float, z: float, x_of_camera: float = P2_X) -> list[float]:
    """The laser point that the left camera sees at 0-based (row, column), at depth ``z`` metres."""
    across = ((column + 1 - CX) * z - x_of_camera) / FOCAL
    down = (row + 1 - CY) * z / FOCAL
    return [z + LASER_BEHIND, -across, -down, 0.5]


def scan() -> np.ndarray:
    """Three pixels of the left camera: (5, 7) at 10 m, (6, 8) twice (9 m wins over 20 m), the last one at 40 m."""
    points = [(5, 7, 10.0), (6, 8, 20.0), (6, 8, 9.0), (HEIGHT - 1, WIDTH - 1, 40.0), (-2, 7, 10.0), (5, WIDTH, 10.0)]
    behind = [[-5.0, 0.1, 0.1, 0.0], [0.1, 0.0, 0.0, 0.0]]
    return np.array([laser_point(*p) for p in points] + behind, np.float32)


def write_kitti(root: Path, arrangement: str = "date", suffix: str = "png", frames=FRAMES, scans=FRAMES) -> Path:
    """KITTI raw with one drive; returns the drive's folder."""
    drive, calibration = {
        "date": (root / DATE / DRIVE, root / DATE),
        "archives": (root / DRIVE / DATE / DRIVE, root / f"{DATE}_calib" / DATE),
        "drive": (root / DRIVE, root),
    }[arrangement]
    for frame in frames:
        for side, camera in (("l", "02"), ("r", "03")):
            write_picture(drive / f"image_{camera}" / "data" / f"{frame:010d}.{suffix}", picture(seed_of(frame, side)))
    for frame in scans:
        put(drive / "velodyne_points" / "data" / f"{frame:010d}.bin", scan().tobytes())
    put(calibration / "calib_cam_to_cam.txt", calibration_text())
    # laser x forward, y left, z up -> camera x right, y down, z forward; the laser sits LASER_BEHIND behind
    laser = f"calib_time: never\nR: 0 -1 0 0 0 -1 1 0 0\nT: 0 0 {-LASER_BEHIND}\ndelta_f: 0 0\n"
    put(calibration / "calib_velo_to_cam.txt", laser)
    return drive


def depth_values(seed: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    values = np.random.default_rng(seed + 1000).integers(1, 20000, (height, width)).astype(np.uint16)
    values[0] = 0
    return values


def write_kitti_depth(root: Path, above: str = "train", frames=FRAMES) -> Path:
    """Improved ground truth of that drive; returns the drive's folder."""
    drive = root / above / DRIVE
    for frame in frames:
        for side, camera in (("l", "02"), ("r", "03")):
            path = drive / "proj_depth" / "groundtruth" / f"image_{camera}" / f"{frame:010d}.png"
            write_map(path, depth_values(seed_of(frame, side)))
    return drive


def frame_calibration_text(focal: float = FOCAL) -> str:
    """As the object and road benchmarks have it, a file a frame; the baseline is `BASELINE`."""
    x = [values * focal / FOCAL for values in (P2_X, P3_X)]
    return "".join(f"P{2 + i}: {focal} 0 {CX} {x[i]} 0 {focal} {CY} 0 0 0 1 0\n" for i in range(2))


def write_kitti_pairs(root: Path, frames=PAIRS, above: str = "training", suffix: str = "png", focals=()) -> None:
    """Pairs of KITTI's object and road benchmarks; ``focals`` of the first ones, of which the rest have `FOCAL`."""
    for number, frame in enumerate(f"{frame:06d}" if isinstance(frame, int) else frame for frame in frames):
        for side, camera in (("l", 2), ("r", 3)):
            view = picture(seed_of(int(frame[-6:]), side))
            write_picture(root / above / f"image_{camera}" / f"{frame}.{suffix}", view)
        focal = focals[number] if number < len(focals) else FOCAL
        put(root / above / "calib" / f"{frame}.txt", frame_calibration_text(focal))


def kitti_disparity(frame: int, kind: str = "noc") -> np.ndarray:
    """Units of 1/256 pixel; row 0 has none, and of what both cameras see row 1 neither."""
    values = np.random.default_rng(frame + 2000).integers(100, 5000, (HEIGHT, WIDTH)).astype(np.uint16)
    values[: 2 if kind == "noc" else 1] = 0
    return values


def write_kitti_2015(root: Path, frames=(0, 7), above: str = "training", kinds=("noc", "occ")) -> None:
    """KITTI stereo 2015, with a frame 11 that belongs to its flow benchmark."""
    for frame in frames:
        for side, camera in (("l", 2), ("r", 3)):
            view = picture(seed_of(frame, side))
            for end in (10, 11):
                write_picture(root / above / f"image_{camera}" / f"{frame:06d}_{end}.png", view)
        for kind in kinds:
            write_map(root / above / f"disp_{kind}_0" / f"{frame:06d}_10.png", kitti_disparity(frame, kind))
        put(root / above / "calib_cam_to_cam" / f"{frame:06d}.txt", calibration_text())


def write_vkitti2(root: Path, scenes=ALL_SCENES, variations=("clone",), apart: bool = False, text=True) -> None:
    """Virtual KITTI 2 with PNG images, so that they can be compared exactly."""
    rgb, depth, textgt = (root / (kind if apart else "") for kind in ("rgb", "depth", "textgt"))
    for scene, inner in ((scene, f"{scene}/{variation}") for scene in scenes for variation in variations):
        cameras = [(frame, camera) for frame in range(scenes[scene]) for camera in (0, 1)]
        for frame, camera in cameras:
            seed = 10 * frame + camera
            write_picture(rgb / inner / f"frames/rgb/Camera_{camera}/rgb_{frame:05d}.png", picture(seed))
            values = depth_values(seed)
            values[0] = 65535
            write_map(depth / inner / f"frames/depth/Camera_{camera}/depth_{frame:05d}.png", values)
        if text:
            head = "frame cameraID K[0,0] K[1,1] K[0,2] K[1,2]\n"
            lines = [f"{f} {c} {FOCAL} {FOCAL} {CX - 0.5} {CY - 0.5}\n" for f, c in cameras]
            put(textgt / inner / "intrinsic.txt", head + "".join(lines))
            head = "frame cameraID r1,1 r1,2 r1,3 t1 r2,1 r2,2 r2,3 t2 r3,1 r3,2 r3,3 t3 0 0 0 1\n"
            lines = [f"{f} {c} 1 0 0 {5 + f - 0.6 * c} 0 1 0 0 0 0 1 0 0 0 0 1\n" for f, c in cameras]
            put(textgt / inner / "extrinsic.txt", head + "".join(lines))


def write_world_maps(root: Path, frames=(0,), places: str = "Scene01/clone/frames") -> None:
    """What only a miniature knows of its left images: contrast and visibility."""
    for frame in frames:
        write_map(root / places / f"lowtexContrast/Camera_0/contrast_{frame:05d}.png", depth_values(frame))
        write_map(root / places / f"lowtexVisible/Camera_0/visible_{frame:05d}.png", picture(frame)[:, :, 0] & 1)


def city_path(root: Path, kind: str, part: str, city: str, frame: int, suffix: str = "png") -> Path:
    return root / kind / part / city / f"{city}_000003_{frame:06d}_{kind}.{suffix}"


def city_view(city: str, frame: int, side: str) -> np.ndarray:
    return picture(100 * len(city) + 2 * frame + (side == "r"), CITY_HEIGHT, CITY_WIDTH)


def disparity_values(frame: int) -> np.ndarray:
    """Row 0 has none (0), row 1 has exactly 0 px (1), row 2 has 10 px, the others are random."""
    values = np.random.default_rng(frame).integers(2, 5000, (CITY_HEIGHT, CITY_WIDTH)).astype(np.uint16)
    values[0], values[1], values[2] = 0, 1, 10 * 256 + 1
    return values


def camera_text() -> str:
    """As in the real files: the fields the kit reads, and some that place the camera in the car."""
    place = {"baseline": CITY_BASELINE, "pitch": 0.03, "roll": 0.0, "x": 1.7, "y": 0.1, "yaw": -0.02, "z": 1.22}
    intrinsic = {"fx": CITY_FX, "fy": CITY_FY, "u0": CITY_U0, "v0": CITY_V0}
    return json.dumps({"extrinsic": place, "intrinsic": intrinsic}, indent=4)


def write_cityscapes(root: Path, frames=CITY_FRAMES, apart: bool = False, suffix="png", cameras: bool = True) -> None:
    """Pairs, disparity and camera files; ``apart`` keeps a folder for each archive."""

    def above(kind: str) -> Path:
        return root / f"{kind}_trainvaltest" if apart else root

    for part, city, frame in [(p, c, f) for p, cities in frames.items() for c in cities for f in cities[c]]:
        for side, kind in (("l", "leftImg8bit"), ("r", "rightImg8bit")):
            path = city_path(above(kind), kind, part, city, frame, suffix)
            write_picture(path, city_view(city, frame, side))
        write_map(city_path(above("disparity"), "disparity", part, city, frame), disparity_values(frame))
        if cameras:
            put(city_path(above("camera"), "camera", part, city, frame, "json"), camera_text())


@cache
def flat_jpeg(level: int, height: int = MAKE3D_HEIGHT, width: int = MAKE3D_WIDTH) -> bytes:
    """A JPEG of one colour: RGB (level, level + 40, level + 80)."""
    return encoded(".jpg", np.full((height, width, 3), (level + 80, level + 40, level), np.uint8))


def grid_values(seed: int) -> np.ndarray:
    """``(55, 305, 4)``: the range of row r is r + 1 metres plus a little that tells grids and columns apart."""
    grid = np.random.default_rng(seed).uniform(-5, 5, (55, 305, 4))
    grid[:, :, 3] = np.arange(1, 56)[:, None] + np.arange(305) / 1000 + seed / 2
    return grid


def write_grid(path: Path, values: object, key: str = "Position3DGrid") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, {key: values}, do_compression=True)


def write_make3d(root: Path, ids=IDS, grids: str = "Gridlaserdata") -> None:
    for number, name in enumerate(ids):
        put(root / "Test134" / f"img-{name}.jpg", flat_jpeg(50 + 10 * number))
        write_grid(root / grids / f"depth_sph_corr-{name}.mat", grid_values(number))


def rig_text(**changes) -> str:
    """A ``rig.yaml``; a key set to None is left out."""
    return "".join(f"{key}: {value}\n" for key, value in {**RIG, **changes}.items() if value is not None)


def stereo_view(stem: str, side: str) -> np.ndarray:
    return picture(seed_of(ord(stem[0]), side))


def stereo_depth(stem: str) -> np.ndarray:
    """Metres in whole millimetres, (H, W) float32; the first row has none."""
    values = np.random.default_rng(ord(stem[0])).integers(500, 60000, (HEIGHT, WIDTH)) / 1000
    values[0] = 0
    return values.astype(np.float32)


def write_stereo(root: Path, stems=STEMS, suffix: str = ".png", truth: str | None = None, **changes) -> Path:
    """One's own stereo folder; ``truth``: also depth maps with that ending. ``changes`` of its rig."""
    for stem in stems:
        for side, folder in (("l", "left"), ("r", "right")):
            write_picture(root / folder / f"{stem}{suffix}", stereo_view(stem, side))
        if truth:
            write_truth(root / "depth" / f"{stem}{truth}", stereo_depth(stem))
    put(root / "rig.yaml", rig_text(**changes))
    return root


def pfm_bytes(values: np.ndarray, little: bool = True) -> bytes:
    header = f"Pf\n{values.shape[1]} {values.shape[0]}\n{-1.0 if little else 1.0}\n".encode()
    return header + values[::-1].astype("<f4" if little else ">f4").tobytes()


def write_truth(path: Path, values: np.ndarray, unit: float = 0.001) -> None:
    """A map file of the kind that its ending says."""
    suffix = path.suffix.lower()
    if suffix == ".png":
        write_map(path, np.round(values / unit).astype(np.uint16))
    elif suffix == ".pfm":
        put(path, pfm_bytes(values))
    elif suffix in (".tif", ".tiff"):
        write_map(path, values)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            (np.save if suffix == ".npy" else np.savez)(file, values)


def in_capitals(root: Path, but: tuple[str, ...] = (".txt", ".yaml")) -> None:
    """Rename every file below ``root`` so that its ending is in capitals."""
    for path in [p for p in root.rglob("*") if p.is_file() and p.suffix not in but]:
        path.rename(path.with_suffix(path.suffix.upper()))


def with_system_files(root: Path) -> None:
    """What macOS and Windows leave: a ``._`` beside every file, and files and a folder of their own."""
    for path in [p for p in root.rglob("*") if p.is_file()]:
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\26\7 Mac OS X")
    for folder in [root, *(p for p in root.rglob("*") if p.is_dir())]:
        for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
            (folder / name).write_bytes(b"of the system")
    (root / "__MACOSX" / "left").mkdir(parents=True)
