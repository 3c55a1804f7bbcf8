"""Textures: tileable patterns of zero mean and unit deviation, filtered beforehand for every footprint.

Each layer is kept at all combinations of halvings along u and v ("ripmap"). A pixel that covers 3 cm of a road across
and 80 cm along it reads the level that was averaged over just that, so a texture fades with distance as it does in a
camera instead of flickering, and both views of a pair see the same values on the same surface.
"""

from functools import lru_cache

import torch
from torch import Tensor

from lowtex.seeding import generator

SIZE = 512
LEVELS = 8
GRAIN, BRICK, SLABS, LEAVES, BOARDS, CLOUDS = range(6)
LAYERS = 6
"""Plaster and asphalt grain; bricks; paving slabs; leaves and grass; boards and corrugated metal; clouds."""

NO_PATTERN, FACADE, ROAD, CROSSING, CAR_SIDE, CAR_END, CABIN, SHUTTER, WHEEL = range(9)
"""Painted patterns (windows and doors, lane marks, stripes, ...), drawn by `lowtex_lab.miniature.patterns`."""


def sample(layer: Tensor, u: Tensor, v: Tensor, extent_u: Tensor, extent_v: Tensor) -> Tensor:
    """Read textures, averaged over each pixel's footprint.

    Args:
        layer: ``(M,)`` int64 layer numbers.
        u, v: ``(M,)`` position in tiles (any real number; textures repeat).
        extent_u, extent_v: ``(M,)`` size of the pixel's footprint in tiles.

    Returns:
        ``(M,)`` values; the full-resolution texture has mean 0 and standard deviation 1.
    """
    data, offsets = _ripmaps()
    level_u = (extent_u * SIZE).clamp(min=1).log2().round_().clamp_(max=LEVELS - 1).long()
    level_v = (extent_v * SIZE).clamp(min=1).log2().round_().clamp_(max=LEVELS - 1).long()
    base = offsets[(layer * LEVELS + level_v) * LEVELS + level_u]
    width, height = SIZE >> level_u, SIZE >> level_v
    x, y = (u - u.floor()) * width - 0.5, (v - v.floor()) * height - 0.5
    x0, y0 = x.floor(), y.floor()
    wx, wy = x - x0, y - y0
    x0, y0 = x0.long(), y0.long()
    # sizes are powers of two, so wrapping round is a bit mask
    left, right = x0 & (width - 1), (x0 + 1) & (width - 1)
    top = base + (y0 & (height - 1)) * width
    bottom = base + ((y0 + 1) & (height - 1)) * width
    upper = torch.lerp(data[top + left], data[top + right], wx)
    lower = torch.lerp(data[bottom + left], data[bottom + right], wx)
    return torch.lerp(upper, lower, wy)


@lru_cache(maxsize=1)
def _ripmaps() -> tuple[Tensor, Tensor]:
    """All layers at all levels in one flat tensor, and the offset of (layer, level along v, level along u)."""
    pieces, offsets, at = [], [], 0
    for layer in range(LAYERS):
        by_v = _full(layer)
        for _ in range(LEVELS):
            level = by_v
            for _ in range(LEVELS):
                pieces.append(level.reshape(-1))
                offsets.append(at)
                at += level.numel()
                level = (level[:, 0::2] + level[:, 1::2]) / 2
            by_v = (by_v[0::2] + by_v[1::2]) / 2
    return torch.cat(pieces), torch.tensor(offsets)


def _full(layer: int) -> Tensor:
    """One layer at full size ``(SIZE, SIZE)``, mean 0, deviation 1, no value beyond 3 deviations."""
    rng = generator(0, "miniature texture", layer)
    if layer == GRAIN:
        out = 0.75 * _noise(rng, 6, 200, 0.8) + 0.65 * _noise(rng, 50, 250, 0.3)
    elif layer == BRICK:
        out = _masonry(rng, rows=64, columns=20, joint=0.14, tone=0.9, dark_joint=-0.9)
        out = out + 0.4 * _noise(rng, 40, 250, 0.5)
    elif layer == SLABS:
        out = _masonry(rng, rows=12, columns=12, joint=0.06, tone=0.7, dark_joint=-2.2, bond=0.0)
        out = out + 0.5 * _noise(rng, 20, 250, 0.7)
    elif layer == LEAVES:
        out = _noise(rng, 12, 40, 0.5).clamp(-1.2, 1.2) + 0.9 * _noise(rng, 40, 200, 0.6)
    elif layer == BOARDS:
        out = _boards(rng) + 0.35 * _noise(rng, 3, 120, 0.8)
    else:
        out = _noise(rng, 1, 60, 1.6)
    out = (out - out.mean()) / out.std()
    out = out.clamp(-3, 3)
    return (out - out.mean()) / out.std()


def _noise(rng: torch.Generator, low: float, high: float, slope: float) -> Tensor:
    """Gaussian noise of unit deviation with power between ``low`` and ``high`` cycles a tile, amplitude f**-slope."""
    spectrum = torch.fft.rfft2(torch.randn(SIZE, SIZE, generator=rng))
    fy = torch.fft.fftfreq(SIZE, 1 / SIZE)[:, None]
    fx = torch.fft.rfftfreq(SIZE, 1 / SIZE)[None]
    f = (fx * fx + fy * fy).sqrt().clamp(min=0.5)
    # smooth shoulders, so that no ringing shows
    band = 1 / (1 + (low / f) ** 6) / (1 + (f / high) ** 6)
    out = torch.fft.irfft2(spectrum * band * f ** (-slope - 0.5), s=(SIZE, SIZE))
    return (out - out.mean()) / out.std()


def _masonry(rng, rows: int, columns: int, joint: float, tone: float, dark_joint: float, bond: float = 0.5) -> Tensor:
    """Rows of blocks with joints; ``joint`` is the joint's share of a row's height, ``bond`` the shift of odd rows."""
    y = (torch.arange(SIZE) + 0.5) / SIZE * rows
    row = y.floor().long()
    x = (torch.arange(SIZE) + 0.5)[None] / SIZE * columns + bond * (row % 2)[:, None]
    column = x.floor().long() % columns
    tones = torch.randn(rows, columns, generator=rng) * tone
    out = tones[row[:, None].expand(SIZE, SIZE), column]
    ratio = columns / rows  # the joint is equally wide both ways
    gap = ((y - row)[:, None] < joint) | ((x - x.floor()) < joint * ratio)
    return torch.where(gap, torch.tensor(dark_joint), out)


def _boards(rng) -> Tensor:
    """Upright boards: a tone each and a dark gap."""
    boards = 32
    x = (torch.arange(SIZE) + 0.5) / SIZE * boards
    tones = torch.randn(boards, generator=rng) * 0.6
    out = torch.where(x - x.floor() < 0.12, torch.tensor(-2.0), tones[x.floor().long()])
    return out[None].expand(SIZE, SIZE)
