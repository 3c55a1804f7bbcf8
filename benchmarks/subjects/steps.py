"""Whole training steps: forward, loss, backward, optimiser, on pairs that need no data set.

The kit's own step is made of its public parts, as `lowtex.training` puts them together; the tests hold it against
`lowtex.training.train_experiment`, which keeps its step to itself.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.harness import Conditions, Contest, Contestant, Subject, contestants
from benchmarks.yardstick.losses import FeatureObjective, PixelObjective
from benchmarks.yardstick.networks import DepthNet as PlainDepthNet
from benchmarks.yardstick.networks import Extractor
from lowtex.datasets.sample import StereoBatch
from lowtex.devices import copy_to_host
from lowtex.errors import LowtexError
from lowtex.experiments import Experiment, change, named_experiment
from lowtex.geometry import StereoRig
from lowtex.losses import StereoObjective
from lowtex.networks import DepthNet, FeatureNet, build_depth_net, build_feature_net
from lowtex.seeding import generator, seed_everything

RESNET, IRESNET = "ResNet-18 + U-Net", "IResNet-50 + nested"
QUICK = ("quick baseline", "quick ours")
EXPERIMENTS = {
    RESNET: named_experiment("baseline", "standard", network__depth=18),
    IRESNET: named_experiment("ours", "standard"),
    **{name: named_experiment(name.removeprefix("quick "), "quick") for name in QUICK},
}
"""Monodepth2's network and objective, the default reading of the paper's, and both at the size of the profile quick."""

PIXELS, FEATURES = EXPERIMENTS[RESNET].loss, EXPERIMENTS[IRESNET].loss
SMOKE_WIDTH = 0.125
FAR, NEAR = 3.0, 11.0
"""Disparities of the pairs' two layers, pixels of an image 640 wide."""


def experiment_of(network: str, conditions: Conditions) -> Experiment:
    """Of a subject's network, one of `EXPERIMENTS`; narrow ones for a smoke test."""
    found = EXPERIMENTS[network]
    if not conditions.smoke:
        return found
    parts = ("network", "feature_net") if found.loss.uses_features else ("network",)
    return change(found, **{f"{part}__width": SMOKE_WIDTH for part in parts})


def depth_net(subject: Subject, conditions: Conditions) -> DepthNet:
    """The kit's, on the device; the same weights every time."""
    seed_everything(0, "benchmark weights")
    return build_depth_net(experiment_of(subject.network, conditions).network).to(conditions.device)


def plain_depth_net(subject: Subject, conditions: Conditions) -> PlainDepthNet:
    """The yardstick's, with the same weights."""
    plain = PlainDepthNet(experiment_of(subject.network, conditions).network)
    plain.load_state_dict(depth_net(subject, conditions).state_dict())
    return plain.to(conditions.device)


def feature_net(conditions: Conditions, network: str = IRESNET) -> FeatureNet:
    """The kit's, frozen, its maps scaled per channel; never trained, which changes no time."""
    seed_everything(0, "benchmark feature weights")
    features = build_feature_net(experiment_of(network, conditions).feature_net)
    return features.fit_normalisation(pairs(2, 64, 128).image).freeze().to(conditions.device)


def extractor(conditions: Conditions, network: str = IRESNET) -> Extractor:
    """The yardstick's, with the same weights."""
    return Extractor.like(experiment_of(network, conditions).feature_net, feature_net(conditions, network))


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


