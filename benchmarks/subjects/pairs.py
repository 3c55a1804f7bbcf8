"""What steps and losses are measured on: networks with one set of weights, and pairs that need no data set."""

from dataclasses import replace

import torch
import torch.nn.functional as F

from benchmarks.harness import Conditions, Subject
from benchmarks.yardstick.networks import DepthNet as PlainDepthNet
from benchmarks.yardstick.networks import Extractor
from lowtex.datasets.sample import StereoBatch
from lowtex.geometry import StereoRig
from lowtex.networks import DepthNet, FeatureNet, build_depth_net, build_feature_net
from lowtex.seeding import seed_everything
from lowtex.settings import FeatureNetSettings, NetworkSettings

RESNET, IRESNET = "ResNet-18 + U-Net", "IResNet-50 + nested"
NETWORKS = {
    RESNET: NetworkSettings(encoder="resnet", depth=18, decoder="unet"),
    IRESNET: NetworkSettings(encoder="iresnet", depth=50, decoder="nested"),
}
"""Monodepth2's network, and the default reading of the paper's."""

FEATURE_NET = FeatureNetSettings()
SMOKE_WIDTH = 0.125
FAR, NEAR = 3.0, 11.0
"""Disparities of the pairs' two layers, pixels of an image 640 wide."""


def network_settings(subject: Subject, conditions: Conditions) -> NetworkSettings:
    """Of the subject's network; narrow ones for a smoke test."""
    settings = NETWORKS[subject.network]
    return replace(settings, width=SMOKE_WIDTH) if conditions.smoke else settings


def depth_net(subject: Subject, conditions: Conditions) -> DepthNet:
    """The kit's, on the device; the same weights every time."""
    seed_everything(0, "benchmark weights")
    return build_depth_net(network_settings(subject, conditions)).to(conditions.device)


def plain_depth_net(subject: Subject, conditions: Conditions) -> PlainDepthNet:
    """The yardstick's, with the same weights."""
    plain = PlainDepthNet(network_settings(subject, conditions))
    plain.load_state_dict(depth_net(subject, conditions).state_dict())
    return plain.to(conditions.device)


def feature_settings(conditions: Conditions) -> FeatureNetSettings:
    """Of the feature network: a ResNet-50 of full width."""
    return replace(FEATURE_NET, width=SMOKE_WIDTH) if conditions.smoke else FEATURE_NET


def feature_net(conditions: Conditions) -> FeatureNet:
    """The kit's, frozen, its maps scaled per channel; never trained, which changes no time."""
    seed_everything(0, "benchmark feature weights")
    network = build_feature_net(feature_settings(conditions))
    return network.fit_normalisation(pairs(2, 64, 128).image).freeze().to(conditions.device)


def extractor(conditions: Conditions) -> Extractor:
    """The yardstick's, with the same weights."""
    return Extractor.like(feature_settings(conditions), feature_net(conditions))


def pairs(count: int, height: int, width: int, device: str = "cpu") -> StereoBatch:
    """Pairs of KITTI's angles: a textured wall, a nearer textured post, and a plain strip, as low-texture areas have.

    Every second target is the right camera's.
    """
    random = torch.Generator().manual_seed(0)

    def texture(room: int) -> torch.Tensor:
        coarse = torch.rand(count, 3, height // 8 + 1, (width + room) // 8 + 1, generator=random)
        return F.interpolate(coarse, (height, width + room), mode="bilinear", align_corners=False)

    unit = width / 640
    far, near = max(1, round(FAR * unit)), max(2, round(NEAR * unit))
    wall, post = texture(far), texture(near)
    wall[:, :, : height // 4] = 0.5
    left, right = wall[..., :width].clone(), wall[..., far:].clone()
    # a point lies `disparity` pixels farther left in the right image
    begin, end = width // 2, width // 2 + width // 8
    rows = slice(height // 3, height)
    left[:, :, rows, begin:end] = post[:, :, rows, begin:end]
    right[:, :, rows, begin - near : end - near] = post[:, :, rows, begin:end]
    left_right = torch.arange(count) % 2 == 1
    swap = left_right.reshape(-1, 1, 1, 1)
    rig = StereoRig(0.58 * width, 0.5327, (width - 1) / 2, (height - 1) / 2, 1.92 * height, width, height)
    batch = StereoBatch(
        image=torch.where(swap, right, left),
        other=torch.where(swap, left, right),
        rig=StereoRig.stack([rig] * count),
        direction=1.0 - 2.0 * left_right.float(),
        names=[f"pair {index}" for index in range(count)],
    )
    return batch.to(device)
