"""Pixels compared after local contrast normalisation: the soft census transform, and normalised cross-correlation.

Rivals of the feature maps: both forget the brightness and (nearly) the contrast of a patch, as a feature map whose
channels are normalised may do, but nothing in them is learnt. Where they do as well, learning features was not the
reason. Neither divides by zero on a flat patch; contrast below about one grey level of 255 counts as noise.
"""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from lowtex.errors import require_choice
from lowtex.losses._checks import at_least_float32, require_alike

WINDOWS = (3, 5, 7)
"""Sides of the window, pixels."""

CENSUS_SOFTNESS = 0.9 / 255
"""Difference to the centre, in [0, 1], at which the soft sign has reached 0.7: 0.9 grey levels (UnFlow)."""

CENSUS_ROBUSTNESS = 0.1
"""Squared difference of two soft signs that counts half (UnFlow)."""

ZNCC_NOISE = 1 / 255
"""Deviation, in [0, 1], up to which the contrast of a patch is noise: one grey level."""


def census_error(a: Tensor, b: Tensor, window: int = 7, softness: float = CENSUS_SOFTNESS) -> Tensor:
    """Robust distance of two soft census transforms.

    The census transform (Zabih and Woodfill 1994) keeps of a patch only which neighbours are brighter than its
    centre. The differentiable form is UnFlow's (Meister, Hur, Roth, AAAI 2018): a neighbour's bit is
    ``t = d / sqrt(d^2 + softness^2)`` with d its difference to the centre, two bits differ by
    ``s / (0.1 + s)``, ``s = (t_a - t_b)^2``, which stands for Hamming's 0 or 1, and the distance is the mean over the
    neighbours inside the image. Here each colour has bits of its own and the distances are averaged, as in
    `photometric_error`; UnFlow takes grey.

    An offset of one image changes nothing, a gain only bits of differences as small as ``softness``.

    Args:
        a, b: ``(B, C, H, W)`` in [0, 1], H and W at least 2. Differentiable once, in both.
        window: side of the patch, one of `WINDOWS`.
        softness: in units of the images, > 0.

    Returns:
        ``(B, 1, H, W)`` in [0, 1), 0 where both are the same.

    Raises:
        ValueError: the shapes differ or are too small; names them. `OptionError`: another window.
    """
    a, b = _checked("census_error", a, b, window)
    form = _CensusOfWindows if torch.compiler.is_compiling() else _CensusError
    return form.apply(a, b, window, softness)


def zncc_error(a: Tensor, b: Tensor, window: int = 7, noise: float = ZNCC_NOISE) -> Tensor:
    """``(1 - r) / 2`` with r the zero-mean normalised cross-correlation of two patches, averaged over the channels.

    ``r = (cov(a, b) + n) / sqrt((var(a) + n) (var(b) + n))``, ``n = noise^2``: the correlation coefficient of the
    patch, but two flat patches are alike (r = 1) and a flat and a textured one are not (r near 0), where the plain
    coefficient is 0 / 0. By Cauchy and Schwarz r stays in [-1, 1]. Patches are cut at the image's border.

    Evaluated as ``(var(a - b) - (sd(a) - sd(b))^2) / (4 sd(a) sd(b))``, which is the same and exact for equal patches.

    An offset of one image changes nothing, nor does a gain where the contrast is well above ``noise``.

    Args:
        a, b: ``(B, C, H, W)`` in [0, 1], H and W at least 2. Differentiable in both.
        window: side of the patch, one of `WINDOWS`.
        noise: in units of the images, > 0.

    Returns:
        ``(B, 1, H, W)`` in [0, 1], 0 where both are the same.

    Raises:
        ValueError: the shapes differ or are too small; names them. `OptionError`: another window.
    """
    a, b = _checked("zncc_error", a, b, window)
    # a variance is a difference of squares; far from zero it would lose the digits that flat patches live on
    a, b = (x - x.detach().mean((2, 3), keepdim=True) for x in (a, b))
    deviation_a, deviation_b = ((_variance(x, window) + noise**2).sqrt() for x in (a, b))
    unlike = _variance(a - b, window) - (deviation_a - deviation_b) ** 2
    return (unlike / (4 * deviation_a * deviation_b)).clamp(0, 1).mean(1, keepdim=True)


class _CensusError(torch.autograd.Function):
    """A pair of places is each other's neighbour and gives both the same distance, so half of the pairs do.

    Nothing but the images is kept for the way back: the bits of a 7x7 window are 48 maps an image.
    """

    @staticmethod
    def forward(ctx, a: Tensor, b: Tensor, window: int, softness: float) -> Tensor:
        error = a.new_zeros(a.shape[0], 1, *a.shape[2:])
        for p, q in _pairs(window, *a.shape[2:]):
            squared = (_soft_sign(a, p, q, softness) - _soft_sign(b, p, q, softness)).square_()
            distance = squared.div_(squared + CENSUS_ROBUSTNESS).mean(1, keepdim=True)
            error[p] += distance
            error[q] += distance
        ctx.save_for_backward(a, b)
        ctx.window, ctx.softness = window, softness
        return error.div_(_neighbours(a, window))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor):
        a, b = ctx.saved_tensors
        images = [image if needed else None for image, needed in zip((a, b), ctx.needs_input_grad[:2], strict=True)]
        grads = [None if image is None else torch.zeros_like(image) for image in images]
        share = grad / _neighbours(a, ctx.window) / a.shape[1]
        for p, q in _pairs(ctx.window, *a.shape[2:]):
            unlike = _soft_sign(a, p, q, ctx.softness) - _soft_sign(b, p, q, ctx.softness)
            # derivative of s / (0.1 + s) by t_a; by t_b it is the opposite
            through = (unlike.square() + CENSUS_ROBUSTNESS).square_().reciprocal_()
            through.mul_(unlike).mul_(2 * CENSUS_ROBUSTNESS).mul_(share[p] + share[q])
            for image, own, sign in zip(images, grads, (1, -1), strict=True):
                if image is not None:
                    steep = (image[q] - image[p]).square_().add_(ctx.softness**2).pow_(-1.5).mul_(through)
                    steep.mul_(sign * ctx.softness**2)
                    own[q] += steep
                    own[p] -= steep
        return *grads, None, None


