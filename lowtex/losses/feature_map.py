"""The feature-map error: what the paper compares instead of pixels."""

import torch
from torch import Tensor

from lowtex.errors import require_choice
from lowtex.geometry import warp_horizontal
from lowtex.losses._checks import at_least_float32, require_alike
from lowtex.losses.fast_photometric import BLOCK_VALUES, fast_photometric_error
from lowtex.losses.photometric import photometric_error

DISTANCES = ("robust_l1", "ssim_l1")


def feature_map_error(
    a: Tensor, b: Tensor, distance: str = "robust_l1", eps: float = 1e-3, alpha: float = 0.85
) -> Tensor:
    """Distance between two feature maps at every place, averaged over their channels.

    Args:
        a: ``(B, C, h, w)`` map of the target; unbounded values.
        b: the same shape, the other view's map brought into the target's view.
        distance: ``robust_l1``, sqrt((a - b)^2 + eps^2) (Charbonnier; FeatDepth, Shu et al. 2020, section 3.3), or
            ``ssim_l1``, the pixel error's formula, whose constants were made for values in [0, 1].
        eps: where the distance turns from square to absolute; also its smallest value.
        alpha: weight of SSIM in ``ssim_l1``.

    Returns:
        ``(B, 1, h, w)``, at least ``eps`` (``robust_l1``) or 0.

    Raises:
        ValueError: the shapes differ; names them. `OptionError`: no such distance.
    """
    require_choice("feature_distance", distance, DISTANCES)
    require_alike("feature_map_error", a, b)
    if distance == "ssim_l1":
        return photometric_error(a, b, alpha)
    difference = at_least_float32(a) - at_least_float32(b)
    return (difference**2 + eps**2).sqrt().mean(1, keepdim=True)


def warped_feature_error(
    target: Tensor,
    other: Tensor,
    shift_px: Tensor,
    distance: str = "robust_l1",
    eps: float = 1e-3,
    alpha: float = 0.85,
) -> Tensor:
    """``feature_map_error(target, warp_horizontal(other, shift_px), ...)`` with the gradient of the shift alone.

    The maps come from a frozen network, so the derivative of ``robust_l1`` is one number a pixel; it is found on the
    way forward and nothing of the maps' size is kept. Fastest where the maps lie in ``channels_last``.

    Args:
        target, other: ``(B, C, h, w)``; no gradient reaches them.
        shift_px: ``(B, 1, h, w)`` pixels at the maps' size, signed as for `warp_horizontal`.

    Returns:
        ``(B, 1, h, w)``.

    Raises:
        ValueError: the shapes do not fit; names them. `OptionError`: no such distance.
    """
    require_choice("feature_distance", distance, DISTANCES)
    require_alike("warped_feature_error", target, other)
    if shift_px.shape != (target.shape[0], 1, *target.shape[2:]):
        raise ValueError(
            f"maps {tuple(target.shape)} need a shift (B,1,h,w) of their size, got {tuple(shift_px.shape)}"
        )
    target, other = at_least_float32(target.detach()), at_least_float32(other.detach())
    if distance == "ssim_l1":
        return fast_photometric_error(target, warp_horizontal(other, shift_px), alpha)
    return _WarpedRobustL1.apply(target, other, shift_px, eps)


class _WarpedRobustL1(torch.autograd.Function):
    @staticmethod
    def forward(ctx, target: Tensor, other: Tensor, shift_px: Tensor, eps: float) -> Tensor:
        batch, channels, height, width = target.shape
        columns = torch.arange(width, device=shift_px.device, dtype=shift_px.dtype)
        position = (columns - shift_px.reshape(batch * height, width)).to(target.dtype)
        inside = (position > 0) & (position < width - 1)
        position = position.clamp(0, width - 1)
        low = position.floor()
        weight = (position - low).reshape(-1, 1)
        # a NaN must not become a wild index: it stays NaN in the weight
        low = low.nan_to_num_(0).long()
        row = torch.arange(batch * height, device=low.device).reshape(-1, 1) * width
        right = ((low + 1).clamp_(max=width - 1) + row).reshape(-1)
        low = (low + row).reshape(-1)
        # one pixel's channels side by side: a whole vector is fetched at a time
        pixels, targets = (view.permute(0, 2, 3, 1).reshape(-1, channels) for view in (other, target))
        error, derivative = (torch.empty(len(low), dtype=target.dtype, device=target.device) for _ in range(2))
        # some pixels after the others, so that what they need lies in the processor's cache; a GPU rather has them all
        step = max(1, BLOCK_VALUES // channels) if target.device.type == "cpu" else len(low)
        for part in (slice(start, start + step) for start in range(0, len(low), step)):
            left = pixels.index_select(0, low[part])
            slope = pixels.index_select(0, right[part]).sub_(left)
            warped = left.addcmul_(slope, weight[part])
            difference = torch.sub(targets[part], warped, out=warped)
            distance = (difference * difference).add_(eps * eps).sqrt_()
            torch.mean(distance, 1, out=error[part])
            # d error / d shift = -d error / d position, and the difference falls as the warped value rises: two signs
            torch.mean(difference.div_(distance).mul_(slope), 1, out=derivative[part])
        derivative.mul_(inside.reshape(-1))
        ctx.save_for_backward(derivative.reshape(batch, 1, height, width))
        return error.reshape(batch, 1, height, width)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor):
        (derivative,) = ctx.saved_tensors
        return None, None, grad * derivative, None
