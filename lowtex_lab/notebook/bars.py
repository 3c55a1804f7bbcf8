"""A bar for each training that runs side by side, in the cell that waits for them.

All bars are one text behind one display handle: nothing scrolls, nothing is written to stderr, and the saved notebook
keeps the last state. Headless runs print lines instead, see `lowtex.progress`.
"""

import re
import time
from collections.abc import Mapping

from IPython.display import display

from lowtex.progress import count, duration

WIDTH = 20
"""Of a bar, in letters."""

_PROGRESS = re.compile(r"(\d+)/(\d+) ")


class TrainingBars:
    """Shows what `lowtex_lab.studies.batch.run_plan` tells its ``watch``; call it with label -> state."""

    def __init__(self):
        self._began = time.monotonic()
        self._handle = None

    def __call__(self, states: Mapping[str, str]) -> None:
        text = {"text/plain": bars_text(states, time.monotonic() - self._began)}
        if self._handle is None:
            self._handle = display(text, raw=True, display_id=True)
        else:
            self._handle.update(text, raw=True)


def bars_text(states: Mapping[str, str], spent_s: float) -> str:
    """One line for each task and one for all of them, with the time left.

    Args:
        states: label -> ``waiting``, the last line of a headless training (``training ours, seed 0: 20/200 steps
            (10 %), about 3 min left``), or how it ended (``done in 41 s``).
        spent_s: since the first one began.
    """
    shares = {label: _share(state) for label, state in states.items()}
    lines = []
    for label, state in states.items():
        full = round(WIDTH * shares[label])
        lines.append(f"{spoken_label(label):26.26} {'█' * full}{'░' * (WIDTH - full)} {state.rpartition(': ')[2]:.50}")
    ended = sum(share == 1.0 for share in shares.values())
    mean = sum(shares.values()) / len(shares)
    left = f", about {duration(spent_s * (1 - mean) / mean)} left" if 0 < mean < 1 else ""
    lines.append(f"{ended} of {count(len(states), 'training')} ended after {duration(spent_s)}{left}")
    return "\n".join(lines)


def spoken_label(label: str) -> str:
    """A task's label for people: ``feature_net-s0-650667aaf730`` -> ``feature network, seed 0``."""
    return re.sub(r"-s(\d+)(-[0-9a-f]{12})?$", r", seed \1", label).replace("feature_net,", "feature network,")


def _share(state: str) -> float:
    """How much of a training is behind it, 0 to 1."""
    if state.startswith(("done", "FAILED", "not begun")):
        return 1.0
    found = _PROGRESS.search(state)
    return int(found[1]) / int(found[2]) if found else 0.0
