"""A small stereo world for the losses: a linear network, pooled features, pairs of known shift."""

import torch
import torch.nn.functional as F
from torch import nn

from lowtex.datasets.sample import StereoSample, collate
from lowtex.geometry import StereoRig, per_image, warp_horizontal


class LinearNetwork(nn.Module):
    """Scaled disparity is the sigmoid itself: shift = 10 * baseline * s * focal pixels, depth = 0.1 / s metres."""

    def shift_px(self, sigmoid, rig):
        return 10 * sigmoid * per_image(rig.baseline_m, sigmoid) * per_image(rig.focal_px, sigmoid)

    def metric_depth(self, sigmoid, rig):
        return 0.1 / sigmoid


class PooledFeatures(nn.Module):
    """Maps at strides 2, 4, 8, 16, 32 by pooling four fixed mixtures of colours."""

    def __init__(self):
        super().__init__()
        self.mix = nn.Conv2d(3, 4, 1, bias=False)
        with torch.no_grad():
            self.mix.weight.copy_(torch.linspace(-2, 2, 12).sin().reshape(4, 3, 1, 1))

    def levels(self, image):
        mixed = self.mix(image)
        return [F.avg_pool2d(mixed, 2**k) for k in range(1, 6)]

    def lowest(self, image):
        return F.avg_pool2d(self.mix(image), 2)


def two_images(*shape, dtype=torch.float64, seed=0):
    """Two random ones of this shape, in [0, 1]."""
    draw = torch.Generator().manual_seed(seed)
    return torch.rand(2, *shape, generator=draw, dtype=torch.float64).to(dtype).unbind()


WIDTH, HEIGHT = 64, 32


def make_batch(shifts, directions=None, dtype=torch.float32):
    """Random textures whose true disparity is a whole number of pixels, by sample."""
    draw = torch.Generator().manual_seed(0)
    rig = StereoRig(focal_px=float(WIDTH), baseline_m=0.1, cx=31.5, cy=15.5, width=WIDTH, height=HEIGHT)
    samples = []
    for index, shift in enumerate(shifts):
        direction = directions[index] if directions else 1.0
        other = torch.rand(1, 3, HEIGHT, WIDTH, generator=draw)
        image = warp_horizontal(other, torch.full((1, 1, HEIGHT, WIDTH), direction * float(shift)))
        samples.append(StereoSample(image[0], rig, f"drive/{index}/l", other=other[0], direction=direction))
    batch = collate(samples)
    batch.image, batch.other = batch.image.to(dtype), batch.other.to(dtype)
    return batch


def constant_outputs(shift):
    """Four disparities of one sample that mean this shift to `LinearNetwork`."""
    return [torch.full((1, 1, HEIGHT >> k, WIDTH >> k), shift / WIDTH).requires_grad_() for k in range(4)]


def random_outputs(batch_size, dtype=torch.float32):
    """Four disparities of shifts between 1 and 8 pixels."""
    draw = torch.Generator().manual_seed(1)
    shapes = [(batch_size, 1, HEIGHT >> k, WIDTH >> k) for k in range(4)]
    values = [torch.rand(shape, generator=draw, dtype=torch.float64) * 7 + 1 for shape in shapes]
    return [(value / WIDTH).to(dtype).requires_grad_() for value in values]
