"""Every claim beside its evidence and a verdict, computed from numbers by a stated rule and never typed in.

from lowtex_lab.studies import claims
numbers = claims.gather(evidence, rows)       # the ablation's scores, its measures, a run's own rows
judged = claims.judge(numbers)
print(claims.rule_text())
judged.table()        # a line a claim
judged.effects()      # a line a comparison, for `lowtex_lab.plots.effect_forest`

A claim names comparisons (`studies.claims.comparisons`); the lists are in `studies.claims.of_the_paper` and
`lowtex_lab.studies.claims.asked`.
"""

from lowtex_lab.studies.claims.asked import CLAIMS
from lowtex_lab.studies.claims.comparisons import MADE_IN, Claim, MainEffect, Versus
from lowtex_lab.studies.claims.judging import Judged, gather, judge
from lowtex_lab.studies.claims.numbers import Numbers
from lowtex_lab.studies.claims.of_the_paper import KITTI_COMMAND
from lowtex_lab.studies.claims.verdicts import CANNOT, FAILS, HOLDS, IN_PART, UNTESTED, VERDICTS, Outcome, rule_text

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
