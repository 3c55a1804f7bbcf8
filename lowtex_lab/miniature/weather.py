"""Light and weather: Virtual KITTI 2's variation names and what each does to the world."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lowtex.errors import require_choice
from lowtex.seeding import numpy_generator
from lowtex_lab.miniature import surfaces

LIGHTS = ("clone", "fog", "morning", "overcast", "rain", "sunset")
VARIATIONS = (*LIGHTS, "15-deg-left", "15-deg-right", "30-deg-left", "30-deg-right")
"""Virtual KITTI 2's ten variations: six kinds of weather and light, four turned rigs (in clone's light)."""


@dataclass(frozen=True)
class Weather:
    """One kind of light. Colours are RGB in [0, 1]; ``haze`` is the share of light lost per metre."""

    elevation_deg: tuple[float, float] = (42.0, 64.0)
    sun: tuple[float, float, float] = (0.80, 0.76, 0.68)
    ambient: tuple[float, float, float] = (0.56, 0.59, 0.64)
    zenith: tuple[float, float, float] = (0.36, 0.55, 0.84)
    horizon: tuple[float, float, float] = (0.78, 0.84, 0.90)
    clouds: float = 0.55
    cloud: tuple[float, float, float] = (0.95, 0.95, 0.96)
    haze: float = 0.0012
    gain: float = 1.0
    streaks: float = 0.0


_WEATHER = {
    "clone": Weather(),
    "fog": Weather(
        sun=(0, 0, 0), ambient=(0.86, 0.87, 0.88), zenith=(0.74, 0.76, 0.78), horizon=(0.78, 0.79, 0.80), clouds=0.1,
        haze=0.018,
    ),
    "morning": Weather(
        elevation_deg=(16.0, 24.0), sun=(0.78, 0.66, 0.50), ambient=(0.38, 0.42, 0.52), zenith=(0.42, 0.56, 0.80),
        horizon=(0.90, 0.84, 0.76), clouds=0.35, haze=0.0025, gain=0.92,
    ),
    "overcast": Weather(
        sun=(0, 0, 0), ambient=(0.82, 0.84, 0.87), zenith=(0.66, 0.69, 0.73), horizon=(0.84, 0.85, 0.87), clouds=0.8,
        cloud=(0.72, 0.74, 0.77),
    ),
    "rain": Weather(
        sun=(0, 0, 0), ambient=(0.62, 0.65, 0.69), zenith=(0.46, 0.49, 0.54), horizon=(0.64, 0.67, 0.71), clouds=0.7,
        cloud=(0.50, 0.53, 0.57), haze=0.006, streaks=0.045,
    ),
    "sunset": Weather(
        elevation_deg=(6.0, 11.0), sun=(0.85, 0.50, 0.26), ambient=(0.36, 0.34, 0.42), zenith=(0.34, 0.40, 0.62),
        horizon=(0.96, 0.66, 0.42), clouds=0.6, cloud=(0.90, 0.60, 0.50), haze=0.003, gain=0.88,
    ),
}  # fmt: skip


def weather(variation: str) -> Weather:
    """The light of a variation.

    Raises:
        OptionError: the variation is none of `VARIATIONS`.
    """
    require_choice("variation", variation, VARIATIONS)
    return _WEATHER.get(variation, _WEATHER["clone"])


def turn(variation: str) -> float:
    """How far a variation turns the rig, radians, positive to the right."""
    require_choice("variation", variation, VARIATIONS)
    if "-deg-" not in variation:
        return 0.0
    degrees, _, side = variation.split("-")
    return math.radians(float(degrees)) * (1.0 if side == "right" else -1.0)


def sun_direction(seed: int, name: str, variation: str) -> tuple[float, float, float]:
    """Unit vector (x, y, z) towards the sun; the side it stands on is the scene's, its height the variation's."""
    rng = numpy_generator(seed, "miniature", name, "sun")
    side, azimuth, height = rng.choice([-1.0, 1.0]), rng.uniform(0.35, 1.2), rng.random()
    low, high = weather(variation).elevation_deg
    elevation = math.radians(low + (high - low) * height)
    forward = math.cos(azimuth) * (1.0 if rng.random() < 0.4 else -1.0)
    return (
        float(side * math.sin(azimuth) * math.cos(elevation)),
        math.sin(elevation),
        float(forward * math.cos(elevation)),
    )


def sky(w: Weather, direction: Tensor, sun: tuple[float, float, float], shift: tuple[float, float]) -> Tensor:
    """Colour ``(3, M)`` of the sky along ``direction`` (3, M): a gradient, soft clouds and a glow round the sun."""
    unit = direction * (direction * direction).sum(0).rsqrt()
    up = unit[1].clamp(min=0.0)
    zenith, horizon, cloud = (torch.tensor(c)[:, None] for c in (w.zenith, w.horizon, w.cloud))
    out = torch.lerp(horizon, zenith, (up * 2.2).clamp(max=1).sqrt())
    # clouds lie on a level sheet far above
    reach = 1.0 / (up + 0.12)
    u, v = unit[0] * reach * 0.11 + shift[0], unit[2] * reach * 0.11 + shift[1]
    layer = torch.full_like(u, surfaces.CLOUDS, dtype=torch.int64)
    wide = 0.0012 * reach
    cover = torch.sigmoid((surfaces.sample(layer, u, v, wide, wide * reach) + w.clouds * 2.4 - 1.6) * 2.2)
    out = torch.lerp(out, cloud, cover * 0.8 * (up * 9).clamp(max=1))
    if sum(w.sun):
        toward = (unit * torch.tensor(sun)[:, None]).sum(0).clamp(min=0)
        out = out + torch.tensor(w.sun)[:, None] * (0.25 * toward**8 + 0.5 * toward**80)
    return out.clamp(max=1.0)
