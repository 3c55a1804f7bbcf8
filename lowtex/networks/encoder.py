"""What ResNet and iResNet share: the stem, four stages, five maps."""

import torch.nn.functional as F
from torch import Tensor, nn

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

    def __init__(self, depth: int, width: float, padding_mode: str, normalise_image: bool):
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
        for stage in range(4):
            self.add_module(f"layer{stage + 1}", self.make_stage(stage))
        initialise(self)

    def make_stage(self, stage: int) -> nn.Sequential:
        """The blocks of stage 0..3; reads ``channels[stage]``, ends with ``channels[stage + 1]``."""
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
