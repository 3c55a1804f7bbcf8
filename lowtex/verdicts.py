"""Verdicts on claims by a stated rule. Nothing here knows an outcome.

A claim names comparisons (`lowtex.claim_tests`); `lowtex.claim_numbers.measure` looks each up; `settle` judges all
comparisons of a table as one family; `verdict` turns what they say into one of four verdicts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from lowtex.ablation_tables import STUCK
from lowtex.claim_tests import EQUAL, LESS, Versus
from lowtex.effect_rules import CANNOT as UNKNOWN
from lowtex.effect_rules import HARMS, HELPS, OPEN, SAME, Rule, corrected
from lowtex.metrics import LABELS

HOLDS, IN_PART, FAILS, CANNOT = "holds", "holds in part", "does not hold", "cannot be judged here"
VERDICTS = (HOLDS, IN_PART, FAILS, CANNOT)

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

**What it says of the claim.** Most claims say "a smaller error": {HELPS} is *{YES}*, {HARMS} and {SAME} are *{NO}*.
Some say "much smaller" (than a stated share of the other's error; the interval is then held against that share), some
say "no difference" ({SAME} is *{YES}*, {HELPS} and {HARMS} are *{NO}*).

| verdict | when |
| --- | --- |
| **{HOLDS}** | every comparison says {YES} |
| **{IN_PART}** | some say {YES}, not all |
| **{FAILS}** | every comparison says {NO} |
| **{CANNOT}**, because … | else: there are no numbers, too few seeds or images, or the intervals are too wide |

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
        effect: of `lowtex.effects.compare` or `factorial_effects` (``ratio, low, high, verdict, seeds, images, cluster,
            se_seeds, se_images, df``, what the numbers have in common); empty without numbers.
        verdict: of `lowtex.effect_rules`, corrected once `settle` has seen the whole table.
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
        name = self.test.quantity
        errors = [f"{LABELS.get(name, name)} {self.effect[side]:.3f}" for side in ("method_error", "reference_error")
                  if side in self.effect]  # fmt: skip
        against = f" ({' against '.join(errors)})" if errors else ""
        firm = " (firm)" if self.firm else ""
        return f"{self.test.label} on {self.test.place}{kind}: {self.numbers()}{against}, {self.verdict}{firm}"


def settle(outcomes: Sequence[Outcome], rule: Rule | None = None) -> None:
    """Judge the outcomes of a table as one family (`effect_rules.corrected`): sets each one's verdict, alone and firm.

    Each distinct comparison must be there once.
    """
    rule = rule or Rule()
    known = [outcome for outcome in outcomes if outcome.effect]
    if not known:
        return
    lines = []
    for outcome in known:
        line = {name: outcome.effect[name] for name in ("ratio", "se_seeds", "se_images", "df", "verdict")}
        if outcome.test.times != 1:
            # the same rule with the asked share in the place of "no change"
            low, high = (end / outcome.test.times for end in outcome.interval)
            line["ratio"] /= outcome.test.times
            if not str(line["verdict"]).startswith(UNKNOWN):
                line["verdict"] = rule.verdict(low, high)
        lines.append(line)
    frame = pd.DataFrame(lines)
    shares, strict = (corrected(frame, method, rule)["verdict_corrected"] for method in ("fdr", "holm"))
    for outcome, alone, judged, surer in zip(known, frame["verdict"], shares, strict, strict=True):
        outcome.alone, outcome.verdict = str(alone), str(judged)
        outcome.firm = judged == surer and judged in (HELPS, HARMS, SAME)


def verdict(outcomes: Iterable[Outcome]) -> tuple[str, str]:
    """Verdict of a claim from its comparisons, and the reason, by `rule_text`."""
    outcomes = list(outcomes)
    said = [outcome.says for outcome in outcomes]
    firm = f", {sum(o.firm for o in outcomes)} firm" if any(o.firm for o in outcomes) else ""
    if len(said) == 1:
        why = f"its one comparison says {said[0]}{firm}"
    else:
        why = f"of {len(said)} comparisons {', '.join(f'{said.count(w)} {w}' for w in dict.fromkeys(said))}{firm}"
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
