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
from lowtex.progress import count
from lowtex_lab.plots.tidy import counted, in_order, number_range
from lowtex_lab.studies.evidence import Evidence
from lowtex_lab.studies.learnt import learnt_only as only_learnt
from lowtex_lab.studies.learnt import outcomes
from lowtex_lab.studies.level_scores import level_scores
from lowtex_lab.studies.rows import read_all_records
from lowtex_lab.studies.stats.effect_rules import corrected
from lowtex_lab.studies.stats.effects import compare, ratio_text, seed_errors
from lowtex_lab.studies.stats.factorial import Factorial

PARTS = ("network", "loss", "feature_net", "schedule")
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
    for part in PARTS:
        here, there = getattr(one, part), getattr(two, part)
        if here is None or there is None:
            kinds = ["none" if settings is None else settings.kind for settings in (here, there)]
            if here is not there:
                lines.append((part, *kinds, "the network whose lowest maps are compared"))
            continue
        for field in fields(here):
            values = [getattr(settings, field.name) for settings in (here, there)]
            if values[0] != values[1]:
                meaning = _meanings(type(here)).get(field.name, "")
                lines.append((f"{part}.{field.name}", *map(_said, values), meaning))
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
    command = ablate_command(absent, profile=evidence.profile)
    if len(names) == 1:
        return f"No rows yet of {absent[0]}, so it is left out; `{command}` trains and scores it."
    number = f"all {len(names)}" if len(absent) == len(names) else f"{len(absent)} of {len(names)}"
    more = f" and {len(absent) - MOST_NAMED} more" if len(absent) > MOST_NAMED else ""
    return (
        f"No rows yet of {number} {what}: {', '.join(absent[:MOST_NAMED])}{more}. They are left out below; "
        f"`{command}` trains and scores them."
    )


def ablate_command(names: Iterable[str], most: int = MOST_NAMED, profile: str = "quick") -> str:
    """The command that trains and scores some rows, by groups where they are more than ``most``."""
    names = list(dict.fromkeys(names))
    groups = [f"--only {group}" for group, rows in GROUPS.items() if set(rows) & set(names)]
    other = [] if profile == "quick" else [f"--profile {profile}"]
    return " ".join(["lowtex ablate", *(names if len(names) <= most else groups), *other])


def setting(evidence: Evidence, names: Iterable[str] | None = None, split: str = "test") -> str:
    """What stands behind numbers of an ablation beside their own seeds and images, for sentences and captions:
    ``quick profile, 200 steps, miniature of 2 test streets``.

    Args:
        evidence: of `lowtex_lab.studies.evidence.open_evidence`.
        names: experiments whose steps are said, a range where they differ; None = the factorial's cells. Where none of
            them has rows, all that have.
        split: whose streets (of real data: scenes) are counted, ``test`` or ``val``.
    """
    names = evidence.present(design().experiments if names is None else names) or evidence.names
    records = read_all_records(evidence.run_dir)
    labels = [f"{name}-s{seed}" for name in names for seed in evidence.seeds(name)]
    steps = number_range(pd.Series([records[label]["experiment"]["schedule"]["steps"] for label in labels]))
    scores = evidence.scores(names[:1], split)
    data, street = ("miniature", "street") if scores["miniature"].all() else ("real data", "scene")
    places = scores["image"].str.split("/").str[0].nunique()
    whose = "test" if split == "test" else "validation"
    return f"{evidence.profile} profile, {steps} steps, {data} of {count(places, f'{whose} {street}')}"


def in_words(effect: Mapping, counts: bool = True) -> str:
    """An effect in half a sentence: ``0.71 times as large (0.62 to 0.80, helps; 5 seeds, 40 images)``.

    Args:
        effect: a row of `lowtex_lab.studies.stats.effects.compare`, perhaps `corrected`, whose verdict then counts.
        counts: say seeds and images; False where `behind` says them of several effects at once.
    """
    verdict = effect.get("verdict_corrected", effect["verdict"])
    known = np.isfinite(effect["low"]) and np.isfinite(effect["high"])
    interval = f"{effect['low']:.2f} to {effect['high']:.2f}, " if known else ""
    number = f"; {behind(pd.DataFrame([effect]))}" if counts else ""
    return f"{effect['ratio']:.2f} times as large ({interval}{verdict}{number})"


