"""Where a whole step's time goes, by kind of operation: self times of torch's profiler, over one step.

The step is taken apart at the disparities, so that everything the loss does, forward and backward, is told from the
same operations inside the network; the sum of the parts is the whole step.
"""

from collections.abc import Iterable

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from benchmarks.harness import Conditions, Subject, synchronise, use_allocator
from benchmarks.subjects.steps import make_step
from lowtex.seeding import generator

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
    use_allocator(name)
    step, batch = make_step(conditions, subject, name)
    noise = generator(0, "profile")
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
