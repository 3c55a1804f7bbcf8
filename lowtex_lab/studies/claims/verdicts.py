"""Verdicts on claims by a stated rule. Nothing here knows an outcome.

A claim names comparisons (`claims.comparisons`); `claims.numbers.measure` looks each up; `settle` judges
all comparisons of a table as one family; `verdict` turns what they say into one of four verdicts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from lowtex.evaluation.metrics import LABELS
from lowtex_lab.studies.claims.comparisons import EQUAL, LESS, Versus
from lowtex_lab.studies.stats.effect_rules import CANNOT as UNKNOWN
from lowtex_lab.studies.stats.effect_rules import HARMS, HELPS, OPEN, SAME, Rule, holm
from lowtex_lab.studies.tables import STUCK

HOLDS, IN_PART, FAILS, CANNOT = "holds", "holds in part", "does not hold", "cannot be judged here"
VERDICTS = (HOLDS, IN_PART, FAILS, CANNOT)

UNTESTED = "not tested on {data}; the miniature says: {answer}"
"""Verdict on a claim about a real data set that only its miniature has numbers of: they say nothing about it."""
ANSWERS = {HOLDS: "yes", IN_PART: "in part", FAILS: "no", CANNOT: "undecided"}
"""What the miniature says where a claim about it would get this verdict."""

NO_GAIN = "no gain"
"""A gain worth naming is ruled out, whether or not harm is shown: the interval lies above ``1 - margin``."""

YES, NO, UNDECIDED, FEW, NOTHING = "yes", "no", "undecided", "too few", "no numbers"
"""What one comparison says of a claim."""


def rule_text(rule: Rule | None = None) -> str:
    """The rule in words, with its numbers, as Markdown."""
    rule = rule or Rule()
    return f"""\
**One comparison** takes one method's error as a share of another's, within each seed and on the same images, and
averages over seeds. {rule.describe()} Where only means over images are known, the interval is Student's, over seeds
alone: it says nothing about other images, and the table says so.

**All comparisons of the table are one family.** It is a long list, read as a whole, so the correction of Benjamini and
Hochberg keeps the expected *share* of false verdicts among those given below {1 - rule.level:.0%}; what does not
survive it is **{OPEN}**. Those that would also survive Holm's stricter one, under which the chance of *any* false
verdict in the table is below {1 - rule.level:.0%}, are marked *firm*. A comparison that serves several claims is
counted once.

**What it says of the claim.** Most claims say "a smaller error": {HELPS} is *{YES}*; {HARMS} and {SAME} are *{NO}*, and
so is **{NO_GAIN}**, where the whole interval lies above {1 - rule.margin:g}, so that a gain worth naming is ruled out
whether or not harm is shown. Some say "much smaller" (than a stated share of the other's error; the interval is then
held against that share), some say "no difference" ({SAME} is *{YES}*, {HELPS} and {HARMS} are *{NO}*).

| verdict | when |
| --- | --- |
| **{HOLDS}** | every comparison says {YES} |
| **{IN_PART}** | some say {YES}, not all |
| **{FAILS}** | every comparison says {NO} |
| **{CANNOT}**, because … | else: there are no numbers, too few seeds or images, or the intervals are too wide |
| **{UNTESTED.format(data="…", answer="…")}** | a claim about a real data set, and all its numbers are of \
miniatures: these are judged as above ({", ".join(ANSWERS.values())}), but the claim is not |

Where some numbers of such a claim are of the real data set it is about, they alone are counted.

**Which numbers are taken.** Those of the protocol's own test split, its own scaling, without flip post-processing; the
very experiments that the claim names, so never networks that were fine-tuned or trained elsewhere under another name;
both sides trained on the same data. Where several sets of numbers fit: those with at least {rule.least} seeds before
the others, then real data before the miniature, scores of single images before means, more seeds before fewer. Two
sets are never mixed, and what was left is said.

