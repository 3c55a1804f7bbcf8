"""What the smoothness terms want when nothing else speaks: made-up surfaces, and a scan line without any network.

A `Line` is a row of disparities known at some pixels only: a plain wall between two textured strips. `fill` finds the
cheapest row under a data term and the two smoothness terms, exactly, and `band` all that are equally cheap. The terms
are those of `lowtex.losses.smoothness`; `objective` evaluates them, and a test holds the linear programme against it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from scipy.optimize import linprog
from torch import Tensor

from lowtex.errors import OptionError
from lowtex.losses import normalise_disparity, smoothness_first_order, smoothness_second_order
from lowtex.seeding import generator, numpy_generator

SLACK = 1e-7
"""By how much of its cost (plus itself) a row may exceed the cheapest one and still count as equally cheap."""


@dataclass(frozen=True)
class Surface:
    """A made-up disparity and what each term must say about it on a plain image.

    Attributes:
        disparity: ``(1, 1, H, W)`` float64, above 0, unitless.
        first, second: the two terms by hand; for noise, their expectation.
    """

    disparity: Tensor
    first: float
    second: float


def surfaces(
    height: int = 48, width: int = 48, slope: float = 0.1, rise: float = 0.4, noise: float = 0.1, seed: int = 0
) -> dict[str, Surface]:
    """A plane that faces the camera, one that is slanted, a step, a ramp, a ridge, and white noise, by name.

    All but the noise vary along the rows alone: ``W - 1`` first and ``W - 2`` second differences of each row. Of white
    noise of deviation s a first difference has deviation sqrt(2) s, a second one sqrt(6) s, a mixed one 2 s, and the
    mean of a normal variable's absolute value is sqrt(2 / pi) of its deviation.

    Raises:
        OptionError: an odd width, or sizes below 6.
    """
    if width % 2 or min(height, width) < 6:
        raise OptionError(f"height={height}, width={width}: expected at least 6 each and an even width")
    x = torch.arange(width, dtype=torch.float64)
    middle, mean_abs = width // 2, math.sqrt(2 / math.pi)
    rows = {
        "facing plane": (0 * x, 0.0, 0.0),
        "slanted plane": (slope * x, slope, 0.0),
        "step": (rise * (x >= middle).double(), rise / (width - 1), 2 * rise / (width - 2)),
        "ramp": (slope * (x - middle).clamp(min=0), slope * (middle - 1) / (width - 1), slope / (width - 2)),
        # two columns share the top: one difference of 0 between rise and fall
        "ridge": (slope * torch.minimum(x, width - 1 - x), slope * (width - 2) / (width - 1), 2 * slope / (width - 2)),
    }
    found = {name: Surface((1 + row).expand(1, 1, height, width), *terms) for name, (row, *terms) in rows.items()}
    white = torch.randn(1, 1, height, width, generator=generator(seed, "noisy surface"), dtype=torch.float64)
    by_hand = (2 * math.sqrt(2) * noise * mean_abs, (2 * math.sqrt(6) + 2 * 2) * noise * mean_abs)
    return found | {"noise": Surface((1 + noise * white).clamp(min=1e-3), *by_hand)}


def plain(like: Tensor) -> Tensor:
    """An image ``(B, 3, H, W)`` without any edge, for a disparity ``(B, 1, H, W)``."""
    return torch.full_like(like, 0.5).expand(-1, 3, -1, -1)


@dataclass(frozen=True)
class Line:
    """A scan line of which the disparity is measured at some pixels.

    Attributes:
        truth_px: ``(W,)`` true disparity in pixels.
        known: ``(W,)`` bool, textured: measured there.
        picture: ``(W,)`` brightness in [0, 1], for the edge weights.
    """

    truth_px: np.ndarray
    known: np.ndarray
    picture: np.ndarray


def lines(width: int = 40, strip: int = 8, edge: float = 1.0) -> dict[str, Line]:
    """A plain wall between two textured strips, in seven situations, by name.

    Args:
        width: of the row in pixels.
        strip: of each textured strip.
        edge: brightness step of the picture where depth steps, in ``step, image edge``.

    Raises:
        OptionError: strips that leave less than four plain pixels, or an edge outside [0, 1].
    """
    if not (2 <= strip and 2 * strip + 4 <= width and 0 <= edge <= 1):
        raise OptionError(f"width={width}, strip={strip}, edge={edge}: strips of 2 or more must leave 4 pixels between")
    x = np.arange(width)
    both, left, none = (x < strip) | (x >= width - strip), x < strip, np.full(width, 0.5)
    slanted, halves = 12 + 16 * x / (width - 1), np.where(x < width // 2, 14.0, 26.0)
    outlined = np.where(x < width // 2, 0.5 - edge / 2, 0.5 + edge / 2)
    return {
        "facing wall": Line(np.full(width, 20.0), both, none),
        "slanted wall": Line(slanted, both, none),
        "facing, one side": Line(np.full(width, 20.0), left, none),
        "slanted, one side": Line(slanted, left, none),
        "kink": Line(14 + 20 * np.maximum(x - width // 2, 0) / width, both, none),
        "step": Line(halves, both, none),
        "step, image edge": Line(halves, both, outlined),
    }


def observed(line: Line, noise_px: float, seed: int) -> Line:
    """The same line with noise of that deviation on what is measured; its truth is then the measurement."""
    noise = numpy_generator(seed, "noisy line").normal(0, noise_px, len(line.truth_px)) if noise_px else 0.0
    return Line(line.truth_px + noise, line.known, line.picture)


def objective(
    row_px: Tensor, line: Line, first: float, second: float, edge_decay: float = 0.5, quantity: str = "disparity"
) -> Tensor:
    """Mean ``|d - measured|`` over the known pixels plus the weighted terms of the package, a scalar to differentiate.

    Args:
        row_px: ``(W,)`` disparities tried.
        line: its ``truth_px`` is taken as measured.
        first, second: weights of the terms.
        edge_decay: as in `lowtex.losses.smoothness_first_order`.
        quantity: ``disparity`` (pixels) or ``normalised_disparity``.
    """
    field = row_px[None, None, None, :]
    image = torch.as_tensor(line.picture, dtype=row_px.dtype).expand(1, 3, 1, -1)
    smoothed = normalise_disparity(field) if quantity == "normalised_disparity" else field
    known = torch.as_tensor(line.known)
    data = (row_px - torch.as_tensor(line.truth_px, dtype=row_px.dtype))[known].abs().mean()
    terms = smoothness_first_order(smoothed, image, edge_decay), smoothness_second_order(smoothed, image, edge_decay)
    return data + first * terms[0] + second * terms[1]


class _Programme:
    """``objective`` as a linear programme: every absolute value is a variable that bounds it from both sides."""

    def __init__(self, line: Line, first: float, second: float, edge_decay: float):
        if min(first, second) < 0 or not (first or second):
            raise OptionError(f"first={first}, second={second}: expected weights of 0 or more, not both 0")
        self.width = width = len(line.truth_px)
        eye = np.eye(width)
        steps, bends = np.diff(eye, axis=0), np.diff(eye, n=2, axis=0)
        known = eye[line.known]
        parts = [(known, np.full(len(known), 1 / len(known)))]
        parts += [
            (rows, weight * np.exp(-edge_decay * np.abs(rows @ line.picture)) / len(rows))
            for rows, weight in ((steps, first), (bends, second))
            if weight
        ]
        matrix, self.cost = np.vstack([rows for rows, _ in parts]), np.concatenate([w for _, w in parts])
        offset = np.concatenate([line.truth_px[line.known], np.zeros(len(matrix) - len(known))])
        slack = np.eye(len(matrix))
        self.bounds_matrix = np.block([[matrix, -slack], [-matrix, -slack]])
        self.bounds = np.concatenate([offset, -offset])

    def solve(self, direction: np.ndarray | None = None, budget: float = math.inf) -> tuple[np.ndarray, float]:
        """The cheapest row, or of those within the budget the one that goes farthest against ``direction``."""
        cost = np.concatenate([np.zeros(self.width), self.cost])
        goal = cost if direction is None else np.concatenate([direction, np.zeros(len(self.cost))])
        matrix, bounds = self.bounds_matrix, self.bounds
        if math.isfinite(budget):
            matrix, bounds = np.vstack([matrix, cost]), np.append(bounds, budget)
        # the box only keeps a direction without any price finite
        result = linprog(goal, matrix, bounds, bounds=[(-1e3, 1e3)] * self.width + [(0, None)] * len(self.cost))
        if not result.success:
            raise OptionError(f"the row cannot be filled in ({result.message}); weights may be too far apart")
        return result.x[: self.width], float(cost @ result.x)


def fill(line: Line, first: float, second: float, edge_decay: float = 0.5) -> np.ndarray:
    """A row ``(W,)`` in pixels that minimises `objective` (of disparity). Where several do, see `band`.

    Raises:
        OptionError: negative weights, or both 0.
    """
    return _Programme(line, first, second, edge_decay).solve()[0]


def band(line: Line, first: float, second: float, edge_decay: float = 0.5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lowest and highest disparity of each plain pixel among *all* minimisers, and one minimiser inside, ``(W,)`` each.

    The middle one is the mean of all the rows that reach an end somewhere: minimisers of a convex function are a convex
    set, so it is one of them.

    Raises:
        OptionError: as `fill`.
    """
    programme = _Programme(line, first, second, edge_decay)
    _, best = programme.solve()
    budget = best + SLACK * (1 + best)
    eye = np.eye(programme.width)
    # where data are, rows differ no more than those that are looked for elsewhere
    asked = np.flatnonzero(~line.known)
    ends = np.stack([programme.solve(sign * eye[at], budget)[0] for at in asked for sign in (1, -1)])
    return ends.min(0), ends.max(0), ends.mean(0)


