"""The targets, as data, and whether what was measured reaches them. Nothing fails because one is missed."""

from dataclasses import dataclass

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
        network, batch, size: where a subject is measured at several; None = any. size is (height, width).
        but_part: rows of this part do not count.
    """

    text: str
    subject: str
    contestant: str
    metric: str
    bound: float
    at_least: bool
    device: str = "cpu"
    network: str | None = None
    batch: int | None = None
    size: tuple[int, int] | None = None
    but_part: str | None = None


_FULL = {"network": RESNET, "batch": 4, "size": (192, 640)}

TARGETS = (
    Target("whole step in fp32, times the yardstick", STEP, "kit", "times_faster", 2.2, True, **_FULL),
    Target("whole step with bf16, times the yardstick", STEP, "kit_bf16", "times_faster", 3.2, True, **_FULL),
    Target("loss alone, times the yardstick", LOSS, "kit", "times_faster", 6.0, True),
    Target("feature loss, times the yardstick", FEATURE, "kit", "times_faster", 40.0, True),
    Target("peak memory of the step, of the yardstick's", STEP, "kit", "memory_ratio", 0.7, False, **_FULL),
    Target("cached item, times one from files", "KittiRaw, pair item", "kit_prepared", "times_from_files", 20.0, True),
    Target("prediction of one 640x192 image, ms", PREDICTION, "kit", "ms", 45.0, False, network=RESNET),
    Target(
        "share of the time the loader, with workers, keeps the GPU waiting",
        TRAINING,
        "kit",
        "waiting_share",
        0.05,
        False,
        device="cuda",
        but_part="0 workers",
    ),
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
        fits = (rows["subject"] == target.subject) & (rows["contestant"] == target.contestant)
        fits &= rows["metric"] == target.metric
        if target.network is not None:
            fits &= rows["network"] == target.network
        if target.batch is not None:
            fits &= rows["batch"] == target.batch
        if target.size is not None:
            fits &= (rows["height"] == target.size[0]) & (rows["width"] == target.size[1])
        own = rows[fits & (rows["part"] != target.but_part)]
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
