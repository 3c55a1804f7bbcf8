"""Calibration files of the miniature KITTI: the cameras of one recording date, scaled to the miniature's size.

Made so that a reader has to do all that the real data ask for: the laser's pose is given in the unrectified camera 0,
so `R_rect_00` (a small turn) must be applied; the two colour cameras sit 6 cm left and 47 cm right of camera 0; and the
matrices count pixels from 1, as KITTI's development kit and with it the Eigen protocol do (pixel = round(u) - 1).
"""

import numpy as np

from lowtex.geometry import StereoRig
from lowtex_lab.miniature.lidar import ABOVE_M, BEHIND_M

CAMERA_X_M = (0.0, 0.5372, -0.0597, 0.473025)
"""Places of cameras 0 to 3 along x, metres, camera 0 = 0; 2 and 3 are the colour pair, 0.532725 m apart."""

KITTI_RIG = StereoRig(721.5377, CAMERA_X_M[3] - CAMERA_X_M[2], cx=608.5593, cy=171.854, width=1242, height=375)
"""Colour cameras of 2011_09_26 at native size, pixels counted from 0 (the real file counts from 1: 609.56, 172.85)."""

_TURN = (0.0074, -0.0099, 0.0043)  # of R_rect_00 about x, y, z, radians: about as much as the real one


def rectification() -> np.ndarray:
    """``R_rect_00``, ``(3, 3)``."""
    a, b, c = _TURN
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return about_x @ about_y @ about_z


def projection(rig: StereoRig, camera: int) -> np.ndarray:
    """``P_rect_0c``, ``(3, 4)``, of a rig at the picture's size (pixels counted from 0)."""
    shift = -rig.focal_px * CAMERA_X_M[camera]
    return np.array([[rig.focal_px, 0, rig.cx + 1, shift], [0, rig.fy, rig.cy + 1, 0], [0, 0, 1, 0]], dtype=float)


def camera_text(rig: StereoRig) -> str:
    """``calib_cam_to_cam.txt`` of cameras 0 to 3."""
    lines = ["calib_time: 01-Jan-2000 00:00:00", "corner_dist: 9.950000e-02"]
    size, turn = (rig.width, rig.height), rectification()
    for camera in range(4):
        matrix = projection(rig, camera)
        # camera 0 is turned against the rectified rig, the others are not
        here = turn if camera == 0 else np.eye(3)
        lines += [
            _line(f"S_0{camera}", size),
            _line(f"K_0{camera}", matrix[:, :3]),
            _line(f"D_0{camera}", np.zeros(5)),
            _line(f"R_0{camera}", here.T @ turn),
            _line(f"T_0{camera}", -(here.T @ np.array([CAMERA_X_M[camera], 0.0, 0.0]))),
            _line(f"S_rect_0{camera}", size),
            _line(f"R_rect_0{camera}", here),
            _line(f"P_rect_0{camera}", matrix),
        ]
    return "\n".join(lines) + "\n"


def laser_text() -> str:
    """``calib_velo_to_cam.txt``: from the laser's axes to those of the unrectified camera 0."""
    back = rectification().T
    axes = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
    lines = [
        "calib_time: 01-Jan-2000 00:00:00",
        _line("R", back @ axes),
        _line("T", back @ np.array([0.0, -ABOVE_M, -BEHIND_M])),
        _line("delta_f", np.zeros(2)),
        _line("delta_c", np.zeros(2)),
    ]
    return "\n".join(lines) + "\n"


def inertial_text() -> str:
    """``calib_imu_to_velo.txt``: a unit 0.8 m behind and 0.8 m below the laser, turned by nothing."""
    lines = ["calib_time: 01-Jan-2000 00:00:00", _line("R", np.eye(3)), _line("T", (-0.81, 0.32, -0.80))]
    return "\n".join(lines) + "\n"


def _line(name: str, values) -> str:
    return f"{name}: " + " ".join(f"{value + 0.0:.6e}" for value in np.asarray(values, dtype=float).reshape(-1))
