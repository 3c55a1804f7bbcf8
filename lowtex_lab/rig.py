"""Is a stereo folder's rig right? Some pairs are matched without a look at the calibration, and compared with it.

check = check_rig(StereoFolder(root, size=None))
print("\n".join(check.lines()))

Points are SIFT features (Lowe, IJCV 2004) that are each other's best match and clearly better than the second best;
dense disparity is OpenCV's semi-global matching (Hirschmüller, PAMI 2008). The points do not even look at the rows: so
they can contradict the rig. A rule says ``right``, ``doubtful``, ``wrong`` or ``cannot judge``: the last where too
little was measured, or where a pair of images alone can't show the thing at all. No rule guesses.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd

from lowtex.data_paths import is_miniature
from lowtex.datasets.sample import StereoSample
from lowtex.datasets.stereo_folder import StereoFolder
from lowtex.errors import DataError, OptionError
from lowtex.geometry import StereoRig
from lowtex.progress import count

RIGHT, DOUBTFUL, WRONG, UNKNOWN = "right", "doubtful", "wrong", "cannot judge"

RATIO = 0.75
"""A match counts if its descriptor is nearer than this part of the second best's distance (Lowe's ratio test)."""

MOST_FEATURES = 4000
BLOCK = 5
"""Side of the blocks of dense matching, pixels."""

AGREE_PX = 1.0
"""The disparities of a point in the two views may differ by that much, pixels."""

DENSE_WIDTH = 1280
"""Dense matching and the pictures are made at no more than this width, pixels."""

REACH = 0.2
"""Share of the width that disparities may reach where too few points were matched to say."""

MIN_POINTS = 30
"""With fewer matched points, or fewer of them near enough, order and rows are not judged."""

MIN_PARALLAX_PX = 1.0
"""A point says something about the order of the views if its parallax is at least this, either way."""

EXPLAINED = 0.95
"""An order is possible if at least this share of those points lies in front of the cameras under it."""

ROWS_PX = (1.0, 2.0)
"""Largest offset between matched rows anywhere in the image, and spread of the offsets around their plane: up to the
first right, above the second wrong, between them doubtful; so are the other pairs of bounds."""

SCALE = (0.03, 0.10)
"""Relative deviation of focal x baseline from what ground truth asks for."""

OFFSET_PX = (1.5, 3.0)
"""Deviation of the principal-point offset from what ground truth asks for."""

MIN_TRUTH = 100
"""Matched points with ground truth that a judgement on scale needs. Where there are fewer, `MIN_DENSE` densely matched
pixels do; they are second choice, because dense matching sees slanted surfaces some 0.2 px too far."""

MIN_DENSE, MOST_DENSE = 500, 5000

MIN_VARIETY = 1.5
"""Far over near inverse depth (95th over 5th percentile) from which scale and offset can be told apart."""

BASELINE_USUAL_M = (0.01, 5.0)
FIELD_OF_VIEW_USUAL = (5.0, 140.0)
"""Horizontal, degrees."""

CENTRE_USUAL = 0.25
"""Distance of the principal point from the middle of the image, as a share of its side."""

RATIO_USUAL = (0.8, 1.25)
"""Height over width of a pixel; brightness of the right view over the left one's."""

DARK = 0.06
"""Mean brightness, of [0, 1], below which both views are taken for wrongly scaled 16-bit images."""

SAME_PICTURE = 0.002
"""Mean absolute difference of the views, of [0, 1], below which they are one picture."""

PLAIN = 0.01
"""Standard deviation of a view, of [0, 1], below which nothing is to be seen in it."""


class Finding(NamedTuple):
    """One line of the verdict: what was looked at, one of the four verdicts, and why."""

    topic: str
    verdict: str
    text: str


class RowFit(NamedTuple):
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

    offset_px: float = 0.0
    largest_px: float = 0.0
    spread_px: float = 0.0
    across_px: float = 0.0
    down_px: float = 0.0
    turned_deg: float = 0.0
    points: int = 0

    @property
    def verdict(self) -> str:
        """Of the plane and of the spread, the worse one."""
        if self.points < MIN_POINTS:
            return UNKNOWN
        return worse(by_size(max(self.largest_px, abs(self.offset_px)), ROWS_PX), by_size(self.spread_px, ROWS_PX))


