"""A stereo pair of the street with everything that is known about it.

Last comes what a camera adds to the light it gets (`expose`): exposure, noise, and drops in front of it.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from lowtex.errors import OptionError
from lowtex.geometry import StereoRig
from lowtex.seeding import generator, numpy_generator
from lowtex_lab.miniature.raycast import cast
from lowtex_lab.miniature.shading import Rays, World, shade
from lowtex_lab.miniature.solids import COLUMNS, Solids
from lowtex_lab.miniature.street import BLOCK_M, block, plan
from lowtex_lab.miniature.weather import sun_direction, turn, weather

WORLD_VERSION = 2
"""Raised by hand whenever the same seed gives other pixels or depths."""

FAR_M = 230.0
BEHIND_M = 14.0
VKITTI2_RIG = StereoRig(725.0087, 0.532725, cx=620.5, cy=187.0, width=1242, height=375)
"""Virtual KITTI 2's cameras at their native size."""

NOISE = 0.01
"""Standard deviation of a pixel's noise, of [0, 1]."""
EXPOSURE = 0.02
"""Each camera's gain lies within 1 +- this, so that a pair differs by about 2 to 4 %."""


@dataclass(frozen=True)
class Scene:
    """One street. ``name`` and ``seed`` decide everything in it; frame t stands ``step_m`` metres after frame t - 1."""

    name: str
    seed: int = 0
    step_m: float = 8.0

    def pose(self, frame: int, variation: str = "clone") -> tuple[tuple[float, float, float], float]:
        """Place (x, y, z) of the left camera in metres and its heading in radians (positive to the right)."""
        p = plan(self.seed, self.name)
        rng = numpy_generator(self.seed, "miniature", self.name, "pose", frame)
        x = p.camera_x + float(rng.uniform(-0.4, 0.4))
        z = frame * self.step_m + float(rng.uniform(-0.3, 0.3)) * self.step_m
        return (x, p.camera_height, z), float(rng.normal(0, 0.035)) + turn(variation)


@dataclass
class StereoPair:
    """A rendered pair. Images float32 RGB in [0, 1]; maps belong to the left and the right view.

    Attributes:
        left, right: ``(3, H, W)``.
        depth_left, depth_right: ``(1, H, W)`` float32 metres along the optical axis at pixel centres, 0 on the sky.
        visible_left, visible_right: ``(1, H, W)`` bool: the point is seen by the other camera too.
        contrast_left, contrast_right: ``(1, H, W)`` float32, standard deviation of the albedo (of [0, 1]) that the
            surface's texture adds at full resolution; 0 = plain, and 0 on the sky.
        rig: the left camera's rig at this size.
    """

    left: Tensor
    right: Tensor
    depth_left: Tensor
    depth_right: Tensor
    visible_left: Tensor
    visible_right: Tensor
    contrast_left: Tensor
    contrast_right: Tensor
    rig: StereoRig


def beside(place, heading: float, metres: float) -> tuple[float, float, float]:
    """The place (x, y, z) that lies ``metres`` to the right of another for who looks along ``heading``, radians."""
    x, y, z = place
    return x + metres * math.cos(heading), y, z - metres * math.sin(heading)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread inside.

    The arrays here are small: a second thread saves little, and on a busy machine the two wait for each other, which
    was measured to cost up to twenty times the time. Threads are better spent on whole frames.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@torch.no_grad()
@one_thread()
def render(
    scene: Scene,
    frame: int,
    size: tuple[int, int] = (96, 320),
    variation: str = "clone",
    rig: StereoRig = VKITTI2_RIG,
    noise: float = NOISE,
    exposure: float = EXPOSURE,
) -> StereoPair:
    """Ray-cast both views of a frame.

    Args:
        scene: the street.
        frame: 0, 1, 2, ...
        size: (height, width) in pixels, each at least 16.
        variation: one of `VARIATIONS`.
        rig: the cameras at any size; they are resized to ``size``. It needs cx, cy, width and height.
        noise, exposure: the sensor, see `expose`; 0 turns each off.

    Raises:
        OptionError: a negative frame, a size too small, an unknown variation.
    """
    if frame < 0:
        raise OptionError(f"frame must be 0 or more, got {frame}")
    if len(size) != 2 or min(size) < 16:
        raise OptionError(f"size must be (height, width) with at least 16 pixels each, got {size}")
    height, width = int(size[0]), int(size[1])
    rig = rig.resized(width, height)
    world = world_at(scene, scene.pose(frame, variation)[0][2], variation)
    views = photographs(world, scene, frame, variation, rig, noise=noise, exposure=exposure)
    images, depths, contrasts, (fine_left, fine_right) = zip(*views, strict=True)
    seen = _visible(depths[0], fine_right, rig, 1), _visible(depths[1], fine_left, rig, -1)
    return StereoPair(*images, *depths, *seen, *contrasts, rig)


