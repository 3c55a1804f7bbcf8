"""The miniature world in KITTI's own layout: raw drives with laser scans, and improved ground truth.

``kitti_raw/<date>/<drive>/{image_02,image_03}/data/%010d.png``, ``velodyne_points/data/%010d.bin`` (float32 x, y, z,
reflectance), the date's three calibration files, and ``kitti_depth/{train,val}/<drive>/proj_depth/groundtruth/
{image_02,image_03}/%010d.png`` (uint16, metres * 256, 0 = none). Layouts: Geiger et al., "Vision meets Robotics", IJRR
2013, and Uhrig et al., "Sparsity Invariant CNNs", 3DV 2017. Drive numbers start at 9001, which no real drive has.
"""

import math
from pathlib import Path

import numpy as np
from torch import Tensor

from lowtex.errors import OptionError
from lowtex.files import atomic_path, write_text
from lowtex.geometry import StereoRig
from lowtex_lab.miniature import kitti_calibration as calibration
from lowtex_lab.miniature.lidar import ABOVE_M, BEHIND_M, pattern, scan
from lowtex_lab.miniature.render import Scene, StereoPair, render, world_at
from lowtex_lab.miniature.writing import Target, as_bgr8, check_counts, check_size, deal, in_parallel, write_image

DATE = "2011_09_26"
DRIVES = {"train": (9001, 9002), "val": (9101,), "test": (9201, 9202)}
"""Drive numbers of each split; its frames are dealt out to them in equal parts."""
DEFAULT_FRAMES = {"train": 100, "val": 20, "test": 40}
DENSER = 2.2
"""How much denser, each way, the accumulated pattern of the improved ground truth is than one scan's; gives about the
real data's 19 % of the pixels."""
AGREE = 0.03
"""Points that differ from the surface seen at their pixel by more than this share are hidden ones, and dropped."""
_RAW_LAYOUT = """Layout of KITTI raw. splits/{train,val,test}.txt list the frames. Every drive number is made up.
The velodyne is thinned in proportion to the image size, so that it covers as many percent of the pixels as KITTI's."""
_DEPTH_LAYOUT = """Layout of KITTI's annotated depth maps (uint16, metres * 256, 0 = none) for the images in kitti_raw.
Unlike in the real data, every frame of a drive has one."""


def write_kitti(
    root: str | Path,
    frames: dict[str, int] | None = None,
    size: tuple[int, int] = (96, 320),
    seed: int = 0,
    progress: bool = True,
) -> Path:
    """Write drives in the layouts of KITTI raw and of KITTI's improved ground truth.

    A finished folder with the same parameters is left as it is; an interrupted one is carried on with.

    Args:
        root: folder that gets ``kitti_raw`` and ``kitti_depth``; those are new, empty, or written by this function.
        frames: number of pairs of each split, of "train", "val", "test"; None means `DEFAULT_FRAMES`.
        size: (height, width) of the images; the cameras are KITTI's, scaled to it.
        seed: of the whole world.
        progress: show a bar.

    Returns:
        ``root`` as a path.

    Raises:
        OptionError: an option is out of range, or a folder holds something else.
        DataError: the disk is full or the folder cannot be written.
    """
    frames = check_counts("frames", DEFAULT_FRAMES if frames is None else frames)
    unknown = sorted(set(frames) - set(DRIVES))
    if unknown:
        raise OptionError(f"frames: {unknown[0]!r} is no split; choose from: {', '.join(DRIVES)}")
    size, seed, root = check_size(size), int(seed), Path(root)
    parameters = {"frames": frames, "size": list(size), "seed": seed}
    raw = Target(root / "kitti_raw", {"layout": "kitti_raw", **parameters})
    depth = Target(root / "kitti_depth", {"layout": "kitti_depth", **parameters})
    todo = [raw.begin(lambda folder: [*folder.glob(f"{DATE}"), folder / "splits"])]
    todo.append(depth.begin(lambda folder: [folder / "train", folder / "val", folder / "splits"]))
    if not any(todo):
        return root
    raw.readme(_RAW_LAYOUT)
    depth.readme(_DEPTH_LAYOUT)
    rig = calibration.KITTI_RIG.resized(size[1], size[0])
    write_text(raw.root / DATE / "calib_cam_to_cam.txt", calibration.camera_text(rig))
    write_text(raw.root / DATE / "calib_velo_to_cam.txt", calibration.laser_text())
    write_text(raw.root / DATE / "calib_imu_to_velo.txt", calibration.inertial_text())
    jobs = []
    for split, count in frames.items():
        lines = []
        for drive, drive_frames in deal(_drives(split), count):
            scene = Scene(drive, seed)
            lines += [f"{DATE}/{drive} {k:010d} {side}" for k in range(drive_frames) for side in _sides(split)]
            jobs += [(scene, k, _paths(raw.root, depth.root, split, drive, k)) for k in range(drive_frames)]
        for target in (raw, depth):
            write_text(target.root / "splits" / f"{split}.txt", "\n".join(lines) + "\n")
    in_parallel(lambda job: _write_frame(*job, size, rig), jobs, "KITTI miniature", progress)
    raw.end()
    depth.end()
    return root


