"""The pixel error as it trains: equal to `lowtex.losses.photometric` up to rounding, faster and more exact.

The form to read is `photometric_error` there, and for a training step `StereoObjective.pixel_term` with ``fast=False``:
warp, `photometric_error`, `auto_mask`, `masked_mean`.

* With ``e = a - b`` the SSIM index factors without any difference of large numbers,
  ``1 - SSIM = 1 - (1 - l)(1 - r)`` where ``l = mean(e)^2 / (mean(a)^2 + mean(b)^2 + C1)`` (brightness) and
  ``r = var(e) / (var(a) + var(b) + C2)`` (contrast and structure). Both follow from
  ``x^2 + y^2 - 2xy = (x - y)^2`` and ``var(a) + var(b) - 2 cov(a, b) = var(a - b)``. So ``(1 - SSIM) / 2`` is
  ``(r + l - r l) / 2``, which lies in [0, 1] by itself.
* A box sum is a sum along rows, then along columns. The derivative is three more box sums, written out below.
* Nine times a mean is a sum, and nine times a variance is ``sum(x^2) - sum(x)^2 / 9``: nothing is divided by nine.
  With ``S`` for a sum over a patch and ``v`` for nine variances, ``r = v_e / (v_a + v_b + 9 C2)`` and
  ``l = S_e^2 / (S_a^2 + S_b^2 + 81 C1)``. Images are centred by the target's mean first, which keeps the squares small.
* The images of a batch do not meet before the last sum, so a few at a time are taken through all steps, and what
  they need lies in the processor's cache.
* In a training step the error enters the loss through a mean, so its derivative by the shift is known on the way
  forward but for one factor. It is one number a pixel, and all that is kept for the way back.
"""

from functools import cached_property

import torch
from torch import Tensor

from lowtex.losses._checks import at_least_float32, require_alike
from lowtex.losses.masks import total_kept
from lowtex.losses.photometric import C1, C2, photometric_error

BLOCK_VALUES = 400_000
"""Numbers of one map that are worked on at a time, at least one image; a dozen maps are in use at once."""


def fast_photometric_error(a: Tensor, b: Tensor, alpha: float = 0.85, eps: float = 0.0) -> Tensor:
    """`lowtex.losses.photometric_error`, differentiable once and in ``b`` alone; all else is as there."""
    if torch.compiler.is_compiling():
        # a compiler makes few passes of the form that is read, and could not follow this one
        return photometric_error(a.detach(), b, alpha, eps)
    return _PhotometricError.apply(a, b, alpha, eps)