def photographs(
    world: World, scene: Scene, frame: int, variation: str, rig: StereoRig, cameras: int = 2, **sensor: float
) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """What the left camera gives of a frame, or both: `view` with the sensor's picture in the place of the light.

    Args:
        world: what is seen from there, see `world_at`.
        scene, frame, variation: as for `render`.
        rig: at the pictures' size.
        cameras: 1 = the left one alone.
        sensor: noise and exposure of `expose`.
    """
    place, heading = scene.pose(frame, variation)
    facing, sensor = (math.cos(heading), math.sin(heading)), {"streaks": weather(variation).streaks, **sensor}
    found = []
    for camera in range(cameras):
        origin = beside(place, heading, camera * rig.baseline_m)
        light, *known = view(world, origin, facing, rig, rig.height, rig.width)
        found.append((expose(light, scene.seed, scene.name, frame, variation, camera, **sensor), *known))
    return found


def world_at(scene: Scene, z: float, variation: str = "clone") -> World:
    """The blocks round a place on the street, lit for a variation."""
    numbers = range(int((z - BEHIND_M) // BLOCK_M), int((z + FAR_M) // BLOCK_M) + 1)
    blocks = [block(scene.seed, scene.name, k) for k in numbers]
    solids = Solids.join([b.solids for b in blocks])
    rng = numpy_generator(scene.seed, "miniature", scene.name, "clouds", variation)
    return World(
        solids=solids,
        table=solids.table.T.contiguous(),
        low=torch.cat([b.low for b in blocks]),
        crown=torch.cat([b.crown for b in blocks]),
        skyline=torch.cat([b.skyline for b in blocks]),
        z0=numbers[0] * BLOCK_M,
        plan=plan(scene.seed, scene.name),
        weather=weather(variation),
        sun=sun_direction(scene.seed, scene.name, variation),
        cloud_shift=tuple(rng.random(2).tolist()),
    )


def view(world: World, origin, heading, rig: StereoRig, height: int, width: int):
    """What one camera at ``origin`` (x, y, z) sees; ``heading`` is (cos, sin), ``rig`` belongs to ``height, width``.

    Light ``(3,H,W)``, depth ``(1,H,W)``, contrast ``(1,H,W)`` and depth at four points a pixel ``(2H, 2W)``.
    """
    cos, sin = heading
    fx, fy, cx, cy = rig.focal_px, rig.fy, rig.cx, rig.cy

    def directions(per_pixel: int) -> tuple[Tensor, Tensor, Tensor]:
        """Headings (x, z) of so many rays a pixel's width, and slopes of as many a pixel's height."""
        columns = (torch.arange(per_pixel * width, dtype=torch.float64) + 0.5) / per_pixel - 0.5
        rows = (torch.arange(per_pixel * height, dtype=torch.float64) + 0.5) / per_pixel - 0.5
        xn = (columns - cx) / fx
        return (cos * xn + sin).float(), (cos - sin * xn).float(), (-(rows - cy) / fy).float()

    hx, hz, slope = directions(2)
    t, face = cast(world.solids, origin, hx, hz, slope)
    quad_t = t.reshape(height, 2, width, 2).permute(1, 3, 0, 2).reshape(4, height, width)
    quad_face = face.reshape(height, 2, width, 2).permute(1, 3, 0, 2).reshape(4, height, width)
    cx_dir, cz_dir, centre_slope = directions(1)
    depth, centre_face = _centre(world.table, origin, cx_dir, cz_dir, centre_slope, quad_t, quad_face)

    mixed = (quad_face != quad_face[:1]).any(0)
    edge = mixed.reshape(-1).nonzero()[:, 0]
    direction = torch.stack(torch.broadcast_tensors(cx_dir, centre_slope[:, None], cz_dir)).reshape(3, -1)
    corners = [(hx[j::2], slope[i::2, None], hz[j::2]) for i in range(2) for j in range(2)]
    fine_direction = torch.stack([torch.stack(torch.broadcast_tensors(*corner)) for corner in corners], 1)
    fine_direction = fine_direction.reshape(3, 4, -1)[:, :, edge]
    rays = Rays(
        direction=torch.cat([direction, fine_direction.reshape(3, -1)], 1),
        t=torch.cat([depth.reshape(-1), quad_t.reshape(4, -1)[:, edge].reshape(-1)]),
        face=torch.cat([centre_face.reshape(-1), quad_face.reshape(4, -1)[:, edge].reshape(-1)]),
        origin=tuple(float(o) for o in origin),
        per_column=(cos / fx, 0.0, -sin / fx),
        per_row=(0.0, -1.0 / fy, 0.0),
    )
    rgb, contrast = shade(world, rays)
    pixels = height * width
    image = rgb[:, :pixels]
    image[:, edge] = rgb[:, pixels:].reshape(3, 4, -1).mean(1)
    metres = torch.where(torch.isfinite(depth), depth, 0.0)
    return image.reshape(3, height, width), metres[None], contrast[:pixels].reshape(1, height, width), t


def _centre(table, origin, heading_x, heading_z, slope, quad_t, quad_face) -> tuple[Tensor, Tensor]:
    """Depth and face at pixel centres, from the four rays round each.

    The face is the nearest one that at least two of the four rays meet (else the nearest); on flat faces the depth
    follows from the plane itself, on curved ones from the mean inverse depth.
    """
    shared = (quad_face[:, None] == quad_face).sum(1) >= 2
    nearest = torch.where(shared, quad_t, quad_t + 1e6).argmin(0, keepdim=True)
    face = quad_face.gather(0, nearest)[0]
    member = quad_face == face
    inverse = torch.where(member, 1 / quad_t, 0.0).sum(0) / member.sum(0)
    row = table[:6].index_select(1, face.reshape(-1)).reshape(6, *face.shape)
    normal = row[COLUMNS["normal"]]
    point = row[COLUMNS["point"]] - torch.tensor([float(o) for o in origin])[:, None, None]
    across = normal[0] * heading_x + normal[1] * slope[:, None] + normal[2] * heading_z
    flat = (normal * point).sum(0) / torch.where(across.abs() < 1e-9, 1e-9, across)
    depth = torch.where(normal.abs().sum(0) > 0, flat, 1 / inverse)
    # at a grazing edge the centre may miss the face's plane; the rays that did meet it are the better answer
    near = 1 / inverse
    depth = torch.where((depth > 0.5 * near) & (depth < 2 * near), depth, near)
    return depth, face


def _visible(depth: Tensor, other_fine: Tensor, rig: StereoRig, sign: int) -> Tensor:
    """Whether the other camera sees the same point: its four nearest rays include one of about that disparity."""
    height, width = depth.shape[1:]
    shift = torch.where(depth > 0, rig.focal_px * rig.baseline_m / depth.clamp(min=1e-3), 0.0)[0]
    columns = torch.arange(width, dtype=torch.float32)
    position = columns - sign * shift
    inside = (position >= 0) & (position <= width - 1)
    other = rig.focal_px * rig.baseline_m / other_fine
    first = ((position + 0.5) * 2 - 0.5).floor().long()
    rows = 2 * torch.arange(height)[:, None]
    seen = torch.zeros_like(inside)
    for i in range(2):
        for j in range(2):
            value = other[rows + i, (first + j).clamp(0, 2 * width - 1)]
            seen |= (value - shift).abs() < 0.35
    return (seen & inside)[None]


def expose(
    image: Tensor,
    seed: int,
    *purpose: str | int,
    noise: float = NOISE,
    exposure: float = EXPOSURE,
    streaks: float = 0.0,
) -> Tensor:
    """A camera's picture ``(3, H, W)`` in [0, 1] of the light ``image``.

    Args:
        image: ``(3, H, W)`` in [0, 1].
        seed, purpose: what the noise is drawn from (scene, frame, variation, camera).
        noise: standard deviation of the noise; 0 = none.
        exposure: half the range of the gain; 0 = none.
        streaks: strength of rain streaks; each camera sees its own.
    """
    rng = generator(seed, "sensor", *purpose)
    gain = 1 + exposure * (2 * float(torch.rand((), generator=rng)) - 1)
    out = image * gain
    if streaks > 0:
        out = torch.lerp(out, torch.tensor(0.85), streaks * _streaks(rng, *image.shape[1:]))
    if noise > 0:
        out = out + noise * torch.randn(image.shape, generator=rng)
    return out.clamp_(0, 1)


def _streaks(rng: torch.Generator, height: int, width: int) -> Tensor:
    """Sparse upright dashes ``(H, W)`` in [0, 1]."""
    drops = (torch.rand(1, 1, height, width, generator=rng) > 0.985).float()
    length = max(3, height // 12) | 1
    return torch.nn.functional.max_pool2d(drops, (length, 1), 1, (length // 2, 0))[0, 0] * 0.8
