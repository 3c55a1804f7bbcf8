"""Where to compute, and how its memory is handled."""

import ctypes
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import lru_cache

import torch

from lowtex.errors import OptionError, require_choice
from lowtex.progress import say

DEVICES = ("auto", "cpu", "cuda")

COMPILE = ("auto", "off", "loss", "all")
"""What of a training `torch.compile` translates, see `parts_to_compile`."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Numbers of the parameters in glibc's malloc.h."""


def resolve_device(name: str = "auto") -> torch.device:
    """The torch device of an option's value; ``auto`` is a GPU where there is one.

    Raises:
        OptionError: an unknown value, or a GPU was asked for and none is visible; says why and what to do.
    """
    if str(name).startswith("cuda:"):
        number = name.removeprefix("cuda:")
        raise OptionError(f"device={name}: choose one GPU of several by CUDA_VISIBLE_DEVICES={number} and device=cuda")
    if name == "mps":
        raise OptionError("device=mps: Apple's GPUs are not supported (they have no float64); use cpu")
    require_choice("device", name, DEVICES)
    if name == "cuda" and not torch.cuda.is_available():
        if torch.version.cuda is None:
            raise OptionError(
                f"device=cuda was asked for, but torch {torch.__version__} was built without CUDA; use cpu, or install "
                "torch from https://pytorch.org for your CUDA"
            )
        raise OptionError(
            f"device=cuda was asked for, but torch sees no GPU; use cpu, or look at nvidia-smi: its driver must be new "
            f"enough for CUDA {torch.version.cuda}, and CUDA_VISIBLE_DEVICES must not hide the card"
        )
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def set_precision(device: torch.device, precision: str = "fp32") -> None:
    """How a GPU multiplies float32 from now on; nothing on a CPU. torch's own default is TF32 in convolutions alone.

    Args:
        precision: of `lowtex.settings.ScheduleSettings`: ``fp32`` computes all 23 bits of float32's mantissa; ``tf32``
            and ``bf16`` let convolutions and matrix products round to 10 bits (TF32) where they are given float32.
    """
    if device.type == "cpu":
        return
    rounding = "ieee" if precision == "fp32" else "tf32"
    torch.backends.cudnn.conv.fp32_precision = rounding
    torch.backends.cuda.matmul.fp32_precision = rounding


def choose_kernels(device: torch.device, precision: str = "fp32", deterministic: bool = False) -> None:
    """How a GPU computes from now on; nothing on a CPU.

    Args:
        precision: as for `set_precision`.
        deterministic: kernels that give the same bits at each run, and an error where torch has none; cuDNN's search
            for the fastest kernel is off then.
    """
    if device.type == "cpu":
        return
    set_precision(device, precision)
    torch.backends.cudnn.benchmark = not deterministic
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic)


def parts_to_compile(option: str, device: torch.device, deterministic: bool = False) -> tuple[str, ...]:
    """What a value of `COMPILE` asks for: ``loss``, and ``network`` with ``all``.

    ``auto`` is the loss on a GPU, where a launch costs more than most of its operations, and nothing on a CPU, whose
    own forms are as fast and need not be compiled first. Nor where kernels have to be ``deterministic``, since a
    compiler may choose others at the next run.
    """
    if option == "auto":
        option = "loss" if device.type == "cuda" and not deterministic else "off"
    return {"off": (), "loss": ("loss",), "all": ("loss", "network")}[option]


class Compiled:
    """A function in the form that `torch.compile` makes of it at its first call; as it is, after one line, if it can't.

    Args:
        function: of tensors whose shapes stay; it has to become one graph.
        what: it is, for that line.

    Attributes:
        form: the compiled function, or None where there is none.
    """

    def __init__(self, function: Callable, what: str):
        # torch counts the forms of a function over all trainings of a process, and gives up at the ninth
        torch.compiler.reset()
        self.function, self.what = function, what
        self.form = torch.compile(function, fullgraph=True, dynamic=False)
        self._compiled = False

    def __call__(self, *arguments: object) -> object:
        """The function's value."""
        if self.form is None:
            return self.function(*arguments)
        try:
            with nullcontext() if self._compiled else _compiling():
                result = self.form(*arguments)
            self._compiled = True
            return result
        except torch._dynamo.exc.TorchDynamoException as error:
            cause = getattr(error, "inner_exception", error)
            reason = next((line.strip().rstrip(".") for line in str(cause).splitlines() if line.strip()), "no reason")
            say(
                f"{self.what} cannot be compiled here ({type(cause).__name__}: {reason}); it goes on as it is, with "
                "the same results and more launches. --compile off does not try"
            )
        self.form = None
        return self.function(*arguments)


@contextmanager
def _compiling() -> Iterator[None]:
    """Inside, the way back is compiled with the way forward, not when it is too late to go another, and the compiler's
    own pages about a failure are not shown."""
    config, name = torch._functorch.config, "force_non_lazy_backward_lowering"
    logging.disable(logging.CRITICAL)
    try:
        with config.patch({name: True}) if hasattr(config, name) else nullcontext():
            yield
    finally:
        logging.disable(logging.NOTSET)


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