@dataclass(frozen=True)
class RigCheck:
    """What was found; the arrays are of the one pair that is shown.

    Attributes:
        findings: columns ``topic``, ``verdict``, ``text``.
        points: matched points of all pairs at native size: ``pair``, ``left_column``, ``left_row``, ``right_column``,
            ``right_row``, ``row_agrees``.
        truth: ``depth_m``, ``disparity_px`` (native) of matched points with ground truth, all pairs; may have no rows.
        name: of the pair shown.
        pairs: how many were looked at.
        left, right: ``(H, W, 3)`` uint8.
        disparity: matched disparity ``(H, W)`` pixels, NaN = no match.
        rig: at the size of the arrays.
        native_rig: at the size of the images.
        miniature: the pairs are the kit's own small world.
    """

    findings: pd.DataFrame
    points: pd.DataFrame
    truth: pd.DataFrame
    name: str
    pairs: int
    left: np.ndarray
    right: np.ndarray
    disparity: np.ndarray
    rig: StereoRig
    native_rig: StereoRig
    miniature: bool

    @property
    def verdict(self) -> str:
        """Wrong if anything is; right if order and rows could be judged, be they doubtful; else it cannot be judged."""
        if WRONG in set(self.findings.verdict):
            return WRONG
        order_and_rows = self.findings.verdict[self.findings.topic.isin(["order", "rows"])]
        return UNKNOWN if UNKNOWN in set(order_and_rows) else RIGHT

    def lines(self) -> list[str]:
        """The verdict for a terminal."""
        rows = [f"{row.topic:<17}{row.verdict:<14}{row.text}" for row in self.findings.itertuples()]
        doubts = ", ".join(self.findings.topic[self.findings.verdict == DOUBTFUL])
        right = f"right, but look at {doubts}" if doubts else "right, as far as pairs can show"
        said = {RIGHT: right, WRONG: "something is wrong", UNKNOWN: "cannot judge"}[self.verdict]
        pairs = count(self.pairs, "pair") + (" of the miniature" if self.miniature else "")
        return [*rows, f"verdict: {said} ({pairs} looked at)"]


@dataclass(frozen=True)
class _Pair:
    name: str
    left: np.ndarray
    right: np.ndarray
    rig: StereoRig
    depth: np.ndarray | None
    points: np.ndarray


def check_rig(reader: StereoFolder, pairs: int = 4, tell: Callable[[str], None] | None = None) -> RigCheck:
    """Look at some pairs, spread evenly over the reader's.

    Args:
        reader: opened with ``size=None`` and ``camera="left"`` (its default), so that nothing is hidden by resizing.
        pairs: how many; fewer if it has fewer.
        tell: is told the name of each pair before it is looked at.

    Raises:
        OptionError: ``pairs`` is not > 0, or the reader was opened otherwise.
        DataError: a file of a pair is missing or damaged, or the pairs have different widths.
    """
    if pairs < 1:
        raise OptionError(f"pairs={pairs} must be 1 or more")
    if reader.size is not None or not reader.views or not all(name.endswith("/l") for name in reader.names):
        raise OptionError("a rig is checked at native size and from the left: open the folder with size=None alone")
    measured = []
    for index in sorted(set(np.linspace(0, len(reader) - 1, min(pairs, len(reader))).round().astype(int).tolist())):
        if tell is not None:
            tell(reader.names[index])
        measured.append(_measure(reader[index]))
    widths = {pair.rig.width for pair in measured}
    if len(widths) > 1:
        raise DataError(f"the pairs have different widths, {sorted(widths)} px; check them apart, by --split LIST")
    return _judge(measured, reader.truth_folder, is_miniature(reader.root))


def _measure(sample: StereoSample) -> _Pair:
    views = ((view.permute(1, 2, 0) * 255).round().byte().numpy() for view in (sample.image, sample.other))
    left, right = map(np.ascontiguousarray, views)
    depth = None if sample.depth is None else sample.depth[0].numpy()
    return _Pair(sample.name.removesuffix("/l"), left, right, sample.rig, depth, match_points(left, right))


