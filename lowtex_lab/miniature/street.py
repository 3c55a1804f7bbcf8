"""The street's plan: an endless row of blocks, each drawn from its own seed, and the things that stand in it.

Block k covers z from 48 k to 48 (k + 1) metres. It depends only on (seed, scene name, k), so that a scene is the same
however far and in which order it is visited, and scenes of different names share nothing.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from lowtex.seeding import numpy_generator
from lowtex_lab.miniature import solids
from lowtex_lab.miniature import surfaces as s
from lowtex_lab.miniature.solids import Solids, Surface
from lowtex_lab.miniature.weather import WORLD

BLOCK_M = 48.0
CELL_M = 0.25
HALF_WIDTH_M = 20.0
MAP_ROWS, MAP_COLUMNS = int(BLOCK_M / CELL_M), int(2 * HALF_WIDTH_M / CELL_M)
CROWN_HEIGHT_M = 4.0
KERB_M = 0.12
ROAD_CONTRAST = 0.075
HOUSES = ("town", "suburb", "works")
PLAIN_SHARE = 0.34
"""Share of walls, road pieces, gates and the like that carry (almost) no texture."""


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


class Builder(solids.Builder):
    """A builder that draws colours and textures by chance."""

    def uniform(self, low: float, high: float) -> float:
        """A number between two."""
        return float(self.rng.uniform(low, high))

    def choose(self, name: str) -> tuple[float, float, float]:
        """One of the colours of that name in world.yaml."""
        colours = WORLD["colours"][name]
        return tuple(colours[int(self.rng.integers(len(colours)))])

    def contrast(self, plain_share: float = PLAIN_SHARE, strongest: float = 0.13) -> float:
        """A surface's contrast: plain (0 to 0.006), else from faint to strong (0.025 to ``strongest``)."""
        if self.rng.random() < plain_share:
            return 0.0 if self.rng.random() < 0.5 else self.uniform(0.0, 0.006)
        return float(np.exp(self.rng.uniform(np.log(0.025), np.log(strongest))))

    def tint(self, rgb, spread: float = 0.05) -> tuple[float, float, float]:
        """The colour, a little lighter or darker and off its hue."""
        light = self.rng.uniform(-spread, spread)
        return tuple(float(np.clip(c + light + self.rng.uniform(-0.02, 0.02), 0.04, 0.92)) for c in rgb)


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
        if p.road - p.lanes > 1:
            _parked(b, p, side, z0, z1, junction, low)
        _row_of_houses(b, p, side, z0 + junction, z1, z0, skyline[:, (side + 1) // 2])
        _pavement_things(b, p, side, z0 + junction, z1, z0, crown)
    return Block(b.build(), *(torch.tensor(m, dtype=torch.float32) for m in (low, crown, skyline)))


def _ground(b: Builder, p: Plan, z0: float, z1: float, junction: float) -> None:
    rng = b.rng
    meadow = Surface(b.tint((0.30, 0.34, 0.18)), b.uniform(0.05, 0.10), s.LEAVES, 7.0)
    b.box((0.0, (z0 + z1) / 2), (400.0, (z1 - z0) / 2), (-0.6, -0.02), meadow)
    for side in (-1, 1):
        # a far row of trees closes the view between houses
        wood = Surface(b.tint((0.18, 0.26, 0.14)), 0.08, s.LEAVES, 12.0)
        tall = b.uniform(6.0, 11.0)
        b.box((side * 62.0, (z0 + z1) / 2), (2.0, (z1 - z0) / 2), (-0.1, tall), wood)
    if junction:
        asphalt = Surface(b.tint((0.36, 0.36, 0.37)), b.contrast(strongest=ROAD_CONTRAST), s.GRAIN, 3.5)
        b.box((0.0, z0 + junction / 2), (55.0, junction / 2), (-0.5, 0.0), asphalt)
    for side in (-1, 1):
        z = z0 + junction
        while z < z1 - 0.1:
            end = min(z1, z + b.uniform(10.0, 30.0))
            if z1 - end < 4.0:
                end = z1
            grey = b.uniform(0.28, 0.44)
            tar = Surface(b.tint((grey, grey, grey * 1.02), 0.02), b.contrast(strongest=ROAD_CONTRAST), s.GRAIN, 3.5)
            # u = 0 is the piece's left edge
            edge = 0.0 if side > 0 else -p.road
            parking = 1.0 if p.road - p.lanes > 1 else 0.0
            tar = painted(tar, s.ROAD, (edge, p.lanes, z - z0, parking))
            b.box((side * p.road / 2, (z + end) / 2), (p.road / 2, (end - z) / 2), (-0.5, 0.0), tar)
            if rng.random() < 0.35 and end - z > 8:
                # a repaired piece: darker, of its own texture
                length = b.uniform(2.0, 6.0)
                at = b.uniform(z + length / 2 + 0.5, end - length / 2 - 0.5)
                dark = Surface(b.tint((0.24, 0.24, 0.25), 0.03), b.contrast(strongest=ROAD_CONTRAST), s.GRAIN, 3.0)
                half = b.uniform(0.4, 1.1)
                b.box((side * b.uniform(1.3, p.lanes - 0.3), at), (half, length / 2), (-0.5, 0.004), dark)
            z = end
        inner, outer = p.road, p.road + p.pavement
        start = z0 + junction
        slabs = Surface(b.tint((0.52, 0.51, 0.49), 0.06), b.contrast(0.3), s.SLABS, 5.0)
        length = (z1 - start) / 2
        half = ((outer - inner - 0.2) / 2, length)
        b.box((side * (inner + outer + 0.2) / 2, start + length), half, (-0.5, KERB_M), slabs)
        kerb = Surface(b.tint((0.62, 0.61, 0.60), 0.04), b.contrast(0.6))
        b.box((side * (inner + 0.1), start + length), (0.1, length), (-0.5, KERB_M + 0.005), kerb)
    if junction and rng.random() < 0.7:
        stripes = Surface((0.33, 0.33, 0.34), b.contrast(strongest=ROAD_CONTRAST), s.GRAIN, 3.5, s.CROSSING, (-p.road,))
        b.box((0.0, z0 + junction + 2.5), (p.road, 1.5), (-0.5, 0.006), stripes)


def _row_of_houses(b: Builder, p: Plan, side: int, z0: float, z1: float, origin: float, skyline) -> None:
    rng = b.rng
    style = p.style if p.style != "mixed" else HOUSES[int(rng.integers(len(HOUSES)))]
    edge = p.road + p.pavement
    setback = 0.0 if style == "town" else b.uniform(1.5, 6.0)
    z = z0
    while z < z1 - 3.0:
        length = b.uniform(*{"town": (6.0, 16.0), "suburb": (7.0, 11.0), "works": (14.0, 28.0)}[style])
        if z1 - (z + length) < 5.0:
            length = z1 - z
        gap = {"town": 0.0, "suburb": b.uniform(2.0, 5.0), "works": b.uniform(0.0, 3.0)}[style]
        gap = min(gap, length * 0.3)
        front = edge + setback + b.uniform(0.0, 0.5 if style == "town" else 1.5)
        if rng.random() < 0.07 and style != "works":
            front = None  # an empty lot behind a wall
        else:
            height = house(b, side, front, z, z + length - gap, style)
            a, e = int((z - origin) / CELL_M), int((z + length - gap - origin) / CELL_M)
            skyline[a:e] = height
        if front is None or (setback > 1.5 and rng.random() < 0.7):
            barrier(b, side, edge + 0.1, z, z + length)
        z += length


def _parked(b: Builder, p: Plan, side: int, z0: float, z1: float, junction: float, low: np.ndarray) -> None:
    rng = b.rng
    z = z0 + max(junction + 4.0, 3.0)
    crowded = b.uniform(0.2, 0.8)
    while z < z1 - 3.0:
        if rng.random() < crowded:
            x = side * (p.lanes + 1.05 + b.uniform(-0.1, 0.1))
            turn = float(rng.normal(0, 0.02)) + (0.0 if side > 0 else np.pi)
            car(b, x, z, turn)
            _dim(low, z0, x, z, 1.0, 2.2, 0.75, 0.35)
        z += b.uniform(5.6, 6.6)


def _pavement_things(b: Builder, p: Plan, side: int, z0: float, z1: float, origin: float, crown) -> None:
    rng = b.rng
    x = side * (p.road + 0.55)
    leafy = rng.random() < 0.6
    z = z0 + b.uniform(2.0, 6.0)
    while z < z1 - 2.0:
        dice = rng.random()
        if leafy and dice < 0.55:
            radius = tree(b, x, z)
            _dim(crown, origin, x, z, radius, radius, 0.7, 0.5)
        elif dice < 0.72:
            lamp(b, x, z)
        elif dice < 0.80:
            sign(b, x, z)
        z += b.uniform(5.0, 12.0)


def _dim(grid: np.ndarray, origin: float, x: float, z: float, half_x: float, half_z: float, depth: float, soft: float):
    """Darken an oval round (x, z), with an edge about ``soft`` of its size wide."""
    xs = (np.arange(MAP_COLUMNS) + 0.5) * CELL_M - HALF_WIDTH_M
    zs = (np.arange(MAP_ROWS) + 0.5) * CELL_M + origin
    r = (np.abs(xs[None] - x) / half_x) ** 4 + (np.abs(zs[:, None] - z) / half_z) ** 4
    np.maximum(grid, depth / (1 + r ** (1.0 / soft)), out=grid)


def wall_surface(b: Builder, plain_share: float = PLAIN_SHARE) -> Surface:
    """Plaster, brick or boards, plain or textured."""
    contrast = b.contrast(plain_share)
    kind = b.rng.random()
    if contrast > 0.03 and kind < 0.35:
        return Surface(b.tint(b.choose("brick")), contrast, s.BRICK, 4.8)
    if contrast > 0.03 and kind < 0.5:
        return Surface(b.tint(b.choose("plaster")), contrast, s.BOARDS, b.uniform(4.0, 9.0))
    return Surface(b.tint(b.choose("plaster")), contrast, s.GRAIN, b.uniform(4.0, 7.0))


def painted(surface: Surface, pattern: int, params) -> Surface:
    """The same surface with a pattern on it."""
    return Surface(surface.rgb, surface.contrast, surface.layer, surface.tile, pattern, tuple(params))


def house(b: Builder, side: int, x_front: float, z0: float, z1: float, style: str) -> float:
    """A house whose front (towards the street) lies at |x| = x_front, from z0 to z1; returns its height.

    ``side`` is -1 for the left of the street, +1 for the right; ``style`` is "town", "suburb" or "works".
    """
    rng = b.rng
    length, depth = z1 - z0, b.uniform(8, 12)
    storey = b.uniform(2.7, 3.4)
    storeys = int({"town": rng.integers(2, 6), "suburb": rng.integers(1, 3), "works": rng.integers(1, 3)}[style])
    if style == "works":
        storey = b.uniform(3.2, 4.5)
    base = b.uniform(0.2, 0.6)
    height = base + storeys * storey + 0.35
    wall = wall_surface(b)
    gable = wall if rng.random() < 0.4 else wall_surface(b, 0.6)
    blank = rng.random() < {"town": 0.22, "suburb": 0.25, "works": 0.6}[style]
    front = wall
    if blank and rng.random() < 0.5 and length > 6:
        gate = b.tint(b.choose("car"), 0.1)
        front = painted(wall, s.SHUTTER, (b.uniform(1.3, min(2.6, length / 3)), min(3.0, storey), *gate))
    elif not blank:
        bay = b.uniform(2.3, 3.6)
        window = b.uniform(0.8, min(1.7, bay - 0.8)), b.uniform(1.1, storey - 1.2), b.uniform(0.75, 1.0) + base
        number, door = rng.integers(1000), rng.integers(max(1, int(length // bay)))
        front = painted(wall, s.FACADE, (bay, storey, *window, number, door, storeys))
    roof = Surface(b.tint(b.choose("roof")), b.contrast(0.3), s.BRICK, 9.0)
    middle = (side * (x_front + depth / 2), (z0 + z1) / 2)
    faces = {"side": gable, "top": roof, "left" if side > 0 else "right": front}
    b.box(middle, (depth / 2, length / 2), (0.0, height), faces)
    if style == "suburb" or (style == "town" and rng.random() < 0.5):
        pitch = b.uniform(0.5, 0.9)
        half = depth / 2 + 0.35
        reach = half * pitch / np.hypot(pitch, 1)
        slants = [((-pitch, 1.0, 0.0), reach, roof), ((pitch, 1.0, 0.0), reach, roof)]
        b.box(middle, (half, length / 2 + 0.1), (height, height + half * pitch), {"side": gable}, slants=slants)
        if rng.random() < 0.6:
            chimney = (middle[0] - side * 0.8, b.uniform(z0 + 1, z1 - 1))
            top = height + half * pitch + 0.6
            b.box(chimney, (0.35, 0.35), (height, top), Surface((0.40, 0.28, 0.24), 0.06, s.BRICK, 4.8))
    elif rng.random() < 0.5:
        b.box(middle, (depth / 2 + 0.2, length / 2), (height, height + 0.3), Surface(b.tint((0.5, 0.5, 0.5))))
    if rng.random() < 0.45 and not blank:
        # a plinth of another colour, slightly proud of the wall
        stone = Surface(b.tint((0.40, 0.39, 0.38)), b.contrast())
        b.box((side * (x_front - 0.03), middle[1]), (0.03, length / 2), (0.0, base), stone)
    return height


def car(b: Builder, x: float, z: float, heading: float = 0.0) -> None:
    """A parked car or van, 1.8 m wide; ``heading`` 0 looks along +z, radians."""
    rng = b.rng
    rgb = b.tint(b.choose("car"), 0.05)
    contrast = 0.0 if rng.random() < 0.85 else b.uniform(0.01, 0.03)
    paint = Surface(rgb, contrast)
    side = painted(paint, s.CAR_SIDE, ())
    van = rng.random() < 0.16
    half_width = 0.96 if van else b.uniform(0.84, 0.91)
    half_length = b.uniform(2.3, 2.6) if van else b.uniform(1.85, 2.3)
    waist = 1.05 if van else b.uniform(0.82, 0.92)
    roof = b.uniform(1.9, 2.2) if van else b.uniform(1.40, 1.55)
    ends = {"front": painted(paint, s.CAR_END, (1.0,)), "back": painted(paint, s.CAR_END, (0.0,))}
    nose = ((0.0, 1.0, 0.35), (waist - 0.2 - 0.06) * 0.944 + 0.33 * (half_length - 0.25), paint)
    b.box((x, z), (half_width, half_length), (0.20, waist), {"side": side, "top": paint, **ends}, heading, (nose,))
    cos, sin = np.cos(heading), np.sin(heading)

    def place(own_x, own_z):
        return x + cos * own_x + sin * own_z, z - sin * own_x + cos * own_z

    tall = roof - waist
    shift = -0.30 if not van else -0.15
    half_cabin = half_length * (0.66 if not van else 0.92)
    half_cabin = min(half_cabin, half_length + shift if shift > 0 else half_length - abs(shift))
    rake_front, rake_rear, lean = (1.1, 0.55, 0.22) if not van else (0.45, 0.05, 0.12)

    def slope(nx, nz, reach, rake):
        # a plane through the cabin's lower edge that leans inwards by ``rake`` metres a metre of height
        length = np.hypot(1.0, rake)
        return (nx, rake, nz), reach / length

    side_pane = painted(paint, s.CABIN, (half_cabin - 0.35, 0.07, tall - 0.10, 1.0))
    end_pane = painted(paint, s.CABIN, (half_width - 0.16, 0.06, np.hypot(1, rake_front) * tall - 0.10, 0.0))
    rear_pane = painted(paint, s.CABIN, (half_width - 0.2, 0.08, tall - 0.08, 0.0))
    slants = [
        (*slope(0.0, 1.0, half_cabin, rake_front), end_pane),
        (*slope(0.0, -1.0, half_cabin, rake_rear), rear_pane),
        (*slope(1.0, 0.0, half_width - 0.04, lean), side_pane),
        (*slope(-1.0, 0.0, half_width - 0.04, lean), side_pane),
    ]
    b.box(place(0.0, shift), (half_width - 0.03, half_cabin), (waist, roof), paint, heading, slants)
    reach, b.reach = b.reach, 60.0
    tyre = Surface((0.06, 0.06, 0.065))
    radius = 0.32
    wheel = painted(tyre, s.WHEEL, (radius * 0.62, *b.tint((0.50, 0.50, 0.52), 0.12)))
    # an octagon standing on the road: a square with its four corners cut
    corners = [((0.0, up, along), radius + radius * up * 0.7071, tyre) for up in (1, -1) for along in (1, -1)]
    for own_z in (-half_length * 0.62, half_length * 0.64):
        for own_x in (-half_width + 0.10, half_width - 0.10):
            faces = {"side": tyre, "left": wheel, "right": wheel}
            b.box(place(own_x, own_z), (0.12, radius), (0.0, 2 * radius), faces, heading, corners)
    b.reach = reach


def tree(b: Builder, x: float, z: float) -> float:
    """A trunk and a crown of several ellipsoids; returns the crown's radius."""
    rng = b.rng
    height = b.uniform(2.0, 3.0)
    radius = b.uniform(1.1, 2.0)
    bark = Surface(b.tint((0.30, 0.24, 0.18)), b.contrast(0.1), s.GRAIN, 2.0)
    b.cylinder((x, z), b.uniform(0.10, 0.22), (0.0, height + 0.5), bark)
    green = b.choose("leaves")
    for i in range(4):
        leaves = Surface(b.tint(green), b.uniform(0.07, 0.13), s.LEAVES, 6.0)
        size = radius * b.uniform(0.65, 0.9) if i else radius
        dx, dz = (rng.uniform(-0.6, 0.6, 2) * radius) if i else (0.0, 0.0)
        up = height + radius * (0.8 if not i else b.uniform(0.6, 1.6))
        b.ellipsoid((x + dx, up, z + dz), (size, size * b.uniform(0.75, 0.95), size), leaves)
    return radius * 1.15


def lamp(b: Builder, x: float, z: float) -> None:
    """A lamp post that reaches over the road."""
    metal = Surface(b.tint((0.42, 0.44, 0.45)))
    tall = b.uniform(4.5, 7.0)
    b.cylinder((x, z), 0.07, (0.0, tall), metal)
    inward = -np.sign(x)
    b.box((x + inward * 0.55, z), (0.6, 0.05), (tall - 0.1, tall), metal)
    b.box((x + inward * 1.1, z), (0.3, 0.12), (tall - 0.16, tall - 0.02), Surface((0.75, 0.75, 0.70)))


def sign(b: Builder, x: float, z: float) -> None:
    """A traffic sign."""
    b.cylinder((x, z), 0.04, (0.0, 2.3), Surface((0.5, 0.5, 0.52)))
    colour = b.choose("sign")
    b.box((x, z - 0.05), (0.3, 0.02), (1.9, 2.5), Surface(colour))
    b.box((x, z - 0.075), (0.16, 0.006), (2.08, 2.32), Surface((0.9, 0.9, 0.9) if colour[0] < 0.8 else (0.1, 0.1, 0.1)))


def barrier(b: Builder, side: int, x: float, z0: float, z1: float) -> None:
    """A garden wall or a hedge along the pavement, |x| = x."""
    rng = b.rng
    if rng.random() < 0.5:
        hedge = Surface(b.tint((0.20, 0.30, 0.13)), b.uniform(0.06, 0.12), s.LEAVES, 5.0)
        b.box((side * (x + 0.4), (z0 + z1) / 2), (0.4, (z1 - z0) / 2), (0.0, b.uniform(0.8, 1.9)), hedge)
        return
    wall = wall_surface(b, 0.5)
    tall = b.uniform(0.7, 2.2)
    b.box((side * (x + 0.12), (z0 + z1) / 2), (0.12, (z1 - z0) / 2), (0.0, tall), wall)
    b.box((side * (x + 0.12), (z0 + z1) / 2), (0.17, (z1 - z0) / 2), (tall, tall + 0.08), Surface((0.5, 0.5, 0.48)))
