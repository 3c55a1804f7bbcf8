"""Is a stereo folder's rig right? Measures some pairs, and says so in a few lines; `plots.rig_check` draws it.

check = check_rig(StereoFolder(root, size=None))
print("\n".join(check.lines()))
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd

from lowtex.data_paths import is_miniature
from lowtex.datasets.sample import StereoSample
from lowtex.datasets.stereo_folder import StereoFolder
from lowtex.errors import DataError, OptionError
from lowtex.geometry import StereoRig
from lowtex_lab.rig import rules
from lowtex_lab.rig.matching import RowFit, difference, fit_rows, match_densely, match_points, warp_right

DENSE_WIDTH = 1280
"""Dense matching and the pictures are made at no more than this width, pixels."""

REACH = 0.2
"""Share of the width that disparities may reach where too few points were matched to say."""

MOST_TRUTH = 5000
"""Densely matched pixels of a pair with ground truth that are looked at."""

ADDED_PX = tuple(range(-8, 9))
"""Pixels by which a disparity is made wrong, or the right view is moved down, to see what that does."""


@dataclass(frozen=True)
class RigCheck:
    """What was found; the arrays are of the one pair that is shown.

    Attributes:
        verdict: ``right``, ``wrong`` or ``cannot judge``.
        findings: columns ``topic``, ``verdict``, ``text``.
        points: matched points of all pairs at native size: ``pair``, ``left_column``, ``left_row``, ``right_column``,
            ``right_row``, ``row_agrees``.
        curves: ``curve``, ``added_px``, ``difference`` (mean absolute, of [0, 1]) of the pair shown.
        truth: ``depth_m``, ``disparity_px`` (native) of matched points with ground truth, all pairs; may have no rows.
        fitted: (k, offset in px) that ground truth asks for, at native size, or None.
        name: of the pair shown.
        pairs: how many were looked at.
        left, right: ``(H, W, 3)`` uint8.
        disparity, swapped: matched disparity ``(H, W)`` pixels as it is and with the views swapped, NaN = no match.
        rig: at the size of the arrays.
        native_rig: at the size of the images.
        miniature: the pairs are the kit's own small world.
    """

    verdict: str
    findings: pd.DataFrame
    points: pd.DataFrame
    curves: pd.DataFrame
    truth: pd.DataFrame
    fitted: tuple[float, float] | None
    name: str
    pairs: int
    left: np.ndarray
    right: np.ndarray
    disparity: np.ndarray
    swapped: np.ndarray
    rig: StereoRig
    native_rig: StereoRig
    miniature: bool

    def lines(self) -> list[str]:
        """The verdict for a terminal."""
        rows = [f"{row.topic:<17}{row.verdict:<14}{row.text}" for row in self.findings.itertuples()]
        doubts = list(self.findings.topic[self.findings.verdict == rules.DOUBTFUL])
        said = {
            rules.RIGHT: f"right, but look at {', '.join(doubts)}" if doubts else "right, as far as pairs can show",
            rules.WRONG: "something is wrong",
            rules.UNKNOWN: "cannot judge",
        }
        pairs = (
            f"{self.pairs} pair{'s' if self.pairs > 1 else ''} {'of the miniature ' if self.miniature else ''}looked at"
        )
        return [*rows, f"verdict: {said[self.verdict]} ({pairs})"]


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
        DataError: a file of a pair is missing or damaged.
    """
    if pairs < 1:
        raise OptionError(f"pairs={pairs} must be 1 or more")
    if reader.size is not None or not reader.views or not all(name.endswith("/l") for name in reader.names):
        raise OptionError("a rig is checked at native size and from the left: open the folder with size=None alone")
    chosen = sorted(set(np.linspace(0, len(reader) - 1, min(pairs, len(reader))).round().astype(int).tolist()))
    measured = []
    for index in chosen:
        if tell is not None:
            tell(reader.names[index])
        measured.append(_measure(reader[index]))
    return _judge(measured, reader.truth_folder, is_miniature(reader.root))


