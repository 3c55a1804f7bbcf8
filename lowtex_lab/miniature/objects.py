"""Things that stand in the street: houses, cars, trees, lamp posts, walls and hedges."""

import numpy as np

from lowtex_lab.miniature import surfaces as s
from lowtex_lab.miniature.solids import Builder, Surface

PLASTER = [
    (0.78, 0.74, 0.66), (0.82, 0.80, 0.76), (0.72, 0.62, 0.50), (0.66, 0.68, 0.70), (0.80, 0.70, 0.55),
    (0.62, 0.56, 0.52), (0.74, 0.66, 0.62), (0.60, 0.66, 0.60), (0.84, 0.78, 0.62), (0.55, 0.58, 0.64),
]  # fmt: skip
BRICKS = [(0.52, 0.32, 0.25), (0.58, 0.40, 0.30), (0.45, 0.30, 0.26), (0.62, 0.52, 0.42)]
ROOFS = [(0.48, 0.26, 0.20), (0.36, 0.25, 0.22), (0.30, 0.30, 0.33), (0.42, 0.34, 0.28)]
PAINTS = [
    (0.80, 0.80, 0.80), (0.58, 0.59, 0.61), (0.12, 0.12, 0.14), (0.50, 0.10, 0.10), (0.14, 0.22, 0.42),
    (0.30, 0.31, 0.33), (0.72, 0.70, 0.64), (0.18, 0.30, 0.24), (0.70, 0.55, 0.15), (0.42, 0.52, 0.60),
]  # fmt: skip
PLAIN_SHARE = 0.34
"""Share of walls, road pieces, gates and the like that carry (almost) no texture."""


def choose(rng: np.random.Generator, options):
    """One of the options."""
    return options[int(rng.integers(len(options)))]


def draw_contrast(rng: np.random.Generator, plain_share: float = PLAIN_SHARE, strongest: float = 0.13) -> float:
    """A surface's contrast: plain (0 to 0.006), else from faint to strong (0.025 to ``strongest``)."""
    if rng.random() < plain_share:
        return 0.0 if rng.random() < 0.5 else float(rng.uniform(0.0, 0.006))
    return float(np.exp(rng.uniform(np.log(0.025), np.log(strongest))))


def tinted(rng: np.random.Generator, rgb, spread: float = 0.05) -> tuple[float, float, float]:
    """The colour, a little lighter or darker and off its hue."""
    light = rng.uniform(-spread, spread)
    return tuple(float(np.clip(c + light + rng.uniform(-0.02, 0.02), 0.04, 0.92)) for c in rgb)


def wall_surface(rng: np.random.Generator, plain_share: float = PLAIN_SHARE) -> Surface:
    """Plaster, brick or boards, plain or textured."""
    contrast = draw_contrast(rng, plain_share)
    kind = rng.random()
    if contrast > 0.03 and kind < 0.35:
        return Surface(tinted(rng, choose(rng, BRICKS)), contrast, s.BRICK, 4.8)
    if contrast > 0.03 and kind < 0.5:
        return Surface(tinted(rng, choose(rng, PLASTER)), contrast, s.BOARDS, float(rng.uniform(4.0, 9.0)))
    return Surface(tinted(rng, choose(rng, PLASTER)), contrast, s.GRAIN, float(rng.uniform(4.0, 7.0)))


def painted(surface: Surface, pattern: int, params) -> Surface:
    """The same surface with a pattern on it."""
    return Surface(surface.rgb, surface.contrast, surface.layer, surface.tile, pattern, tuple(params))


