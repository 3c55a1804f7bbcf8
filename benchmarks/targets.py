"""The targets, as data, and whether what was measured reaches them. Nothing fails because one is missed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from benchmarks.subjects.loading import TRAINING
from benchmarks.subjects.pairs import RESNET
from benchmarks.subjects.steps import STEP
from benchmarks.subjects.terms import FEATURE, LOSS
from benchmarks.subjects.use import PREDICTION

WHERE = ("network", "batch", "height", "width")
COLUMNS = ("target", "way", "bound", "measured", "verdict", "n", "metric", "subject", "contestant", *WHERE)
REACHED, MISSED, OPEN = "reached", "not reached", "not measured"


@dataclass(frozen=True)
class Target:
    """One number to reach.

    Attributes:
        text: in words. subject: a subject's name. contestant, metric: whose number. bound: the target itself.
        at_least: whether larger is better. device: ``cpu`` (two cores) or ``cuda``.
        where: column -> value, where a subject is measured at several. but_part: rows of this part do not count.
    """

    text: str
    subject: str
    contestant: str
    metric: str
    bound: float
    at_least: bool
    device: str = "cpu"
    where: Mapping[str, object] = field(default_factory=dict)
    but_part: str | None = None


_FULL = {"network": RESNET, "batch": 4, "height": 192, "width": 640}
_WAITING = "share of the time the loader, with workers, keeps the GPU waiting"

TARGETS = (
    Target("whole step in fp32, times the yardstick", STEP, "kit", "times_faster", 2.2, True, where=_FULL),
    Target("whole step with bf16, times the yardstick", STEP, "kit_bf16", "times_faster", 3.2, True, where=_FULL),
    Target("loss alone, times the yardstick", LOSS, "kit", "times_faster", 6.0, True),
    Target("feature loss, times the yardstick", FEATURE, "kit", "times_faster", 40.0, True),
    Target("peak memory of the step, of the yardstick's", STEP, "kit", "memory_ratio", 0.7, False, where=_FULL),
    Target("cached item, times one from files", "KittiRaw, pair item", "kit_prepared", "times_from_files", 20.0, True),
    Target("prediction of one 640x192 image, ms", PREDICTION, "kit", "ms", 45.0, False, where={"network": RESNET}),
    Target(_WAITING, TRAINING, "kit", "waiting_share", 0.05, False, device="cuda", but_part="0 workers"),
)
"""Issue 5, part 2 (two cores) and part 4 (a GPU)."""


def judged(rows: pd.DataFrame, device: str) -> pd.DataFrame:
    """A row a target of this kind of device, with `COLUMNS`: what was asked for, measured where, and the verdict.

    Args:
        rows: see `benchmarks.rows`. Of a target that fits several, the least favourable one counts.
        device: ``cpu`` or ``cuda``.
    """
    found, rows = [], rows.reset_index(drop=True)
    for target in TARGETS:
        if target.device != device:
            continue
        fits = rows["part"] != target.but_part
        for column in ("subject", "contestant", "metric"):
            fits &= rows[column] == getattr(target, column)
        for column, value in target.where.items():
            fits &= rows[column] == value
        own = rows[fits]
        sign = "at least" if target.at_least else "at most"
        line = {"target": target.text, "bound": target.bound, "way": sign, "metric": target.metric}
        line |= {"subject": target.subject, "contestant": target.contestant}
        if own.empty:
            found.append({**line, "measured": float("nan"), "verdict": OPEN, "n": 0})
            continue
        worst = own["value"].idxmin() if target.at_least else own["value"].idxmax()
        value = float(own.loc[worst, "value"])
        reached = value >= target.bound if target.at_least else value <= target.bound
        line |= {"measured": value, "verdict": REACHED if reached else MISSED, "n": int(own.loc[worst, "n"])}
        found.append({**line, **{name: own.loc[worst, name] for name in WHERE}})
    return pd.DataFrame(found, columns=list(COLUMNS))
