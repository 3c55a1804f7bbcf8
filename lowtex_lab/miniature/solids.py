"""Convex solids and their faces: what a street is made of before it is ray-cast.

World axes: x to the right of the street, y up, z along the street, metres. A solid is an upright prism (four vertical
sides, possibly turned about y), a cylinder or an ellipsoid, cut by a bottom, a top and up to four slanted planes.
Each of its faces is one row of a table: geometry, colour, texture and pattern.
"""

import math
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

COLUMNS = {
    "normal": slice(0, 3),  # of a flat face; zero on curved ones
    "point": slice(3, 6),  # a point of a flat face; the centre of a curved one
    "curved": slice(6, 9),  # 1 / radius**2 along x, y, z on curved faces (0 for a cylinder's y), zero on flat ones
    "rgb": slice(9, 12),  # mean albedo, [0, 1]
    "contrast": 12,  # standard deviation of the albedo that the texture adds
    "layer": 13,  # texture layer
    "tile": 14,  # size of one texture tile, metres
    "u": slice(15, 19),  # u = u[:3] . P + u[3], metres from the face's edge
    "v": slice(19, 23),
    "shift": slice(23, 25),  # texture offset, in tiles
    "pattern": 25,  # 0 none, else one of surfaces.PATTERNS
    "extent": slice(26, 28),  # size of the face along u and v, metres
    "params": slice(28, 36),  # the pattern's own numbers
}
TABLE_WIDTH = 36
SLANTS = 4
PRISM, CYLINDER, ELLIPSOID = 0, 1, 2
NO_CUTS = np.tile([0.0, 0.0, 0.0, 1.0], (SLANTS, 1))  # planes 0 . p <= 1, which hold everywhere


@dataclass(frozen=True)
class Surface:
    """How a face looks: mean albedo ``rgb`` in [0, 1], texture ``contrast`` (standard deviation of albedo, 0 = plain),
    texture ``layer`` and ``tile`` size in metres, and an optional ``pattern`` with its ``params``."""

    rgb: tuple[float, float, float]
    contrast: float = 0.0
    layer: int = 0
    tile: float = 5.0
    pattern: int = 0
    params: tuple[float, ...] = ()


@dataclass
class Solids:
    """Tensors of N solids and F faces (row 0 of ``table`` is the sky).

    side ``(N,4,3)`` float64 planes nx, nz, k with n.p <= k inside; ellipse ``(N,4)`` cx, cz, rx, rz; y ``(N,2)`` bottom
    and top; slant ``(N,4,4)`` planes nx, ny, nz, k; kind ``(N,)``; faces ``(N,10)`` rows of the table for sides 0-3,
    bottom, top, slants 0-3; slant_count ``(N,)``; reach ``(N,)`` metres beyond which the solid is too small to draw;
    round ``(N,)`` radius of the upright cylinder round it; table ``(F, TABLE_WIDTH)`` float32.
    """

    side: Tensor
    ellipse: Tensor
    y: Tensor
    slant: Tensor
    kind: Tensor
    faces: Tensor
    slant_count: Tensor
    reach: Tensor
    round: Tensor
    table: Tensor

    def take(self, which: Tensor) -> "Solids":
        """Only the solids numbered in ``which``; the table stays whole."""
        return Solids(**{name: getattr(self, name)[which] for name in _PER_SOLID}, table=self.table)

    @staticmethod
    def join(parts: list["Solids"]) -> "Solids":
        """One set out of several; face numbers are moved along, the sky's row stays row 0."""
        tables = [parts[0].table[:1], *(part.table[1:] for part in parts)]
        offsets = np.cumsum([0, *(len(table) for table in tables[1:-1])]).tolist()
        joined = {name: torch.cat([getattr(part, name) for part in parts]) for name in _PER_SOLID}
        joined["faces"] = torch.cat([part.faces + offset for part, offset in zip(parts, offsets, strict=True)])
        return Solids(**joined, table=torch.cat(tables))


_PER_SOLID = [field.name for field in fields(Solids) if field.name != "table"]


