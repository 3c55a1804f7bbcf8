"""ResNet (He et al. 2016) as an encoder, with torchvision's parameter names so that its weights load by name.

`Encoder` is what it shares with iResNet: the stem, four stages, five maps.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from lowtex.errors import require_choice
from lowtex.networks.layers import Conv2d, check_image, initialise, scaled_channels

STAGE_PLANES = (64, 128, 256, 512)
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
IMAGE_MEAN, IMAGE_DEVIATION = 0.45, 0.225
"""One grey level and one deviation for all three colours, as Monodepth2 normalises its input."""


def is_bottleneck(depth: int) -> bool:
    """50 layers and more are built of 1x1-3x3-1x1 blocks with four times as many output channels."""
    return depth >= 50


class Encoder(nn.Module):
    """Image in [0, 1] -> five maps at strides 2, 4, 8, 16, 32; base of `ResNetEncoder` and `IResNetEncoder`.

    Attributes:
        channels: channels of the five maps.
        depth, width: as given.
        padding_mode: of every convolution.
        normalise_image: the input is taken as ``(x - 0.45) / 0.225``; if False as it is.
    """

    def __init__(self, depth: int, width: float, padding_mode: str = "zeros", normalise_image: bool = True):
        super().__init__()
        if not 0.0 < width <= 4.0:
            raise ValueError(f"width must be a number in (0, 4], got {width}")
        self.depth, self.width = depth, float(width)
        self.padding_mode, self.normalise_image = padding_mode, normalise_image
        self.planes = [scaled_channels(planes, width) for planes in STAGE_PLANES]
        self.expansion = 4 if is_bottleneck(depth) else 1
        self.channels = [self.planes[0], *(planes * self.expansion for planes in self.planes)]
        self.conv1 = Conv2d(3, self.channels[0], 7, stride=2, padding_mode=padding_mode)
        self.bn1 = nn.BatchNorm2d(self.channels[0])

    def add_stages(self) -> None:
        """Build ``layer1`` .. ``layer4`` and draw all weights; the last thing a subclass does when it is made."""
        for stage, count in enumerate(BLOCKS[self.depth]):
            inputs = [self.channels[stage]] + (count - 1) * [self.channels[stage + 1]]
            blocks = [self.make_block(stage, index, in_channels) for index, in_channels in enumerate(inputs)]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        initialise(self)

    def make_block(self, stage: int, index: int, in_channels: int) -> nn.Module:
        """Block ``index`` of stage 0..3; it ends with ``channels[stage + 1]``."""
        raise NotImplementedError

    def before_stages(self, x: Tensor) -> Tensor:
        """What lies between the stem and the first stage; nothing by default."""
        return x

    def stem(self, image: Tensor) -> Tensor:
        """The first map alone, ``(B, 3, H, W)`` -> ``(B, channels[0], ceil(H/2), ceil(W/2))``, values >= 0."""
        if self.normalise_image:
            image = (image - IMAGE_MEAN) / IMAGE_DEVIATION
        return F.relu(self.bn1(self.conv1(image)))

    def forward(self, image: Tensor) -> list[Tensor]:
        """Five maps ``(B, channels[i], H / 2^(i+1), W / 2^(i+1))``, i = 0..4, all >= 0.

        Args:
            image: ``(B, 3, H, W)`` RGB in [0, 1], H and W multiples of 32.

        Raises:
            ValueError: another shape, with the shape got.
        """
        check_image(image)
        maps = [self.stem(image)]
        x = self.before_stages(maps[0])
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            maps.append(x)
        return maps


class Block(nn.Module):
    """What the blocks of both families have: a branch of two 3x3 convolutions, or 1x1-3x3-1x1 as a bottleneck."""

    def add_branch(self, in_channels: int, planes: int, stride: int, bottleneck: bool, padding_mode: str, norm: bool):
        """The convolutions and batch norms; without ``norm`` the last convolution has none."""
        out_channels = planes * (4 if bottleneck else 1)
        first, strides = (1, (1, stride)) if bottleneck else (3, (stride, 1))
        self.bottleneck = bottleneck
        self.conv1 = Conv2d(in_channels, planes, first, strides[0], padding_mode=padding_mode)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = Conv2d(planes, planes, 3, strides[1], padding_mode=padding_mode)
        if bottleneck:
            self.bn2 = nn.BatchNorm2d(planes)
            self.conv3 = Conv2d(planes, out_channels, 1)
        last_norm = nn.BatchNorm2d(out_channels) if norm else None
        self.add_module("bn3" if bottleneck else "bn2", last_norm)


def shortcut(in_channels: int, out_channels: int, stride: int, projection: str = "stride") -> nn.Module | None:
    """A block's shortcut, None where it is the input itself; ``projection`` as in `IResNetEncoder`."""
    if stride == 1 and in_channels == out_channels:
        return None
    pools = projection == "max_pool" and stride != 1
    if pools and in_channels == out_channels:
        return nn.MaxPool2d(3, stride=stride, padding=1)
    parts = [nn.MaxPool2d(3, stride=stride, padding=1)] if pools else []
    parts.append(Conv2d(in_channels, out_channels, 1, 1 if pools else stride))
    return nn.Sequential(*parts, nn.BatchNorm2d(out_channels))


class ResNetBlock(Block):
    """``ReLU(branch(x) + shortcut(x))``: the branch has two 3x3 convolutions, or 1x1-3x3-1x1 as a bottleneck.

    The stride sits on the first 3x3 convolution, and the shortcut of a changed shape is a strided 1x1 convolution
    with a batch norm.
    """

    def __init__(self, in_channels: int, planes: int, stride: int, bottleneck: bool, padding_mode: str):
        super().__init__()
        self.add_branch(in_channels, planes, stride, bottleneck, padding_mode, norm=True)
        self.downsample = shortcut(in_channels, planes * (4 if bottleneck else 1), stride)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, in, H, W)`` -> ``(B, out, H / stride, W / stride)``, >= 0."""
        branch = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.bottleneck:
            branch = self.bn3(self.conv3(F.relu(branch)))
        return F.relu(branch + (x if self.downsample is None else self.downsample(x)))


class ResNetEncoder(Encoder):
    """ResNet without its classifier: image ``(B, 3, H, W)`` in [0, 1] -> five maps at strides 2, 4, 8, 16, 32.

    The first map is the stem's (convolution, batch norm, ReLU), before the 3x3 max-pool, as in Monodepth2.

    Args:
        depth: 18, 34, 50 or 101.
        width: multiplies every channel count (rounded to multiples of 8); 1 is the published network.
        padding_mode: of every convolution: ``zeros``, ``replicate`` or ``reflect``.
        normalise_image: take the input as ``(x - 0.45) / 0.225``.

    Raises:
        OptionError: another depth.
    """

    def __init__(self, depth: int, width: float = 1.0, padding_mode: str = "zeros", normalise_image: bool = True):
        require_choice("depth", depth, (18, 34, 50, 101))
        super().__init__(depth, width, padding_mode, normalise_image)
        self.add_stages()

    def make_block(self, stage: int, index: int, in_channels: int) -> ResNetBlock:
        """Every stage but the first halves the map in its first block."""
        stride = 2 if index == 0 and stage > 0 else 1
        return ResNetBlock(in_channels, self.planes[stage], stride, is_bottleneck(self.depth), self.padding_mode)

    def before_stages(self, x: Tensor) -> Tensor:
        """The 3x3 max-pool of stride 2; it pads with minus infinity, so no border shows in its output."""
        return F.max_pool2d(x, 3, stride=2, padding=1)
