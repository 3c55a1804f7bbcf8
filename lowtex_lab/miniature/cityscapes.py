"""The miniature world in Cityscapes' own layout: stereo pairs with the bonnet of the car in view.

``{type}/{split}/{city}/{city}_{sequence:06}_{frame:06}_{type}.png`` with types leftImg8bit, rightImg8bit, disparity
(uint16: 0 = none, else pixels * 256 + 1, left view) and camera (.json). The disparity is the exact one, where the real
data set's comes from a stereo matcher; what a matcher cannot know is left out: points that the right camera does not
see, the sky, the bonnet, and what is so near that its disparity lies beyond the matcher's reach. Layout: Cordts et al.,
"The Cityscapes Dataset", CVPR 2016. City names are made up.

The car's own bonnet stands at the bottom edge of every picture. It moves with the cameras, so it is the same in every
frame; and as in the real data it sits elsewhere in the right view than in the left one, as a thing `BONNET_AHEAD_M`
metres away does. It is painted over, not cast: there is no ground truth on it. Its highest point lies below the bottom
fifth's edge, so that either of the usual crops removes it.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lowtex.errors import OptionError
from lowtex.files import write_json
from lowtex.geometry import StereoRig, depth_to_disparity
from lowtex_lab.miniature.render import Scene, StereoPair, expose, render
from lowtex_lab.miniature.weather import weather
from lowtex_lab.miniature.writing import Target, as_bgr8, check_counts, check_size, deal, fill, write_image

CITIES = {
    "train": {"graumark": "clone", "plainheim": "overcast", "stilldorf": "morning", "lowtexburg": "overcast"},
    "val": {"ebenstadt": "overcast", "mattenau": "clone"},
}
"""Cities of each split, and the light over each; their streets belong to no other layout."""
TYPES = {"leftImg8bit": "png", "rightImg8bit": "png", "disparity": "png", "camera": "json"}
FRAME = 19
"""Number of every annotated picture within its sequence in most of the official cities."""

CITYSCAPES_RIG = StereoRig(2262.52, 0.209313, cx=1096.98, cy=513.14, focal_y_px=2265.30, width=2048, height=1024)
"""A typical camera file's cameras at native size."""
REACH = 126 / 2048
"""Largest disparity of the official files, as a share of the width."""
NOISE = 0.004
"""The pictures of Cityscapes are less grainy than KITTI's; and a PNG of less grain is a smaller file."""
CAMERA_X_M, CAMERA_Y_M = 1.7, 0.1
"""Place of the left camera before and beside the car's own origin."""
BONNET_TOP = 0.825
"""Height of its highest point, as a share of the picture's height from the top."""
BONNET_AHEAD_M = 1.6
BONNET_MIDDLE = 0.60
"""Where its middle lies in the left view, as a share of the width: the left camera sits left of the car's middle."""
BONNET_PAINT = (0.07, 0.09, 0.13)
BONNET_SHEEN = (0.62, 0.66, 0.72)
_README = """Layout of Cityscapes (leftImg8bit, rightImg8bit, disparity, camera). City names are made up. Disparities
are exact. There is none (0) in the sky, on the car's own bonnet, where the right camera does not see the point, and
where it is too near for the reach of the official matcher."""


def write_cityscapes(
    root: str | Path,
    frames: dict[str, int],
    size: tuple[int, int] = (320, 640),
    seed: int = 0,
    progress: bool = True,
) -> Path:
    """Write pairs in Cityscapes' layout.

    A finished root with the same parameters is left as it is; an interrupted one is carried on with.

    Args:
        root: folder to write, new, empty or written by this function before.
        frames: number of pairs of each split, of "train", "val".
        size: (height, width) of the pictures, 1:2 as in the data set; the cameras are scaled to it.
        seed: of the whole world.
        progress: show a bar.

    Returns:
        ``root`` as a path.

    Raises:
        OptionError: an option is out of range, or the folder holds something else.
        DataError: the disk is full or the folder cannot be written.
    """
    frames = check_counts("frames", frames, CITIES)
    size = check_size(size)
    if size[1] != 2 * size[0]:
        raise OptionError(f"size must be (height, width) with a width of twice the height, e.g. (320, 640), got {size}")
    target = Target(root, _README, list(TYPES), layout="cityscapes", frames=frames, size=size, seed=int(seed))
    rig = CITYSCAPES_RIG.resized(size[1], size[0])

    def jobs() -> list[tuple]:
        found = []
        for split, count in frames.items():
            for city, city_frames in deal(CITIES[split], count):
                scene, light = Scene(f"cityscapes-{city}", int(seed)), CITIES[split][city]
                paths = [_paths(target.root, split, city, k) for k in range(city_frames)]
                found += [(path, scene, k, light, size, rig) for k, path in enumerate(paths)]
        return found

    fill([target], jobs, _write_frame, "Cityscapes miniature", progress)
    return target.root