**Trainings that did not learn**, with an AbsRel of {STUCK:g} or more on validation scenes, are named. Their seeds are
left out of the comparison where {rule.least} others remain (of a main effect, the pairs of cells that have one), and
the ratio with them is said beside it."""


@dataclass
class Outcome:
    """What the numbers say about one comparison.

    Attributes:
        test: the comparison.
        effect: of `studies.stats.effects.compare` or `factorial_effects` (``ratio, low, high, verdict, seeds, images,
            cluster, se_seeds, se_images, df``, what the numbers have in common); empty without numbers.
        verdict: of `lowtex_lab.studies.stats.effect_rules`, corrected once `settle` has seen the whole table.
        over: what the interval is over: ``seeds and images`` or ``seeds``.
        kind: of strata that was found.
        left: what else was there and was not taken, and seeds that stand out.
        missing: experiments without any number there.
        alone: the verdict without correction.
        firm: it would survive Holm's correction as well.
    """

    test: Versus
    effect: dict = field(default_factory=dict)
    verdict: str = ""
    over: str = ""
    kind: str = ""
    left: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    alone: str = ""
    firm: bool = False

    @property
    def ratio(self) -> float:
        """The error as a share of the other's; NaN without numbers."""
        return float(self.effect.get("ratio", np.nan))

    @property
    def interval(self) -> tuple[float, float]:
        """Of the ratio; NaN where there is none."""
        return float(self.effect.get("low", np.nan)), float(self.effect.get("high", np.nan))

    @property
    def seeds(self) -> int:
        """That both sides have."""
        return int(self.effect.get("seeds", 0))

    @property
    def images(self) -> int:
        """Per seed."""
        return int(self.effect.get("images", 0))

    @property
    def miniature(self) -> bool:
        """The images are of the kit's own world."""
        return bool(self.effect.get("miniature", False))

    @property
    def says(self) -> str:
        """What it says of the claim: one of ``yes, no, undecided, too few, no numbers``."""
        if not self.effect:
            return NOTHING
        if self.verdict.startswith(UNKNOWN):
            return FEW
        if self.verdict == OPEN:
            return UNDECIDED
        return YES if self.verdict == {LESS: HELPS, EQUAL: SAME}[self.test.expects] else NO

    def numbers(self) -> str:
        """Ratio and interval in one text."""
        if not self.effect:
            return NOTHING
        low, high = self.interval
        known = np.isfinite(low) and np.isfinite(high)
        asked = f", asked for below {self.test.times:g}" if self.test.times != 1 else ""
        return f"{self.ratio:.3f} [{f'{low:.3f}, {high:.3f}' if known else 'no interval'}]{asked}"

    def evidence(self) -> str:
        """Everything in one line."""
        kind = f" ({self.kind})" if self.kind not in ("", "none") else ""
        if not self.effect:
            lack = f" of {', '.join(self.missing)}" if 0 < len(self.missing) <= 3 else ""
            return f"{self.test.label} on {self.test.place}: {NOTHING}{lack}"
        against = ""
        if "method_error" in self.effect:
            name = LABELS.get(self.test.quantity, self.test.quantity)
            against = f" ({name} {self.effect['method_error']:.3f} against {self.effect['reference_error']:.3f})"
        firm = " (firm)" if self.firm else ""
        return f"{self.test.label} on {self.test.place}{kind}: {self.numbers()}{against}, {self.verdict}{firm}"


def settle(outcomes: Sequence[Outcome], rule: Rule | None = None) -> None:
    """Judge the outcomes of a table as one family (`effect_rules.corrected`): sets each one's verdict, alone and firm.

    Each distinct comparison must be there once.
    """
    rule = rule or Rule()
    known = [outcome for outcome in outcomes if outcome.effect]
    p = np.full(len(known), np.nan)
    for place, outcome in enumerate(known):
        outcome.alone = _alone(outcome, rule)
        if not outcome.alone.startswith(UNKNOWN):
            # what cannot be judged is no comparison
            p[place] = _p_value(outcome, rule)
    judged = np.isfinite(p)
    shares, strict = p.copy(), p.copy()
    if judged.any():
        shares[judged], strict[judged] = stats.false_discovery_control(p[judged], method="bh"), holm(p[judged])
    for outcome, share, sure in zip(known, shares, strict, strict=True):
        called = outcome.alone not in (OPEN,) and not outcome.alone.startswith(UNKNOWN)
        outcome.verdict = OPEN if called and not share < 1 - rule.level else outcome.alone
        outcome.firm = bool(called and sure < 1 - rule.level)


