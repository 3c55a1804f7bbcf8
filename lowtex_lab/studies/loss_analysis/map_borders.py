"""What padding writes into the border of feature maps, and what a data term makes of it.

A convolution at the border invents what lies outside of the image. Zeros are the same in both views and in all images,
so what they leave behind, the mark of the frame, lies at the same place in both views: it matches at disparity zero.
Three measures of it, column by column: how alike the maps of *different* images are, how far maps differ from those
whose border is repeated, and what the error makes of it at disparity zero and at the true one.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from lowtex.datasets.sample import StereoSample
from lowtex_lab.studies.loss_analysis.error_terms import error_terms, lowest_map
from lowtex_lab.studies.loss_analysis.landscape import error_volume, true_disparity_px

ROWS_LEFT_OUT = 4
"""Rows of the map at its upper and lower border, which carry a mark of their own."""

REFERENCE = "replicate"
"""The padding that others are held against."""


def alike_by_column(maps: Sequence[Tensor] | Tensor) -> np.ndarray:
    """How alike the columns of maps of different images are: the correlation of two images' columns, mean over pairs.

    Args:
        maps: of N images, ``(N, C, h, w)`` or N times ``(1, C, h, w)``, at least two.

    Returns:
        ``(w,)`` in [-1, 1]; each correlation is over channels and rows. Streets share their layout (sky above, road
        below), so it is not 0 inside either: what counts is how far a border rises above that.

    Raises:
        ValueError: fewer than two images.
    """
    stack = (maps if isinstance(maps, Tensor) else torch.cat(list(maps))).detach().double().flatten(1, 2)
    number = len(stack)
    if number < 2:
        raise ValueError(f"alike_by_column compares maps of different images, got {number}")
    stack = stack - stack.mean(1, keepdim=True)
    stack = stack / stack.norm(dim=1, keepdim=True).clamp(min=1e-12)
    # the sum over all pairs of products, without the N of an image with itself
    together = stack.sum(0).square().sum(0) - stack.square().sum((0, 1))
    return (together / (number * (number - 1))).numpy()


@torch.no_grad()
def border_profile(
    samples: Sequence[StereoSample], nets: Mapping[str, nn.Module], reach_px: int = 24, reference: str = REFERENCE
) -> pd.DataFrame:
    """The three measures for feature networks that differ in their padding alone.

    Args:
        samples: pairs of different places, all of one direction and size, with ground truth.
        nets: padding -> network, ``lowest(image) -> (1, C, H/2, W/2)``; one of them is ``reference``.
        reach_px: how far inwards to look, pixels of the image.

    Returns:
        a row a padding, side and column of the map: padding, side (``left``, ``right``), column (0 = outermost),
        distance_px (of its middle from the image's edge), alike (`alike_by_column`) and changed (mean
        |map - reference's map|), both without the uppermost and lowest `ROWS_LEFT_OUT` rows, at_zero and at_truth
        (mean error of the robust L1 at disparity zero, and at the true one, over pixels with ground truth), attraction
        (at_truth - at_zero: positive where zero is the cheaper one), frames.

    Raises:
        ValueError: fewer than two samples, samples of both directions, or no network named ``reference``.
    """
    samples = list(samples)
    if reference not in nets or len({sample.direction for sample in samples}) > 1:
        raise ValueError(
            f"border_profile takes samples of one direction and a network {reference!r} among {list(nets)}"
        )
    images = torch.stack([sample.image for sample in samples])
    maps = {padding: lowest_map(net, images)[:, :, ROWS_LEFT_OUT:-ROWS_LEFT_OUT] for padding, net in nets.items()}
    lines = []
    for padding, net in nets.items():
        alike = alike_by_column(maps[padding])
        changed = (maps[padding] - maps[reference]).abs().mean((0, 1, 2)).numpy()
        at_zero, at_truth = _errors_by_column(samples, net, len(alike))
        inwards = range(min(reach_px * len(alike) // images.shape[-1], len(alike)))
        pixels = images.shape[-1] / len(alike)
        for side in ("left", "right"):
            for column in inwards:
                place = column if side == "left" else len(alike) - 1 - column
                lines.append(
                    {
                        "padding": padding,
                        "side": side,
                        "column": column,
                        "distance_px": (column + 0.5) * pixels,
                        "alike": alike[place],
                        "changed": changed[place],
                        "at_zero": at_zero[place],
                        "at_truth": at_truth[place],
                        "attraction": at_truth[place] - at_zero[place],
                        "frames": len(samples),
                    }
                )
    return pd.DataFrame(lines)


def border_table(profile: pd.DataFrame, share: float = 0.01) -> pd.DataFrame:
    """`border_profile` in a few numbers.

    Args:
        profile: of `border_profile`.
        share: a column counts as marked where padding changes it by more than this part of its largest change.

    Returns:
        a row a padding and side: padding, side, columns_marked (of the map, from the border on; the reference changes
        nothing and has 0), alike_outermost, alike_inside (the innermost column looked at), zero_cheaper_px (from the
        border to the innermost column where disparity zero is cheaper than the true one), frames.
    """
    lines = []
    for (padding, side), own in profile.groupby(["padding", "side"], sort=False):
        own = own.sort_values("column")
        top = profile.loc[profile["padding"] == padding, "changed"].max()
        column_px = 2 * float(own["distance_px"].iloc[0])
        lines.append(
            {
                "padding": padding,
                "side": side,
                "columns_marked": _reach(own["changed"] > share * max(top, 1e-12)),
                "alike_outermost": own["alike"].iloc[0],
                "alike_inside": own["alike"].iloc[-1],
                "zero_cheaper_px": column_px * _reach(own["attraction"] > 1e-6),
                "frames": int(own["frames"].iloc[0]),
            }
        )
    return pd.DataFrame(lines)


def _reach(holds: pd.Series) -> int:
    """Columns from the border to the innermost one where it holds."""
    return int(holds.to_numpy().nonzero()[0].max() + 1) if holds.any() else 0


def column_curves(
    samples: Sequence[StereoSample], net: nn.Module, disparities_px: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """The feature error against disparity in each column, over pixels with ground truth.

    Args:
        samples: pairs with ground truth, of one size.
        net: ``lowest(image) -> (1, C, H/2, W/2)``.
        disparities_px: the D disparities tried.

    Returns:
        ``(N, D, W)``: mean error over the rows of each of N samples, NaN where a column has no truth; and ``(N, W)``:
        the median true disparity there.
    """
    [term] = error_terms(net, names=["features"]).values()
    curves, truths = [], []
    for sample in samples:
        truth = true_disparity_px(sample).numpy()
        volume = error_volume(sample, disparities_px, term).numpy()
        known = np.isfinite(truth)
        count = known.sum(0)
        sums = np.where(known, volume, 0).sum(1)
        curves.append(np.divide(sums, count, out=np.full(sums.shape, np.nan), where=count > 0))
        middle = np.full(truth.shape[1], np.nan)
        middle[count > 0] = np.nanmedian(truth[:, count > 0], axis=0)
        truths.append(middle)
    return np.stack(curves), np.stack(truths)


def _errors_by_column(samples: Sequence[StereoSample], net: nn.Module, columns: int) -> tuple[np.ndarray, np.ndarray]:
    [term] = error_terms(net, names=["features"]).values()
    sums, count = np.zeros((2, columns)), np.zeros(columns)
    for sample in samples:
        truth = true_disparity_px(sample)
        known = torch.isfinite(truth)
        error_of = term.between(sample.image[None], sample.other[None])
        shift = sample.direction * truth.nan_to_num(0.0)[None, None]
        for index, error in enumerate((error_of(0.0), error_of(shift))):
            sums[index] += (error[0, 0] * known).reshape(len(truth), columns, -1).sum((0, 2)).numpy()
        count += known.reshape(len(truth), columns, -1).sum((0, 2)).numpy()
    return tuple(np.divide(sums, count, out=np.full(sums.shape, np.nan), where=count > 0))