def behind(effects: pd.DataFrame) -> str:
    """Seeds and images that effects rest on: ``5 seeds, 40 images``, with ranges where they differ."""
    if effects.empty:
        return "no rows"
    return f"{counted(effects['seeds'], 'seed')}, {counted(effects['images'], 'image')}"


def outcome_table(evidence: Evidence, names: Iterable[str]) -> pd.DataFrame:
    """`outcomes` as a table to read: row, seeds, learnt, stuck seeds, error (median of those that learnt), images."""
    lines = []
    for name, own in outcomes(evidence, names).groupby("experiment", sort=False):
        good = own["learnt"].astype(bool)
        stuck = ", ".join(map(str, own.loc[~good, "seed"]))
        median = f"{own.loc[good, 'error'].median():.3f}" if good.any() else "–"
        said = {"learnt": f"{good.sum()} of {len(own)}", "stuck seeds": stuck or "none", "validation AbsRel": median}
        lines.append({"row": name, "seeds": len(own), **said, "images": number_range(own["images"])})
    return pd.DataFrame(lines)


def against(evidence: Evidence, names: Iterable[str], reference: str, **options: object) -> pd.DataFrame:
    """Each row's error as a share of the reference's, by stratum, on the seeds that both have.

    Args:
        evidence: of `lowtex_lab.studies.evidence.open_evidence`.
        names: experiments; those without rows are left out, as is the reference itself.
        reference: what they are compared with.
        options: of `against_pairs`.

    Raises:
        DataError: the reference has no rows, or some cannot be compared with it.
        OptionError: an unknown kind of strata, metric or correction.
    """
    if evidence.missing([reference]):
        raise DataError(f"no rows of {reference}, which is the reference; `lowtex ablate {reference}` makes them")
    return against_pairs(evidence, [(name, reference) for name in names if name != reference], **options)


