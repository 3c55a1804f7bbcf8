"""The one way everything is timed: contestants in turn, in one process, after a round that also compares values.

A machine drifts by tens of percent within an hour, so times are only comparable where each contestant ran beside the
others: every round runs each once, and medians over the rounds are reported. Memory is the peak of a process of its own
that does nothing else: two runs are enough, the first makes the optimiser's state, the second has all at once.
"""

import math
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import torch

from lowtex.devices import keep_freed_memory
from lowtex.errors import LowtexError

GROUPS = {
    "machine": "what the machine can do",
    "step": "whole training steps",
    "profile": "where a step's time goes",
    "loader": "the training loop",
    "loss": "parts of the loss",
    "data": "readers",
    "use": "laser projection, evaluation, prediction",
}
"""Group -> what it holds, in the order of the table."""

REPEATS = 7
LEAST_REPEATS = 3
MEASURED_S = 0.02
"""A measurement is made of as many calls as last this long, so that a clock tick or a context switch does not show."""

SHORT_S, MOST_TIMES = 15.0, 4
"""Rounds of a short contest go on until they have lasted this many seconds together, up to this many times the repeats
asked for: seven rounds of a second are over before a shared machine's mood has changed once."""


class Disagreement(LowtexError):
    """Two contestants that should compute the same thing do not."""


@dataclass(frozen=True)
class Conditions:
    """Under which everything of one call is measured.

    Attributes:
        device: ``cpu`` or ``cuda``.
        smoke: the smallest sizes; for tests, the numbers mean nothing.
        real: folder of real samples (``kitti_raw`` and others in it), or None for the miniatures.
        work: folder for what has to be written meanwhile.
        threads: torch's, on the CPU.
    """

    device: str
    smoke: bool
    real: Path | None
    work: Path
    threads: int


@dataclass(frozen=True)
class Subject:
    """What is measured: one line of the table. ``data`` says of what, where that matters."""

    group: str
    name: str
    network: str = ""
    batch: int = 0
    height: int = 0
    width: int = 0
    data: str = ""

    def __str__(self) -> str:
        size = f"{self.width}x{self.height}" if self.width else ""
        parts = [self.name, self.network, f"batch {self.batch}" if self.batch else "", size, self.data]
        return ", ".join(part for part in parts if part)


@dataclass
class Contestant:
    """One way to do a thing.

    Attributes:
        run: does it once and returns what is to be compared: name -> number or scalar tensor.
        items: how many samples, images or pairs one call of ``run`` is worth; times are those of one item.
        summary: makes a number of one of these values, outside of the time that is measured.
    """

    run: Callable[[], Mapping[str, object]]
    items: int = 1
    summary: Callable[[str, object], object] = lambda key, value: value


@dataclass(frozen=True)
class Contest:
    """A subject and who takes part in it.

    Attributes:
        subject: what is measured.
        names: the contestants; the first is what the others are compared with.
        make: builds one of them. Of all contestants the same, in any process, on any device.
        tolerance: contestant -> largest relative difference of its values from the first one's, in the first round.
        threads: of torch meanwhile; None = as the call has it.
        round_s: seconds that all rounds may take together; fewer than the repeats asked for are made beyond, and more
            in a short contest (`SHORT_S`).
        long: takes too many minutes for a run of everything; measured only where it is asked for.
    """

    subject: Subject
    names: tuple[str, ...]
    make: Callable[[Conditions, Subject, str], Contestant]
    tolerance: Mapping[str, float] = field(default_factory=dict)
    threads: int | None = None
    round_s: float = 30.0
    long: bool = False


@dataclass
class Result:
    """Seconds an item of each contestant and round, and how far its values are from the first one's."""

    seconds: dict[str, list[float]]
    difference: dict[str, float]

    def median(self, name: str) -> float:
        """Median seconds an item."""
        return statistics.median(self.seconds[name])


def contestants(conditions: Conditions) -> dict[str, str]:
    """Who takes a whole step -> the network's precision; bf16 only where the processor has instructions for it.

    Elsewhere it is computed in pieces, more than ten times slower than float32.
    """
    native = conditions.smoke or conditions.device == "cuda" or torch.cpu._is_avx512_bf16_supported()
    return {"yardstick": "fp32", "kit": "fp32"} | ({"kit_bf16": "bf16"} if native else {})


def synchronise(device: str) -> None:
    """Wait until the device has done all it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


@contextmanager
def threads(count: int | None):
    """Torch and OpenCV with so many threads inside; OpenCV's stay 1, where nothing else is asked for."""
    before, before_cv2 = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(count or before)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        cv2.setNumThreads(before_cv2)


PRELOADED = ["torch", "cv2", "numpy", "lowtex.training", "lowtex.datasets", "benchmarks.subjects"]
"""Modules that a process for measuring memory starts with."""


