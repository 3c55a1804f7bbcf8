"""A scanning laser on the car's roof, cast into the same world as the cameras.

It stands where KITTI's does: 0.27 m behind camera 0 and 0.08 m above it, axes x forward, y left, z up. Its 64 rings
have the Velodyne HDL-64E's elevations, +2 to -8.3 degrees in steps of a third and -8.8 to -24.3 in steps of a half. For
pictures smaller than KITTI's the pattern is thinned in proportion, so that the share of pixels with a point stays near
the real data's 4 % (a full scan on a 96 x 320 picture would hit a third of them).
"""

import math

import numpy as np
import torch

from lowtex_lab.miniature.raycast import cast
from lowtex_lab.miniature.render import World, one_thread
from lowtex_lab.miniature.solids import COLUMNS

BEHIND_M, ABOVE_M = 0.27, 0.08
RANGE_M = 120.0
RINGS, TURN_STEPS = 64, 2083
NATIVE_HEIGHT, NATIVE_WIDTH = 375, 1242


def elevations(rings: int) -> np.ndarray:
    """Elevations of ``rings`` rings, radians, falling; 64 are the real ones, other numbers are spread like them."""
    real = np.concatenate([np.linspace(2.0, -8.0 - 1 / 3, 32), np.linspace(-8.0 - 5 / 6, -24.0 - 1 / 3, 32)])
    place = (np.arange(rings) + 0.5) / rings * RINGS - 0.5
    return np.radians(np.interp(place, np.arange(RINGS), real))


def pattern(size: tuple[int, int], denser: float = 1.0) -> tuple[int, int]:
    """Rings and steps of a full turn for pictures of ``size`` (height, width); ``denser`` multiplies both."""
    rings = RINGS * min(1.0, size[0] / NATIVE_HEIGHT) * denser
    steps = TURN_STEPS * min(1.0, size[1] / NATIVE_WIDTH) * denser
    return max(4, round(rings)), max(32, round(steps))


@torch.no_grad()
@one_thread()
def scan(world: World, camera0, heading: float, rings: int, steps: int, fan: float = 2 * math.pi) -> np.ndarray:
    """One turn of the laser.

    Args:
        world: what `lowtex_lab.miniature.render.world_at` gives.
        camera0: place (x, y, z) of camera 0 in the world, metres.
        heading: of the car, radians, positive to the right.
        rings, steps: rows of the pattern, and columns in a full turn.
        fan: how much of the turn is done, radians, ahead of the car.

    Returns:
        ``(N, 4)`` float32: x forward, y left, z up in metres from the laser, reflectance in [0, 1]. Rays that meet
        nothing within `RANGE_M` give no point.
    """
    cos, sin = math.cos(heading), math.sin(heading)
    x, y, z = camera0
    origin = (x - BEHIND_M * sin, y + ABOVE_M, z - BEHIND_M * cos)
    count = max(2, round(steps * fan / (2 * math.pi)))
    azimuth = (torch.arange(count, dtype=torch.float64) + 0.5) / count * fan - fan / 2
    slope = torch.from_numpy(np.tan(elevations(rings)))
    t, face = cast(
        world.solids, origin, (heading + azimuth).sin().float(), (heading + azimuth).cos().float(), slope.float()
    )
    distance = t.double() * (1 + slope[:, None] ** 2).sqrt()
    near = distance < RANGE_M
    t = t.double()
    points = torch.stack([t * azimuth.cos(), -t * azimuth.sin(), t * slope[:, None]], -1)[near]
    reflectance = world.solids.table[face[near].long()][:, COLUMNS["rgb"]].mean(1, keepdim=True)
    return torch.cat([points.float(), reflectance], 1).numpy()