def house(b: Builder, side: int, x_front: float, z0: float, z1: float, style: str) -> float:
    """A house whose front (towards the street) lies at |x| = x_front, from z0 to z1; returns its height.

    ``side`` is -1 for the left of the street, +1 for the right; ``style`` is "town", "suburb" or "works".
    """
    rng = b.rng
    length, depth = z1 - z0, float(rng.uniform(8, 12))
    storey = float(rng.uniform(2.7, 3.4))
    storeys = int({"town": rng.integers(2, 6), "suburb": rng.integers(1, 3), "works": rng.integers(1, 3)}[style])
    if style == "works":
        storey = float(rng.uniform(3.2, 4.5))
    base = float(rng.uniform(0.2, 0.6))
    height = base + storeys * storey + 0.35
    wall = wall_surface(rng)
    gable = wall if rng.random() < 0.4 else wall_surface(rng, 0.6)
    blank = rng.random() < {"town": 0.22, "suburb": 0.25, "works": 0.6}[style]
    front = wall
    if blank and rng.random() < 0.5 and length > 6:
        gate = tinted(rng, choose(rng, PAINTS), 0.1)
        front = painted(wall, s.SHUTTER, (float(rng.uniform(1.3, min(2.6, length / 3))), min(3.0, storey), *gate))
    elif not blank:
        bay = float(rng.uniform(2.3, 3.6))
        params = (
            bay, storey, float(rng.uniform(0.8, min(1.7, bay - 0.8))), float(rng.uniform(1.1, storey - 1.2)),
            float(rng.uniform(0.75, 1.0)) + base, float(rng.integers(1000)),
            float(rng.integers(max(1, int(length // bay)))), float(storeys),
        )  # fmt: skip
        front = painted(wall, s.FACADE, params)
    roof = Surface(tinted(rng, choose(rng, ROOFS)), draw_contrast(rng, 0.3), s.BRICK, 9.0)
    middle = (side * (x_front + depth / 2), (z0 + z1) / 2)
    faces = {"side": gable, "top": roof, "left" if side > 0 else "right": front}
    b.box(middle, (depth / 2, length / 2), (0.0, height), faces)
    if style == "suburb" or (style == "town" and rng.random() < 0.5):
        pitch = float(rng.uniform(0.5, 0.9))
        half = depth / 2 + 0.35
        reach = half * pitch / np.hypot(pitch, 1)
        slants = [((-pitch, 1.0, 0.0), reach, roof), ((pitch, 1.0, 0.0), reach, roof)]
        b.box(middle, (half, length / 2 + 0.1), (height, height + half * pitch), {"side": gable}, slants=slants)
        if rng.random() < 0.6:
            chimney = (middle[0] - side * 0.8, float(rng.uniform(z0 + 1, z1 - 1)))
            top = height + half * pitch + 0.6
            b.box(chimney, (0.35, 0.35), (height, top), Surface((0.40, 0.28, 0.24), 0.06, s.BRICK, 4.8))
    elif rng.random() < 0.5:
        b.box(middle, (depth / 2 + 0.2, length / 2), (height, height + 0.3), Surface(tinted(rng, (0.5, 0.5, 0.5))))
    if rng.random() < 0.45 and not blank:
        # a plinth of another colour, slightly proud of the wall
        stone = Surface(tinted(rng, (0.40, 0.39, 0.38)), draw_contrast(rng))
        b.box((side * (x_front - 0.03), middle[1]), (0.03, length / 2), (0.0, base), stone)
    return height


def car(b: Builder, x: float, z: float, heading: float = 0.0) -> None:
    """A parked car or van, 1.8 m wide; ``heading`` 0 looks along +z, radians."""
    rng = b.rng
    rgb = tinted(rng, choose(rng, PAINTS), 0.05)
    contrast = 0.0 if rng.random() < 0.85 else float(rng.uniform(0.01, 0.03))
    paint = Surface(rgb, contrast)
    side = painted(paint, s.CAR_SIDE, ())
    van = rng.random() < 0.16
    half_width = 0.96 if van else float(rng.uniform(0.84, 0.91))
    half_length = float(rng.uniform(2.3, 2.6)) if van else float(rng.uniform(1.85, 2.3))
    waist = 1.05 if van else float(rng.uniform(0.82, 0.92))
    roof = float(rng.uniform(1.9, 2.2)) if van else float(rng.uniform(1.40, 1.55))
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
    wheel = painted(tyre, s.WHEEL, (radius * 0.62, *tinted(rng, (0.50, 0.50, 0.52), 0.12)))
    # an octagon standing on the road: a square with its four corners cut
    corners = [((0.0, up, along), radius + radius * up * 0.7071, tyre) for up in (1, -1) for along in (1, -1)]
    for own_z in (-half_length * 0.62, half_length * 0.64):
        for own_x in (-half_width + 0.10, half_width - 0.10):
            faces = {"side": tyre, "left": wheel, "right": wheel}
            b.box(place(own_x, own_z), (0.12, radius), (0.0, 2 * radius), faces, heading, corners)
    b.reach = reach


def tree(b: Builder, x: float, z: float) -> tuple[float, float]:
    """A trunk and a crown of several ellipsoids; returns the crown's middle height and radius."""
    rng = b.rng
    height = float(rng.uniform(2.0, 3.0))
    radius = float(rng.uniform(1.1, 2.0))
    bark = Surface(tinted(rng, (0.30, 0.24, 0.18)), draw_contrast(rng, 0.1), s.GRAIN, 2.0)
    b.cylinder((x, z), float(rng.uniform(0.10, 0.22)), (0.0, height + 0.5), bark)
    green = choose(rng, [(0.20, 0.32, 0.12), (0.26, 0.36, 0.16), (0.34, 0.36, 0.14), (0.16, 0.26, 0.12)])
    for i in range(4):
        leaves = Surface(tinted(rng, green), float(rng.uniform(0.07, 0.13)), s.LEAVES, 6.0)
        size = radius * float(rng.uniform(0.65, 0.9)) if i else radius
        dx, dz = (rng.uniform(-0.6, 0.6, 2) * radius) if i else (0.0, 0.0)
        up = height + radius * (0.8 if not i else float(rng.uniform(0.6, 1.6)))
        b.ellipsoid((x + dx, up, z + dz), (size, size * float(rng.uniform(0.75, 0.95)), size), leaves)
    return height + 0.8 * radius, radius * 1.15


def lamp(b: Builder, x: float, z: float) -> None:
    """A lamp post that reaches over the road."""
    rng = b.rng
    metal = Surface(tinted(rng, (0.42, 0.44, 0.45)))
    tall = float(rng.uniform(4.5, 7.0))
    b.cylinder((x, z), 0.07, (0.0, tall), metal)
    inward = -np.sign(x)
    b.box((x + inward * 0.55, z), (0.6, 0.05), (tall - 0.1, tall), metal)
    b.box((x + inward * 1.1, z), (0.3, 0.12), (tall - 0.16, tall - 0.02), Surface((0.75, 0.75, 0.70)))


def sign(b: Builder, x: float, z: float) -> None:
    """A traffic sign."""
    b.cylinder((x, z), 0.04, (0.0, 2.3), Surface((0.5, 0.5, 0.52)))
    colour = choose(b.rng, [(0.15, 0.25, 0.60), (0.80, 0.80, 0.80), (0.70, 0.12, 0.12), (0.85, 0.70, 0.10)])
    b.box((x, z - 0.05), (0.3, 0.02), (1.9, 2.5), Surface(colour))
    b.box((x, z - 0.075), (0.16, 0.006), (2.08, 2.32), Surface((0.9, 0.9, 0.9) if colour[0] < 0.8 else (0.1, 0.1, 0.1)))


def barrier(b: Builder, side: int, x: float, z0: float, z1: float) -> None:
    """A garden wall or a hedge along the pavement, |x| = x."""
    rng = b.rng
    if rng.random() < 0.5:
        hedge = Surface(tinted(rng, (0.20, 0.30, 0.13)), float(rng.uniform(0.06, 0.12)), s.LEAVES, 5.0)
        b.box((side * (x + 0.4), (z0 + z1) / 2), (0.4, (z1 - z0) / 2), (0.0, float(rng.uniform(0.8, 1.9))), hedge)
        return
    wall = wall_surface(rng, 0.5)
    tall = float(rng.uniform(0.7, 2.2))
    b.box((side * (x + 0.12), (z0 + z1) / 2), (0.12, (z1 - z0) / 2), (0.0, tall), wall)
    b.box((side * (x + 0.12), (z0 + z1) / 2), (0.17, (z1 - z0) / 2), (tall, tall + 0.08), Surface((0.5, 0.5, 0.48)))
