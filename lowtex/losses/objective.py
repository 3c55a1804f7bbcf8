"""The training objective: data terms and smoothness, summed over the disparity scales (dossier 2.1)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lowtex.datasets.sample import StereoBatch
from lowtex.errors import DataError
from lowtex.losses._checks import at_least_float32
from lowtex.losses.data_terms import FeatureTerm, PixelTerm, StereoStep
from lowtex.losses.smoothness import normalise_disparity, smoothness_first_order, smoothness_second_order
from lowtex.settings import LossSettings

TERMS = ("total", "data", "pixel", "feature", "smooth_first", "smooth_second", "masked")
"""Names of what `StereoObjective` reports."""


def data_terms(loss: LossSettings, feature_net: nn.Module | None) -> list:
    """The data terms that the settings ask for."""
    terms = []
    if loss.uses_pixels:
        terms.append(PixelTerm(loss))
    if loss.uses_features:
        terms.append(FeatureTerm(loss, feature_net))
    return terms


class StereoObjective:
    """What one training step minimises.

    ``total = data + smooth_first_weight * smooth_first + smooth_second_weight * smooth_second``, where
    ``data = pixel_weight * pixel + feature_weight * feature`` and each name is a mean over the disparity scales k,
    the smoothness of scale k divided by 2^k.

    Args:
        loss: the settings; every one of them is used here.
        feature_net: ``lowest(image) -> (B, C, H/2, W/2)`` and ``levels(image) -> list of maps``; needed where the
            settings use features. Run without gradient, so it may be one that is in training itself.

    Raises:
        ValueError: the settings use features and there is no feature network.
    """

    def __init__(self, loss: LossSettings, feature_net: nn.Module | None = None):
        self.loss = loss
        self.terms = data_terms(loss, feature_net)

    def __call__(
        self,
        network: nn.Module,
        outputs: list[Tensor],
        batch: StereoBatch,
        generator: torch.Generator | None = None,
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
            DataError: an output is not finite; names the samples.
        """
        _check(outputs, batch)
        with torch.autocast(device_type=batch.image.device.type, enabled=False):
            image, other = at_least_float32(batch.image), at_least_float32(batch.other)
            outputs = [at_least_float32(output) for output in outputs]
            dtype = torch.promote_types(image.dtype, outputs[0].dtype)
            step = StereoStep(
                network=network,
                outputs=[output.to(dtype) for output in outputs],
                image=image.to(dtype),
                other=other.to(dtype),
                rig=batch.rig,
                direction=batch.direction,
                generator=generator,
            )
            return self._sum(step)

    def _sum(self, step: StereoStep) -> tuple[Tensor, dict[str, Tensor]]:
        nothing = step.image.new_zeros(())
        terms = dict.fromkeys(TERMS, nothing)
        kept = []
        for term in self.terms:
            terms[term.name], fraction = term(step)
            terms["data"] = terms["data"] + term.weight * terms[term.name]
            kept.append(fraction)
        terms["masked"] = 1 - torch.stack(kept).mean()
        total = terms["data"]
        for name, order, weight in (
            ("smooth_first", smoothness_first_order, self.loss.smooth_first),
            ("smooth_second", smoothness_second_order, self.loss.smooth_second),
        ):
            if weight > 0:
                terms[name] = self._smoothness(step, order)
                total = total + weight * terms[name]
        terms["total"] = total
        return total, {name: value.detach() for name, value in terms.items()}

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


def describe_non_finite(batch: StereoBatch, outputs: list[Tensor]) -> str:
    """Which samples of a batch hold NaN or infinity, and where: one line for an error message.

    Looks at both views and at the outputs; says so when all of them are finite (then the loss overflowed).
    """
    named = [("image", batch.image), ("other view", batch.other)]
    named += [(f"disparity of scale {scale}", output) for scale, output in enumerate(outputs)]
    findings = []
    for index in range(batch.image.shape[0]):
        bad = [what for what, tensor in named if tensor is not None and not bool(tensor[index].isfinite().all())]
        if bad:
            name = batch.names[index] if index < len(batch.names) else f"sample {index}"
            findings.append(f"{name} ({', '.join(bad)})")
    if findings:
        return "not finite in " + "; ".join(findings)
    return f"images and disparities are finite, so the loss itself overflowed, on {', '.join(batch.names) or 'a batch'}"


def _check(outputs: list[Tensor], batch: StereoBatch) -> None:
    if batch.other is None:
        raise ValueError(f"the objective needs the other view, which these samples lack: {batch.names}")
    if batch.image.dim() != 4 or batch.image.shape != batch.other.shape:
        raise ValueError(f"views must be two (B,3,H,W), got {tuple(batch.image.shape)}, {tuple(batch.other.shape)}")
    shapes = [tuple(output.shape) for output in outputs]
    if not shapes or any(len(s) != 4 or s[:2] != (batch.image.shape[0], 1) for s in shapes):
        raise ValueError(f"disparities must be (B,1,h,w) with B={batch.image.shape[0]}, got {shapes}")
    # a warp turns NaN into a wild index, which on a GPU ends the process; one look here ends in a sentence instead
    if not bool(torch.stack([output.detach().float().sum() for output in outputs]).isfinite().all()):
        raise DataError(describe_non_finite(batch, outputs) + "; lower the learning rate or look at these samples")