class PixelPair:
    """What all comparisons of two views share, made once a step.

    Args:
        target, other: ``(B, C, H, W)`` in [0, 1], H and W at least 2; no gradient reaches them.
        alpha, eps: of `lowtex.losses.photometric_error`.

    Raises:
        ValueError: the shapes differ or are too small; names them.
    """

    def __init__(self, target: Tensor, other: Tensor, alpha: float = 0.85, eps: float = 0.0):
        require_alike("photometric_error", target, other, smallest=2)
        target, other = (at_least_float32(view.detach()).contiguous() for view in (target, other))
        centre = target.mean((2, 3), keepdim=True)
        self.alpha, self.eps = alpha, eps
        self.nine_centres = 9 * centre
        self.target, self.other = target - centre, other - centre
        self.sums = _box_sum(self.target)
        variances = _box_sum(self.target * self.target).addcmul_(self.sums, self.sums, value=-1 / 9)
        self.variances = variances.clamp_(min=0).add_(9 * C2)
        self.squares = (self.sums + self.nine_centres).square_().add_(81 * C1)

    @cached_property
    def slope(self) -> Tensor:
        """Difference to the next pixel; there is none after the last one, and its weight is 0."""
        slope = torch.zeros_like(self.other)
        torch.sub(self.other[..., 1:], self.other[..., :-1], out=slope[..., :-1])
        return slope

    def identity_error(self) -> Tensor:
        """``photometric_error(target, other)``: ``(B, 1, H, W)``."""
        return torch.cat([compared.error() for compared in self.comparisons()])

    def comparisons(self) -> "list[_Comparison]":
        """Of the two views as they are, block by block."""
        return [_Comparison(self, part, self.other[part]) for part in self.blocks()]

    def warped_mean(self, shift_px: Tensor, threshold: Tensor | None, keep: Tensor | None) -> tuple[Tensor, Tensor]:
        """Mean error of ``warp_horizontal(other, shift_px)``, and how much of it carries a gradient.

        Args:
            shift_px: ``(B, 1, H, W)``, of the images' number format.
            threshold: a place whose error is above it counts with the threshold instead (auto-mask), or None.
            keep: places that count, bool, or None for all; ``(B, 1, H, W)`` both.

        Returns:
            ``masked_mean(where(auto_mask(error, threshold), error, threshold), keep)`` and the fraction of places that
            are kept by both masks, without gradient.
        """
        return _WarpedMean.apply(shift_px, self, threshold, keep)

    def blocks(self) -> list[slice]:
        """Slices of the batch that are worked on one after the other; a GPU has everything at once."""
        batch, *image = self.target.shape
        if self.target.device.type != "cpu":
            return [slice(0, batch)]
        count = max(1, BLOCK_VALUES // (image[0] * image[1] * image[2]))
        return [slice(start, min(start + count, batch)) for start in range(0, batch, count)]


class _Comparison:
    """The error of some targets and another view ``b``, centred like the targets, and its derivative by ``b``."""

    def __init__(self, pair: PixelPair, part: slice, b: Tensor):
        self.pair, self.b = pair, b
        self.e = pair.target[part] - b
        self.sum_e = _box_sum(self.e)
        self.sum_b = pair.sums[part] - self.sum_e
        self.whole_b = self.sum_b + pair.nine_centres[part]
        v_e = _box_sum(self.e * self.e).addcmul_(self.sum_e, self.sum_e, value=-1 / 9)
        v_b = _box_sum(b * b).addcmul_(self.sum_b, self.sum_b, value=-1 / 9)
        self.over_variances = v_b.add_(pair.variances[part]).reciprocal_()
        self.over_means = torch.addcmul(pair.squares[part], self.whole_b, self.whole_b).reciprocal_()
        self.r = v_e.mul_(self.over_variances)
        self.l = (self.sum_e * self.sum_e).mul_(self.over_means)
        self.not_r = 1 - self.r

    def error(self) -> Tensor:
        """``(b, 1, H, W)``."""
        pair, channels = self.pair, self.e.shape[1]
        structure = torch.addcmul(self.r, self.l, self.not_r).sum(1, keepdim=True).mul_(pair.alpha / 2 / channels)
        return structure.add_(self._absolute().sum(1, keepdim=True), alpha=(1 - pair.alpha) / channels)

    def derivative(self, weight: Tensor) -> Tensor:
        """Of ``sum(weight * error)`` by ``b``: ``(b, C, H, W)``; ``weight`` is ``(b, 1, H, W)``."""
        channels = self.e.shape[1]
        structure, absolute = weight * (self.pair.alpha / channels), weight * ((1 - self.pair.alpha) / channels)
        # half of the derivatives by v_e and, turned round, by v_b; the 2 of the squares makes them whole
        by_e = (1 - self.l).mul_(self.over_variances).mul_(structure)
        by_b = self.r * by_e
        by_mean = (self.not_r * self.over_means).mul_(structure)
        by_sum = torch.addcmul(self.sum_e, self.l, self.whole_b).mul_(by_mean).neg_()
        by_sum.addcmul_(by_b, self.sum_b, value=1 / 9).addcmul_(by_e, self.sum_e, value=1 / 9)
        out = _box_sum_adjoint(by_sum)
        out.addcmul_(_box_sum_adjoint(by_b), self.b, value=-1).addcmul_(_box_sum_adjoint(by_e), self.e, value=-1)
        slope = self.e / self._absolute() if self.pair.eps else self.e.sign()
        return out.addcmul_(slope, absolute, value=-1)

    def _absolute(self) -> Tensor:
        eps = self.pair.eps
        return (self.e * self.e).add_(eps * eps).sqrt_() if eps else self.e.abs()


class _PhotometricError(torch.autograd.Function):
    @staticmethod
    def forward(ctx, a: Tensor, b: Tensor, alpha: float, eps: float) -> Tensor:
        comparisons = PixelPair(a, b, alpha, eps).comparisons()
        ctx.dtype = b.dtype
        ctx.comparisons = comparisons if ctx.needs_input_grad[1] else []
        return torch.cat([compared.error() for compared in comparisons])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor):
        sizes = [len(compared.e) for compared in ctx.comparisons]
        parts = zip(ctx.comparisons, grad.split(sizes), strict=True)
        return None, torch.cat([compared.derivative(part) for compared, part in parts]).to(ctx.dtype), None, None


