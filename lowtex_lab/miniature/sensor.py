"""What a camera adds to the light it gets: exposure, noise, and drops in front of it."""

import torch
from torch import Tensor

from lowtex.seeding import generator

NOISE = 0.01
"""Standard deviation of a pixel's noise, of [0, 1]."""
EXPOSURE = 0.02
"""Each camera's gain lies within 1 +- this, so that a pair differs by about 2 to 4 %."""


def expose(
    image: Tensor,
    seed: int,
    *purpose: str | int,
    noise: float = NOISE,
    exposure: float = EXPOSURE,
    streaks: float = 0.0,
) -> Tensor:
    """A camera's picture ``(3, H, W)`` in [0, 1] of the light ``image``.

    Args:
        image: ``(3, H, W)`` in [0, 1].
        seed, purpose: what the noise is drawn from (scene, frame, variation, camera).
        noise: standard deviation of the noise; 0 = none.
        exposure: half the range of the gain; 0 = none.
        streaks: strength of rain streaks; each camera sees its own.
    """
    rng = generator(seed, "sensor", *purpose)
    gain = 1 + exposure * (2 * float(torch.rand((), generator=rng)) - 1)
    out = image * gain
    if streaks > 0:
        out = torch.lerp(out, torch.tensor(0.85), streaks * _streaks(rng, *image.shape[1:]))
    if noise > 0:
        out = out + noise * torch.randn(image.shape, generator=rng)
    return out.clamp_(0, 1)


def _streaks(rng: torch.Generator, height: int, width: int) -> Tensor:
    """Sparse upright dashes ``(H, W)`` in [0, 1]."""
    drops = (torch.rand(1, 1, height, width, generator=rng) > 0.985).float()
    length = max(3, height // 12) | 1
    return torch.nn.functional.max_pool2d(drops, (length, 1), 1, (length // 2, 0))[0, 0] * 0.8
