"""One method against another, looked up in tidy rows, and verdicts by a stated rule. Nothing here knows an outcome."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from lowtex.metrics import LABELS

MARGIN = 0.02
"""A mean change of an error below this share counts as no difference."""

LEAST_SEEDS = 3
"""With fewer seeds there is no verdict."""

STUDENT_975 = (
    (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
    + (2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093)
)  # fmt: skip
"""Student's t at 97.5 % for 1 to 19 degrees of freedom; beyond, the last is kept, which is a little too careful."""

RULE = f"""\
A comparison takes one method's error as a share of another's, within each seed, on test images, without scaling and
without flip post-processing. The effect is 1 minus the mean of that ratio over seeds: above 0 is better. Its interval
is Student's, over seeds, at 95%: it says what other seeds could change, and nothing about other images.

- fewer than {LEAST_SEEDS} seeds say no more than **points to yes** (effect at least {MARGIN:.0%}), **points to no**
  (at most -{MARGIN:.0%}) or **no difference**
- {LEAST_SEEDS} seeds or more: **yes** if the effect is at least {MARGIN:.0%} and its interval lies above 0; **no** if
  the interval lies below {MARGIN:.0%}, so that a gain worth naming is ruled out; **undecided** otherwise

A claim holds if all its comparisons say yes, does not hold if all say no, and holds in part if some, but not all, say
yes. Where none says yes and some are undecided, or where seeds are too few, there is no verdict. Comparisons without
rows are left out, and the table says so; without any rows the claim cannot be judged here."""

HOLDS, IN_PART, FAILS = "holds", "holds in part", "does not hold"
NO_VERDICT, CANNOT = "no verdict", "cannot be judged here"


@dataclass(frozen=True)
class Versus:
    """One comparison: ``better`` should have the smaller ``metric`` than ``than``.

    Attributes:
        better, than: experiments.
        protocol: of `lowtex.protocols`; it implies the data set.
        stratum: ``all``, ``low`` (texture), ``edge`` or ``interior`` (nearness to a depth edge), …
        kinds: kinds of strata it may come from, the first that the rows have; ``none`` for whole images.
        metric: an error, smaller is better.
    """

    better: str
    than: str
    protocol: str = "vkitti2_dense"
    stratum: str = "all"
    kinds: tuple[str, ...] = ("none",)
    metric: str = "abs_rel"


@dataclass
class Outcome:
    """What the rows say about one comparison.

    Attributes:
        test: the comparison.
        ratios: seed -> error of ``better`` / error of ``than``.
        better, than: mean errors over those seeds.
        images: per seed; 0 without rows.
        miniature: the images are of the kit's own world.
        kind: of strata that was found.
        profile: of the rows.
    """

    test: Versus
    ratios: dict[int, float] = field(default_factory=dict)
    better: float = float("nan")
    than: float = float("nan")
    images: int = 0
    miniature: bool = False
    kind: str = ""
    profile: str = ""

    @property
    def effect(self) -> float:
        """1 - mean ratio: above 0 is an improvement; NaN without rows."""
        return 1.0 - float(np.mean(list(self.ratios.values()))) if self.ratios else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Student's 95 % interval of the effect over seeds; everything where there are fewer than two."""
        if len(self.ratios) < 2:
            return float("-inf"), float("inf")
        values = np.array(list(self.ratios.values()))
        student = STUDENT_975[min(len(values) - 1, len(STUDENT_975)) - 1]
        reach = student * values.std(ddof=1) / np.sqrt(len(values))
        return self.effect - float(reach), self.effect + float(reach)

    @property
    def says(self) -> str:
        """What `RULE` makes of it: ``no rows``, ``yes``, ``no``, ``undecided``; of few seeds ``points to …``."""
        if not self.ratios:
            return "no rows"
        if len(self.ratios) < LEAST_SEEDS:
            if abs(self.effect) < MARGIN:
                return "no difference"
            return "points to yes" if self.effect > 0 else "points to no"
        low, high = self.interval
        if high < MARGIN:
            return "no"
        return "yes" if self.effect >= MARGIN and low > 0 else "undecided"

    def evidence(self) -> str:
        """The numbers in one line."""
        where = f"{self.test.protocol}, {self.test.stratum}" + (f" ({self.kind})" if self.kind != "none" else "")
        if not self.ratios:
            return f"{self.test.better} / {self.test.than} on {self.test.protocol}, {self.test.stratum}: no rows"
        errors = f"{self.test.better} {self.better:.3f}, {self.test.than} {self.than:.3f}"
        low, high = self.interval
        spread = f" (interval {low:+.1%} to {high:+.1%})" if len(self.ratios) >= LEAST_SEEDS else ""
        return f"{where}: {LABELS[self.test.metric]} {errors}, effect {self.effect:+.1%}{spread}"


def measure(rows: pd.DataFrame, test: Versus) -> Outcome:
    """Look one comparison up in tidy rows: test images, measured, without scaling or flip; real data before miniature.

    Rows of an unscored split (validation, single frames) and fine-tuned networks are not counted.
    """
    outcome = Outcome(test)
    chosen = rows[
        (rows["status"] == "measured")
        & (rows["protocol"] == test.protocol)
        & (rows["metric"] == test.metric)
        & (rows["scaling"] == "none")
        & ~rows["flip"].astype(bool)
        & (rows["split"].astype(str).str.split("/").str[-1] == "test")
        & rows["experiment"].isin([test.better, test.than])
    ]
    for kind in test.kinds:
        inside = chosen[(chosen["stratum_kind"] == kind) & (chosen["stratum"] == test.stratum)]
        # one group is one set of images scored for networks of one training set; never mix two
        places = ["miniature", "profile", "train_data", "eval_data", "split"]
        for place, group in inside.groupby(places, sort=True):
            values = group.pivot_table(index="seed", columns="experiment", values="value", aggfunc="mean")
            if not {test.better, test.than} <= set(values.columns):
                continue
            values = values[[test.better, test.than]].dropna()
            if values.empty:
                continue
            ratios = (values[test.better] / values[test.than]).to_dict()
            return Outcome(
                test,
                {int(seed): float(ratio) for seed, ratio in ratios.items()},
                float(values[test.better].mean()),
                float(values[test.than].mean()),
                int(group["images"].max()),
                bool(place[0]),
                kind,
                str(place[1]),
            )
    return outcome


def verdict(outcomes: Iterable[Outcome]) -> tuple[str, str]:
    """Verdict and reason of a claim from its comparisons, by `RULE`."""
    outcomes = list(outcomes)
    judged = [outcome for outcome in outcomes if outcome.ratios]
    if not judged:
        return CANNOT, "this run has no rows of that comparison"
    gap = "" if len(judged) == len(outcomes) else f"; judged on {len(judged)} of {len(outcomes)} comparisons"
    seeds = min(len(outcome.ratios) for outcome in judged)
    said = [outcome.says for outcome in judged]
    if seeds < LEAST_SEEDS:
        what = "one seed" if seeds == 1 else f"{seeds} seeds"
        return NO_VERDICT, f"{what}: {', '.join(dict.fromkeys(said))}{gap}"
    what = f"{', '.join(said)}{gap}"
    if "yes" in said:
        return (HOLDS if set(said) == {"yes"} else IN_PART), what
    return (FAILS if set(said) == {"no"} else NO_VERDICT), what
