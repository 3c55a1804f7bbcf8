"""What bfloat16 costs in accuracy: experiments named ``<name>-bf16`` beside those in float32."""

import pandas as pd

from lowtex.experiments import HALVED, half_name
from lowtex_lab.studies.evidence import Evidence
from lowtex_lab.studies.learnt import learnt_only, outcomes
from lowtex_lab.studies.stats.effect_rules import Rule, corrected
from lowtex_lab.studies.stats.effects import contrast_effects, pair_weights

POOLED = "all of them"
"""The effect that averages over all experiments there are."""

FAMILY = ("all", "low")
"""Strata that the default of ``schedule.precision`` is decided by."""


def half_effects(
    evidence: Evidence, rule: Rule | None = None, stratum_kind: str = "known", metric: str = "abs_rel"
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Errors in bfloat16 over errors in float32, among the trainings that learnt.

    Args:
        evidence: of `lowtex_lab.studies.evidence.open_evidence`.
        rule, stratum_kind, metric: as in `lowtex_lab.studies.stats.effects.contrast_effects`.

    Returns:
        rows of `studies.stats.effects.contrast_effects`, an effect an experiment of `HALVED` whose both forms
        have rows, and `POOLED` over several; and the pooled verdict of each stratum of `FAMILY`, as one family. Both
        empty where there is no pair.

    Raises:
        DataError: none of an experiment's trainings has learnt.
    """
    pairs = {f"{base}, bf16": (half_name(base), base) for base in HALVED}
    pairs = {name: pair for name, pair in pairs.items() if not evidence.missing(pair)}
    if not pairs:
        return pd.DataFrame(), {}
    names = [name for pair in pairs.values() for name in pair]
    weights = pair_weights(pairs)
    if len(pairs) > 1:
        share = 1 / len(pairs)
        weights[POOLED] = {name: sign * share for own in weights.values() for name, sign in own.items()}
    scores = learnt_only(evidence.scores(names), outcomes(evidence, names))
    effects = contrast_effects(scores, weights, metric, stratum_kind=stratum_kind, rule=rule)
    deciding = effects[effects["effect"].eq(POOLED) & effects["stratum"].isin(FAMILY)]
    verdicts = {}
    if len(deciding):
        deciding = corrected(deciding, rule=rule)
        verdicts = dict(zip(deciding["stratum"], deciding["verdict_corrected"], strict=True))
    return effects, verdicts
