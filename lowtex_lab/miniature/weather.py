"""Light and weather: Virtual KITTI 2's variation names and what each does to the world."""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml
from torch import Tensor

from lowtex.errors import require_choice
from lowtex.seeding import numpy_generator
from lowtex_lab.miniature import surfaces

VARIATIONS = tuple("clone fog morning overcast rain sunset 15-deg-left 15-deg-right 30-deg-left 30-deg-right".split())
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


WORLD = yaml.safe_load(Path(__file__).with_name("world.yaml").read_text(encoding="utf-8"))
"""The world's colours and lights."""

_WEATHER = {
    name: Weather(**{key: tuple(value) if isinstance(value, list) else value for key, value in differs.items()})
    for name, differs in WORLD["weather"].items()
}


def weather(variation: str) -> Weather:
    """The light of a variation.

    Raises:
        OptionError: the variation is none of `VARIATIONS`.
    """
    require_choice("variation", variation, VARIATIONS)
    return _WEATHER.get(variation, _WEATHER["clone"])


def turn(variation: str) -> float:
    """How far a variation turns the rig, radians, positive to the right."""
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
    level = math.cos(elevation)
    return float(side * math.sin(azimuth) * level), math.sin(elevation), float(forward * level)


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
