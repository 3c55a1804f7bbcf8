"""Shape checks that the losses share, and the one rule about number formats."""

import torch
from torch import Tensor


def require_alike(function: str, a: Tensor, b: Tensor, smallest: int = 1) -> None:
    """Raise ValueError, naming both shapes, unless both are ``(B, C, H, W)``, the same, and H and W not too small."""
    if a.dim() != 4 or a.shape != b.shape:
        raise ValueError(f"{function} takes two (B,C,H,W) of one shape, got {tuple(a.shape)} and {tuple(b.shape)}")
    if min(a.shape[-2:]) < smallest:
        raise ValueError(f"{function} needs height and width of at least {smallest}, got {tuple(a.shape)}")


def at_least_float32(tensor: Tensor) -> Tensor:
    """float64 stays, anything else becomes float32: a variance in bfloat16 has no correct digit."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()