def _measure(sample: StereoSample) -> _Pair:
    views = ((view.permute(1, 2, 0) * 255).round().byte().numpy() for view in (sample.image, sample.other))
    left, right = map(np.ascontiguousarray, views)
    depth = None if sample.depth is None else sample.depth[0].numpy()
    return _Pair(sample.name.removesuffix("/l"), left, right, sample.rig, depth, match_points(left, right))


def _judge(pairs: list[_Pair], truth_kind: str | None, miniature: bool) -> RigCheck:
    widths = {pair.rig.width for pair in pairs}
    if len(widths) > 1:
        raise DataError(f"the pairs have different widths, {sorted(widths)} px; check them apart, by --split LIST")
    native = pairs[0].rig
    points, fit = _pool(pairs)
    agreeing = points[points.row_agrees]
    shift = (agreeing.left_column - agreeing.right_column).to_numpy()
    alone = [(pair.name, fit_rows(pair.points)[0]) for pair in pairs if len(pair.points)]
    judged_alone = [(name, own) for name, own in alone if own.points >= rules.MIN_POINTS]
    worst = max(judged_alone, key=lambda pair: pair[1].largest_px + pair[1].spread_px, default=None)
    order = rules.judge_order(shift, native.cx_offset_px, fit)
    rows = rules.judge_rows(fit, worst)
    nearest = _nearest(shift, native)
    shown = next((pair for pair in pairs if worst and pair.name == worst[0]), pairs[0])
    dense = {pair.name: _match_small(pair, nearest) for pair in pairs}
    truth = _truth(pairs, agreeing, {name: found for name, (_, found) in dense.items()})
    small, disparity = dense[shown.name]
    depths = np.concatenate([_depths(rig, found) for (_, _, rig), found in dense.values()])
    left, right, rig = small
    findings = [order, rows]
    fitted = None
    if rules.WRONG in (order.verdict, rows.verdict):
        findings.append(rules.Finding("scale", rules.UNKNOWN, "first mend order and rows"))
    else:
        inverse = 1 / truth.depth_m.to_numpy()
        found, fitted = rules.judge_scale(inverse, truth.disparity_px.to_numpy(), native, truth_kind, depths)
        findings += found
    findings.append(rules.judge_numbers(native))
    findings.append(_views(pairs))
    swapped = match_densely(right, left, nearest * rig.width / native.width, rig.cx_offset_px)
    return RigCheck(
        verdict=rules.overall(findings),
        findings=pd.DataFrame([vars(finding) for finding in findings]),
        points=points,
        curves=_curves(small, disparity, shown),
        truth=truth,
        fitted=fitted,
        name=shown.name,
        pairs=len(pairs),
        left=left,
        right=right,
        disparity=disparity,
        swapped=swapped,
        rig=rig,
        native_rig=native,
        miniature=miniature,
    )


def _pool(pairs: list[_Pair]) -> tuple[pd.DataFrame, RowFit | None]:
    """All pairs' points in one table, and how they lie to each other's rows."""
    names = ["left_column", "left_row", "right_column", "right_row"]
    tables = [pd.DataFrame(pair.points, columns=names).assign(pair=pair.name) for pair in pairs]
    table = pd.concat(tables, ignore_index=True)[["pair", *names]]
    if table.empty:
        return table.assign(row_agrees=np.zeros(0, bool)), None
    fit, agrees = fit_rows(table[names].to_numpy())
    return table.assign(row_agrees=agrees), fit


def _nearest(shift: np.ndarray, rig: StereoRig) -> float:
    """The largest parallax to look for, pixels; whichever way round the views are."""
    if shift.size < rules.MIN_POINTS:
        return REACH * rig.width
    reach = max(np.percentile(np.abs(sign * shift - rig.cx_offset_px), 99) for sign in (1, -1))
    return float(min(1.1 * reach + 8, 0.8 * rig.width))


