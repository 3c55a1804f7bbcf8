"""The rules by which measured pairs are said to fit their rig or not, each with its thresholds, and the words for it.

A rule says ``right``, ``doubtful``, ``wrong`` or ``cannot judge``. It says the last where too little was measured, or
where a pair of images alone can't show the thing at all: no rule guesses.
"""

import math
from dataclasses import dataclass

import numpy as np

from lowtex.geometry import StereoRig
from lowtex_lab.rig.matching import RowFit, fit_robustly

RIGHT, DOUBTFUL, WRONG, UNKNOWN = "right", "doubtful", "wrong", "cannot judge"

MIN_POINTS = 30
"""With fewer matched points, or fewer of them near enough, order and rows are not judged."""

MIN_PARALLAX_PX = 1.0
"""A point says something about the order of the views if its parallax is at least this, either way."""

EXPLAINED = 0.95
"""An order is possible if at least this share of those points lies in front of the cameras under it."""

ROWS_RIGHT_PX, ROWS_WRONG_PX = 1.0, 2.0
"""Largest offset between matched rows anywhere in the image: below the first right, above the second wrong."""

SPREAD_RIGHT_PX, SPREAD_WRONG_PX = 1.0, 2.0
"""Spread of the row offsets around their plane, likewise."""

MIN_TRUTH = 100
"""Matched points with ground truth that a judgement on scale needs. Where there are fewer, `MIN_DENSE` densely matched
pixels do; they are second choice, because dense matching sees slanted surfaces some 0.2 px too far."""

MIN_DENSE = 500

MIN_VARIETY = 1.5
"""Far over near inverse depth (95th over 5th percentile) from which scale and offset can be told apart."""

SCALE_RIGHT, SCALE_WRONG = 0.03, 0.10
"""Relative deviation of focal x baseline from what ground truth asks for, likewise."""

OFFSET_RIGHT_PX, OFFSET_WRONG_PX = 1.5, 3.0
"""Deviation of the principal-point offset from what ground truth asks for, likewise, pixels."""


BASELINE_USUAL_M = (0.01, 5.0)
FIELD_OF_VIEW_USUAL = (5.0, 140.0)
"""Horizontal, degrees."""

CENTRE_USUAL = 0.25
"""Distance of the principal point from the middle of the image, as a share of its side."""

PIXEL_ASPECT_USUAL = (0.8, 1.25)
BRIGHTNESS_USUAL = (0.8, 1.25)
"""Right view over left view."""

DARK = 0.06
"""Mean brightness, of [0, 1], below which both views are taken for wrongly scaled 16-bit images."""

SAME_PICTURE = 0.002
"""Mean absolute difference of the views, of [0, 1], below which they are one picture."""

PLAIN = 0.01
"""Standard deviation of a view, of [0, 1], below which nothing is to be seen in it."""


@dataclass(frozen=True)
class Finding:
    """One line of the verdict: what was looked at, one of the four verdicts, and why."""

    topic: str
    verdict: str
    text: str


def overall(findings: list[Finding]) -> str:
    """Wrong if anything is; right if order and rows are; else it cannot be judged."""
    verdicts = {finding.topic: finding.verdict for finding in findings}
    if WRONG in verdicts.values():
        return WRONG
    return RIGHT if all(verdicts[topic] in (RIGHT, DOUBTFUL) for topic in ("order", "rows")) else UNKNOWN


def by_size(value: float, right: float, wrong: float) -> str:
    """``right`` up to the first bound, ``wrong`` above the second, ``doubtful`` between."""
    return RIGHT if value <= right else WRONG if value > wrong else DOUBTFUL


def judge_order(shift_px: np.ndarray, offset_px: float, rows: RowFit | None) -> Finding:
    """Are the views the right way round? A point in front of both cameras lies farther left in the right view.

    Args:
        shift_px: left column minus right column of points whose rows agree.
        offset_px: the rig's ``cx_offset_px``, the shift of what is infinitely far.
        rows: how well the rows agree: points that lie anywhere are false matches, or not of one moment.
    """
    if rows is not None and rows.points >= MIN_POINTS and rows.spread_px > SPREAD_WRONG_PX:
        return Finding("order", UNKNOWN, "rows do not agree, so that matched points can't tell it")
    as_given, swapped = (_in_front(sign * shift_px - offset_px) for sign in (1, -1))
    if min(as_given[1], swapped[1]) < MIN_POINTS:
        text = f"only {min(as_given[1], swapped[1])} matched points lie near enough to tell; {MIN_POINTS} are needed"
        return Finding("order", UNKNOWN, f"{text}: take pairs with near and textured things")
    share, other = as_given[0], swapped[0]
    if share >= EXPLAINED and other >= EXPLAINED:
        return Finding("order", UNKNOWN, f"with principal points {offset_px:g} px apart, both orders are possible")
    if share >= EXPLAINED:
        return Finding("order", RIGHT, f"{share:.0%} of {as_given[1]:,} matched points lie in front of the cameras")
    if other >= EXPLAINED:
        return Finding(
            "order",
            WRONG,
            f"left and right are swapped: {other:.0%} of {swapped[1]:,} matched points lie in front of the cameras the "
            f"other way round, {share:.0%} as it is. Swap the folders left/ and right/ (or the images are mirrored, or "
            "upside down)",
        )
    unrectified = " Or the views are not rectified." if offset_px == 0 else ""
    return Finding(
        "order",
        WRONG,
        f"neither order is possible: {share:.0%} of the matched points lie in front of the cameras as it is, "
        f"{other:.0%} with the views swapped. Look at cx_right (or cx_offset_px) in rig.yaml: it is missing, wrong, or "
        f"of the wrong sign.{unrectified}",
    )


