"""The objectives word for word: Monodepth2's stereo loss (Godard et al. 2019) and a feature loss as FeatDepth runs it.

Each is a module made for one size of batch, called with the sigmoid disparities; the value is the kit's objective of
the same settings, up to rounding and the noise of the auto-mask.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.yardstick.geometry import ViewSynthesis
from lowtex.datasets.sample import StereoBatch

NOISE = 1e-5


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """``clamp((1 - SSIM) / 2, 0, 1)`` over 3x3 windows, ``(B, C, H, W)``, by five average pools (Wang et al. 2004).

    Args:
        x, y: images ``(B, C, H, W)`` in [0, 1].
    """
    x, y = F.pad(x, (1, 1, 1, 1), mode="reflect"), F.pad(y, (1, 1, 1, 1), mode="reflect")
    mean_x, mean_y = F.avg_pool2d(x, 3, 1), F.avg_pool2d(y, 3, 1)
    variance_x = F.avg_pool2d(x**2, 3, 1) - mean_x**2
    variance_y = F.avg_pool2d(y**2, 3, 1) - mean_y**2
    covariance = F.avg_pool2d(x * y, 3, 1) - mean_x * mean_y
    above = (2 * mean_x * mean_y + 0.01**2) * (2 * covariance + 0.03**2)
    below = (mean_x**2 + mean_y**2 + 0.01**2) * (variance_x + variance_y + 0.03**2)
    return torch.clamp((1 - above / below) / 2, 0, 1)


def along_x(a: Tensor) -> Tensor:
    """Differences of neighbours in a row."""
    return a[:, :, :, 1:] - a[:, :, :, :-1]


def along_y(a: Tensor) -> Tensor:
    """Differences of neighbours in a column."""
    return a[:, :, 1:, :] - a[:, :, :-1, :]


def _weighted(disparity: Tensor, image: Tensor, edge_decay: float) -> Tensor:
    """Mean size of a disparity's differences, less where the image's are large."""
    return (torch.abs(disparity) * torch.exp(-edge_decay * torch.mean(torch.abs(image), 1, keepdim=True))).mean()


def first_order(disparity: Tensor, image: Tensor, edge_decay: float) -> Tensor:
    """Edge-aware first differences of ``disparity (B, 1, h, w)``: a scalar."""
    return sum(_weighted(first(disparity), first(image), edge_decay) for first in (along_x, along_y))


def second_order(disparity: Tensor, image: Tensor, edge_decay: float) -> Tensor:
    """Edge-aware second differences, xx, xy, yx and yy each on its own, as FeatDepth's code has them: a scalar."""
    total = 0.0
    for first in (along_x, along_y):
        for second in (along_x, along_y):
            total = total + _weighted(second(first(disparity)), second(first(image)), edge_decay)
    return total


def normalised(disparity: Tensor) -> Tensor:
    """Each image's disparity over its mean."""
    return disparity / (disparity.mean(2, True).mean(3, True) + 1e-7)


class _Objective(nn.Module):
    """What both objectives share: depth by scale, and smoothness; each has a data term ``data(outputs)`` of its own."""

    edge_decay = 1.0
    orders = (first_order,)
    weight = 1e-3

    def __init__(self, network, batch: StereoBatch):
        super().__init__()
        # hidden from torch, which would take the network for a part of the loss
        self._network, self.batch = (network,), batch
        height, width = batch.image.shape[2:]
        # Monodepth2's loader gives the image at four sizes, so that no step makes them
        self.images = [F.interpolate(batch.image, (height >> k, width >> k), mode="area") for k in range(4)]

    def depth(self, sigmoid: Tensor, size: tuple[int, int]) -> Tensor:
        """Metres ``(B, 1, *size)`` of a disparity at any scale."""
        full = F.interpolate(sigmoid, list(size), mode="bilinear", align_corners=False)
        return self._network[0].depth_m(full, self.batch.rig.baseline_m)

    def smoothness(self, outputs: list[Tensor]) -> Tensor:
        """Mean over scales, each divided by 2^scale."""
        total = 0.0
        for scale, (sigmoid, image) in enumerate(zip(outputs, self.images, strict=True)):
            for order in self.orders:
                total = total + self.weight * order(normalised(sigmoid), image, self.edge_decay) / 2**scale
        return total / len(outputs)

    def forward(self, outputs: list[Tensor]) -> Tensor:
        """Four sigmoid disparities, finest first -> the scalar to minimise."""
        return self.data(outputs) + self.smoothness(outputs)


class PixelObjective(_Objective):
    """Monodepth2, stereo: 0.85 SSIM + 0.15 L1 at full size for each of four scales, auto-mask, first-order smoothness.

    Args:
        network: gives ``depth_m``. batch: one pair of views an entry. generator: of the auto-mask's noise; False: none.
    """

    def __init__(self, network, batch: StereoBatch, noise: bool = True):
        super().__init__(network, batch)
        count, _, height, width = batch.image.shape
        self.synthesis = ViewSynthesis(count, height, width, batch.rig, batch.direction, batch.image)
        self.noise = noise

    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        """``(B, 1, H, W)``."""
        absolute = torch.abs(target - prediction).mean(1, True)
        return 0.85 * ssim(prediction, target).mean(1, True) + 0.15 * absolute

    def data(self, outputs: list[Tensor]) -> Tensor:
        """The data term alone: four sigmoid disparities, finest first -> a scalar."""
        target, other, total = self.batch.image, self.batch.other, 0.0
        for sigmoid in outputs:
            warped = self.synthesis(other, self.depth(sigmoid, target.shape[2:]))
            error = self.error(warped, target)
            identity = self.error(other, target)
            if self.noise:
                identity = identity + torch.randn(identity.shape, device=identity.device) * NOISE
            least, _ = torch.min(torch.cat([identity, error], 1), dim=1)
            total = total + least.mean()
        return total / len(outputs)


class FeatureObjective(_Objective):
    """The paper's: feature maps instead of pixels at four scales, smoothness of both orders (lowtex's ``ours``).

    The maps are taken the way FeatDepth's code takes them (Shu et al. 2020): inside the loop over scales the whole
    extractor is run on each view, and its first map is used; so eight runs a step.

    Args:
        network: gives ``depth_m``. batch: pairs. extractor: image -> lowest map at half size, see `Extractor`.
    """

    edge_decay = 0.5
    orders = (first_order, second_order)

    def __init__(self, network, batch: StereoBatch, extractor: nn.Module):
        super().__init__(network, batch)
        count, _, height, width = batch.image.shape
        self.size = (height // 2, width // 2)
        rig = batch.rig.resized(width // 2, height // 2)
        self.synthesis = ViewSynthesis(count, *self.size, rig, batch.direction, batch.image)
        self._extractor = (extractor,)

    def data(self, outputs: list[Tensor]) -> Tensor:
        """The data term alone: four sigmoid disparities, finest first -> a scalar."""
        total = 0.0
        for sigmoid in outputs:
            depth = self.depth(sigmoid, self.size)
            other = self._extractor[0](self.batch.other)
            target = self._extractor[0](self.batch.image)
            warped = self.synthesis(other, depth)
            total = total + torch.sqrt((target - warped) ** 2 + 1e-3**2).mean(1, True).mean()
        return total / len(outputs)
