"""How a map is continued beyond its border before a convolution."""

import torch
import torch.nn.functional as F
from torch import Tensor

PADDING_MODES = ("zeros", "replicate", "reflect")


def pad_border(x: Tensor, amount: int, mode: str) -> Tensor:
    """Pad the two image axes of ``(B, C, H, W)`` by ``amount`` on every side.

    Args:
        mode: ``zeros``, ``replicate`` (repeat the border) or ``reflect`` (mirror without repeating the border).
            An axis too short to be mirrored (a 32-pixel image has a single pixel at stride 32) is replicated.
    """
    if torch.is_autocast_enabled(x.device.type):
        # autocast counts mirroring among the operations that need float32; it only copies
        with torch.autocast(x.device.type, enabled=False):
            return pad_border(x, amount, mode)
    if mode == "zeros":
        return F.pad(x, (amount, amount, amount, amount))
    if mode == "reflect" and min(x.shape[-2:]) <= amount:
        mode = "replicate"
    return F.pad(x, (amount, amount, amount, amount), mode=mode)
