"""What the machine can do, and so how long a step's plain arithmetic takes on it at best."""

import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.harness import Conditions, Subject, synchronise
from benchmarks.subjects.pairs import extractor, pairs, plain_depth_net

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
SHAPES = ((4, 64, 48, 160), (4, 128, 24, 80), (4, 256, 12, 40))
"""Inputs of the 3x3 convolutions tried, those of a ResNet at 640x192; the best rate counts."""

GPU_SHAPES = (*SHAPES, (12, 64, 96, 320), (12, 128, 96, 320), (12, 256, 48, 160), (12, 512, 48, 160))
"""A GPU needs more work at once."""

SMOKE_SHAPES = ((1, 16, 16, 32),)
SIDE, SMOKE_SIDE = 2048, 128
LEAST_S = 0.04
ROUNDS = 12


def rates(conditions: Conditions) -> dict[tuple[str, str], float]:
    """Best FLOP/s seen: (``convolution`` or ``matmul``, precision) -> rate. A multiplication and addition are two.

    On a GPU, fp32 is what torch makes of it by default, which for convolutions may be TF32.
    """
    found = {}
    for name, dtype in PRECISIONS.items():
        side = SMOKE_SIDE if conditions.smoke else SIDE * (4 if conditions.device == "cuda" else 1)
        a = torch.rand(side, side, device=conditions.device).to(dtype)
        found["matmul", name] = 2 * side**3 / _seconds(lambda a=a: a @ a, conditions)
        best = 0.0
        shapes = GPU_SHAPES if conditions.device == "cuda" else SHAPES
        for batch, channels, height, width in SMOKE_SHAPES if conditions.smoke else shapes:
            x = torch.rand(batch, channels, height, width, device=conditions.device).to(dtype)
            x = x.contiguous(memory_format=torch.channels_last)
            weight = torch.rand(channels, channels, 3, 3, device=conditions.device).to(dtype)
            weight = weight.contiguous(memory_format=torch.channels_last)
            flop = 2 * 9 * channels**2 * batch * height * width
            best = max(best, flop / _seconds(lambda x=x, w=weight: F.conv2d(x, w, padding=1), conditions))
        found["convolution", name] = best
    return found


@torch.no_grad()
def _seconds(work: Callable, conditions: Conditions) -> float:
    """Least seconds a call over a few short series: what the machine can do, not what it does on average."""
    work()
    least = LEAST_S / (40 if conditions.smoke else 1)
    best, together = float("inf"), 4 if conditions.device == "cuda" else 1
    for _ in range(ROUNDS):
        calls = 0
        synchronise(conditions.device)
        began = time.perf_counter()
        while calls == 0 or time.perf_counter() - began < least:
            # several at a time, so that a GPU has work while the next is asked for
            for _ in range(together):
                work()
            calls += together
            synchronise(conditions.device)
        best = min(best, (time.perf_counter() - began) / calls)
    return best


def step_flop(subject: Subject, conditions: Conditions, features: bool) -> int:
    """Floating point operations of a whole step's convolutions and matrix products.

    Forward and backward of the depth network as it is written down plainly, and with ``features`` the feature
    network's first convolution once for each view. All else (norms, activations, losses, optimiser) is not counted. A
    network that gets the same result with less arithmetic may go below what follows from this.
    """
    on_cpu = Conditions("cpu", conditions.smoke, conditions.real, conditions.work, conditions.threads)
    network = plain_depth_net(subject, on_cpu)
    # operations are proportional to the batch
    batch = pairs(1, subject.height, subject.width)
    with FlopCounterMode(display=False) as counter:
        sum(output.sum() for output in network(batch.image)).backward()
    total = counter.get_total_flops()
    if features:
        stem = extractor(on_cpu).encoder.conv1
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            stem(batch.image)
        total += 2 * counter.get_total_flops()
    return total * subject.batch