class _WarpedMean(torch.autograd.Function):
    @staticmethod
    def forward(ctx, shift_px: Tensor, pair: PixelPair, threshold: Tensor | None, keep: Tensor | None):
        columns = torch.arange(shift_px.shape[-1], device=shift_px.device, dtype=shift_px.dtype)
        derivatives, total, active = [], 0, 0
        for part in pair.blocks():
            position = columns - shift_px[part]
            inside = (position > 0) & (position < shift_px.shape[-1] - 1)
            position = position.clamp_(0, shift_px.shape[-1] - 1)
            low = position.floor()
            fraction = position.sub_(low)
            # a NaN must not become a wild index: it stays NaN in the fraction
            low = low.nan_to_num_(0).long().expand(-1, pair.other.shape[1], -1, -1)
            slope = pair.slope[part].gather(3, low)
            compared = _Comparison(pair, part, pair.other[part].gather(3, low).addcmul_(slope, fraction))
            error = compared.error()
            learns = torch.ones_like(error) if threshold is None else (error <= threshold[part]).to(error.dtype)
            if threshold is not None:
                error = torch.minimum(error, threshold[part])
            if keep is not None:
                error, learns = error * keep[part], learns * keep[part]
            total = total + error.sum()
            active = active + learns.sum()
            if ctx.needs_input_grad[0]:
                by_position = compared.derivative(learns).mul_(slope).sum(1, keepdim=True).mul_(inside)
                derivatives.append(by_position.neg_())
        # as in `masked_mean`: processes that share the batch share the count
        count = shift_px.numel() if keep is None else total_kept(keep)
        if derivatives:
            ctx.save_for_backward(torch.cat(derivatives).div_(count))
        kept = active / shift_px.numel()
        ctx.mark_non_differentiable(kept)
        return total / count, kept

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor, _):
        (derivative,) = ctx.saved_tensors
        return derivative * grad, None, None, None


def _box_sum(x: Tensor) -> Tensor:
    """Sum over 3x3 windows, borders mirrored: ``(B, C, H, W)`` -> the same."""
    return _sum_of_three(_sum_of_three(x, 3), 2)


def _box_sum_adjoint(x: Tensor) -> Tensor:
    """The transpose of `_box_sum`, for derivatives: each value goes to all places that it was summed over."""
    return _sum_of_three(_sum_of_three(x, 2, adjoint=True), 3, adjoint=True)


def _sum_of_three(x: Tensor, dim: int, adjoint: bool = False) -> Tensor:
    n = x.shape[dim]
    out = torch.empty_like(x)
    if n > 2:
        inner = out.narrow(dim, 1, n - 2)
        torch.add(x.narrow(dim, 0, n - 2), x.narrow(dim, 2, n - 2), out=inner)
        inner.add_(x.narrow(dim, 1, n - 2))
    # the mirrored neighbour of a border line is the line beside it, which the adjoint gives back to that line
    for border, beside in ((0, 1), (n - 1, n - 2)):
        twice = 1 if adjoint else 2
        torch.add(x.select(dim, border), x.select(dim, beside), alpha=twice, out=out.select(dim, border))
    if adjoint:
        for border, beside in ((0, 1), (n - 1, n - 2)):
            out.select(dim, beside).add_(x.select(dim, border))
    return out