def race(
    contest: Contest, conditions: Conditions, repeats: int = REPEATS, clock: Callable[[], float] = time.perf_counter
) -> Result:
    """Build all contestants, warm up, compare, and time them in turn.

    Raises:
        Disagreement: values differ by more than the contest's tolerance; names both and the values.
    """
    # everybody's: a plain step of four pairs at 640x192 had 115,000 page faults without it and under 12,000 with it
    keep_freed_memory()
    with threads(contest.threads):
        made = {name: contest.make(conditions, contest.subject, name) for name in contest.names}
        values: dict[str, dict[str, float]] = {}
        calls, spent = {}, 0.0
        for name, contestant in made.items():
            first, values[name] = _timed(contestant, conditions.device, 1, clock)
            # the first call also sets up; the second says how long one lasts
            again = first if first > 1.0 else _timed(contestant, conditions.device, 1, clock)[0]
            calls[name] = max(1, math.ceil(MEASURED_S / max(again, 1e-9)))
            spent += again * calls[name]
        difference = compared(contest, values)
        rounds = repeats if spent * repeats <= contest.round_s else max(LEAST_REPEATS, int(contest.round_s / spent))
        rounds = min(rounds, repeats)
        if not conditions.smoke:
            rounds = max(rounds, min(MOST_TIMES * repeats, int(SHORT_S / max(spent, 1e-9))))
        seconds: dict[str, list[float]] = {name: [] for name in made}
        for _ in range(rounds):
            for name, contestant in made.items():
                took, _ = _timed(contestant, conditions.device, calls[name], clock)
                seconds[name].append(took / calls[name] / contestant.items)
    return Result(seconds, difference)


def _timed(contestant: Contestant, device: str, calls: int, clock) -> tuple[float, dict[str, float]]:
    synchronise(device)
    began = clock()
    for _ in range(calls):
        values = contestant.run()
    synchronise(device)
    took = clock() - began
    # numbers are made and fetched after the clock has stopped: on a GPU that would wait for them
    return took, {key: float(contestant.summary(key, value)) for key, value in (values or {}).items()}


def compared(contest: Contest, values: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The largest relative difference of each contestant's values from the first one's.

    Raises:
        Disagreement: beyond the tolerance, not finite, or other values altogether.
    """
    first, *others = contest.names
    found = {}
    for name in others:
        if name not in contest.tolerance:
            continue
        allowed, reference = contest.tolerance[name], values[first]
        if set(values[name]) != set(reference) or not reference:
            raise Disagreement(f"{contest.subject}: {first} gives {_listed(reference)}, {name} {_listed(values[name])}")
        difference = max(_relative(reference[key], values[name][key]) for key in reference)
        if not difference <= allowed:
            raise Disagreement(
                f"{contest.subject}: {first} gives {_listed(reference)} but {name} {_listed(values[name])}; they "
                f"differ by {difference:.1e}, and {allowed:.0e} is allowed: they do not compute the same thing"
            )
        found[name] = difference
    return found


def _relative(a: float, b: float) -> float:
    if not (math.isfinite(a) and math.isfinite(b)):
        return math.inf
    return abs(a - b) / max(abs(a), 1e-12) if a != b else 0.0


def _listed(values: Mapping[str, float]) -> str:
    return ", ".join(f"{key} {value:.8g}" for key, value in values.items()) or "nothing"


def chosen(contests: Iterable[Contest], only: Sequence[str]) -> list[Contest]:
    """The contests that are asked for, see `asked`; no long ones where nothing in particular is."""
    return [contest for contest in contests if asked(contest.subject, only) and (only or not contest.long)]


def asked(subject: Subject, only: Iterable[str]) -> bool:
    """Whether a word is the subject's group or part of its text; no words ask for everything.

    A word of several parts, ``step+batch 4+640x192``, asks for what all of them fit.
    """
    words = [[part.strip().lower() for part in word.split("+") if part.strip()] for word in only]
    text = str(subject).lower()
    return not words or any(
        all(part == subject.group if part in GROUPS else part in text for part in parts) for parts in words if parts
    )


def peak_memory(contest: Contest, name: str, conditions: Conditions) -> int:
    """Bytes of one contestant at its peak.

    Raises:
        LowtexError: the process ended without an answer: killed for want of memory, most likely.
    """
    # children come from a server that has everything imported and nothing computed: no import is paid twice, and no
    # thread or buffer of this process is copied. A GPU wants processes that were never forked
    gpu = conditions.device == "cuda"
    context = multiprocessing.get_context("spawn" if gpu else "forkserver")
    if not gpu:
        context.set_forkserver_preload(PRELOADED)
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(theirs, contest, name, conditions), daemon=True)
    process.start()
    theirs.close()
    try:
        answer = ours.recv()
    except EOFError:
        answer = None
    process.join()
    if isinstance(answer, int):
        return answer
    why = f"ended with code {process.exitcode}; is there enough memory?" if answer is None else answer
    raise LowtexError(f"peak memory of {contest.subject}, {name}: its process {why}")


def _measure(pipe, contest: Contest, name: str, conditions: Conditions) -> None:
    try:
        with threads(contest.threads or conditions.threads):
            pipe.send(_peak_here(contest, name, conditions))
    except BaseException as error:
        # whatever it was, the parent has to hear of it
        pipe.send(f"failed: {type(error).__name__}: {error}")


def _peak_here(contest: Contest, name: str, conditions: Conditions) -> int:
    keep_freed_memory()
    # a fresh process has not held more than it holds now
    start = _peak_bytes()
    contestant = contest.make(conditions, contest.subject, name)
    for _ in range(2):
        contestant.run()
        synchronise(conditions.device)
    if conditions.device == "cuda":
        return torch.cuda.max_memory_allocated()
    return max(_peak_bytes() - start, 0)


def _peak_bytes() -> int:
    """The most this process ever held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
