"""What all networks here are made of, first in the form to read, then the convolutions in forms that do less work.

The fast forms give the same numbers up to rounding. The form to read stands beside its use (`ConvBlock.join`,
`SigmoidHead`): it is what the tests compare with, and what a trace or an export records.

* **A convolution of a doubled map.** After nearest doubling, two neighbouring rows (and columns) are equal, so the
  three rows under a 3x3 kernel hold two different ones. With kernel rows ``a, b, c`` an even output row is
  ``a x[i-1] + (b + c) x[i]``, an odd one ``(a + b) x[i] + c x[i+1]``. The four combinations of even and odd rows and
  columns are four 2x2 kernels on the small map: 16 multiplications where the large map takes 36, and neither the large
  map nor its join with the skip connection is ever written. A mirrored or a repeated border of the doubled map is a
  repeated border of the small one, since the border's neighbour holds the same value.
* **A 3x3 convolution to one channel.** Convolution routines are made for many output channels. One matrix product
  gives the nine products of every pixel with the nine taps, as nine planes; their shifted sum is the convolution.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PADDING_MODES = ("zeros", "replicate", "reflect")

WHOLE_VECTOR = 16
"""Channels that a vector unit of a CPU takes at once; see `Conv2d`."""

_PHASES = tuple((i, j) for i in (0, 1) for j in (0, 1))
"""Even or odd row, even or odd column of the doubled map."""

_TAPS = tuple((y, x) for y in range(3) for x in range(3))


def scaled_channels(channels: int, width: float) -> int:
    """Channel count at a width: the nearest multiple of 8 (at least 8), or ``channels`` itself at width 1.

    Vector units work on 8 or 16 channels at once, so odd counts cost time and buy nothing.
    """
    return channels if width == 1.0 else max(8, 8 * round(channels * width / 8))


def pad_border(x: Tensor, amount: int, mode: str) -> Tensor:
    """Pad the two image axes of ``(B, C, H, W)`` by ``amount`` on every side.

    Args:
        mode: ``zeros``, ``replicate`` (repeat the border) or ``reflect`` (mirror without repeating the border).
            An axis too short to be mirrored (a 32-pixel image has a single pixel at stride 32) is replicated.
    """
    if torch.is_autocast_enabled(x.device.type):
        # autocast counts mirroring among the operations that need float32; it only copies
        with torch.autocast(x.device.type, enabled=False):
            return pad_border(x, amount, mode)
    if mode == "zeros":
        return F.pad(x, (amount, amount, amount, amount))
    if mode == "reflect" and min(x.shape[-2:]) <= amount:
        mode = "replicate"
    return F.pad(x, (amount, amount, amount, amount), mode=mode)


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


@contextmanager
def evaluation_mode(network) -> Iterator[None]:
    """Inside, batch norms use their running statistics; afterwards the network is as before, if it has modes at all."""
    training = getattr(network, "training", False)
    if training:
        network.eval()
    try:
        yield
    finally:
        if training:
            network.train()


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
    height, width = shapes[-1][-2:] if shapes else (0, 0)
    sizes = [(c, height * 2**k, width * 2**k) for k, c in zip((4, 3, 2, 1, 0), channels, strict=True)]
    if [shape[1:] for shape in shapes] != sizes:
        raise ValueError(
            f"a decoder for channels {channels} takes five (B, C, H, W) maps, each twice the size of the next one, got "
            f"{shapes}; give the encoder an image whose height and width are multiples of 32"
        )


def plain_forms() -> bool:
    """A trace or an export is being recorded, which should hold ordinary operations only."""
    return torch.jit.is_tracing() or torch.compiler.is_compiling()


def phase_kernels(weight: Tensor) -> Tensor:
    """The 2x2 kernels of a 3x3 one on a doubled map: ``(O, C, 3, 3)`` -> ``(4 O, C, 2, 2)`` in ``channels_last``.

    The first O are for even rows and columns, then even rows and odd columns, and so on.
    """
    above, middle, below = weight.permute(0, 2, 3, 1).unbind(1)
    rows = torch.stack([above, middle + below, above + middle, below], 1)
    left, middle, right = rows.unbind(2)
    both = torch.stack([left, middle + right, left + middle, right], 2)
    out, _, _, channels = both.shape
    both = both.reshape(out, 2, 2, 2, 2, channels).permute(1, 3, 0, 2, 4, 5)
    return both.reshape(4 * out, 2, 2, channels).permute(0, 3, 1, 2)


def convolve_joined(
    small: Tensor, skip: Tensor | None, weight: Tensor, bias: Tensor, padding_mode: str, skip_first: bool = False
) -> Tensor:
    """``conv2d(pad(cat([double(small), skip])), weight, bias)`` without the doubled map and without the join.

    Args:
        small: ``(B, C, h, w)``.
        skip: ``(B, S, 2h, 2w)``, or None.
        weight: ``(O, C + S, 3, 3)``. bias: ``(O,)``.
        padding_mode: of `pad_border`.
        skip_first: the join is ``cat([skip, double(small)])``.

    Returns:
        ``(B, O, 2h, 2w)``.
    """
    border = "zeros" if padding_mode == "zeros" else "replicate"
    small, channels = pad_border(small, 1, border), small.shape[1]
    if skip is None:
        return _JoinPhases.apply(F.conv2d(small, phase_kernels(weight), bias.repeat(4)), None)
    sizes = (skip.shape[1], channels) if skip_first else (channels, skip.shape[1])
    parts = weight.split(sizes, 1)
    of_small, of_skip = parts[::-1] if skip_first else parts
    if padding_mode == "zeros":
        onto = F.conv2d(skip, of_skip, bias, padding=1)
    else:
        onto = F.conv2d(pad_border(skip, 1, padding_mode), of_skip, bias)
    return _JoinPhases.apply(F.conv2d(small, phase_kernels(of_small)), onto)


class _JoinPhases(torch.autograd.Function):
    """Four maps ``(B, 4 O, h + 1, w + 1)`` side by side -> one of twice the size, added to ``onto``.

    Window (r, c) of the 2x2 convolution serves the odd row before it and the even row after it, so odd phases are read
    one place further on.
    """

    @staticmethod
    def forward(ctx, phases: Tensor, onto: Tensor | None) -> Tensor:
        batch, count, height, width = phases.shape[0], phases.shape[1] // 4, phases.shape[2] - 1, phases.shape[3] - 1
        ctx.sizes = count, height, width
        out = onto
        if onto is None:
            shape, layout = (batch, count, 2 * height, 2 * width), torch.channels_last
            out = torch.empty(shape, dtype=phases.dtype, device=phases.device, memory_format=layout)
        else:
            ctx.mark_dirty(onto)
        for number, (i, j) in enumerate(_PHASES):
            part = phases[:, number * count : (number + 1) * count, i : i + height, j : j + width]
            place = out[:, :, i::2, j::2]
            place.copy_(part) if onto is None else place.add_(part)
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor):
        count, height, width = ctx.sizes
        shape = grad.shape[0], 4 * count, height + 1, width + 1
        phases = torch.empty(shape, dtype=grad.dtype, device=grad.device, memory_format=torch.channels_last)
        for number, (i, j) in enumerate(_PHASES):
            part = phases[:, number * count : (number + 1) * count]
            part[:, :, i : i + height, j : j + width] = grad[:, :, i::2, j::2]
            # the one row and column that this phase does not read
            part[:, :, (1 - i) * height] = 0
            part[:, :, :, (1 - j) * width] = 0
        return phases, (grad if ctx.needs_input_grad[1] else None)


def convolve_to_one(x: Tensor, weight: Tensor, bias: Tensor, padding_mode: str) -> Tensor:
    """A 3x3 convolution with one output channel: ``(B, C, H, W)`` -> ``(B, 1, H, W)``.

    Args:
        x: without its border.
        weight: ``(1, C, 3, 3)``. bias: ``(1,)``.
        padding_mode: of `pad_border`.
    """
    batch, channels, height, width = x.shape
    pixels = x.permute(0, 2, 3, 1).reshape(-1, channels)
    planes = weight[0].permute(1, 2, 0).reshape(9, channels) @ pixels.t()
    return _ShiftedSum.apply(planes.reshape(9, batch, height, width), padding_mode) + bias


class _ShiftedSum(torch.autograd.Function):
    """Nine planes ``(9, B, H, W)`` -> ``(B, 1, H, W)``: plane of tap (y, x) read at (row + y - 1, column + x - 1)."""

    @staticmethod
    def forward(ctx, planes: Tensor, padding_mode: str) -> Tensor:
        ctx.padding_mode = padding_mode
        height, width = planes.shape[2:]
        wide = pad_border(planes, 1, padding_mode)
        out = wide[4, :, 1:-1, 1:-1].clone()
        for number, (y, x) in enumerate(_TAPS):
            if number != 4:
                out += wide[number, :, y : y + height, x : x + width]
        return out[:, None]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor):
        batch, _, height, width = grad.shape
        wide = grad.new_zeros(9, batch, height + 2, width + 2)
        for number, (y, x) in enumerate(_TAPS):
            wide[number, :, y : y + height, x : x + width] = grad[:, 0]
        return _fold_border(wide, ctx.padding_mode), None


def _fold_border(wide: Tensor, mode: str) -> Tensor:
    """The adjoint of ``pad_border(x, 1, mode)``: each border line is added to the line it was copied from, in place."""
    if mode != "zeros":
        height, width = wide.shape[2] - 2, wide.shape[3] - 2
        # as in pad_border: an axis of one pixel cannot be mirrored
        inwards = 2 if mode == "reflect" and min(height, width) > 1 else 1
        wide[:, :, inwards] += wide[:, :, 0]
        wide[:, :, height + 1 - inwards] += wide[:, :, height + 1]
        wide[..., inwards] += wide[..., 0]
        wide[..., width + 1 - inwards] += wide[..., width + 1]
    return wide[:, :, 1:-1, 1:-1]
