"""The car's own bonnet, which every picture of the miniature Cityscapes shows at its bottom edge.

It moves with the cameras, so it is the same in every frame; and as in the real data it sits elsewhere in the right view
than in the left one, as a thing `AHEAD_M` metres away does. It is painted over, not cast: there is no ground truth on
it. Its highest point lies below the bottom fifth's edge, so that either of the usual crops removes it.
"""

import torch
from torch import Tensor

from lowtex.geometry import StereoRig

TOP = 0.825
"""Height of its highest point, as a share of the picture's height from the top."""
AHEAD_M = 1.6
MIDDLE = 0.60
"""Where its middle lies in the left view, as a share of the width: the left camera sits left of the car's middle."""
PAINT = (0.07, 0.09, 0.13)
SHEEN = (0.62, 0.66, 0.72)


def paint_bonnet(image: Tensor, rig: StereoRig, camera: int, brightness: float) -> Tensor:
    """The picture ``(3, H, W)`` with the bonnet over it.

    Args:
        image: in [0, 1].
        rig: at the picture's size.
        camera: 0 left, 1 right.
        brightness: of the sky that the paint mirrors, [0, 1].
    """
    x, down = _place(rig, camera, torch.arange(rig.width)[None])
    # a pixel on the outline is bonnet by the part of it that lies below the outline
    cover = (down * rig.height + 0.5).clamp(0, 1)
    # the far end is seen at a grazing angle and mirrors the sky; two creases run along the lid, and gaps beside it
    sheen = 0.08 + 0.75 * torch.exp(-down.clamp(min=0) / 0.030)
    run = 1 + 4 * down
    for place, width_there, light in ((0.15, 0.010, 0.30), (0.36, 0.004, -0.60)):
        sheen = sheen + light * torch.exp(-(((x.abs() - place * run) / width_there) ** 2))
    sky = brightness * torch.tensor(SHEEN)[:, None, None]
    body = torch.lerp(torch.tensor(PAINT)[:, None, None].expand_as(image), sky.expand_as(image), sheen.clamp(0, 1))
    return torch.lerp(image, body, cover)


def on_bonnet(rig: StereoRig, camera: int, columns: Tensor) -> Tensor:
    """``(H, W)`` bool: whether there is any bonnet at these columns ``(H, W)`` or ``(1, W)`` of each row, in pixels."""
    return _place(rig, camera, columns)[1] * rig.height + 0.5 > 0


def _place(rig: StereoRig, camera: int, columns: Tensor) -> tuple[Tensor, Tensor]:
    """Of points in the picture: x from the bonnet's middle, of the width; how far below its outline, of the height."""
    shift = camera * rig.focal_px * rig.baseline_m / AHEAD_M / rig.width
    x = (columns + 0.5) / rig.width - MIDDLE + shift
    outline = TOP + 0.30 * x**2
    return x, (torch.arange(rig.height) + 0.5)[:, None] / rig.height - outline
