"""Judging claims: numbers gathered for them, verdicts for the whole table at once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from lowtex.catalog import source_of
from lowtex.experiments import GROUPS
from lowtex_lab.studies.claims import numbers as claim_numbers
from lowtex_lab.studies.claims.asked import CLAIMS
from lowtex_lab.studies.claims.comparisons import REAL_DATA, Claim, Versus
from lowtex_lab.studies.claims.numbers import TRANSFER, Numbers
from lowtex_lab.studies.claims.verdicts import (
    ANSWERS,
    CANNOT,
    FEW,
    NOTHING,
    UNDECIDED,
    UNTESTED,
    VERDICTS,
    Outcome,
    settle,
    verdict,
)
from lowtex_lab.studies.evidence import Evidence
from lowtex_lab.studies.rows import PROTOCOL
from lowtex_lab.studies.stats.effect_rules import Rule
from lowtex_lab.studies.stats.resampling import TIMES

MORE_SEEDS = 10
"""Seeds to ask for where five leave a comparison undecided."""


def gather(evidence: Evidence | None, rows: pd.DataFrame | None, claims: Iterable[Claim] = CLAIMS) -> Numbers:
    """All numbers that some claims can be judged by (`lowtex_lab.studies.claims.numbers.gather`)."""
    return claim_numbers.gather(evidence, rows, [test for claim in claims for test in claim.tests])


@dataclass(frozen=True)
class Judged:
    """Claims with what the numbers say about them.

    Attributes:
        claims: in the order of the table.
        outcomes: comparison -> outcome, each distinct comparison once.
        rule: that they were judged by.
    """

    claims: tuple[Claim, ...]
    outcomes: dict[Versus, Outcome]
    rule: Rule

    def of(self, claim: Claim) -> list[Outcome]:
        """The outcomes of a claim's comparisons."""
        return [self.outcomes[test] for test in claim.tests]

    def verdict(self, claim: Claim) -> tuple[str, str]:
        """Verdict and reason. A claim about a real data set is judged by real numbers alone; where there are none of
        that data set, the verdict says what its miniature would answer (`studies.claims.verdicts.UNTESTED`)."""
        if claim.blocked:
            return CANNOT, claim.blocked
        outcomes = self.of(claim)
        if not claim.about or not any(outcome.effect for outcome in outcomes):
            return verdict(outcomes)
        real = [Outcome(o.test, missing=o.missing) if o.miniature else o for o in outcomes]
        if any(o.effect and source_of(o.test.protocol).root == claim.about for o in real):
            return verdict(real)
        said, why = verdict(outcomes)
        return UNTESTED.format(data=REAL_DATA[claim.about], answer=ANSWERS[said]), why

    def table(self, questions: bool | None = None) -> pd.DataFrame:
        """A line a claim: claim, made in, question, text, verdict, why, evidence, scope, over, seeds, images, profile,
        reading, change. Seeds and images: the fewest behind any comparison that has numbers.

        Args:
            questions: only the review's questions, or only what is none; None = all.
        """
        lines = []
        for claim in self.claims:
            if questions is not None and bool(claim.question) != questions:
                continue
            known = [outcome for outcome in self.of(claim) if outcome.effect]
            result, why = self.verdict(claim)
            lines.append(
                {
                    "claim": claim.name,
                    "made in": claim.made_in,
                    "question": claim.question or "-",
                    "text": claim.text,
                    "verdict": result,
                    "why": why,
                    "evidence": "; ".join(outcome.evidence() for outcome in known) or "-",
                    "scope": _each("miniature only" if o.miniature else "real data" for o in known),
                    "over": _each(o.over for o in known),
                    "seeds": min((o.seeds for o in known), default=0),
                    "images": min((o.images for o in known), default=0),
                    "profile": _each(str(o.effect.get("profile", "-")) for o in known),
                    "reading": claim.reading or "-",
                    "change": self.change(claim) or "-",
                }
            )
        return pd.DataFrame(lines)

    def effects(self) -> pd.DataFrame:
        """A line a claim's comparison, for tables and `lowtex_lab.plots.claim_effects`.

        Columns: claim, made_in, comparison, place, kind, ratio, low, high, asked (the share that the error is held
        against), expects, verdict, alone (uncorrected), firm, says, metric, seeds, images, clusters, cluster, over,
        miniature, profile, train_data, left. A comparison without numbers has none.
        """
        lines = []
        for claim in self.claims:
            for outcome in self.of(claim):
                test, effect = outcome.test, outcome.effect
                lines.append(
                    {
                        "claim": claim.name,
                        "made_in": claim.made_in,
                        "comparison": test.label,
                        "place": test.place,
                        "kind": outcome.kind,
                        "ratio": outcome.ratio,
                        "low": outcome.interval[0],
                        "high": outcome.interval[1],
                        "asked": test.times,
                        "expects": test.expects,
                        "verdict": outcome.verdict or NOTHING,
                        "alone": outcome.alone,
                        "firm": outcome.firm,
                        "says": outcome.says,
                        "metric": test.quantity,
                        "seeds": outcome.seeds,
                        "images": outcome.images,
                        "clusters": int(effect.get("clusters", 0)),
                        "cluster": str(effect.get("cluster", "")),
                        "over": outcome.over,
                        "miniature": outcome.miniature,
                        "profile": str(effect.get("profile", "")),
                        "train_data": str(effect.get("train_data", "")),
                        "left": "; ".join(outcome.left),
                    }
                )
        return pd.DataFrame(lines)

    def family(self) -> int:
        """How many distinct comparisons were judged together."""
        return sum(bool(outcome.effect) and outcome.says != FEW for outcome in self.outcomes.values())

    def change(self, claim: Claim) -> str:
        """What to run so that a claim can be judged, or judged on real data; empty where nothing would help."""
        outcomes = self.of(claim)
        commands = []
        lacking = [o for o in outcomes if o.says == NOTHING]
        # what has to be trained comes before what is measured of it
        for extra in sorted(set(map(_measure_of, lacking))):
            names = [n.partition(": ")[0] for o in lacking if _measure_of(o) == extra for n in o.missing]
            commands.append(" ".join([_ablate(names), *(["--measure", extra] if extra else [])]))
        if wide := [o for o in outcomes if o.says in (UNDECIDED, FEW)]:
            names = [name.partition(": ")[0] for o in wide for name in o.test.experiments]
            seeds = max(MORE_SEEDS, 2 * max(o.seeds for o in wide))
            commands.append(f"{_ablate(names)} --seeds 0-{seeds - 1}")
        return "; ".join(dict.fromkeys([*commands, *([claim.change] if claim.change else [])]))

    def counts(self) -> dict[str, int]:
        """Verdict -> number of claims: the four of `VERDICTS`, then what else was said."""
        said = [self.verdict(claim)[0] for claim in self.claims]
        return {name: said.count(name) for name in dict.fromkeys([*VERDICTS, *said])}

    def answer(self, claim: Claim) -> str:
        """What a claim's comparisons found, in a few words each: for a question of the review."""
        told = [
            f"{o.test.label} ({o.test.place}) {o.numbers()}: {o.verdict if o.effect else 'not measured'}"
            for o in self.of(claim)
        ]
        return "; ".join(told) or claim.blocked


