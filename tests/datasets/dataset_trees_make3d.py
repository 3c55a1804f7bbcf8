"""A tiny Make3D in the real layout: few images, but of the real size, which its reader insists on."""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import scipy.io

HEIGHT, WIDTH = 2272, 1704
IDS = ("060705-17.10.14-p-254t000", "op31-p-220t000", "math7-p-282t000")


@cache
def flat_jpeg(level: int, height: int = HEIGHT, width: int = WIDTH) -> bytes:
    """A JPEG of one colour: RGB (level, level + 40, level + 80)."""
    image = np.empty((height, width, 3), np.uint8)
    image[:] = (level + 80, level + 40, level)
    return cv2.imencode(".jpg", image)[1].tobytes()


def grid_values(seed: int) -> np.ndarray:
    """``(55, 305, 4)``: the range of row r is r + 1 metres plus a little that tells grids and columns apart."""
    grid = np.random.default_rng(seed).uniform(-5, 5, (55, 305, 4))
    grid[:, :, 3] = np.arange(1, 56)[:, None] + np.arange(305) / 1000 + seed / 2
    return grid


def write_grid(path: Path, values: object, key: str = "Position3DGrid") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, {key: values}, do_compression=True)


def write_make3d(root: Path, ids=IDS, grids: str = "Gridlaserdata", images: str = "Test134") -> None:
    (root / images).mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(ids):
        (root / images / f"img-{name}.jpg").write_bytes(flat_jpeg(50 + 10 * number))
        write_grid(root / grids / f"depth_sph_corr-{name}.mat", grid_values(number))