def _alone(outcome: Outcome, rule: Rule) -> str:
    """The verdict on one comparison for itself, against the share that is asked for."""
    given = str(outcome.effect["verdict"])
    if given.startswith(UNKNOWN):
        return given
    low, high = (end / outcome.test.times for end in outcome.interval)
    said = rule.verdict(low, high)
    ruled_out = outcome.test.expects == LESS and said == OPEN and low > 1 - rule.margin
    return NO_GAIN if ruled_out else said


def _p_value(outcome: Outcome, rule: Rule) -> float:
    """Of what a comparison says: for a smaller error the two-sided test that the ratio is just a gain worth naming."""
    effect, test = outcome.effect, outcome.test
    log_ratio, df = np.log(outcome.ratio / test.times), float(effect["df"])
    se = float(np.hypot(effect["se_seeds"], effect["se_images"]))
    if test.expects == EQUAL:
        return float(rule.p_value(np.array([log_ratio]), np.array([se]), np.array([df]))[0])
    beyond = log_ratio - np.log1p(-rule.margin)
    if se == 0:
        return 0.0 if beyond else 1.0
    return float(2 * stats.t.sf(abs(beyond) / se, df))


def verdict(outcomes: Iterable[Outcome]) -> tuple[str, str]:
    """Verdict of a claim from its comparisons, and the reason, by `rule_text`."""
    outcomes = list(outcomes)
    said = [outcome.says for outcome in outcomes]
    firm = sum(o.firm for o in outcomes)
    if len(said) == 1:
        why = f"its one comparison says {said[0]}{' (firm)' if firm else ''}"
    else:
        counted = ", ".join(f"{said.count(word)} {word}" for word in dict.fromkeys(said))
        why = f"of {len(said)} comparisons {counted}{f' ({firm} firm)' if firm else ''}"
    if said and set(said) == {YES}:
        return HOLDS, why
    if YES in said:
        return IN_PART, why
    if said and set(said) == {NO}:
        return FAILS, why
    return CANNOT, because(outcomes)


def because(outcomes: Sequence[Outcome]) -> str:
    """Why comparisons allow no verdict."""
    if not outcomes:
        return "nothing tests it"
    parts = []
    for place in dict.fromkeys(o.test.measure or o.test.protocol for o in outcomes if o.says == NOTHING):
        own = [o for o in outcomes if o.says == NOTHING and (o.test.measure or o.test.protocol) == place]
        lack = list(dict.fromkeys(name for o in own for name in o.missing))
        names = f" of {', '.join(lack[:3])}{' and others' if len(lack) > 3 else ''}" if lack else ""
        parts.append(f"no numbers{names} on {place}")
    if few := [o for o in outcomes if o.says == FEW]:
        parts.append("; ".join(dict.fromkeys(o.verdict.removeprefix(f"{UNKNOWN}: ") for o in few)) + " only")
    if wide := [o for o in outcomes if o.says == UNDECIDED]:
        seeds = " or ".join(str(number) for number in sorted({o.seeds for o in wide}))
        near = sum(o.alone != OPEN for o in wide)
        but = f", {near} of them by the correction alone" if near else ""
        parts.append(f"undecided at {seeds} seeds{but} ({'; '.join(o.numbers() for o in wide)})")
    if NO in [o.says for o in outcomes]:
        parts.append("the other comparisons say no")
    return "; ".join(parts)
