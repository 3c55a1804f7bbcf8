"""What all networks here are made of: a convolution that pads, a convolution block, channel rounding, shape checks."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lowtex.networks.fast_conv import convolve_joined, convolve_to_one, plain_forms
from lowtex.networks.padding import PADDING_MODES, pad_border

WHOLE_VECTOR = 16
"""Channels that a vector unit of a CPU takes at once; see `Conv2d`."""


def scaled_channels(channels: int, width: float) -> int:
    """Channel count at a width: the nearest multiple of 8 (at least 8), or ``channels`` itself at width 1.

    Vector units work on 8 or 16 channels at once, so odd counts cost time and buy nothing.
    """
    return channels if width == 1.0 else max(8, 8 * round(channels * width / 8))


class Conv2d(nn.Conv2d):
    """`torch.nn.Conv2d` of "same" size (odd kernel, half of it as padding) whose border is padded by `pad_border`.

    A strided 1x1 convolution of few channels first picks the places it reads, then convolves those. The numbers are
    the same. On a CPU the backward pass of torch's own form writes beyond its memory and ends the process (torch 2.13,
    ``channels_last``, up to 15 input channels; with guard pages behind every tensor, 16 and more stay inside).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        bias: bool = False,
        padding_mode: str = "zeros",
    ):
        if padding_mode not in PADDING_MODES:
            raise ValueError(f"padding_mode must be one of {', '.join(PADDING_MODES)}, got {padding_mode!r}")
        self.border = 0 if padding_mode == "zeros" else kernel_size // 2
        self.border_mode = padding_mode
        padding = kernel_size // 2 - self.border
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, in, H, W)`` -> ``(B, out, ceil(H / stride), ceil(W / stride))``."""
        if self.kernel_size == (1, 1) and self.stride != (1, 1) and self.in_channels < WHOLE_VECTOR:
            down, right = self.stride
            return F.conv2d(x[..., ::down, ::right], self.weight, self.bias)
        return super().forward(pad_border(x, self.border, self.border_mode) if self.border else x)


class ConvBlock(nn.Module):
    """3x3 convolution with bias, then ELU: the decoder block of Godard et al. 2019 (Monodepth2)."""

    def __init__(self, in_channels: int, out_channels: int, padding_mode: str = "reflect"):
        super().__init__()
        self.conv = Conv2d(in_channels, out_channels, 3, bias=True, padding_mode=padding_mode)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, in, H, W)`` -> ``(B, out, H, W)``."""
        # in place: the derivative is found from the output, and no one else holds the convolution's
        return F.elu(self.conv(x), inplace=True)

    def join(self, small: Tensor, skip: Tensor | None = None, skip_first: bool = False) -> Tensor:
        """The block on ``small``, doubled, joined with ``skip`` of that size.

        Args:
            small: ``(B, C, h, w)``. skip: ``(B, S, 2h, 2w)``, or None. skip_first: the order of the join's channels.

        Returns:
            ``(B, out, 2h, 2w)``.
        """
        if plain_forms():
            parts = [upsample(small)] if skip is None else [upsample(small), skip]
            return self(torch.cat(parts[::-1] if skip_first else parts, dim=1))
        conv = self.conv
        return F.elu(convolve_joined(small, skip, conv.weight, conv.bias, conv.border_mode, skip_first), inplace=True)


class SigmoidHead(nn.Module):
    """3x3 convolution and sigmoid: ``(B, in, H, W)`` -> ``(B, out, H, W)`` in (0, 1).

    Args:
        initial_bias: start of the bias; the sigmoid starts near ``sigmoid(initial_bias)`` everywhere.
    """

    def __init__(self, in_channels: int, out_channels: int = 1, initial_bias: float = 0.0, padding_mode="reflect"):
        super().__init__()
        self.conv = Conv2d(in_channels, out_channels, 3, bias=True, padding_mode=padding_mode)
        nn.init.constant_(self.conv.bias, initial_bias)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, in, H, W)`` -> ``(B, out, H, W)``; float32 even under bfloat16 autocast.

        bfloat16 keeps eight bits: rounding the last convolution's sum would move a 20-pixel disparity by 0.1 pixel.
        """
        if torch.is_autocast_enabled(x.device.type):
            with torch.autocast(x.device.type, enabled=False):
                return self(x.float())
        conv = self.conv
        if conv.out_channels > 1 or plain_forms():
            return torch.sigmoid(conv(x))
        return torch.sigmoid(convolve_to_one(x, conv.weight, conv.bias, conv.border_mode))


def upsample(x: Tensor) -> Tensor:
    """Nearest-neighbour doubling: ``(B, C, H, W)`` -> ``(B, C, 2H, 2W)``."""
    return F.interpolate(x, scale_factor=2, mode="nearest")


def initialise(module: nn.Module) -> None:
    """Kaiming normal (fan out, ReLU) for convolutions, 1 and 0 for batch norms: how both encoder families start."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(part, nn.BatchNorm2d):
            nn.init.ones_(part.weight)
            nn.init.zeros_(part.bias)


def check_image(image: Tensor, multiple: int = 32) -> None:
    """Raise ValueError, naming the shape got, unless ``image`` is ``(B, 3, H, W)`` with fitting height and width."""
    if image.dim() != 4 or image.shape[1] != 3:
        raise ValueError(f"an image batch is (B, 3, H, W), got {tuple(image.shape)}")
    height, width = image.shape[-2:]
    if height % multiple or width % multiple or not height or not width:
        better = [max(multiple, multiple * round(size / multiple)) for size in (height, width)]
        raise ValueError(
            f"image height and width must be multiples of {multiple}, got {height}x{width}; "
            f"resize to {better[0]}x{better[1]}"
        )


def check_maps(maps: list[Tensor], channels: list[int]) -> None:
    """Raise ValueError unless ``maps`` are five encoder maps with ``channels``, each twice the size of the next."""
    shapes = [tuple(m.shape) for m in maps]
    if len(maps) != 5 or any(m.dim() != 4 or m.shape[1] != c for m, c in zip(maps, channels, strict=True)):
        raise ValueError(f"a decoder for channels {channels} takes five (B, C, H, W) maps, got {shapes}")
    for fine, coarse in zip(maps[:-1], maps[1:], strict=True):
        if fine.shape[-2] != 2 * coarse.shape[-2] or fine.shape[-1] != 2 * coarse.shape[-1]:
            raise ValueError(
                f"each encoder map must be twice the size of the next one, got {shapes}; "
                "give the encoder an image whose height and width are multiples of 32"
            )