def _match_small(pair: _Pair, nearest_px: float) -> tuple[tuple[np.ndarray, np.ndarray, StereoRig], np.ndarray]:
    """Views and rig at `DENSE_WIDTH` or less, and the dense disparity there."""
    left, right, rig = pair.left, pair.right, pair.rig
    scale = min(1.0, DENSE_WIDTH / rig.width)
    if scale < 1:
        rig = rig.resized(DENSE_WIDTH, round(rig.height * scale))
        left, right = (cv2.resize(v, (rig.width, rig.height), interpolation=cv2.INTER_AREA) for v in (left, right))
    return (left, right, rig), match_densely(left, right, nearest_px * rig.width / pair.rig.width, rig.cx_offset_px)


def _truth(pairs: list[_Pair], points: pd.DataFrame, dense: dict[str, np.ndarray]) -> pd.DataFrame:
    """Depth and matched disparity, at native size, of matched points with ground truth; of pixels if those are few."""
    known = [pair for pair in pairs if pair.depth is not None]
    tables = [_known(np.zeros(0), np.zeros(0))]
    for pair in known:
        own = points[points.pair == pair.name]
        rows = own.left_row.round().astype(int).clip(0, pair.depth.shape[0] - 1)
        columns = own.left_column.round().astype(int).clip(0, pair.depth.shape[1] - 1)
        tables.append(_known(pair.depth[rows, columns], (own.left_column - own.right_column).to_numpy()))
    if sum(map(len, tables)) >= rules.MIN_TRUTH:
        return pd.concat(tables, ignore_index=True)
    pixels = tables[:1]
    for pair in known:
        found = dense[pair.name]
        table = _known(_nearest_size(pair.depth, found.shape), found * (pair.rig.width / found.shape[1]))
        pixels.append(table.iloc[:: max(1, len(table) // MOST_TRUTH)])
    return pd.concat(pixels if sum(map(len, pixels)) >= rules.MIN_DENSE else tables, ignore_index=True)


def _known(depth: np.ndarray, disparity: np.ndarray) -> pd.DataFrame:
    both = (depth > 0) & np.isfinite(disparity)
    return pd.DataFrame({"depth_m": depth[both].astype(float), "disparity_px": disparity[both].astype(float)})


def _nearest_size(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return cv2.resize(values, shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT)


def _depths(rig: StereoRig, disparity: np.ndarray) -> np.ndarray:
    parallax = disparity - rig.cx_offset_px
    return rig.focal_px * rig.baseline_m / parallax[parallax > 0.5]


def _views(pairs: list[_Pair]) -> rules.Finding:
    means = np.mean([[pair.left.mean(), pair.right.mean()] for pair in pairs], axis=0) / 255
    apart = np.mean([np.abs(pair.left.astype(np.float32) - pair.right).mean() / 255 for pair in pairs])
    contrast = np.mean([pair.left.mean(-1).std() / 255 for pair in pairs])
    return rules.judge_views(float(means[0]), float(means[1]), float(apart), float(contrast))


def _curves(small: tuple, disparity: np.ndarray, pair: _Pair) -> pd.DataFrame:
    """What is left of the difference when a disparity is made wrong, or the right view is moved up or down."""
    left, right, rig = small
    known = {"matched disparity, moved sideways": disparity}
    if pair.depth is not None:
        depth = _nearest_size(pair.depth, disparity.shape)
        with np.errstate(divide="ignore"):
            true = np.where(depth > 0, rig.focal_px * rig.baseline_m / depth + rig.cx_offset_px, np.nan)
        known["ground truth, moved sideways"] = true
    rows = []
    for name, shift in known.items():
        if np.isfinite(shift).any():
            for added in ADDED_PX:
                sideways = difference(left, warp_right(right, shift + added), shift + added)
                rows.append((name, added, pd.Series(sideways.ravel()).mean()))
    if np.isfinite(disparity).any():
        for added in ADDED_PX:
            down = difference(left, warp_right(right, disparity, added), disparity)
            rows.append(("matched disparity, right view moved down", added, pd.Series(down.ravel()).mean()))
    return pd.DataFrame(rows, columns=["curve", "added_px", "difference"])
