"""The depth and feature networks in plain torch modules, laid out the default way.

Parameters are named as the kit's, so that ``plain.load_state_dict(kit.state_dict())`` makes both the same network.
ResNet: He et al. 2016, with in-place ReLUs as torchvision has them. iResNet: Duta et al. 2020. U-Net decoder: Godard et
al. 2019 (Monodepth2). Nested decoder: Lyu et al. 2020 (HR-Depth) without its gates. Feature network: the encoder of
Shu et al. 2020 (FeatDepth), whose decoder takes no part in the loss.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lowtex.settings import FeatureNetSettings, NetworkSettings

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
PLANES = (64, 128, 256, 512)
DECODER = (16, 32, 64, 128, 256)


def _scaled(channels: int, width: float) -> int:
    return channels if width == 1.0 else max(8, 8 * round(channels * width / 8))


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, padding_mode: str = "zeros") -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False, padding_mode=padding_mode)


class Branch(nn.Module):
    """Two 3x3 convolutions, or 1x1-3x3-1x1 as a bottleneck; the last one's batch norm is left out without ``norm``."""

    def __init__(self, inputs: int, planes: int, stride: int, bottleneck: bool, padding_mode: str, norm: bool = True):
        super().__init__()
        self.outputs = planes * (4 if bottleneck else 1)
        first, strides = (1, (1, stride)) if bottleneck else (3, (stride, 1))
        self.conv1, self.bn1 = _conv(inputs, planes, first, strides[0], padding_mode), nn.BatchNorm2d(planes)
        self.conv2 = _conv(planes, planes, 3, strides[1], padding_mode)
        if bottleneck:
            self.bn2, self.conv3 = nn.BatchNorm2d(planes), _conv(planes, self.outputs, 1)
        self.add_module("bn3" if bottleneck else "bn2", nn.BatchNorm2d(self.outputs) if norm else None)
        self.bottleneck, self.relu = bottleneck, nn.ReLU(inplace=True)

    def branch(self, x: Tensor) -> Tensor:
        """Up to the last convolution."""
        y = self.conv2(self.relu(self.bn1(self.conv1(x))))
        return self.conv3(self.relu(self.bn2(y))) if self.bottleneck else y

    def norm(self, y: Tensor) -> Tensor:
        """The last batch norm."""
        return (self.bn3 if self.bottleneck else self.bn2)(y)


class ResNetBlock(Branch):
    """A branch, and a ReLU after the sum."""

    def __init__(self, inputs: int, planes: int, stride: int, bottleneck: bool, padding_mode: str):
        super().__init__(inputs, planes, stride, bottleneck, padding_mode)
        self.downsample = None
        if stride != 1 or inputs != self.outputs:
            self.downsample = nn.Sequential(_conv(inputs, self.outputs, 1, stride), nn.BatchNorm2d(self.outputs))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, in, H, W)`` -> ``(B, out, H / stride, W / stride)``."""
        y = self.norm(self.branch(x))
        y += x if self.downsample is None else self.downsample(x)
        return self.relu(y)


class IResNetBlock(Branch):
    """Start, Middle or End block of a stage; only End rectifies the main path, a shortcut pools, then projects.

    The branch opens with a ReLU, after a batch norm unless the block follows Start, which has just normalised.
    """

    def __init__(self, inputs: int, planes: int, role: str, bottleneck: bool, follows_start: bool):
        super().__init__(inputs, planes, 2 if role == "start" else 1, bottleneck, "zeros", norm=role != "middle")
        self.role = role
        self.bn0 = None if role == "start" or follows_start else nn.BatchNorm2d(inputs)
        self.downsample = None
        if role == "start":
            self.downsample = nn.MaxPool2d(3, stride=2, padding=1)
            if inputs != self.outputs:
                project = _conv(inputs, self.outputs, 1), nn.BatchNorm2d(self.outputs)
                self.downsample = nn.Sequential(self.downsample, *project)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, in, H, W)`` -> ``(B, out, H, W)``, half of it from a Start block."""
        if self.role == "start":
            return self.norm(self.branch(x)) + self.downsample(x)
        # not in place: x is the main path, which keeps its negative values
        y = self.branch(F.relu(x) if self.bn0 is None else self.relu(self.bn0(x))) + x
        return self.relu(self.norm(y)) if self.role == "end" else y


