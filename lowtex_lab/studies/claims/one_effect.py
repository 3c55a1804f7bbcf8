"""From one set of numbers to one effect: with an interval over seeds and images where there are scores of images, over
seeds alone elsewhere; and what becomes of trainings that did not learn.
"""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats

from lowtex.errors import DataError
from lowtex_lab.studies.claims.choice import Candidate
from lowtex_lab.studies.claims.comparisons import MainEffect, Versus
from lowtex_lab.studies.stats.effect_rules import CANNOT, Rule
from lowtex_lab.studies.stats.effects import compare
from lowtex_lab.studies.stats.factorial import factorial_effects
from lowtex_lab.studies.stats.image_scores import error_name
from lowtex_lab.studies.tables import design, factor_pairs

NEW, OLD = "new level", "old level"


def sound_effect(
    taken: Candidate, failed: frozenset[tuple[str, int]], rule: Rule, times: int
) -> tuple[dict, list[str]]:
    """The effect of a set of numbers without trainings that did not learn, and what was left out, in words.

    Of two experiments, seeds of which one did not learn are left out; of a main effect, the pairs of cells of which one
    did not. Where fewer than ``rule.least`` seeds would remain, everything is counted.

    Args:
        taken: the set.
        failed: (experiment, seed).
        rule: when an effect counts.
        times: draws of the bootstrap.

    Returns:
        a row as of `lowtex_lab.studies.stats.effects.compare`, with what the set has in common; and lines about seeds.
    """
    errors = taken.errors(whole=False)
    whole = [int(seed) for seed in errors.dropna().index]
    said = []
    if partial := [str(seed) for seed in errors.index if int(seed) not in whole]:
        said.append(f"seed {', '.join(partial)} left out: not all experiments have it")
    # a rival that never looks goes by its network's name
    owners = {name.partition(": ")[0] for name in taken.test.experiments}
    bad = sorted((name, seed) for name, seed in failed if name in owners and seed in whole)
    everything = effect_of(taken, rule, times)
    if not bad or not taken.of_images:
        return everything, said
    names = ", ".join(f"{name} seed {seed}" for name, seed in bad)
    if isinstance(taken.test, MainEffect):
        sound, counted = _of_learnt_pairs(taken, failed, rule, times)
        what = f"the {counted} of cells with one of them are left out"
    else:
        seeds = [seed for seed in whole if seed not in {seed for _, seed in bad}]
        kept = replace(taken, frame=taken.frame[taken.frame["seed"].isin(seeds)])
        sound, what = effect_of(kept, rule, times) if len(seeds) >= rule.least else {}, "these seeds are left out"
    if not sound or sound["seeds"] < rule.least:
        return everything, [*said, f"did not learn: {names}; counted all the same, as too few other seeds are left"]
    return sound, [*said, f"did not learn: {names}; {what}, with them the ratio is {everything['ratio']:.3f}"]


def effect_of(taken: Candidate, rule: Rule, times: int) -> dict:
    """The effect of all of a set: a row as of `studies.stats.effects.compare`, with what the set has in common."""
    test = taken.test
    if not taken.of_images:
        return {**_over_seeds(taken.errors(), test, rule), **taken.context}
    options = {"stratum_kind": taken.kind, "strata": (taken.stratum,), "rule": rule, "times": times}
    with warnings.catch_warnings():
        # seeds that only one side has are told by `sound_effect`
        warnings.simplefilter("ignore", UserWarning)
        if isinstance(test, MainEffect):
            effects = factorial_effects(taken.frame, design(), taken.column, **options)
            effects = effects[effects["effect"] == test.better]
        else:
            effects = compare(taken.frame, [(test.better, test.than)], taken.column, **options)
    [effect] = effects.to_dict("records")
    return {**effect, **taken.context, "metric": test.quantity, "images": effect["images"]}


