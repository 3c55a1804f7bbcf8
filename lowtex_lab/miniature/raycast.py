"""Ray casting: where each ray of a camera or a lidar first meets the street.

All solids stand upright and neither cameras nor the lidar pitch or roll, so a ray's direction splits into a part that
depends on its column alone (its heading in x and z) and one that depends on its row alone (its slope). The vertical
sides of all solids are therefore met in one small ``(solids, columns)`` computation, bottoms and tops in one of
``(solids, rows)``, and only their combination is done per pixel, inside each solid's own rectangle of the image: solids
that look large one at a time, all the small ones together as one flat list of (solid, pixel) candidates.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lowtex_lab.miniature.solids import CYLINDER, ELLIPSOID, PRISM, Solids

NEAREST = 0.05
"""Nothing nearer than this (in ray lengths, metres of depth for a camera) is seen."""
LARGE = 3000
"""Rectangles of more rays than this are done one at a time."""
INF = float("inf")


@dataclass
class _Meets:
    """Entry, exit and face entered of the upright hulls, ``(N, W)``, and of the slabs, ``(N, H)``; the rays."""

    enter: Tensor
    leave: Tensor
    face: Tensor
    row_enter: Tensor
    row_leave: Tensor
    row_face: Tensor
    heading_x: Tensor
    heading_z: Tensor
    slope: Tensor


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
    solids = solids.take(_ahead(solids, origin, heading_x, heading_z))
    m = _Meets(
        *_columns(solids, origin, heading_x, heading_z), *_rows(solids, origin, slope), heading_x, heading_z, slope
    )
    depth = torch.full((slope.shape[0], heading_x.shape[0]), INF)
    seen = torch.zeros(depth.shape, dtype=torch.int32)
    windows = _windows(solids, origin, m.enter, m.leave, slope)
    slant = solids.slant.float()
    reach = (solids.slant[:, :, 3] - solids.slant[:, :, :3] @ torch.tensor(origin, dtype=torch.float64)).float()
    area = (windows[:, 2] - windows[:, 1]) * (windows[:, 4] - windows[:, 3])
    round_ones = solids.kind[windows[:, 0]] == ELLIPSOID
    cut = solids.slant_count[windows[:, 0]] > 0

    for i, top, bottom, first, last in windows[(area > LARGE) & ~round_ones].tolist():
        columns = m.enter[i, first:last], m.leave[i, first:last], m.face[i, first:last]
        rows = m.row_enter[i, top:bottom, None], m.row_leave[i, top:bottom, None], m.row_face[i, top:bottom, None]
        cuts = []
        for j in range(int(solids.slant_count[i])):
            nx, ny, nz, _ = slant[i, j]
            along = nx * heading_x[first:last] + nz * heading_z[first:last] + ny * slope[top:bottom, None]
            cuts.append((along, reach[i, j], solids.faces[i, 6 + j]))
        near, far, face = _prism(columns, rows, cuts)
        window, part = depth[top:bottom, first:last], seen[top:bottom, first:last]
        hit = (near < torch.minimum(far, window)) & (near > NEAREST)
        window.copy_(torch.where(hit, near, window))
        part.copy_(torch.where(hit, face, part))

    small = area <= LARGE
    for group in (small & ~cut & ~round_ones, small & cut, round_ones):
        if bool(group.any()):
            _flat(solids, origin, m, windows[group], slant, reach, depth, seen)
    return depth, seen


def _flat(solids: Solids, origin, m: _Meets, windows: Tensor, slant, reach, depth: Tensor, seen: Tensor) -> None:
    """Many windows of one sort at once: a list of (solid, row, column), nearest first by a scattered minimum.

    Windows are first cut into their rows, so that what depends on the row is worked out once for each.
    """
    height, width = depth.shape
    tall = windows[:, 2] - windows[:, 1]
    window = torch.repeat_interleave(torch.arange(tall.shape[0]), tall)
    i, first, last = windows[window, 0], windows[window, 3], windows[window, 4]
    row = windows[window, 1] + torch.arange(window.shape[0]) - (tall.cumsum(0) - tall)[window]
    wide = last - first
    begin = wide.cumsum(0) - wide
    piece = torch.repeat_interleave(torch.arange(wide.shape[0]), wide)
    count = torch.arange(piece.shape[0])
    column = count + (first - begin)[piece]
    pixel = count + (row * width + first - begin)[piece]
    at_column = count + (i * width + first - begin)[piece]
    at_row = i * height + row
    heading = m.heading_x[column], m.heading_z[column]
    if int(solids.kind[i[0]]) == ELLIPSOID:
        near, far = _ellipsoid(solids, i, origin, m.slope[row], heading, piece)
        face = m.face.view(-1)[at_column]
    else:
        columns = tuple(x.view(-1)[at_column] for x in (m.enter, m.leave, m.face))
        rows = tuple(x.view(-1)[at_row][piece] for x in (m.row_enter, m.row_leave, m.row_face))
        cuts = []
        for j in range(int(solids.slant_count[i].max())):
            nx, ny, nz, _ = slant[i, j].T
            along = nx[piece] * heading[0] + nz[piece] * heading[1] + (ny * m.slope[row])[piece]
            cuts.append((along, reach[i, j][piece], solids.faces[i, 6 + j][piece]))
        near, far, face = _prism(columns, rows, cuts)
    hit = ((near < far) & (near > NEAREST)).nonzero()[:, 0]
    near, face, pixel = near[hit], face[hit], pixel[hit]
    flat, flat_seen = depth.view(-1), seen.view(-1)
    before = flat[pixel]
    flat.scatter_reduce_(0, pixel, near, "amin")
    won = ((near == flat[pixel]) & (near < before)).nonzero()[:, 0]
    # two solids at the very same depth: the later face wins, whatever the order of execution
    flat_seen.scatter_(0, pixel[won], torch.zeros_like(face[won]))
    flat_seen.scatter_reduce_(0, pixel[won], face[won], "amax")


def _prism(columns, rows, cuts) -> tuple[Tensor, Tensor, Tensor]:
    """Entry, exit and face of upright solids, from their hull's, their slab's and those of slanted planes.

    A cut is (n . direction, k - n . origin, face).
    """
    near_c, far_c, face_c = columns
    near_r, far_r, face_r = rows
    near, far = torch.maximum(near_c, near_r), torch.minimum(far_c, far_r)
    face = torch.where(near_r > near_c, face_r, face_c)
    for along, reach, slant_face in cuts:
        t = reach / along
        entering = along < 0
        front = entering & (t > near)
        near = torch.where(front, t, near)
        far = torch.where(entering, far, torch.minimum(far, t))
        face = torch.where(front, slant_face, face)
    return near, far, face


def _ahead(solids: Solids, origin, heading_x: Tensor, heading_z: Tensor) -> Tensor:
    """Numbers of the solids whose round hull reaches into the fan of headings, and that are not too far for them."""
    x, z = solids.ellipse[:, 0] - origin[0], solids.ellipse[:, 1] - origin[2]
    keep = x.hypot(z) < solids.reach + solids.round
    first, last = (heading_x[0], heading_z[0]), (heading_x[-1], heading_z[-1])
    if float(first[0] * last[1] - first[1] * last[0]) < 0 and heading_x.shape[0] > 1:  # a fan of less than half a turn
        for sign, (hx, hz) in ((1.0, first), (-1.0, last)):
            hx, hz = float(hx), float(hz)
            outside = sign * (hx * z - hz * x) / (hx * hx + hz * hz) ** 0.5
            keep &= outside < solids.round
    return keep.nonzero()[:, 0]


def _columns(solids: Solids, origin, heading_x: Tensor, heading_z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    ox, _, oz = origin
    count, width = solids.kind.shape[0], heading_x.shape[0]
    enter, leave = torch.empty(count, width), torch.empty(count, width)
    face = torch.empty(count, width, dtype=torch.int32)

    prism = (solids.kind == PRISM).nonzero()[:, 0]
    side, faces = solids.side[prism], solids.faces[prism]
    num = (side[..., 2] - side[..., 0] * ox - side[..., 1] * oz).float()
    pairs = []
    for j in (0, 2):  # sides come in pairs that face opposite ways
        nx, nz = side[:, j + 1, 0, None].float(), side[:, j + 1, 1, None].float()
        along = torch.addcmul(nx * heading_x, nz, heading_z)
        # a ray along a pair is between them for good, or outside for good
        inverse = 1 / torch.where(along.abs() < 1e-9, 1e-9, along)
        a, b = -num[:, j, None] * inverse, num[:, j + 1, None] * inverse
        met = torch.where(along > 0, faces[:, j, None], faces[:, j + 1, None])
        pairs.append((torch.minimum(a, b), torch.maximum(a, b), met))
    (near, far, met), (near_z, far_z, met_z) = pairs
    enter[prism], leave[prism] = torch.maximum(near, near_z), torch.minimum(far, far_z)
    face[prism] = torch.where(near_z > near, met_z, met)

    rest = (solids.kind >= CYLINDER).nonzero()[:, 0]
    if rest.numel():
        cx, cz, rx, rz = (solids.ellipse[rest, k, None] for k in range(4))
        # in float64: for a thin pole far away the discriminant is a small difference of large numbers
        px, pz = (ox - cx) / rx, (oz - cz) / rz
        dx, dz = heading_x / rx, heading_z / rz
        a, b, c = dx * dx + dz * dz, px * dx + pz * dz, px * px + pz * pz - 1
        root = b * b - a * c
        ok = root > 0
        root = root.clamp(min=0).sqrt()
        enter[rest] = torch.where(ok, (-b - root) / a, INF).float()
        leave[rest] = torch.where(ok, (-b + root) / a, -INF).float()
        face[rest] = solids.faces[rest, :1].expand(-1, width)
    return enter, leave, face


def _rows(solids: Solids, origin, slope: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    level = (solids.y - origin[1]).float()
    safe = torch.where(slope.abs() < 1e-9, 1e-9, slope)
    t0, t1 = level[:, :1] / safe, level[:, 1:] / safe
    face = torch.where(slope < 0, solids.faces[:, 5:6], solids.faces[:, 4:5])
    return torch.minimum(t0, t1), torch.maximum(t0, t1), face


def _windows(solids: Solids, origin, enter: Tensor, leave: Tensor, slope: Tensor) -> Tensor:
    """Rows of (solid, first row, end row, first column, end column) of every solid that may be seen."""
    valid = leave > enter.clamp(min=NEAREST)
    width = enter.shape[1]
    number = torch.arange(width)
    first = torch.where(valid, number, width).amin(1)
    last = torch.where(valid, number, -1).amax(1) + 1
    low = torch.where(valid, enter.clamp(min=NEAREST), INF).amin(1)
    high = torch.where(valid, leave, 0.0).amax(1).clamp(max=1e5)
    level = (solids.y - origin[1]).float()
    floor = torch.minimum(level[:, 0] / low, level[:, 0] / high)
    ceiling = torch.maximum(level[:, 1] / low, level[:, 1] / high)
    falling = -slope
    top = torch.searchsorted(falling, -ceiling)
    bottom = torch.searchsorted(falling, -floor, right=True)
    keep = ((last > first) & (bottom > top)).nonzero()[:, 0]
    return torch.stack([keep, top[keep], bottom[keep], first[keep], last[keep]], 1)


def _ellipsoid(solids: Solids, i: Tensor, origin, slope: Tensor, heading, piece: Tensor) -> tuple[Tensor, Tensor]:
    """Entry and exit of rays into ellipsoids; ``i`` and ``slope`` belong to pieces, ``heading`` to single rays."""
    cx, cz, rx, rz = solids.ellipse.unbind(1)
    y0, y1 = solids.y.unbind(1)
    radii = rx, (y1 - y0) / 2, rz
    ox, oy, oz = (((o - c) / r) for o, c, r in zip(origin, (cx, (y0 + y1) / 2, cz), radii, strict=True))
    beyond = (ox * ox + oy * oy + oz * oz - 1)[i]
    dy = slope / radii[1][i]
    tables = (1 / rx[i], 1 / rz[i], ox[i], oz[i], dy * dy, oy[i] * dy, beyond)
    inverse_x, inverse_z, ox, oz, dy_squared, along_y, beyond = (table.float()[piece] for table in tables)
    dx, dz = heading[0] * inverse_x, heading[1] * inverse_z
    a = dx * dx + dz * dz + dy_squared
    b = ox * dx + oz * dz + along_y
    root = b * b - a * beyond
    ok = root > 0
    root = root.clamp(min=0).sqrt()
    return torch.where(ok, (-b - root) / a, INF), torch.where(ok, (-b + root) / a, -INF)
