"""When an effect counts: the rule that turns intervals into verdicts, as data, and its care for many comparisons."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from lowtex.errors import OptionError, require_choice
from lowtex_lab.plots.tidy import require_columns

HELPS, HARMS, SAME, OPEN = "helps", "harms", "no difference seen", "undecided"
"""The four verdicts. Whatever is known too little to be judged begins with `CANNOT` and says why."""

CANNOT = "cannot be judged"

CORRECTIONS = ("holm", "fdr")

EITHER_WAY = 0.05
"""A change of the error by at most this share, up or down, may be called small. Chosen before any number was seen."""

SMALL = f"at most {100 * EITHER_WAY:g} % either way"
"""What is said of an effect that the rule leaves undecided and whose whole interval lies within `EITHER_WAY` of 1."""

MOST_SEEDS = 100
"""More than these are not counted by `Rule.seeds_needed`."""

MOST_STREETS = 20
"""`Rule.needed` counts up to so many times the streets that there are."""

MORE_SEEDS = (10, 20, 40)
"""Seeds that `Rule.needed` tries with more streets, where those there are would not do with any number of streets."""

POWER = 0.8
"""`Rule.needed` asks for a verdict in this share of studies like the one at hand."""


@dataclass(frozen=True)
class Rule:
    """What an effect must do to be called one.

    Attributes:
        margin: changes of the error by less than this share do not matter.
        level: of the interval.
        least: with fewer seeds, or fewer things drawn on the side of images, there is no verdict. With two of either
            a 95 % interval held the truth in as few as 89 % of 400 simulations, with three in 90 to 96 %, with five
            seeds and ten stretches in 95 to 96 %.
    """

    margin: float = 0.02
    level: float = 0.95
    least: int = 3

    def __post_init__(self):
        if not 0 <= self.margin < 1:
            raise OptionError(f"margin={self.margin!r} is out of range; expected a share of the error in [0, 1)")
        if not 0.5 <= self.level < 1:
            raise OptionError(f"level={self.level!r} is out of range; expected one in [0.5, 1)")
        if self.least < 2:
            raise OptionError(f"least={self.least!r} is out of range; one seed or one scene has no interval")

    def verdict(self, low: float, high: float) -> str:
        """Verdict on a ratio of errors from its interval."""
        if not (np.isfinite(low) and np.isfinite(high)):
            return CANNOT
        if high < 1 - self.margin:
            return HELPS
        if low > 1 + self.margin:
            return HARMS
        return SAME if low >= 1 - self.margin and high <= 1 + self.margin else OPEN

    def p_value(self, log_ratio: np.ndarray, se: np.ndarray, df: np.ndarray) -> np.ndarray:
        """Of the verdict that the ratio points to; ``p < 1 - level`` exactly where `verdict` gives it.

        Outside the margins: that the true ratio is within them after all (or beyond the other one); inside: that it is
        at or outside one of them (two one-sided tests, Schuirmann 1987). Twice the one-sided value, because `verdict`
        asks for the whole two-sided interval. NaN where the standard error is.
        """
        below, above = np.log1p(-self.margin), np.log1p(self.margin)
        with np.errstate(divide="ignore", invalid="ignore"):
            to_below, to_above = (log_ratio - below) / se, (log_ratio - above) / se
        outside = np.where(log_ratio < 0, stats.t.cdf(to_below, df), stats.t.sf(to_above, df))
        inside = np.maximum(stats.t.sf(to_below, df), stats.t.cdf(to_above, df))
        is_outside = (log_ratio < below) | (log_ratio > above)
        return np.where(np.isnan(se), np.nan, np.minimum(2 * np.where(is_outside, outside, inside), 1.0))

    def seeds_needed(self, ratio: float, spread: float) -> int | None:
        """Seeds until the interval of an effect, from the spread between seeds alone, would give a verdict.

        The effect and the spread are taken for the true ones and the images for fixed, so this is a lower bound: images
        add their own share to an interval, which no seed takes away.

        Args:
            ratio: of errors.
            spread: deviation of its logarithm from seed to seed.

        Returns:
            at least ``least``; None where more than `MOST_SEEDS` would be needed, or nothing is known.
        """
        if not (np.isfinite(spread) and ratio > 0):
            return None
        seeds = np.arange(self.least, MOST_SEEDS + 1)
        enough = self._reach(spread / np.sqrt(seeds), seeds, 0.0, 1) < self.room(np.log(ratio))
        return int(seeds[enough.argmax()]) if enough.any() else None

    def room(self, log_ratio: float) -> float:
        """How far from its middle the interval of an effect may reach for a verdict: to the margin that the effect has
        passed, or to the nearer one that it is within."""
        below, above = np.log1p([-self.margin, self.margin])
        return max(below - log_ratio, log_ratio - above, min(log_ratio - below, above - log_ratio))

    def needed(self, effect: Mapping[str, float], room: float) -> tuple[int, int] | None:
        """Seeds and streets with which the interval of an effect would fit into some room.

        The effect and both its standard errors are taken for true; the chance of a verdict is then `POWER`. The share
        of the images is not made smaller by seeds: where it alone is too wide, only more streets help, and where the
        streets are few, more of them vary more than the stretches that they were cut into, so this is a lower bound.

        Args:
            effect: ``se_seeds, se_images`` (of the ratio's logarithm), ``seeds`` and ``clusters`` of it.
            room: how far the interval may reach from its middle, of the logarithm.

        Returns:
            (seeds, clusters): more seeds at the clusters there are, where at most `MOST_SEEDS` will do; else more
            clusters at the seeds there are; else more clusters at one of `MORE_SEEDS`. None where nothing of that
            will do, or where nothing is known.
        """
        seeds, clusters = int(effect["seeds"]), max(int(effect["clusters"]), 1)
        spread, scatter = effect["se_seeds"] * np.sqrt(seeds), effect["se_images"] * np.sqrt(clusters)
        more_seeds = np.arange(self.least, MOST_SEEDS + 1)
        more_clusters = np.arange(clusters, MOST_STREETS * clusters + 1)
        ways = [(seeds, more_clusters), *((number, more_clusters) for number in MORE_SEEDS if number > seeds)]
        for way in [(more_seeds, clusters), *ways]:
            many, drawn = np.broadcast_arrays(*way)
            enough = self._reach(spread / np.sqrt(many), many, scatter / np.sqrt(drawn), drawn, POWER) < room
            if enough.any():
                return int(many[enough.argmax()]), int(drawn[enough.argmax()])
        return None

    def _reach(self, se_seeds, seeds, se_images, clusters, power: float = 0.5) -> np.ndarray:
        """Half the width of Student's interval from the standard errors of both sides (`stats.resampling.Spread`), and
        as much more as it takes to fit into a room of that size in a share ``power`` of studies."""
        variance = se_seeds**2 + se_images**2
        freedom = se_seeds**4 / np.maximum(seeds - 1, 1) + se_images**4 / np.maximum(clusters - 1, 1)
        df = np.divide(variance**2, freedom, out=np.ones_like(variance), where=freedom != 0)
        return (stats.t.ppf(0.5 + self.level / 2, df) + stats.t.ppf(power, df)) * np.sqrt(variance)

    def describe(self) -> str:
        """The rule in words, with its numbers."""
        return (
            f"An effect is a ratio of errors, with the change to without it; its interval is the {self.level:.0%} one "
            f"over seeds and images. It **{HELPS}** if the whole interval lies below {1 - self.margin:g}, "
            f"**{HARMS}** if it lies above {1 + self.margin:g}; there is **{SAME}** if it lies between the two; "
            f"otherwise the effect is **{OPEN}**. Where several effects are judged together, each must be surer "
            f"(Holm's correction), so one can be {OPEN} whose own interval lies on one side. With fewer than "
            f"{self.least} seeds, or scenes (or stretches), it **{CANNOT}**."
        )


def corrected(effects: pd.DataFrame, method: str = "holm", rule: Rule | None = None) -> pd.DataFrame:
    """The same effects, judged as one family: the more comparisons, the surer each must be.

    Of 40 comparisons without any true effect two would be called by a 95 % interval. Holm's method (1979) keeps the
    chance of *any* false verdict in the table below 5 %, whatever the comparisons have in common, which these have
    (the same seeds, images and reference); it is the one for verdicts. ``fdr`` (Benjamini and Hochberg 1995, from
    scipy) keeps the expected *share* of false ones among those called below 5 %; it is for sifting long lists.

    Args:
        effects: of `stats.effects`, `stats.factorial` or several put together: the family, all that one question
            looks at. Choose it before looking, and small: the main effects alone
            (``effects[effects.order == 1]``), not 15 effects in 8 strata. Needs ``ratio, se_seeds, se_images, df,
            verdict``.
        method: one of `CORRECTIONS`.
        rule: the one that the effects were judged by.

    Returns:
        the frame with ``comparisons`` (how many have a p-value), ``p``, ``p_corrected`` and ``verdict_corrected``: the
        verdict where it survives, else ``undecided``.

    Raises:
        DataError: a column is missing.
        OptionError: an unknown method.
    """
    require_choice("method", method, CORRECTIONS)
    if effects.empty:
        return effects.copy()
    rule = rule or Rule()
    needed = ("ratio", "se_seeds", "se_images", "df", "verdict")
    require_columns(effects, needed, "a correction (of effects of lowtex_lab.studies.stats.effects)")
    frame = effects.copy()
    se = np.sqrt(frame["se_seeds"].to_numpy(float) ** 2 + frame["se_images"].to_numpy(float) ** 2)
    p = rule.p_value(np.log(frame["ratio"].to_numpy(float)), se, frame["df"].to_numpy(float))
    # what cannot be judged is no comparison
    p[frame["verdict"].astype(str).str.startswith(CANNOT)] = np.nan
    adjusted = adjust(p, method)
    frame["comparisons"], frame["p"], frame["p_corrected"] = int(np.isfinite(p).sum()), p, adjusted
    called = frame["verdict"].isin([HELPS, HARMS, SAME]) & (adjusted >= 1 - rule.level)
    frame["verdict_corrected"] = frame["verdict"].where(~called, OPEN)
    return frame


def adjust(p: np.ndarray, method: str) -> np.ndarray:
    """p-values ``(N,)`` of a family raised by one of `CORRECTIONS`; NaN is no member and stays NaN."""
    known, adjusted = np.isfinite(p), p.copy()
    if method == "fdr":
        adjusted[known] = stats.false_discovery_control(p[known], method="bh") if known.any() else p[known]
        return adjusted
    order = np.flatnonzero(known)[np.argsort(p[known])]
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1.0)
    return adjusted
