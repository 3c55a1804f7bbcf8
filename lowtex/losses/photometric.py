"""The pixel error: structural dissimilarity over 3x3 windows, plus absolute difference.

Two forms of one formula. `structural_dissimilarity_plain` is the one to read; `photometric_error` is the one that is
used. They differ in rounding only, and the fast one is the more exact. (`lowtex.losses.fast_photometric` has it once
more, together with the warp and the mean, for the pixel term of a training step.) Where it comes from:

* With ``e = a - b`` the SSIM index factors without any difference of large numbers,
  ``1 - SSIM = 1 - (1 - l)(1 - r)`` where ``l = mean(e)^2 / (mean(a)^2 + mean(b)^2 + C1)`` (brightness) and
  ``r = var(e) / (var(a) + var(b) + C2)`` (contrast and structure). Both follow from
  ``x^2 + y^2 - 2xy = (x - y)^2`` and ``var(a) + var(b) - 2 cov(a, b) = var(a - b)``.
* A variance is still a difference of squares; subtracting the image's mean first keeps those squares small. Flat
  patches, the ones low-texture areas are made of, lose three digits otherwise.
* A box sum is a sum along rows, then along columns. The derivative is three more box sums, written out below, so
  that a step stores four maps instead of some twenty.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lowtex.losses._checks import at_least_float32, require_alike
from lowtex.losses.box_filter import box_sum, box_sum_adjoint

C1 = 0.01**2
C2 = 0.03**2
"""The constants of Wang et al. 2004 for images in [0, 1]."""


def structural_dissimilarity_plain(a: Tensor, b: Tensor) -> Tensor:
    """``clamp((1 - SSIM) / 2, 0, 1)`` of each channel, as it is written in the papers.

    SSIM (Wang et al. 2004) over 3x3 boxes of equal weights, borders mirrored, as in Monodepth (Godard et al. 2017).

    Args:
        a, b: ``(B, C, H, W)`` in [0, 1], H and W at least 2.

    Returns:
        ``(B, C, H, W)`` in [0, 1], 0 where the patches are the same.

    Raises:
        ValueError: the shapes differ or are too small; names them.
    """
    _check("structural_dissimilarity_plain", a, b)

    def box(x: Tensor) -> Tensor:
        return F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), 3, stride=1)

    mean_a, mean_b = box(a), box(b)
    variance_a = box(a * a) - mean_a**2
    variance_b = box(b * b) - mean_b**2
    covariance = box(a * b) - mean_a * mean_b
    ssim = ((2 * mean_a * mean_b + C1) * (2 * covariance + C2)) / (
        (mean_a**2 + mean_b**2 + C1) * (variance_a + variance_b + C2)
    )
    return ((1 - ssim) / 2).clamp(0, 1)


def photometric_error_plain(a: Tensor, b: Tensor, alpha: float = 0.85, eps: float = 0.0) -> Tensor:
    """`photometric_error` by the formula as it is written: slower and less exact, for teaching and for tests."""
    a, b = at_least_float32(a), at_least_float32(b)
    structure = structural_dissimilarity_plain(a, b).mean(1, keepdim=True)
    absolute = ((a - b) ** 2 + eps**2).sqrt() if eps else (a - b).abs()
    return alpha * structure + (1 - alpha) * absolute.mean(1, keepdim=True)


class PatchStatistics(NamedTuple):
    """What SSIM needs to know of one image, ``(B, C, H, W)`` each: made once for a target, used at every scale."""

    centred: Tensor
    centre: Tensor
    mean: Tensor
    variance: Tensor


def patch_statistics(image: Tensor) -> PatchStatistics:
    """Mean and variance of every 3x3 patch of ``image (B, C, H, W)``; carries no gradient.

    Raises:
        ValueError: not four dimensions, or H or W below 2.
    """
    _check("patch_statistics", image, image)
    image = at_least_float32(image.detach())
    centre = image.mean((2, 3), keepdim=True)
    centred = image - centre
    mean = box_sum(centred).div_(9)
    variance = box_sum(centred * centred).div_(9).addcmul_(mean, mean, value=-1).clamp_(min=0)
    return PatchStatistics(centred, centre, mean.add_(centre), variance)


def photometric_error(
    a: Tensor, b: Tensor, alpha: float = 0.85, statistics: PatchStatistics | None = None, eps: float = 0.0
) -> Tensor:
    """``alpha * (1 - SSIM) / 2 + (1 - alpha) * |a - b|``, both averaged over the channels.

    The photometric error of Monodepth and Monodepth2 (Godard et al. 2017, 2019). Differentiable once, in both
    images. Computed in float32 at least, in float64 where ``a`` and ``b`` are. ``(1 - SSIM) / 2`` lies in [0, 1] by
    itself in the form used here, so there is nothing to clamp.

    Args:
        a: ``(B, C, H, W)`` in [0, 1], H and W at least 2: the target.
        b: the same shape: the reconstruction.
        alpha: weight of SSIM, in [0, 1].
        statistics: ``patch_statistics(a)``, where it is at hand.
        eps: the absolute difference is ``sqrt((a - b)^2 + eps^2)`` (Charbonnier; 1e-3 in FeatDepth, Shu et al. 2020).

    Returns:
        ``(B, 1, H, W)`` in [0, 1], ``(1 - alpha) * eps`` where both are the same.

    Raises:
        ValueError: the shapes differ or are too small; names them.
    """
    _check("photometric_error", a, b)
    a, b = at_least_float32(a), at_least_float32(b)
    if statistics is None:
        statistics = patch_statistics(a)
    elif statistics.mean.shape != a.shape:
        raise ValueError(f"statistics of {tuple(statistics.mean.shape)} do not belong to a of {tuple(a.shape)}")
    return _PhotometricError.apply(a, b, statistics, alpha, eps)


class _PhotometricError(torch.autograd.Function):
    """With l and r of the module's text, D = (r + l - r l) / 2. Written for b; a follows by symmetry (e -> -e)."""

    @staticmethod
    def forward(ctx, a: Tensor, b: Tensor, statistics: PatchStatistics, alpha: float, eps: float) -> Tensor:
        centred_a, centre, mean_a, variance_a = statistics
        e = a - b
        mean_e = box_sum(e).div_(9)
        variance_e = box_sum(e * e).div_(9).addcmul_(mean_e, mean_e, value=-1).clamp_(min=0)
        mean_b = mean_a - mean_e
        centred_b = centred_a - e
        centred_mean_b = mean_b - centre
        variance_b = box_sum(centred_b * centred_b).div_(9).addcmul_(centred_mean_b, centred_mean_b, value=-1)
        over_variances = variance_b.clamp_(min=0).add_(variance_a).add_(C2).reciprocal_()
        over_means = (mean_a * mean_a).addcmul_(mean_b, mean_b).add_(C1).reciprocal_()
        r = variance_e.mul_(over_variances)
        bright = (mean_e * mean_e).mul_(over_means)
        error = (r + bright).addcmul_(r, bright, value=-1).mean(1, keepdim=True).mul_(alpha / 2)
        error.add_(_absolute(e, eps).mean(1, keepdim=True), alpha=1 - alpha)

        # derivatives of D by var(e) (k1), by var(a) and var(b) (k2), and the part of both means (k3)
        k1 = over_variances.mul_(1 - bright).mul_(0.5)
        k2 = -(k1 * r)
        through_means = (1 - r).mul_(over_means)
        saved = [e, centred_a, k1, k2, None, None]
        if ctx.needs_input_grad[0]:
            k3 = (mean_e - bright * mean_a).mul_(through_means)
            saved[4] = k3.addcmul_(k1, mean_e, value=-2).addcmul_(k2, mean_a - centre, value=-2)
        if ctx.needs_input_grad[1]:
            k3 = torch.addcmul(mean_e, bright, mean_b).mul_(through_means).neg_()
            saved[5] = k3.addcmul_(k1, mean_e, value=2).addcmul_(k2, centred_mean_b, value=-2)
        ctx.save_for_backward(*saved)
        ctx.alpha, ctx.eps = alpha, eps
        return error

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor):
        e, centred_a, k1, k2, k3_a, k3_b = ctx.saved_tensors
        channels = e.shape[1]
        grad_structure = grad * (ctx.alpha / channels / 9)
        grad_absolute = grad * ((1 - ctx.alpha) / channels)
        slope = e / _absolute(e, ctx.eps) if ctx.eps else e.sign()
        from_e = box_sum_adjoint(grad_structure * k1).mul_(2).mul_(e).addcmul_(slope, grad_absolute)
        from_variance = box_sum_adjoint(grad_structure * k2).mul_(2)
        grad_a = grad_b = None
        if k3_a is not None:
            grad_a = box_sum_adjoint(grad_structure * k3_a).addcmul_(from_variance, centred_a).add_(from_e)
        if k3_b is not None:
            grad_b = box_sum_adjoint(grad_structure * k3_b).addcmul_(from_variance, centred_a - e).sub_(from_e)
        return grad_a, grad_b, None, None, None


def _absolute(e: Tensor, eps: float) -> Tensor:
    return (e * e).add_(eps * eps).sqrt_() if eps else e.abs()


def _check(function: str, a: Tensor, b: Tensor) -> None:
    require_alike(function, a, b)
    if min(a.shape[-2:]) < 2:
        raise ValueError(f"{function} needs height and width of at least 2 to mirror its border, got {tuple(a.shape)}")