def _drives(split: str) -> list[str]:
    return [f"{DATE}_drive_{number}_sync" for number in DRIVES[split]]


def _sides(split: str) -> str:
    """The published lists train and validate on both cameras and test on the left one."""
    return "l" if split == "test" else "lr"


def _paths(raw: Path, depth: Path, split: str, drive: str, frame: int) -> dict[str, Path]:
    folder, name = raw / DATE / drive, f"{frame:010d}"
    truth = depth / ("train" if split == "train" else "val") / drive / "proj_depth" / "groundtruth"
    return {
        "left": folder / "image_02" / "data" / f"{name}.png",
        "right": folder / "image_03" / "data" / f"{name}.png",
        "laser": folder / "velodyne_points" / "data" / f"{name}.bin",
        "truth_left": truth / "image_02" / f"{name}.png",
        "truth_right": truth / "image_03" / f"{name}.png",
    }


def _write_frame(scene: Scene, frame: int, paths: dict[str, Path], size: tuple[int, int], rig: StereoRig) -> None:
    if all(path.exists() for path in paths.values()):
        return
    pair = render(scene, frame, size, rig=rig)
    scanned, truth_left, truth_right = laser_and_truth(scene, frame, pair)
    write_image(paths["left"], as_bgr8(pair.left))
    write_image(paths["right"], as_bgr8(pair.right))
    with atomic_path(paths["laser"]) as temporary:
        temporary.write_bytes(scanned.astype("<f4").tobytes())
    write_image(paths["truth_left"], (truth_left * 256).round().astype(np.uint16))
    write_image(paths["truth_right"], (truth_right * 256).round().astype(np.uint16))


def laser_and_truth(scene: Scene, frame: int, pair: StereoPair) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The scan of a frame, ``(N, 4)``, and the improved ground truth of both cameras, ``(H, W)`` metres, 0 = none.

    The improved ground truth is made of a denser scan, as if several had been accumulated, less the points that the
    camera does not see.
    """
    (x, y, z), heading = scene.pose(frame)
    cos, sin = math.cos(heading), math.sin(heading)
    offset = -calibration.CAMERA_X_M[2]  # camera 0 is that far to the right of the left colour camera
    camera0 = (x + offset * cos, y, z - offset * sin)
    world = world_at(scene, z)
    size = pair.rig.height, pair.rig.width
    scanned = scan(world, camera0, heading, *pattern(size))
    dense = scan(world, camera0, heading, *pattern(size, DENSER), fan=math.radians(110))
    left = _seen(dense, pair.depth_left, pair.rig, calibration.CAMERA_X_M[2])
    right = _seen(dense, pair.depth_right, pair.rig, calibration.CAMERA_X_M[3])
    return scanned, left, right


def _seen(points: np.ndarray, depth: Tensor, rig: StereoRig, camera_x: float) -> np.ndarray:
    """Points of the laser as camera z at the pixels of one camera, where its own depth agrees with them."""
    x, y, z = -points[:, 1] - camera_x, -points[:, 2] - ABOVE_M, points[:, 0] - BEHIND_M
    keep = z > 0.5
    x, y, z = (value[keep].astype(np.float64) for value in (x, y, z))
    column = np.round(rig.focal_px * x / z + rig.cx).astype(np.int64)
    row = np.round(rig.fy * y / z + rig.cy).astype(np.int64)
    keep = (column >= 0) & (row >= 0) & (column < rig.width) & (row < rig.height)
    column, row, z = column[keep], row[keep], z[keep]
    seen = depth[0].numpy()[row, column]
    # half a pixel's slope on the road is allowed on top, for the pixel's centre is not where the point lies
    allowed = AGREE * z + 0.6 * z**2 / (rig.fy * 1.65)
    keep = (seen > 0) & (np.abs(seen - z) < np.minimum(allowed, 0.15 * z))
    out = np.zeros(depth.shape[1:], dtype=np.float32)
    order = np.argsort(-z[keep])
    out[row[keep][order], column[keep][order]] = z[keep][order]
    return out
