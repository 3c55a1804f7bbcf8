"""The measure ``sweep`` as effects: what each level of texture does to an error, and what hangs on a window.

from lowtex_lab.studies.texture_levels import sweep_effects, sweep_scores
scores = sweep_scores(evidence.measured("sweep"))
sweep_effects(scores, ["baseline", "ours"])          # each method against itself at factor 1

The levels of a method are put side by side as if each were an experiment of its own (``ours @ 0.25``), so that a ratio
between them is paired by seed and image like any other (`lowtex_lab.studies.stats.effects.compare`).
"""

from collections.abc import Sequence

import pandas as pd

from lowtex.errors import DataError
from lowtex_lab.studies.diagnostics.texture_sweep import KINDS, LEVELS, PROTOCOL, Level
from lowtex_lab.studies.stats.effects import compare
from lowtex_lab.studies.stats.image_scores import require
from lowtex_lab.studies.texture_evidence import errors_by_stratum

NORMAL = Level(1.0)


def sweep_scores(measured: pd.DataFrame) -> pd.DataFrame:
    """The measure ``sweep`` as scores for `studies.stats.effects`, each level an experiment: ``ours @ 0.25``.

    Adds ``method`` and ``level`` (a label of `studies.diagnostics.texture_sweep.Level`), and what the measure leaves
    unsaid.
    """
    require(measured, ("experiment", "seed", "factor", "painted", "image", "stratum_kind", "stratum", "abs_rel"))
    painted = measured["painted"].astype(str).str.lower() == "true"
    labels = [Level(float(f), bool(p)).label for f, p in zip(measured["factor"], painted, strict=True)]
    named = [f"{name} @ {label}" for name, label in zip(measured["experiment"], labels, strict=True)]
    kept = measured.assign(method=measured["experiment"], level=labels, experiment=named, protocol=PROTOCOL)
    return kept.assign(split="test, rendered again", eval_data="vkitti2 clone")


def sweep_levels(scores: pd.DataFrame) -> list[str]:
    """Labels of the levels that scores hold, from strong texture to none."""
    return [level.label for level in LEVELS if level.label in set(scores["level"])]


def sweep_errors(scores: pd.DataFrame, methods: Sequence[str], stratum_kind: str = "known") -> pd.DataFrame:
    """`errors_by_stratum` at every level: ``method`` and ``level`` come on top of its columns."""
    levels, parts = sweep_levels(scores), []
    own = scores[scores["stratum_kind"].isin(["none", stratum_kind])]
    for label in levels:
        found = errors_by_stratum(own, [f"{name} @ {label}" for name in methods], stratum_kind=stratum_kind)
        parts.append(found.assign(method=found["experiment"].str.rpartition(" @ ")[0], level=label))
    return pd.concat(parts, ignore_index=True)


def sweep_effects(
    scores: pd.DataFrame, methods: Sequence[str], reference: str | None = None, stratum_kind: str = "known"
) -> pd.DataFrame:
    """Ratios along the sweep: of each method to itself at factor 1, or to ``reference`` at the same level.

    Returns:
        as of `studies.stats.effects.compare`, with ``method``, ``level`` and ``against`` (``itself at 1``, or the
        reference).
    """
    levels, parts = sweep_levels(scores), []
    own = scores[scores["stratum_kind"].isin(["none", stratum_kind])]
    for label in levels:
        if reference is None:
            pairs = [(f"{name} @ {label}", f"{name} @ {NORMAL.label}") for name in methods if label != NORMAL.label]
        else:
            pairs = [(f"{name} @ {label}", f"{reference} @ {label}") for name in methods if name != reference]
        found = compare(own, pairs, stratum_kind=stratum_kind, skip_missing=True)
        if len(found):
            names = found["method"].str.rpartition(" @ ")[0]
            parts.append(found.assign(method=names, level=label, against=reference or f"itself at {NORMAL.label}"))
    if not parts:
        raise DataError("the sweep holds no two networks of one seed to compare")
    return pd.concat(parts, ignore_index=True)


def window_effects(measured: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """How a ratio on low texture hangs on the gradient's window and thresholds, and what known contrast says.

    Args:
        measured: the measure ``sweep``; its kinds of strata beyond `studies.diagnostics.texture_sweep.KINDS` are the
            definitions.
        pairs: (method, reference).

    Returns:
        as of `studies.stats.effects.compare`, low texture only, with ``definition``; ``known contrast`` comes last.

    Raises:
        DataError: no definitions, or no seed has both networks of a pair.
    """
    scores, parts = measured.assign(protocol=PROTOCOL), []
    for kind in (kind for kind in scores["stratum_kind"].unique() if kind not in ("none", *KINDS)):
        of_kind = scores[scores["stratum_kind"] == kind]
        if (of_kind["stratum"] == "low").any():
            found = compare(of_kind, pairs, stratum_kind=kind, strata=["low"], skip_missing=True)
            parts += [found.assign(definition=kind)] if len(found) else []
    if not parts:
        raise DataError("the sweep holds no definitions of low texture, or no seed has both networks of a pair")
    return pd.concat(parts, ignore_index=True)
