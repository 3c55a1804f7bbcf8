"""The training objective: data terms and smoothness, each averaged over the disparity scales (dossier 2.1).

Read it from `StereoObjective.__call__` on; every formula is one function of a file beside this one. A further way to
compare pixels is one more line in `pixel_error`; a further data term is one more method like
`StereoObjective.pixel_term`, and its lines in ``_sum``.
"""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lowtex.datasets.sample import StereoBatch
from lowtex.devices import Compiled
from lowtex.geometry import StereoRig, warp_horizontal
from lowtex.losses._checks import at_least_float32
from lowtex.losses.census_zncc import census_error, zncc_error
from lowtex.losses.fast_photometric import PixelPair
from lowtex.losses.feature_map import feature_map_error, warped_feature_error
from lowtex.losses.masks import auto_mask, draw_noise, identity_threshold, masked_mean, out_of_view_mask
from lowtex.losses.photometric import photometric_error
from lowtex.losses.smoothness import normalise_disparity, smoothness_first_order, smoothness_second_order
from lowtex.settings import LossSettings

TERMS = ("total", "data", "pixel", "feature", "smooth_first", "smooth_second", "masked")
"""Names of what `StereoObjective` reports."""


@dataclass
class StereoStep:
    """What all terms of one training step share.

    Attributes:
        network: gives ``shift_px(sigmoid, rig)`` and ``metric_depth(sigmoid, rig)``.
        outputs: sigmoid disparities ``(B, 1, H/2^k, W/2^k)``, finest first.
        image, other: target and other view ``(B, 3, H, W)`` in [0, 1].
        rig: the target's camera. direction: ``(B,)`` +1 or -1.
        maps: feature maps ``(target's, other view's)`` by level, where the settings use features.
        noise: of the auto-masks (`identity_threshold`), by ``pixels`` or a map's level; none where there is no entry.
    """

    network: nn.Module
    outputs: list[Tensor]
    image: Tensor
    other: Tensor
    rig: StereoRig
    direction: Tensor
    maps: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    noise: dict[str | int, Tensor | torch.Generator] = field(default_factory=dict)

    def shift_px(self, scale: int, size: tuple[int, int]) -> Tensor:
        """Signed shift ``(B, 1, h, w)`` in pixels of a map of ``size = (h, w)``, for `warp_horizontal`.

        The disparity is brought to that size (bilinear), and so is the rig, so the shift shrinks with the map.
        """
        sigmoid = self.outputs[scale]
        if sigmoid.shape[2:] != size:
            sigmoid = F.interpolate(sigmoid, size, mode="bilinear", align_corners=False)
        shift = self.network.shift_px(sigmoid, self.rig.resized(size[1], size[0]))
        return shift * self.direction.to(shift).reshape(-1, 1, 1, 1)


def pixel_error(loss: LossSettings, target: Tensor, other: Tensor) -> Tensor:
    """The settings' error of two views ``(B, 3, H, W)``: ``(B, 1, H, W)``."""
    if loss.pixel_error == "census":
        return census_error(target, other, loss.pixel_window)
    if loss.pixel_error == "zncc":
        return zncc_error(target, other, loss.pixel_window)
    return photometric_error(target, other, loss.ssim_alpha, loss.pixel_l1_eps)