def _in_front(parallax_px: np.ndarray) -> tuple[float, int]:
    decisive = parallax_px[np.abs(parallax_px) >= MIN_PARALLAX_PX]
    return (float((decisive > 0).mean()) if decisive.size else 0.0), int(decisive.size)


def judge_rows(fit: RowFit | None, worst: tuple[str, RowFit] | None = None) -> Finding:
    """Do matched points lie on one row?

    Args:
        fit: of all pairs' points; None where there are none.
        worst: name and fit of the pair that is farthest off by itself.
    """
    if fit is None or fit.points < MIN_POINTS:
        return Finding(
            "rows", UNKNOWN, f"only {fit.points if fit else 0} points could be matched; {MIN_POINTS} are needed"
        )
    error = 1.25 * fit.spread_px / math.sqrt(fit.points)
    measured = (
        f"offset {fit.offset_px:+z.2f} px (±{max(error, 0.005):.2f}), at most {fit.largest_px:.1f} px anywhere, spread "
        f"{fit.spread_px:.2f} px, {fit.points:,} points"
    )
    verdict = _rows_verdict(fit)
    if verdict == RIGHT and worst is not None and _rows_verdict(worst[1]) == WRONG:
        name, own = worst
        return Finding(
            "rows",
            WRONG,
            f"on the whole right, but not in {name}: offset {own.offset_px:+.1f} px, at most {own.largest_px:.1f} px, "
            f"spread {own.spread_px:.1f} px. Are its two images of the same moment?",
        )
    if verdict == RIGHT:
        return Finding("rows", RIGHT, measured)
    if by_size(fit.spread_px, SPREAD_RIGHT_PX, SPREAD_WRONG_PX) != RIGHT:
        why = "Not rectified, lens distortion left in, or left and right not of the same moment"
    elif abs(fit.across_px) > max(abs(fit.down_px), abs(fit.offset_px)):
        why = f"One camera is turned against the other by about {abs(fit.turned_deg):.2f} degrees: rectify the pair"
    elif abs(fit.down_px) > abs(fit.offset_px):
        why = f"The offset changes by {abs(fit.down_px):.1f} px from top to bottom (focal lengths?): rectify the pair"
    else:
        up = "higher" if fit.offset_px > 0 else "lower"
        why = f"The right view's content lies {abs(fit.offset_px):.1f} px {up}: rectify the pair"
    return Finding("rows", verdict, f"{why}. Measured: {measured}")


def _rows_verdict(fit: RowFit) -> str:
    verdicts = (
        by_size(max(fit.largest_px, abs(fit.offset_px)), ROWS_RIGHT_PX, ROWS_WRONG_PX),
        by_size(fit.spread_px, SPREAD_RIGHT_PX, SPREAD_WRONG_PX),
    )
    return next(v for v in (WRONG, DOUBTFUL, RIGHT) if v in verdicts)


