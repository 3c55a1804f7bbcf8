"""From five encoder maps to four disparities: Monodepth2's U-Net decoder and the nested grid of HR-Depth."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lowtex.networks.layers import Conv2d, ConvBlock, SigmoidHead, check_maps, scaled_channels, upsample

DECODER_CHANNELS = (16, 32, 64, 128, 256)
"""Channels at full size, 1/2, 1/4, 1/8 and 1/16 (Godard et al. 2019)."""

INITIAL_BIAS = -4.0


def _own_channels(width: float, least_channels: int | None) -> list[int]:
    own = [scaled_channels(c, width) for c in DECODER_CHANNELS]
    return own if least_channels is None else [max(least_channels, channels) for channels in own]


class UNetDecoder(nn.Module):
    """Monodepth2's decoder (Godard et al. 2019): one skip connection at each size.

    From the deepest map on, five times: a `ConvBlock`, nearest doubling, the encoder map of that size joined (none at
    full size), a `ConvBlock`. The last four sizes each have a sigmoid head.

    Args:
        channels: channels of the five encoder maps (``encoder.channels``).
        width: multiplies the decoder's own channels 16, 32, 64, 128, 256 (rounded to multiples of 8).
        initial_bias: start of the heads' bias. 0 starts at half of the largest disparity, which sometimes collapses
            when trained from scratch; -4 starts at small disparities.
        least_channels: fewest of any level, whatever the width; None = 8.
        outputs: channels of each head.
        padding_mode: of every convolution, see `lowtex.networks.layers.pad_border`.
    """

    def __init__(
        self,
        channels: list[int],
        width: float = 1.0,
        initial_bias: float = INITIAL_BIAS,
        least_channels: int | None = None,
        outputs: int = 1,
        padding_mode: str = "reflect",
    ):
        super().__init__()
        self.in_channels = list(channels)
        own = _own_channels(width, least_channels)
        before = [self.in_channels[4], *own[:0:-1]]
        skips = [*self.in_channels[3::-1], 0]
        self.reduce = nn.ModuleList(ConvBlock(c, o, padding_mode) for c, o in zip(before, own[::-1], strict=True))
        self.fuse = nn.ModuleList(ConvBlock(o + s, o, padding_mode) for o, s in zip(own[::-1], skips, strict=True))
        self.heads = nn.ModuleList(SigmoidHead(c, outputs, initial_bias, padding_mode) for c in own[:4])

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Four disparities in (0, 1), ``(B, 1, H / 2^k, W / 2^k)``, k = 0..3: the full size of the image first.

        Args:
            maps: five maps ``(B, channels[i], H / 2^(i+1), W / 2^(i+1))``.

        Raises:
            ValueError: maps of other shapes, with the shapes got.
        """
        check_maps(maps, self.in_channels)
        return self.decode(maps[4], [*maps[3::-1], None])

    def decode(self, deepest: Tensor, skips: list[Tensor | None]) -> list[Tensor]:
        """As `forward`, from the deepest map and what is joined at each of the five sizes, deepest first."""
        x, decoded = deepest, []
        for reduce, fuse, skip in zip(self.reduce, self.fuse, skips, strict=True):
            x = fuse.join(reduce(x), skip)
            decoded.append(x)
        return [head(x) for head, x in zip(self.heads, decoded[:0:-1], strict=True)]


class PlainNode(nn.Module):
    """Join and `ConvBlock`; a 1x1 convolution to twice the output channels goes before it where many maps meet."""

    def __init__(self, in_channels: int, out_channels: int, reduce: bool):
        super().__init__()
        self.reduce = Conv2d(in_channels, 2 * out_channels, 1) if reduce else None
        self.block = ConvBlock(2 * out_channels if reduce else in_channels, out_channels)

    def forward(self, row: list[Tensor], below: Tensor) -> Tensor:
        """Maps ``(B, C, H, W)`` and one of half that size, which is doubled and joined last -> ``(B, out, H, W)``."""
        if self.reduce is None:
            return self.block.join(below, row[0], skip_first=True)
        # a 1x1 convolution and doubling may change places: the convolution then sees a quarter of the pixels
        x = torch.cat(row, dim=1)
        of_row, of_below = self.reduce.weight.split((x.shape[1], below.shape[1]), 1)
        return self.block(F.conv2d(x, of_row) + upsample(F.conv2d(below, of_below)))


