"""Colour of the points that were hit: texture, patterns, light, shadow and haze."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lowtex_lab.miniature import patterns, surfaces
from lowtex_lab.miniature.solids import COLUMNS, Solids
from lowtex_lab.miniature.street import CELL_M, CROWN_HEIGHT_M, HALF_WIDTH_M, Plan
from lowtex_lab.miniature.weather import Weather, sky

SLOW_SHADING = 0.045
"""Deviation of the slow waves of tone on every surface, a share of its albedo; not counted as texture."""


@dataclass
class World:
    """The part of a scene that one place can see, in its light: the solids, their face ``table`` transposed ``(K, F)``,
    the joined maps of the visible blocks (``low``, ``crown`` ``(Z, X)``, ``skyline (Z, 2)``) from ``z0`` metres on,
    plan, weather, sun."""

    solids: Solids
    table: Tensor
    low: Tensor
    crown: Tensor
    skyline: Tensor
    z0: float
    plan: Plan
    weather: Weather
    sun: tuple[float, float, float]
    cloud_shift: tuple[float, float]


@dataclass
class Rays:
    """Rays as seen by one camera: ``direction (3, M)`` world axes with a part of 1 along the optical axis, ``t (M,)``
    metres, ``face (M,)``; ``origin`` (x, y, z); change of direction per pixel to the right and downwards, (x, y, z)."""

    direction: Tensor
    t: Tensor
    face: Tensor
    origin: tuple[float, float, float]
    per_column: tuple[float, float, float]
    per_row: tuple[float, float, float]


def shade(world: World, rays: Rays) -> tuple[Tensor, Tensor]:
    """RGB ``(3, M)`` in [0, 1] and texture contrast ``(M,)`` (0 on the sky) of every ray."""
    count = rays.t.shape[0]
    rgb, contrast = torch.empty(3, count), torch.zeros(count)
    open_sky = (rays.face == 0).nonzero()[:, 0]
    if open_sky.numel():
        rgb[:, open_sky] = sky(world.weather, rays.direction[:, open_sky], world.sun, world.cloud_shift)
    solid = (rays.face > 0).nonzero()[:, 0]
    if solid.numel():
        part = replace(rays, direction=rays.direction[:, solid], t=rays.t[solid], face=rays.face[solid])
        rgb[:, solid], contrast[solid] = _solid(world, part)
    return rgb, contrast


def _solid(world: World, rays: Rays) -> tuple[Tensor, Tensor]:
    row = world.table[: COLUMNS["pattern"] + 1].index_select(1, rays.face)
    place = torch.tensor(rays.origin)[:, None] + rays.t * rays.direction
    normal = row[COLUMNS["normal"]] + (place - row[COLUMNS["point"]]) * row[COLUMNS["curved"]]
    normal = normal * (normal * normal).sum(0).clamp(min=1e-18).rsqrt()
    tangent_u, tangent_v = row[COLUMNS["u"]], row[COLUMNS["v"]]
    u = (tangent_u[:3] * place).sum(0) + tangent_u[3]
    v = (tangent_v[:3] * place).sum(0) + tangent_v[3]
    extent_u, extent_v = _footprint(rays, normal, tangent_u[:3], tangent_v[:3])

    tile, shift, contrast = row[COLUMNS["tile"]], row[COLUMNS["shift"]], row[COLUMNS["contrast"]]
    layer = row[COLUMNS["layer"]].long()
    fine = surfaces.sample(layer, u / tile + shift[0], v / tile + shift[1], extent_u / tile, extent_v / tile)
    # even a plain wall is not of one tone: slow waves, 17 and 11 m long
    soft = torch.sin(0.37 * u + 6.28 * shift[1]) + torch.sin(0.57 * v + 0.21 * u + 6.28 * shift[0])
    albedo = row[COLUMNS["rgb"]] * (1 + SLOW_SHADING * soft) + contrast * fine
    _paint(world.table, rays.face, albedo, contrast, u, v, extent_u, extent_v)

    colour = albedo.clamp(0.01, 1.0) * _light(world, place, normal)
    # a camera's shoulder: nearly straight in the middle, and nothing burns out
    colour = 1.28 * colour / (1 + 0.42 * colour)
    w = world.weather
    distance = rays.t * (rays.direction * rays.direction).sum(0).sqrt()
    veil = 1 - torch.exp(-w.haze * distance)
    colour = torch.lerp(colour, torch.tensor(w.horizon)[:, None].expand_as(colour), veil)
    return (colour * w.gain).clamp(0, 1), contrast


def _footprint(rays: Rays, normal: Tensor, tangent_u: Tensor, tangent_v: Tensor) -> tuple[Tensor, Tensor]:
    """How many metres of u and v one pixel covers where its ray meets the surface (exact for planes)."""
    facing = (normal * rays.direction).sum(0)
    facing = torch.where(facing.abs() < 1e-4, 1e-4, facing)
    across = [(tangent * rays.direction).sum(0) / facing for tangent in (tangent_u, tangent_v)]
    squared = [0.0, 0.0]
    for step in (rays.per_column, rays.per_row):
        step = torch.tensor(step)[:, None]
        turn = (normal * step).sum(0)
        for k, tangent in enumerate((tangent_u, tangent_v)):
            squared[k] = squared[k] + ((tangent * step).sum(0) - across[k] * turn) ** 2
    return tuple((rays.t * s.sqrt()).clamp(1e-4, 200.0) for s in squared)


def _paint(table: Tensor, face: Tensor, albedo: Tensor, contrast: Tensor, u, v, extent_u, extent_v) -> None:
    number = table[COLUMNS["pattern"]][face]
    for pattern, paint in patterns.PAINTERS.items():
        which = (number == pattern).nonzero()[:, 0]
        if which.numel() == 0:
            continue
        p = patterns.Paint(albedo[:, which], contrast[which], u[which], v[which], extent_u[which], extent_v[which])
        paint(p, *table[26:].index_select(1, face[which]).split((2, 8)))
        albedo[:, which], contrast[which] = p.rgb, p.contrast


def _light(world: World, place: Tensor, normal: Tensor) -> Tensor:
    """Light ``(3, M)``: sky from above, sun where no house, crown or car stands before it, dimmer in corners."""
    w = world.weather
    sideways = 1 - normal[1].abs()
    corner = 1 - 0.28 * sideways * torch.exp(-place[1].clamp(min=0) / 0.7)
    level = (normal[1] > 0.7) & (place[1] < 0.3)
    ground = level.nonzero()[:, 0]
    corner[ground] *= 1 - _look(world, world.low, place[0, ground], place[2, ground])
    open_share = 0.74 + 0.26 * normal[1] + 0.05 * normal[0] - 0.06 * normal[2]
    light = torch.tensor(w.ambient)[:, None] * (open_share * corner)
    if sum(w.sun) == 0:
        return light
    facing = (normal * torch.tensor(world.sun)[:, None]).sum(0).clamp(min=0)
    shine = facing * (1 - _shadow(world, place, ground))
    return light + torch.tensor(w.sun)[:, None] * (shine * (0.5 + 0.5 * corner))


def _shadow(world: World, place: Tensor, ground: Tensor) -> Tensor:
    sx, sy, sz = world.sun
    # houses: follow the ray to the sun up to the line of fronts on its side
    side = 1.0 if sx > 0 else -1.0
    front = side * (world.plan.road + world.plan.pavement + 1.5)
    far = (front - place[0]) / sx
    height = place[1] + far * sy
    roof = _profile(world, int(side > 0), place[2] + far * sz)
    dark = torch.sigmoid((roof - height) / (0.12 + 0.02 * far.clamp(0, 50))) * (far > 0.3)
    # crowns hover at one height, cars lie on the ground
    rise = (CROWN_HEIGHT_M - place[1]).clamp(min=0) / max(sy, 0.2)
    crown = _look(world, world.crown, place[0] + sx * rise, place[2] + sz * rise) * (rise > 0)
    rise = 0.7 / max(sy, 0.2)
    shine = (1 - dark) * (1 - crown)
    shine[ground] *= 1 - _look(world, world.low, place[0, ground] + sx * rise, place[2, ground] + sz * rise)
    return 1 - shine


def _look(world: World, grid: Tensor, x: Tensor, z: Tensor) -> Tensor:
    """Read a ground map between its cells; 0 outside."""
    rows, columns = grid.shape
    cx, cz = (x + HALF_WIDTH_M) / CELL_M - 0.5, (z - world.z0) / CELL_M - 0.5
    inside = (cx > 0) & (cx < columns - 1) & (cz > 0) & (cz < rows - 1)
    cx, cz = cx.clamp(0, columns - 1.001), cz.clamp(0, rows - 1.001)
    x0, z0 = cx.floor(), cz.floor()
    wx, wz = cx - x0, cz - z0
    at = z0.long() * columns + x0.long()
    flat = grid.reshape(-1)
    near = torch.lerp(flat[at], flat[at + 1], wx)
    far = torch.lerp(flat[at + columns], flat[at + columns + 1], wx)
    return torch.lerp(near, far, wz) * inside


def _profile(world: World, side: int, z: Tensor) -> Tensor:
    rows = world.skyline.shape[0]
    at = ((z - world.z0) / CELL_M).clamp(0, rows - 1).long()
    return world.skyline[:, side][at]
