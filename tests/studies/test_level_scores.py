"""A factor's levels pooled over settings, against the factorial and with trainings missing; errors by stratum."""

import numpy as np
import pandas as pd
import pytest
from made_scores import rows_of

from lowtex.errors import DataError, OptionError
from lowtex_lab.studies.level_scores import errors_by_stratum, level_scores
from lowtex_lab.studies.stats.effects import compare
from lowtex_lab.studies.stats.factorial import factorial_effects
from lowtex_lab.studies.tables import EVERYWHERE, design, factor_effects, factor_pairs

CELLS = design().experiments
SEEDS, IMAGES = 4, 12


def made(ratio=0.9, noise=0.01, features=1.0):
    """Scores of all cells whose nested skips multiply the error by ``ratio``, by that times ``features`` with them."""
    random, table = np.random.default_rng(0), {}
    for name, cell in design().cells.items():
        error = 3.0 if cell["data term"] == "pixels" else 0.5
        error *= ratio * (features if cell["data term"] == "features" else 1) if cell["skips"] == "nested" else 1
        noisy = np.exp(noise * random.standard_normal((SEEDS, IMAGES)))
        table[name] = error * (1 + 0.2 * np.arange(IMAGES) / IMAGES) * noisy
    return rows_of(table, d1=0.5)


def outcomes_of(stuck=()):
    lines = [(name, seed, (name, seed) not in stuck) for name in CELLS for seed in range(SEEDS)]
    return pd.DataFrame(lines, columns=["experiment", "seed", "learnt"])


def effect_of(scores):
    levels = level_scores(scores, factor_pairs("skips").values(), outcomes_of())
    return levels, compare(levels, [("new", "old")], times=100)["ratio"].item()


def test_where_all_is_there_it_is_the_factorials_main_effect():
    scores = made(features=0.8)
    levels, ratio = effect_of(scores)
    whole = factorial_effects(scores, design(), times=100).set_index("effect")
    # pixels have six times the errors: a mean of errors would say 0.89
    assert ratio == pytest.approx(whole.loc["skips", "ratio"], rel=2e-3)
    assert ratio == pytest.approx(0.9 * 0.8**0.5, rel=0.01)
    assert len(levels) == 2 * SEEDS * IMAGES and (levels["settings"] == 8).all()


def test_effects_of_a_factor_are_split_by_another_and_a_stuck_training_takes_its_pair_with_it():
    scores, stuck = made(0.8, features=0.625), ("resnet-pixels-first-nested", 0)
    scores.loc[(scores["experiment"] == stuck[0]) & (scores["seed"] == stuck[1]), "abs_rel"] = 40.0
    settings = (EVERYWHERE, "features", "pixels", "both")
    effects = factor_effects("skips", scores, outcomes_of({stuck}), settings=settings, times=100).set_index("effect")
    assert effects["pairs"].to_dict() == {"all settings": 31, "features": 16, "pixels": 15, "both": 16}
    assert effects.loc[["features", "pixels"], "ratio"].tolist() == pytest.approx([0.5, 0.8], rel=0.01)
    assert effect_of(scores)[1] > 0.67, "else nothing was tested"
    assert factor_effects("skips", scores.iloc[:0], outcomes_of()).empty


def test_what_is_not_there_is_left_out_or_refused():
    pairs, scores = factor_pairs("skips").values(), made()
    few = scores[scores["experiment"].isin(factor_pairs("skips")["iresnet, features, both"])]
    assert (effect_of(few)[0]["settings"] == 1).all()
    assert level_scores(scores[scores["experiment"] == CELLS[0]], pairs, outcomes_of()).empty
    with pytest.raises(OptionError, match="d1"):
        level_scores(scores, pairs, outcomes_of(), "d1")
    with pytest.raises(DataError, match="abs_rel"):
        level_scores(scores.drop(columns="abs_rel"), pairs, outcomes_of())


def test_errors_are_means_of_their_own_seeds_and_intervals_hold_seeds_and_images():
    random, street = np.random.default_rng(0), np.random.default_rng(99).normal(0, 0.3, 40)

    def noisy(level):
        return level * np.exp(street + random.normal(0, 0.05, (4, 1)) + random.normal(0, 0.05, (4, 40)))

    parts = {"low": ("known", 0.2), "high": ("known", 0.1), "all": ("none", 0.15)}
    frames = [rows_of({"baseline": noisy(e), "ours": noisy(e / 2)}, name, kind) for name, (kind, e) in parts.items()]
    scores = pd.concat(frames, ignore_index=True)
    scores = scores[(scores["experiment"] == "baseline") | (scores["seed"] < 2)]
    table = errors_by_stratum(scores, ["baseline", "ours"], stratum_kind="known")
    assert list(table["stratum"].unique()) == ["all", "low", "high"]
    for row in table.to_dict("records"):
        own = scores[(scores["experiment"] == row["experiment"]) & (scores["stratum"] == row["stratum"])]
        assert row["error"] == pytest.approx(own["abs_rel"].mean()) and 0 <= row["low"] < row["error"] < row["high"]
        assert (row["seeds"], row["images"], row["pixels"]) == (own["seed"].nunique(), 40, 4000)
    # streets differ by 30 %: far wider than the seeds' 5 % would make it
    first = table.iloc[0]
    assert (first["high"] - first["low"]) / first["error"] > 0.1
    alone = errors_by_stratum(scores[scores["seed"] == 0], ["ours"], stratum_kind="known")
    assert alone["low"].isna().all() and (alone["seeds"] == 1).all()
