"""The miniature world in KITTI's own layout: raw drives with laser scans, and improved ground truth.

``kitti_raw/<date>/<drive>/{image_02,image_03}/data/%010d.png``, ``velodyne_points/data/%010d.bin`` (float32 x, y, z,
reflectance), the date's three calibration files, and ``kitti_depth/{train,val}/<drive>/proj_depth/groundtruth/
{image_02,image_03}/%010d.png`` (uint16, metres * 256, 0 = none). Layouts: Geiger et al., "Vision meets Robotics", IJRR
2013, and Uhrig et al., "Sparsity Invariant CNNs", 3DV 2017. Drive numbers start at 9001, which no real drive has.

The laser. It stands where KITTI's does: 0.27 m behind camera 0 and 0.08 m above it, axes x forward, y left, z up. Its
64 rings have the Velodyne HDL-64E's elevations, +2 to -8.3 degrees in steps of a third and -8.8 to -24.3 in steps of a
half. For pictures smaller than KITTI's the pattern is thinned in proportion, so that the share of pixels with a point
stays near the real data's 4 % (a full scan on a 96 x 320 picture would hit a third of them).

The calibration. Made so that a reader has to do all that the real data ask for: the laser's pose is given in the
unrectified camera 0, so `R_rect_00` (a small turn) must be applied; the two colour cameras sit 6 cm left and 47 cm
right of camera 0; and the matrices count pixels from 1, as KITTI's development kit and with it the Eigen protocol do
(pixel = round(u) - 1).
"""

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lowtex.files import atomic_path, write_text
from lowtex.geometry import StereoRig
from lowtex_lab.miniature.raycast import cast
from lowtex_lab.miniature.render import Scene, beside, one_thread, render, world_at
from lowtex_lab.miniature.shading import World
from lowtex_lab.miniature.solids import COLUMNS
from lowtex_lab.miniature.writing import Target, as_bgr8, check_counts, check_size, deal, fill, write_image

DATE = "2011_09_26"
DRIVES = {"train": (9001, 9002), "val": (9101,), "test": (9201, 9202)}
"""Drive numbers of each split; its frames are dealt out to them in equal parts."""
DENSER = 2.2
"""How much denser, each way, the accumulated pattern of the improved ground truth is than one scan's; gives about the
real data's 19 % of the pixels."""
AGREE = 0.03
"""Points that differ from the surface seen at their pixel by more than this share are hidden ones, and dropped."""
BEHIND_M, ABOVE_M = 0.27, 0.08
RANGE_M = 120.0
RINGS, TURN_STEPS = 64, 2083
NATIVE_HEIGHT, NATIVE_WIDTH = 375, 1242

CAMERA_X_M = (0.0, 0.5372, -0.0597, 0.473025)
"""Places of cameras 0 to 3 along x, metres, camera 0 = 0; 2 and 3 are the colour pair, 0.532725 m apart."""

KITTI_RIG = StereoRig(721.5377, CAMERA_X_M[3] - CAMERA_X_M[2], cx=608.5593, cy=171.854, width=1242, height=375)
"""Colour cameras of 2011_09_26 at native size, pixels counted from 0 (the real file counts from 1: 609.56, 172.85)."""

_TURN = (0.0074, -0.0099, 0.0043)  # of R_rect_00 about x, y, z, radians: about as much as the real one

_RAW_README = """Layout of KITTI raw. splits/{train,val,test}.txt list the frames. Every drive number is made up.
The velodyne is thinned in proportion to the image size, so that it covers as many percent of the pixels as KITTI's."""
_DEPTH_README = """Layout of KITTI's annotated depth maps (uint16, metres * 256, 0 = none) for the images in kitti_raw.
Unlike in the real data, every frame of a drive has one."""


def write_kitti(
    root: str | Path,
    frames: dict[str, int],
    size: tuple[int, int] = (96, 320),
    seed: int = 0,
    progress: bool = True,
) -> Path:
    """Write drives in the layouts of KITTI raw and of KITTI's improved ground truth.

    A finished folder with the same parameters is left as it is; an interrupted one is carried on with.

    Args:
        root: folder that gets ``kitti_raw`` and ``kitti_depth``; those are new, empty, or written by this function.
        frames: number of pairs of each split, of "train", "val", "test".
        size: (height, width) of the images; the cameras are KITTI's, scaled to it.
        seed: of the whole world.
        progress: show a bar.

    Returns:
        ``root`` as a path.

    Raises:
        OptionError: an option is out of range, or a folder holds something else.
        DataError: the disk is full or the folder cannot be written.
    """
    frames = check_counts("frames", frames, DRIVES)
    size, root = check_size(size), Path(root)
    parameters = {"frames": frames, "size": size, "seed": int(seed)}
    raw = Target(root / "kitti_raw", _RAW_README, [DATE, "splits"], layout="kitti_raw", **parameters)
    made = ["train", "val", "splits"]
    depth = Target(root / "kitti_depth", _DEPTH_README, made, layout="kitti_depth", **parameters)
    rig = KITTI_RIG.resized(size[1], size[0])

    def jobs() -> list[tuple]:
        for name, text in calibration_files(rig).items():
            write_text(raw.root / DATE / name, text)
        found = []
        for split, count in frames.items():
            # the published lists train and validate on both cameras and test on the left one
            sides, lines = "l" if split == "test" else "lr", []
            for drive, drive_frames in deal([f"{DATE}_drive_{number}_sync" for number in DRIVES[split]], count):
                lines += [f"{DATE}/{drive} {k:010d} {side}\n" for k in range(drive_frames) for side in sides]
                truths = depth.root / ("train" if split == "train" else "val") / drive / "proj_depth" / "groundtruth"
                paths = [_paths(raw.root / DATE / drive, truths, f"{k:010d}") for k in range(drive_frames)]
                found += [(path, Scene(drive, int(seed)), k, size, rig) for k, path in enumerate(paths)]
            for target in (raw, depth):
                write_text(target.root / "splits" / f"{split}.txt", "".join(lines))
        return found

    fill([raw, depth], jobs, _write_frame, "KITTI miniature", progress)
    return root


