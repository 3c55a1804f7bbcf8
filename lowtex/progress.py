"""Progress of long work: a live bar for a person, one line now and then where nobody watches.

In a headless run (``LOWTEX_HEADLESS=1``, set by the runner) and where the output is not a terminal, a line is printed
at the start, then at every tenth of the work, at most one a second and at least one every half minute. The runner also
names a file in ``LOWTEX_PROGRESS``; lines are appended to it as they happen, which is how they reach the terminal
while the notebook still runs.
"""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import suppress
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

LINES_PER_TASK = 10
SHORTEST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0


def headless() -> bool:
    """The runner set ``LOWTEX_HEADLESS``: nobody can touch a slider or watch a bar."""
    return os.environ.get("LOWTEX_HEADLESS", "") not in ("", "0")


def count(number: int, noun: str) -> str:
    """``1 image``, ``3 images``: for every sentence with a number in it."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def say(line: str) -> None:
    """Print one line of progress, and pass it on to the runner if there is one."""
    # a terminal that has gone, or a log on a full disk, must not end the work
    with suppress(OSError):
        print(line, flush=True)
    relay = os.environ.get("LOWTEX_PROGRESS")
    if relay:
        # one write in append mode, so that lines of several processes don't tear each other
        with suppress(OSError), open(relay, "ab", buffering=0) as file:
            file.write(f"{line}\n".encode())


class Progress:
    """Progress of one task; use it as a context manager, or let `track` do so.

    Args:
        title: what is being done.
        total: steps in all, or None where that is not known.
        unit: what a step is called, e.g. ``image``.
    """

    def __init__(self, title: str, total: int | None = None, unit: str = "step"):
        self.title, self.total, self.unit = title, total, unit
        self.done, self.note = 0, ""
        self._started = self._last = time.monotonic()
        self._told = -1
        # Jupyter shows what is written to stderr on a pink ground, as if something were wrong
        where = sys.stdout if _in_jupyter() else sys.stderr
        options = {"total": total, "desc": title, "unit": f" {unit}", "dynamic_ncols": True, "file": where}
        self._bar = None if _prints_lines() else tqdm(**options)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, kind, error, trace) -> None:
        self.close(finished=kind is None)

    def update(self, steps: int = 1, note: str = "") -> None:
        """``steps`` more are done; ``note`` (a loss, say) is shown behind the numbers."""
        self.done += steps
        self.note = note or self.note
        if self._bar is not None:
            self._bar.set_postfix_str(self.note, refresh=False)
            self._bar.update(steps)
            return
        now = time.monotonic()
        tenth = self.done * LINES_PER_TASK // self.total if self.total else -1
        due = tenth > self._told and self.done != self.total and now - self._last >= SHORTEST_PAUSE_S
        if due or now - self._last >= LONGEST_PAUSE_S:
            self._told, self._last = tenth, now
            spent = now - self._started
            told = f", {duration(spent)}"
            if self.total and self.done:
                left = duration(spent / self.done * (self.total - self.done))
                told = f" ({100 * self.done // self.total} %), about {left} left"
            self._say(f"{self._count()}{told}")

    def close(self, finished: bool = True) -> None:
        """End the bar, or print the last line."""
        if self._bar is not None:
            self._bar.close()
        else:
            spent = duration(time.monotonic() - self._started)
            self._say(f"{'done' if finished else 'stopped'}, {self._count()} in {spent}")

    def _say(self, text: str) -> None:
        say(f"{self.title}: {text}{f'; {self.note}' if self.note else ''}")

    def _count(self) -> str:
        amount = f"{self.done}/{self.total}" if self.total and self.done != self.total else f"{self.done}"
        return f"{amount} {self.unit}{'' if self.done == 1 and not self.total else 's'}"


def track(iterable: Iterable[Item], title: str, total: int | None = None, unit: str = "step") -> Iterator[Item]:
    """Go through ``iterable`` and show how far it is: ``for sample in track(dataset, "reading", unit="pair")``."""
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    with Progress(title, total, unit) as progress:
        for item in iterable:
            yield item
            progress.update()


def reporter(title: str) -> Callable[[int, int, float], None]:
    """A function of (steps done, steps in all, loss), as `lowtex.training.LoopOptions.report` wants one.

    A training whose count starts anew (the feature network first, then the depth network) gets a new bar.
    """
    progress: Progress | None = None

    def report(done: int, total: int, loss: float) -> None:
        nonlocal progress
        if progress is None or progress.total != total or done <= progress.done:
            if progress is not None:
                progress.close(finished=False)
            progress = Progress(title, total)
            if done > 1 and _prints_lines():
                say(f"{title}: resumed after {done - 1} of {total} steps")
        progress.update(done - progress.done, f"loss {loss:.4f}")
        if done >= total:
            progress.close()
            progress = None

    return report


def duration(seconds: float) -> str:
    """Seconds as people say them: ``41 s``, ``3 min 20 s``, ``2 h 05 min``."""
    whole = int(round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _prints_lines() -> bool:
    return headless() or (not _in_jupyter() and not sys.stderr.isatty())


def _in_jupyter() -> bool:
    return "ipykernel" in sys.modules and hasattr(sys.stdout, "set_parent")
