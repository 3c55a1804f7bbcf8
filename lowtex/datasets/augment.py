"""What training does to a pair: stereo flip and colour jitter, on whole batches, by a generator handed in."""

from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor

from lowtex.datasets.sample import StereoBatch, StereoSample
from lowtex.distributed import share_of_draw
from lowtex.geometry import StereoRig

Pair = TypeVar("Pair", StereoSample, StereoBatch)

LUMA = (0.299, 0.587, 0.114)
"""Weights of R, G, B in gray (ITU-R BT.601)."""


def flip_pair(pair: Pair, which: Tensor | None = None) -> Pair:
    """Mirror both views and swap them, which makes a valid pair again: the mirrored right view is the new left one.

    The target becomes the mirrored other view, so ``direction`` stays. What was known of the old target's pixels
    (depth, contrast, visibility) says nothing about the new one's and is dropped. Twice is the identity for images
    and rig.

    Args:
        pair: a sample, or a batch with its other views.
        which: bool ``(B,)``, the images of a batch to flip; None flips all.

    Returns:
        A new sample or batch; the one given is left as it is. ``network_image`` of a batch is cleared.

    Raises:
        ValueError: there is no other view, or ``which`` has another length than the batch.
    """
    if pair.other is None:
        raise ValueError("flip_pair needs both views of the pair; open the data set with views=True")
    rig = _flipped_rig(pair.rig, pair.direction)
    flipped = replace(pair, image=pair.other.flip(-1), other=pair.image.flip(-1), rig=rig)
    if isinstance(pair, StereoSample):
        if which is not None:
            raise ValueError("flip_pair: `which` chooses images of a batch, this is a single sample")
        return replace(flipped, depth=None, texture_contrast=None, visible=None)
    flipped.network_image = None
    if which is None:
        return flipped
    count = pair.image.shape[0]
    if which.dtype != torch.bool or tuple(which.shape) != (count,):
        raise ValueError(f"flip_pair: `which` must be bool of shape ({count},), got {which.dtype} {tuple(which.shape)}")
    here = which.to(pair.image.device)
    mask = here[:, None, None, None]
    if rig.cx is not None:
        rig = replace(rig, cx=torch.where(here.to(rig.cx.device), rig.cx, pair.rig.cx))
    views = {name: torch.where(mask, getattr(flipped, name), getattr(pair, name)) for name in ("image", "other")}
    return replace(flipped, rig=rig, **views)


def _flipped_rig(rig: StereoRig, direction: float | Tensor) -> StereoRig:
    """`StereoRig.flipped`, which takes the rig for the left camera's; for a right target the offset's sign turns."""
    flipped = rig.flipped()
    if flipped.cx is None:
        return flipped
    return replace(flipped, cx=flipped.cx + (direction - 1.0) * rig.cx_offset_px)


AMOUNTS = (0.2, 0.2, 0.2, 0.1)
"""How far brightness, contrast, saturation and hue are changed at most, as in Monodepth2."""


def jitter_colour(image: Tensor, *, generator: torch.Generator, probability: float = 1.0) -> Tensor:
    """Change the colours of each image by its own random amounts.

    In this fixed order, each followed by clamping to [0, 1]: brightness (times a factor), contrast (away from or to
    the image's mean gray), saturation (away from or to each pixel's gray), hue (turned round the colour circle).
    Factors are uniform in ``1 +- amount``, the turn in ``+- amount`` of a full circle (`AMOUNTS`). Monodepth2 shuffles
    the order.

    Args:
        image: ``(B, 3, H, W)`` RGB in [0, 1].
        generator: on the image's device. Five numbers are drawn for each image, so that one image's
            fate never depends on another's.
        probability: of an image being changed at all; others are returned bit for bit.

    Returns:
        A new tensor like ``image``, in [0, 1].

    Raises:
        ValueError: ``image`` is not ``(B, 3, H, W)``.
    """
    if image.dim() != 4 or image.shape[1] != 3:
        raise ValueError(f"jitter_colour takes (B,3,H,W), got {tuple(image.shape)}")
    device = image.device
    draws = share_of_draw(
        lambda shape: torch.rand(shape, generator=generator, dtype=torch.float64, device=device), (image.shape[0], 5)
    )
    chosen = draws[:, 0] < probability
    # a GPU would have to be waited for to know how many are chosen: there all are changed, and the others put back
    some = chosen if device.type == "cpu" else slice(None)
    changes = (2.0 * draws[some, 1:] - 1.0).reshape(-1, 4, 1, 1, 1).unbind(1)
    bright, contr, satur, turn = (
        (change * amount).to(image.dtype) for change, amount in zip(changes, AMOUNTS, strict=True)
    )
    out = (image[some] * (1.0 + bright)).clamp(0.0, 1.0)
    mean = _gray(out).mean(dim=(2, 3), keepdim=True)
    out = torch.lerp(mean, out, 1.0 + contr).clamp(0.0, 1.0)
    out = torch.lerp(_gray(out), out, 1.0 + satur).clamp(0.0, 1.0)
    out = turn_hue(out, turn)
    if device.type == "cpu":
        return image.index_put((chosen,), out)
    return torch.where(chosen[:, None, None, None], out, image)


def turn_hue(image: Tensor, turn: float | Tensor) -> Tensor:
    """Turn the hue of RGB ``(B, 3, H, W)`` in [0, 1] by ``turn`` of a full circle; value and saturation (HSV) stay.

    A third turns red into green, green into blue and blue into red.
    """
    turn = turn.reshape(-1, 1, 1) if isinstance(turn, Tensor) else turn
    red, green, blue = image.unbind(1)
    value = image.amax(dim=1)
    chroma = value - image.amin(dim=1)
    scale = chroma.clamp(min=torch.finfo(image.dtype).tiny).reciprocal()
    # hue in sixths of the circle: which channel is largest, and which way the other two lean
    hue = torch.where(green == value, (blue - red) * scale + 2.0, (red - green) * scale + 4.0)
    hue = torch.where(red == value, (green - blue) * scale, hue) + 6.0 * turn
    # and back: a channel is at `value` within one sixth of its own hue, `chroma` below it beyond two
    channels = []
    for offset in (5.0, 3.0, 1.0):
        distance = torch.remainder(hue + offset, 6.0)
        channels.append(value - chroma * torch.minimum(distance, 4.0 - distance).clamp(0.0, 1.0))
    return torch.stack(channels, dim=1)


def _gray(image: Tensor) -> Tensor:
    red, green, blue = (channel * weight for channel, weight in zip(image.split(1, dim=1), LUMA, strict=True))
    return red + green + blue
