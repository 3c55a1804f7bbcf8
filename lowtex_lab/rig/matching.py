"""What two views of a pair say about the rig that took them: matched points, matched disparity, and what a warp leaves.

Points are SIFT features (Lowe, IJCV 2004) that are each other's best match and clearly better than the second best;
dense disparity is OpenCV's semi-global matching (Hirschmüller, PAMI 2008). Neither looks at the calibration, and the
points not even at the rows: so they can contradict both.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from lowtex.geometry import warp_horizontal

RATIO = 0.75
"""A match counts if its descriptor is nearer than this part of the second best's distance (Lowe's ratio test)."""

MOST_FEATURES = 4000
BLOCK = 5
"""Side of the blocks of dense matching, pixels."""

AGREE_PX = 1.0
"""The disparities of a point in the two views may differ by that much, pixels."""


@dataclass(frozen=True)
class RowFit:
    """How far matched points lie off each other's row, as a plane over the image; see `fit_rows`.

    Attributes:
        offset_px: left row minus right row in the middle of the points (> 0: the right view lies higher).
        largest_px: the largest offset of the plane, absolute, over the part of the image where points are.
        spread_px: of the points around the plane (1.48 times the median absolute deviation).
        across_px: change of the plane from the leftmost points to the rightmost ones.
        down_px: change of the plane from the topmost points to the lowest ones.
        turned_deg: angle between the cameras' rows that ``across_px`` stands for.
        points: how many.
    """

    offset_px: float
    largest_px: float
    spread_px: float
    across_px: float
    down_px: float
    turned_deg: float
    points: int


def match_points(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Points found in both views.

    Args:
        left, right: ``(H, W, 3)`` uint8 RGB.

    Returns:
        ``(N, 4)`` float64 pixels: column and row in the left view, column and row in the right view. N may be 0.
    """
    detector = cv2.SIFT_create(MOST_FEATURES)
    found = [detector.detectAndCompute(cv2.cvtColor(view, cv2.COLOR_RGB2GRAY), None) for view in (left, right)]
    (left_points, left_codes), (right_points, right_codes) = found
    if min(len(left_points), len(right_points)) < 2:
        return np.zeros((0, 4))
    matcher = cv2.BFMatcher(cv2.NORM_L2)
    back = {match.queryIdx: match.trainIdx for match in matcher.match(right_codes, left_codes)}
    places = [
        (*left_points[best.queryIdx].pt, *right_points[best.trainIdx].pt)
        for best, second in matcher.knnMatch(left_codes, right_codes, 2)
        if best.distance < RATIO * second.distance and back[best.trainIdx] == best.queryIdx
    ]
    # SIFT gives one place several directions; that is still one point
    return np.unique(np.array(places, np.float64).reshape(-1, 4), axis=0)


def fit_rows(points: np.ndarray) -> tuple[RowFit, np.ndarray]:
    """Fit row offset = a + b column + c row robustly (Tukey's biweight), so that false matches don't count.

    Args:
        points: ``(N, 4)`` as `match_points` gives, N > 0.

    Returns:
        The fit, and which points agree with it, bool ``(N,)``.
    """
    offset = points[:, 1] - points[:, 3]
    middle = np.median(points[:, :2], axis=0)
    # in thousands of pixels, so that the three columns are of one size
    columns = np.column_stack([np.ones(len(points)), (points[:, :2] - middle) / 1000])
    plane, spread = fit_robustly(columns, offset)
    low, high = np.percentile(columns, [2, 98], axis=0)
    corners = np.array([(1, x, y) for x in (low[1], high[1]) for y in (low[2], high[2])])
    fit = RowFit(
        offset_px=float(plane[0]),
        largest_px=float(np.abs(corners @ plane).max()),
        spread_px=spread,
        across_px=float(plane[1] * (high[1] - low[1])),
        down_px=float(plane[2] * (high[2] - low[2])),
        turned_deg=float(np.degrees(np.arctan(plane[1] / 1000))),
        points=len(points),
    )
    return fit, np.abs(offset - columns @ plane) <= 3 * max(spread, 0.5)


def fit_robustly(columns: np.ndarray, values: np.ndarray, rounds: int = 30) -> tuple[np.ndarray, float]:
    """Solve ``columns @ x = values`` with Tukey's biweight; also the spread of the rest (1.48 MAD).

    Where the values do not tell the columns apart, the smallest solution is given.
    """
    solution = np.zeros(columns.shape[1])
    solution[0] = np.median(values / columns[:, 0])
    spread = 0.0
    for _ in range(rounds):
        rest = values - columns @ solution
        spread = float(1.4826 * np.median(np.abs(rest - np.median(rest))))
        distance = rest / (4.685 * max(spread, 0.05))
        weight = np.where(np.abs(distance) < 1, (1 - distance**2), 0.0)
        solution = np.linalg.lstsq(columns * weight[:, None], values * weight, rcond=None)[0]
    return solution, spread