def _paths(drive: Path, truths: Path, frame: str) -> dict[str, Path]:
    return {
        "left": drive / "image_02" / "data" / f"{frame}.png",
        "right": drive / "image_03" / "data" / f"{frame}.png",
        "laser": drive / "velodyne_points" / "data" / f"{frame}.bin",
        "truth_left": truths / "image_02" / f"{frame}.png",
        "truth_right": truths / "image_03" / f"{frame}.png",
    }


def _write_frame(paths: dict[str, Path], scene: Scene, frame: int, size: tuple[int, int], rig: StereoRig) -> None:
    """Both images, the scan, and the improved ground truth of both cameras.

    The improved ground truth is made of a denser scan, as if several had been accumulated, less the points that the
    camera does not see.
    """
    pair = render(scene, frame, size, rig=rig)
    scanned, dense = scan(*_standing(scene, frame), *pattern(size)), accumulated(scene, frame, size)
    write_image(paths["left"], as_bgr8(pair.left))
    write_image(paths["right"], as_bgr8(pair.right))
    with atomic_path(paths["laser"]) as temporary:
        temporary.write_bytes(scanned.astype("<f4").tobytes())
    for name, depth, camera in (("truth_left", pair.depth_left, 2), ("truth_right", pair.depth_right, 3)):
        truth = seen(dense, depth, pair.rig, camera)
        write_image(paths[name], (truth * 256).round().astype(np.uint16))


def accumulated(scene: Scene, frame: int, size: tuple[int, int]) -> np.ndarray:
    """A denser scan of what lies ahead of a frame, as if several had been accumulated; as `scan` gives it."""
    return scan(*_standing(scene, frame), *pattern(size, DENSER), fan=math.radians(110))


def _standing(scene: Scene, frame: int) -> tuple[World, tuple, float]:
    """The world around a frame, the place of camera 0 in it, and the heading."""
    place, heading = scene.pose(frame)
    # camera 0 is that far to the right of the left colour camera
    return world_at(scene, place[2]), beside(place, heading, -CAMERA_X_M[2]), heading


def seen(points: np.ndarray, depth: Tensor, rig: StereoRig, camera: int) -> np.ndarray:
    """Points of the laser as camera z at the pixels of camera 2 or 3, where its own depth agrees with them."""
    x, y, z = -points[:, 1] - CAMERA_X_M[camera], -points[:, 2] - ABOVE_M, points[:, 0] - BEHIND_M
    keep = z > 0.5
    x, y, z = (value[keep].astype(np.float64) for value in (x, y, z))
    column = np.round(rig.focal_px * x / z + rig.cx).astype(np.int64)
    row = np.round(rig.fy * y / z + rig.cy).astype(np.int64)
    keep = (column >= 0) & (row >= 0) & (column < rig.width) & (row < rig.height)
    column, row, z = column[keep], row[keep], z[keep]
    surface = depth[0].numpy()[row, column]
    # half a pixel's slope on the road is allowed on top, for the pixel's centre is not where the point lies
    allowed = AGREE * z + 0.6 * z**2 / (rig.fy * 1.65)
    keep = (surface > 0) & (np.abs(surface - z) < np.minimum(allowed, 0.15 * z))
    out = np.zeros(depth.shape[1:], dtype=np.float32)
    order = np.argsort(-z[keep])
    out[row[keep][order], column[keep][order]] = z[keep][order]
    return out


def elevations(rings: int) -> np.ndarray:
    """Elevations of ``rings`` rings, radians, falling; 64 are the real ones, other numbers are spread like them."""
    real = np.concatenate([np.linspace(2.0, -8.0 - 1 / 3, 32), np.linspace(-8.0 - 5 / 6, -24.0 - 1 / 3, 32)])
    place = (np.arange(rings) + 0.5) / rings * RINGS - 0.5
    return np.radians(np.interp(place, np.arange(RINGS), real))