def _paths(root: Path, split: str, city: str, sequence: int) -> dict[str, Path]:
    stem = f"{city}_{sequence:06d}_{FRAME:06d}"
    return {kind: root / kind / split / city / f"{stem}_{kind}.{suffix}" for kind, suffix in TYPES.items()}


def _write_frame(paths: dict[str, Path], scene: Scene, frame: int, light: str, size, rig: StereoRig) -> None:
    # the sensor comes last, over the bonnet too
    pair = render(scene, frame, size, light, rig, noise=0.0, exposure=0.0)
    brightness = sum(weather(light).horizon) / 3
    for camera, (kind, image) in enumerate((("leftImg8bit", pair.left), ("rightImg8bit", pair.right))):
        image = paint_bonnet(image, rig, camera, brightness)
        image = expose(image, scene.seed, scene.name, frame, light, camera, noise=NOISE)
        write_image(paths[kind], as_bgr8(image))
    write_image(paths["disparity"], stored_disparity(pair))
    write_json(paths["camera"], camera_file(rig, scene.pose(frame, light)[0][1]))


def stored_disparity(pair: StereoPair) -> np.ndarray:
    """``(H, W)`` uint16 of the left view: pixels * 256 + 1, rounded; 0 where a stereo matcher would know nothing."""
    known = (pair.depth_left > 0) & pair.visible_left
    # a depth of 1 stands in where there is none
    disparity: Tensor = depth_to_disparity(pair.depth_left.double().where(known, 1.0), pair.rig)
    columns = torch.arange(pair.rig.width)[None]
    # the bonnet hides things in the right view that the left one sees past it
    known &= ~(on_bonnet(pair.rig, 0, columns) | on_bonnet(pair.rig, 1, columns - disparity[0]))
    known &= disparity <= REACH * pair.rig.width
    return (disparity * 256 + 1).round().where(known, 0.0)[0].numpy().astype(np.uint16)


def camera_file(rig: StereoRig, height_m: float) -> dict:
    """What a camera json holds: pixels of the pictures beside it, metres, radians."""
    place = {"baseline": rig.baseline_m, "pitch": 0.0, "roll": 0.0, "x": CAMERA_X_M, "y": CAMERA_Y_M, "yaw": 0.0}
    inner = {"fx": rig.focal_px, "fy": rig.fy, "u0": rig.cx, "v0": rig.cy}
    return {"extrinsic": {**place, "z": height_m}, "intrinsic": inner}


def paint_bonnet(image: Tensor, rig: StereoRig, camera: int, brightness: float) -> Tensor:
    """The picture ``(3, H, W)`` with the bonnet over it.

    Args:
        image: in [0, 1].
        rig: at the picture's size.
        camera: 0 left, 1 right.
        brightness: of the sky that the paint mirrors, [0, 1].
    """
    x, down = _bonnet_place(rig, camera, torch.arange(rig.width)[None])
    # a pixel on the outline is bonnet by the part of it that lies below the outline
    cover = (down * rig.height + 0.5).clamp(0, 1)
    # the far end is seen at a grazing angle and mirrors the sky; two creases run along the lid, and gaps beside it
    sheen = 0.08 + 0.75 * torch.exp(-down.clamp(min=0) / 0.030)
    run = 1 + 4 * down
    for place, width_there, light in ((0.15, 0.010, 0.30), (0.36, 0.004, -0.60)):
        sheen = sheen + light * torch.exp(-(((x.abs() - place * run) / width_there) ** 2))
    sky = brightness * torch.tensor(BONNET_SHEEN)[:, None, None]
    body = torch.lerp(
        torch.tensor(BONNET_PAINT)[:, None, None].expand_as(image), sky.expand_as(image), sheen.clamp(0, 1)
    )
    return torch.lerp(image, body, cover)


def on_bonnet(rig: StereoRig, camera: int, columns: Tensor) -> Tensor:
    """``(H, W)`` bool: whether there is any bonnet at these columns ``(H, W)`` or ``(1, W)`` of each row, in pixels."""
    return _bonnet_place(rig, camera, columns)[1] * rig.height + 0.5 > 0


def _bonnet_place(rig: StereoRig, camera: int, columns: Tensor) -> tuple[Tensor, Tensor]:
    """Of points in the picture: x from the bonnet's middle, of the width; how far below its outline, of the height."""
    shift = camera * rig.focal_px * rig.baseline_m / BONNET_AHEAD_M / rig.width
    x = (columns + 0.5) / rig.width - BONNET_MIDDLE + shift
    outline = BONNET_TOP + 0.30 * x**2
    return x, (torch.arange(rig.height) + 0.5)[:, None] / rig.height - outline
