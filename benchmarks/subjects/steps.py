"""Whole training steps: forward, loss, backward, optimiser, on pairs that are there already."""

import torch

from benchmarks.harness import Conditions, Contest, Contestant, Subject
from benchmarks.kit import FEATURES, PIXELS, KitStep
from benchmarks.subjects.pairs import IRESNET, RESNET, depth_net, extractor, feature_net, pairs, plain_depth_net
from benchmarks.yardstick.losses import FeatureObjective, PixelObjective
from lowtex.datasets.sample import StereoBatch

TOLERANCE, TOLERANCE_BF16 = 1e-4, 2e-2
"""Largest relative difference of the first step's loss from the yardstick's; bf16 has eight bits for the network."""

STEP = "whole step"
ROUND_S = 40.0
"""A step too slow for seven rounds within this gets fewer, three at least: a whole run has ten minutes."""

BATCHES = (4, 12)
SIZES = ((128, 416), (192, 640))
OBJECTIVES = {RESNET: "pixels + auto-mask", IRESNET: "feature maps"}


class PlainStep:
    """The yardstick's: default layout, plain Adam."""

    def __init__(self, network, objective):
        self.network, self.objective = network.train(), objective
        self.optimiser = torch.optim.Adam(network.parameters(), lr=1e-4)

    def outputs(self, batch: StereoBatch) -> list[torch.Tensor]:
        """The four disparities."""
        return self.network(batch.image)

    def loss(self, outputs: list[torch.Tensor], batch: StereoBatch, noise=None) -> torch.Tensor:
        """The objective; the batch is the one it was made for."""
        return self.objective(outputs)

    def __call__(self, batch: StereoBatch, number: int = 0) -> torch.Tensor:
        """One whole step; returns the loss, detached."""
        self.optimiser.zero_grad()
        loss = self.loss(self.outputs(batch), batch)
        loss.backward()
        self.optimiser.step()
        return loss.detach()


def make_step(conditions: Conditions, subject: Subject, name: str) -> tuple[KitStep | PlainStep, StereoBatch]:
    """The step of a contestant, and its batch, on the device."""
    batch = pairs(subject.batch, subject.height, subject.width, conditions.device)
    if name == "yardstick":
        network = plain_depth_net(subject, conditions)
        if subject.network == RESNET:
            return PlainStep(network, PixelObjective(network, batch)), batch
        return PlainStep(network, FeatureObjective(network, batch, extractor(conditions))), batch
    return kit_step(conditions, subject, "bf16" if name.endswith("bf16") else "fp32"), batch


def kit_step(conditions: Conditions, subject: Subject, precision: str) -> KitStep:
    """The kit's step, of Monodepth2's network with pixels and the paper's with feature maps."""
    if subject.network == RESNET:
        return KitStep(depth_net(subject, conditions), PIXELS, precision=precision)
    return KitStep(depth_net(subject, conditions), FEATURES, feature_net(conditions), precision)


def make(conditions: Conditions, subject: Subject, name: str) -> Contestant:
    """See `benchmarks.harness.Contest`."""
    step, batch = make_step(conditions, subject, name)
    done = iter(range(10**9))
    return Contestant(lambda: {"loss": step(batch, next(done))}, items=1)


def step_subjects(smoke: bool) -> list[Subject]:
    """All whole steps; the smallest alone for a smoke test."""
    sizes, batches = (((64, 96),), (2,)) if smoke else (SIZES, BATCHES)
    return [
        Subject("step", STEP, network, batch, *size, data=OBJECTIVES[network])
        for network in OBJECTIVES
        for size in sizes
        for batch in batches
    ]


def contests(conditions: Conditions) -> list[Contest]:
    """Every whole step, as the yardstick takes it and as the kit does, in both precisions.

    Of twelve pairs a CPU takes Monodepth2's network at 640x192 alone, unless asked for the rest: through the large one
    they take minutes a round and many gigabytes, and a whole run has ten minutes.
    """
    names = {"kit": TOLERANCE, "kit_bf16": TOLERANCE_BF16}
    found = []
    for subject in step_subjects(conditions.smoke):
        usual = subject.batch == BATCHES[0] or (subject.network, subject.height) == (RESNET, SIZES[-1][0])
        long = conditions.device == "cpu" and not usual and not conditions.smoke
        found.append(Contest(subject, ("yardstick", *names), make, names, round_s=ROUND_S, long=long))
    return found
