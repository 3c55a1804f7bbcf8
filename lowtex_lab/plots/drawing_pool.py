"""Many figures at once, a process for each core: matplotlib draws one at a time in a process."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from lowtex.errors import LowtexError

LEAST_FIGURES = 4
"""Fewer are drawn in this process: another one takes longer to start than they take to draw."""

Draw = Callable[[], Path | None]


def draw_all(draws: Sequence[Draw]) -> Iterator[Path | LowtexError | None]:
    """What each of ``draws`` returns, in their order, as it comes; an error of the kit's is handed over, not raised.

    Args:
        draws: functions without arguments that can be pickled, each writing files of its own.
    """
    processes = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1, len(draws))
    if processes < 2 or len(draws) < LEAST_FIGURES or "fork" not in multiprocessing.get_all_start_methods():
        yield from map(_outcome, draws)
        return
    # forked, a process has matplotlib and the rows at once; it draws and never computes with torch, whose threads a
    # fork would lose
    with ProcessPoolExecutor(processes, multiprocessing.get_context("fork")) as pool:
        yield from pool.map(_outcome, draws)


def _outcome(draw: Draw) -> Path | LowtexError | None:
    try:
        return draw()
    except LowtexError as error:
        return error
