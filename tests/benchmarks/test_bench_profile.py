"""Kinds of operations, the sum over a step's parts, the machine's rates and the counted arithmetic."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from benchmarks import machine
from benchmarks.harness import Subject
from benchmarks.machine import ORDER, by_kind, step_profile
from benchmarks.subjects.steps import RESNET, step_subjects


def event(name, start, end, own, device="DeviceType.CPU", kernel=0.0):
    return SimpleNamespace(
        name=name,
        time_range=SimpleNamespace(start=start, end=end),
        self_cpu_time_total=own,
        self_device_time_total=kernel,
        device_type=device,
    )


EVENTS = [
    event("benchmark: network", 0, 100, 0),
    event("aten::conv2d", 10, 60, 50, kernel=500),
    event("aten::add", 60, 70, 10, kernel=20),
    event("benchmark: loss", 100, 200, 0),
    event("aten::cat", 110, 150, 40, kernel=7),
    event("benchmark: optimiser", 200, 210, 0),
    event("aten::_fused_adam_", 200, 210, 10, kernel=3),
    event("aten::zeros", 300, 310, 10, kernel=1),
    event("sgemm", 0, 500, 0, "DeviceType.CUDA", 500),
]


# 40 between operations of the network are rest; all of the loss's 100 are the loss's; what lies outside is no part
CPU = {"convolution": 50, "rest": 10 + 40, "loss": 100, "optimiser": 10}
# of a GPU its kernels count
GPU = {"convolution": 500, "rest": 20, "loss": 7, "optimiser": 3}


@pytest.mark.parametrize(("cuda", "parts"), [(False, CPU), (True, GPU)])
def test_parts_of_a_step(cuda, parts):
    found = {kind: seconds * 1e6 for kind, seconds in by_kind(EVENTS, cuda).items()}
    assert found == pytest.approx(dict.fromkeys(ORDER, 0.0) | parts)


def test_profile_of_a_real_step(conditions):
    kinds = step_profile(conditions, step_subjects(True)[0], "kit")
    assert list(kinds) == list(ORDER) and all(seconds >= 0 for seconds in kinds.values())
    assert all(kinds[kind] > 0 for kind in ORDER if kind != "copies")


def test_arithmetic_of_monodepth2s_step(conditions):
    """190 GFLOP for four pairs at 640x192, as counted once with another tool."""
    full = Subject("step", "whole step", RESNET, 4, 192, 640)
    flop = machine.step_flop(full, replace(conditions, smoke=False), features=False)
    assert flop / 1e9 == pytest.approx(190, rel=0.03)
    small = step_subjects(True)[0]
    without, stems = (machine.step_flop(small, conditions, features) for features in (False, True))
    # 7x7x3 to 8 channels at half size, two views, batch 2
    assert stems - without == 2 * 2 * 2 * 7 * 7 * 3 * 8 * 32 * 48
