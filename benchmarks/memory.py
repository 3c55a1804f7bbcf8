"""Peak memory of a contestant, in a process of its own that does nothing else.

On a CPU it is how far the process's resident set rose above what it was before the contestant was built, on a GPU the
most that torch had allocated. Two runs are enough: the first makes the optimiser's state, the second has all at once.
"""

import multiprocessing
import resource
import sys
from pathlib import Path

import torch

from benchmarks.harness import Conditions, Contest, synchronise, threads, use_allocator
from lowtex.errors import LowtexError

RUNS = 2
PRELOADED = ["torch", "cv2", "numpy", "lowtex.training", "lowtex.datasets", "benchmarks.subjects"]


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
    if name.startswith("kit"):
        # everybody else has the C library as it starts
        use_allocator(name)
    start = resident_bytes()
    contestant = contest.make(conditions, contest.subject, name)
    for _ in range(RUNS):
        contestant.run()
        synchronise(conditions.device)
    if conditions.device == "cuda":
        return torch.cuda.max_memory_allocated()
    return max(peak_bytes() - start, 0)


def peak_bytes() -> int:
    """The most this process ever held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def resident_bytes() -> int:
    """What this process holds now; its peak so far where the system does not say."""
    statm = Path("/proc/self/statm")
    if not statm.is_file():
        return peak_bytes()
    return int(statm.read_text(encoding="utf-8").split()[1]) * resource.getpagesize()