def match_densely(left: np.ndarray, right: np.ndarray, nearest_px: float, infinity_px: float = 0.0) -> np.ndarray:
    """Disparity of the left view by semi-global matching, among those from infinity to the nearest thing.

    Args:
        left, right: ``(H, W, 3)`` uint8 RGB.
        nearest_px: largest parallax looked for, pixels.
        infinity_px: disparity of what is infinitely far, the rig's ``cx_offset_px``.

    Returns:
        ``(H, W)`` float32 pixels; not-a-number where no match is clear and the same from both sides.
    """
    # two pixels beyond infinity, so that noise does not push far things out of reach
    lowest = int(np.floor(infinity_px)) - 2
    steps = 16 * max(1, int(np.ceil((nearest_px + 4) / 16)))
    matcher = cv2.StereoSGBM_create(
        minDisparity=lowest,
        numDisparities=steps,
        blockSize=BLOCK,
        P1=8 * 3 * BLOCK**2,
        P2=32 * 3 * BLOCK**2,
        disp12MaxDiff=1,
        preFilterCap=31,
        uniquenessRatio=10,
        speckleWindowSize=100,
        speckleRange=2,
    )
    found = _one_way(matcher, left, right, lowest, steps)
    # the same from the right view: mirrored, the two views change roles, and a true match comes out the same
    back = _one_way(matcher, *(np.ascontiguousarray(view[:, ::-1]) for view in (right, left)), lowest, steps)[:, ::-1]
    column = np.arange(left.shape[1], dtype=np.float32) - found
    seen = (column >= 0) & (column <= left.shape[1] - 1)
    partner = np.where(seen, np.rint(np.nan_to_num(column)), 0).astype(np.intp)
    agree = np.abs(np.take_along_axis(back, partner, axis=1) - found) <= AGREE_PX
    return np.where(seen & agree, found, np.nan)


def _one_way(matcher, left: np.ndarray, right: np.ndarray, lowest: int, steps: int) -> np.ndarray:
    """Disparity of the left view, not-a-number where the matcher found none."""
    # the matcher leaves out a margin as wide as its range; a widened image moves that margin out of the picture
    before, after = max(lowest + steps, 0), max(-lowest, 0)
    wide = [cv2.copyMakeBorder(view, 0, 0, before, after, cv2.BORDER_REPLICATE) for view in (left, right)]
    found = matcher.compute(*wide)[:, before : before + left.shape[1]].astype(np.float32) / 16
    return np.where(found >= lowest, found, np.nan)


def warp_right(right: np.ndarray, disparity_px: np.ndarray | float, down_px: float = 0.0) -> np.ndarray:
    """The right view brought to the left one by a disparity, ``(H, W, 3)`` float32 in [0, 1].

    Args:
        right: ``(H, W, 3)`` uint8 RGB.
        disparity_px: ``(H, W)`` pixels of the left view, or one number; not-a-number is taken for 0.
        down_px: moved down by that much first, pixels.
    """
    height, width = right.shape[:2]
    picture = torch.from_numpy(right).permute(2, 0, 1)[None].float() / 255
    if down_px:
        rows = torch.full((1, 1, width, height), float(down_px))
        picture = warp_horizontal(picture.transpose(2, 3), rows).transpose(2, 3)
    shift = np.zeros((1, 1, height, width), np.float32) + np.nan_to_num(disparity_px)
    return warp_horizontal(picture, torch.from_numpy(shift.astype(np.float32)))[0].permute(1, 2, 0).numpy()


def difference(left: np.ndarray, warped: np.ndarray, disparity_px: np.ndarray | float) -> np.ndarray:
    """Mean absolute colour difference ``(H, W)``, of [0, 1]; not-a-number where there is no disparity or no view.

    Args:
        left: ``(H, W, 3)`` uint8 RGB.
        warped: what `warp_right` made.
        disparity_px: what it was made with.
    """
    column = np.arange(left.shape[1], dtype=np.float32) - disparity_px
    seen = np.isfinite(column) & (column >= 0) & (column <= left.shape[1] - 1)
    return np.where(seen, np.abs(left.astype(np.float32) / 255 - warped).mean(-1), np.nan)