def pattern(size: tuple[int, int], denser: float = 1.0) -> tuple[int, int]:
    """Rings and steps of a full turn for pictures of ``size`` (height, width); ``denser`` multiplies both."""
    rings = RINGS * min(1.0, size[0] / NATIVE_HEIGHT) * denser
    steps = TURN_STEPS * min(1.0, size[1] / NATIVE_WIDTH) * denser
    return max(4, round(rings)), max(32, round(steps))


@torch.no_grad()
@one_thread()
def scan(world: World, camera0, heading: float, rings: int, steps: int, fan: float = 2 * math.pi) -> np.ndarray:
    """One turn of the laser.

    Args:
        world: what `lowtex_lab.miniature.render.world_at` gives.
        camera0: place (x, y, z) of camera 0 in the world, metres.
        heading: of the car, radians, positive to the right.
        rings, steps: rows of the pattern, and columns in a full turn.
        fan: how much of the turn is done, radians, ahead of the car.

    Returns:
        ``(N, 4)`` float32: x forward, y left, z up in metres from the laser, reflectance in [0, 1]. Rays that meet
        nothing within `RANGE_M` give no point.
    """
    x, y, z = camera0
    origin = (x - BEHIND_M * math.sin(heading), y + ABOVE_M, z - BEHIND_M * math.cos(heading))
    count = max(2, round(steps * fan / (2 * math.pi)))
    azimuth = (torch.arange(count, dtype=torch.float64) + 0.5) / count * fan - fan / 2
    slope = torch.from_numpy(np.tan(elevations(rings)))
    along = heading + azimuth
    t, face = cast(world.solids, origin, along.sin().float(), along.cos().float(), slope.float())
    distance = t.double() * (1 + slope[:, None] ** 2).sqrt()
    near = distance < RANGE_M
    t = t.double()
    points = torch.stack([t * azimuth.cos(), -t * azimuth.sin(), t * slope[:, None]], -1)[near]
    reflectance = world.solids.table[face[near].long()][:, COLUMNS["rgb"]].mean(1, keepdim=True)
    return torch.cat([points.float(), reflectance], 1).numpy()


def projection(rig: StereoRig, camera: int) -> np.ndarray:
    """``P_rect_0c``, ``(3, 4)``, of a rig at the picture's size (pixels counted from 0)."""
    shift = -rig.focal_px * CAMERA_X_M[camera]
    return np.array([[rig.focal_px, 0, rig.cx + 1, shift], [0, rig.fy, rig.cy + 1, 0], [0, 0, 1, 0]], dtype=float)


def calibration_files(rig: StereoRig) -> dict[str, str]:
    """Texts of a date's three files: the cameras' own, and the poses of the laser and of an inertial unit."""
    (cos_x, cos_y, cos_z), (sin_x, sin_y, sin_z) = np.cos(_TURN), np.sin(_TURN)
    about_x = np.array([[1, 0, 0], [0, cos_x, -sin_x], [0, sin_x, cos_x]])
    about_y = np.array([[cos_y, 0, sin_y], [0, 1, 0], [-sin_y, 0, cos_y]])
    about_z = np.array([[cos_z, -sin_z, 0], [sin_z, cos_z, 0], [0, 0, 1]])
    turn = about_x @ about_y @ about_z
    cameras = {"corner_dist": 0.0995}
    for camera in range(4):
        matrix = projection(rig, camera)
        # camera 0 is turned against the rectified rig, the others are not
        here = turn if camera == 0 else np.eye(3)
        cameras |= {
            f"S_0{camera}": (rig.width, rig.height),
            f"K_0{camera}": matrix[:, :3],
            f"D_0{camera}": np.zeros(5),
            f"R_0{camera}": here.T @ turn,
            f"T_0{camera}": -(here.T @ np.array([CAMERA_X_M[camera], 0.0, 0.0])),
            f"S_rect_0{camera}": (rig.width, rig.height),
            f"R_rect_0{camera}": here,
            f"P_rect_0{camera}": matrix,
        }
    # from the laser's axes to those of the unrectified camera 0
    axes = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
    laser = {"R": turn.T @ axes, "T": turn.T @ np.array([0.0, -ABOVE_M, -BEHIND_M])}
    laser |= {"delta_f": np.zeros(2), "delta_c": np.zeros(2)}
    inertial = {"R": np.eye(3), "T": (-0.81, 0.32, -0.80)}
    files = {"cam_to_cam": cameras, "velo_to_cam": laser, "imu_to_velo": inertial}
    return {f"calib_{name}.txt": _lines(matrices) for name, matrices in files.items()}


def frame_calibration(rig: StereoRig) -> str:
    """Text of a frame's file as the object benchmark has it, without what only the laser needs."""
    return _lines({f"P{camera}": projection(rig, camera) for camera in range(4)})


def _lines(matrices: dict) -> str:
    rows = {name: np.asarray(values, dtype=float).reshape(-1) + 0.0 for name, values in matrices.items()}
    lines = [f"{name}: {' '.join(f'{value:.6e}' for value in row)}" for name, row in rows.items()]
    return "\n".join(["calib_time: 01-Jan-2000 00:00:00", *lines]) + "\n"