def judge(numbers: Numbers, claims: Sequence[Claim] = CLAIMS, rule: Rule | None = None, times: int = TIMES) -> Judged:
    """Look up every comparison once, judge all of them as one family, and keep what each claim is told.

    Args:
        numbers: of `gather`; may be empty.
        claims: what to judge.
        rule: when an effect counts; None = a margin of 2 %, 95 % intervals, three seeds.
        times: draws of the bootstrap.

    Raises:
        DataError: numbers that do not fit together; names them.
    """
    rule = rule or Rule()
    tests = dict.fromkeys(test for claim in claims for test in claim.tests)
    outcomes = {test: claim_numbers.measure(numbers, test, rule, times) for test in tests}
    settle(list(outcomes.values()), rule)
    return Judged(tuple(claims), outcomes, rule)


def _each(values: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(values)) or "-"


def _measure_of(outcome: Outcome) -> str:
    """The measure that a comparison waits for; the ablation itself has one protocol, the others are in `transfer`."""
    return outcome.test.measure or ("" if outcome.test.protocol == PROTOCOL else TRANSFER)


def _ablate(names: Iterable[str]) -> str:
    """The command for some rows of the ablation, by groups where they are many."""
    names = list(dict.fromkeys(names))
    groups = [group for group, rows in GROUPS.items() if set(rows) & set(names)]
    return " ".join(["lowtex ablate", *(names if len(names) <= 4 else [f"--only {group}" for group in groups])])