class Encoder(nn.Module):
    """Image in [0, 1] -> five maps at strides 2 to 32. ``kind`` is ``resnet`` or ``iresnet``."""

    def __init__(self, kind: str, depth: int, width: float, padding_mode: str = "zeros", normalise: bool = True):
        super().__init__()
        bottleneck = depth >= 50
        planes = [_scaled(p, width) for p in PLANES]
        self.channels = [planes[0], *(p * (4 if bottleneck else 1) for p in planes)]
        self.normalise, self.pools = normalise, kind == "resnet"
        self.conv1 = _conv(3, planes[0], 7, 2, padding_mode)
        self.bn1 = nn.BatchNorm2d(planes[0])
        self.relu = nn.ReLU(inplace=True)
        for stage, count in enumerate(BLOCKS[depth]):
            blocks = []
            for i in range(count):
                inputs = self.channels[stage] if i == 0 else self.channels[stage + 1]
                if kind == "resnet":
                    stride = 2 if i == 0 and stage else 1
                    blocks.append(ResNetBlock(inputs, planes[stage], stride, bottleneck, padding_mode))
                else:
                    role = "start" if i == 0 else "end" if i == count - 1 else "middle"
                    blocks.append(IResNetBlock(inputs, planes[stage], role, bottleneck, i == 1))
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))

    def forward(self, image: Tensor) -> list[Tensor]:
        """``(B, 3, H, W)`` -> five ``(B, C, H / 2^i, W / 2^i)``."""
        x = (image - 0.45) / 0.225 if self.normalise else image
        maps = [self.relu(self.bn1(self.conv1(x)))]
        x = F.max_pool2d(maps[0], 3, 2, 1) if self.pools else maps[0]
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            maps.append(x)
        return maps


class Conv3x3(nn.Module):
    """Reflection padding as a layer of its own, then a 3x3 convolution with a bias."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, in, H, W)`` -> ``(B, out, H, W)``."""
        # a single row or column has no neighbour to mirror
        mode = "reflect" if min(x.shape[2:]) > 1 else "replicate"
        return self.conv(F.pad(x, (1, 1, 1, 1), mode=mode))


class ConvBlock(Conv3x3):
    """`Conv3x3` and ELU."""

    def forward(self, x: Tensor) -> Tensor:
        """``(B, in, H, W)`` -> ``(B, out, H, W)``."""
        return F.elu(super().forward(x), inplace=True)


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")


def _heads(heads: nn.ModuleList, maps: list[Tensor]) -> list[Tensor]:
    return [torch.sigmoid(head(x)) for head, x in zip(heads, maps, strict=True)]


