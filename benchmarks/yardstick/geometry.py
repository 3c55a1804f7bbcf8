"""View synthesis through space, as Zhou et al. 2017 and Godard et al. 2019 describe it: ``K T D(p) K^-1 p``."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lowtex.geometry import StereoRig


def camera_matrices(rig: StereoRig, like: Tensor) -> tuple[Tensor, Tensor]:
    """K and its inverse, ``(B, 4, 4)`` each, of a stacked rig, in the format and place of ``like``."""
    camera = torch.eye(4, dtype=torch.float64).repeat(len(rig.focal_px), 1, 1)
    for (row, column), value in {(0, 0): rig.focal_px, (1, 1): rig.fy, (0, 2): rig.cx, (1, 2): rig.cy}.items():
        camera[:, row, column] = value.double().cpu()
    return camera.to(like), torch.linalg.inv(camera).to(like)


def other_view(rig: StereoRig, direction: Tensor, like: Tensor) -> Tensor:
    """T ``(B, 4, 4)``: from the target camera to the other one, ``baseline`` metres to its right or, with -1, left."""
    move = torch.eye(4, dtype=torch.float64).repeat(len(rig.focal_px), 1, 1)
    move[:, 0, 3] = -(rig.baseline_m * direction).double().cpu()
    return move.to(like)


class ViewSynthesis(nn.Module):
    """The other view as the target camera would see it, by the target's depth.

    Pixel centres lie at whole numbers and ``align_corners=True`` follows, so that a depth means the same disparity as
    in the kit. (Monodepth2's own code mixes both conventions and is half a pixel off.)

    Args:
        batch, height, width: of the images.
        rig: stacked, at that size.
        direction: ``(B,)``, see `lowtex.datasets.sample.StereoBatch`.
        like: gives number format and device.
    """

    def __init__(self, batch: int, height: int, width: int, rig: StereoRig, direction: Tensor, like: Tensor):
        super().__init__()
        self.size = (batch, height, width)
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        pixels = torch.stack([x.reshape(-1), y.reshape(-1), torch.ones(height * width)])
        self.pixels = pixels[None].repeat(batch, 1, 1).to(like)
        self.ones = torch.ones(batch, 1, height * width).to(like)
        self.last = torch.tensor([width - 1, height - 1]).to(like)
        self.camera, self.inverse_camera = camera_matrices(rig, like)
        self.move = other_view(rig, direction, like)

    def points(self, depth: Tensor) -> Tensor:
        """Depth ``(B, 1, H, W)`` metres -> points ``(B, 4, H W)`` of the target camera, homogeneous."""
        rays = torch.matmul(self.inverse_camera[:, :3, :3], self.pixels)
        return torch.cat([depth.view(self.size[0], 1, -1) * rays, self.ones], 1)

    def forward(self, other: Tensor, depth: Tensor) -> Tensor:
        """``other (B, C, H, W)`` and ``depth (B, 1, H, W)`` metres -> ``(B, C, H, W)``."""
        batch, height, width = self.size
        seen = torch.matmul(torch.matmul(self.camera, self.move)[:, :3, :], self.points(depth))
        place = seen[:, :2, :] / (seen[:, 2, :].unsqueeze(1) + 1e-7)
        place = place.view(batch, 2, height, width).permute(0, 2, 3, 1)
        return F.grid_sample(other, (place / self.last - 0.5) * 2, padding_mode="border", align_corners=True)