def _of_learnt_pairs(taken: Candidate, failed: frozenset[tuple[str, int]], rule: Rule, times: int) -> tuple[dict, str]:
    """A main effect of the pairs of cells, alike but for the factor, of which both trainings learnt.

    Sixteen cells are seldom all whole in one seed. Each pair is divided by the geometric mean of its two errors, and
    the pairs of a seed are averaged: where all have one ratio this gives it, and nearly their geometric mean elsewhere.
    """
    frame = taken.frame
    frame = frame[(frame["stratum_kind"] == taken.kind) & (frame["stratum"] == taken.stratum)]
    table = frame.pivot_table(index=["seed", "experiment"], columns="image", values=taken.column)
    lines, paired, left_out = [], 0, 0
    for seed in sorted(set(frame["seed"])):
        pairs = [p for p in factor_pairs(taken.test.better).values() if all((seed, name) in table.index for name in p)]
        sound = [pair for pair in pairs if not any((name, seed) in failed for name in pair)]
        paired, left_out = paired + len(pairs), left_out + len(pairs) - len(sound)
        if not sound:
            continue
        new, old = (np.stack([table.loc[(seed, pair[side])].to_numpy() for pair in sound]) for side in (0, 1))
        size = np.sqrt(new.mean(axis=1, keepdims=True) * old.mean(axis=1, keepdims=True))
        for name, errors in ((NEW, new), (OLD, old)):
            of_images = (errors / size).mean(axis=0) * np.exp(np.log(size).mean())
            lines.append(pd.DataFrame({"experiment": name, "seed": seed, "image": table.columns, "abs_rel": of_images}))
    counted = f"{left_out} of {paired} pairs"
    if not lines:
        return {}, counted
    scores = pd.concat(lines, ignore_index=True).assign(stratum_kind="none", stratum="all", pixels=0)
    [effect] = compare(scores, [(NEW, OLD)], rule=rule, times=times).to_dict("records")
    effect |= {"stratum_kind": taken.kind, "stratum": taken.stratum, "metric": taken.test.quantity}
    effect = {name: value for name, value in effect.items() if name not in ("method_error", "reference_error")}
    return {**effect, **taken.context, "images": effect["images"]}, counted


def _over_seeds(errors: pd.DataFrame, test: Versus, rule: Rule) -> dict:
    """An effect from one error an experiment and seed: ``errors (seeds, experiments)``; the images are held fixed."""
    sides = {}
    if isinstance(test, MainEffect):
        plan = design()
        contrast, order = plan.contrasts()[plan.sets().index((test.better,))], list(plan.experiments)
        values = errors[order].to_numpy(float)
    else:
        contrast, order = np.array([1.0, -1.0]), [test.better, test.than]
        values = errors[order].to_numpy(float)
        sides = dict(zip(("method_error", "reference_error"), values.mean(axis=0), strict=True))
    if not (values > 0).all():
        raise DataError(f"{test.label} on {test.place}: an error is 0, so it has no ratio; use another metric")
    by_seed = np.log(values) @ contrast
    seeds, mean = len(by_seed), float(by_seed.mean())
    se = float(by_seed.std(ddof=1) / np.sqrt(seeds)) if seeds > 1 else float("nan")
    reach = stats.t.ppf(0.5 + rule.level / 2, seeds - 1) * se if seeds > 1 else float("nan")
    low, high = float(np.exp(mean - reach)), float(np.exp(mean + reach))
    few = f"{CANNOT}: {'one seed' if seeds == 1 else f'{seeds} seeds'}" if seeds < rule.least else ""
    return {
        "effect": test.label, "ratio": float(np.exp(mean)), "low": low, "high": high,
        "verdict": few or rule.verdict(low, high), "seeds": seeds, "clusters": 1, "cluster": "fixed",
        "stratum": test.stratum, "metric": error_name(test.metric), **sides,
        "se_seeds": se, "se_images": 0.0, "df": float(max(seeds - 1, 1)),
    }  # fmt: skip