def judge_scale(
    inverse_depth: np.ndarray,
    disparity_px: np.ndarray,
    rig: StereoRig,
    kind: str | None,
    depths_m: np.ndarray,
) -> tuple[list[Finding], tuple[float, float] | None]:
    """Are focal x baseline and the principal points right? Only depth measured otherwise can tell.

    Ground truth asks for disparity = k / depth + offset; k should be focal x baseline.

    Args:
        inverse_depth: of points with ground truth and a match, 1/m; may be empty.
        disparity_px: the matched disparity there, at native size.
        rig: at native size.
        kind: ``depth``, ``disparity`` or None: what the ground truth is kept as. The latter is only turned into depth
            by the rig, so it can't tell whether the rig is right, but it can be compared with the matched one.
        depths_m: what the rig makes of the matched disparities.

    Returns:
        The findings on scale, principal points and ground truth, and the fitted (k, offset) or None.
    """
    told = _distances(depths_m)
    unseen = Finding("principal points", UNKNOWN, _farthest(depths_m))
    if kind is None:
        return [Finding("scale", UNKNOWN, f"a pair alone can't show focal x baseline. {told}"), unseen], None
    if inverse_depth.size < MIN_TRUTH:
        text = f"only {inverse_depth.size} matched points have ground truth; {MIN_TRUTH} are needed"
        return [Finding("scale", UNKNOWN, f"{text}. {told}"), unseen], None
    low, high = np.percentile(inverse_depth, [5, 95])
    varied = high / low >= MIN_VARIETY
    columns = np.column_stack([inverse_depth, np.ones(inverse_depth.size)])[:, : 2 if varied else 1]
    solution, _ = fit_robustly(columns, disparity_px - rig.cx_offset_px)
    scale = float(solution[0])
    extra = float(solution[1]) if varied else 0.0
    ratio = scale / (rig.focal_px * rig.baseline_m)
    verdict = by_size(abs(ratio - 1), SCALE_RIGHT, SCALE_WRONG)
    offset_verdict = by_size(abs(extra), OFFSET_RIGHT_PX, OFFSET_WRONG_PX) if varied else UNKNOWN
    offset_text = f"apart by {extra:+.1f} px" if varied else "all of one depth"
    worse = next(v for v in (WRONG, DOUBTFUL, RIGHT) if v in (verdict, offset_verdict))
    if kind == "disparity":
        text = f"disparities matched in {inverse_depth.size:,} points are {ratio:.3f} times those given, {offset_text}"
        if worse != RIGHT:
            text += ". Look at disparity_unit_px, cx_right, and at which image the disparities belong to"
        scale_told = f"disparities as ground truth can't show focal x baseline. {told}"
        findings = [Finding("scale", UNKNOWN, scale_told), Finding("ground truth", worse, text)]
    else:
        text = (
            f"ground truth in {inverse_depth.size:,} points asks for {ratio:.3f} times the focal x baseline of rig.yaml"
        )
        if verdict != RIGHT:
            text += (
                f", which is {rig.focal_px * rig.baseline_m:.4g} px m at {rig.width} px width: look at focal_px, "
                "baseline_m, width and depth_unit_m"
            )
        points = "all depths are alike, so ground truth can't tell them from the scale"
        if varied:
            wanted = extra + rig.cx_offset_px
            points = f"ground truth asks for cx - cx_right = {wanted:z.1f} px, rig.yaml says {rig.cx_offset_px:z.1f} px"
        findings = [Finding("scale", verdict, text), Finding("principal points", offset_verdict, points)]
    return findings, (scale, extra + rig.cx_offset_px)


def _distances(depths_m: np.ndarray) -> str:
    if depths_m.size < MIN_DENSE:
        return "Too little could be matched to say at which distances things would lie"
    near, middle, far = np.percentile(depths_m, [5, 50, 95])
    return (
        f"By rig.yaml half of what was matched is nearer than {middle:.3g} m, a twentieth nearer than {near:.3g} m, "
        f"a twentieth farther than {far:.3g} m: is that so?"
    )


def _farthest(depths_m: np.ndarray) -> str:
    text = "a pair alone shows them only where something very far is in view"
    if depths_m.size < MIN_DENSE:
        return text
    return f"{text}: by rig.yaml the farthest hundredth begins at {np.percentile(depths_m, 99):.3g} m: is that so?"


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
    if not PIXEL_ASPECT_USUAL[0] <= rig.fy / rig.focal_px <= PIXEL_ASPECT_USUAL[1]:
        odd.append(f"focal_y_px {rig.fy:g} against focal_px {rig.focal_px:g}")
    if odd:
        return Finding("numbers", DOUBTFUL, f"unusual: {'; '.join(odd)}")
    return Finding(
        "numbers", RIGHT, f"baseline {rig.baseline_m:g} m, field of view {angle:.0f} degrees: usual; are they yours?"
    )


def judge_views(left: float, right: float, apart: float, contrast: float) -> Finding:
    """Do the two cameras see alike?

    Args:
        left, right: mean brightness of the views, of [0, 1].
        apart: mean absolute difference of the views, of [0, 1].
        contrast: standard deviation of the left view, of [0, 1].
    """
    is_dark = max(left, right) < DARK
    if contrast < PLAIN and not is_dark:
        return Finding("views", UNKNOWN, "hardly anything is to be seen in them: take pairs with textured things")
    if apart < SAME_PICTURE and contrast >= PLAIN:
        return Finding("views", WRONG, "left and right are the same picture: one camera's images were copied twice")
    ratio = right / max(left, 1e-6)
    if is_dark:
        return Finding(
            "views",
            DOUBTFUL,
            f"both are almost black (mean {left:.3f} of 1); if a camera fills fewer than 16 bits, give image_bits",
        )
    if not BRIGHTNESS_USUAL[0] <= ratio <= BRIGHTNESS_USUAL[1]:
        return Finding("views", DOUBTFUL, f"the right view is {ratio:.2f} times as bright; training compares colours")
    return Finding("views", RIGHT, f"two pictures, equally bright (right / left {ratio:.2f})")