def against_pairs(
    evidence: Evidence,
    pairs: Iterable[tuple[str, str]],
    *,
    split: str = "test",
    correction: str | None = "holm",
    learnt_only: bool = False,
    **options: object,
) -> pd.DataFrame:
    """One row's error as a share of another's, by stratum, for pairs (method, reference); those without rows are left
    out. Each pair is compared on the seeds that both have, however many other pairs have.

    Args:
        evidence: of `lowtex_lab.studies.evidence.open_evidence`.
        pairs: experiments.
        split: ``test``, or ``val`` for choices.
        correction: all that is returned is judged as one family, see `stats.effect_rules.corrected`; None leaves
            the verdicts as they are, for a few effects that are part of a family elsewhere.
        learnt_only: keep the seeds where both have learnt (`outcomes`); a pair that has none is left out. Which seeds
            these are was decided by the trainings, so it answers another question than all seeds do.
        options: stratum_kind, strata, metric, rule and more of `lowtex_lab.studies.stats.effects.compare`.

    Returns:
        as `studies.stats.effects.compare` (``effect`` is ``name / reference``), and what `corrected` adds; without rows
        where no pair has any.
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
    effects = compare(scores, pairs, skip_missing=True, **options)
    # stratum by stratum, in the given order of pairs
    order = in_order(effects["stratum"])
    place = effects["stratum"].map(order.index)
    effects = effects.loc[place.sort_values(kind="stable").index].reset_index(drop=True)
    return effects if correction is None else corrected(effects, correction, options.get("rule"))


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
        cells = {_pixels(row["stratum"]): f"{ratio_text(row, 3)} {row[verdict]}" for row in own.to_dict("records")}
        columns = {_pixels(stratum): "–" for stratum in in_order(effects["stratum"])}
        counts = {count: number_range(own[count]) for count in ("seeds", "images")}
        lines.append({label: name, **columns, **cells, **counts})
    return pd.DataFrame(lines)


def error_table(evidence: Evidence, names: Iterable[str], **options: object) -> pd.DataFrame:
    """Mean error of each row by stratum, ``0.123 ± 0.004``, with the deviation over seeds, and n; a line a row.

    Errors are those of test images. Rows that are not there are left out. Lines may stand on different seeds, so a
    difference between two lines is not yet an effect: that is `against`. ``options`` are those of
    `lowtex_lab.studies.stats.effects.seed_errors`.
    """
    lines = []
    for name in evidence.present(names):
        errors, cells = seed_errors(evidence.scores([name]), [name], **options), {}
        for stratum in in_order(errors["stratum"]):
            own = errors.loc[errors["stratum"] == stratum, "error"]
            cells[_pixels(stratum)] = mean_text(own.mean(), own.std()) + (" (one seed)" if len(own) == 1 else "")
        images = number_range(errors["images"])
        lines.append({"row": name, **cells, "seeds": errors["seed"].nunique(), "images": images})
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
    by_level: dict[str, dict[str, str]] = {level: {} for level in FACTORS[factor]}
    for name, levels in design().cells.items():
        others = ", ".join(level for which, level in levels.items() if which != factor)
        by_level[levels[factor]][others] = name
    old, new = by_level.values()
    return {others: (name, old[others]) for others, name in new.items()}


EVERYWHERE = "all settings"


def factor_effects(
    factor: str,
    scores: pd.DataFrame,
    found: pd.DataFrame,
    metric: str = "abs_rel",
    settings: Iterable[str] = (EVERYWHERE,),
    **options: object,
) -> pd.DataFrame:
    """A factor's new level over its old one, pooled over the factorial's pairs, on the seeds where both learnt.

    Args:
        factor: of `lowtex.experiments.FACTORS`.
        scores: of the cells' images, or a measure of them; cells may be missing.
        found: of `lowtex_lab.studies.learnt.outcomes`.
        metric: a column of the scores, an error.
        settings: over which pairs: `EVERYWHERE`, or a level of another factor (``features``), which they then share.
        options: stratum_kind, strata and more of `lowtex_lab.studies.stats.effects.compare`.

    Returns:
        as `compare`, with the setting as ``effect``, and ``pairs``: how many trainings with the new level are behind
        it. A setting without a pair has no rows.

    Raises:
        OptionError: an unknown factor, or as `compare`.
    """
    frames = [pd.DataFrame(columns=["effect", "stratum", "ratio", "verdict", "seeds", "images", "pairs"])]
    if len(scores):
        # most rows are of strata that nobody asked for, and pooling looks through all
        scores = scores[scores["stratum_kind"].isin(["none", options.get("stratum_kind", "none")])]
    for where in settings:
        chosen = [pair for rest, pair in factor_pairs(factor).items() if where in (EVERYWHERE, *rest.split(", "))]
        pooled = level_scores(scores, chosen, found, metric) if len(scores) else scores
        if len(pooled):
            pairs = pooled[pooled["experiment"] == "new"].groupby("seed")["settings"].max().sum()
            effects = compare(pooled, [("new", "old")], metric, skip_missing=True, **options)
            frames.append(effects.assign(effect=where, pairs=int(pairs)))
    return pd.concat(frames[1:] or frames, ignore_index=True)


def _pixels(stratum: object) -> str:
    return "all pixels" if stratum == "all" else str(stratum)


def mean_text(mean: float, deviation: float) -> str:
    """``0.123 ± 0.004``; the mean alone where one value is behind it, which has no deviation."""
    return f"{mean:.3f} ± {deviation:.3f}" if np.isfinite(deviation) else f"{mean:.3f}"


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
