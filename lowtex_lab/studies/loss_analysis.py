"""What a data term sees: its error as a function of disparity, how far it guides descent, and how hard it pulls.

from lowtex_lab.studies.loss_analysis import error_terms, error_volume
terms = error_terms(feature_net, random_net)
error_of = terms["census"](image, other)              # maps of both views, made once
error_of(shift_px)                                    # (B, 1, H, W), differentiable in the shift
error_volume(sample, [0, 1, 2], terms["census"])      # (3, H, W)

A term is what the objective minimises (`lowtex.losses.objective`), before masks and means, and made of the very same
functions: an image is turned into a map (itself, or a feature map of half the size), the other view's map is moved
sideways, and the two are compared.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lowtex.datasets.sample import StereoSample
from lowtex.devices import device_of
from lowtex.errors import OptionError, require_choice
from lowtex.evaluation.texture import strata
from lowtex.geometry import depth_to_disparity, in_view, warp_horizontal
from lowtex.losses import auto_mask, feature_map_error, identity_threshold
from lowtex.losses.objective import pixel_error
from lowtex.progress import track
from lowtex.settings import LossSettings

SETTINGS: dict[str, LossSettings] = {
    "pixels": LossSettings(data_term="pixels"),
    "features": LossSettings(data_term="features"),
    "features ssim": LossSettings(data_term="features", feature_distance="ssim_l1"),
    "census": LossSettings(data_term="pixels", pixel_error="census"),
    "zncc": LossSettings(data_term="pixels", pixel_error="zncc"),
    "random features": LossSettings(data_term="features"),
    "pixels + features": LossSettings(data_term="both"),
}
"""The terms, by name, as the objective's settings. ``random features`` are those of a network never trained;
``pixels + features`` are both with equal weight (FeatDepth's form; its weight of 1e-3 belongs to maps of its scale)."""

HALF_SIZE = "pixels at half size"
"""The pixel term after 2x2 pixels were averaged, which no objective uses: to tell what resolution alone does."""

TERMS = (*SETTINGS, HALF_SIZE)
"""All names."""

ErrorTerm = Callable[[Tensor, Tensor], Callable[[Tensor | float], Tensor]]
"""Target and other view ``(B, 3, H, W)`` in [0, 1] -> the error as a function of the shift, see `error_between`."""


def error_terms(
    feature_net: nn.Module | None = None, random_net: nn.Module | None = None, names: Sequence[str] | None = None
) -> dict[str, ErrorTerm]:
    """Data terms by name, in the order asked for.

    Args:
        feature_net: the trained network, frozen; ``lowest(image) -> (B, C, H/2, W/2)``.
        random_net: one that was never trained, for ``random features``.
        names: of `TERMS`; None = all of `SETTINGS` that the networks given allow.

    Raises:
        OptionError: an unknown name, or one that needs a network which was not given.
    """
    nets = {name: feature_net for name in TERMS if "features" in name} | {"random features": random_net}
    if names is None:
        names = [name for name in SETTINGS if nets.get(name, True) is not None]
    for name in names:
        require_choice("data term", name, TERMS)
        if nets.get(name, True) is None:
            wanted = "random_net" if name == "random features" else "feature_net"
            raise OptionError(f"data term {name!r} compares feature maps: give a {wanted}")
    return {name: partial(error_between, name, nets.get(name)) for name in names}


def error_between(name: str, net: nn.Module | None, image: Tensor, other: Tensor) -> Callable[[Tensor | float], Tensor]:
    """A term's error as a function of the shift that brings the other view to the target.

    A shift is brought to a smaller map's size as training does it, by bilinear interpolation, and counted in that map's
    pixels; its errors are repeated to the image's size. So a place of a half-size map counts for the four pixels it
    stands for, and terms of different sizes have means, sums and gradients of one unit.

    Args:
        name: of `TERMS`.
        net: feature network, where the term needs one.
        image, other: target and other view ``(B, 3, H, W)`` in [0, 1]; no gradient reaches them.

    Returns:
        ``shift_px -> (B, 1, H, W)``: the shift in pixels of the image, signed as for `lowtex.geometry.warp_horizontal`,
        ``(B, 1, H, W)`` with gradient, or one number for all.
    """
    loss, size = SETTINGS["pixels" if name == HALF_SIZE else name], tuple(image.shape[2:])
    views, parts = (image.detach(), other.detach()), []
    with torch.no_grad():
        if loss.uses_pixels:
            target, moving = (F.avg_pool2d(view, 2) if name == HALF_SIZE else view for view in views)
            parts.append((loss.pixel_weight, moving, partial(pixel_error, loss, target)))
        if loss.uses_features:
            target, moving = (net.lowest(view.to(device_of(net))).to(view.device) for view in views)
            error = partial(feature_map_error, target, distance=loss.feature_distance, alpha=loss.ssim_alpha)
            parts.append((loss.feature_weight, moving, error))

    def error_of(shift_px: Tensor | float) -> Tensor:
        errors = [weight * error(_moved(moving, shift_px, size)) for weight, moving, error in parts]
        errors = [F.interpolate(error, size, mode="nearest-exact") for error in errors]
        return torch.stack(errors).sum(0) if len(errors) > 1 else errors[0]

    return error_of


def _moved(maps: Tensor, shift_px: Tensor | float, size: tuple[int, int]) -> Tensor:
    """``warp_horizontal`` of a map by a shift in pixels of the image of that ``size``."""
    share = maps.shape[-1] / size[1]
    if isinstance(shift_px, Tensor):
        if tuple(maps.shape[2:]) != size:
            shift_px = F.interpolate(shift_px, maps.shape[2:], mode="bilinear", align_corners=False)
        return warp_horizontal(maps, shift_px * share)
    # the same for all: whole columns are fetched, which costs a fraction of fetching each value
    last = maps.shape[-1] - 1
    position = (torch.arange(last + 1, dtype=torch.float64, device=maps.device) - shift_px * share).clamp(0, last)
    low = position.floor()
    left, weight = maps.index_select(-1, low.long()), (position - low).to(maps.dtype)
    if not weight.any():
        return left
    return torch.lerp(left, maps.index_select(-1, (low.long() + 1).clamp(max=last)), weight)


def true_disparity_px(sample: StereoSample) -> Tensor:
    """Ground-truth disparity ``(H, W)`` in pixels of the image, >= 0; NaN where there is none.

    Raises:
        ValueError: the sample has no ground truth.
    """
    if sample.depth is None:
        raise ValueError(f"{sample.name} has no ground-truth depth; open the data set with depth")
    # nearest, never linear: a depth between wall and sky belongs to neither
    depth = F.interpolate(sample.depth[None].float(), size=sample.image.shape[-2:], mode="nearest-exact")
    return torch.where(depth > 0, depth_to_disparity(depth, sample.rig), torch.nan)[0, 0]


def seen_by_both(sample: StereoSample, offset_px: float = 0.0) -> np.ndarray:
    """Pixels ``(H, W)`` whose match exists: with ground truth, inside the other image, and, where known, not hidden.

    ``offset_px`` is added to every disparity.
    """
    truth = true_disparity_px(sample)
    shift = sample.direction * (truth.nan_to_num(0.0) + offset_px)
    seen = torch.isfinite(truth) & in_view(shift[None, None])[0, 0]
    if sample.visible is not None:
        visible = F.interpolate(sample.visible[None].float(), size=truth.shape, mode="nearest-exact")
        seen &= visible[0, 0] > 0.5
    return seen.numpy()


def texture_regions(sample: StereoSample, margin_px: int = 3) -> dict[str, np.ndarray]:
    """``low``, ``middle``, ``high`` texture (known contrast, or the image's gradient), bool ``(H, W)`` each.

    Only pixels that both cameras see and that are more than ``margin_px`` away from every depth edge.
    """
    size = tuple(sample.image.shape[-2:])
    judged = seen_by_both(sample) & strata(sample, "edges", size, radius_px=margin_px)["interior"]
    masks = strata(sample, "gradient" if sample.texture_contrast is None else "known", size)
    return {name: masks[name] & judged for name in ("low", "middle", "high")}


@torch.no_grad()
def error_volume(sample: StereoSample, disparities_px: Sequence[float], term: ErrorTerm) -> Tensor:
    """A data term's error at every pixel for every disparity tried, the same for the whole image, ``(D, H, W)``.

    Args:
        sample: with both views.
        disparities_px: at the image's size, >= 0; the sample's direction gives the sign.
        term: of `error_terms`; errors of half-size maps are repeated to full size.

    Raises:
        ValueError: the sample has no second view.
    """
    error_of = term(*_views(sample))
    return torch.stack([error_of(sample.direction * float(disparity))[0, 0] for disparity in disparities_px])


def error_gradient(sample: StereoSample, disparity_px: Tensor, term: ErrorTerm) -> Tensor:
    """Derivative of a data term by each pixel's disparity, ``(H, W)``, per pixel of disparity at the image's size.

    An error depends on its neighbours' disparities too, through SSIM's windows and through maps of half the size; this
    is the derivative of the sum of the errors of all pixels, which is what training uses. Positive where descent makes
    the disparity smaller.

    Args:
        sample: with both views.
        disparity_px: ``(H, W)`` in pixels at the image's size, >= 0.
        term: of `error_terms`.

    Raises:
        ValueError: the sample has no second view.
    """
    image, other = _views(sample)
    disparity = disparity_px[None, None].detach().to(image.dtype).requires_grad_(True)
    return torch.autograd.grad(term(image, other)(sample.direction * disparity).sum(), disparity)[0][0, 0]


def _views(sample: StereoSample) -> tuple[Tensor, Tensor]:
    if sample.other is None:
        raise ValueError(f"{sample.name} has no second view; open the data set with views=True")
    return sample.image[None], sample.other[None]


def basin_px(curves: np.ndarray, tried_px: np.ndarray, truth_px: np.ndarray, near_px: float = 1.0) -> np.ndarray:
    """Width of the basin round the truth, pixels: as far on both sides as the error rises without a break.

    Its bottom is the smallest error within ``near_px`` of the truth (or at the nearest disparity tried). From anywhere
    inside, steps downhill end at the bottom; a single wiggle ends the basin.

    Args:
        curves: ``(D, N)`` errors of N pixels.
        tried_px: ``(D,)`` the disparities tried, rising.
        truth_px: ``(N,)`` the true ones, within those tried.
        near_px: how near the bottom must be.

    Returns:
        ``(N,)``.
    """
    distance = np.abs(tried_px[:, None] - truth_px)
    near = distance <= np.maximum(near_px, distance.min(0))
    bottom = np.where(near, curves, np.inf).argmin(0)
    low, high, columns = bottom.copy(), bottom.copy(), np.arange(curves.shape[1])
    for _ in range(len(tried_px) - 1):
        up = np.minimum(high + 1, len(tried_px) - 1)
        high = np.where(curves[up, columns] > curves[high, columns], up, high)
        down = np.maximum(low - 1, 0)
        low = np.where(curves[down, columns] > curves[low, columns], down, low)
    return tried_px[high] - tried_px[low]


def toward_truth(curves: np.ndarray, tried_px: np.ndarray, truth_px: np.ndarray, offset_px: float) -> np.ndarray:
    """Whether the error falls towards the truth at a distance from it, ``(N,)``: 1 yes, 0 no, 0.5 level.

    Compared are the disparity tried that is nearest to truth plus offset, and its neighbour on the side of the truth;
    NaN where one of them was not tried.

    Args:
        curves, tried_px, truth_px: as for `basin_px`; disparities evenly spaced.
        offset_px: distance from the truth, at least one step of what was tried; positive is too near.
    """
    step = tried_px[1] - tried_px[0]
    here = np.round((truth_px + offset_px - tried_px[0]) / step).astype(int)
    nearer, last = here - int(np.sign(offset_px)), len(tried_px) - 1
    inside = (np.minimum(here, nearer) >= 0) & (np.maximum(here, nearer) <= last)
    columns = np.arange(curves.shape[1])
    fall = curves[here.clip(0, last), columns] - curves[nearer.clip(0, last), columns]
    return np.where(inside, 0.5 + 0.5 * np.sign(fall), np.nan)


def basins_of_frames(
    samples: Sequence[StereoSample],
    terms: Mapping[str, ErrorTerm],
    *,
    step_px: float = 1.0,
    beyond_px: float = 8.0,
    offsets_px: Sequence[float] = (),
) -> pd.DataFrame:
    """How far each data term guides descent, by texture, frame by frame.

    Judged are the pixels of `texture_regions` whose match stays inside the other image for every disparity tried, so
    that no curve ends in repeated border values.

    Args:
        samples: pairs with ground truth.
        terms: of `error_terms`.
        step_px: between the disparities tried, from 0 on.
        beyond_px: how far beyond the largest true disparity to try.
        offsets_px: distances from the truth at which to ask for the pull, on both sides, each at least a step.

    Returns:
        a row a frame, term, stratum (low, middle, high) and measure that holds pixels: frame, loss, stratum, measure,
        offset_px, value (mean over pixels), pixels. Measures: ``found`` (the smallest error of all lies within a pixel
        of the truth), ``basin_px`` (`basin_px`) and, for each offset, ``toward`` (`toward_truth`, of both sides).

    Raises:
        ValueError: no sample with pixels that can be judged, or one without second view or ground truth.
    """
    lines = []
    for sample in track(samples, "errors against disparity", unit="frame"):
        truth, regions = true_disparity_px(sample), texture_regions(sample)
        judged = np.logical_or.reduce(list(regions.values()))
        if not judged.any():
            continue
        tried = np.arange(0, float(truth.numpy()[judged].max()) + beyond_px, step_px)
        judged &= in_view(torch.full((1, 1, *truth.shape), sample.direction * float(tried[-1])))[0, 0].numpy()
        true = truth.numpy()[judged].astype(float)
        for loss, term in terms.items():
            curves = error_volume(sample, tried, term).numpy()[:, judged].astype(float)
            measured = {("found", 0.0): np.abs(tried[curves.argmin(0)] - true) <= 1.0}
            measured["basin_px", 0.0] = basin_px(curves, tried, true)
            for offset in offsets_px:
                sides = [toward_truth(curves, tried, true, sign * offset) for sign in (1, -1)]
                measured["toward", float(offset)] = np.stack(sides)
            for stratum, mask in regions.items():
                for (measure, offset), values in measured.items():
                    values = values[..., mask[judged]]
                    values = values[np.isfinite(values)]
                    if values.size:
                        lines.append((sample.name, loss, stratum, measure, offset, values.mean(), values.size))
    if not lines:
        raise ValueError("basins_of_frames needs at least one sample with pixels that can be judged")
    return pd.DataFrame(lines, columns=["frame", "loss", "stratum", "measure", "offset_px", "value", "pixels"])


def disparity_gradients(sample: StereoSample, offset_px: float, terms: Mapping[str, ErrorTerm]) -> dict[str, Tensor]:
    """`error_gradient` of several data terms at the true disparity put wrong by ``offset_px``.

    Args:
        sample: with second view and dense ground truth.
        offset_px: added to the true disparity everywhere, pixels of the image; positive is too near.
        terms: of `error_terms`.

    Returns:
        each term by its name ``(H, W)``: error per pixel of disparity, positive where descent makes the disparity
        smaller; ``kept``: bool, where Monodepth2's auto-mask would let the pixel term through; ``judged``: bool, where
        truth is known, the other camera sees the point and both disparities stay in view.

    Raises:
        ValueError: the sample has no second view or no ground truth.
    """
    image, other = _views(sample)
    # the sky has no truth; infinitely far is what it is
    wrong = true_disparity_px(sample).nan_to_num(0.0) + offset_px
    shift = sample.direction * wrong[None, None]
    with torch.no_grad():
        pixel_error_of = error_terms(names=["pixels"])["pixels"](image, other)
        kept = auto_mask(pixel_error_of(shift), identity_threshold(pixel_error_of(0.0)))[0, 0]
    judged = torch.from_numpy(seen_by_both(sample)) & in_view(shift)[0, 0]
    found = {name: error_gradient(sample, wrong, term) for name, term in terms.items()}
    return found | {"kept": kept, "judged": judged}


def gradients_by_texture(
    samples: Iterable[StereoSample], offsets_px: Sequence[float], kind: str, terms: Mapping[str, ErrorTerm]
) -> pd.DataFrame:
    """How strongly each data term pulls at surfaces of each texture, and how often in the right direction.

    Args:
        samples: pairs with dense ground truth.
        offsets_px: errors of disparity to pull back from; averaged.
        kind: of strata, see `lowtex.evaluation.texture.STRATA`.
        terms: of `error_terms`.

    Returns:
        A row a loss and stratum: loss, stratum, magnitude (mean absolute gradient over that loss's own mean, so 1 is
        average), toward (share of pixels that descent moves towards the truth; 0.5 is chance), kept (share that the
        auto-mask keeps; the pixel term only), pixels, images.

    Raises:
        DataError: the samples lack what the strata need. ValueError: as in `disparity_gradients`, or no samples.
    """
    samples, lines = list(samples), []
    for sample in samples:
        masks = strata(sample, kind, tuple(sample.image.shape[-2:]))
        for offset in offsets_px:
            found = disparity_gradients(sample, offset, terms)
            kept, judged = found.pop("kept").numpy(), found.pop("judged").numpy()
            for loss, gradient in found.items():
                for stratum, mask in masks.items():
                    inside = mask & judged
                    pull = gradient.numpy()[inside]
                    right = (np.sign(pull) == np.sign(offset)) + 0.5 * (pull == 0)
                    lines.append((loss, stratum, np.abs(pull).sum(), right.sum(), kept[inside].sum(), inside.sum()))
    if not lines:
        raise ValueError("gradients_by_texture needs at least one sample")
    sums = pd.DataFrame(lines, columns=["loss", "stratum", "magnitude", "toward", "kept", "pixels"])
    sums = sums.groupby(["loss", "stratum"], sort=False).sum()
    means = sums[sums["pixels"] > 0].astype(float)
    means = means.div(means["pixels"], axis=0).assign(pixels=means["pixels"].astype(int)).reset_index()
    average = means[means["stratum"] == "all"].set_index("loss")["magnitude"]
    means["magnitude"] /= means["loss"].map(average)
    means["kept"] = means["kept"].where(means["loss"] == "pixels")
    return means.assign(images=len(samples))
