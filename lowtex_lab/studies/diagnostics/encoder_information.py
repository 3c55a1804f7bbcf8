"""What an encoder throws away, measured on a trained network: by rectifying its main path, and by strided shortcuts.

iResNet's text (Duta et al. 2020) makes two complaints about ResNet, which the paper takes over: a ReLU on the main path
after every block deletes too much, and a 1x1 convolution of stride 2 in a shortcut reads one position of four. Both are
true of the wiring. Whether a *stage as a whole* loses something by it is another question, since its branch of 3x3
convolutions goes round both; so it is asked of the whole stage too, and what can still be read from its output.

A stage here is what leads from one map of the encoder to the next, half its size; ResNet's max-pool belongs to its
first one. Its shortcut is the way round the first block's branch. The main path is the shortcut and the sums after it,
the path without convolutions of 3x3.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lowtex.datasets import VirtualKitti2
from lowtex.datasets.sample import StereoSample
from lowtex.errors import DataError, OptionError
from lowtex.networks import DepthNet, IResNetEncoder, ResNetEncoder
from lowtex.networks.resnet import Encoder
from lowtex.seeding import generator

STAGES = (1, 2, 3, 4)

QUANTITIES: dict[str, str] = {
    "zeroed_stage": "share of the main path's values that are set to 0 at least once in the stage",
    "shortcut_positions": "share of the input's positions that the shortcut's output depends on",
    "stage_positions": "share of the input's positions that the stage's output depends on",
    "stage_favourite": "share of the stage's squared gradient on the place of 2x2 that gets most (0.25: all alike)",
    "image_read": "R² of the image at the size of the stage's input, read linearly from the stage's output",
    "depth_read": "R² of the true inverse depth, read linearly from the stage's output",
}
"""What `measure` gives for each stage. A position is a place of the map, with all its channels."""

MOST_IMAGES = 24
"""Images looked at, spread evenly over a split."""

MOST_POSITIONS = 4000
"""Positions of a map that linear readings are made of, drawn over all images."""

RIDGE = 1e-3
"""Of the linear readings, as a share of a channel's variance."""

_BATCH = 4
_CONSTANT = 1e-6


def blocks_of(encoder: Encoder, stage: int) -> nn.Sequential:
    """The blocks of stage 1 to 4.

    Raises:
        DataError: an encoder of another family than ResNet and iResNet.
    """
    if not isinstance(encoder, ResNetEncoder | IResNetEncoder):
        raise DataError(f"an encoder of class {type(encoder).__name__} has no stages known here; use ResNet or iResNet")
    return getattr(encoder, f"layer{stage}")


@torch.no_grad()
def zeroed(encoder: Encoder, stage: int, x: Tensor) -> Tensor:
    """Which values of a stage's main path each of its R ReLUs there sets to 0: bool ``(R, B, C', H/2, W/2)``.

    Args:
        encoder: in evaluation mode.
        stage: 1 to 4.
        x: ``(B, C, H, W)``, the encoder's map before the stage.
    """
    found, x = [], _entered(encoder, stage, x)
    for block in blocks_of(encoder, stage):
        if getattr(block, "rectify_main", False):
            found.append(x <= 0)
        x = block(x)
        if isinstance(encoder, ResNetEncoder) or block.role == "end":
            found.append(x == 0)
    return torch.stack(found)


def shortcut_of(encoder: Encoder, stage: int) -> Callable[[Tensor], Tensor]:
    """The way round the branch of a stage's first block, from the stage's input: a max-pool, a 1x1 convolution, …"""
    around = blocks_of(encoder, stage)[0].downsample or nn.Identity()
    return lambda x: around(_entered(encoder, stage, x))


def stage_of(encoder: Encoder, stage: int) -> Callable[[Tensor], Tensor]:
    """A whole stage, from the encoder's map before it to the one after it."""
    return lambda x: blocks_of(encoder, stage)(_entered(encoder, stage, x))


def _entered(encoder: Encoder, stage: int, x: Tensor) -> Tensor:
    return encoder.before_stages(x) if stage == 1 else x


def dependence(part: Callable[[Tensor], Tensor], x: Tensor, draw: torch.Generator) -> Tensor:
    """How strongly the output of ``part`` depends on each value of ``x``, here and now: ``(B, C, H, W)``.

    The gradient of a random mixture of all outputs. What no output depends on has none, exactly 0; a value that a
    max-pool passes over is such a one, though a larger value in its place would be seen.
    """
    x = x.detach().clone().requires_grad_()
    out = part(x)
    mixture = torch.randn(out.shape, generator=draw).to(out)
    return torch.autograd.grad(out, x, mixture)[0]


def by_place(gradient: Tensor) -> Tensor:
    """How a gradient ``(B, C, H, W)`` divides among the four places of each square of 2 x 2: ``(4,)``, sum 1.

    Shares of the squared gradient: upper left, upper right, lower left, lower right. A half-sized output has one
    position for four of its input's; shares of 1/4 say that they count alike. All NaN where there is no gradient.
    """
    energy = F.pixel_unshuffle((gradient.double() ** 2).sum(dim=1, keepdim=True), 2).sum(dim=(0, 2, 3))
    return energy / energy.sum()


