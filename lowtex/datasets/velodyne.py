"""KITTI's laser scans, projected into a camera: the sparse ground truth of the Eigen test list.

Written from the protocol of the community's evaluation (Eigen et al. 2014; Monodepth2's ground-truth export):
points behind the laser (x < 0) are dropped, the rest is projected, pixel = round(.) - 1, points outside the image are
dropped, and where several points fall on one pixel the nearest stays.

Two peculiarities of that protocol:

* The value kept is the laser's own forward distance x, not the camera's z. The laser sits behind the camera, so x is
  about 0.27 m more. ``forward=True`` does the same, for numbers that compare; ``forward=False`` keeps z.
* Its search for points on one pixel numbers the pixels by ``row * (W - 1) + column - 1``, in which the last pixel of
  a row and the first one of the next share a number; points on those two count as one pixel's there. Here the nearest
  wins among points on exactly the same pixel. Only the two border columns can differ, which the Garg crop drops.
"""

from pathlib import Path

import numpy as np

from lowtex.datasets.images import UNPACK_AGAIN, read_bytes
from lowtex.errors import DataError


def read_velodyne(path: str | Path, way_out: str = UNPACK_AGAIN) -> np.ndarray:
    """Read a scan: ``(N, 4)`` float32, x forward, y left, z up in metres, and the reflectance.

    Raises:
        DataError: missing, empty, not a whole number of points, or a coordinate that is not finite.
    """
    data = read_bytes(path, way_out)
    if len(data) % 16:
        raise DataError(f"{path} is truncated: {len(data)} bytes is not a whole number of 16-byte points; {way_out}")
    points = np.frombuffer(data, "<f4").reshape(-1, 4)
    # the sum is not finite if any coordinate is not; cheaper than a mask over all of them
    if not np.isfinite(points.sum(dtype=np.float64)):
        raise DataError(f"{path} is damaged: a point is not a finite number; {way_out}")
    return points


def project_velodyne(
    points: np.ndarray, projection: np.ndarray, width: int, height: int, forward: bool = True
) -> np.ndarray:
    """Sparse depth of one camera from a scan.

    Args:
        points: ``(N, 3)`` or ``(N, 4)``, metres; the fourth column is not used.
        projection: ``(3, 4)`` from laser coordinates to pixels, `KittiCalibration.velodyne_projection`.
        width, height: of the camera's image, pixels.
        forward: keep the laser's forward distance x (the community's ground truth), else the camera's z.

    Returns:
        ``(height, width)`` float32 metres, 0 = no point.
    """
    ahead = points.take(np.flatnonzero(points[:, 0] >= 0), axis=0)
    forwards, left, up = ahead.T[:3].astype(np.float64, order="C")
    # row by row, because a matrix product wakes all BLAS threads: 0.2 ms against up to 12 on busy cores
    u, v, z = (row[0] * forwards + row[1] * left + row[2] * up + row[3] for row in projection)
    # a point behind the camera's plane has no pixel, although the division would give it one
    with np.errstate(divide="ignore", invalid="ignore"):
        column, row = np.rint(u / z) - 1, np.rint(v / z) - 1
    inside = np.flatnonzero((z > 0) & (column >= 0) & (row >= 0) & (column < width) & (row < height))
    pixel = (row.take(inside) * width + column.take(inside)).astype(np.int64)
    value = (forwards if forward else z).take(inside).astype(np.float32)
    depth = np.full(height * width, np.inf, np.float32)
    # of several values for one place the smallest stays; half the time of sorting them
    np.minimum.at(depth, pixel, value)
    depth[np.isinf(depth)] = 0
    return depth.reshape(height, width)
