"""Where to compute, and how its memory is handled."""

import ctypes
from collections.abc import Callable
from functools import lru_cache

import torch

from lowtex.errors import OptionError, require_choice

DEVICES = ("auto", "cpu", "cuda")

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Numbers of the parameters in glibc's malloc.h."""


def resolve_device(name: str = "auto") -> torch.device:
    """The torch device of an option's value; ``auto`` is a GPU where there is one.

    Raises:
        OptionError: an unknown value, or a GPU was asked for and none is visible.
    """
    require_choice("device", name, DEVICES)
    if name == "cuda" and not torch.cuda.is_available():
        raise OptionError("device=cuda was asked for but no GPU is visible; use cpu or auto")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def device_of(network: object) -> torch.device:
    """Where a network's parameters are; the CPU for one that has none."""
    first = next(iter(network.parameters()), None) if hasattr(network, "parameters") else None
    return torch.device("cpu") if first is None else first.device


def copy_to_host(values: torch.Tensor) -> Callable[[], list[float]]:
    """Start to copy numbers to the host; the function returned waits for this copy, and for nothing begun later."""
    if values.device.type == "cpu":
        return values.tolist
    copy, done = values.to("cpu", non_blocking=True), torch.Event(device=values.device)
    done.record()

    def read() -> list[float]:
        done.synchronize()
        return [float(value) for value in copy]

    return read


@lru_cache(maxsize=1)
def keep_freed_memory() -> bool:
    """Let the C library keep what a step frees for the next step; True where it could be told so.

    glibc hands blocks of more than 128 KiB back to the system, which then clears them page by page for every map of
    every step. That took 14 to 28 % of a quick step on 2 cores (25 steps each, in turn); numbers and the most memory
    ever held stay the same. 32 MiB is the most that glibc takes for the threshold. Other C libraries: nothing is done.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    mallopt.argtypes, mallopt.restype = (ctypes.c_int, ctypes.c_int), ctypes.c_int
    return bool(mallopt(_M_MMAP_THRESHOLD, 32 << 20)) and bool(mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))