class StereoObjective:
    """What one training step minimises.

    ``total = data + smooth_first_weight * smooth_first + smooth_second_weight * smooth_second``, where
    ``data = pixel_weight * pixel + feature_weight * feature`` and each name is a mean over the disparity scales k,
    the smoothness of scale k divided by 2^k.

    Args:
        loss: the settings; every one of them is used here, but ``features_until``, which is the training's.
        feature_net: ``lowest(image) -> (B, C, H/2, W/2)`` and ``levels(image) -> list of maps``; needed where the
            settings use features. Run without gradient, so it may be one that is in training itself.
        compiled: everything but the feature network in one graph of few operations (`lowtex.devices.Compiled`), equal
            up to rounding. Batches have to keep their shape.

    Raises:
        ValueError: the settings use features and there is no feature network.
    """

    def __init__(self, loss: LossSettings, feature_net: nn.Module | None = None, compiled: bool = False):
        if loss.uses_features and feature_net is None:
            raise ValueError(f"data_term={loss.data_term!r} compares feature maps: give a feature_net")
        self.loss, self.feature_net = loss, feature_net
        if compiled:
            self._sum = Compiled(self._sum, "the loss")

    def __call__(
        self, network: nn.Module, outputs: list[Tensor], batch: StereoBatch, generator: torch.Generator | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of one batch.

        Args:
            network: gives ``shift_px(sigmoid, rig)`` (pixels at the rig's size) and ``metric_depth(sigmoid, rig)``.
            outputs: sigmoid disparities ``(B, 1, H/2^k, W/2^k)`` in [0, 1], finest first; any float format, the
                losses are computed in float32, or float64 where images or outputs are.
            batch: with both views; ``image`` and ``other`` in [0, 1].
            generator: source of the auto-mask's noise.

        Returns:
            The scalar, and detached scalars by the names in `TERMS`, before their weights; 0 where the settings leave
            a term out. ``masked`` is the fraction of places without gradient in the data terms.

        Raises:
            ValueError: the batch has no second view, or the shapes do not fit; names them.

        Values that are not finite are not looked for, which a GPU would have to be waited for: they give a loss that
        is not finite, and `lowtex.training` ends the run with the names of the samples.
        """
        _check(outputs, batch)
        with torch.autocast(device_type=batch.image.device.type, enabled=False):
            tensors = [at_least_float32(tensor) for tensor in (batch.image, batch.other, *outputs)]
            dtype = torch.promote_types(tensors[0].dtype, tensors[2].dtype)
            image, other, *outputs = (tensor.to(dtype) for tensor in tensors)
            step = StereoStep(network, outputs, image, other, batch.rig, batch.direction)
            if self.loss.uses_features:
                step.maps = self._feature_maps(step)
            if self.loss.auto_mask and generator is not None:
                # here, since a compiled form takes tensors, and no generator
                compared = {"pixels": image} if self.loss.uses_pixels else {}
                compared |= {level: target for level, (target, _) in enumerate(step.maps)}
                shapes = {name: (len(image), 1, *target.shape[2:]) for name, target in compared.items()}
                step.noise = {name: draw_noise(generator, shape) for name, shape in shapes.items()}
            return self._sum(step)

    def _sum(self, step: StereoStep) -> tuple[Tensor, dict[str, Tensor]]:
        loss = self.loss
        terms = dict.fromkeys(TERMS, step.image.new_zeros(()))
        pixels = ("pixel", self.pixel_term, loss.pixel_weight)
        features = ("feature", self.feature_term, loss.feature_weight)
        kept = []
        for name, term, weight in [pixels] * loss.uses_pixels + [features] * loss.uses_features:
            terms[name], fraction = term(step)
            terms["data"] = terms["data"] + weight * terms[name]
            kept.append(fraction)
        terms["masked"] = 1 - torch.stack(kept).mean()
        terms["total"] = terms["data"]
        for name, order in {"smooth_first": smoothness_first_order, "smooth_second": smoothness_second_order}.items():
            if (weight := getattr(loss, name)) > 0:
                terms[name] = self._smoothness(step, order)
                terms["total"] = terms["total"] + weight * terms[name]
        return terms["total"], {name: value.detach() for name, value in terms.items()}

    def pixel_term(self, step: StereoStep, fast: bool = True) -> tuple[Tensor, Tensor]:
        """Error of the other view's pixels by ``pixel_error``, every disparity scale brought to full size (Monodepth2).

        Args:
            fast: take SSIM and L1 by `PixelPair`, which warps, compares, masks and averages in fewer passes. Not where
                the step is being compiled, which does as much for the form to read.

        Returns:
            The scalar with gradient, and the fraction of places that gave it, detached.
        """
        loss, size, noise = self.loss, tuple(step.image.shape[2:]), step.noise.get("pixels")
        shifts = [step.shift_px(scale, size) for scale in range(len(step.outputs))]
        if fast and loss.pixel_error == "ssim_l1" and not torch.compiler.is_compiling():
            pair = PixelPair(step.image, step.other, loss.ssim_alpha, loss.pixel_l1_eps)
            threshold = identity_threshold(pair.identity_error(), noise) if loss.auto_mask else None
            masks = [out_of_view_mask(shift) if loss.out_of_view_mask else None for shift in shifts]
            found = [pair.warped_mean(shift, threshold, keep) for shift, keep in zip(shifts, masks, strict=True)]
        else:
            threshold = None
            if loss.auto_mask:
                threshold = identity_threshold(pixel_error(loss, step.image, step.other), noise)
            warped = [warp_horizontal(step.other, shift) for shift in shifts]
            errors = [pixel_error(loss, step.image, view) for view in warped]
            found = [self._masked(error, shift, threshold) for error, shift in zip(errors, shifts, strict=True)]
        return _means(found)

    def feature_term(self, step: StereoStep) -> tuple[Tensor, Tensor]:
        """Error of the other view's feature maps (the paper; FeatDepth's feature-metric loss), by ``feature_scales``.

        ``lowest``: each disparity scale against the lowest map. ``levels``: disparity k against map k, at that map's
        size. ``single``: the finest disparity against the lowest map. The masks, where asked for, act on this term's
        own errors.

        Returns:
            The scalar with gradient, and the fraction of places that gave it, detached.
        """
        loss, pairs, scales = self.loss, step.maps, len(step.outputs)
        comparisons = {
            "lowest": [(scale, 0) for scale in range(scales)],
            "levels": [(scale, scale) for scale in range(scales)],
            "single": [(0, 0)],
        }[loss.feature_scales]
        how = {"distance": loss.feature_distance, "alpha": loss.ssim_alpha}
        thresholds, found = {}, []
        for scale, level in comparisons:
            target, other = pairs[level]
            if loss.auto_mask and level not in thresholds:
                thresholds[level] = identity_threshold(feature_map_error(target, other, **how), step.noise.get(level))
            shift = step.shift_px(scale, tuple(target.shape[2:]))
            error = warped_feature_error(target, other, shift, **how)
            found.append(self._masked(error, shift, thresholds.get(level)))
        return _means(found)

    @torch.no_grad()
    def _feature_maps(self, step: StereoStep) -> list[tuple[Tensor, Tensor]]:
        """Maps of both views, once a step. No gradient here: otherwise constant maps are a trivial solution.

        Raises:
            ValueError: the feature network gives fewer maps than there are disparities, and each needs one.
        """
        scales = len(step.outputs)
        views = [view.contiguous(memory_format=torch.channels_last) for view in (step.image, step.other)]
        if self.loss.feature_scales == "levels":
            views = [self.feature_net.levels(view)[:scales] for view in views]
            if len(views[0]) < scales:
                raise ValueError(
                    f"feature_scales='levels' needs {scales} maps, the feature network gave {len(views[0])}"
                )
        else:
            views = [[self.feature_net.lowest(view)] for view in views]
        layout = torch.channels_last if self.loss.feature_distance == "robust_l1" else torch.contiguous_format
        laid = [[m.to(step.image.dtype).contiguous(memory_format=layout) for m in maps] for maps in views]
        return list(zip(*laid, strict=True))

    def _masked(self, error: Tensor, shift_px: Tensor, threshold: Tensor | None) -> tuple[Tensor, Tensor]:
        """Mean of an error map by the masks asked for, and the fraction of places that give a gradient."""
        keep = out_of_view_mask(shift_px) if self.loss.out_of_view_mask else None
        learns = torch.ones_like(error, dtype=torch.bool) if keep is None else keep
        if threshold is not None:
            # a masked place keeps its identity error in the mean, as in Monodepth2: a constant without gradient
            better = auto_mask(error, threshold)
            error, learns = torch.where(better, error, threshold), learns & better
        return masked_mean(error, keep), learns.to(error.dtype).mean()

    def _smoothness(self, step: StereoStep, order) -> Tensor:
        values = []
        for scale, sigmoid in enumerate(step.outputs):
            image = step.image
            if image.shape[2:] != sigmoid.shape[2:]:
                image = F.interpolate(image, sigmoid.shape[2:], mode="area")
            values.append(order(self._smoothed(step, sigmoid), image, self.loss.edge_decay) / 2**scale)
        return torch.stack(values).mean()

    def _smoothed(self, step: StereoStep, sigmoid: Tensor) -> Tensor:
        """The quantity that is to be smooth: the sigmoid's value as it is, or it or the depth over its image's mean.

        Depth is divided by its mean too, since its weight would otherwise depend on the unit of length.
        """
        if self.loss.smooth_quantity == "disparity":
            return sigmoid
        if self.loss.smooth_quantity == "depth":
            height, width = sigmoid.shape[2:]
            sigmoid = step.network.metric_depth(sigmoid, step.rig.resized(width, height))
        return normalise_disparity(sigmoid)


def _means(found: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    values, kept = zip(*found, strict=True)
    return torch.stack(values).mean(), torch.stack(kept).mean()


def _check(outputs: list[Tensor], batch: StereoBatch) -> None:
    if batch.other is None:
        raise ValueError(f"the objective needs the other view, which these samples lack: {batch.names}")
    if batch.image.dim() != 4 or batch.image.shape != batch.other.shape:
        raise ValueError(f"views must be two (B,3,H,W), got {tuple(batch.image.shape)}, {tuple(batch.other.shape)}")
    shapes = [tuple(output.shape) for output in outputs]
    if not shapes or any(len(s) != 4 or s[:2] != (batch.image.shape[0], 1) for s in shapes):
        raise ValueError(f"disparities must be (B,1,h,w) with B={batch.image.shape[0]}, got {shapes}")
