"""Sums over 3x3 windows: along rows, then along columns, by shifted additions."""

import torch
from torch import Tensor


def box_sum(x: Tensor) -> Tensor:
    """Sum over 3x3 windows, borders mirrored: ``(B, C, H, W)`` -> the same."""
    return _sum_of_three(_sum_of_three(x, 3), 2)


def box_sum_adjoint(x: Tensor) -> Tensor:
    """The transpose of `box_sum`, for derivatives: each value goes to all places that it was summed over."""
    return _sum_of_three(_sum_of_three(x, 2, adjoint=True), 3, adjoint=True)


def _sum_of_three(x: Tensor, dim: int, adjoint: bool = False) -> Tensor:
    n = x.shape[dim]
    out = torch.empty_like(x)
    if n > 2:
        inner = out.narrow(dim, 1, n - 2)
        torch.add(x.narrow(dim, 0, n - 2), x.narrow(dim, 2, n - 2), out=inner)
        inner.add_(x.narrow(dim, 1, n - 2))
    # the mirrored neighbour of a border line is the line beside it, which the adjoint gives back to that line
    for border, beside in ((0, 1), (n - 1, n - 2)):
        twice = 1 if adjoint else 2
        torch.add(x.select(dim, border), x.select(dim, beside), alpha=twice, out=out.select(dim, border))
    if adjoint:
        for border, beside in ((0, 1), (n - 1, n - 2)):
            out.select(dim, beside).add_(x.select(dim, border))
    return out