def band_table(chosen: Mapping[str, Line], weights: Mapping[str, tuple[float, float]]) -> pd.DataFrame:
    """`band` of lines under several weights, for `plots.scan_lines`: a row a line, name of weights and pixel.

    Returns:
        line, terms, x, truth_px, known, low, high, inside.
    """
    frames = []
    for name, line in chosen.items():
        for terms, (first, second) in weights.items():
            low, high, inside = band(line, first, second)
            columns = {"truth_px": line.truth_px, "known": line.known, "low": low, "high": high, "inside": inside}
            frames.append(pd.DataFrame({"line": name, "terms": terms, "x": np.arange(len(low)), **columns}))
    return pd.concat(frames, ignore_index=True)


def break_even(line: Line) -> float:
    """Weight of the second order over that of the first from which on a slope is kept over the plain pixels.

    By hand, for a plain run of n pixels that has data at one side, on a picture without edges: to go on with slope m
    costs ``first m n / (W - 1)``, to turn flat ``second m / (W - 2)``, once.
    """
    width = len(line.truth_px)
    return float((~line.known).sum() * (width - 2) / (width - 1))


def pull_by_distance(
    line: Line, weights: Mapping[str, tuple[float, float]], start_px: float, quantity: str = "disparity"
) -> pd.DataFrame:
    """Who feels a pull when the textured strips are right already and the plain part still lies at its start.

    Returns:
        a row a plain pixel and name of weights: terms, distance (pixels to the nearest known one), gradient (of
        `objective`, by automatic differentiation; above 0 it is pushed to smaller disparity).
    """
    at = np.flatnonzero(line.known)
    rows = []
    for terms, (first, second) in weights.items():
        start = torch.as_tensor(np.where(line.known, line.truth_px, start_px)).requires_grad_()
        objective(start, line, first, second, quantity=quantity).backward()
        rows += [
            (terms, int(np.abs(at - pixel).min()), float(start.grad[pixel])) for pixel in np.flatnonzero(~line.known)
        ]
    return pd.DataFrame(rows, columns=["terms", "distance", "gradient"])


def fill_table(
    chosen: Mapping[str, Line],
    weights: Mapping[str, tuple[float, float]],
    noise_px: Sequence[float] = (0.0,),
    seeds: Sequence[int] = (0,),
    edge_decay: float = 0.5,
) -> pd.DataFrame:
    """Error of the filled-in part of lines under several weights, a row each.

    Returns:
        line, terms, noise_px, seed, plain_pixels, error_px (mean over the plain pixels).
    """
    rows = []
    for name, line in chosen.items():
        for terms, (first, second) in weights.items():
            for noise in noise_px:
                for seed in seeds:
                    filled = fill(observed(line, noise, seed), first, second, edge_decay)
                    error = np.abs(filled - line.truth_px)[~line.known]
                    rows.append((name, terms, noise, seed, len(error), float(error.mean())))
    return pd.DataFrame(rows, columns=["line", "terms", "noise_px", "seed", "plain_pixels", "error_px"])
