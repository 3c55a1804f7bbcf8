"""Several processes that train as one: who writes and speaks, and which part of a batch each has.

``accelerate launch`` (or ``torchrun``) starts them and says by the environment how many there are. Where there is one,
every function here does nothing but what it would do without the others. What the main process knows reaches the rest
through the launcher's key-value store rather than by a collective: a wait for somebody else's lock or for miniatures
that are being written may take hours, and a collective would give up after minutes.
"""

import itertools
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TypeVar

import torch
import torch.distributed as dist
from filelock import FileLock
from torch import Tensor

from lowtex.errors import DataError, OptionError
from lowtex.options import number, typed

Value = TypeVar("Value")

POLL_S = 0.05
APPEARS_S = 90.0
"""How long a file of the main process may take to show on another machine; network file systems look every minute."""

_questions = itertools.count()
_sharers = 1

_LAUNCH = "unset WORLD_SIZE to train in one process, or start several with accelerate launch"


def world_size() -> int:
    """How many processes train together; 1 where no launcher started several.

    Raises:
        OptionError: ``WORLD_SIZE`` is no number, or was left in the environment without the rest of a launch.
    """
    size = _from_launcher("WORLD_SIZE", 1)
    if size > 1 and "RANK" not in os.environ:
        raise OptionError(f"WORLD_SIZE={size} is in the environment, but no launcher started this process; {_LAUNCH}")
    return size


def local_world_size() -> int:
    """How many of them are on this machine."""
    return _from_launcher("LOCAL_WORLD_SIZE", 1) if world_size() > 1 else 1


def rank() -> int:
    """The number of this one, from 0."""
    return _from_launcher("RANK", 0) if world_size() > 1 else 0


def local_rank() -> int:
    """Its number on this machine, from 0."""
    return _from_launcher("LOCAL_RANK", 0) if world_size() > 1 else 0


def _from_launcher(name: str, least: int) -> int:
    """A whole number of the environment; ``least``, which is that of one process, where it is not there."""
    try:
        return typed(name, os.environ.get(name) or str(least), number(int, (">=", least)), from_text=True)
    except OptionError as error:
        raise OptionError(f"{error}; {_LAUNCH}") from error


def is_main() -> bool:
    """This one writes files and speaks."""
    return rank() == 0


def store() -> dist.Store:
    """What the processes tell each other by; there once `lowtex.training.make_accelerator` has been called."""
    return dist.distributed_c10d._get_default_store()


def broadcast_from_main(ask: Callable[[], Value]) -> Value:
    """What ``ask()`` returns in the main process (a plain value), in every process; all wait for it, however long."""
    if world_size() == 1:
        return ask()
    key = f"lowtex/told/{next(_questions)}"
    if is_main():
        value = ask()
        store().set(key, json.dumps(value))
        return value
    while not store().check([key]):
        time.sleep(POLL_S)
    return json.loads(store().get(key))


@contextmanager
def main_first() -> Iterator[None]:
    """The main process goes through the block before the others do: what it makes there, they find."""
    if not is_main():
        broadcast_from_main(lambda: None)
    yield
    if is_main():
        broadcast_from_main(lambda: None)


@contextmanager
def main_lock(lock: Path) -> Iterator[None]:
    """A file lock that the main process holds for all of them. The others leave the block after it has."""
    with FileLock(lock) if is_main() else nullcontext():
        # it is held
        broadcast_from_main(lambda: None)
        yield
    # it is free again
    broadcast_from_main(lambda: None)


def wait_for_file(path: Path, seconds: float | None = None) -> Path:
    """Wait until a file of the main process is seen by this one too; returns it.

    Raises:
        DataError: it does not show; names machine and file.
    """
    until = time.monotonic() + (APPEARS_S if seconds is None else seconds)
    while not path.exists():
        if is_main() or time.monotonic() > until:
            raise DataError(
                f"process {rank()} on {socket.gethostname()} does not see {path}, which process 0 has written; all "
                "machines need the same folder: choose one on a shared file system (--out)"
            )
        time.sleep(POLL_S)
    return path


def check_share(option: str, batch_size: int, parts: int = 1) -> None:
    """Raise `OptionError`, naming the option, unless the processes can have equal shares of a batch in whole parts."""
    if batch_size % (world_size() * parts):
        fitting = [str(n) for n in range(1, batch_size + 1) if batch_size % (n * parts) == 0]
        each = f" in {parts} parts (schedule.accumulate)" if parts > 1 else ""
        raise OptionError(
            f"{option}={batch_size} cannot be shared evenly by {world_size()} processes{each} (it is the batch of all "
            f"of them together); start {' or '.join(fitting)}, or choose another batch size by --set {option}=N, which "
            "is another experiment"
        )


def check_launch() -> None:
    """Raise `OptionError` where several processes were asked for and one was started, or they can't meet.

    ``accelerate launch --cpu --num_processes 2`` leaves the second process to MPI and starts one without a word.
    """
    absent = [name for name in ("MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if world_size() > 1 and absent:
        raise OptionError(
            f"WORLD_SIZE={world_size()} is in the environment, but {' and '.join(absent)} of a launch are not; "
            f"{_LAUNCH}"
        )
    by_mpi = any(name in os.environ for name in ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE"))
    asked = os.environ.get("ACCELERATE_USE_CPU") == "True" and "MASTER_PORT" in os.environ
    if asked and world_size() == 1 and not by_mpi:
        raise OptionError(
            "accelerate launch --cpu started one process only (it leaves the others to MPI); on processors too, write "
            "accelerate launch --multi_gpu --num_processes N -m lowtex_lab.cli train … --device cpu"
        )


@contextmanager
def shared_batch() -> Iterator[None]:
    """Inside, a batch is this process's part of the whole one, for `share_of_draw` and `total`."""
    global _sharers
    before, _sharers = _sharers, world_size()
    try:
        yield
    finally:
        _sharers = before


def sharers() -> int:
    """How many processes have a part of the present batch; 1 outside `shared_batch`."""
    return _sharers


def share_of_draw(draw: Callable[[Sequence[int]], Tensor], shape: Sequence[int]) -> Tensor:
    """This process's part ``shape`` of what ``draw`` gives for the whole batch.

    So a sample meets the same random numbers whichever process it falls to. (Drawing the parts one after the other
    would not do: torch fills a tensor of normal numbers by blocks.)
    """
    if sharers() == 1:
        return draw(shape)
    mine, *rest = shape
    return draw((mine * sharers(), *rest))[rank() * mine : (rank() + 1) * mine]


def total(value: Tensor) -> Tensor:
    """Sum over the processes that share the batch, without gradient; every process has to call it."""
    if sharers() == 1:
        return value
    value = value.detach().clone()
    dist.all_reduce(value)
    return value


def mean(value: Tensor) -> Tensor:
    """Mean over the processes that share the batch; see `total`."""
    return value if sharers() == 1 else total(value) / sharers()


def gather_objects(value: Value) -> list[Value]:
    """What every process has, in their order; every process that shares the batch has to call it."""
    if sharers() == 1:
        return [value]
    found: list = [None] * world_size()
    dist.all_gather_object(found, value)
    return found


def whole_batch(part: Tensor) -> Tensor:
    """The parts of all processes ``(B, …)``, one behind the other: the whole batch, without gradient."""
    if sharers() == 1:
        return part
    parts = [torch.empty_like(part, memory_format=torch.contiguous_format) for _ in range(world_size())]
    dist.all_gather(parts, part.detach().contiguous())
    return torch.cat(parts)