def _judge(pairs: list[_Pair], truth_kind: str | None, miniature: bool) -> RigCheck:
    native = pairs[0].rig
    names = ["left_column", "left_row", "right_column", "right_row"]
    tables = [pd.DataFrame(pair.points, columns=names).assign(pair=pair.name) for pair in pairs]
    points = pd.concat(tables, ignore_index=True)
    fit, points["row_agrees"] = fit_rows(points[names].to_numpy())
    agreeing = points[points.row_agrees]
    shift = (agreeing.left_column - agreeing.right_column).to_numpy()
    alone = {pair.name: fit_rows(pair.points)[0] for pair in pairs}
    able = [name for name, own in alone.items() if own.points >= MIN_POINTS]
    worst = max(able, key=lambda name: alone[name].largest_px + alone[name].spread_px, default=pairs[0].name)
    order, rows = judge_order(shift, native.cx_offset_px, fit), judge_rows(fit, worst, alone[worst])
    nearest = REACH * native.width
    if shift.size >= MIN_POINTS:
        # whichever way round the views are
        reach = max(np.percentile(np.abs(sign * shift - native.cx_offset_px), 99) for sign in (1, -1))
        nearest = float(min(1.1 * reach + 8, 0.8 * native.width))
    dense = {pair.name: _match_small(pair, nearest) for pair in pairs}
    truth = _truth(pairs, agreeing, {name: disparity for name, (*_, disparity) in dense.items()})
    scale = [Finding("scale", UNKNOWN, "first mend order and rows")]
    if WRONG not in (order.verdict, rows.verdict):
        depths = [_depths(rig, disparity) for _, _, rig, disparity in dense.values()]
        scale = judge_scale(truth, native, truth_kind, np.concatenate(depths))
    findings = [order, rows, *scale, judge_numbers(native), judge_views(pairs)]
    left, right, rig, disparity = dense[worst]
    return RigCheck(
        findings=pd.DataFrame(findings),
        points=points[["pair", *names, "row_agrees"]],
        truth=truth,
        name=worst,
        pairs=len(pairs),
        left=left,
        right=right,
        disparity=disparity,
        rig=rig,
        native_rig=native,
        miniature=miniature,
    )


def _match_small(pair: _Pair, nearest_px: float) -> tuple[np.ndarray, np.ndarray, StereoRig, np.ndarray]:
    """Views and rig at `DENSE_WIDTH` or less, and the dense disparity there."""
    left, right, rig = pair.left, pair.right, pair.rig
    scale = min(1.0, DENSE_WIDTH / rig.width)
    if scale < 1:
        rig = rig.resized(DENSE_WIDTH, round(rig.height * scale))
        left, right = (cv2.resize(v, (rig.width, rig.height), interpolation=cv2.INTER_AREA) for v in (left, right))
    return left, right, rig, match_densely(left, right, nearest_px * rig.width / pair.rig.width, rig.cx_offset_px)