class UNetDecoder(nn.Module):
    """Monodepth2's decoder: five maps -> four sigmoid disparities, full size first."""

    def __init__(self, channels: list[int], own: list[int]):
        super().__init__()
        before, skips = [channels[4], *own[:0:-1]], [*channels[3::-1], 0]
        self.reduce = nn.ModuleList(ConvBlock(c, o) for c, o in zip(before, own[::-1], strict=True))
        self.fuse = nn.ModuleList(ConvBlock(o + s, o) for o, s in zip(own[::-1], skips, strict=True))
        self.heads = nn.ModuleList(Conv3x3(c, 1) for c in own[:4])

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Five maps -> four ``(B, 1, H / 2^k, W / 2^k)`` in (0, 1)."""
        x, decoded = maps[4], []
        for i in range(5):
            x = _doubled(self.reduce[i](x))
            x = self.fuse[i](torch.cat([x, maps[3 - i]], 1) if i < 4 else x)
            decoded.append(x)
        return _heads(self.heads, decoded[:0:-1])


class Node(nn.Module):
    """Join, a 1x1 convolution where more than two maps meet, `ConvBlock`."""

    def __init__(self, inputs: int, outputs: int, reduce: bool):
        super().__init__()
        self.reduce = _conv(inputs, 2 * outputs, 1) if reduce else None
        self.block = ConvBlock(2 * outputs if reduce else inputs, outputs)

    def forward(self, parts: list[Tensor]) -> Tensor:
        """Maps of one size -> ``(B, out, H, W)``."""
        x = torch.cat(parts, 1)
        return self.block(x if self.reduce is None else self.reduce(x))


class NestedDecoder(nn.Module):
    """HR-Depth's grid: node (i, j) joins all before it in its row and the doubled one below and before it."""

    def __init__(self, channels: list[int], own: list[int]):
        super().__init__()
        self.rows, self.rises = nn.ModuleList(), nn.ModuleList()
        for i in range(4):
            out, columns = own[i + 1], range(1, 5 - i)
            self.rises.append(nn.ModuleList(ConvBlock(channels[i + 1] if j == 1 else own[i + 2], out) for j in columns))
            self.rows.append(nn.ModuleList(Node(channels[i] + j * out, out, j > 1) for j in columns))
        self.last = nn.ModuleList([ConvBlock(own[1], own[0]), ConvBlock(own[0], own[0])])
        self.heads = nn.ModuleList(Conv3x3(c, 1) for c in own[:4])

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Five maps -> four ``(B, 1, H / 2^k, W / 2^k)`` in (0, 1)."""
        grid = [[x] for x in maps]
        for j in range(1, 5):
            for i in range(5 - j):
                risen = _doubled(self.rises[i][j - 1](grid[i + 1][j - 1]))
                grid[i].append(self.rows[i][j - 1]([*grid[i], risen]))
        finest = self.last[1](_doubled(self.last[0](grid[0][4])))
        return _heads(self.heads, [finest, grid[0][4], grid[1][3], grid[2][2]])


class DepthNet(nn.Module):
    """Image -> four sigmoid disparities: the network of ``settings``, for the choices a benchmark makes."""

    def __init__(self, settings: NetworkSettings):
        super().__init__()
        self.encoder = Encoder(settings.encoder, settings.depth, settings.width)
        own = [max(settings.least_channels or 8, _scaled(c, settings.width)) for c in DECODER]
        decoder = NestedDecoder if settings.decoder == "nested" else UNetDecoder
        self.decoder = decoder(self.encoder.channels, own)
        self.min_depth, self.max_depth = settings.min_depth, settings.max_depth

    def forward(self, image: Tensor) -> list[Tensor]:
        """``(B, 3, H, W)`` in [0, 1] -> four ``(B, 1, H / 2^k, W / 2^k)`` in (0, 1), full size first."""
        return self.decoder(self.encoder(image))

    def depth_m(self, sigmoid: Tensor, baseline_m: Tensor) -> Tensor:
        """Metres of sigmoid values ``(B, 1, h, w)``: Monodepth2's range 0.1 to 100 times ``baseline / 0.1``."""
        scaled = 1 / self.max_depth + (1 / self.min_depth - 1 / self.max_depth) * sigmoid
        return baseline_m.to(sigmoid).reshape(-1, 1, 1, 1) / 0.1 / scaled


class Extractor(nn.Module):
    """The feature network's whole encoder, frozen; its first map, scaled per channel, is what the loss compares."""

    def __init__(self, settings: FeatureNetSettings):
        super().__init__()
        self.encoder = Encoder("resnet", settings.depth, settings.width, settings.padding_mode, normalise=False)
        channels = self.encoder.channels[0]
        self.register_buffer("mean_0", torch.zeros(channels))
        self.register_buffer("deviation_0", torch.ones(channels))
        self.requires_grad_(False).eval()

    @classmethod
    def like(cls, settings: FeatureNetSettings, feature_net: nn.Module) -> "Extractor":
        """With the weights of the kit's ``feature_net`` of the same settings."""
        extractor = cls(settings).to(next(feature_net.parameters()))
        extractor.load_state_dict({k: v for k, v in feature_net.state_dict().items() if k in extractor.state_dict()})
        return extractor

    def forward(self, image: Tensor) -> Tensor:
        """``(B, 3, H, W)`` in [0, 1] -> ``(B, C, H / 2, W / 2)``; all five stages are run."""
        lowest = self.encoder(image)[0]
        return (lowest - self.mean_0[:, None, None]) / self.deviation_0[:, None, None]
