"""The miniature world in Make3D's own layout: single portrait views, each with a grid of a laser's distances.

``Test134/img-<id>.jpg`` (1704 wide, 2272 high) and ``Gridlaserdata/depth_sph_corr-<id>.mat``, whose ``Position3DGrid``
is 55 x 305 x 4 float64: up, right and forward in metres, and the distance. As in the official files the distance is
that along the ray (not along the optical axis), comes in steps of 5 mm, and stands at 80 m where nothing nearer was
met, the sky included. Layout: Saxena, Sun, Ng, "Make3D", PAMI 2009; the facts were read off the real samples.

The picture is cast at ``size`` and enlarged. The grid is cast for itself, through the middles of its own cells, so its
distances are those of the world and not of the picture.
"""

import io
import math
from pathlib import Path

import cv2
import numpy as np
import torch

from lowtex.errors import OptionError
from lowtex.files import atomic_path
from lowtex.geometry import StereoRig
from lowtex_lab.miniature.raycast import cast
from lowtex_lab.miniature.render import Scene, expose, one_thread, view, world_at
from lowtex_lab.miniature.writing import Target, as_bgr8, check_count, check_size, deal, fill, write_image

NATIVE_SIZE = (2272, 1704)
GRID = (55, 305)
FARTHEST_M, STEP_M = 80.0, 0.005
MAKE3D_RIG = StereoRig(2466.0, 1.0, cx=868.0, cy=1091.0, width=NATIVE_SIZE[1], height=NATIVE_SIZE[0])
"""One camera, as read off four official grids. There is no second one: the baseline says nothing."""

STREETS = ("make3d-1", "make3d-2", "make3d-3", "make3d-4")
"""Scene names that no other layout uses."""
LIGHTS = ("clone", "clone", "overcast", "morning")
PANS_DEG = (0, 24, -17, 9, -31, 38, -6, 15)
"""How far the single views are turned to the right: Make3D's look at house fronts as often as along a street."""

JPEG = (cv2.IMWRITE_JPEG_QUALITY, 90)
_HEADER = b"MATLAB 5.0 MAT-file, synthetic: written by lowtex's miniature world".ljust(116)
_README = """Layout of Make3D's test set: Test134/img-<id>.jpg, Gridlaserdata/depth_sph_corr-<id>.mat (Position3DGrid).
Pictures are rendered smaller and enlarged. Ids are made up: street, pan to the right in degrees, tilt."""


def write_make3d(
    root: str | Path, images: int = 12, size: tuple[int, int] = (568, 426), seed: int = 0, progress: bool = True
) -> Path:
    """Write single views in Make3D's layout.

    A finished root with the same parameters is left as it is; an interrupted one is carried on with.

    Args:
        root: folder to write, new, empty or written by this function before.
        images: how many.
        size: (height, width) the pictures are cast at, 4:3; they are enlarged to `NATIVE_SIZE` whatever it is.
        seed: of the whole world.
        progress: show a bar.

    Returns:
        ``root`` as a path.

    Raises:
        OptionError: an option is out of range, or the folder holds something else.
        DataError: the disk is full or the folder cannot be written.
    """
    check_count("images", images)
    size = check_size(size)
    if size[0] * 3 != size[1] * 4:
        raise OptionError(f"size must be (height, width) in the proportion 4 to 3, e.g. (568, 426), got {size}")
    made = ["Test134", "Gridlaserdata"]
    target = Target(root, _README, made, layout="make3d", images=images, size=size, seed=int(seed))

    def jobs() -> list[tuple]:
        views = [(Scene(street, int(seed)), k) for street, count in deal(STREETS, images) for k in range(count)]
        found = []
        for number, (scene, frame) in enumerate(views):
            pan_deg = PANS_DEG[number % len(PANS_DEG)]
            name = image_id(scene, frame, pan_deg)
            paths = {
                "image": target.root / "Test134" / f"img-{name}.jpg",
                "grid": target.root / "Gridlaserdata" / f"depth_sph_corr-{name}.mat",
            }
            found.append((paths, scene, frame, pan_deg, size))
        return found

    fill([target], jobs, _write_one, "Make3D miniature", progress, unit="image")
    return target.root


def image_id(scene: Scene, frame: int, pan_deg: int) -> str:
    """An id like the official ones, e.g. ``lowtex1-04-p-343t000``: street, frame, pan and tilt in degrees."""
    return f"lowtex{scene.name.rpartition('-')[2]}-{frame:02d}-p-{pan_deg % 360:03d}t000"


def _write_one(paths: dict[str, Path], scene: Scene, frame: int, pan_deg: int, size: tuple[int, int]) -> None:
    picture, positions = picture_and_grid(scene, frame, pan_deg, size)
    write_image(paths["image"], cv2.resize(picture, NATIVE_SIZE[::-1], interpolation=cv2.INTER_CUBIC), *JPEG)
    with atomic_path(paths["grid"]) as temporary:
        temporary.write_bytes(matlab_bytes(positions))


@torch.no_grad()
@one_thread()
def picture_and_grid(scene: Scene, frame: int, pan_deg: float, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A view ``size + (3,)`` BGR uint8, and its ``Position3DGrid``, `GRID` + (4,), float64 metres."""
    light = LIGHTS[STREETS.index(scene.name)]
    place, heading = scene.pose(frame, light)
    heading += math.radians(pan_deg)
    cos, sin = math.cos(heading), math.sin(heading)
    world = world_at(scene, place[2], light)
    rays, *_ = view(world, place, (cos, sin), MAKE3D_RIG.resized(size[1], size[0]), *size)
    picture = as_bgr8(expose(rays, scene.seed, scene.name, frame, light, "make3d"))

    rig = MAKE3D_RIG.resized(GRID[1], GRID[0])  # the grid's cells as if they were pixels
    right = (torch.arange(GRID[1], dtype=torch.float64) - rig.cx) / rig.focal_px
    up = (rig.cy - torch.arange(GRID[0], dtype=torch.float64)) / rig.fy
    forward, _ = cast(world.solids, place, (cos * right + sin).float(), (cos - sin * right).float(), up.float())
    ray = torch.stack([up[:, None].expand(GRID), right.expand(GRID), torch.ones(GRID, dtype=torch.float64)], -1)
    length = ray.norm(dim=-1)
    distance = (forward.double() * length).clamp(max=FARTHEST_M)
    positions = ray * (distance / length)[..., None]
    steps = (distance / STEP_M).round() * STEP_M
    return picture, torch.cat([positions, steps[..., None]], -1).numpy()


def matlab_bytes(positions: np.ndarray) -> bytes:
    """A compressed MATLAB 5 file with ``Position3DGrid``; its header has no date, so that equal data are equal."""
    # here, because every notebook imports this package, and hardly any writes a miniature
    from scipy.io import savemat

    buffer = io.BytesIO()
    savemat(buffer, {"Position3DGrid": positions}, do_compression=True)
    return _HEADER + buffer.getvalue()[len(_HEADER) :]
