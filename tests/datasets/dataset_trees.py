"""Tiny data sets in the real layouts, with everything in them known; written by the tests that read them."""

from pathlib import Path

import cv2
import numpy as np
import torch

DATE, DRIVE = "2011_09_26", "2011_09_26_drive_0001_sync"
FOLDER = f"{DATE}/{DRIVE}"
HEIGHT, WIDTH = 24, 40
FOCAL, CX, CY = 30.0, 20.0, 12.0
P2_X, P3_X = 1.8, -14.2
BASELINE = (1.8 + 14.2) / 30.0
LASER_BEHIND = 0.25
FRAMES = (0, 1, 7)


def picture(seed: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Random ``(H, W, 3)`` RGB uint8."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def seed_of(frame: int, side: str) -> int:
    return 2 * frame + (side == "r")


def as_bytes(image: torch.Tensor) -> np.ndarray:
    """``(3, H, W)`` in [0, 1] -> ``(H, W, 3)`` uint8."""
    return (image * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


def write_picture(path: Path, rgb: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), rgb[:, :, ::-1])


def write_map(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), values)


def write_list(root: Path, name: str, lines: str) -> None:
    """A list of frames inside a root, found by its name."""
    path = root / "splits" / f"{name}.txt"
    path.parent.mkdir(exist_ok=True)
    path.write_text(lines)


def calibration_text() -> str:
    rows = ["calib_time: 09-Jan-2012 13:57:47", "R_rect_00: 1 0 0 0 1 0 0 0 1"]
    for camera, x in (("02", P2_X), ("03", P3_X)):
        rows.append(f"S_rect_{camera}: {WIDTH:.6e} {HEIGHT:.6e}")
        rows.append(f"P_rect_{camera}: {FOCAL} 0 {CX} {x} 0 {FOCAL} {CY} 0 0 0 1 0")
    return "\n".join(rows) + "\n"


def velodyne_text() -> str:
    # laser x forward, y left, z up -> camera x right, y down, z forward; the laser sits LASER_BEHIND behind
    return f"calib_time: never\nR: 0 -1 0 0 0 -1 1 0 0\nT: 0 0 {-LASER_BEHIND}\ndelta_f: 0 0\n"


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
    drive = {
        "date": root / DATE / DRIVE,
        "archives": root / DRIVE / DATE / DRIVE,
        "drive": root / DRIVE,
    }[arrangement]
    calibration = {"date": root / DATE, "archives": root / f"{DATE}_calib" / DATE, "drive": root}[arrangement]
    for frame in frames:
        for side, camera in (("l", "02"), ("r", "03")):
            write_picture(drive / f"image_{camera}" / "data" / f"{frame:010d}.{suffix}", picture(seed_of(frame, side)))
    for frame in scans:
        path = drive / "velodyne_points" / "data" / f"{frame:010d}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(scan().tobytes())
    calibration.mkdir(parents=True, exist_ok=True)
    (calibration / "calib_cam_to_cam.txt").write_text(calibration_text())
    (calibration / "calib_velo_to_cam.txt").write_text(velodyne_text())
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


def write_vkitti2(root: Path, scenes: dict[str, int], variations=("clone",), apart: bool = False, text=True) -> None:
    """Virtual KITTI 2 with PNG images, so that they can be compared exactly."""
    for scene in scenes:
        for variation in variations:
            inner = f"{scene}/{variation}"
            for frame in range(scenes[scene]):
                for camera in (0, 1):
                    seed = 10 * frame + camera
                    name = f"frames/rgb/Camera_{camera}/rgb_{frame:05d}.png"
                    write_picture(root / ("rgb" if apart else "") / inner / name, picture(seed))
                    values = depth_values(seed)
                    values[0] = 65535
                    name = f"frames/depth/Camera_{camera}/depth_{frame:05d}.png"
                    write_map(root / ("depth" if apart else "") / inner / name, values)
            if text:
                folder = root / ("textgt" if apart else "") / inner
                folder.mkdir(parents=True, exist_ok=True)
                cameras = [(frame, camera) for frame in range(scenes[scene]) for camera in (0, 1)]
                (folder / "intrinsic.txt").write_text(
                    "frame cameraID K[0,0] K[1,1] K[0,2] K[1,2]\n"
                    + "".join(f"{f} {c} {FOCAL} {FOCAL} {CX - 0.5} {CY - 0.5}\n" for f, c in cameras)
                )
                (folder / "extrinsic.txt").write_text(
                    "frame cameraID r1,1 r1,2 r1,3 t1 r2,1 r2,2 r2,3 t2 r3,1 r3,2 r3,3 t3 0 0 0 1\n"
                    + "".join(f"{f} {c} 1 0 0 {5 + f - 0.6 * c} 0 1 0 0 0 0 1 0 0 0 0 1\n" for f, c in cameras)
                )


def write_world_maps(root: Path, frames=(0,), places: str = "Scene01/clone/frames") -> None:
    """What only a miniature knows of its left images: contrast and visibility."""
    for frame in frames:
        write_map(root / places / f"lowtexContrast/Camera_0/contrast_{frame:05d}.png", depth_values(frame))
        write_map(root / places / f"lowtexVisible/Camera_0/visible_{frame:05d}.png", picture(frame)[:, :, 0] & 1)


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


ALL_SCENES = {"Scene01": 2, "Scene02": 3, "Scene06": 1, "Scene18": 2, "Scene20": 1}
