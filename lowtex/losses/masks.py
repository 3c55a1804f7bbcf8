"""Which places a data term leaves out."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lowtex.distributed import share_of_draw, sharers, total
from lowtex.geometry import in_view

NOISE = 1e-5
"""Size of the noise that breaks ties between the identity error and the warped one (Monodepth2)."""


def identity_threshold(identity_error: Tensor, noise: Tensor | torch.Generator | None = None) -> Tensor:
    """The error of the *unwarped* other view, with a little noise, made once a step and used at every scale.

    Args:
        identity_error: ``(B, 1, H, W)``, error between the target and the other view as it is.
        noise: standard normal numbers of that shape, which are taken times 1e-5, or a generator on the error's device
            that gives them (`draw_noise`); None adds none.

    Returns:
        ``(B, 1, H, W)`` without gradient.
    """
    threshold = identity_error.detach()
    if noise is None:
        return threshold
    drawn = draw_noise(noise, threshold.shape) if isinstance(noise, torch.Generator) else noise
    return threshold + NOISE * drawn.to(threshold.dtype)


def draw_noise(generator: torch.Generator, shape: Sequence[int]) -> Tensor:
    """Standard normal numbers ``shape`` in float32; a process that shares the batch gets its part of the draw."""
    return share_of_draw(
        lambda whole: torch.randn(whole, generator=generator, device=generator.device, dtype=torch.float32), shape
    )


def auto_mask(error: Tensor, threshold: Tensor) -> Tensor:
    """Where warping explains the target at least as well as not warping (Monodepth2, Godard et al. 2019, eq. 5).

    Static scenery seen from a standing camera, and places without any texture, fail this test.

    Args:
        error: ``(B, 1, H, W)`` of the warped view.
        threshold: `identity_threshold`, the same shape.

    Returns:
        bool ``(B, 1, H, W)``, True = keep.

    Raises:
        ValueError: the shapes differ; names them.
    """
    if error.shape != threshold.shape:
        raise ValueError(f"auto_mask takes two errors of one shape, got {tuple(error.shape)}, {tuple(threshold.shape)}")
    return error.detach() <= threshold


def out_of_view_mask(shift_px: Tensor) -> Tensor:
    """Where the match lies inside the other image, bool ``(B, 1, H, W)``, True = keep; see `lowtex.geometry.in_view`.

    ``shift_px`` carries the direction's sign, as for `warp_horizontal`.
    """
    return in_view(shift_px.detach())


def masked_mean(error: Tensor, keep: Tensor | None) -> Tensor:
    """Mean of ``error (B, 1, H, W)`` over the places kept; 0 where nothing is kept, everything where ``keep`` is None.

    The count carries no gradient, so pushing a match out of view does not pay. Where several processes share a batch
    it is theirs together, so that the mean of their values is the whole batch's.
    """
    if keep is None:
        return error.mean()
    kept = keep.to(error.dtype)
    return (error * kept).sum() / total_kept(kept)


def total_kept(keep: Tensor) -> Tensor:
    """What a sum over the places kept is divided by for `masked_mean`: 1 at least, a process's share of it for several.

    Args:
        keep: of any shape, 1 or True where a place is kept.
    """
    return total(keep.sum()).clamp(min=1) / sharers()
