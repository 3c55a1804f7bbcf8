"""What several processes that train as one print: only the main one prints, and an error is reported once."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress

import torch.distributed as dist

from lowtex import distributed as processes

OTHERS_S = 1.0
"""How long the first process that fails waits for the others to fail too, and say why."""

_TOLD, _LAST = "lowtex/failed", "lowtex/failed/told"


@contextmanager
def only_main_prints() -> Iterator[None]:
    """Inside, only the main process prints; `report_failure` prints the error that leaves the block."""
    with ExitStack() as stack:
        if not processes.is_main():
            nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
            stack.enter_context(redirect_stdout(nowhere))
            stack.enter_context(redirect_stderr(nowhere))
        yield
    if dist.is_initialized():
        dist.destroy_process_group()


def report_failure(line: str) -> None:
    """Print why this process stops, unless another one has said so for all.

    All may stop for one reason at one time (an interrupt), for reasons of their own (each names its samples), or
    because one has failed and is missed by the rest: each different line is printed once, and what follows from the
    first failure is not printed.
    """
    if not dist.is_initialized():
        # before they know each other all fail alike: options that cannot be
        if processes.local_rank() == 0:
            print(line, file=sys.stderr)
        return
    for ending in (signal.SIGINT, signal.SIGTERM):
        with suppress(ValueError):  # not in the main thread
            signal.signal(ending, signal.SIG_IGN)
    # a store that went away with its process says that the failure has been told
    with suppress(RuntimeError):
        store, rank = processes.store(), processes.rank()
        store.set(f"{_TOLD}/{rank}", line)
        if store.add(_TOLD, 1) > 1:
            _wait(lambda: store.check([_LAST]), 3 * OTHERS_S)
            return
        _wait(lambda: store.add(_TOLD, 0) == processes.world_size(), OTHERS_S)
        told = [f"{_TOLD}/{other}" for other in range(processes.world_size())]
        lines = [store.get(key).decode() for key in told if store.check([key])]
        print("\n".join(dict.fromkeys(lines)), file=sys.stderr, flush=True)
        store.set(_LAST, "yes")


def reported_already() -> bool:
    """Another process has failed and told why, so that what this one meets is a consequence."""
    if not dist.is_initialized():
        return False
    try:
        return processes.store().add(_TOLD, 0) > 0
    except RuntimeError:
        return True


def _wait(until, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not until() and time.monotonic() < end:
        time.sleep(processes.POLL_S)