class KitStep:
    """Forward, loss, backward, optimiser; ``network`` is laid out anew, in place.

    Args:
        network: as built. experiment: gives objective, rate and precision. feature_net: where maps are compared.
    """

    def __init__(self, network: DepthNet, experiment: Experiment, feature_net: FeatureNet | None = None):
        self.network = network.to(memory_format=torch.channels_last).train()
        self.objective = StereoObjective(experiment.loss, feature_net)
        schedule = experiment.schedule
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=schedule.learning_rate, fused=True)
        self.precision, self.read = schedule.precision, None

    def outputs(self, batch: StereoBatch) -> list[Tensor]:
        """The four disparities, float32."""
        image = batch.image if batch.network_image is None else batch.network_image
        seen = image.contiguous(memory_format=torch.channels_last)
        with torch.autocast(image.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            outputs = self.network(seen)
        return [output.float() for output in outputs]

    def loss(self, outputs: list[Tensor], batch: StereoBatch, noise: torch.Generator | None) -> Tensor:
        """The objective of a batch."""
        return self.objective(self.network, outputs, batch, generator=noise)[0]

    def __call__(self, batch: StereoBatch, number: int = 0, seed: int = 0) -> Tensor:
        """One whole step; returns the loss, detached."""
        self.optimiser.zero_grad(set_to_none=True)
        noise = generator(seed, "auto_mask", number, 0, device=batch.image.device)
        loss = self.loss(self.outputs(batch), batch, noise)
        loss.backward()
        # as the loop does: the loss of the step before is looked at while this one is under way
        before, self.read = self.read, copy_to_host(loss.detach()[None])
        if before is not None and not math.isfinite(before()[0]):
            raise LowtexError(f"the loss of the step before step {number} is not finite")
        self.optimiser.step()
        return loss.detach()


TOLERANCES = {"kit": 1e-4, "kit_bf16": 2e-2}
"""Largest relative difference of the first step's loss from the yardstick's; bf16 has eight bits for the network."""

STEP = "whole step"
ROUND_S = 40.0
"""A step too slow for seven rounds within this gets fewer, three at least: a whole run has ten minutes."""

SHAPES = ((4, 128, 416), (12, 128, 416), (4, 192, 640), (12, 192, 640))
QUICK_SHAPES, SMOKE_SHAPES = ((8, 96, 320),), ((2, 64, 96),)
"""Batch, height, width."""


class PlainStep:
    """The yardstick's: default layout, plain Adam."""

    def __init__(self, network, objective):
        self.network, self.objective = network.train(), objective
        self.optimiser = torch.optim.Adam(network.parameters(), lr=1e-4)

    def outputs(self, batch: StereoBatch) -> list[Tensor]:
        """The four disparities."""
        return self.network(batch.image)

    def loss(self, outputs: list[Tensor], batch: StereoBatch, noise=None) -> Tensor:
        """The objective; the batch is the one it was made for."""
        return self.objective(outputs)

    def __call__(self, batch: StereoBatch, number: int = 0) -> Tensor:
        """One whole step; returns the loss, detached."""
        self.optimiser.zero_grad()
        loss = self.loss(self.outputs(batch), batch)
        loss.backward()
        self.optimiser.step()
        return loss.detach()


def make_step(conditions: Conditions, subject: Subject, name: str) -> tuple[KitStep | PlainStep, StereoBatch]:
    """The step of a contestant, and its batch, on the device."""
    batch = pairs(subject.batch, subject.height, subject.width, conditions.device)
    experiment = experiment_of(subject.network, conditions)
    if name != "yardstick":
        experiment = change(experiment, schedule__precision=contestants(conditions)[name])
        features = feature_net(conditions, subject.network) if experiment.loss.uses_features else None
        return KitStep(depth_net(subject, conditions), experiment, features), batch
    network = plain_depth_net(subject, conditions)
    if experiment.loss.uses_features:
        return PlainStep(network, FeatureObjective(network, batch, extractor(conditions, subject.network))), batch
    return PlainStep(network, PixelObjective(network, batch)), batch


def make(conditions: Conditions, subject: Subject, name: str) -> Contestant:
    """See `benchmarks.harness.Contest`."""
    step, batch = make_step(conditions, subject, name)
    done = iter(range(10**9))
    return Contestant(lambda: {"loss": step(batch, next(done))}, items=1)


def step_subjects(smoke: bool) -> list[Subject]:
    """All whole steps; the smallest alone for a smoke test."""
    found = []
    for network, experiment in EXPERIMENTS.items():
        objective = "feature maps" if experiment.loss.uses_features else "pixels + auto-mask"
        shapes = SMOKE_SHAPES if smoke else QUICK_SHAPES if network in QUICK else SHAPES
        found += [Subject("step", STEP, network, *shape, data=objective) for shape in shapes]
    return found


def contests(conditions: Conditions) -> list[Contest]:
    """Every whole step, as the yardstick takes it and as the kit does, in both precisions.

    Of twelve pairs a CPU takes Monodepth2's network at 640x192 alone, unless asked for the rest: through the large one
    they take minutes a round and many gigabytes, and a whole run has ten minutes. Those of the profile quick are
    measured with one thread.
    """
    names = tuple(contestants(conditions))
    found = []
    for subject in step_subjects(conditions.smoke):
        usual = subject.batch < 12 or (subject.network, subject.height) == (RESNET, 192)
        long = conditions.device == "cpu" and not usual
        threads = 1 if subject.network in QUICK else None
        found.append(Contest(subject, names, make, TOLERANCES, threads, round_s=ROUND_S, long=long))
    return found
