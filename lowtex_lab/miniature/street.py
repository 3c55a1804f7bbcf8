"""The street's plan: an endless row of blocks, each drawn from its own seed.

Block k covers z from 48 k to 48 (k + 1) metres. It depends only on (seed, scene name, k), so that a scene is the same
however far and in which order it is visited, and scenes of different names share nothing.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from lowtex.seeding import numpy_generator
from lowtex_lab.miniature import objects
from lowtex_lab.miniature import surfaces as s
from lowtex_lab.miniature.objects import draw_contrast, tinted
from lowtex_lab.miniature.solids import Builder, Solids, Surface

BLOCK_M = 48.0
CELL_M = 0.25
HALF_WIDTH_M = 20.0
MAP_ROWS, MAP_COLUMNS = int(BLOCK_M / CELL_M), int(2 * HALF_WIDTH_M / CELL_M)
CROWN_HEIGHT_M = 4.0
KERB_M = 0.12
ROAD_CONTRAST = 0.075


@dataclass(frozen=True)
class Plan:
    """What is the same along a whole scene, metres: half width of the road (with parking bays), of the lanes alone,
    width of the pavement, the camera's place across the street and its height; ``style`` of the houses."""

    lanes: float
    road: float
    pavement: float
    camera_x: float
    camera_height: float
    style: str


@dataclass
class Block:
    """One block: its solids, how much light reaches the ground past cars and crowns (``low``, ``crown``
    ``(MAP_ROWS, MAP_COLUMNS)``, 0 = open, 1 = dark), and the skyline of the houses (``skyline (MAP_ROWS, 2)``
    metres, left and right)."""

    solids: Solids
    low: Tensor
    crown: Tensor
    skyline: Tensor


@lru_cache(maxsize=256)
def plan(seed: int, name: str) -> Plan:
    """The plan of a scene."""
    rng = numpy_generator(seed, "miniature", name, "plan")
    lanes = float(rng.uniform(2.9, 3.7))
    road = lanes + (2.1 if rng.random() < 0.75 else 0.25)
    style = str(rng.choice(["town", "suburb", "mixed"]))
    pavement = float(rng.uniform(1.8, 3.2))
    return Plan(lanes, road, pavement, lanes * 0.45, float(rng.uniform(1.58, 1.72)), style)


