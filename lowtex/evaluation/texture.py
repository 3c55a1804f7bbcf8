"""Splitting the pixels of an image into strata, above all by texture: the paper's claim is about the low ones.

Two definitions of texture. *Gradient energy* needs only the image: the mean of the squared luminance gradient over a
square window, so it works on any data set, but an object's outline counts as texture of the wall beside it. *Known
contrast* comes from the miniature world, where each surface's texture contrast is set when the scene is built.

The thresholds were fixed from input images (three frames of an Eigen-train drive: about a fifth of the pixels fall in
``low``, half in ``high``) and from the miniature's own contrast levels, before any prediction was scored.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from lowtex.datasets.augment import LUMA
from lowtex.datasets.sample import StereoSample
from lowtex.errors import DataError, OptionError

WINDOW_FRACTION = 1 / 40
"""Side of the gradient window as a share of the image's width, so that it covers the same angle at every size."""

LOW_GRADIENT, HIGH_GRADIENT = 0.02, 0.06
"""Root of the gradient energy, luminance (of [0, 1]) per pixel: 5 and 15 grey levels of 255."""

LOW_CONTRAST, HIGH_CONTRAST = 0.02, 0.06
"""Known contrast, deviation of albedo (of [0, 1]): the world's plain surfaces stay below 0.007, its textured ones begin
at 0.025, and car paint lies between."""

DISTANCE_BINS_M = (10.0, 20.0, 40.0, 80.0)
CONTRAST_BINS = (0.005, 0.01, 0.02, 0.04, 0.08)
EDGE_STEP = 0.1
EDGE_FRACTION = 1 / 160
"""Reach of a depth edge as a share of the ground truth's width: 2 pixels of 320, 8 of 1242."""

DENSE_SHARE = 0.3
"""Depth edges are only defined where neighbours have ground truth: at least this share of the pixels must."""

STRATUM_ORDER = ("all", "low", "middle", "high", "visible", "occluded", "edge", "interior")
"""Named strata in the order of tables and figures; bins of distance or contrast follow by their numbers."""

NO_CONTRAST = ": texture contrast is only known in the miniatures; use strata='gradient' on other data"
NO_TRUTH = " has no ground truth, which these strata need"

Size = tuple[int, int] | None
"""(h, w) of masks; None = the ground truth's."""

Masks = dict[str, np.ndarray]
"""Stratum name -> bool ``(h, w)``; the strata of one kind never overlap and cover the image; ``all`` is added."""


def luminance(image: Tensor | np.ndarray) -> np.ndarray:
    """Luminance ``(H, W)`` float32 in [0, 1] of an RGB image ``(3, H, W)``; a grey ``(H, W)`` is kept.

    Raises:
        ValueError: another shape.
    """
    values = image.detach().cpu().numpy() if isinstance(image, Tensor) else np.asarray(image)
    values = values.astype(np.float32, copy=False)
    if values.ndim == 2:
        return values
    if values.ndim != 3 or values.shape[0] != 3:
        raise ValueError(f"an image is (3, H, W) or (H, W), got {values.shape}")
    return np.tensordot(np.asarray(LUMA, dtype=np.float32), values, axes=1)


def default_window_px(width: int) -> int:
    """The usual side of the window on images of that width, an odd number of pixels."""
    return int(width * WINDOW_FRACTION) | 1


def gradient_energy(image: Tensor | np.ndarray, window_px: int | None = None) -> np.ndarray:
    """Mean of the squared luminance gradient over a square window, ``(H, W)`` float32, (luminance / pixel)^2, >= 0.

    The gradient is the central difference; borders repeat.

    Args:
        image: ``(3, H, W)`` RGB or ``(H, W)`` luminance, in [0, 1].
        window_px: side of the window, pixels; None = `default_window_px`.

    Raises:
        OptionError: the window is smaller than a pixel.
    """
    grey = luminance(image)
    if window_px is None:
        window_px = default_window_px(grey.shape[1])
    if window_px < 1:
        raise OptionError(f"window_px={window_px} is out of range; expected 1 pixel or more")
    padded = np.pad(grey, 1, mode="edge")
    across = (padded[1:-1, 2:] - padded[1:-1, :-2]) / 2
    down = (padded[2:, 1:-1] - padded[:-2, 1:-1]) / 2
    squared = across**2 + down**2
    # a box filter by running sums leaves tiny negatives behind
    return np.maximum(cv2.blur(squared, (window_px, window_px), borderType=cv2.BORDER_REPLICATE), 0)


