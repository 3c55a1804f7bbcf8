"""Seconds of one training step: the kit's, and a literal formulation of the same objective as the yardstick.

    python benchmarks/training_step.py --batch 4 --height 192 --width 640

The yardstick follows Monodepth2's description word for word (Godard et al. 2019): pixels are projected to 3-D, moved by
a 4x4 matrix and projected back, SSIM is made of five average pools, and the error of the unwarped view (auto-mask) is
computed anew at each of the four scales; memory is laid out the default way. Network, batch, optimiser and objective
are the same. Both run in turn in one process, and the median of the repeats is reported, since a machine drifts.
"""

import argparse
import statistics
import time

import torch
import torch.nn.functional as F
from torch import Tensor

from lowtex.datasets.sample import StereoBatch
from lowtex.geometry import StereoRig
from lowtex.losses import StereoObjective, normalise_disparity, photometric_error_plain, smoothness_first_order
from lowtex.networks import build_depth_net
from lowtex.provenance import device_name
from lowtex.settings import LossSettings, NetworkSettings

LOSS = LossSettings(data_term="pixels", smooth_second=0.0, edge_decay=1.0, auto_mask=True)
MINIMUM_REPEATS = 3


def plain_warp(other: Tensor, depth: Tensor, rig: StereoRig) -> Tensor:
    """View synthesis through space: K T depth K^-1, 4x4 matrices and normalised coordinates."""
    batch, _, height, width = depth.shape
    camera = torch.eye(4).repeat(batch, 1, 1)
    camera[:, 0, 0], camera[:, 1, 1], camera[:, 0, 2], camera[:, 1, 2] = rig.focal_px, rig.fy, rig.cx, rig.cy
    move = torch.eye(4).repeat(batch, 1, 1)
    move[:, 0, 3] = -rig.baseline_m
    y, x = torch.meshgrid(torch.arange(height).float(), torch.arange(width).float(), indexing="ij")
    pixels = torch.stack([x, y, torch.ones_like(x)]).reshape(1, 3, -1).repeat(batch, 1, 1)
    points = torch.linalg.inv(camera)[:, :3, :3] @ pixels * depth.reshape(batch, 1, -1)
    points = torch.cat([points, torch.ones(batch, 1, height * width)], dim=1)
    seen = (camera @ move)[:, :3] @ points
    place = (seen[:, :2] / (seen[:, 2:3] + 1e-7)).reshape(batch, 2, height, width).permute(0, 2, 3, 1)
    grid = place / torch.tensor([(width - 1) / 2, (height - 1) / 2]) - 1
    return F.grid_sample(other, grid, padding_mode="border", align_corners=True)


def plain_objective(network, outputs: list[Tensor], batch: StereoBatch) -> Tensor:
    """The same objective, written down as it is read."""
    total = 0.0
    for scale, sigmoid in enumerate(outputs):
        size = batch.image.shape[2:]
        depth = network.metric_depth(F.interpolate(sigmoid, size, mode="bilinear", align_corners=False), batch.rig)
        error = photometric_error_plain(batch.image, plain_warp(batch.other, depth, batch.rig))
        identity = photometric_error_plain(batch.image, batch.other)
        identity = identity + torch.randn(identity.shape) * 1e-5
        image = F.interpolate(batch.image, sigmoid.shape[2:], mode="area") if scale else batch.image
        smooth = smoothness_first_order(normalise_disparity(sigmoid), image, LOSS.edge_decay)
        total = total + torch.minimum(error, identity).mean() + LOSS.smooth_first * smooth / 2**scale
    return total / len(outputs)


def make_batch(count: int, height: int, width: int) -> StereoBatch:
    """Random textures 6 pixels apart, with a rig of KITTI's angles."""
    random = torch.Generator().manual_seed(0)
    texture = torch.rand(count, 3, height // 4, width // 4 + 2, generator=random)
    wide = F.interpolate(texture, (height, width + 8), mode="bilinear", align_corners=False)
    rig = StereoRig(0.58 * width, 0.5327, (width - 1) / 2, (height - 1) / 2, 1.92 * height, width, height)
    left, right = wide[..., :width].contiguous(), wide[..., 6 : width + 6].contiguous()
    return StereoBatch(left, StereoRig.stack([rig] * count), torch.ones(count), right)


def main() -> None:
    """Measure and print; the losses of both must agree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--height", type=int, default=96)
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--depth", type=int, default=18)
    parser.add_argument("--channels", type=float, default=1.0, help="width of the network")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    if options.repeats < MINIMUM_REPEATS:
        parser.error(f"--repeats must be {MINIMUM_REPEATS} or more")
    torch.set_num_threads(2)
    batch = make_batch(options.batch, options.height, options.width)
    settings = NetworkSettings(encoder="resnet", depth=options.depth, width=options.channels, decoder="unet")
    objective = StereoObjective(LOSS)
    times: dict[tuple[str, str], list[float]] = {}
    contestants = {}
    for name in ("plain", "kit"):
        torch.manual_seed(0)
        network = build_depth_net(settings)
        image = batch.image
        if name == "kit":
            network, image = network.to(memory_format=torch.channels_last), image.to(memory_format=torch.channels_last)
        contestants[name] = network, image, torch.optim.Adam(network.parameters(), 1e-4, fused=name == "kit")
    first = {}
    for repeat in range(options.repeats + 1):
        for name, (network, image, optimiser) in contestants.items():
            began = time.perf_counter()
            outputs = network(image)
            middle = time.perf_counter()
            leaves = [output.detach().requires_grad_() for output in outputs]
            loss = plain_objective(network, leaves, batch) if name == "plain" else objective(network, leaves, batch)[0]
            loss.backward()
            after = time.perf_counter()
            torch.autograd.backward(outputs, [leaf.grad for leaf in leaves])
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            ended = time.perf_counter()
            first.setdefault(name, float(loss.detach()))
            if repeat:  # the first round warms caches up
                for part, seconds in (("step", ended - began), ("loss", after - middle)):
                    times.setdefault((name, part), []).append(seconds)
    difference = abs(first["plain"] - first["kit"]) / first["plain"]
    assert difference < 1e-3, f"the two are not the same objective: {first}"
    size = f"batch {options.batch}, {options.width}x{options.height}, ResNet-{options.depth} x{options.channels:g}"
    print(f"{size}, 2 threads, {device_name('cpu')}, median of {options.repeats}; losses agree to {difference:.0e}")
    for part in ("step", "loss"):
        plain, kit = (statistics.median(times[name, part]) for name in ("plain", "kit"))
        print(f"{part:5} plain {plain:.3f} s, kit {kit:.3f} s: {plain / kit:.2f}x")


if __name__ == "__main__":
    main()
