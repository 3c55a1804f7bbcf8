"""iResNet (Duta, Liu, Zhu, Shao 2020, arXiv 2004.04989) as an encoder, named so that the released weights load.

Three changes over ResNet, at the same number of parameters:

* A stage is a Start block, Middle blocks and an End block, and only the End block rectifies the main path. ResNet
  puts a ReLU on it after every block, which deletes negative values again and again.
* A down-sampling shortcut is a 3x3 max-pool and then a 1x1 convolution. ResNet's strided 1x1 convolution reads one
  position of four.
* There is no max-pool in the stem: the first stage halves the map itself, in a 3x3 convolution.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from lowtex.errors import require_choice
from lowtex.networks.resnet import BLOCKS, Block, Encoder, is_bottleneck, shortcut


class IResNetBlock(Block):
    """One block of a stage; with C convolution, B batch norm, R ReLU, P shortcut, for two 3x3 convolutions:

    ============  ==================================================  ==========================
    role          output                                              main path
    ============  ==================================================  ==========================
    start         ``B2 C2 R B1 C1 x + P x``                           no ReLU
    middle        ``C2 R B1 C1 R B0 x + x``                           no ReLU
    end           ``R B2 (C2 R B1 C1 R B0 x + x)``                    batch norm and ReLU
    ============  ==================================================  ==========================

    The block right after Start (``follows_start``) has no B0, because Start has just normalised. Its leading ReLU
    is meant for the branch alone. In the released code that ReLU works in place on a tensor the main path shares, so
    there the main path is rectified too; ``rectify`` asks for that reading. A bottleneck has one more ``R B C``.

    Args:
        in_channels: of the input.
        planes: inner channels; the output has four times as many in a bottleneck.
        stride: of the first 3x3 convolution and of the shortcut.
        role: ``start``, ``middle`` or ``end``.
        follows_start: the block right after Start.
        bottleneck: 1x1-3x3-1x1 instead of 3x3-3x3.
        rectify: rectify the main path of the block that follows Start, as the released code does.
        projection: ``max_pool`` or ``stride``, see `IResNetEncoder`.
    """

    def __init__(
        self,
        in_channels: int,
        planes: int,
        stride: int,
        role: str,
        follows_start: bool,
        bottleneck: bool,
        rectify: bool,
        projection: str,
    ):
        super().__init__()
        self.role, self.rectify_main = role, rectify and follows_start
        self.bn0 = None if role == "start" or follows_start else nn.BatchNorm2d(in_channels)
        self.add_branch(in_channels, planes, stride, bottleneck, "zeros", norm=role != "middle")
        self.downsample = shortcut(in_channels, planes * (4 if bottleneck else 1), stride, projection)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, in, H, W)`` -> ``(B, out, H / stride, W / stride)``; >= 0 from an End block only."""
        branch = main = x
        if self.role != "start":
            branch = F.relu(x if self.bn0 is None else self.bn0(x))
            if self.rectify_main:
                main = branch
        branch = self.conv2(F.relu(self.bn1(self.conv1(branch))))
        last_norm = self.bn2
        if self.bottleneck:
            branch = self.conv3(F.relu(self.bn2(branch)))
            last_norm = self.bn3
        if self.role == "start":
            return last_norm(branch) + (main if self.downsample is None else self.downsample(main))
        if self.role == "end":
            return F.relu(last_norm(branch + main))
        return branch + main


class IResNetEncoder(Encoder):
    """iResNet without its classifier: image ``(B, 3, H, W)`` in [0, 1] -> five maps at strides 2, 4, 8, 16, 32.

    Args:
        depth: 18, 34, 50, 101 or 152. At 18 a stage is Start and End with no Middle block between.
        width: multiplies every channel count (rounded to multiples of 8); 1 is the published network.
        rectify_after_start: rectify the main path after every Start block. False follows the paper's text, True the
            released code (and its weights).
        projection: the shortcut of a down-sampling block: ``max_pool`` is a 3x3 max-pool of stride 2, then a 1x1
            convolution and a batch norm (the max-pool alone where channels stay); ``stride`` is ResNet's 1x1
            convolution of stride 2 and a batch norm.

    Raises:
        OptionError: another depth or projection.
    """

    def __init__(self, depth: int, width: float = 1.0, rectify_after_start: bool = False, projection: str = "max_pool"):
        require_choice("depth", depth, tuple(BLOCKS))
        require_choice("projection", projection, ("max_pool", "stride"))
        super().__init__(depth, width)
        self.rectify_after_start, self.projection = rectify_after_start, projection
        self.add_stages()

    def make_block(self, stage: int, index: int, in_channels: int) -> IResNetBlock:
        """Start, Middle ... Middle, End; every stage halves the map in its Start block."""
        return IResNetBlock(
            in_channels,
            self.planes[stage],
            stride=2 if index == 0 else 1,
            role="start" if index == 0 else "end" if index == BLOCKS[self.depth][stage] - 1 else "middle",
            follows_start=index == 1,
            bottleneck=is_bottleneck(self.depth),
            rectify=self.rectify_after_start,
            projection=self.projection,
        )
