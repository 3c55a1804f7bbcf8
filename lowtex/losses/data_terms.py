"""The data terms of the objective. Each compares the target with the other view at all disparity scales.

A data term is an object with ``name``, ``weight`` and ``__call__(step) -> (value, kept)``: a scalar with gradient and
the fraction of places that gave it, detached. A further one is one more such class and one more line in
`lowtex.losses.objective.data_terms`; a further way to compare pixels is one more line in `pixel_comparison`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lowtex.geometry import StereoRig, warp_horizontal
from lowtex.losses.census_zncc import census_error, zncc_error
from lowtex.losses.fast_photometric import PixelPair
from lowtex.losses.feature_map import feature_map_error, warped_feature_error
from lowtex.losses.masks import auto_mask, identity_threshold, masked_mean, out_of_view_mask
from lowtex.losses.photometric import patch_statistics, photometric_error
from lowtex.settings import LossSettings


@dataclass
class StereoStep:
    """What all terms of one training step share.

    Attributes:
        network: gives ``shift_px(sigmoid, rig)`` and ``metric_depth(sigmoid, rig)``.
        outputs: sigmoid disparities ``(B, 1, H/2^k, W/2^k)``, finest first.
        image, other: target and other view ``(B, 3, H, W)`` in [0, 1].
        rig: the target's camera. direction: ``(B,)`` +1 or -1.
        generator: source of the auto-mask's noise, or None.
    """

    network: nn.Module
    outputs: list[Tensor]
    image: Tensor
    other: Tensor
    rig: StereoRig
    direction: Tensor
    generator: torch.Generator | None = None

    def shift_px(self, scale: int, size: tuple[int, int]) -> Tensor:
        """Signed shift ``(B, 1, h, w)`` in pixels of a map of ``size = (h, w)``, for `warp_horizontal`.

        The disparity is brought to that size (bilinear), and so is the rig, so the shift shrinks with the map.
        """
        sigmoid = self.outputs[scale]
        if sigmoid.shape[2:] != size:
            sigmoid = F.interpolate(sigmoid, size, mode="bilinear", align_corners=False)
        shift = self.network.shift_px(sigmoid, self.rig.resized(size[1], size[0]))
        return shift * self.direction.to(shift).reshape(-1, 1, 1, 1)


class _Accumulator:
    """Mean over comparisons of masked error maps, and of the fraction of places kept."""

    def __init__(self, loss: LossSettings):
        self.loss, self.values, self.kept = loss, [], []

    def add(self, error: Tensor, shift_px: Tensor, threshold: Tensor | None) -> None:
        keep = out_of_view_mask(shift_px) if self.loss.out_of_view_mask else None
        better = None
        if threshold is not None:
            # a masked place keeps its identity error in the mean, as in Monodepth2: a constant without gradient
            better = auto_mask(error, threshold)
            error = torch.where(better, error, threshold)
        self.values.append(masked_mean(error, keep))
        active = [mask for mask in (keep, better) if mask is not None]
        if active:
            self.kept.append(torch.stack(active).all(0).to(error.dtype).mean())

    def result(self) -> tuple[Tensor, Tensor]:
        value = torch.stack(self.values).mean()
        return value, (torch.stack(self.kept).mean() if self.kept else torch.ones_like(value)).detach()


def pixel_comparison(loss: LossSettings, target: Tensor) -> Callable[[Tensor], Tensor]:
    """The settings' error of another image against ``target (B, 3, H, W)``: ``(B, 3, H, W) -> (B, 1, H, W)``.

    What the error needs of the target alone is made once, here.
    """
    if loss.pixel_error == "census":
        return lambda other: census_error(target, other, loss.pixel_window)
    if loss.pixel_error == "zncc":
        return lambda other: zncc_error(target, other, loss.pixel_window)
    statistics = patch_statistics(target)
    return lambda other: photometric_error(target, other, loss.ssim_alpha, statistics, loss.pixel_l1_eps)


class PixelTerm:
    """Error of the other view's pixels by ``pixel_error``, every disparity scale brought to full size (Monodepth2)."""

    name = "pixel"

    def __init__(self, loss: LossSettings):
        self.loss, self.weight = loss, loss.pixel_weight

    def __call__(self, step: StereoStep) -> tuple[Tensor, Tensor]:
        if self.loss.pixel_error != "ssim_l1":
            return self.plain(step)
        pair = PixelPair(step.image, step.other, self.loss.ssim_alpha, self.loss.pixel_l1_eps)
        threshold = identity_threshold(pair.identity_error(), step.generator) if self.loss.auto_mask else None
        values, kept = [], []
        for scale in range(len(step.outputs)):
            shift = step.shift_px(scale, tuple(step.image.shape[2:]))
            keep = out_of_view_mask(shift) if self.loss.out_of_view_mask else None
            value, fraction = pair.warped_mean(shift, threshold, keep)
            values.append(value)
            kept.append(fraction)
        return torch.stack(values).mean(), torch.stack(kept).mean()

    def plain(self, step: StereoStep) -> tuple[Tensor, Tensor]:
        """The term as it is read: warp, compare, mask, average. `PixelPair` has the same in fewer passes."""
        size, error_of = tuple(step.image.shape[2:]), pixel_comparison(self.loss, step.image)
        threshold = identity_threshold(error_of(step.other), step.generator) if self.loss.auto_mask else None
        sums = _Accumulator(self.loss)
        for scale in range(len(step.outputs)):
            shift = step.shift_px(scale, size)
            sums.add(error_of(warp_horizontal(step.other, shift)), shift, threshold)
        return sums.result()


