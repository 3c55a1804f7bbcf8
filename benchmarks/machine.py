"""What the machine can do, how long a step's plain arithmetic takes on it at best, and where a step's time goes.

The profile has self times of torch's profiler over one step, by kind of operation. The step is taken apart at the
disparities, so that everything the loss does, forward and backward, is told from the same operations inside the
network; the sum of the parts is the whole step.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch.profiler import ProfilerActivity, profile, record_function
from torch.utils.benchmark import Timer
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.harness import Conditions, Subject, contestants, synchronise
from benchmarks.subjects.steps import extractor, make_step, pairs, plain_depth_net
from lowtex.devices import keep_freed_memory
from lowtex.seeding import generator

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
SHAPES = ((4, 64, 48, 160), (4, 128, 24, 80), (4, 256, 12, 40))
"""Inputs of the 3x3 convolutions tried, those of a ResNet at 640x192; the best rate counts."""

GPU_SHAPES = (*SHAPES, (12, 64, 96, 320), (12, 128, 96, 320), (12, 256, 48, 160), (12, 512, 48, 160))
"""A GPU needs more work at once."""

SMOKE_SHAPES = ((1, 16, 16, 32),)
SIDE, SMOKE_SIDE = 2048, 128


def rates(conditions: Conditions) -> dict[tuple[str, str], float]:
    """Best FLOP/s seen: (``convolution`` or ``matmul``, precision) -> rate. A multiplication and addition are two.

    On a GPU, fp32 is what torch makes of it by default, which for convolutions may be TF32.
    """
    found = {}
    for name in dict.fromkeys(contestants(conditions).values()):
        dtype = PRECISIONS[name]
        side = SMOKE_SIDE if conditions.smoke else SIDE * (4 if conditions.device == "cuda" else 1)
        a = torch.rand(side, side, device=conditions.device).to(dtype)
        found["matmul", name] = 2 * side**3 / _seconds(lambda a=a: a @ a, conditions)
        best = 0.0
        shapes = GPU_SHAPES if conditions.device == "cuda" else SHAPES
        for batch, channels, height, width in SMOKE_SHAPES if conditions.smoke else shapes:
            layout = {"dtype": dtype, "memory_format": torch.channels_last}
            x = torch.rand(batch, channels, height, width, device=conditions.device).to(**layout)
            weight = torch.rand(channels, channels, 3, 3, device=conditions.device).to(**layout)
            flop = 2 * 9 * channels**2 * batch * height * width
            best = max(best, flop / _seconds(lambda x=x, w=weight: F.conv2d(x, w, padding=1), conditions))
        found["convolution", name] = best
    return found


def _seconds(work: Callable, conditions: Conditions) -> float:
    """Least seconds a call over short series of calls: what the machine can do, not what it does on average."""
    timer = Timer("work()", globals={"work": work}, num_threads=torch.get_num_threads())
    return min(timer.blocked_autorange(min_run_time=0.01 if conditions.smoke else 0.5).times)


def step_flop(subject: Subject, conditions: Conditions, features: bool) -> int:
    """Floating point operations of a whole step's convolutions and matrix products.

    Forward and backward of the depth network as it is written down plainly, and with ``features`` the feature
    network's first convolution once for each view. All else (norms, activations, losses, optimiser) is not counted. A
    network that gets the same result with less arithmetic may go below what follows from this.
    """
    on_cpu = replace(conditions, device="cpu")
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


KINDS = {
    "convolution": ("conv", "::mm", "addmm", "linear"),
    "normalisation": ("batch_norm", "norm"),
    "padding, joining, resizing": ("_pad", "pad_", "aten::cat", "catbackward", "upsample", "pool"),
    "activations": ("relu", "elu", "sigmoid", "threshold"),
    "copies": ("copy", "clone", "contiguous"),
}
"""Kind -> parts of operations' names, looked at in this order; within the network only."""

LOSS, OPTIMISER, REST = "loss", "optimiser", "rest"
ORDER = (*KINDS, LOSS, OPTIMISER, REST)
NETWORK = "network"
_PREFIX = "benchmark: "


def kind_of(operation: str) -> str:
    """The kind of an operation of the network by its name, such as ``aten::mkldnn_convolution``."""
    name = operation.lower()
    return next((kind for kind, parts in KINDS.items() if any(part in name for part in parts)), REST)


def step_profile(conditions: Conditions, subject: Subject, name: str) -> dict[str, float]:
    """Seconds of one step of a contestant by kind of operation; ``rest`` has all else, pauses between them included."""
    keep_freed_memory()
    step, batch = make_step(conditions, subject, name)
    noise = generator(0, "profile", device=conditions.device)
    _parts(step, batch, noise)
    synchronise(conditions.device)
    cuda = conditions.device == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    with profile(activities=activities) as profiler:
        _parts(step, batch, noise)
        synchronise(conditions.device)
    return by_kind(profiler.events(), cuda)


def _parts(step, batch, noise: torch.Generator) -> None:
    with record_function(_PREFIX + NETWORK):
        outputs = step.outputs(batch)
        leaves = [output.detach().requires_grad_() for output in outputs]
    with record_function(_PREFIX + LOSS):
        step.loss(leaves, batch, noise).backward()
    with record_function(_PREFIX + NETWORK):
        torch.autograd.backward(outputs, [leaf.grad for leaf in leaves])
    with record_function(_PREFIX + OPTIMISER):
        step.optimiser.step()
        step.optimiser.zero_grad(set_to_none=True)


def by_kind(events: Iterable, cuda: bool = False) -> dict[str, float]:
    """Sum the profiler's events, by the part of the step they began in and, within the network, by their names.

    On a GPU the time is the kernels', which run one after the other; the part is told by when they were asked for.
    """
    events = [event for event in events if "CPU" in str(event.device_type)]
    operations = [event for event in events if not event.name.startswith(_PREFIX)]
    seconds = dict.fromkeys(ORDER, 0.0)
    for span in (event for event in events if event.name.startswith(_PREFIX)):
        part, start, end = span.name.removeprefix(_PREFIX), span.time_range.start, span.time_range.end
        inside = [event for event in operations if start <= event.time_range.start < end]
        for event in inside:
            own = event.self_device_time_total if cuda else event.self_cpu_time_total
            seconds[kind_of(event.name) if part == NETWORK else part] += own / 1e6
        if not cuda:
            # what lies between operations belongs to the part it lies in; in the network nobody can tell to which kind
            between = end - start - sum(event.self_cpu_time_total for event in inside)
            seconds[REST if part == NETWORK else part] += max(between, 0) / 1e6
    return seconds