def read_linearly(fit: tuple[Tensor, Tensor], held_out: tuple[Tensor, Tensor], ridge: float = RIDGE) -> float:
    """R² on held-out samples of a linear (ridge) reading of targets from features.

    Args:
        fit, held_out: features ``(N, C)`` and targets ``(N, D)``. Targets are scaled to unit deviation, so that each
            counts alike; those that are constant in either part are left out.
        ridge: penalty, as a share of a feature's variance.

    Returns:
        1 if all is read exactly, 0 if no better than knowing the held-out mean, below 0 if worse; NaN if every
        target is constant.
    """
    (x, y), (x_new, y_new) = ([part.double() for part in pair] for pair in (fit, held_out))
    centre, spread = x.mean(0), x.std(0)
    alive = spread > _CONSTANT * spread.max().clamp(min=1e-12)
    x, x_new = ((part[:, alive] - centre[alive]) / spread[alive] for part in (x, x_new))
    scale = y.std(0)
    varies = (scale > _CONSTANT * scale.max().clamp(min=1e-12)) & (y_new.std(0) > _CONSTANT * scale)
    if not bool(varies.any()):
        return float("nan")
    middle = y[:, varies].mean(0)
    y, y_new = ((part[:, varies] - middle) / scale[varies] for part in (y, y_new))
    gram = x.T @ x / len(x) + ridge * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    error = y_new - x_new @ torch.linalg.solve(gram, x.T @ y / len(x))
    return float(1 - (error**2).sum() / ((y_new - y_new.mean(0)) ** 2).sum())


def measure(network: DepthNet, root: Path, size: tuple[int, int]) -> pd.DataFrame:
    """`QUANTITIES` of a network's encoder, stage by stage, on test images of Virtual KITTI 2 or its miniature.

    Linear readings are fitted on validation scenes and judged on test scenes. The same network gives the same numbers.

    Args:
        network: in evaluation mode; its encoder is a `ResNetEncoder` or an `IResNetEncoder`.
        root: of Virtual KITTI 2, with the splits ``val`` and ``test``.
        size: (height, width) that the network sees.

    Returns:
        stage (1 to 4), quantity, value, images (test images behind the value). What has no value (a reading of a map
        that is constant) has no row.

    Raises:
        DataError: the data are incomplete, or the encoder is of another family.
        OptionError: the network is in training mode, where measuring would change it.
    """
    if network.training:
        raise OptionError("the network is in training mode, where batch norms would change; call network.eval() first")
    fit, _ = _collect(network.encoder, _spread(root, "val", size))
    samples = _spread(root, "test", size)
    test, shares = _collect(network.encoder, samples, with_shares=True)
    # the last batch may be smaller: every image counts alike
    table = pd.DataFrame(shares).groupby("stage").mean()
    for name in ("image", "depth"):
        pairs = [[(part[stage, "output"], part[stage, name]) for part in (fit, test)] for stage in STAGES]
        table[f"{name}_read"] = [read_linearly(*pair) for pair in pairs]
    lines = table[list(QUANTITIES)].rename_axis(columns="quantity").stack().rename("value").reset_index()
    return lines.dropna().assign(images=len(samples))


def _collect(
    encoder: Encoder, samples: Sequence[StereoSample], with_shares: bool = False
) -> tuple[dict[tuple[int, str], Tensor], list[dict[str, float]]]:
    """Values ``(N, C)`` at drawn positions, by stage and what they are of: the stage's ``output``, and there ``image``
    and ``depth``; then the shares of each stage, one dict an image, if asked for."""
    device = next(encoder.parameters()).device
    parts, shares = defaultdict(list), []
    each = max(MOST_POSITIONS // len(samples), 1)
    for first in range(0, len(samples), _BATCH):
        some = samples[first : first + _BATCH]
        image = torch.stack([sample.image for sample in some]).to(device)
        depth = torch.stack([sample.depth for sample in some]).to(image)
        # the sky, which has no truth, is infinitely far
        inverse = torch.where(depth > 0, 1 / depth.clamp(min=1e-3), 0.0)
        draw = generator(0, "encoder information", first)
        with torch.no_grad():
            maps = encoder(image)
        for stage, (x, output) in enumerate(pairwise(maps), 1):
            size = output.shape[-2:]
            chosen = [torch.randperm(size[0] * size[1], generator=draw)[:each].to(device) for _ in some]
            values = {
                "output": output,
                # what one position of the output covers: 2 x 2 of the input's size
                "image": F.pixel_unshuffle(F.adaptive_avg_pool2d(image, x.shape[-2:]), 2),
                "depth": F.adaptive_avg_pool2d(inverse, size),
            }
            for name, value in values.items():
                flat = value.flatten(2).transpose(1, 2)
                parts[stage, name] += [flat[i, places] for i, places in enumerate(chosen)]
            if with_shares:
                shares += [{"stage": stage, **_shares(encoder, stage, x, draw)}] * len(some)
    return {key: torch.cat(values) for key, values in parts.items()}, shares


def _shares(encoder: Encoder, stage: int, x: Tensor, draw: torch.Generator) -> dict[str, float]:
    found = {"zeroed_stage": float(zeroed(encoder, stage, x).any(dim=0).float().mean())}
    for name, part in (("shortcut", shortcut_of(encoder, stage)), ("stage", stage_of(encoder, stage))):
        gradient = dependence(part, x, draw)
        found[f"{name}_positions"] = float((gradient != 0).any(dim=1).float().mean())
    return {**found, "stage_favourite": float(by_place(gradient).max())}


def _spread(root: Path, split: str, size: tuple[int, int]) -> list[StereoSample]:
    data = VirtualKitti2(root, split=split, size=size, views=False)
    places = np.unique(np.linspace(0, len(data) - 1, min(MOST_IMAGES, len(data))).astype(int))
    return [data[int(place)] for place in places]
