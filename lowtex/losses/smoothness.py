"""Edge-aware smoothness of first and second order (dossier 2.1; FeatDepth, Shu et al. 2020).

First order prefers surfaces that face the camera, second order allows any plane. Neither scales what it is given:
a disparity whose level should not matter goes through `normalise_disparity` first.
"""

import torch
from torch import Tensor

from lowtex.losses._checks import at_least_float32


def normalise_disparity(disparity: Tensor) -> Tensor:
    """``d / (mean d + 1e-7)``, the mean taken over each image: ``(B, C, H, W)`` -> the same, unitless.

    Without it the smoothness term is cheapest for a scene at infinity (Wang et al. 2018, "Learning depth from
    monocular videos using direct methods").
    """
    if disparity.dim() != 4:
        raise ValueError(f"normalise_disparity takes (B,C,H,W), got {tuple(disparity.shape)}")
    return disparity / (disparity.mean((2, 3), keepdim=True) + 1e-7)


def smoothness_first_order(disparity: Tensor, image: Tensor, edge_decay: float = 0.5) -> Tensor:
    """``<|dx d| exp(-a |dx I|)> + <|dy d| exp(-a |dy I|)>``; 0 for a constant.

    ``dx``, ``dy`` are differences to the next pixel, ``|dI|`` is the mean over the channels of absolute differences,
    ``<.>`` the mean over all places where the difference exists.

    Args:
        disparity: ``(B, C, H, W)``; several channels (feature maps) are averaged.
        image: ``(B, 3, H, W)`` in [0, 1] at the disparity's size.
        edge_decay: a; 0.5 in FeatDepth, 1 in Monodepth2, 0 ignores the image.

    Returns:
        A scalar, in the units of ``disparity`` per pixel.

    Raises:
        ValueError: the shapes do not fit; names them.
    """
    disparity, image = _pair("smoothness_first_order", disparity, image)
    return _weighted(_dx(disparity), _dx(image), edge_decay) + _weighted(_dy(disparity), _dy(image), edge_decay)


def smoothness_second_order(disparity: Tensor, image: Tensor, edge_decay: float = 0.5) -> Tensor:
    """``sum over uv in xx, xy, yx, yy of <|duv d| exp(-a |duv I|)>``; 0 for any plane.

    Second differences are differences of the first ones; xy and yx are one number, which therefore counts twice.
    Arguments, result and errors as for `smoothness_first_order`; an axis too short for a second difference adds 0.
    """
    disparity, image = _pair("smoothness_second_order", disparity, image)
    disparity_dx, image_dx = _dx(disparity), _dx(image)
    along_x = _weighted(_dx(disparity_dx), _dx(image_dx), edge_decay)
    mixed = _weighted(_dy(disparity_dx), _dy(image_dx), edge_decay)
    along_y = _weighted(_dy(_dy(disparity)), _dy(_dy(image)), edge_decay)
    return along_x + 2 * mixed + along_y


def _pair(function: str, disparity: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
    fits = disparity.dim() == 4 and image.dim() == 4
    if not fits or disparity.shape[0] != image.shape[0] or disparity.shape[2:] != image.shape[2:]:
        raise ValueError(
            f"{function} takes a disparity (B,C,H,W) and an image (B,3,H,W) of one size, "
            f"got {tuple(disparity.shape)} and {tuple(image.shape)}"
        )
    disparity, image = at_least_float32(disparity), at_least_float32(image)
    return disparity, image.to(disparity.dtype)


def _weighted(disparity_difference: Tensor, image_difference: Tensor, edge_decay: float) -> Tensor:
    weight = torch.exp(-edge_decay * image_difference.abs().mean(1, keepdim=True))
    value = disparity_difference.abs() * weight
    return value.mean() if value.numel() else value.sum()


def _dx(x: Tensor) -> Tensor:
    return x[..., :, 1:] - x[..., :, :-1]


def _dy(x: Tensor) -> Tensor:
    return x[..., 1:, :] - x[..., :-1, :]