class _CensusOfWindows(torch.autograd.Function):
    """The same, one place's whole window at a time: a map of windows would be 49 times the image, but a compiler makes
    one pass of all this, in which no such map is written. Half of the pairs would give it 24 passes.
    """

    @staticmethod
    def forward(ctx, a: Tensor, b: Tensor, window: int, softness: float) -> Tensor:
        (bits_a, _), (bits_b, _) = (_bits(image, window, softness) for image in (a, b))
        squared = (bits_a - bits_b) ** 2
        inside = _windows(torch.ones_like(a[:1, :1]), window)
        distance = (squared / (squared + CENSUS_ROBUSTNESS) * inside).sum((1, 4, 5)).unsqueeze(1)
        ctx.save_for_backward(a, b)
        ctx.window, ctx.softness = window, softness
        return distance / (inside.sum((4, 5)) - 1) / a.shape[1]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor):
        a, b = ctx.saved_tensors
        (bits_a, steep_a), (bits_b, steep_b) = (_bits(image, ctx.window, ctx.softness) for image in (a, b))
        unlike = bits_a - bits_b
        # a bit of the neighbour's window differs by as much, with the other sign; its share is 0 outside the image
        inside = _windows(torch.ones_like(a[:1, :1]), ctx.window)
        share = grad / (inside.sum((4, 5)) - 1) / a.shape[1]
        both = (_windows(share, ctx.window) + share[..., None, None]) * inside
        through = unlike / (unlike**2 + CENSUS_ROBUSTNESS) ** 2 * (2 * CENSUS_ROBUSTNESS * both)
        by_a = -(through * steep_a).sum((4, 5)) if ctx.needs_input_grad[0] else None
        by_b = (through * steep_b).sum((4, 5)) if ctx.needs_input_grad[1] else None
        return by_a, by_b, None, None


def _windows(x: Tensor, window: int) -> Tensor:
    """``(B, C, H, W)`` -> ``(B, C, H, W, window, window)``, a view in which 0 surrounds the image."""
    batch, channels, height, width = x.shape
    reach = window // 2
    x = F.pad(x, (reach, reach, reach, reach)).contiguous()
    return x.as_strided((batch, channels, height, width, window, window), (*x.stride(), *x.stride()[2:]))


def _bits(image: Tensor, window: int, softness: float) -> tuple[Tensor, Tensor]:
    """Soft signs of all differences to the centre, and their derivatives by them: two of `_windows`'s shape."""
    difference = _windows(image, window) - image[..., None, None]
    scale = (difference**2 + softness**2).rsqrt()
    return difference * scale, softness**2 * scale**3


def _soft_sign(image: Tensor, p: tuple, q: tuple, softness: float) -> Tensor:
    difference = image[q] - image[p]
    return (difference * difference).add_(softness**2).rsqrt_().mul_(difference)


def _pairs(window: int, height: int, width: int) -> list[tuple[tuple, tuple]]:
    """Where each place of half of the window (p) and its neighbour (q) lie, as two slices of ``(B, C, H, W)``."""
    reach, found = window // 2, []
    for down in range(min(reach, height - 1) + 1):
        for right in range(-min(reach, width - 1), min(reach, width - 1) + 1):
            if down > 0 or right > 0:
                rows = slice(0, height - down), slice(down, height)
                columns = slice(max(0, -right), width - max(0, right)), slice(max(0, right), width - max(0, -right))
                found.append(tuple((..., y, x) for y, x in zip(rows, columns, strict=True)))
    return found


def _neighbours(like: Tensor, window: int) -> Tensor:
    """How many neighbours each place has inside the image, ``(1, 1, H, W)``."""
    height, width = like.shape[2:]
    rows, columns = (_inside(window, size, like.device).to(like.dtype) for size in (height, width))
    return (rows[:, None] * columns - 1)[None, None]


@lru_cache(maxsize=64)
def _inside(window: int, size: int, device: torch.device) -> Tensor:
    """How many of ``window`` places round each of ``size`` lie inside."""
    place = torch.arange(size, device=device)
    return (place + window // 2).clamp(max=size - 1) - (place - window // 2).clamp(min=0) + 1


def _variance(x: Tensor, window: int) -> Tensor:
    return (_box_mean(x * x, window) - _box_mean(x, window) ** 2).clamp(min=0)


def _box_mean(x: Tensor, window: int) -> Tensor:
    """Mean over the part of the window inside the image: along rows, then along columns."""
    half = window // 2
    x = F.avg_pool2d(x, (1, window), 1, (0, half), count_include_pad=False)
    return F.avg_pool2d(x, (window, 1), 1, (half, 0), count_include_pad=False)


def _checked(function: str, a: Tensor, b: Tensor, window: int) -> tuple[Tensor, Tensor]:
    require_choice("window", window, WINDOWS)
    require_alike(function, a, b, smallest=2)
    return at_least_float32(a), at_least_float32(b)