class FeatureTerm:
    """Error of the other view's feature maps (the paper; FeatDepth's feature-metric loss), by ``feature_scales``.

    ``lowest``: each disparity scale against the lowest map. ``levels``: disparity k against map k, at that map's size.
    ``single``: the finest disparity against the lowest map. The masks, where asked for, act on this term's own errors.

    Raises:
        ValueError: no feature network, or one that gives fewer maps than there are disparities.
    """

    name = "feature"

    def __init__(self, loss: LossSettings, feature_net: nn.Module):
        if feature_net is None:
            raise ValueError(f"data_term={loss.data_term!r} compares feature maps: give a feature_net")
        self.loss, self.weight, self.feature_net = loss, loss.feature_weight, feature_net

    def __call__(self, step: StereoStep) -> tuple[Tensor, Tensor]:
        pairs, scales = self._maps(step), len(step.outputs)
        if self.loss.feature_scales == "levels" and len(pairs) < scales:
            raise ValueError(f"feature_scales='levels' needs {scales} maps, the feature network gave {len(pairs)}")
        comparisons = {
            "lowest": [(scale, 0) for scale in range(scales)],
            "levels": [(scale, scale) for scale in range(scales)],
            "single": [(0, 0)],
        }[self.loss.feature_scales]
        how = {"distance": self.loss.feature_distance, "alpha": self.loss.ssim_alpha}
        thresholds = {}
        sums = _Accumulator(self.loss)
        for scale, level in comparisons:
            target, other = pairs[level]
            if self.loss.auto_mask and level not in thresholds:
                thresholds[level] = identity_threshold(feature_map_error(target, other, **how), step.generator)
            shift = step.shift_px(scale, tuple(target.shape[2:]))
            sums.add(warped_feature_error(target, other, shift, **how), shift, thresholds.get(level))
        return sums.result()

    def _maps(self, step: StereoStep) -> list[tuple[Tensor, Tensor]]:
        """Maps of both views, once a step, without gradient: moving them towards each other must not be a way out."""
        with torch.no_grad():
            if self.loss.feature_scales == "levels":
                views = [self.feature_net.levels(view)[: len(step.outputs)] for view in (step.image, step.other)]
            else:
                views = [[self.feature_net.lowest(view)] for view in (step.image, step.other)]
        lie = torch.channels_last if self.loss.feature_distance == "robust_l1" else torch.contiguous_format
        laid = [[m.to(step.image.dtype).contiguous(memory_format=lie) for m in maps] for maps in views]
        return list(zip(*laid, strict=True))
