"""The kit's own training step, out of its public parts, as `lowtex.training` puts them together.

The tests hold this against `lowtex.training.train_experiment`, which keeps its step to itself.
"""

import math

import torch
from torch import Tensor

from lowtex.datasets.sample import StereoBatch
from lowtex.errors import LowtexError
from lowtex.losses import StereoObjective
from lowtex.networks import DepthNet, FeatureNet
from lowtex.seeding import generator
from lowtex.settings import LossSettings

PIXELS = LossSettings(data_term="pixels", smooth_second=0.0, edge_decay=1.0, auto_mask=True)
"""Monodepth2's objective, the kit's ``baseline``."""

FEATURES = LossSettings()
"""The default reading of the paper, the kit's ``ours``."""


class KitStep:
    """Forward, loss, backward, optimiser; ``network`` is laid out anew, in place.

    Args:
        network: as built. loss: the objective. feature_net: where the objective compares feature maps.
        precision: ``fp32``, or ``bf16`` round the network only. learning_rate: Adam's.
    """

    def __init__(
        self,
        network: DepthNet,
        loss: LossSettings,
        feature_net: FeatureNet | None = None,
        precision: str = "fp32",
        learning_rate: float = 1e-4,
    ):
        self.network = network.to(memory_format=torch.channels_last).train()
        self.objective = StereoObjective(loss, feature_net)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=learning_rate, fused=True)
        self.precision = precision

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
        loss = self.loss(self.outputs(batch), batch, generator(seed, "auto_mask", number, 0))
        # the loop looks at every loss before it goes on, for which a GPU has to be waited for
        if not math.isfinite(float(loss.detach())):
            raise LowtexError(f"the loss of step {number} is not finite")
        loss.backward()
        self.optimiser.step()
        return loss.detach()
