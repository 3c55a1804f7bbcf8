"""A network that knows the answer."""

import torch
from torch import nn


class KnownDepth(nn.Module):
    """Finds each image's depth in a table, and keeps how it was called.

    Attributes:
        known: pairs of an image ``(3, H, W)`` and its depth ``(1, h, w)``, metres.
        rigs, training_while_called: of each call, the rig that it got and whether it was in training mode.
    """

    def __init__(self, known):
        super().__init__()
        self.known, self.rigs, self.training_while_called = list(known), [], []

    def depth(self, image, rig):
        self.rigs.append(rig)
        self.training_while_called.append(self.training)
        return torch.stack([next(depth for known, depth in self.known if torch.equal(known, one)) for one in image])