class Builder:
    """Collects solids; ``rng`` places textures so that no two faces show the same piece of one.

    ``reach`` is given to every solid added from then on: the distance in metres beyond which it is left out.
    """

    def __init__(self, rng: np.random.Generator):
        self.rng = rng
        self.reach = 1e9
        self.solids: list[dict] = []
        self.rows = [np.zeros(TABLE_WIDTH)]

    def _face(self, surface: Surface, normal, point, u, v, extent, curved=(0.0, 0.0, 0.0)) -> int:
        geometry = {"normal": normal, "point": point, "curved": curved, "u": u, "v": v, "extent": extent}
        params = np.zeros(8)
        params[: len(surface.params)] = surface.params
        row = np.zeros(TABLE_WIDTH)
        for name, value in {**vars(surface), **geometry, "params": params, "shift": self.rng.random(2)}.items():
            row[COLUMNS[name]] = value
        self.rows.append(row)
        return len(self.rows) - 1

    def box(self, center, half, y, surfaces, yaw=0.0, slants=()) -> None:
        """An upright box.

        Args:
            center, half: (x, z) of its middle and half its size along its own x and z.
            y: bottom and top.
            surfaces: one `Surface`, or a dict with "side" and any of "left", "right", "front" (towards smaller z),
                "back", "top", "bottom".
            yaw: turn about y, radians.
            slants: planes that cut it: ((nx, ny, nz) in the box's own axes, distance from (center, bottom), Surface).
        """
        pick = surfaces.get if isinstance(surfaces, dict) else lambda key, default=None: surfaces
        default = pick("side")
        (cx, cz), (hx, hz), (y0, y1) = center, half, y
        cos, sin = math.cos(yaw), math.sin(yaw)
        ax, az = np.array([cos, 0.0, -sin]), np.array([sin, 0.0, cos])  # the box's own x and z in the world
        middle = np.array([cx, 0.0, cz])
        up = np.array([0.0, 1.0, 0.0])
        planes, faces = [], []
        across, ahead = (hx, az, hz), (hz, ax, hx)
        sides = {"left": (-ax, *across), "right": (ax, *across), "front": (-az, *ahead), "back": (az, *ahead)}
        for name, (normal, reach, along, half_length) in sides.items():
            point = middle + reach * normal
            planes.append((normal[0], normal[2], float(normal @ point)))
            u = (*along, half_length - float(along @ middle))
            v = (0.0, 1.0, 0.0, -y0)
            faces.append(self._face(pick(name, default), normal, point + y0 * up, u, v, (2 * half_length, y1 - y0)))
        u = (*ax, hx - float(ax @ middle))
        v = (*az, hz - float(az @ middle))
        for name, normal, height in (("bottom", -up, y0), ("top", up, y1)):
            point = middle + height * up
            faces.append(self._face(pick(name, default), normal, point, u, v, (2 * hx, 2 * hz)))
        cuts = NO_CUTS.copy()
        base = middle + y0 * up
        for i, (own, distance, surface) in enumerate(slants):
            own = np.asarray(own, dtype=float) / math.sqrt(sum(part * part for part in own))
            normal = own[0] * ax + own[1] * up + own[2] * az
            cuts[i] = (*normal, float(normal @ base) + distance)
            # u runs level along the slope, v climbs it
            tilt = max(math.hypot(normal[0], normal[2]), 1e-9)
            level = np.array([normal[2], 0.0, -normal[0]]) / tilt
            climb = np.array([-normal[0] * normal[1], normal[0] ** 2 + normal[2] ** 2, -normal[1] * normal[2]]) / tilt
            point = base + distance * normal
            # v = 0 where the slope meets the solid's bottom
            run = np.array([normal[0], 0.0, normal[2]])
            foot = base + run * (distance / max(float(run @ run), 1e-9))
            u = (*level, hx + hz - float(level @ base))
            v = (*climb, -float(climb @ foot))
            faces.append(self._face(surface, normal, point, u, v, (2 * (hx + hz), y1 - y0)))
        more = {"side": planes, "slant": cuts, "slant_count": len(slants)}
        self._add(PRISM, (cx, cz, 1.0, 1.0), y, faces, math.hypot(hx, hz), **more)

    def cylinder(self, center, radius: float, y, surface: Surface) -> None:
        """An upright cylinder (poles, trunks)."""
        cx, cz = center
        inverse = 1.0 / radius**2
        u, curved = (1, 0, 0.4, -cx), (inverse, 0.0, inverse)
        side = self._face(surface, (0, 0, 0), (cx, 0.0, cz), u, (0, 1, 0, 0), (1, 1), curved)
        cap = self._face(surface, (0, 1, 0), (cx, y[1], cz), (1, 0, 0, -cx), (0, 0, 1, -cz), (1, 1))
        self._add(CYLINDER, (cx, cz, radius, radius), y, [side] * 4 + [cap, cap], radius)

    def ellipsoid(self, center, radii, surface: Surface) -> None:
        """An ellipsoid with axes along x, y, z (crowns, bushes); ``center`` and ``radii`` are (x, y, z)."""
        (cx, cy, cz), (rx, ry, rz) = center, radii
        inverse = (rx**-2, ry**-2, rz**-2)
        # the texture is laid on along the street, so that it is stretched where a driver hardly sees it
        face = self._face(surface, (0, 0, 0), center, (1, 0.05, 0, 0), (0, 1, -0.1, 0), (1, 1), inverse)
        self._add(ELLIPSOID, (cx, cz, rx, rz), (cy - ry, cy + ry), [face] * 6, max(rx, rz))

    def _add(self, kind: int, ellipse, y, faces: list[int], round: float, **more) -> None:
        solid = {"side": np.zeros((4, 3)), "slant": NO_CUTS, "slant_count": 0, "reach": self.reach, **more}
        faces = faces + [0] * (6 + SLANTS - len(faces))
        self.solids.append({**solid, "kind": kind, "ellipse": ellipse, "y": y, "faces": faces, "round": round})

    def build(self) -> Solids:
        """The tensors; there is at least one solid."""
        whole = {"kind": torch.int64, "faces": torch.int32, "slant_count": torch.int64}
        tensors = {
            name: torch.tensor(np.array([solid[name] for solid in self.solids]), dtype=whole.get(name, torch.float64))
            for name in _PER_SOLID
        }
        return Solids(**tensors, table=torch.tensor(np.array(self.rows), dtype=torch.float32))