def gradient_strata(
    sample: StereoSample, size: Size = None, *, window_px: int | None = None, low=LOW_GRADIENT, high=HIGH_GRADIENT
) -> Masks:
    """``low``, ``middle`` and ``high`` texture by the root of `gradient_energy` of the image the network sees.

    ``low`` lies below the lower threshold, ``high`` at or above the upper one. The masks are taken at the image's size
    and brought to ``size`` (h, w), default the ground truth's, by nearest neighbour.
    """
    return _three(np.sqrt(gradient_energy(sample.image, window_px)), low, high, _size(sample, size))


def contrast_strata(sample: StereoSample, size: Size = None) -> Masks:
    """``low``, ``middle`` and ``high`` texture by the surface's known contrast (miniatures only).

    Raises:
        DataError: the sample's contrast is not known.
    """
    return _three(_plane(sample, "texture_contrast", NO_CONTRAST), LOW_CONTRAST, HIGH_CONTRAST, _size(sample, size))


def contrast_bins(sample: StereoSample, size: Size = None) -> Masks:
    """Finer steps of known contrast, for error-against-contrast curves: ``<0.005``, ``0.005-0.01``, … ``>=0.08``."""
    return _binned(
        _resized(_plane(sample, "texture_contrast", NO_CONTRAST), _size(sample, size)), CONTRAST_BINS, unit=""
    )


def visibility_strata(sample: StereoSample, size: Size = None) -> Masks:
    """``visible`` and ``occluded``: whether the other camera sees the point too (miniatures only).

    Raises:
        DataError: the sample does not know.
    """
    lacks = ": which points the other camera sees is only known in the miniatures"
    seen = _resized(_plane(sample, "visible", lacks), _size(sample, size)) > 0
    return _with_all({"visible": seen, "occluded": ~seen})


def edge_strata(sample: StereoSample, size: Size = None, *, radius_px: int | None = None) -> Masks:
    """``edge`` and ``interior``: within ``radius_px`` pixels of a depth edge of dense ground truth, or not.

    The default radius is `EDGE_FRACTION` of the width, at least one pixel.

    An edge is where inverse depth bends, along a row or a column, by more than `EDGE_STEP` of its largest value among
    the three neighbours. A plane seen at any angle is linear in inverse depth and has none, which a threshold on depth
    itself gets wrong on the road. A pixel without ground truth counts as infinitely far (sky).

    Raises:
        DataError: too few pixels have ground truth to tell an edge from a gap, or they are far from square (a grid).
    """
    truth, rig = _plane(sample, "depth", NO_TRUTH), sample.rig
    (height, width), (rows, columns), known = sample.image.shape[-2:], truth.shape, (truth > 0).mean()
    tall = height / rows / rig.fy * rig.focal_px / (width / columns)
    if known < DENSE_SHARE or not 0.25 < tall < 4:
        sparse, oblong = f"only {known:.0%} of the pixels have any", f"each is {tall:.2g} times as high as wide"
        raise DataError(
            f"{sample.name}: depth edges need dense ground truth of square pixels, but "
            f"{sparse if known < DENSE_SHARE else oblong}; use this on Virtual KITTI 2 or its miniature"
        )
    if radius_px is None:
        radius_px = max(1, round(truth.shape[1] * EDGE_FRACTION))
    inverse = np.divide(1.0, truth, out=np.zeros_like(truth), where=truth > 0)
    edge = _bends(inverse) | _bends(inverse.T).T
    near = cv2.dilate(edge.astype(np.uint8), np.ones((2 * radius_px + 1, 2 * radius_px + 1), np.uint8))
    near = _resized(near, _size(sample, size)) > 0
    return _with_all({"edge": near, "interior": ~near})


def distance_strata(sample: StereoSample, size: Size = None) -> Masks:
    """Bins of true depth: ``<10 m``, ``10-20 m``, ``20-40 m``, ``40-80 m``, ``>=80 m`` (a pixel without is nearest)."""
    return _binned(_resized(_plane(sample, "depth", NO_TRUTH), _size(sample, size)), DISTANCE_BINS_M, unit=" m")


