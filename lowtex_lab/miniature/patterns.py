"""What is painted on faces beyond their texture: windows and doors, lane marks, crossings, car details.

Every edge is the exact share of the pixel's footprint that lies inside (a box filter along u and v), so patterns fade
with distance like textures do. A painted detail counts as textured: it carries `DETAIL_CONTRAST`. Car
panes and gates are large and plain, and count as plain.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from lowtex_lab.miniature import surfaces

DETAIL_CONTRAST = 0.1
"""Contrast that windows, doors, lane marks and the like count as (their edges are strong)."""


class Paint:
    """The pixels of one pattern while it is painted: albedo ``rgb (3, M)`` and ``contrast (M,)``."""

    def __init__(self, rgb: Tensor, contrast: Tensor, u: Tensor, v: Tensor, eu: Tensor, ev: Tensor):
        self.rgb, self.contrast, self.u, self.v, self.eu, self.ev = rgb, contrast, u, v, eu, ev

    def box(self, du: Tensor, dv: Tensor, half_u, half_v) -> Tensor:
        """Share of each footprint inside |du| < half_u, |dv| < half_v."""
        return _inside(du, half_u, self.eu) * _inside(dv, half_v, self.ev)

    def lay(self, mask: Tensor, rgb, contrast: float = DETAIL_CONTRAST) -> None:
        """Cover with a colour (three floats, or a tensor ``(3, M)``) where ``mask`` is 1."""
        if not isinstance(rgb, Tensor):
            rgb = torch.tensor(rgb)[:, None]
        self.rgb = torch.lerp(self.rgb, rgb.expand_as(self.rgb), mask)
        self.contrast = torch.lerp(self.contrast, torch.full_like(self.contrast, contrast), mask)

    def only(self, which: Tensor, draw: Callable[["Paint"], None]) -> None:
        """Draw on the pixels numbered ``which`` alone: most of a wall or a road is far from any detail."""
        if which.numel() == 0:
            return
        rest = (x[which] for x in (self.contrast, self.u, self.v, self.eu, self.ev))
        part = Paint(self.rgb[:, which], *rest)
        draw(part)
        self.rgb[:, which], self.contrast[which] = part.rgb, part.contrast


def _inside(x: Tensor, half, width: Tensor) -> Tensor:
    """Share of a footprint of ``width`` round x that lies inside (-half, half)."""
    half = torch.as_tensor(half)
    return ((half - x.abs()) / width + 0.5).clamp(0, 1).minimum(2 * half / width)


def _hash(*values: Tensor) -> Tensor:
    """A number in [0, 1) from whole numbers: the same on every machine (only products below 2**24)."""
    state = torch.zeros_like(values[0])
    for value in values:
        state = torch.remainder(state * 73.0 + value * 57.0 + 31.0, 1009.0)
        state = torch.remainder(state * state + 17.0, 1009.0)
    return state / 1009.0


def _facade(p: Paint, extent: Tensor, params: Tensor) -> None:
    """params: bay width, storey height, window width, window height, sill height, house number, door bay, storeys."""
    bay, storey, width, height, sill, number, door_bay, storeys = params
    bays = (extent[0] / bay).floor().clamp(min=1)
    position = (p.u - (extent[0] - bays * bay) / 2) / bay
    cell = position.floor()
    du = (position - cell - 0.5) * bay
    level = (p.v / storey).floor()
    dv = p.v - level * storey - sill - height / 2
    here = (cell >= 0) & (cell < bays) & (level >= 0) & (level < storeys)
    door = here & (cell == door_bay) & (level == 0)
    window = here & ~door

    near = (du.abs() < width / 2 + 0.16 + p.eu) & (dv.abs() < height / 2 + 0.2 + p.ev)
    panes = (window & near).nonzero()[:, 0]
    dice = _hash(cell[panes], level[panes] + 7, number[panes])
    p.only(panes, lambda q: _window(q, du[panes], dv[panes], width[panes], height[panes], dice, number[panes]))
    near = (du.abs() < 0.66 + p.eu) & (p.v < 2.3 + p.ev)
    doors = (door & near).nonzero()[:, 0]
    dice = _hash(cell[doors], number[doors])
    p.only(doors, lambda q: _door(q, du[doors], dice))


def _window(p: Paint, du: Tensor, dv: Tensor, width: Tensor, height: Tensor, dice: Tensor, number: Tensor) -> None:
    dark = (_hash(number, number + 3) > 0.75).float()
    frame = torch.stack([0.86 - 0.5 * dark, 0.85 - 0.55 * dark, 0.82 - 0.6 * dark])
    p.lay(p.box(du, dv, width / 2 + 0.09, height / 2 + 0.09), frame)
    # the pane: dark, a little lighter towards the top; some have curtains
    shade = 0.16 + 0.14 * dice + 0.10 * (dv / height)
    curtain = (dice > 0.72).float() * (dv > -0.25 * height)
    pane = torch.stack([shade * 0.9, shade, shade * 1.15])
    pane = torch.lerp(pane, torch.full_like(pane, 0.62), curtain * 0.8)
    glass = p.box(du, dv, width / 2, height / 2)
    p.lay(glass, pane)
    bars = torch.maximum(p.box(du, dv, 0.035, height / 2), p.box(du, dv - height * 0.18, width / 2, 0.03))
    p.lay(glass * bars, frame)
    p.lay(p.box(du, dv + height / 2 + 0.13, width / 2 + 0.16, 0.05), (0.55, 0.54, 0.52))


def _door(p: Paint, du: Tensor, dice: Tensor) -> None:
    dv = p.v - 1.1
    wood = torch.stack([0.25 + 0.3 * dice, 0.2 + 0.18 * dice, 0.16 + 0.2 * (1 - dice)])
    p.lay(p.box(du, dv, 0.66, 1.14), (0.80, 0.79, 0.76))
    p.lay(p.box(du, dv, 0.55, 1.05), wood)
    p.lay(p.box(du, dv - 0.55, 0.28, 0.3), (0.2, 0.23, 0.26))


def _road(p: Paint, extent: Tensor, params: Tensor) -> None:
    """params: x of u = 0 across the street, half width of the lanes, where v = 0 lies, parking (0 or 1)."""
    x, z = p.u + params[0], p.v + params[2]
    edge = x.abs() - params[1]
    parking = params[3] > 0
    near = (x.abs() < 0.07 + p.eu) | (parking & (edge > -0.06 - p.eu))
    which = near.nonzero()[:, 0]
    x, z, edge, parking = x[which], z[which], edge[which], parking[which]

    def marks(q: Paint) -> None:
        middle = q.box(x, torch.remainder(z + 3.0, 9.0) - 4.5, 0.07, 1.5)
        sides = _inside(edge, 0.06, q.eu) + q.box(edge - 1.05, torch.remainder(z, 6.0) - 3.0, 1.0, 0.05)
        q.lay((middle + parking * sides).clamp(max=1), (0.80, 0.80, 0.77))

    p.only(which, marks)


def _crossing(p: Paint, extent: Tensor, params: Tensor) -> None:
    """Stripes along the street, one metre apart."""
    across = torch.remainder(p.u + params[0], 1.0) - 0.5
    p.lay(_inside(across, 0.25, p.eu), (0.82, 0.82, 0.80))


def _car_side(p: Paint, extent: Tensor, params: Tensor) -> None:
    """Door gaps, a handle, a dark sill."""
    u = p.u / extent[0]
    dark = p.rgb * 0.35
    for place in (0.34, 0.56, 0.77):
        p.lay(_inside((u - place) * extent[0], 0.012, p.eu) * 0.8, dark)
    p.lay(p.box((u - 0.5) * extent[0], p.v - extent[1] * 0.72, 0.08, 0.02), dark)
    p.lay(_inside(p.v, 0.10, p.ev), (0.07, 0.07, 0.08))


def _car_end(p: Paint, extent: Tensor, params: Tensor) -> None:
    """Lights at both edges, a number plate and a bumper. params: 1 for the rear (red lights)."""
    du = p.u - extent[0] / 2
    rear = params[0]
    lamp = torch.stack([0.75 * torch.ones_like(rear), 0.72 - 0.62 * rear, 0.68 - 0.6 * rear])
    p.lay(p.box(du.abs() - extent[0] * 0.38, p.v - extent[1] * 0.68, 0.13, 0.09), lamp)
    p.lay(_inside(p.v, 0.18, p.ev), (0.10, 0.10, 0.11))
    p.lay(p.box(du, p.v - extent[1] * 0.42, 0.26, 0.06), (0.85, 0.85, 0.80))


def _cabin(p: Paint, extent: Tensor, params: Tensor) -> None:
    """Panes in the cabin's faces. params: half length of the pane, its lower and upper edge, pillars (0 or 1)."""
    du = p.u - extent[0] / 2
    middle, half = (params[1] + params[2]) / 2, (params[2] - params[1]) / 2
    pane = p.box(du, p.v - middle, params[0], half)
    tone = 0.10 + 0.10 * (p.v - params[1])
    p.lay(pane, torch.stack([tone, tone * 1.08, tone * 1.2]), 0.0)
    p.lay(pane * params[3] * _inside(du, 0.05, p.eu), (0.08, 0.08, 0.09))