def _truth(pairs: list[_Pair], points: pd.DataFrame, dense: dict[str, np.ndarray]) -> pd.DataFrame:
    """Depth and matched disparity, at native size, of matched points with ground truth; of pixels if those are few."""
    at_points, at_pixels = ([_known(np.zeros(0), np.zeros(0))] for _ in range(2))
    for pair in (pair for pair in pairs if pair.depth is not None):
        own = points[points.pair == pair.name]
        rows = own.left_row.round().astype(int).clip(0, pair.depth.shape[0] - 1)
        columns = own.left_column.round().astype(int).clip(0, pair.depth.shape[1] - 1)
        at_points.append(_known(pair.depth[rows, columns], (own.left_column - own.right_column).to_numpy()))
        found = dense[pair.name]
        depth = cv2.resize(pair.depth, found.shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        table = _known(depth, found * (pair.rig.width / found.shape[1]))
        at_pixels.append(table.iloc[:: max(1, len(table) // MOST_DENSE)])
    few = sum(map(len, at_points)) < MIN_TRUTH and sum(map(len, at_pixels)) >= MIN_DENSE
    return pd.concat(at_pixels if few else at_points, ignore_index=True)


def _known(depth: np.ndarray, disparity: np.ndarray) -> pd.DataFrame:
    both = (depth > 0) & np.isfinite(disparity)
    return pd.DataFrame({"depth_m": depth[both].astype(float), "disparity_px": disparity[both].astype(float)})


def _depths(rig: StereoRig, disparity: np.ndarray) -> np.ndarray:
    parallax = disparity - rig.cx_offset_px
    return rig.focal_px * rig.baseline_m / parallax[parallax > 0.5]


def by_size(value: float, bounds: tuple[float, float]) -> str:
    """``right`` up to the first bound, ``wrong`` above the second, ``doubtful`` between."""
    return RIGHT if value <= bounds[0] else WRONG if value > bounds[1] else DOUBTFUL


def worse(*verdicts: str) -> str:
    """The worst of several."""
    return next(verdict for verdict in (WRONG, DOUBTFUL, RIGHT, UNKNOWN) if verdict in verdicts)


def judge_order(shift_px: np.ndarray, offset_px: float, rows: RowFit) -> Finding:
    """Are the views the right way round? A point in front of both cameras lies farther left in the right view.

    Args:
        shift_px: left column minus right column of points whose rows agree.
        offset_px: the rig's ``cx_offset_px``, the shift of what is infinitely far.
        rows: how well the rows agree: points that lie anywhere are false matches, or not of one moment.
    """
    if rows.points >= MIN_POINTS and rows.spread_px > ROWS_PX[1]:
        return Finding("order", UNKNOWN, "rows do not agree, so that matched points can't tell it")
    (share, decisive), (other, decisive_swapped) = (_in_front(sign * shift_px - offset_px) for sign in (1, -1))
    if (least := min(decisive, decisive_swapped)) < MIN_POINTS:
        text = f"only {least} matched points lie near enough to tell; {MIN_POINTS} are needed"
        return Finding("order", UNKNOWN, f"{text}: take pairs with near and textured things")
    if share >= EXPLAINED and other >= EXPLAINED:
        return Finding("order", UNKNOWN, f"with principal points {offset_px:g} px apart, both orders are possible")
    if share >= EXPLAINED:
        return Finding("order", RIGHT, f"{share:.0%} of {decisive:,} matched points lie in front of the cameras")
    if other >= EXPLAINED:
        text = (
            f"left and right are swapped: {other:.0%} of {decisive_swapped:,} matched points lie in front of the "
            f"cameras the other way round, {share:.0%} as it is. Swap the folders left/ and right/ (or the images are "
            "mirrored, or upside down)"
        )
        return Finding("order", WRONG, text)
    text = (
        f"neither order is possible: {share:.0%} of the matched points lie in front of the cameras as it is, "
        f"{other:.0%} with the views swapped. Look at cx_right (or cx_offset_px) in rig.yaml: it is missing, wrong, or "
        "of the wrong sign."
    )
    return Finding("order", WRONG, text + (" Or the views are not rectified." if offset_px == 0 else ""))


def _in_front(parallax_px: np.ndarray) -> tuple[float, int]:
    decisive = parallax_px[np.abs(parallax_px) >= MIN_PARALLAX_PX]
    return (float((decisive > 0).mean()) if decisive.size else 0.0), int(decisive.size)


def judge_rows(fit: RowFit, name: str, worst: RowFit) -> Finding:
    """Do matched points lie on one row?

    Args:
        fit: of all pairs' points.
        name, worst: name and fit of the pair that is farthest off by itself.
    """
    if fit.verdict == UNKNOWN:
        return Finding("rows", UNKNOWN, f"only {fit.points} points could be matched; {MIN_POINTS} are needed")
    error = 1.25 * fit.spread_px / math.sqrt(fit.points)
    measured = (
        f"offset {fit.offset_px:+z.2f} px (±{max(error, 0.005):.2f}), at most {fit.largest_px:.1f} px anywhere, spread "
        f"{fit.spread_px:.2f} px, {fit.points:,} points"
    )
    if fit.verdict == RIGHT and worst.verdict == WRONG:
        text = (
            f"on the whole right, but not in {name}: offset {worst.offset_px:+.1f} px, at most {worst.largest_px:.1f} "
            f"px, spread {worst.spread_px:.1f} px. Are its two images of the same moment?"
        )
        return Finding("rows", WRONG, text)
    if fit.verdict == RIGHT:
        return Finding("rows", RIGHT, measured)
    if by_size(fit.spread_px, ROWS_PX) != RIGHT:
        why = "Not rectified, lens distortion left in, or left and right not of the same moment"
    elif abs(fit.across_px) > max(abs(fit.down_px), abs(fit.offset_px)):
        why = f"One camera is turned against the other by about {abs(fit.turned_deg):.2f} degrees: rectify the pair"
    elif abs(fit.down_px) > abs(fit.offset_px):
        why = f"The offset changes by {abs(fit.down_px):.1f} px from top to bottom (focal lengths?): rectify the pair"
    else:
        up = "higher" if fit.offset_px > 0 else "lower"
        why = f"The right view's content lies {abs(fit.offset_px):.1f} px {up}: rectify the pair"
    return Finding("rows", fit.verdict, f"{why}. Measured: {measured}")


def judge_scale(truth: pd.DataFrame, rig: StereoRig, kind: str | None, depths_m: np.ndarray) -> list[Finding]:
    """Are focal x baseline and the principal points right? Only depth measured otherwise can tell.

    Ground truth asks for disparity = k / depth + offset; k should be focal x baseline.

    Args:
        truth: as `RigCheck.truth`; may be empty.
        rig: at native size.
        kind: ``depth``, ``disparity`` or None: what the ground truth is kept as. The latter is only turned into depth
            by the rig, so it can't tell whether the rig is right, but it can be compared with the matched one.
        depths_m: what the rig makes of the matched disparities.

    Returns:
        The findings on scale, principal points and ground truth.
    """
    told, far = "Too little could be matched to say at which distances things would lie", ""
    if depths_m.size >= MIN_DENSE:
        near, middle, distant, last = np.percentile(depths_m, [5, 50, 95, 99])
        told = (
            f"By rig.yaml half of what was matched is nearer than {middle:.3g} m, a twentieth nearer than {near:.3g} "
            f"m, a twentieth farther than {distant:.3g} m: is that so?"
        )
        far = f": by rig.yaml the farthest hundredth begins at {last:.3g} m: is that so?"
    text = f"a pair alone shows them only where something very far is in view{far}"
    unseen = Finding("principal points", UNKNOWN, text)
    if kind is None:
        return [Finding("scale", UNKNOWN, f"a pair alone can't show focal x baseline. {told}"), unseen]
    if len(truth) < MIN_TRUTH:
        text = f"only {len(truth)} matched points have ground truth; {MIN_TRUTH} are needed"
        return [Finding("scale", UNKNOWN, f"{text}. {told}"), unseen]
    inverse = 1 / truth.depth_m.to_numpy()
    low, high = np.percentile(inverse, [5, 95])
    varied = high / low >= MIN_VARIETY
    columns = np.column_stack([inverse, np.ones(inverse.size)])[:, : 2 if varied else 1]
    solution, _ = fit_robustly(columns, truth.disparity_px.to_numpy() - rig.cx_offset_px)
    k, extra = float(solution[0]), float(solution[1]) if varied else 0.0
    ratio = k / (rig.focal_px * rig.baseline_m)
    scale_verdict = by_size(abs(ratio - 1), SCALE)
    offset_verdict = by_size(abs(extra), OFFSET_PX) if varied else UNKNOWN
    if kind == "disparity":
        apart = f"apart by {extra:+.1f} px" if varied else "all of one depth"
        text = f"disparities matched in {inverse.size:,} points are {ratio:.3f} times those given, {apart}"
        if (verdict := worse(scale_verdict, offset_verdict)) != RIGHT:
            text += ". Look at disparity_unit_px, cx_right, and at which image the disparities belong to"
        unsaid = f"disparities as ground truth can't show focal x baseline. {told}"
        return [Finding("scale", UNKNOWN, unsaid), Finding("ground truth", verdict, text)]
    text = f"ground truth in {inverse.size:,} points asks for {ratio:.3f} times the focal x baseline of rig.yaml"
    if scale_verdict != RIGHT:
        text += (
            f", which is {rig.focal_px * rig.baseline_m:.4g} px m at {rig.width} px width: look at focal_px, "
            "baseline_m, width and depth_unit_m"
        )
    points = "all depths are alike, so ground truth can't tell them from the scale"
    if varied:
        wanted = extra + rig.cx_offset_px
        points = f"ground truth asks for cx - cx_right = {wanted:z.1f} px, rig.yaml says {rig.cx_offset_px:z.1f} px"
    return [Finding("scale", scale_verdict, text), Finding("principal points", offset_verdict, points)]


def judge_numbers(rig: StereoRig) -> Finding:
    """Are the numbers of the kind that rigs have? What is unusual is not wrong, but may be of the wrong unit."""
    angle = 2 * math.degrees(math.atan(rig.width / 2 / rig.focal_px))
    odd = []
    if not BASELINE_USUAL_M[0] <= rig.baseline_m <= BASELINE_USUAL_M[1]:
        odd.append(f"a baseline of {rig.baseline_m:g} m (millimetres? it must be metres)")
    if not FIELD_OF_VIEW_USUAL[0] <= angle <= FIELD_OF_VIEW_USUAL[1]:
        odd.append(
            f"a field of view of {angle:.0f} degrees, from focal_px {rig.focal_px:g} and width {rig.width} (is it the "
            "focal length in pixels, at that width?)"
        )
    for name, place, side in (("cx", rig.cx, rig.width), ("cy", rig.cy, rig.height)):
        if abs(place - (side - 1) / 2) > CENTRE_USUAL * side:
            odd.append(f"{name} = {place:g}, far from the middle of {side} px (is it of that size?)")
    if not RATIO_USUAL[0] <= rig.fy / rig.focal_px <= RATIO_USUAL[1]:
        odd.append(f"focal_y_px {rig.fy:g} against focal_px {rig.focal_px:g}")
    usual = f"baseline {rig.baseline_m:g} m, field of view {angle:.0f} degrees: usual; are they yours?"
    return Finding("numbers", DOUBTFUL, f"unusual: {'; '.join(odd)}") if odd else Finding("numbers", RIGHT, usual)


def judge_views(pairs: list[_Pair]) -> Finding:
    """Do the two cameras see alike? By brightness, difference and contrast, of [0, 1], over all pairs."""
    left, right = (np.mean([[pair.left.mean(), pair.right.mean()] for pair in pairs], axis=0) / 255).tolist()
    apart = np.mean([np.abs(pair.left.astype(np.float32) - pair.right).mean() / 255 for pair in pairs])
    contrast = np.mean([pair.left.mean(-1).std() / 255 for pair in pairs])
    is_dark = max(left, right) < DARK
    ratio = right / max(left, 1e-6)
    if contrast < PLAIN and not is_dark:
        return Finding("views", UNKNOWN, "hardly anything is to be seen in them: take pairs with textured things")
    if apart < SAME_PICTURE and contrast >= PLAIN:
        return Finding("views", WRONG, "left and right are the same picture: one camera's images were copied twice")
    if is_dark:
        text = f"both are almost black (mean {left:.3f} of 1); if a camera fills fewer than 16 bits, give image_bits"
        return Finding("views", DOUBTFUL, text)
    if not RATIO_USUAL[0] <= ratio <= RATIO_USUAL[1]:
        return Finding("views", DOUBTFUL, f"the right view is {ratio:.2f} times as bright; training compares colours")
    return Finding("views", RIGHT, f"two pictures, equally bright (right / left {ratio:.2f})")


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
        points: ``(N, 4)`` as `match_points` gives; N may be 0.

    Returns:
        The fit, and which points agree with it, bool ``(N,)``.
    """
    if not len(points):
        return RowFit(), np.zeros(0, bool)
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
    smooth = 3 * BLOCK**2
    # disp12MaxDiff 1, preFilterCap 31, uniquenessRatio 10, speckleWindowSize 100, speckleRange 2
    matcher = cv2.StereoSGBM_create(lowest, steps, BLOCK, 8 * smooth, 32 * smooth, 1, 31, 10, 100, 2)
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
