"""Ray casting: where each ray of a camera or a lidar first meets the street.

All solids stand upright and neither cameras nor the lidar pitch or roll, so a ray's direction splits into a part that
depends on its column alone (its heading in x and z) and one that depends on its row alone (its slope). The vertical
sides of all solids are therefore met in one small ``(solids, columns)`` computation, bottoms and tops in one of
``(solids, rows)``, and only the combination is done per pixel, inside each solid's own rectangle of the image.
"""

import torch
from torch import Tensor

from lowtex.miniature.solids import CYLINDER, ELLIPSOID, PRISM, Solids

NEAREST = 0.05
"""Nothing nearer than this (in ray lengths, metres of depth for a camera) is seen."""


def cast(solids: Solids, origin, heading_x: Tensor, heading_z: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
    """The first hit of rays ``origin + t (heading_x[column], slope[row], heading_z[column])``.

    Args:
        solids: the scene.
        origin: (x, y, z) metres, floats.
        heading_x, heading_z: ``(W,)`` float32.
        slope: ``(H,)`` float32, strictly decreasing.

    Returns:
        t ``(H, W)`` float32 (inf where nothing is met) and face ``(H, W)`` int32, a row of ``solids.table`` (0 = sky).
        With a heading whose part along the optical axis is 1, t is the depth along that axis in metres.
    """
    enter, leave, face = _columns(solids, origin, heading_x, heading_z)
    row_enter, row_leave, row_face = _rows(solids, origin, slope)
    height, width = slope.shape[0], heading_x.shape[0]
    depth = torch.full((height, width), float("inf"))
    seen = torch.zeros((height, width), dtype=torch.int32)

    windows = _windows(solids, origin, enter, leave, slope)
    kinds, counts = solids.kind.tolist(), solids.slant_count.tolist()
    slant_num = (solids.slant[:, :, 3] - solids.slant[:, :, :3] @ torch.tensor(origin, dtype=torch.float64)).tolist()
    slants, slant_faces = solids.slant.tolist(), solids.faces[:, 6:].tolist()
    for i, top, bottom, first, last in windows:
        near_c, far_c, face_c = enter[i, first:last], leave[i, first:last], face[i, first:last]
        near_r, far_r = row_enter[i, top:bottom, None], row_leave[i, top:bottom, None]
        if kinds[i] == ELLIPSOID:
            ray = (heading_x[first:last], slope[top:bottom, None], heading_z[first:last])
            near, far = _ellipsoid(solids, i, origin, ray)
            hit_face = face_c
        else:
            near, far = torch.maximum(near_c, near_r), torch.minimum(far_c, far_r)
            hit_face = torch.where(near_r > near_c, row_face[i, top:bottom, None], face_c)
            for j in range(counts[i]):
                nx, ny, nz, _ = slants[i][j]
                along = nx * heading_x[first:last] + nz * heading_z[first:last] + ny * slope[top:bottom, None]
                t = slant_num[i][j] / along
                entering = along < 0
                front = entering & (t > near)
                near = torch.where(front, t, near)
                far = torch.where(entering, far, torch.minimum(far, t))
                hit_face = torch.where(front, slant_faces[i][j], hit_face)
        window = depth[top:bottom, first:last]
        hit = (near < torch.minimum(far, window)) & (near > NEAREST)
        window.copy_(torch.where(hit, near, window))
        part = seen[top:bottom, first:last]
        part.copy_(torch.where(hit, hit_face, part))
    return depth, seen


def _columns(solids: Solids, origin, heading_x: Tensor, heading_z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Entry and exit ``(N, W)`` of the upright hull of every solid, and the face entered."""
    ox, _, oz = origin
    count, width = solids.kind.shape[0], heading_x.shape[0]
    enter, leave = torch.empty(count, width), torch.empty(count, width)
    face = torch.empty(count, width, dtype=torch.int32)

    prism = (solids.kind == PRISM).nonzero()[:, 0]
    side = solids.side[prism]
    num = (side[..., 2] - side[..., 0] * ox - side[..., 1] * oz).float()[..., None]
    den = side[..., 0, None].float() * heading_x + side[..., 1, None].float() * heading_z
    # a ray along a side is inside it for good (num > 0) or outside for good
    t = num / torch.where(den.abs() < 1e-9, 1e-9, den)
    into = den < 0
    inf = float("inf")
    best, which = torch.where(into, t, -inf).max(1)
    enter[prism], leave[prism] = best, torch.where(into, inf, t).amin(1)
    face[prism] = torch.gather(solids.faces[prism, :4], 1, which)

    rest = (solids.kind >= CYLINDER).nonzero()[:, 0]
    if rest.numel():
        cx, cz, rx, rz = (solids.ellipse[rest, k, None] for k in range(4))
        px, pz = ((ox - cx) / rx).float(), ((oz - cz) / rz).float()
        dx, dz = heading_x / rx.float(), heading_z / rz.float()
        a, b, c = dx * dx + dz * dz, px * dx + pz * dz, px * px + pz * pz - 1
        root = b * b - a * c
        ok = root > 0
        root = root.clamp(min=0).sqrt()
        enter[rest] = torch.where(ok, (-b - root) / a, inf)
        leave[rest] = torch.where(ok, (-b + root) / a, -inf)
        face[rest] = solids.faces[rest, :1].expand(-1, width)
    return enter, leave, face


def _rows(solids: Solids, origin, slope: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Entry and exit ``(N, H)`` of the slab between bottom and top, and the face entered."""
    level = (solids.y - origin[1]).float()
    safe = torch.where(slope.abs() < 1e-9, 1e-9, slope)
    t0, t1 = level[:, :1] / safe, level[:, 1:] / safe
    down = slope < 0
    face = torch.where(down, solids.faces[:, 5:6], solids.faces[:, 4:5])
    return torch.minimum(t0, t1), torch.maximum(t0, t1), face


def _windows(solids: Solids, origin, enter: Tensor, leave: Tensor, slope: Tensor) -> list[list[int]]:
    """(solid, first row, end row, first column, end column) of every solid that may be seen."""
    valid = leave > enter.clamp(min=NEAREST)
    width = enter.shape[1]
    number = torch.arange(width)
    first = torch.where(valid, number, width).amin(1)
    last = torch.where(valid, number, -1).amax(1) + 1
    low = torch.where(valid, enter.clamp(min=NEAREST), float("inf")).amin(1)
    high = torch.where(valid, leave, 0.0).amax(1).clamp(max=1e5)
    level = (solids.y - origin[1]).float()
    floor = torch.minimum(level[:, 0] / low, level[:, 0] / high)
    ceiling = torch.maximum(level[:, 1] / low, level[:, 1] / high)
    falling = -slope
    top = torch.searchsorted(falling, -ceiling)
    bottom = torch.searchsorted(falling, -floor, right=True)
    keep = ((last > first) & (bottom > top)).nonzero()[:, 0]
    return torch.stack([keep, top[keep], bottom[keep], first[keep], last[keep]], 1).tolist()


def _ellipsoid(solids: Solids, i: int, origin, ray) -> tuple[Tensor, Tensor]:
    cx, cz, rx, rz = solids.ellipse[i].tolist()
    y0, y1 = solids.y[i].tolist()
    radii = (rx, (y1 - y0) / 2, rz)
    offset = [(o - c) / r for o, c, r in zip(origin, (cx, (y0 + y1) / 2, cz), radii, strict=True)]
    dx, dy, dz = (d / r for d, r in zip(ray, radii, strict=True))
    a = (dx * dx + dz * dz) + dy * dy
    b = (offset[0] * dx + offset[2] * dz) + offset[1] * dy
    root = b * b - a * (sum(p * p for p in offset) - 1)
    ok = root > 0
    root = root.clamp(min=0).sqrt()
    return torch.where(ok, (-b - root) / a, float("inf")), torch.where(ok, (-b + root) / a, float("-inf"))
