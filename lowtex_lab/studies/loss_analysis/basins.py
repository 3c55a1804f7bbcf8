"""From how far away does descent on a data term find the true disparity: basins of its error, over many frames.

Two measures, of curves of error against disparity. The *basin* is where a curve rises away from the truth without a
break: a single wiggle ends it. The *pull* at a distance asks only whether the error falls towards the truth there, and
is a share of pixels: one half is chance.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from scipy import stats
from torch import Tensor

from lowtex.datasets.sample import StereoSample
from lowtex.errors import DataError
from lowtex.geometry import in_view
from lowtex.seeding import numpy_generator
from lowtex_lab.studies.loss_analysis.error_terms import ErrorTerm
from lowtex_lab.studies.loss_analysis.landscape import error_volume, texture_regions, true_disparity_px

MEASURES = ("basin_px", "found")
"""Columns of `basins_of_frames` that are means over pixels, beside the pulls."""

TIMES = 2000
"""Draws of frames."""


def basins_px(
    volume: Tensor | np.ndarray, disparities_px: Sequence[float], truth_px: Tensor | np.ndarray, near_px: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """How wide the basin round the truth is, and whether the truth has one at all.

    The bottom is the smallest value within ``near_px`` of the truth. The basin reaches, on both sides, as far as the
    curve rises without a break (or to the end of what was tried): from there, steps downhill end at the bottom.

    Args:
        volume: ``(D, ...)`` from `lowtex_lab.studies.loss_analysis.landscape.error_volume`, or one curve ``(D,)``.
        disparities_px: the ``D`` disparities, rising.
        truth_px: ``(...)`` the true ones.
        near_px: how near a bottom must be to count.

    Returns:
        Width in pixels ``(...)``, NaN where the truth is not known or not inside the range tried; and bool ``(...)``,
        True where the smallest value of the *whole* curve lies within ``near_px`` of the truth.

    Raises:
        ValueError: shapes that do not fit, or disparities that do not rise.
    """
    values, tried, truth = _checked(volume, disparities_px, truth_px)
    curves = values.reshape(len(tried), -1)
    flat = truth.reshape(-1)
    known = np.isfinite(flat) & (flat >= tried[0]) & (flat <= tried[-1])
    near = np.abs(tried[:, None] - np.where(known, flat, tried[0])) <= near_px
    # a grid coarser than near_px still has a nearest value
    near[np.abs(tried[:, None] - np.where(known, flat, tried[0])).argmin(0), np.arange(flat.size)] = True
    columns = np.arange(flat.size)
    bottom = np.where(near, curves, np.inf).argmin(0)
    low, high = bottom.copy(), bottom.copy()
    for _ in range(len(tried) - 1):
        up = np.minimum(high + 1, len(tried) - 1)
        high = np.where(curves[up, columns] > curves[high, columns], up, high)
        down = np.maximum(low - 1, 0)
        low = np.where(curves[down, columns] > curves[low, columns], down, low)
    width = np.where(known, tried[high] - tried[low], np.nan).reshape(truth.shape)
    found = near[curves.argmin(0), columns] & known
    return width, found.reshape(truth.shape)


def pulled_towards(
    volume: Tensor | np.ndarray, disparities_px: Sequence[float], truth_px: Tensor | np.ndarray, offset_px: float
) -> np.ndarray:
    """Whether the error falls towards the truth at a distance from it, ``(...)``: 1 yes, 0 no, 0.5 level.

    Compared are the disparity tried that is nearest to truth plus offset, and its neighbour on the side of the truth.

    Args:
        volume, disparities_px, truth_px: as for `basins_px`.
        offset_px: distance from the truth, at least one step of what was tried; positive is too near.

    Returns:
        NaN where the truth is not known or the offset leads out of what was tried.

    Raises:
        ValueError: as `basins_px`, or an offset of less than a step.
    """
    values, tried, truth = _checked(volume, disparities_px, truth_px)
    if abs(offset_px) < np.diff(tried).max():
        raise ValueError(f"an offset of {offset_px} px is less than the {np.diff(tried).max()} px between those tried")
    curves, wanted = values.reshape(len(tried), -1), truth.reshape(-1) + offset_px
    # where to stand, and one step nearer
    here = np.searchsorted((tried[1:] + tried[:-1]) / 2, np.where(np.isfinite(wanted), wanted, tried[0]))
    nearer = here - int(np.sign(offset_px))
    half_step = np.diff(tried).max() / 2
    known = np.isfinite(wanted) & (wanted >= tried[0] - half_step) & (wanted <= tried[-1] + half_step)
    known &= (nearer >= 0) & (nearer < len(tried))
    columns = np.arange(wanted.size)
    fall = curves[here, columns] - curves[np.clip(nearer, 0, len(tried) - 1), columns]
    return np.where(known, 0.5 + 0.5 * np.sign(fall), np.nan).reshape(truth.shape)


def basins_of_frames(
    samples: Iterable[StereoSample],
    terms: Mapping[str, ErrorTerm],
    *,
    step_px: float = 1.0,
    beyond_px: float = 8.0,
    offsets_px: Sequence[float] = (),
) -> pd.DataFrame:
    """Basins and pulls of several terms by texture, frame by frame, for `over_frames`.

    Judged are the pixels of `loss_analysis.landscape.texture_regions` whose match stays inside the other image for
    every disparity tried, so that no curve ends in repeated border values.

    Args:
        samples: pairs with ground truth.
        terms: of `lowtex_lab.studies.loss_analysis.error_terms.error_terms`.
        step_px: between the disparities tried, from 0 on.
        beyond_px: how far beyond the largest true disparity to try.
        offsets_px: distances from the truth at which the pull is asked for, on both sides, each at least a step.

    Returns:
        a row a frame, term and stratum (low, middle, high, all) that holds pixels: frame, loss, stratum, pixels;
        and sums over pixels: basin_px, found, ``pull_<offset>`` with ``pull_<offset>_pixels`` for each offset.

    Raises:
        ValueError: no samples, or one without second view or ground truth.
    """
    lines = []
    for sample in samples:
        truth, regions = true_disparity_px(sample), texture_regions(sample)
        judged = np.logical_or.reduce(list(regions.values()))
        if not judged.any():
            continue
        tried = np.arange(0, float(truth[torch.from_numpy(judged)].max()) + beyond_px, step_px)
        far = torch.full((1, 1, *truth.shape), sample.direction * float(tried[-1]))
        judged = judged & in_view(far)[0, 0].numpy()
        truth = truth.numpy()[judged]
        regions = {name: mask[judged] for name, mask in regions.items()} | {"all": np.ones(truth.shape, bool)}
        for name, term in terms.items():
            curves = error_volume(sample, tried, term).numpy()[:, judged]
            width, found = basins_px(curves, tried, truth)
            pulls = {
                offset: np.stack([pulled_towards(curves, tried, truth, sign * offset) for sign in (1, -1)])
                for offset in offsets_px
            }
            for stratum, mask in regions.items():
                if mask.any():
                    line = {"frame": sample.name, "loss": name, "stratum": stratum, "pixels": int(mask.sum())}
                    line |= {"basin_px": width[mask].sum(), "found": float(found[mask].sum())}
                    for offset, pull in pulls.items():
                        line[f"pull_{offset:g}"] = np.nansum(pull[:, mask])
                        line[f"pull_{offset:g}_pixels"] = int(np.isfinite(pull[:, mask]).sum())
                    lines.append(line)
    if not lines:
        raise ValueError("basins_of_frames needs at least one sample with pixels that can be judged")
    return pd.DataFrame(lines)


def over_frames(
    frames: pd.DataFrame, column: str, reference: str | None = "pixels", *, level: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """The mean over all pixels of all frames, with a bootstrap interval over frames, and beside a reference term.

    Whole frames are drawn, the same ones for all terms, which is what pairs them. The spread of the draws is mended by
    n / (n - 1) and the interval is Student's, because percentiles of few frames are too narrow
    (`lowtex_lab.studies.stats.resampling`). It speaks of other frames of streets like these; with one frame it is NaN.

    Args:
        frames: of `basins_of_frames`.
        column: ``basin_px``, ``found`` or a ``pull_<offset>``.
        reference: term to compare with; None = no comparison.

    Returns:
        a row a stratum and term: stratum, loss, column, low, high, [reference, difference, difference_low,
        difference_high], frames, pixels (that were counted).

    Raises:
        DataError: the column or the reference is not there.
    """
    if column not in frames.columns:
        raise DataError(f"no measure {column!r}; there are: {', '.join(_measures(frames))}")
    if reference is not None and reference not in set(frames["loss"]):
        raise DataError(f"reference {reference!r} is not among the terms: {', '.join(frames['loss'].unique())}")
    counted = f"{column}_pixels" if f"{column}_pixels" in frames.columns else "pixels"
    lines = []
    for stratum, inside in frames.groupby("stratum", sort=False):
        sums, pixels = (inside.pivot(index="frame", columns="loss", values=name) for name in (column, counted))
        names = list(dict.fromkeys(inside["loss"]))
        sums, pixels = sums[names].to_numpy(float), pixels[names].to_numpy(float)
        number = len(sums)
        drawn = numpy_generator(seed, f"frames {stratum}").multinomial(number, np.full(number, 1 / number), TIMES)
        with np.errstate(invalid="ignore", divide="ignore"):
            means, draws = sums.sum(0) / pixels.sum(0), (drawn @ sums) / (drawn @ pixels)
        reach = stats.t.ppf(0.5 + level / 2, max(number - 1, 1)) * np.sqrt(number / max(number - 1, 1))
        reach = reach if number > 1 else np.nan
        for index, name in enumerate(names):
            line = {"stratum": stratum, "loss": name, column: means[index]}
            half = reach * draws[:, index].std()
            line |= {"low": means[index] - half, "high": means[index] + half}
            if reference is not None:
                other = names.index(reference)
                difference = means[index] - means[other]
                half = reach * (draws[:, index] - draws[:, other]).std()
                line |= {"reference": reference, "difference": difference, "difference_low": difference - half}
                line["difference_high"] = difference + half
            lines.append(line | {"frames": number, "pixels": int(pixels[:, index].sum())})
    return pd.DataFrame(lines)


def say_difference(compared: pd.DataFrame, loss: str, stratum: str, more: str = "more", less: str = "less") -> str:
    """One line of `over_frames` in words; which way it goes is said only where its interval leaves out 0.

    Raises:
        DataError: no such row.
    """
    row = compared[(compared["loss"] == loss) & (compared["stratum"] == stratum)]
    if len(row) != 1 or "reference" not in row:
        raise DataError(f"no comparison of {loss!r} on {stratum!r} in this table")
    row = row.iloc[0]
    low, high = row["difference_low"], row["difference_high"]
    way = more if low > 0 else less if high < 0 else "not to be told apart"
    own = row[compared.columns[2]]
    return (
        f"{stratum:6} {loss} {own:.2f}, {row['reference']} {own - row['difference']:.2f}: "
        f"{row['difference']:+.2f} [{low:+.2f}, {high:+.2f}], {int(row['frames'])} frames: {way}"
    )


def pull_table(frames: pd.DataFrame, **options: object) -> pd.DataFrame:
    """All pulls of `basins_of_frames`: stratum, loss, offset_px, toward, low, high, frames, pixels."""
    parts = [
        over_frames(frames, column, None, **options)
        .rename(columns={column: "toward"})
        .assign(offset_px=float(column.removeprefix("pull_")))
        for column in _measures(frames)
        if column not in MEASURES
    ]
    if not parts:
        raise DataError("these frames hold no pulls: give basins_of_frames some offsets_px")
    return pd.concat(parts, ignore_index=True)


def _measures(frames: pd.DataFrame) -> list[str]:
    return [c for c in frames.columns if c in MEASURES or (c.startswith("pull_") and not c.endswith("_pixels"))]


def _checked(volume, disparities_px, truth_px) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    values = np.asarray(volume.detach().cpu() if isinstance(volume, Tensor) else volume, dtype=np.float64)
    truth = np.asarray(truth_px.detach().cpu() if isinstance(truth_px, Tensor) else truth_px, dtype=np.float64)
    tried = np.asarray(disparities_px, dtype=np.float64)
    if values.shape != (len(tried), *truth.shape) or len(tried) < 2 or (np.diff(tried) <= 0).any():
        raise ValueError(
            "basins are of a volume (D, ...) with D rising disparities and truths (...), got "
            f"{values.shape}, {tried.shape} and {truth.shape}"
        )
    return values, tried, truth
