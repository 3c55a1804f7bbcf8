"""Every claim beside its evidence and a verdict, computed from numbers by a stated rule and never typed in.

from lowtex import claims
numbers = claims.gather(evidence, rows)       # the ablation's scores, its measures, a run's own rows
judged = claims.judge(numbers)
print(claims.rule_text())
judged.table()        # a line a claim
judged.effects()      # a line a comparison, for `lowtex.figures.effect_forest`

A claim names comparisons (`lowtex.claims.comparisons`); the lists are in `lowtex.claims.of_the_paper` and
`lowtex.claims.asked`.
"""

from lowtex.claims.asked import CLAIMS
from lowtex.claims.comparisons import MADE_IN, Claim, MainEffect, Versus
from lowtex.claims.judging import Judged, gather, judge
from lowtex.claims.numbers import Numbers
from lowtex.claims.of_the_paper import KITTI_COMMAND
from lowtex.claims.verdicts import CANNOT, FAILS, HOLDS, IN_PART, UNTESTED, VERDICTS, Outcome, rule_text

__all__ = [
    "CANNOT",
    "CLAIMS",
    "Claim",
    "FAILS",
    "HOLDS",
    "IN_PART",
    "Judged",
    "KITTI_COMMAND",
    "MADE_IN",
    "MainEffect",
    "Numbers",
    "Outcome",
    "UNTESTED",
    "VERDICTS",
    "Versus",
    "gather",
    "judge",
    "rule_text",
]