STRATA: dict[str, Callable[..., Masks]] = {
    "known": contrast_strata,
    "gradient": gradient_strata,
    "contrast": contrast_bins,
    "visibility": visibility_strata,
    "edges": edge_strata,
    "distance": distance_strata,
}
"""Kinds of strata by name."""


def strata(sample: StereoSample, kind: str, size: Size = None, **options) -> Masks:
    """The masks of one kind, or of several crossed: ``known*distance`` gives ``low/<10 m`` and so on.

    Args:
        sample: with the ground truth (or ``size``), and what the kind needs.
        kind: a name of `STRATA`, or several joined by ``*``.
        size: (h, w) of the masks; None = the ground truth's.
        options: of the kind's function (not for crossed kinds).

    Returns:
        stratum -> bool ``(h, w)``, with ``all`` last.

    Raises:
        OptionError: an unknown kind.
        DataError: the sample lacks what the kind needs; names the sample.
    """
    parts = kind.split("*")
    for part in parts:
        if part not in STRATA:
            raise OptionError(f"strata={part!r} is not known; choose of: {', '.join(STRATA)} (cross them with *)")
    if len(parts) == 1:
        return STRATA[kind](sample, size, **options)
    crossed = STRATA[parts[0]](sample, size)
    for part in parts[1:]:
        pairs = itertools.product(crossed.items(), STRATA[part](sample, size).items())
        crossed = {f"{a}/{b}": mask & other for (a, mask), (b, other) in pairs if "all" not in (a, b)}
    return _with_all(crossed)


def strata_makers(kinds: str | Sequence[str] | Mapping[str, Callable[..., Masks]] | None) -> dict[str, Callable]:
    """What ``evaluate(strata=…)`` takes, as label -> function(sample, size): names, or labelled functions."""
    if kinds is None:
        return {}
    if isinstance(kinds, Mapping):
        return dict(kinds)
    names = [kinds] if isinstance(kinds, str) else list(kinds)
    return {kind: lambda sample, size=None, kind=kind: strata(sample, kind, size) for kind in names}


def _three(values: np.ndarray, low: float, high: float, size: tuple[int, int]) -> Masks:
    if not 0 <= low <= high:
        raise OptionError(f"texture thresholds must hold 0 <= low <= high, got low={low}, high={high}")
    values = _resized(values, size)
    return _with_all({"low": values < low, "middle": (values >= low) & (values < high), "high": values >= high})


def _binned(values: np.ndarray, edges: Sequence[float], unit: str) -> Masks:
    index = np.digitize(values, edges)
    between = [f"{a:g}-{b:g}{unit}" for a, b in itertools.pairwise(edges)]
    names = [f"<{edges[0]:g}{unit}", *between, f">={edges[-1]:g}{unit}"]
    return _with_all({name: index == i for i, name in enumerate(names)})


def _bends(values: np.ndarray) -> np.ndarray:
    padded = np.pad(values, ((0, 0), (1, 1)), mode="edge")
    before, after = padded[:, :-2], padded[:, 2:]
    bend = np.abs(before - 2 * values + after)
    # the two border columns have one neighbour only, and a slope is no bend
    bend[:, [0, -1]] = 0
    return bend > EDGE_STEP * np.maximum(np.maximum(before, values), after)


def _with_all(masks: Masks) -> Masks:
    return {**masks, "all": np.ones_like(next(iter(masks.values())))}


def _resized(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if values.shape == tuple(size):
        return values
    return cv2.resize(values, (size[1], size[0]), interpolation=cv2.INTER_NEAREST_EXACT)


def _plane(sample: StereoSample, name: str, lacks: str) -> np.ndarray:
    """A map ``(1, h, w)`` of the sample as float32 ``(h, w)``; ``lacks`` says what is wrong where it has none."""
    values = getattr(sample, name)
    if values is None:
        raise DataError(f"{sample.name}{lacks}")
    if values.dim() != 3 or values.shape[0] != 1:
        raise DataError(f"{sample.name}: expected a map (1, h, w), got {tuple(values.shape)}")
    return values[0].detach().cpu().to(torch.float32).numpy()


def _size(sample: StereoSample, size: Size) -> tuple[int, int]:
    of = sample.image if sample.depth is None else sample.depth
    return tuple(of.shape[-2:]) if size is None else tuple(size)