class GatedNode(nn.Module):
    """HR-Depth's fSE node: squeeze and excite over the joined channels, then a 1x1 convolution and ReLU.

    gate = sigmoid(W2 ReLU(W1 mean(x))) with C / 16 hidden units, one number a channel; out = ReLU(conv1x1(gate x)).
    Never fewer than 8 hidden units: of two or three, all may be dead from the start, and the gate a constant.
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        hidden = max(8, in_channels // 16)
        self.squeeze = nn.Linear(in_channels, hidden, bias=False)
        self.excite = nn.Linear(hidden, in_channels, bias=False)
        self.project = Conv2d(in_channels, out_channels, 1, bias=True)

    def forward(self, row: list[Tensor], below: Tensor) -> Tensor:
        """Maps ``(B, C, H, W)`` and one of half that size -> ``(B, out, H, W)``, >= 0; see `PlainNode`."""
        x = torch.cat([*row, upsample(below)], dim=1)
        gate = torch.sigmoid(self.excite(torch.relu(self.squeeze(x.mean(dim=(2, 3))))))
        return torch.relu(self.project(x * gate[:, :, None, None]))


class NestedDecoder(nn.Module):
    """A nested grid of joins (UNet++; HR-Depth, Lyu et al. 2020, arXiv 2012.07356): deeper levels feed every upper one.

    Node (i, j) lies at the size of encoder map i (0 = half size) and takes all earlier nodes of its row and the node
    below and before it, reduced by a `ConvBlock` and doubled:
    ``X[i][j] = f(X[i][0], ..., X[i][j-1], up(conv(X[i+1][j-1])))`` with ``X[i][0]`` the encoder map. So the step in
    meaning between an encoder map and the decoder is taken in small parts. Heads sit on X[0][4] (once more
    decoded to full size), X[0][4], X[1][3] and X[2][2].

    Args:
        channels: channels of the five encoder maps (``encoder.channels``).
        squeeze_excite: HR-Depth's gate in the last node of every row, (3,1), (2,2), (1,3), (0,4); else all are plain.
        width: multiplies the decoder's own channels 16, 32, 64, 128, 256 (rounded to multiples of 8).
        initial_bias, least_channels: see `UNetDecoder`.
    """

    def __init__(
        self,
        channels: list[int],
        squeeze_excite: bool = False,
        width: float = 1.0,
        initial_bias: float = INITIAL_BIAS,
        least_channels: int | None = None,
    ):
        super().__init__()
        self.in_channels = list(channels)
        own = _own_channels(width, least_channels)
        self.rows = nn.ModuleList()
        self.rises = nn.ModuleList()
        for i in range(4):
            out = own[i + 1]
            nodes, rises = nn.ModuleList(), nn.ModuleList()
            for j in range(1, 5 - i):
                below = self.in_channels[i + 1] if j == 1 else own[i + 2]
                joined = self.in_channels[i] + (j - 1) * out + out
                rises.append(ConvBlock(below, out))
                gated = squeeze_excite and i + j == 4
                nodes.append(GatedNode(joined, out) if gated else PlainNode(joined, out, reduce=j > 1))
            self.rows.append(nodes)
            self.rises.append(rises)
        self.last = nn.ModuleList([ConvBlock(own[1], own[0]), ConvBlock(own[0], own[0])])
        self.heads = nn.ModuleList(SigmoidHead(c, initial_bias=initial_bias) for c in own[:4])

    def grid(self, maps: list[Tensor]) -> list[list[Tensor]]:
        """All nodes as ``grid[i][j]``; row i has 5 - i of them, the encoder map first.

        Raises:
            ValueError: maps of other shapes than five ``(B, channels[i], H / 2^(i+1), W / 2^(i+1))``.
        """
        check_maps(maps, self.in_channels)
        grid = [[x] for x in maps]
        for j in range(1, 5):
            for i in range(5 - j):
                below = self.rises[i][j - 1](grid[i + 1][j - 1])
                grid[i].append(self.rows[i][j - 1](grid[i], below))
        return grid

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Four disparities in (0, 1), ``(B, 1, H / 2^k, W / 2^k)``, k = 0..3: the full size of the image first.

        Raises:
            ValueError: maps of other shapes, with the shapes got.
        """
        grid = self.grid(maps)
        finest = self.last[1].join(self.last[0](grid[0][4]))
        maps = [finest, grid[0][4], grid[1][3], grid[2][2]]
        return [head(x) for head, x in zip(self.heads, maps, strict=True)]
