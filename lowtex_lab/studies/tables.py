"""What the ablation's notebooks ask of its rows: what separates two rows, and one row against another by stratum.

from lowtex_lab.studies.tables import against, by_stratum, what_differs
what_differs("encoder_features", "encoder")                          # a line a setting
effects = against(evidence, ["census", "zncc"], "ours", stratum_kind="known")
by_stratum(effects)                                                  # a line a row, a column a stratum, with n
outcome_table(evidence, ["ours", "baseline"])                        # which trainings got stuck where they started

Rows that are not there yet are left out, and `missing_line` says which; a table is never refused for want of one.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from functools import cache

import numpy as np
import pandas as pd

from lowtex.errors import DataError, OptionError, require_choice
from lowtex.experiments import FACTORS, GROUPS, VARIANTS, factorial, levels_of, named_experiment
from lowtex.settings import FeatureNetSettings, LossSettings, NetworkSettings, ScheduleSettings
from lowtex_lab.plots.tidy import in_order
from lowtex_lab.studies.evidence import Evidence
from lowtex_lab.studies.learnt import learnt_only as only_learnt
from lowtex_lab.studies.learnt import outcomes
from lowtex_lab.studies.stats.effect_rules import Rule, corrected
from lowtex_lab.studies.stats.effects import compare, seed_errors
from lowtex_lab.studies.stats.factorial import Factorial

PARTS = {
    "network": NetworkSettings,
    "loss": LossSettings,
    "feature_net": FeatureNetSettings,
    "schedule": ScheduleSettings,
}
"""Parts of an experiment that a row of the ablation may change."""

SAME = "nothing: the same training under two names"

MOST_NAMED = 6
"""Missing rows that are listed by name; of more, their group is asked for."""


def what_differs(name: str, other: str, profile: str = "quick") -> pd.DataFrame:
    """Every setting in which two rows of the ablation differ, so that a reader sees what a comparison is of.

    Returns:
        setting (``loss.data_term``), a column of each name with its value, meaning (from the setting's docstring).
        Where only one of them has a feature network, that is one line. No rows if both are the same training.

    Raises:
        OptionError: an unknown name or profile, or the same name twice.
    """
    if name == other:
        raise OptionError(f"what_differs({name!r}, {other!r}): give two different rows")
    one, two = named_experiment(name, profile), named_experiment(other, profile)
    lines = []
    for part, settings in PARTS.items():
        here, there = getattr(one, part), getattr(two, part)
        if here is None or there is None:
            if here is not there:
                values = ("none" if here is None else here.kind, "none" if there is None else there.kind)
                lines.append((part, *values, "the network whose lowest maps are compared"))
            continue
        for field in fields(settings):
            values = (getattr(here, field.name), getattr(there, field.name))
            if values[0] != values[1]:
                lines.append((f"{part}.{field.name}", *map(_said, values), _meanings(settings).get(field.name, "")))
    return pd.DataFrame(lines, columns=["setting", name, other, "meaning"])


def change_line(name: str, other: str, profile: str = "quick") -> str:
    """`what_differs` in one line: ``loss.feature_scales: lowest -> levels``, from ``other`` to ``name``.

    Raises:
        OptionError: as `what_differs`.
    """
    table = what_differs(name, other, profile)
    said = [f"{row['setting']}: {row[other]} -> {row[name]}" for row in table.to_dict("records")]
    return "; ".join(said) or SAME


def missing_line(evidence: Evidence, names: Sequence[str], what: str = "rows") -> str:
    """Which of some experiments have no rows yet, for a person to read; empty where none is missing."""
    absent = evidence.missing(names)
    if not absent:
        return ""
    if len(names) == 1:
        return f"No rows yet of {absent[0]}, so it is left out; `lowtex ablate {absent[0]}` trains and scores it."
    number = f"all {len(names)}" if len(absent) == len(names) else f"{len(absent)} of {len(names)}"
    more = f" and {len(absent) - MOST_NAMED} more" if len(absent) > MOST_NAMED else ""
    groups = [group for group, rows in GROUPS.items() if set(rows) & set(absent)]
    asked = " ".join(f"--only {group}" for group in groups) if more else " ".join(absent)
    return (
        f"No rows yet of {number} {what}: {', '.join(absent[:MOST_NAMED])}{more}. They are left out below; "
        f"`lowtex ablate {asked}` trains and scores them."
    )


def outcome_table(evidence: Evidence, names: Iterable[str]) -> pd.DataFrame:
    """`outcomes` as a table to read: row, seeds, learnt, stuck seeds, error (median of those that learnt), images."""
    lines = []
    for name, own in outcomes(evidence, names).groupby("experiment", sort=False):
        good = own["learnt"].astype(bool)
        stuck = ", ".join(map(str, own.loc[~good, "seed"]))
        median = f"{own.loc[good, 'error'].median():.3f}" if good.any() else "–"
        said = {"learnt": f"{good.sum()} of {len(own)}", "stuck seeds": stuck or "none", "validation AbsRel": median}
        lines.append({"row": name, "seeds": len(own), **said, "images": span(own["images"])})
    return pd.DataFrame(lines)


def against(
    evidence: Evidence,
    names: Iterable[str],
    reference: str,
    *,
    stratum_kind: str = "none",
    strata: Sequence[str] | None = None,
    metric: str = "abs_rel",
    split: str = "test",
    rule: Rule | None = None,
    correction: str | None = "holm",
    learnt_only: bool = False,
) -> pd.DataFrame:
    """Each row's error as a share of the reference's, by stratum, on the seeds that both have.

    Args:
        evidence: of `lowtex_lab.studies.evidence.open_evidence`.
        names: experiments; those without rows are left out, as is the reference itself.
        reference: what they are compared with.
        stratum_kind, strata, metric, rule: as in `lowtex_lab.studies.stats.effects.compare`.
        split: ``test``, or ``val`` for choices.
        correction: all that is returned is judged as one family, see `stats.effect_rules.corrected`; None leaves
            the verdicts as they are, for a few effects that are part of a family elsewhere.
        learnt_only: keep the seeds where both have learnt (`outcomes`); a row that has none with the reference is left
            out. Which seeds these are was decided by the trainings, so it answers another question than all seeds do.

    Returns:
        as `studies.stats.effects.compare` (``effect`` is ``name / reference``), and what `corrected` adds; without rows
        where no name has any.

    Raises:
        DataError: the reference has no rows, or some cannot be compared with it.
        OptionError: an unknown kind of strata, metric or correction.
    """
    if evidence.missing([reference]):
        raise DataError(f"no rows of {reference}, which is the reference; `lowtex ablate {reference}` makes them")
    return against_pairs(
        evidence,
        [(name, reference) for name in evidence.present(names) if name != reference],
        split=split,
        rule=rule,
        correction=correction,
        learnt_only=learnt_only,
        stratum_kind=stratum_kind,
        strata=strata,
        metric=metric,
    )


def against_pairs(
    evidence: Evidence,
    pairs: Iterable[tuple[str, str]],
    *,
    split: str = "test",
    rule: Rule | None = None,
    correction: str | None = "holm",
    learnt_only: bool = False,
    **options: object,
) -> pd.DataFrame:
    """`against` for pairs (method, reference), each with a reference of its own; pairs without rows are left out.

    Each pair is compared on the seeds that both have, however many other pairs have. ``options`` go to
    `lowtex_lab.studies.stats.effects.compare`.
    """
    pairs = [pair for pair in pairs if not evidence.missing(pair)]
    names = list(dict.fromkeys(name for pair in pairs for name in pair))
    scores = evidence.scores(names, split) if names else pd.DataFrame()
    kind = options.get("stratum_kind", "none")
    if names and (scores["stratum_kind"] == kind).any():
        # most rows are of strata that nobody asked for, and each of the steps below looks through all
        scores = scores[scores["stratum_kind"].isin(["none", kind])]
    if learnt_only and names:
        scores = only_learnt(scores, outcomes(evidence, names))
    effects = compare(scores, pairs, skip_missing=True, rule=rule, **options)
    # stratum by stratum, in the given order of pairs
    order = {name: place for place, name in enumerate(in_order(effects["stratum"]))}
    effects = effects.sort_values("stratum", key=lambda column: column.map(order), kind="stable", ignore_index=True)
    return effects if correction is None else corrected(effects, correction, rule)


def scored_as(evidence: Evidence, name: str, split: str = "test") -> str | None:
    """The name under which a row's training has scores on a split: its own, or that of a row that is the same training.

    A point of the smoothness curve is scored on validation scenes alone; at the default weight it is a cell of the
    factorial as well, which has test scores.
    """
    key = named_experiment(name).key
    for candidate in [name, *evidence.names]:
        same = candidate in VARIANTS and named_experiment(candidate).key == key
        if same and candidate in evidence.names and not evidence.scores([candidate], split).empty:
            return candidate
    return None


def by_stratum(effects: pd.DataFrame, label: str = "effect") -> pd.DataFrame:
    """Effects as a table to read: a line an effect, a column a stratum with ``0.53 [0.48, 0.58] helps``, and n.

    Verdicts are the corrected ones where the frame has them. ``label`` is the column that names a line; an effect that
    a stratum lacks is a dash.
    """
    verdict = "verdict_corrected" if "verdict_corrected" in effects else "verdict"
    lines = []
    for name, own in effects.groupby(label, sort=False):
        cells = {
            _pixels(row["stratum"]): f"{row['ratio']:.3f} {_interval(row['low'], row['high'])} {row[verdict]}"
            for row in own.to_dict("records")
        }
        columns = {_pixels(stratum): "–" for stratum in in_order(effects["stratum"])}
        lines.append({label: name, **columns, **cells, "seeds": span(own["seeds"]), "images": span(own["images"])})
    return pd.DataFrame(lines)


def error_table(
    evidence: Evidence,
    names: Iterable[str],
    *,
    stratum_kind: str = "none",
    strata: Sequence[str] | None = None,
    metric: str = "abs_rel",
    split: str = "test",
) -> pd.DataFrame:
    """Mean error of each row by stratum, ``0.123 ± 0.004``, with the deviation over seeds, and n; a line a row.

    Rows that are not there are left out. Lines may stand on different seeds, so a difference between two lines is not
    yet an effect: that is `against`.
    """
    lines = []
    for name in evidence.present(names):
        scores = evidence.scores([name], split)
        errors, cells = seed_errors(scores, [name], metric, stratum_kind=stratum_kind, strata=strata), {}
        for stratum in in_order(errors["stratum"]):
            own = errors.loc[errors["stratum"] == stratum, "error"]
            deviation = f" ± {own.std(ddof=1):.3f}" if len(own) > 1 else " (one seed)"
            cells[_pixels(stratum)] = f"{own.mean():.3f}{deviation}"
        lines.append({"row": name, **cells, "seeds": errors["seed"].nunique(), "images": span(errors["images"])})
    return pd.DataFrame(lines)


def design() -> Factorial:
    """The ablation's full factorial for `studies.stats.factorial`: each factor's paper level is the new one."""
    return Factorial(
        {name: tuple(levels) for name, levels in FACTORS.items()}, {name: levels_of(name) for name in factorial()}
    )


def factor_pairs(factor: str) -> dict[str, tuple[str, str]]:
    """One factor's new level against its old one at every setting of the others.

    Returns:
        the others' levels (``iresnet, first, plain``) -> (row with the new level, row with the old one).

    Raises:
        OptionError: an unknown factor.
    """
    require_choice("factor", factor, FACTORS)
    old, new = FACTORS[factor]
    pairs = {}
    for name in factorial():
        levels = levels_of(name)
        if levels[factor] == new:
            others = ", ".join(level for which, level in levels.items() if which != factor)
            pairs[others] = (name, "-".join((levels | {factor: old})[which] for which in FACTORS))
    return pairs


def span(values: Iterable[int]) -> str:
    """``25``, or ``21 to 25`` where they differ."""
    numbers = sorted({int(value) for value in values})
    return f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"


def _pixels(stratum: object) -> str:
    return "all pixels" if stratum == "all" else str(stratum)


def _interval(low: float, high: float) -> str:
    known = np.isfinite(low) and np.isfinite(high)
    return f"[{low:.3f}, {high:.3f}]" if known else "[no interval]"


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


@cache
def _meanings(settings: type) -> Mapping[str, str]:
    """Setting -> its line in the class's docstring, without its marks."""
    _, _, block = (settings.__doc__ or "").partition("Attributes:")
    found: dict[str, str] = {}
    for entry in re.split(r"\n {8}(?=\w)", block):
        names, _, text = " ".join(entry.split()).partition(": ")
        found |= dict.fromkeys(names.split(", "), text.replace("``", "").rstrip("."))
    return found