def _shutter(p: Paint, extent: Tensor, params: Tensor) -> None:
    """A wide plain gate in the middle of a wall. params: half width, height, red, green, blue."""
    du = p.u - extent[0] / 2
    p.lay(p.box(du, p.v - params[1] / 2, params[0] + 0.1, params[1] / 2 + 0.1), (0.4, 0.4, 0.4))
    gate = p.box(du, p.v - params[1] / 2, params[0], params[1] / 2)
    p.rgb = torch.lerp(p.rgb, params[2:5], gate)
    p.contrast = p.contrast * (1 - gate)


def _wheel(p: Paint, extent: Tensor, params: Tensor) -> None:
    """A round hub. params: its radius, red, green, blue."""
    away = torch.hypot(p.u - extent[0] / 2, p.v - extent[1] / 2)
    p.lay(_inside(away, params[0], torch.maximum(p.eu, p.ev)), params[1:4])
    p.lay(_inside(away, params[0] * 0.3, torch.maximum(p.eu, p.ev)), (0.2, 0.2, 0.2))


PAINTERS = {
    surfaces.FACADE: _facade,
    surfaces.ROAD: _road,
    surfaces.CROSSING: _crossing,
    surfaces.CAR_SIDE: _car_side,
    surfaces.CAR_END: _car_end,
    surfaces.CABIN: _cabin,
    surfaces.SHUTTER: _shutter,
    surfaces.WHEEL: _wheel,
}
"""Number of a pattern -> what draws it: ``draw(pixels, extent, params)``, with the face's size ``(2, M)`` in metres and
the pattern's own numbers ``(8, M)``."""
