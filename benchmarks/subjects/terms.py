"""Parts of the step: the losses alone, on disparities that a network might give, and what they are made of."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.harness import Conditions, Contest, Contestant, Subject
from benchmarks.subjects.steps import (
    PIXELS,
    RESNET,
    depth_net,
    extractor,
    feature_net,
    pairs,
    plain_depth_net,
)
from benchmarks.yardstick.geometry import ViewSynthesis
from benchmarks.yardstick.losses import FeatureObjective, PixelObjective, ssim
from lowtex.datasets.sample import StereoBatch
from lowtex.geometry import warp_horizontal
from lowtex.losses import StereoObjective, fast_photometric_error
from lowtex.seeding import generator
from lowtex.settings import LossSettings

LOSS, WARP, SIMILARITY, FEATURE = "loss alone", "warp", "SSIM", "feature loss"
FEATURES_ALONE = LossSettings(smooth_first=0.0, smooth_second=0.0)
TOLERANCE = 2e-3
"""Of the value and of the gradient's mean size: in flat patches float32 keeps few digits of a variance."""

Value = Callable[[], Tensor]


def disparities(batch: int, height: int, width: int, device: str) -> list[Tensor]:
    """Sigmoid outputs at four scales, smooth, of 2 to 20 pixels at 640 columns; they take gradients."""
    random = generator(0, "benchmark disparities")
    outputs = []
    for scale in range(4):
        coarse = torch.rand(batch, 1, height // 16, width // 16, generator=random)
        smooth = F.interpolate(coarse, (height >> scale, width >> scale), mode="bilinear", align_corners=False)
        outputs.append((0.005 + 0.05 * smooth).to(device).requires_grad_())
    return outputs


def make(conditions: Conditions, subject: Subject, name: str) -> Contestant:
    """See `benchmarks.harness.Contest`: forward and backward, to the disparities or, for SSIM, to an image."""
    batch = pairs(subject.batch, subject.height, subject.width, conditions.device)
    leaves = disparities(subject.batch, subject.height, subject.width, conditions.device)
    if subject.name == WARP:
        leaves = leaves[:1]
    elif subject.name == SIMILARITY:
        leaves = [batch.other.clone().requires_grad_()]
    value = (_plain if name == "yardstick" else _kit)(conditions, subject.name, batch, leaves)

    def run() -> dict:
        for leaf in leaves:
            leaf.grad = None
        total = value()
        total.backward()
        return {"value": total.detach(), "gradient": leaves[0].grad}

    return Contestant(run, summary=lambda key, tensor: tensor.abs().mean() if key == "gradient" else tensor)


def _plain(conditions: Conditions, what: str, batch: StereoBatch, leaves: list[Tensor]) -> Value:
    network = plain_depth_net(Subject("", "", RESNET), conditions)
    if what == LOSS:
        objective = PixelObjective(network, batch)
        return lambda: objective(leaves)
    if what == FEATURE:
        objective = FeatureObjective(network, batch, extractor(conditions))
        return lambda: objective.data(leaves)
    if what == WARP:
        synthesis = ViewSynthesis(*batch.image[:, 0].shape, batch.rig, batch.direction, batch.image)
        return lambda: synthesis(batch.other, network.depth_m(leaves[0], batch.rig.baseline_m)).square().mean()
    return lambda: ssim(leaves[0], batch.image).mean()


def _kit(conditions: Conditions, what: str, batch: StereoBatch, leaves: list[Tensor]) -> Value:
    network = depth_net(Subject("", "", RESNET), conditions)
    if what == LOSS:
        objective, noise = StereoObjective(PIXELS), generator(0, "benchmark noise", device=conditions.device)
        return lambda: objective(network, leaves, batch, generator=noise)[0]
    if what == FEATURE:
        objective = StereoObjective(FEATURES_ALONE, feature_net(conditions))
        return lambda: objective(network, leaves, batch)[0]
    if what == WARP:
        sign = batch.direction.reshape(-1, 1, 1, 1)
        return lambda: warp_horizontal(batch.other, network.shift_px(leaves[0], batch.rig) * sign).square().mean()
    return lambda: fast_photometric_error(batch.image, leaves[0], alpha=1.0).mean()


def contests(conditions: Conditions) -> list[Contest]:
    """Both losses, the warp and SSIM, batch 4 at 640x192."""
    batch, size = (2, (64, 96)) if conditions.smoke else (4, (192, 640))
    of = {LOSS: "pixels + auto-mask", WARP: "one scale", SIMILARITY: "one scale", FEATURE: "four scales"}
    subjects = [Subject("loss", name, "", batch, *size, data=data) for name, data in of.items()]
    return [Contest(each, ("yardstick", "kit"), make, {"kit": TOLERANCE}, round_s=45.0) for each in subjects]
