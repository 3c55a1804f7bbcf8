"""The pixel error: structural dissimilarity over 3x3 windows, plus absolute difference.

This is the form to read. Training uses `lowtex.losses.fast_photometric`, which equals it up to rounding.
"""

import torch.nn.functional as F
from torch import Tensor

from lowtex.losses._checks import at_least_float32, require_alike

C1 = 0.01**2
C2 = 0.03**2
"""The constants of Wang et al. 2004 for images in [0, 1]."""


def structural_dissimilarity(a: Tensor, b: Tensor) -> Tensor:
    """``clamp((1 - SSIM) / 2, 0, 1)`` of each channel, as it is written in the papers.

    SSIM (Wang et al. 2004) over 3x3 boxes of equal weights, borders mirrored, as in Monodepth (Godard et al. 2017).

    Args:
        a, b: ``(B, C, H, W)`` in [0, 1], H and W at least 2.

    Returns:
        ``(B, C, H, W)`` in [0, 1], 0 where the patches are the same.

    Raises:
        ValueError: the shapes differ or are too small; names them.
    """
    require_alike("structural_dissimilarity", a, b, smallest=2)

    def box(x: Tensor) -> Tensor:
        return F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), 3, stride=1)

    mean_a, mean_b = box(a), box(b)
    # a variance is a difference of squares: without the image's mean they are small, and flat patches keep their digits
    centre = a.detach().mean((2, 3), keepdim=True)
    a, b = a - centre, b - centre
    variance_a = box(a * a) - box(a) ** 2
    variance_b = box(b * b) - box(b) ** 2
    covariance = box(a * b) - box(a) * box(b)
    ssim = ((2 * mean_a * mean_b + C1) * (2 * covariance + C2)) / (
        (mean_a**2 + mean_b**2 + C1) * (variance_a + variance_b + C2)
    )
    return ((1 - ssim) / 2).clamp(0, 1)


def photometric_error(a: Tensor, b: Tensor, alpha: float = 0.85, eps: float = 0.0) -> Tensor:
    """``alpha * (1 - SSIM) / 2 + (1 - alpha) * |a - b|``, both averaged over the channels.

    The photometric error of Monodepth and Monodepth2 (Godard et al. 2017, 2019). Differentiable in both images.
    Computed in float32 at least, in float64 where ``a`` and ``b`` are.

    Args:
        a: ``(B, C, H, W)`` in [0, 1], H and W at least 2: the target.
        b: the same shape: the reconstruction.
        alpha: weight of SSIM, in [0, 1].
        eps: the absolute difference is ``sqrt((a - b)^2 + eps^2)`` (Charbonnier; 1e-3 in FeatDepth, Shu et al. 2020).

    Returns:
        ``(B, 1, H, W)`` in [0, 1], ``(1 - alpha) * eps`` where both are the same.

    Raises:
        ValueError: the shapes differ or are too small; names them.
    """
    require_alike("photometric_error", a, b, smallest=2)
    a, b = at_least_float32(a), at_least_float32(b)
    structure = structural_dissimilarity(a, b).mean(1, keepdim=True)
    absolute = ((a - b) ** 2 + eps**2).sqrt() if eps else (a - b).abs()
    return alpha * structure + (1 - alpha) * absolute.mean(1, keepdim=True)