@lru_cache(maxsize=64)
def block(seed: int, name: str, index: int) -> Block:
    """Block ``index`` of a scene."""
    p = plan(seed, name)
    rng = numpy_generator(seed, "miniature", name, "block", index)
    b = Builder(rng)
    z0, z1 = index * BLOCK_M, (index + 1) * BLOCK_M
    low, crown = np.zeros((MAP_ROWS, MAP_COLUMNS)), np.zeros((MAP_ROWS, MAP_COLUMNS))
    skyline = np.zeros((MAP_ROWS, 2))
    junction = 9.0 if rng.random() < 0.45 else 0.0
    _ground(b, p, z0, z1, junction)
    for side in (-1, 1):
        cars = _parked(b, p, side, z0, z1, junction)
        for x, z in cars:
            _dim(low, z0, x, z, 1.0, 2.2, 0.75, 0.35)
        _row_of_houses(b, p, side, z0 + junction, z1, z0, skyline[:, (side + 1) // 2])
        _pavement_things(b, p, side, z0 + junction, z1, z0, crown)
    return Block(b.build(), *(torch.tensor(m, dtype=torch.float32) for m in (low, crown, skyline)))


def _ground(b: Builder, p: Plan, z0: float, z1: float, junction: float) -> None:
    rng = b.rng
    meadow = Surface(tinted(rng, (0.30, 0.34, 0.18)), float(rng.uniform(0.05, 0.10)), s.LEAVES, 7.0)
    b.box((0.0, (z0 + z1) / 2), (400.0, (z1 - z0) / 2), (-0.6, -0.02), meadow)
    for side in (-1, 1):
        # a far row of trees closes the view between houses
        wood = Surface(tinted(rng, (0.18, 0.26, 0.14)), 0.08, s.LEAVES, 12.0)
        tall = float(rng.uniform(6.0, 11.0))
        b.box((side * 62.0, (z0 + z1) / 2), (2.0, (z1 - z0) / 2), (-0.1, tall), wood)
    if junction:
        asphalt = Surface(tinted(rng, (0.36, 0.36, 0.37)), draw_contrast(rng, strongest=ROAD_CONTRAST), s.GRAIN, 3.5)
        b.box((0.0, z0 + junction / 2), (55.0, junction / 2), (-0.5, 0.0), asphalt)
    for side in (-1, 1):
        z = z0 + junction
        while z < z1 - 0.1:
            end = min(z1, z + float(rng.uniform(10.0, 30.0)))
            if z1 - end < 4.0:
                end = z1
            grey = float(rng.uniform(0.28, 0.44))
            tar = Surface(
                tinted(rng, (grey, grey, grey * 1.02), 0.02), draw_contrast(rng, strongest=ROAD_CONTRAST), s.GRAIN, 3.5
            )
            # u = 0 is the piece's left edge
            edge = 0.0 if side > 0 else -p.road
            parking = 1.0 if p.road - p.lanes > 1 else 0.0
            tar = objects.painted(tar, s.ROAD, (edge, p.lanes, z - z0, parking))
            b.box((side * p.road / 2, (z + end) / 2), (p.road / 2, (end - z) / 2), (-0.5, 0.0), tar)
            if rng.random() < 0.35 and end - z > 8:
                # a repaired piece: darker, of its own texture
                length = float(rng.uniform(2.0, 6.0))
                at = float(rng.uniform(z + length / 2 + 0.5, end - length / 2 - 0.5))
                dark = Surface(
                    tinted(rng, (0.24, 0.24, 0.25), 0.03), draw_contrast(rng, strongest=ROAD_CONTRAST), s.GRAIN, 3.0
                )
                half = float(rng.uniform(0.4, 1.1))
                b.box((side * float(rng.uniform(1.3, p.lanes - 0.3)), at), (half, length / 2), (-0.5, 0.004), dark)
            z = end
        inner, outer = p.road, p.road + p.pavement
        start = z0 + junction
        slabs = Surface(tinted(rng, (0.52, 0.51, 0.49), 0.06), draw_contrast(rng, 0.3), s.SLABS, 5.0)
        length = (z1 - start) / 2
        b.box(
            (side * (inner + outer + 0.2) / 2, start + length),
            ((outer - inner - 0.2) / 2, length),
            (-0.5, KERB_M),
            slabs,
        )
        kerb = Surface(tinted(rng, (0.62, 0.61, 0.60), 0.04), draw_contrast(rng, 0.6))
        b.box((side * (inner + 0.1), start + length), (0.1, length), (-0.5, KERB_M + 0.005), kerb)
    if junction and rng.random() < 0.7:
        stripes = Surface(
            (0.33, 0.33, 0.34), draw_contrast(rng, strongest=ROAD_CONTRAST), s.GRAIN, 3.5, s.CROSSING, (-p.road,)
        )
        b.box((0.0, z0 + junction + 2.5), (p.road, 1.5), (-0.5, 0.006), stripes)


def _row_of_houses(b: Builder, p: Plan, side: int, z0: float, z1: float, origin: float, skyline) -> None:
    rng = b.rng
    style = p.style if p.style != "mixed" else objects.choose(rng, ["town", "suburb", "works"])
    edge = p.road + p.pavement
    setback = 0.0 if style == "town" else float(rng.uniform(1.5, 6.0))
    z = z0
    while z < z1 - 3.0:
        length = float(rng.uniform(*{"town": (6.0, 16.0), "suburb": (7.0, 11.0), "works": (14.0, 28.0)}[style]))
        if z1 - (z + length) < 5.0:
            length = z1 - z
        gap = {"town": 0.0, "suburb": float(rng.uniform(2.0, 5.0)), "works": float(rng.uniform(0.0, 3.0))}[style]
        gap = min(gap, length * 0.3)
        front = edge + setback + float(rng.uniform(0.0, 0.5 if style == "town" else 1.5))
        if rng.random() < 0.07 and style != "works":
            front = None  # an empty lot behind a wall
        else:
            height = objects.house(b, side, front, z, z + length - gap, style)
            a, e = int((z - origin) / CELL_M), int((z + length - gap - origin) / CELL_M)
            skyline[a:e] = height
        if front is None or (setback > 1.5 and rng.random() < 0.7):
            objects.barrier(b, side, edge + 0.1, z, z + length)
        z += length


def _parked(b: Builder, p: Plan, side: int, z0: float, z1: float, junction: float) -> list[tuple[float, float]]:
    rng = b.rng
    cars = []
    if p.road - p.lanes < 1:
        return cars
    z = z0 + max(junction + 4.0, 3.0)
    crowded = float(rng.uniform(0.2, 0.8))
    while z < z1 - 3.0:
        if rng.random() < crowded:
            x = side * (p.lanes + 1.05 + float(rng.uniform(-0.1, 0.1)))
            turn = float(rng.normal(0, 0.02)) + (0.0 if side > 0 else np.pi)
            objects.car(b, x, z, turn)
            cars.append((x, z))
        z += float(rng.uniform(5.6, 6.6))
    return cars


def _pavement_things(b: Builder, p: Plan, side: int, z0: float, z1: float, origin: float, crown) -> None:
    rng = b.rng
    x = side * (p.road + 0.55)
    leafy = rng.random() < 0.6
    z = z0 + float(rng.uniform(2.0, 6.0))
    while z < z1 - 2.0:
        dice = rng.random()
        if leafy and dice < 0.55:
            _, radius = objects.tree(b, x, z)
            _dim(crown, origin, x, z, radius, radius, 0.7, 0.5)
        elif dice < 0.72:
            objects.lamp(b, x, z)
        elif dice < 0.80:
            objects.sign(b, x, z)
        z += float(rng.uniform(5.0, 12.0))


def _dim(grid: np.ndarray, origin: float, x: float, z: float, half_x: float, half_z: float, depth: float, soft: float):
    """Darken an oval round (x, z), with an edge about ``soft`` of its size wide."""
    xs = (np.arange(MAP_COLUMNS) + 0.5) * CELL_M - HALF_WIDTH_M
    zs = (np.arange(MAP_ROWS) + 0.5) * CELL_M + origin
    r = (np.abs(xs[None] - x) / half_x) ** 4 + (np.abs(zs[:, None] - z) / half_z) ** 4
    np.maximum(grid, depth / (1 + r ** (1.0 / soft)), out=grid)
